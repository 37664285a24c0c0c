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

/** The way back; null for what is no manifest of ours. Its names are not checked here. */
export function parseManifest(text: string): readonly ManifestEntry[] | null {
  const [first, ...lines] = text.split('\n')
  if (first !== FIRST_LINE || lines.pop() !== '') return null
  const entries = lines.map(entryOf)
  return entries.every((entry) => entry !== null) ? entries : null
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

function entryOf(line: string): ManifestEntry | null {
  const folder = /^d \.\/(.+)$/s.exec(line)
  if (folder?.[1] !== undefined) return { path: manyLines(folder[1]), kind: 'directory', mode: 0o755 }
  const link = /^l \.\/([^\u0002]+)\u0002([^\u0002]+)$/.exec(line)
  if (link?.[1] !== undefined && link[2] !== undefined) return { path: manyLines(link[1]), kind: 'link', target: manyLines(link[2]) }
  const file = /^([fx]) ([0-9a-f]{64}) (\d{1,15}) \.\/(.+)$/s.exec(line)
  if (file?.[2] === undefined || file[4] === undefined) return null
  return { path: manyLines(file[4]), kind: 'file', mode: file[1] === 'x' ? 0o755 : 0o644, bytes: Number(file[3]), sha256: file[2] }
}

function oneLine(name: string): string {
  return name.replaceAll('\n', '\u0001')
}

function manyLines(name: string): string {
  return name.replaceAll('\u0001', '\n')
}
