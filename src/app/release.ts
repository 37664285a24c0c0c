// Which release a command is about: made here from the artifact and the settings, or one that hosts have already. Then
// staged on every host, all at once and before any drain: complete and verified everywhere, or exit 3 and nothing that
// serves was touched. Every bad host is named, not only the first.
import { resolve } from 'node:path'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { ReachableHost } from '../domain/facts.ts'
import type { HostName } from '../domain/host.ts'
import type { Artifact, InstalledRelease, ReleaseId, ReleaseInfo } from '../domain/release.ts'
import { openArchive } from '../drivers/artifact/archive.ts'
import { prepareArtifact } from '../drivers/artifact/prepare.ts'
import { secretDigest } from '../drivers/artifact/secret-digest.ts'
import { envFile } from '../drivers/stage/env-file.ts'
import { sharedPaths } from '../drivers/stage/shared.ts'
import { stageRelease } from '../drivers/stage/stage.ts'
import { chooseRelease, releaseHash, secretNames } from '../plan/release.ts'
import { limited } from '../util/limit.ts'
import { cacheDirectory } from './compose.ts'
import { operator, type Work } from './rollout.ts'

export type PreparedRelease = {
  readonly id: ReleaseId
  /** null: made by another tool, nothing of ours is known about it. */
  readonly info: ReleaseInfo | null
  /** null: hosts have it already. */
  readonly artifact: Artifact | null
  readonly built: boolean
}

export type StagedHost = { readonly name: HostName; readonly note: string }

const STAGE_AT_ONCE = 32

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

/**
 * Complete and verified on each of these hosts, or an error that names every host where it is not.
 *
 * @param guard sh text for a host that ends a script when the lease there is no longer ours
 * @throws RollgateError E_STAGE, E_DISK, E_ROOT, E_NO_RELEASE, E_CANCELLED
 */
export async function stageEverywhere(
  work: Work,
  release: PreparedRelease,
  hosts: readonly HostName[],
  guard?: (host: HostName) => string,
): Promise<readonly StagedHost[]> {
  if (hosts.length === 0) return []
  const { emit } = work
  emit({
    type: 'phase',
    name: 'stage',
    state: 'started',
    detail: `${release.id} on ${hosts.length} ${hosts.length === 1 ? 'host' : 'hosts'}`,
  })
  try {
    const targets = hosts.map((name) => factsOf(work, name))
    const staged = await stageOn(work, release, targets, guard)
    emit({ type: 'phase', name: 'stage', state: 'done' })
    return staged
  } catch (error) {
    emit({ type: 'phase', name: 'stage', state: 'failed' })
    if (stopAtOnce(work).aborted) throw cancelled(error)
    throw error
  }
}

async function stageOn(
  work: Work,
  release: PreparedRelease,
  targets: readonly ReachableHost[],
  guard: ((host: HostName) => string) | undefined,
): Promise<readonly StagedHost[]> {
  const { artifact, info } = release
  const { session, context, emit } = work
  const { config } = session
  const has = (host: ReachableHost): boolean =>
    info === null ? host.foreignReleases.includes(release.id) : host.releases.some((known) => known.hash === info.hash)
  if (artifact === null || info === null) {
    const missing = targets.filter((host) => !has(host)).map((host) => host.host)
    if (missing.length > 0)
      throw new RollgateError('E_NO_RELEASE', `${release.id} is not on ${missing.join(', ')}`, { now: 'nothing was changed' })
    return targets.map((host) => ({ name: host.host, note: 'there already' }))
  }
  const signal = stopAtOnce(work)
  const shared = sharedPaths(config.release.shared, artifact.manifest)
  const envText = envFile(release.id, await environment(work))
  const results = await limited(targets, STAGE_AT_ONCE, async (host): Promise<Result> => {
    try {
      const { note } = await stageRelease({
        connection: await session.connect(host.host, signal),
        reconnect: (abort) => session.connect(host.host, abort),
        layout: session.layout,
        info,
        openArchive: (compression) =>
          openArchive(artifact, compression, { cacheDirectory: cacheDirectory(context.env, config.app), signal }),
        shared,
        envText,
        tools: host.tools,
        ...(guard === undefined ? {} : { guard: guard(host.host) }),
        signal,
        onProgress: (sentBytes, totalBytes) => emit({ type: 'stage.progress', host: host.host, sentBytes, totalBytes }),
      })
      emit({ type: 'stage.done', host: host.host, note })
      return { name: host.host, note, error: null }
    } catch (error) {
      return { name: host.host, note: null, error }
    }
  })
  throwTogether(
    results.flatMap(({ name, note, error }) => (note === null ? [{ name, error }] : [])),
    targets.length,
  )
  return results.flatMap(({ name, note }) => (note === null ? [] : [{ name, note }]))
}

type Result = { readonly name: HostName; readonly note: string | null; readonly error: unknown }

/** One error for all of them: the first one's words, the others beside it. */
function throwTogether(failures: readonly { readonly name: HostName; readonly error: unknown }[], total: number): void {
  const [first] = failures
  if (first === undefined) return
  const bug = failures.find(({ error }) => errorInfo(error).code === 'E_BUG')
  if (bug !== undefined) throw bug.error
  const info = errorInfo(first.error)
  if (failures.length === 1) throw first.error
  throw new RollgateError(info.code, `${info.message} (and ${failures.length - 1} more of ${total} hosts failed)`, {
    host: first.name,
    now: 'nothing that runs was touched, on any host',
    hints: [...new Set(failures.flatMap(({ error }) => errorInfo(error).hints ?? []))],
    evidence: failures.flatMap(({ name, error }) => {
      const { code, message, evidence = [] } = errorInfo(error)
      return [`${name}: ${code} ${message}`, ...evidence.slice(-5).map((line) => `${name}: ${line}`)]
    }),
    cause: first.error,
  })
}

/** The release's environment with its secrets in it: kept in memory, sent by standard input. @throws RollgateError E_SECRET */
async function environment(work: Work): Promise<Readonly<Record<string, string>>> {
  const { env } = work.session.config.release
  const values: Record<string, string> = {}
  for (const [name, template] of Object.entries(env)) {
    const parts = await Promise.all(template.map((part) => (typeof part === 'string' ? part : work.session.secret(part.secret))))
    values[name] = parts.join('')
  }
  return values
}

function reachableHosts(work: Work): readonly ReachableHost[] {
  return work.facts.hosts.flatMap((host) => (host.reachable ? [host] : []))
}

function installedEverywhere(work: Work): readonly InstalledRelease[] {
  return reachableHosts(work).flatMap((host) => host.releases)
}

function factsOf(work: Work, name: HostName): ReachableHost {
  const found = reachableHosts(work).find((host) => host.host === name)
  if (found === undefined)
    throw new RollgateError('E_UNREACHABLE', `${name} was not reached, so nothing can be staged there`, { host: name })
  return found
}

function recordOf(release: InstalledRelease): ReleaseInfo {
  const { installedAt: _installedAt, outcome: _outcome, ...info } = release
  return info
}

/** Nothing of this touches what serves, so the first Ctrl-C ends it. */
function stopAtOnce(work: Work): AbortSignal {
  return AbortSignal.any([work.context.signal, work.context.control.asked])
}

function cancelled(cause: unknown): RollgateError {
  return new RollgateError('E_CANCELLED', 'interrupted before anything that runs was touched', { cause })
}
