// Rows of a CSV file, one after the other, with quoted fields that may hold line ends (JMeter's failure messages, Locust's
// tracebacks). Columns are found by the names in the first row: tools let their users choose them.
import { type Input, LONGEST_LINE, linesOf } from './input.ts'
import { UnreadableError } from './reading.ts'

export type CsvRow = readonly string[]

/** Rows in batches. An unclosed quote at the end is `damage`. */
export async function* csvRows(input: Input, delimiter: string): AsyncGenerator<readonly CsvRow[]> {
  // Lines of a row whose quote is still open: counted once each, however many there are.
  let open: string[] = []
  let length = 0
  for await (const lines of linesOf(input)) {
    const rows: CsvRow[] = []
    for (const line of lines) {
      if (open.length === 0 && !line.includes('"')) {
        if (line !== '') rows.push(line.split(delimiter))
        continue
      }
      open.push(line)
      length += line.length + 1
      // An odd number of quotes opens a field, or closes the open one.
      if (hasOddQuotes(line) !== open.length > 1) {
        if (length > LONGEST_LINE) throw new UnreadableError('a quoted field of it has no end')
        continue
      }
      rows.push(splitQuoted(open.join('\n'), delimiter))
      open = []
      length = 0
    }
    yield rows
  }
  if (open.length > 0) input.damage ??= 'the last row is cut in the middle'
}

function hasOddQuotes(text: string): boolean {
  let count = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count += 1
  return count % 2 === 1
}

function splitQuoted(text: string, delimiter: string): CsvRow {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (text[at] === '"') {
      let field = ''
      let from = at + 1
      for (;;) {
        const quote = text.indexOf('"', from)
        const end = quote < 0 ? text.length : quote
        field += text.slice(from, end)
        at = end + 1
        if (text[at] !== '"') break
        field += '"'
        from = at + 1
      }
      fields.push(field)
      const next = text.indexOf(delimiter, at)
      if (next < 0) return fields
      at = next + delimiter.length
    } else {
      const next = text.indexOf(delimiter, at)
      fields.push(text.slice(at, next < 0 ? text.length : next))
      if (next < 0) return fields
      at = next + delimiter.length
    }
  }
}

/** Where a column stands; -1: nowhere. */
export function columnsOf<Name extends string>(header: CsvRow, names: readonly Name[]): Readonly<Record<Name, number>> {
  // The cast only says that every name was put in.
  return Object.fromEntries(names.map((name) => [name, header.indexOf(name)])) as Record<Name, number>
}

/** A number as it stands in a file; NaN for anything else, the empty text too. */
export function numberIn(text: string | undefined): number {
  return text === undefined || !/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number.NaN : Number(text)
}
