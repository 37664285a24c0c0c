// Is there room for a release? Asked of the facts, before anything is sent. Counts what the files will really take:
// a small file still fills a block.
import type { ErrorInfo } from '../../domain/error.ts'
import { ERROR_CODES } from '../../domain/error.ts'
import type { ReachableHost } from '../../domain/facts.ts'
import type { Artifact } from '../../domain/release.ts'

const BLOCK = 4096
const MARGIN = 0.1
const SPARE_BYTES = 16 * 1024 * 1024
const SPARE_INODES = 100

/** What staging takes on a host, with margins. */
export function spaceNeeded(artifact: Pick<Artifact, 'manifest'>): { readonly bytes: number; readonly inodes: number } {
  const used = artifact.manifest.reduce((sum, entry) => sum + (entry.kind === 'file' ? Math.ceil(entry.bytes / BLOCK) * BLOCK : BLOCK), 0)
  return { bytes: Math.ceil(used * (1 + MARGIN)) + SPARE_BYTES, inodes: artifact.manifest.length + SPARE_INODES }
}

/** E_DISK, or null when there is room or it cannot be known. For hosts that do not have the release yet. */
export function preflightStage(facts: ReachableHost, artifact: Pick<Artifact, 'manifest'>, keep: number): ErrorInfo | null {
  if (facts.disk === null) return null
  const needed = spaceNeeded(artifact)
  const { freeBytes, freeInodes } = facts.disk
  const short =
    freeBytes < needed.bytes
      ? `${megabytes(freeBytes)} free, ${megabytes(needed.bytes)} needed`
      : freeInodes !== null && freeInodes < needed.inodes
        ? `${freeInodes} inodes free, ${needed.inodes} needed`
        : null
  if (short === null) return null
  const removable = facts.releases.length - keep
  return {
    code: 'E_DISK',
    message: `${facts.host} has not enough room for the release: ${short}`,
    host: facts.host,
    now: 'Nothing was changed',
    hints: [
      removable > 0
        ? `It holds ${facts.releases.length} releases: a lower release.keep than ${keep} makes room`
        : 'Free some space on the file system of release.root',
      'Leave out what is not needed there with artifact.exclude',
    ],
    exitCode: ERROR_CODES.E_DISK.exit,
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
