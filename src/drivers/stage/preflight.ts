// Is there room for a release? Asked of the facts, before anything is sent. Counts what the files will really take: a small
// file still fills a block. The file system of temporary files is looked at as well: staging itself needs nothing of it,
// but shells, services and hooks do, and one that is full fails them in odd ways in the middle of a rollout.
import type { ErrorInfo } from '../../domain/error.ts'
import { ERROR_CODES } from '../../domain/error.ts'
import type { DiskFacts } from '../../domain/facts.ts'
import type { ManifestEntry } from '../../domain/release.ts'

const BLOCK = 4096
const MARGIN = 0.1
const SPARE_BYTES = 16 * 1024 * 1024
const SPARE_INODES = 100
const TEMP_BYTES = 1024 * 1024
const TEMP_INODES = 10

export type SpaceNeeded = { readonly bytes: number; readonly inodes: number }

/** What staging takes on a host, with margins. */
export function spaceNeeded(manifest: readonly ManifestEntry[]): SpaceNeeded {
  const used = manifest.reduce((sum, entry) => sum + (entry.kind === 'file' ? Math.ceil(entry.bytes / BLOCK) * BLOCK : BLOCK), 0)
  return withMargins(used, manifest.length)
}

/** The same where only the record of a release is known: folders and links are guessed. */
export function spaceGuessed(release: { readonly bytes: number; readonly files: number }): SpaceNeeded {
  return withMargins(release.bytes + release.files * BLOCK, release.files * 2)
}

function withMargins(bytes: number, entries: number): SpaceNeeded {
  return { bytes: Math.ceil(bytes * (1 + MARGIN)) + SPARE_BYTES, inodes: entries + SPARE_INODES }
}

/** E_DISK, or null when there is room or it cannot be known. For hosts that do not have the release yet. */
export function preflightStage(
  facts: { readonly host: string; readonly disk: DiskFacts | null; readonly releases: readonly unknown[] },
  needed: SpaceNeeded,
  keep: number,
): ErrorInfo | null {
  if (facts.disk === null) return null
  const { freeBytes, freeInodes, tempFreeBytes, tempFreeInodes = null } = facts.disk
  const short =
    freeBytes < needed.bytes
      ? `${megabytes(freeBytes)} free, ${megabytes(needed.bytes)} needed`
      : freeInodes !== null && freeInodes < needed.inodes
        ? `${freeInodes} inodes free, ${needed.inodes} needed`
        : null
  const shortOfTemp =
    tempFreeBytes !== null && tempFreeBytes < TEMP_BYTES
      ? `${megabytes(tempFreeBytes)} free for temporary files`
      : tempFreeInodes !== null && tempFreeInodes < TEMP_INODES
        ? `${tempFreeInodes} inodes free for temporary files`
        : null
  if (short === null && shortOfTemp === null) return null
  const removable = facts.releases.length - keep
  const hints =
    short === null
      ? ['Make room in /tmp, or where TMPDIR points']
      : [
          removable > 0
            ? `It holds ${facts.releases.length} releases: a lower release.keep than ${keep} makes room`
            : 'Free some space on the file system of release.root',
          'Leave out what is not needed there with artifact.exclude',
        ]
  return {
    code: 'E_DISK',
    message: `${facts.host} has not enough room for the release: ${short ?? shortOfTemp}`,
    host: facts.host,
    now: 'Nothing was changed',
    hints,
    exitCode: ERROR_CODES.E_DISK.exit,
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
