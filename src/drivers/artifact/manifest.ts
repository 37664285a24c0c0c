// The manifest of an artifact: one line an entry, sorted, without times and owners. Its SHA-256 is the artifact's hash,
// and the same text travels inside the archive, so that a host can check what it unpacked with sed, sort and sha256sum
// (drivers/stage/verify-script.ts reads it; names are made safe for that: newline is U+0001, and U+0002 stands
// between a link and its target; entries.ts keeps both out of names).
import { createHash } from 'node:crypto'
import type { ManifestEntry } from '../../domain/release.ts'

const FIRST_LINE = 'rollgate-manifest 1'

/** Entries must be in order of their paths' bytes. */
export function manifestText(entries: readonly ManifestEntry[]): string {
  return `${[FIRST_LINE, ...entries.map(lineOf)].join('\n')}\n`
}

export function manifestHash(entries: readonly ManifestEntry[]): string {
  return createHash('sha256').update(manifestText(entries)).digest('hex')
}

function lineOf(entry: ManifestEntry): string {
  const path = `./${oneLine(entry.path)}`
  switch (entry.kind) {
    case 'directory':
      return `d ${path}`
    case 'file':
      return `${entry.mode === 0o755 ? 'x' : 'f'} ${entry.sha256} ${entry.bytes} ${path}`
    case 'link':
      return `l ${path}\u0002${oneLine(entry.target)}`
    default:
      return entry satisfies never
  }
}

function oneLine(name: string): string {
  return name.replaceAll('\n', '\u0001')
}
