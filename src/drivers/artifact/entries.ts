// What an artifact is made of, wherever it comes from (a folder, one file, a tarball): a sorted list of entries whose
// contents can be opened. Here every rule about what may be shipped is checked once, for all sources: names, kinds, and
// that no link leads out of the release, also not through other links.
import { RollgateError } from '../../domain/error.ts'
import { ENV_FILE } from '../../domain/layout.ts'

export type SourceEntry =
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: 0o644 | 0o755
      readonly bytes: number
      open(): AsyncIterable<Uint8Array>
    }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }

/** Our own folder inside an archive, taken out again when it is unpacked. */
export const OWN_FOLDER = '.rollgate'

/** Only the executable bit of the owner's, group's or others' counts: umasks of build machines differ. */
export function fileMode(mode: number): 0o644 | 0o755 {
  return (mode & 0o111) === 0 ? 0o644 : 0o755
}

/** Sorted by the bytes of their names, parents added where a source left them out. @throws RollgateError E_ARTIFACT */
export function checkedEntries(entries: readonly SourceEntry[], source: string): readonly SourceEntry[] {
  const all = new Map<string, SourceEntry>()
  for (const entry of entries) all.set(entry.path, entry)
  for (const entry of entries) addParents(all, entry.path, source)
  if (all.size === 0) {
    throw new RollgateError('E_ARTIFACT', `The artifact ${source} is empty`, {
      hints: ['Check artifact.path, artifact.exclude and what the build writes'],
    })
  }
  const links = new Map<string, string>()
  for (const entry of all.values()) {
    checkName(entry.path, source)
    if (entry.kind === 'link') links.set(entry.path, entry.target)
  }
  for (const [path, target] of links) checkLink(path, target, links, source)
  return [...all.values()]
    .map((entry) => ({ entry, key: Buffer.from(entry.path) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry)
}

function addParents(all: Map<string, SourceEntry>, path: string, source: string): void {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const parent = path.slice(0, slash)
    const known = all.get(parent)
    if (known === undefined) all.set(parent, { kind: 'directory', path: parent })
    else if (known.kind !== 'directory') throw refused(source, path, `lies inside ${show(parent)}, which is a ${known.kind}`)
  }
}

function checkName(path: string, source: string): void {
  const names = path.split('/')
  if (names.some((name) => name === '' || name === '.' || name === '..')) throw refused(source, path, 'is not a plain relative path')
  if (names.some((name) => Buffer.byteLength(name) > 255)) throw refused(source, path, 'has a name longer than 255 bytes')
  if (names[0] === OWN_FOLDER || names[0] === ENV_FILE) throw refused(source, path, 'has a name that Rollgate uses itself')
  // The check on the host writes names one a line, with these two standing for newline and arrow.
  if (/[\0\u0001\u0002]/.test(path)) throw refused(source, path, 'has the control character 0, 1 or 2 in its name')
}

/** A dangling link is fine, as long as what it would lead to is inside. */
function checkLink(path: string, target: string, links: ReadonlyMap<string, string>, source: string): void {
  if (target === '' || /[\0\u0001\u0002]/.test(target)) throw refused(source, path, 'is a link to a name that cannot be shipped')
  if (target.startsWith('/')) throw refused(source, path, `is a link to the absolute path ${show(target)}`)
  const place = path.split('/').slice(0, -1)
  const ahead = target.split('/')
  for (let followed = 0; ahead.length > 0; ) {
    const name = ahead.shift()
    if (name === undefined || name === '' || name === '.') continue
    if (name === '..') {
      if (place.pop() === undefined) throw refused(source, path, `is a link that leads out of the artifact: ${show(target)}`)
      continue
    }
    const next = links.get([...place, name].join('/'))
    if (next === undefined) place.push(name)
    else {
      // A loop leads nowhere, and so not outside.
      followed += 1
      if (followed > 40) return
      if (next.startsWith('/')) throw refused(source, path, `is a link that leads out of the artifact: ${show(target)}`)
      ahead.unshift(...next.split('/'))
    }
  }
}

export function refused(source: string, path: string, because: string): RollgateError {
  return new RollgateError('E_ARTIFACT', `${show(path)} in ${source} ${because}`, {
    hints: ['Leave it out with artifact.exclude or a .rollgateignore file, or change what the build writes'],
  })
}

/** A name as it can be shown: in quotes where it is not plain. */
export function show(name: string): string {
  return /^[\w./@+=:,-]+$/.test(name) ? name : JSON.stringify(name)
}
