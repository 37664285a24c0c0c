// Asks a metrics server, by the instant query of Prometheus' HTTP API. Careful about the three ways of not being told: an
// empty answer, not a number, and a sample that is old; each is an answer of its own, and none of them is zero. The age of
// a sample is asked for by `timestamp(…)`: an expression that works something out has the age of its evaluation, and then
// only its emptiness tells that the series behind it are gone. Untrusted: what comes back is bounded and checked.
import type { PrometheusAnswer } from '../../domain/evidence.ts'
import { cleanText } from '../../util/text.ts'

const TIMEOUT_MS = 15_000
const MOST_BYTES = 4 * 1024 * 1024
const MOST_SERIES = 1_000

export type PrometheusQuery = { readonly url: string; readonly query: string; readonly signal: AbortSignal }

/** Never rejects but when the signal fires: not being answered is an answer. @throws the signal's reason */
export async function askPrometheus({ url, query, signal }: PrometheusQuery): Promise<PrometheusAnswer> {
  try {
    const [values, times] = await Promise.all([
      instant(url, query, signal),
      instant(url, `timestamp(${query}\n)`, signal).catch(() => null),
    ])
    if ('why' in values) return { kind: 'failed', why: values.why }
    const seen = new Map(times === null || 'why' in times ? [] : times.series.map((one) => [keyOf(one.labels), one]))
    return {
      kind: 'series',
      series: values.series.map(({ labels, value }) => {
        const stamp = seen.get(keyOf(labels, false))
        const ageMs = stamp === undefined ? 0 : Math.max(0, Math.round(1000 * (stamp.at - stamp.value)))
        return { labels, value, ageMs: Number.isFinite(ageMs) ? ageMs : 0 }
      }),
      warnings: [...values.warnings, ...(times === null ? ['the age of the samples could not be asked for'] : [])],
    }
  } catch (error) {
    signal.throwIfAborted()
    return { kind: 'failed', why: whyOf(error, url) }
  }
}

type One = { readonly labels: Readonly<Record<string, string>>; readonly value: number; readonly at: number }
type Instant = { readonly series: readonly One[]; readonly warnings: readonly string[] } | { readonly why: string }

async function instant(url: string, query: string, signal: AbortSignal): Promise<Instant> {
  const response = await fetch(new URL('api/v1/query', url.endsWith('/') ? url : `${url}/`), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({ query }),
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  })
  const text = await bounded(response)
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return { why: `${hostOf(url)} answered HTTP ${response.status}, and no JSON: is it a Prometheus server?` }
  }
  if (!isRecord(answer)) return { why: `${hostOf(url)} answered something else than Prometheus does` }
  if (answer.status !== 'success')
    return { why: `${hostOf(url)} refused the query: ${cleanText(String(answer.error ?? `HTTP ${response.status}`), 300)}` }
  return readData(answer)
}

function readData(answer: Readonly<Record<string, unknown>>): Instant {
  const { data } = answer
  const warnings = Array.isArray(answer.warnings) ? answer.warnings.map((warning) => cleanText(String(warning), 200)) : []
  if (!isRecord(data)) return { why: 'the answer has no data' }
  const { resultType, result } = data
  if (resultType === 'scalar' || resultType === 'string') {
    const one = resultType === 'scalar' ? readOne({}, result) : null
    return one === null ? { why: `the query answers a ${resultType}, and a number is wanted` } : { series: [one], warnings }
  }
  if (resultType !== 'vector' || !Array.isArray(result))
    return {
      why: `the query answers a ${cleanText(String(resultType), 20)}, and one number a series is wanted: take the window away, or put a function over it`,
    }
  if (result.length > MOST_SERIES) return { why: `the query answers ${result.length} series: aggregate them` }
  const series = result.map((entry: unknown) => (isRecord(entry) ? readOne(labelsOf(entry.metric), entry.value) : null))
  if (series.includes(null)) return { why: 'the answer holds a series without a value (a native histogram?): put a function over it' }
  return { series: series.filter((one) => one !== null), warnings }
}

function readOne(labels: One['labels'], pair: unknown): One | null {
  if (!Array.isArray(pair) || typeof pair[0] !== 'number' || typeof pair[1] !== 'string') return null
  return { labels, at: pair[0], value: numberOf(pair[1]) }
}

/** As Prometheus writes it: `NaN`, `+Inf`, `-Inf`, or digits. */
function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  return text.trim() === '' ? Number.NaN : Number(text)
}

function labelsOf(metric: unknown): One['labels'] {
  if (!isRecord(metric)) return {}
  return Object.fromEntries(Object.entries(metric).map(([name, value]) => [cleanText(name, 100), cleanText(String(value), 200)]))
}

/** `timestamp` leaves the metric's name out. */
function keyOf(labels: One['labels'], named = true): string {
  return JSON.stringify(
    Object.entries(labels)
      .filter(([name]) => named || name !== '__name__')
      .sort(([left], [right]) => (left < right ? -1 : 1)),
  )
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MOST_BYTES) throw new Error(`the answer is larger than ${MOST_BYTES / 1024 / 1024} MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Never the whole address: it may hold a login. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the metrics server'
}

function whyOf(error: unknown, url: string): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const isTimeout = error instanceof Error && error.name === 'TimeoutError'
  const detail = isTimeout
    ? `no answer within ${TIMEOUT_MS / 1000} s`
    : cleanText(cause instanceof Error ? cause.message || cause.name : String(cause), 200)
  return `${hostOf(url)} cannot be asked: ${detail}`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
