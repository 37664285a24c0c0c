// Hands metrics to a Prometheus push gateway: a run is over before anybody could scrape it. PUT replaces what the same
// group said before, so that a clause that is gone does not stay there for ever. A gateway that is away is its own problem.
import { httpSend } from '../probe/http.ts'

const TIMEOUT_MS = 10_000

/** The address of a group under a gateway's address; one that names a group already is taken as it is. */
export function groupUrl(gateway: string, labels: Readonly<Record<string, string>>): string {
  const base = gateway.replace(/\/+$/, '')
  if (/\/metrics\/job(?:@base64)?\//.test(base)) return base
  const parts = Object.entries(labels).map(([name, value]) =>
    // A slash cannot be escaped there, and an empty value has no other way to be written.
    value.includes('/') || value === '' ? `${name}@base64/${base64Url(value)}` : `${name}/${encodeURIComponent(value)}`,
  )
  return `${base}/metrics/${parts.join('/')}`
}

const base64Url = (text: string): string => (text === '' ? '=' : Buffer.from(text).toString('base64url'))

/** @returns null when it was taken, else why not, in one sentence that holds no secret */
export async function pushMetrics(of: {
  readonly gateway: string
  readonly labels: Readonly<Record<string, string>>
  readonly text: string
  readonly signal: AbortSignal
}): Promise<string | null> {
  const url = groupUrl(of.gateway, of.labels)
  try {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
    const answer = await httpSend({ method: 'PUT', url, headers, body: of.text, timeoutMs: TIMEOUT_MS, signal: of.signal })
    if (answer.status >= 200 && answer.status < 300) return null
    const [first = ''] = answer.body.split('\n')
    return `it answered ${answer.status}${first === '' ? '' : `: ${first.slice(0, 200)}`}`
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1_000} s`
    if (!(error instanceof Error)) return String(error)
    return 'code' in error && typeof error.code === 'string' ? error.code : error.message
  }
}
