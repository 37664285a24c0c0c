// oha: the JSON has the counts of everything and quantiles; its CSV and its SQLite file have each answered request. A row for
// a failed one is in neither, so only together with the JSON do they say all. Careful about its `successRate`, for which a
// 500 is a success, and about requests that were under way at the end, which it lists as errors.
import type { FailureClass, Slice } from '../../domain/slice.ts'
import { columnsOf, csvRows, numberIn } from './csv.ts'
import { documentOf, type Input } from './input.ts'
import { entriesAt, needNumber, numberAt, parseDocument } from './json.ts'
import { EVERY_REQUEST, quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'
import { createRows, type RowsRead } from './rows.ts'

const AT_THE_END = 'aborted due to deadline'

type Counts = { readonly answers: number; readonly bad: number; readonly lost: ReadonlyMap<FailureClass, number>; readonly seconds: number }

export async function readOha(json: readonly Input[], rows: readonly Input[], kind: 'csv' | 'sqlite'): Promise<Reading> {
  const [summary] = json
  const root = summary === undefined ? null : parseDocument(await documentOf(summary))
  const counts = root === null ? null : countsOf(root)
  if (rows.length > 0) return readRows(kind === 'csv' ? await csvRead(rows) : await sqliteRead(rows), counts, rows)
  if (root === null || counts === null) throw new UnreadableError('there is no file')
  const quantilesMs: Record<string, number> = {}
  for (const [name, value] of entriesAt(root, 'latencyPercentiles')) {
    const percent = Number(/^p(\d{1,2}(?:\.\d+)?)$/.exec(name)?.[1] ?? Number.NaN)
    if (percent > 0 && typeof value === 'number' && value >= 0) quantilesMs[quantileKey(percent)] = value * 1000
  }
  const slowest = numberAt(root, 'summary', 'slowest')
  const lost = [...counts.lost.values()].reduce((sum, count) => sum + count, 0)
  return readingOf({
    level: 'C',
    totals: {
      ...{ requests: counts.answers + lost, failures: counts.bad + lost, seconds: counts.seconds, offered: null, quantilesMs },
      maxMs: slowest === null ? null : slowest * 1000,
    },
    measuredMs: counts.seconds * 1000,
    capabilities: totalsCan(quantilesMs),
    warnings: [LATENCY_CORRECTION],
  })
}

const LATENCY_CORRECTION = 'oha’s times start when a request was due only with --latency-correction, which its JSON does not show'

function countsOf(root: unknown): Counts {
  const statuses = entriesAt(root, 'statusCodeDistribution')
  const total = (matches: (code: string) => boolean): number =>
    statuses.reduce((sum, [code, count]) => sum + (matches(code) && typeof count === 'number' ? count : 0), 0)
  const lost = new Map<FailureClass, number>()
  for (const [error, count] of entriesAt(root, 'errorDistribution')) {
    if (error === AT_THE_END || typeof count !== 'number') continue
    const kind = classOf(error)
    lost.set(kind, (lost.get(kind) ?? 0) + count)
  }
  return { answers: total(() => true), bad: total((code) => !/^[23]\d\d$/.test(code)), lost, seconds: needNumber(root, 'summary', 'total') }
}

function classOf(error: string): FailureClass {
  if (/timeout/i.test(error)) return 'first-byte-timeout'
  if (/refused/i.test(error)) return 'refused'
  if (/dns|lookup/i.test(error)) return 'dns'
  if (/tls|certificate/i.test(error)) return 'tls'
  return /connection (error|closed|reset)/i.test(error) ? 'reset' : 'other'
}

async function csvRead(inputs: readonly Input[]): Promise<RowsRead> {
  const rows = createRows()
  for (const input of inputs) {
    let columns: Readonly<Record<'request-start' | 'request-duration' | 'bytes' | 'status', number>> | null = null
    for await (const batch of csvRows(input, ','))
      for (const row of batch) {
        if (columns === null) {
          columns = columnsOf(row, ['request-start', 'request-duration', 'bytes', 'status'] as const)
          if (Object.values(columns).includes(-1)) throw new UnreadableError('a column of it is missing')
          continue
        }
        const [start, duration, bytes, status] = [columns['request-start'], columns['request-duration'], columns.bytes, columns.status].map(
          (index) => numberIn(row[index]),
        )
        addAnswer(rows, start, duration, bytes, status)
      }
  }
  return rows.finish()
}

async function sqliteRead([input]: readonly Input[]): Promise<RowsRead> {
  if (input === undefined) throw new UnreadableError('there is no file')
  const { DatabaseSync } = await import('node:sqlite')
  const rows = createRows()
  try {
    const database = new DatabaseSync(input.path, { readOnly: true })
    try {
      for (const row of database.prepare('SELECT start, duration, len_bytes, status FROM oha').iterate())
        addAnswer(
          rows,
          ...([row.start, row.duration, row.len_bytes, row.status].map((value) =>
            typeof value === 'number' ? value : Number.NaN,
          ) as FourNumbers),
        )
    } finally {
      database.close()
    }
  } catch (error) {
    throw new UnreadableError(`it is no database of oha’s (${error instanceof Error ? error.message.slice(0, 100) : 'unknown'})`)
  }
  return rows.finish()
}

type FourNumbers = [number, number, number, number]

function addAnswer(
  rows: ReturnType<typeof createRows>,
  start = Number.NaN,
  duration = Number.NaN,
  bytes = Number.NaN,
  status = Number.NaN,
): void {
  if (Number.isNaN(status)) rows.bad()
  else rows.add({ at: start * 1000, ms: duration * 1000, failure: status >= 200 && status < 400 ? null : 'status', status, bytes })
}

/** Failures have no time: they are put into the first second, where they count in every total. */
function readRows(read: RowsRead, counts: Counts | null, inputs: readonly Input[]): Reading {
  const lost = counts === null ? 0 : [...counts.lost.values()].reduce((sum, count) => sum + count, 0)
  const [first, ...rest] = read.slices
  const slices: readonly Slice[] =
    first === undefined || counts === null || lost === 0
      ? read.slices
      : [
          {
            ...first,
            offered: first.offered + lost,
            sent: first.sent + lost,
            failures: { ...first.failures, ...Object.fromEntries(counts.lost) },
          },
          ...rest,
        ]
  return readingOf({
    ...{ level: 'A', slices, requests: read.requests + lost, failures: read.failures + lost, measuredMs: read.measuredMs },
    capabilities: { ...EVERY_REQUEST, canCountErrors: counts !== null },
    distrust: [
      ...inputs.flatMap((input) => (input.damage === null ? [] : [`the file is truncated: ${input.damage}`])),
      ...(read.bad > 0 ? [`${read.bad} rows of it cannot be read`] : []),
      ...(counts !== null && counts.answers !== read.requests
        ? [`its JSON counts ${counts.answers} answers, its rows are ${read.requests}: they are not of the same run, or not whole`]
        : []),
    ],
    warnings: counts === null ? ['oha has no row for a failed request: give its JSON too, to ask about errors'] : [LATENCY_CORRECTION],
  })
}
