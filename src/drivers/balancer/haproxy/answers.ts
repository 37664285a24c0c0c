// HAProxy's tables as rows. Columns are found by the names in the header: every version has more of them. What cannot be
// read is an error, never a guess: a missing column must not become "0 in flight".
import { RollgateError } from '../../../domain/error.ts'

export type Row = ReadonlyMap<string, string>

/** `show stat`: CSV with a header `# pxname,svname,…`, fields quoted where they hold a comma or a quote. */
export function parseStat(answer: string): readonly Row[] {
  if (!answer.startsWith('# ')) throw unreadable('show stat', answer)
  const [header = [], ...records] = csv(answer.slice(2))
  need('show stat', header, ['pxname', 'svname', 'scur', 'qcur', 'status', 'stot', 'type'])
  return records.filter((fields) => fields.length > 1).map((fields) => rowOf('show stat', header, fields))
}

/** `show servers state`: a version line, a header `# be_id be_name …`, fields between blanks. */
export function parseServersState(answer: string): readonly Row[] {
  const [version = '', first = '', ...lines] = answer.split('\n')
  if (version !== '1' || !first.startsWith('# ')) throw unreadable('show servers state', answer)
  const header = first.slice(2).trim().split(' ')
  need('show servers state', header, ['be_name', 'srv_name', 'srv_addr', 'srv_op_state', 'srv_admin_state', 'srv_uweight', 'srv_iweight'])
  return lines.filter((line) => line !== '').map((line) => rowOf('show servers state', header, line.split(' ')))
}

/** `show info`: `Name: value` lines. */
export function parseInfo(answer: string): Row {
  const info = new Map<string, string>()
  for (const line of answer.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) info.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  if (info.get('Name') !== 'HAProxy' || !/^\d+$/.test(info.get('Pid') ?? '')) throw unreadable('show info', answer)
  return info
}

/** `show proc` of the master: pids of workers that were told to end by a reload and still have work. */
export function parseOldWorkers(answer: string): readonly number[] {
  let old = false
  const pids: number[] = []
  for (const line of answer.split('\n')) {
    if (line.startsWith('#')) old = line.startsWith('# old workers')
    else if (old && /^\d{1,10}\s+worker\b/.test(line)) pids.push(Number.parseInt(line, 10))
  }
  return pids
}

/** A whole number, or null where the field is empty. @throws RollgateError E_BALANCER for anything else */
export function numberIn(row: Row, column: string): number | null {
  const text = row.get(column) ?? ''
  if (text === '' || text === '-') return null
  if (!/^-?\d{1,15}$/.test(text)) throw unreadable(column, text)
  return Number(text)
}

function rowOf(what: string, header: readonly string[], fields: readonly string[]): Row {
  // A row that is shorter than its header was cut; the empty field after the last comma is none.
  if (fields.length < header.filter((name) => name !== '').length) throw unreadable(what, fields.join(' '))
  return new Map(header.map((name, index): [string, string] => [name, fields[index] ?? '']))
}

function need(what: string, header: readonly string[], columns: readonly string[]): void {
  const missing = columns.filter((column) => !header.includes(column))
  if (missing.length > 0)
    throw new RollgateError('E_BALANCER', `${what} of this HAProxy has no ${missing.join(', ')}: is it older than 1.8?`)
}

function unreadable(what: string, answer: string): RollgateError {
  return new RollgateError('E_BALANCER', `the balancer's answer to ${what} cannot be read`, { evidence: [answer.slice(0, 300)] })
}

function csv(text: string): readonly (readonly string[])[] {
  const records: string[][] = []
  let fields: string[] = []
  let at = 0
  while (at < text.length) {
    let field = ''
    if (text[at] === '"') {
      const quoted = /"([^"]*(?:""[^"]*)*)"/y
      quoted.lastIndex = at
      const match = quoted.exec(text)
      if (match === null) throw unreadable('show stat', text.slice(at))
      field = (match[1] ?? '').replaceAll('""', '"')
      at = quoted.lastIndex
    } else {
      const plain = /[^,\n]*/y
      plain.lastIndex = at
      field = plain.exec(text)?.[0] ?? ''
      at = plain.lastIndex
    }
    fields.push(field)
    if (text[at] !== ',') {
      records.push(fields)
      fields = []
    }
    at += 1
  }
  return records
}
