// hey's CSV: one row for each *answered* request, in seconds to a tenth of a millisecond. A failed one has no row, so nothing
// can be said about errors, and a file with nothing but its header is a target that refused everything.
import { columnsOf, csvRows, numberIn } from './csv.ts'
import type { Input } from './input.ts'
import { EVERY_REQUEST, type Reading, readingOf, UnreadableError } from './reading.ts'
import { createRows } from './rows.ts'

export async function readHey(inputs: readonly Input[]): Promise<Reading> {
  const rows = createRows()
  let reused = 0
  for (const input of inputs) {
    let columns: Readonly<Record<'response-time' | 'status-code' | 'offset' | 'DNS+dialup', number>> | null = null
    for await (const batch of csvRows(input, ','))
      for (const row of batch) {
        if (columns === null) {
          columns = columnsOf(row, ['response-time', 'status-code', 'offset', 'DNS+dialup'] as const)
          if (Object.values(columns).includes(-1)) throw new UnreadableError('a column of it is missing')
          continue
        }
        const [ms, status, at] = [
          numberIn(row[columns['response-time']]) * 1000,
          numberIn(row[columns['status-code']]),
          numberIn(row[columns.offset]) * 1000,
        ]
        if (numberIn(row[columns['DNS+dialup']]) === 0) reused += 1
        if (Number.isNaN(status)) rows.bad()
        else rows.add({ at, ms, failure: status >= 200 && status < 400 ? null : 'status', status })
      }
  }
  const { slices, requests, failures, measuredMs, bad } = rows.finish()
  return readingOf({
    ...{ level: 'A', slices, requests, failures, measuredMs },
    capabilities: { ...EVERY_REQUEST, canCountErrors: false, hidesRetries: reused > 0 },
    distrust: [
      ...inputs.flatMap((input) => (input.damage === null ? [] : [`the file is truncated: ${input.damage}`])),
      ...(bad > 0 ? [`${bad} rows of it cannot be read`] : []),
    ],
    warnings: ['hey has no row for a failed request: what was lost is not in this file'],
  })
}
