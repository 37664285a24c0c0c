// vegeta: the JSON report (totals; times in nanoseconds) and `vegeta encode` (each request). Its rate does not wait for
// answers, so stalls are in its times. Careful about the CSV of `encode`, which has no header, and puts the time first.
import type { FailureClass } from '../../domain/slice.ts'
import { csvRows, numberIn } from './csv.ts'
import { documentOf, type Input, linesOf } from './input.ts'
import { entriesAt, needNumber, numberAt, parseDocument, textAt } from './json.ts'
import { armOf } from './k6-points.ts'
import { EVERY_REQUEST, quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'
import { createRows, type Rows } from './rows.ts'

const NS = 1e6

export async function readVegetaReport(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const root = parseDocument(await documentOf(input))
  const requests = needNumber(root, 'requests')
  const good = entriesAt(root, 'status_codes').reduce(
    (sum, [code, count]) => sum + (/^[23]\d\d$/.test(code) && typeof count === 'number' ? count : 0),
    0,
  )
  const quantilesMs: Record<string, number> = {}
  for (const percent of [50, 90, 95, 99]) {
    const ns = numberAt(root, 'latencies', `${percent}th`)
    if (ns !== null) quantilesMs[quantileKey(percent)] = ns / NS
  }
  const max = numberAt(root, 'latencies', 'max')
  const [duration, wait] = [needNumber(root, 'duration'), numberAt(root, 'wait') ?? 0]
  return readingOf({
    level: 'C',
    totals: {
      ...{ requests, failures: Math.max(0, requests - good), seconds: duration / 1e9, offered: null, quantilesMs },
      maxMs: max === null ? null : max / NS,
    },
    measuredMs: (duration + wait) / NS,
    capabilities: totalsCan(quantilesMs, { isClosedModel: false, hidesRetries: true }),
    warnings: requests > good ? ['vegeta’s percentiles hold its failures, however fast they failed'] : [],
  })
}

export async function readVegetaJson(inputs: readonly Input[]): Promise<Reading> {
  const rows = createRows()
  for (const input of inputs)
    for await (const lines of linesOf(input))
      for (const line of lines) {
        if (line === '') continue
        let hit: unknown
        try {
          hit = JSON.parse(line)
        } catch {
          rows.bad()
          continue
        }
        addHit(rows, {
          at: Date.parse(textAt(hit, 'timestamp') ?? ''),
          ...{ latency: numberAt(hit, 'latency'), code: numberAt(hit, 'code'), bytes: numberAt(hit, 'bytes_in') ?? 0 },
          ...{ error: textAt(hit, 'error') ?? '', attack: textAt(hit, 'attack') ?? '' },
        })
      }
  return readingFrom(rows, inputs)
}

export async function readVegetaCsv(inputs: readonly Input[]): Promise<Reading> {
  const rows = createRows()
  for (const input of inputs)
    for await (const batch of csvRows(input, ','))
      for (const row of batch) {
        const [time, code, latency, , bytes, error = '', , attack = ''] = row
        // Its timestamp has more digits than a number holds: milliseconds are enough.
        const at = time !== undefined && /^\d{16,20}$/.test(time) ? Number(time.slice(0, -6)) : Number.NaN
        const sane = (text: string | undefined): number | null => (Number.isNaN(numberIn(text)) ? null : numberIn(text))
        if (row.length < 9) rows.bad()
        else addHit(rows, { at, latency: sane(latency), code: sane(code), bytes: sane(bytes) ?? 0, error, attack })
      }
  return readingFrom(rows, inputs)
}

type Hit = {
  readonly at: number
  readonly latency: number | null
  readonly code: number | null
  readonly bytes: number
  readonly error: string
  readonly attack: string
}

function addHit(rows: Rows, { at, latency, code, bytes, error, attack }: Hit): void {
  if (latency === null || code === null) rows.bad()
  else
    rows.add({
      ...{ at, ms: latency / NS, bytes, status: code, arm: armOf(attack.replace(/^arm=/, '')) },
      failure: code >= 200 && code < 400 ? null : code > 0 ? 'status' : goFailure(error),
    })
}

/** Errors of Go's network library: vegeta, hey and fortio print them. */
export function goFailure(error: string): FailureClass {
  if (/no such host|lookup /.test(error)) return 'dns'
  if (/connection refused/.test(error)) return 'refused'
  if (/connection reset|broken pipe/.test(error)) return 'reset'
  if (/\bEOF\b/.test(error)) return /unexpected EOF/.test(error) ? 'truncated' : 'closed'
  if (/dial .*timeout/.test(error)) return 'connect-timeout'
  if (/deadline exceeded|timeout/i.test(error)) return 'first-byte-timeout'
  if (/tls:|x509:/.test(error)) return 'tls'
  return 'other'
}

function readingFrom(rows: Rows, inputs: readonly Input[]): Reading {
  const { slices, requests, failures, measuredMs, hasArms, bad } = rows.finish()
  return readingOf({
    ...{ level: 'A', slices, requests, failures, measuredMs },
    distrust: [
      ...new Set(inputs.flatMap((input) => (input.damage === null ? [] : [`the file is truncated: ${input.damage}`]))),
      ...(bad > 0 ? [`${bad} rows of it cannot be read`] : []),
    ],
    // Go’s client sends again what a connection that was reused lost.
    capabilities: { ...EVERY_REQUEST, hasArms, isClosedModel: false, hidesRetries: true },
  })
}
