// Rows for requests, from CSV (RFC 4180) or JSON lines, read whole before the run: a file that is cut or has a row too
// short must be known before anything is sent. Rows are handed out in their order, at random (seeded), or once each.
import { readFile, stat } from 'node:fs/promises'
import { RollgateError } from '../domain/error.ts'
import type { LoadData } from '../domain/load.ts'
import type { Random } from './random.ts'

export type Row = Readonly<Record<string, unknown>>

export type Feeder = {
  /** null: rows are used once, and there are no more. */
  next(): Row | null
  readonly size: number
}

const LARGEST_BYTES = 256 * 1024 * 1024

/** @throws RollgateError E_LOAD_DATA */
export async function readRows(name: string, data: LoadData): Promise<readonly Row[]> {
  const failed = (why: string, cause?: unknown) => new RollgateError('E_LOAD_DATA', `data "${name}": ${data.path} ${why}`, { cause })
  let text: string
  try {
    if ((await stat(data.path)).size > LARGEST_BYTES) throw failed('is larger than 256 MiB')
    text = await readFile(data.path, 'utf8')
  } catch (cause) {
    throw cause instanceof RollgateError ? cause : failed('cannot be read', cause)
  }
  const rows = data.format === 'csv' ? parseCsv(text, failed) : parseLines(text, failed)
  if (rows.length === 0) throw failed('has no rows')
  return rows
}

export function createFeeder(rows: readonly Row[], order: LoadData['order'], random: Random): Feeder {
  let at = 0
  return {
    size: rows.length,
    next() {
      if (order === 'random') return rows[random.between(0, rows.length - 1)] ?? null
      if (order === 'once' && at >= rows.length) return null
      const row = rows[at % rows.length] ?? null
      at += 1
      return row
    },
  }
}

type Fail = (why: string) => RollgateError

function parseLines(text: string, failed: Fail): readonly Row[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      throw failed(`line ${index + 1} is not JSON`)
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw failed(`line ${index + 1} is not a JSON object`)
    return [value as Row]
  })
}

/** The first record names the fields. Quoted fields may hold commas, quotes (doubled) and line breaks. */
function parseCsv(text: string, failed: Fail): readonly Row[] {
  const [names, ...records] = csvRecords(text.replace(/^\uFEFF/, ''), failed)
  if (names === undefined) throw failed('is empty')
  const twice = names.fields.find((field, index) => names.fields.indexOf(field) !== index)
  if (twice !== undefined) throw failed(`names the column "${twice}" twice`)
  return records.map((record) => {
    if (record.fields.length !== names.fields.length)
      throw failed(`line ${record.line} has ${record.fields.length} fields, not ${names.fields.length}`)
    return Object.fromEntries(names.fields.map((name, index) => [name, record.fields[index]]))
  })
}

type CsvRecord = { readonly line: number; readonly fields: readonly string[] }

function csvRecords(text: string, failed: Fail): readonly CsvRecord[] {
  const records: CsvRecord[] = []
  // A field with what ends it; written so that it matches at every place of well-formed text.
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y
  let fields: string[] = []
  let [line, startLine] = [1, 1]
  while (field.lastIndex < text.length || fields.length > 0) {
    const from = field.lastIndex
    const match = field.exec(text)
    if (match === null) throw failed(`line ${line} has a quote that does not belong there or is not closed`)
    const [, quoted, plain, end] = match
    fields.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'))
    line += text.slice(from, field.lastIndex).match(/\r\n|\n|\r/g)?.length ?? 0
    if (end === ',') continue
    // An empty line is no record.
    if (!(fields.length === 1 && fields[0] === '' && quoted === undefined)) records.push({ line: startLine, fields })
    fields = []
    startLine = line
    if (end === '') break
  }
  return records
}
