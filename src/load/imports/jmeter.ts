// JMeter's JTL as CSV: one row for each sample, start and length in milliseconds, in the order in which they ended. Which
// columns there are is the user's choice: the first row decides. Careful about transaction controllers, whose rows repeat
// the samples inside them, and about threads: one that comes back waited for its answer (closed model).
import type { FailureClass } from '../../domain/slice.ts'
import { type CsvRow, columnsOf, csvRows, numberIn } from './csv.ts'
import { headOf, type Input } from './input.ts'
import { EVERY_REQUEST, type Reading, readingOf, UnreadableError } from './reading.ts'
import { createRows, type ImportArm, type RowsRead } from './rows.ts'

export type Sample = {
  readonly at: number
  readonly ms: number
  readonly isGood: boolean
  readonly code: string
  readonly message: string
  readonly label: string
  readonly thread: string
  readonly bytes: number
}

export type Samples = {
  add(sample: Sample): void
  bad(): void
  finish(inputs: readonly Input[], can: { readonly errors: boolean }): Reading
}

const COLUMNS = ['timeStamp', 'elapsed', 'label', 'responseCode', 'responseMessage', 'threadName', 'success', 'bytes', 'URL'] as const
/** Enough to see a thread come back; a run of the open model has a new one for each arrival. */
const MOST_THREADS = 20_000

export async function readJmeterCsv(inputs: readonly Input[]): Promise<Reading> {
  const samples = createSamples()
  let canCountErrors = true
  for (const input of inputs) {
    let columns: Readonly<Record<(typeof COLUMNS)[number], number>> | null = null
    let width = 0
    const delimiter = await delimiterOf(input)
    for await (const rows of csvRows(input, delimiter)) {
      for (const row of rows) {
        if (columns === null) {
          columns = columnsOf(row, COLUMNS)
          width = row.length
          for (const name of ['timeStamp', 'elapsed'] as const)
            if (columns[name] < 0) throw new UnreadableError(`its column ${name} is missing (jmeter.save.saveservice.*)`)
          canCountErrors &&= columns.success >= 0
          continue
        }
        const sample = row.length === width ? sampleOf(row, columns) : null
        if (sample === null) samples.bad()
        else samples.add(sample)
      }
    }
  }
  return samples.finish(inputs, { errors: canCountErrors })
}

async function delimiterOf(input: Input): Promise<string> {
  const [header = ''] = (await headOf(input)).split('\n')
  return (
    [',', ';', '\t', '|'].find((delimiter) => header.includes(`timeStamp${delimiter}`) || header.includes(`${delimiter}timeStamp`)) ?? ','
  )
}

function sampleOf(row: CsvRow, columns: Readonly<Record<(typeof COLUMNS)[number], number>>): Sample | null {
  const field = (name: (typeof COLUMNS)[number]): string => (columns[name] < 0 ? '' : (row[columns[name]] ?? ''))
  const success = field('success')
  const isGood = columns.success < 0 || success === 'true'
  if (columns.success >= 0 && success !== 'true' && success !== 'false') return null
  const [at, ms] = [numberIn(field('timeStamp')), numberIn(field('elapsed'))]
  if (Number.isNaN(at) || Number.isNaN(ms)) return null
  return {
    ...{ at, ms, isGood, code: field('responseCode'), message: field('responseMessage'), label: `${field('label')} ${field('URL')}` },
    ...{ thread: field('threadName'), bytes: numberIn(field('bytes')) },
  }
}

export function createSamples(): Samples {
  const [rows, transactions] = [createRows(), createRows()]
  const threads = new Set<string>()
  let [comesBack, plain] = [false, 0]
  return {
    add({ at, ms, isGood, code, message, label, thread, bytes }) {
      const isTransaction = message.startsWith('Number of samples in transaction')
      const row = { at, ms, failure: isGood ? null : failureOf(code, message), arm: armIn(label), status: Number(code), bytes }
      if (isTransaction) transactions.add(row)
      else {
        plain += 1
        rows.add(row)
        if (!comesBack && thread !== '' && threads.size < MOST_THREADS) {
          const key = `${thread}\0${label}`
          comesBack = threads.has(key)
          threads.add(key)
        }
      }
    },
    bad: rows.bad,
    finish(inputs, can) {
      const samples = rows.finish()
      const read = plain > 0 ? samples : { ...transactions.finish(), bad: samples.bad }
      return sampleReading(read, inputs, {
        ...can,
        isClosedModel: comesBack || threads.size === 0,
        skipped: plain > 0 ? transactions.finish().requests : 0,
      })
    },
  }
}

function sampleReading(
  { slices, requests, failures, measuredMs, hasArms, bad }: RowsRead,
  inputs: readonly Input[],
  found: { readonly errors: boolean; readonly isClosedModel: boolean; readonly skipped: number },
): Reading {
  return readingOf({
    ...{ level: 'A', slices, requests, failures, measuredMs },
    distrust: [
      ...new Set(inputs.flatMap((input) => (input.damage === null ? [] : [`the file is truncated: ${input.damage}`]))),
      ...(bad > 0 ? [`${bad} rows of it cannot be read`] : []),
    ],
    warnings: found.skipped > 0 ? [`${found.skipped} rows of transaction controllers are left out: their samples are counted`] : [],
    capabilities: { ...EVERY_REQUEST, hasArms, canCountErrors: found.errors, isClosedModel: found.isClosedModel },
  })
}

function armIn(label: string): ImportArm | null {
  const arm = /\barm=(canary|baseline)\b/.exec(label)?.[1]
  return arm === 'canary' || arm === 'baseline' ? arm : null
}

function failureOf(code: string, message: string): FailureClass {
  if (/^\d{3}$/.test(code)) return Number(code) >= 400 ? 'status' : 'check'
  const text = `${code} ${message}`
  if (/UnknownHost/.test(text)) return 'dns'
  if (/ConnectTimeout|connect timed out/i.test(text)) return 'connect-timeout'
  if (/Connection refused|HttpHostConnectException/i.test(text)) return 'refused'
  if (/Connection reset|Broken pipe/i.test(text)) return 'reset'
  if (/NoHttpResponse/.test(text)) return 'closed'
  if (/SocketTimeout|timed out/i.test(text)) return 'first-byte-timeout'
  if (/SSL/.test(text)) return 'tls'
  if (/ConnectionClosed|premature end/i.test(text)) return 'truncated'
  return 'other'
}
