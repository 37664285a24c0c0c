// Which release a command is about: made here from the artifact and the settings, or one that hosts have already.
import { resolve } from 'node:path'
import { RollgateError } from '../domain/error.ts'
import type { Artifact, InstalledRelease, ReleaseId, ReleaseInfo } from '../domain/release.ts'
import { prepareArtifact } from '../drivers/artifact/prepare.ts'
import { secretDigest } from '../drivers/artifact/secret-digest.ts'
import { chooseRelease, releaseHash, secretNames } from '../plan/release.ts'
import { cacheDirectory } from './compose.ts'
import { cancelled, reachableHosts, stopAtOnce } from './reach.ts'
import { operator, type Work } from './rollout.ts'

export type PreparedRelease = {
  readonly id: ReleaseId
  /** null: made by another tool, nothing of ours is known about it. */
  readonly info: ReleaseInfo | null
  /** null: hosts have it already. */
  readonly artifact: Artifact | null
  readonly built: boolean
}

export type ReleaseOptions = { readonly artifact?: string; readonly release?: string; readonly rebuild?: boolean }

/** Builds where something changed, packs, hashes. @throws RollgateError E_BUILD, E_ARTIFACT, E_SECRET, E_NO_RELEASE, E_USAGE, E_CANCELLED */
export async function prepareRelease(work: Work, options: ReleaseOptions): Promise<PreparedRelease> {
  if (options.release !== undefined) {
    if (options.artifact !== undefined) throw new RollgateError('E_USAGE', '--release and --artifact exclude each other')
    return installedRelease(work, options.release)
  }
  const { context, session, emit } = work
  const { config } = session
  const settings = config.artifact ?? (options.artifact === undefined ? null : { path: options.artifact, exclude: [] })
  if (settings === null) {
    throw new RollgateError('E_USAGE', 'there is nothing to deploy: the configuration has no artifact', {
      hints: ['add artifact.path', '--artifact PATH ships something that lies here', '--release ID deploys one that hosts have'],
    })
  }
  const signal = stopAtOnce(work)
  emit({ type: 'phase', name: 'build', state: 'started', ...(settings.build === undefined ? {} : { detail: settings.build }) })
  try {
    const { artifact, built, revision } = await prepareArtifact({
      settings,
      directory: config.directory,
      configFile: config.file,
      cacheDirectory: cacheDirectory(context.env, config.app),
      ...(options.artifact === undefined ? {} : { override: resolve(context.cwd, options.artifact) }),
      rebuild: options.rebuild === true,
      environment: config.environment,
      signal,
      onLine: (line) => emit({ type: 'output', source: 'build', line }),
      env: { ...context.env },
    })
    const digests: Record<string, string> = {}
    for (const name of secretNames(config.release)) digests[name] = secretDigest(config.app, name, await session.secret(name))
    const hash = releaseHash(artifact.sha256, config.release, digests)
    const installed = installedEverywhere(work)
    const { id, counter } = chooseRelease({ hash, installed })
    const known = installed.find((release) => release.id === id)
    const info: ReleaseInfo =
      known === undefined
        ? {
            version: 1,
            id,
            counter,
            hash,
            artifact: artifact.sha256,
            bytes: artifact.unpackedBytes,
            files: artifact.files,
            by: operator(context.env),
            revision,
          }
        : // Who made it first is kept: the record is the same on every host.
          recordOf(known)
    const how = built === 'built' ? 'built' : built === 'skipped' ? 'nothing changed since the last build' : 'no build'
    emit({
      type: 'phase',
      name: 'build',
      state: built === 'built' ? 'done' : 'skipped',
      detail: `${id}, ${artifact.files} files, ${(artifact.unpackedBytes / 1e6).toFixed(1)} MB: ${how}`,
    })
    return { id, info, artifact, built: built === 'built' }
  } catch (error) {
    if (signal.aborted) throw cancelled(error)
    emit({ type: 'phase', name: 'build', state: 'failed' })
    throw error
  }
}

/** One that a host has already; ours, or a folder that another tool left. @throws RollgateError E_NO_RELEASE */
export function installedRelease(work: Work, id: ReleaseId): PreparedRelease {
  const installed = installedEverywhere(work)
  const ours = installed.find((release) => release.id === id)
  if (ours !== undefined) return { id, info: recordOf(ours), artifact: null, built: false }
  const reachable = reachableHosts(work)
  if (reachable.some((host) => host.foreignReleases.includes(id))) return { id, info: null, artifact: null, built: false }
  const known = [...new Set(installed.toSorted((a, b) => b.counter - a.counter).map((release) => release.id))]
  throw new RollgateError('E_NO_RELEASE', `no host has a release called ${id}`, {
    now: 'nothing was changed',
    hints: [
      known.length === 0 ? 'no host has a release at all' : `there are: ${known.slice(0, 8).join(', ')}`,
      'rollgate releases   (which host has what)',
    ],
  })
}

function installedEverywhere(work: Work): readonly InstalledRelease[] {
  return reachableHosts(work).flatMap((host) => host.releases)
}

function recordOf(release: InstalledRelease): ReleaseInfo {
  const { installedAt: _installedAt, outcome: _outcome, ...info } = release
  return info
}

export { type StagedHost, stageEverywhere } from './stage.ts'
