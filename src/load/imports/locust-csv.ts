// Locust's CSV files and its log. The totals are written once a second and not at the end, so the last second is missing; the
// history's percentiles slide over ten seconds, so only its counts are used; failures and exceptions, and the log, tell what
// the numbers do not: mistakes in the script, lost workers, an early end.
import type { ImportTotals } from '../../domain/evidence.ts'
import type { Slice } from '../../domain/slice.ts'
import { type CsvRow, columnsOf, csvRows, numberIn } from './csv.ts'
import { type Input, linesOf } from './input.ts'
import { EVERY_REQUEST, quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'
import { wholeSlice } from './rows.ts'

export async function readLocustStats(inputs: readonly Input[]): Promise<Reading> {
  const { header, rows, damage } = await tableOf(inputs)
  const all = rows.find((row) => row[1] === 'Aggregated' && row[0] === '')
  if (all === undefined) throw new UnreadableError('its last row, Aggregated, is missing')
  const column = (name: string): number => numberIn(all[header.indexOf(name)])
  const [requests, failures, perSecond] = [column('Request Count'), column('Failure Count'), column('Requests/s')]
  if (Number.isNaN(requests) || Number.isNaN(failures)) throw new UnreadableError('it does not say how many requests there were')
  const quantilesMs: Record<string, number> = {}
  for (const [index, name] of header.entries()) {
    const percent = Number(/^(\d{1,2}(?:\.\d+)?)%$/.exec(name)?.[1] ?? Number.NaN)
    const value = numberIn(all[index])
    if (percent > 0 && !Number.isNaN(value)) quantilesMs[quantileKey(percent)] = value
  }
  const seconds = perSecond > 0 ? requests / perSecond : null
  const maxMs = column('Max Response Time')
  const totals: ImportTotals = {
    ...{ requests, failures, seconds, offered: null, quantilesMs },
    maxMs: Number.isNaN(maxMs) ? null : maxMs,
  }
  return readingOf({
    ...{ level: 'C', totals, measuredMs: seconds === null ? null : seconds * 1000, capabilities: totalsCan(quantilesMs) },
    distrust: damage,
    warnings: [
      'Locust writes this file once a second and not at the end: the last second may be missing; --json-file has everything',
      ...(failures > 0 ? ['Locust’s percentiles hold its failures, however fast they failed'] : []),
    ],
  })
}

export async function readLocustHistory(inputs: readonly Input[]): Promise<Reading> {
  const { header, rows, damage } = await tableOf(inputs)
  const columns = columnsOf(header, ['Timestamp', 'User Count', 'Type', 'Name', 'Total Request Count', 'Total Failure Count'] as const)
  const slices: Slice[] = []
  let [first, before, failedBefore, begun, last] = [Number.NaN, 0, 0, Number.NaN, Number.NaN]
  for (const row of rows) {
    if (row[columns.Name] !== 'Aggregated' || row[columns.Type] !== '') continue
    const [at, total, failed] = [
      numberIn(row[columns.Timestamp]),
      numberIn(row[columns['Total Request Count']]),
      numberIn(row[columns['Total Failure Count']]),
    ]
    if (Number.isNaN(at) || Number.isNaN(total) || Number.isNaN(failed) || total < before || failed < failedBefore)
      throw new UnreadableError('its totals are no numbers that grow')
    if (Number.isNaN(first)) first = at
    if (total > before) {
      if (Number.isNaN(begun)) begun = at - 1
      last = at
    }
    if (at - first > 7 * 24 * 3600 || at < first) throw new UnreadableError('its times make no sense')
    const failures = Math.min(failed - failedBefore, total - before)
    if (total > before)
      slices.push(wholeSlice(at - first, { done: total - before - failures, failures: failures > 0 ? { other: failures } : {} }, new Map()))
    before = total
    failedBefore = failed
  }
  return readingOf({
    ...{ level: 'B', slices, requests: before, failures: failedBefore, measuredMs: Number.isNaN(last) ? null : (last - begun) * 1000 },
    capabilities: { ...EVERY_REQUEST, quantiles: [], canMeasureLatency: false },
    distrust: [...damage, ...lostUsers(rows, columns)],
    warnings: ['Locust’s percentiles slide over ten seconds: only the counts of this file are used'],
  })
}

/** Fewer users in the middle of a run: a worker went, and its load with it. */
function lostUsers(rows: readonly CsvRow[], columns: { readonly 'User Count': number; readonly Name: number }): readonly string[] {
  const users = rows.filter((row) => row[columns.Name] === 'Aggregated').map((row) => numberIn(row[columns['User Count']]))
  const most = Math.max(0, ...users.slice(-MOST_ROWS_LOOKED_AT))
  const reached = users.indexOf(most)
  // The last two rows see the users go home.
  const fewer = users.slice(reached, -2).find((count) => count < most)
  return fewer === undefined
    ? []
    : [`Locust’s users fell from ${most} to ${fewer} before its end: a worker was lost, or the load was shaped so`]
}
const MOST_ROWS_LOOKED_AT = 100_000

/** What the other files of the run say against it. */
export async function locustAgainst(exceptions: readonly Input[]): Promise<readonly string[]> {
  const against: string[] = []
  for (const input of exceptions) {
    const { rows } = await tableOf([input])
    const count = rows.reduce((sum, row) => sum + (Number.isNaN(numberIn(row[0])) ? 0 : numberIn(row[0])), 0)
    if (rows.length > 0)
      against.push(`Locust’s script failed ${count} times (${(rows[0]?.[1] ?? '').slice(0, 100)}): what it did not send is in no number`)
  }
  return against
}

export type LocustLog = {
  readonly plannedMs: number | null
  readonly ranToItsEnd: string | null
  readonly distrust: readonly string[]
}

export async function readLocustLog(inputs: readonly Input[]): Promise<LocustLog> {
  let plannedMs: number | null = null
  let ranToItsEnd: string | null = null
  const lost = new Set<string>()
  const distrust: string[] = []
  for (const input of inputs) {
    for await (const lines of linesOf(input, { lastMayBeOpen: true })) {
      for (const line of lines) {
        const limit = /locust\.main: Run time limit set to (\d+) seconds/.exec(line)
        if (limit !== null) plannedMs = Number(limit[1]) * 1000
        if (/locust\.main: --run-time limit reached/.test(line)) ranToItsEnd = 'its log says that the time was reached'
        if (/locust\.runners: Worker \S+ failed to send heartbeat/.test(line)) lost.add(/Worker (\S+)/.exec(line)?.[1] ?? line)
        // After the limit all of them quit.
        if (ranToItsEnd === null && /locust\.runners: Worker \S+ \(index \d+\) quit/.test(line))
          lost.add(/Worker '?([^' ]+)/.exec(line)?.[1] ?? line)
        if (/KeyboardInterrupt|Got SIG(TERM|INT)/.test(line)) distrust.push('Locust was interrupted, as its log says')
      }
    }
  }
  if (lost.size > 0) distrust.push(`Locust lost ${lost.size} of its workers, as its log says: what they sent last is in no number`)
  return { plannedMs, ranToItsEnd: lost.size > 0 || distrust.length > 0 ? null : ranToItsEnd, distrust: [...new Set(distrust)] }
}

async function tableOf(
  inputs: readonly Input[],
): Promise<{ readonly header: CsvRow; readonly rows: readonly CsvRow[]; readonly damage: readonly string[] }> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  let header: CsvRow | null = null
  const found: CsvRow[] = []
  for await (const rows of csvRows(input, ',')) {
    for (const row of rows) {
      if (header === null) header = row
      else found.push(row)
    }
    if (found.length > 2_000_000) throw new UnreadableError('it has more than two million rows')
  }
  if (header === null) throw new UnreadableError('it is empty')
  return { header, rows: found, damage: input.damage === null ? [] : [`the file is truncated: ${input.damage}`] }
}
