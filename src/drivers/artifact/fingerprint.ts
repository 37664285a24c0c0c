// Did anything change since the last build? Looks at names, sizes, times and modes of the files in the configuration's
// folder, never at contents: fast enough to ask before every deploy. It is taken after a build, so what the build itself
// wrote belongs to it. Left out: .git, what is inside node_modules (lock files say what should be there), the
// configuration itself (its build line counts, its other settings do not touch the build) and our own files.
import { createHash } from 'node:crypto'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

export type Snapshot = ReadonlyMap<string, string>

const NOT_LOOKED_AT: ReadonlySet<string> = new Set(['.git', 'node_modules', '.rollgate'])

/** Path → what is seen of it; null when a part cannot be read, which means "nobody knows". */
export async function snapshotOf(directory: string, leaveOut: readonly string[], signal: AbortSignal): Promise<Snapshot | null> {
  const seen = new Map<string, string>()
  const out = new Set(leaveOut)
  const walk = async (folder: string): Promise<void> => {
    signal.throwIfAborted()
    const found = await readdir(folder, { withFileTypes: true })
    await Promise.all(
      found.map(async (entry) => {
        const full = join(folder, entry.name)
        if (out.has(full)) return
        if (entry.isDirectory()) {
          if (NOT_LOOKED_AT.has(entry.name)) return
          seen.set(relative(directory, full) + sep, 'folder')
          await walk(full)
          return
        }
        const facts = await lstat(full, { bigint: true })
        const target = entry.isSymbolicLink() ? await readlink(full) : ''
        seen.set(relative(directory, full), `${facts.size} ${facts.mtimeNs} ${facts.ctimeNs} ${facts.mode} ${target}`)
      }),
    )
  }
  try {
    await walk(directory)
    return seen
  } catch (error) {
    if (signal.aborted) throw error
    return null
  }
}

/** Over the snapshot and whatever else decides what a build makes. Hex. */
export function fingerprintOf(snapshot: Snapshot, more: readonly (string | null)[]): string {
  const lines = [...snapshot].map(([path, seen]) => JSON.stringify([path, seen])).sort()
  return createHash('sha256')
    .update(JSON.stringify([more, lines]))
    .digest('hex')
}

/** Of the named files, those that differ. */
export function changedBetween(before: Snapshot, after: Snapshot, names: readonly string[]): readonly string[] {
  return names.filter((name) => before.get(name) !== after.get(name))
}
