// `release.shared`: paths that live in shared/ and are linked into every release. Decides, before anything is sent, what
// each of them is, and refuses those whose link would lead somewhere else than it says: under another shared path there
// is nothing left to link, and under a link of the artifact's own we would write into another folder.
import { RollgateError } from '../../domain/error.ts'
import { ENV_FILE } from '../../domain/layout.ts'
import type { ManifestEntry } from '../../domain/release.ts'

export type SharedPath = {
  /** Clean and relative. */
  readonly path: string
  /** What shared/ gets when nothing is there: a folder is made, a file is left to the operator. */
  readonly kind: 'folder' | 'file'
}

/** Without paths that lie inside another one. @throws RollgateError E_STAGE */
export function sharedPaths(shared: readonly string[], manifest: readonly ManifestEntry[]): readonly SharedPath[] {
  const kinds = new Map(manifest.map((entry) => [entry.path, entry.kind]))
  const all = shared.map((written) => ({ written, path: cleanPath(written) }))
  const paths = new Set(all.map(({ path }) => path))
  const kept = new Map<string, SharedPath>()
  for (const { written, path } of all) {
    const parents = parentsOf(path)
    if (parents.some((parent) => paths.has(parent))) continue
    const wrong = parents.find((parent) => (kinds.get(parent) ?? 'directory') !== 'directory')
    if (wrong !== undefined) throw refuse(written, `cannot be linked: ${JSON.stringify(wrong)} is a ${kinds.get(wrong)} in the artifact`)
    if (kept.get(path)?.kind !== 'folder') kept.set(path, { path, kind: kindOf(written, kinds.get(path)) })
  }
  return [...kept.values()]
}

/** The artifact knows; else a slash at the end says folder, and a dot in the name says file (`.env`, `master.key`). */
function kindOf(written: string, inArtifact: ManifestEntry['kind'] | undefined): SharedPath['kind'] {
  if (inArtifact === 'directory' || written.endsWith('/')) return 'folder'
  if (inArtifact === 'file') return 'file'
  return written.slice(written.lastIndexOf('/') + 1).includes('.') ? 'file' : 'folder'
}

function cleanPath(written: string): string {
  const names = written.split('/').filter((name) => name !== '' && name !== '.')
  if (written.startsWith('/') || names.includes('..') || names.length === 0) throw refuse(written, 'is not a path inside a release')
  if (names[0] === ENV_FILE || names[0] === '.rollgate') throw refuse(written, 'is a name that Rollgate uses itself')
  if (/[\0\u0001\u0002]/.test(written)) throw refuse(written, 'has the control character 0, 1 or 2 in it')
  return names.join('/')
}

function parentsOf(path: string): readonly string[] {
  const names = path.split('/')
  return names.slice(1).map((_name, index) => names.slice(0, index + 1).join('/'))
}

function refuse(written: string, because: string): RollgateError {
  return new RollgateError('E_STAGE', `The shared path ${JSON.stringify(written)} ${because}`, { hints: ['Change release.shared'] })
}
