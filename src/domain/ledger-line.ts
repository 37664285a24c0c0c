// The ledger's line, written by a POSIX shell and read here:
// `1 TAB at TAB epoch TAB rollout TAB step TAB state TAB detail TAB .` The dot at the end tells a whole line from one
// that was torn by a full disk or a power cut: half a release id must not pass for a whole one. Fields are
// percent-encoded by whoever builds the script, so that nothing in them can be mistaken for a tab or a newline.
import type { LedgerEntry } from './ledger.ts'

const VERSION = 1
const STATES: ReadonlySet<string> = new Set<LedgerEntry['state']>(['open', 'started', 'done', 'failed', 'closed', 'note'])
/** A line stays under 200 bytes with the step ids that plans make. */
const DETAIL_LIMIT = 64

/** One line, with its newline. */
export function formatEntry(entry: LedgerEntry): string {
  const { version, at, epoch, rollout, step, state, detail } = entry
  return `${[version, at, epoch, ledgerField(rollout), ledgerField(step), state, ledgerField(detail, DETAIL_LIMIT), '.'].join('\t')}\n`
}

/** A field as it is written: printable ASCII without blanks, `%` or a backslash; `-` when empty. At most `limit` characters. */
export function ledgerField(text: string, limit = 1_000): string {
  const encoded = [...text].map((letter) => (/^[!-$&-[\]-~]$/.test(letter) ? letter : percent(letter))).join('')
  const cut = encoded.length > limit ? encoded.slice(0, limit).replace(/%.?$/, '') : encoded
  return cut === '' ? '-' : cut
}

/**
 * Entries in the order of their lines. `unreadable` counts torn and foreign lines; `newer`: some of it was written by a
 * newer version, and the caller must refuse (E_STATE_VERSION).
 */
export function parseLedger(text: string): {
  readonly entries: readonly LedgerEntry[]
  readonly unreadable: number
  readonly newer: boolean
} {
  const entries: LedgerEntry[] = []
  let unreadable = 0
  let newer = false
  for (const line of text.split('\n')) {
    if (line === '') continue
    const fields = line.split('\t')
    const version = /^\d{1,4}$/.test(fields[0] ?? '') ? Number(fields[0]) : 0
    if (version > VERSION && fields.length > 2) newer = true
    const entry = version === VERSION ? parseFields(fields) : null
    if (entry === null) unreadable += 1
    else entries.push(entry)
  }
  return { entries, unreadable, newer }
}

function parseFields(fields: readonly string[]): LedgerEntry | null {
  const [, at = '', epoch = '', rollout = '', step = '', state = '', detail = '', end = ''] = fields
  if (fields.length !== 8 || end !== '.' || !isState(state)) return null
  if (!/^\d{1,12}$/.test(at) || !/^\d{1,12}$/.test(epoch)) return null
  if ([rollout, step, detail].some((field) => !/^[!-[\]-~]{1,1000}$/.test(field))) return null
  return { version: 1, at: Number(at), epoch: Number(epoch), rollout: plain(rollout), step: plain(step), state, detail: plain(detail) }
}

function isState(word: string): word is LedgerEntry['state'] {
  return STATES.has(word)
}

function percent(letter: string): string {
  return [...new TextEncoder().encode(letter)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

/** The file is the host's, so anything may stand there: what is no encoding stays as it is. */
function plain(field: string): string {
  try {
    return decodeURIComponent(field)
  } catch {
    return field
  }
}
