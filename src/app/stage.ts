// A release on every host, all at once and before any drain: complete and verified everywhere, or exit 3 and nothing that
// serves was touched. Every bad host is named, not only the first. Hosts that lack a release which this machine never
// built get it from a host that has it.
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { ReachableHost } from '../domain/facts.ts'
import type { HostName } from '../domain/host.ts'
import type { ReleaseInfo } from '../domain/release.ts'
import { openArchive } from '../drivers/artifact/archive.ts'
import { envFile } from '../drivers/stage/env-file.ts'
import { fetchRelease } from '../drivers/stage/fetch.ts'
import { sharedPaths } from '../drivers/stage/shared.ts'
import { type Shipment, stageRelease } from '../drivers/stage/stage.ts'
import { limited } from '../util/limit.ts'
import { cacheDirectory } from './compose.ts'
import { cancelled, reachableHosts, stopAtOnce } from './reach.ts'
import type { PreparedRelease } from './release.ts'
import type { Work } from './rollout.ts'
import { makeRoom } from './room.ts'

export type StagedHost = { readonly name: HostName; readonly note: string }

const AT_ONCE = 32
/** A progress event for every block would drown everybody who watches. */
const TELL_EVERY = 1 / 50

/**
 * Complete and verified on each of these hosts, or an error that names every host where it is not.
 *
 * @param guard sh text for a host that ends a script when the lease there is no longer ours
 * @throws RollgateError E_STAGE, E_DISK, E_ROOT, E_NO_RELEASE, E_SECRET, E_CANCELLED
 */
export async function stageEverywhere(
  work: Work,
  release: PreparedRelease,
  hosts: readonly HostName[],
  guard?: (host: HostName) => string,
): Promise<readonly StagedHost[]> {
  if (hosts.length === 0) return []
  const { emit } = work
  const count = `${hosts.length} ${hosts.length === 1 ? 'host' : 'hosts'}`
  emit({ type: 'phase', name: 'stage', state: 'started', detail: `${release.id} on ${count}` })
  try {
    const targets = hosts.map((name) => factsOf(work, name))
    const staged = release.info === null ? adopted(release, targets) : await ours(work, release, release.info, targets, guard)
    emit({ type: 'phase', name: 'stage', state: 'done', detail: `${release.id} on ${count}` })
    return staged
  } catch (error) {
    emit({ type: 'phase', name: 'stage', state: 'failed' })
    if (stopAtOnce(work).aborted) throw cancelled(error)
    throw error
  }
}

/** Made by another tool: there is no record to check it against, so it is used where it lies, and nowhere else. */
function adopted(release: PreparedRelease, targets: readonly ReachableHost[]): readonly StagedHost[] {
  const missing = targets.filter((host) => !host.foreignReleases.includes(release.id)).map((host) => host.host)
  if (missing.length === 0) return targets.map((host) => ({ name: host.host, note: 'there already' }))
  throw new RollgateError('E_NO_RELEASE', `${release.id} is not on ${missing.join(', ')}`, {
    why: 'it was made by another tool, so it cannot be checked and is not copied from host to host',
    now: 'nothing was changed',
    hints: ['rollgate releases   (which host has what)', '--hosts NAME,…   (only those that have it)'],
  })
}

async function ours(
  work: Work,
  release: PreparedRelease,
  info: ReleaseInfo,
  targets: readonly ReachableHost[],
  guard: ((host: HostName) => string) | undefined,
): Promise<readonly StagedHost[]> {
  const { session, emit } = work
  const signal = stopAtOnce(work)
  // On all of them before the first byte is sent: a full disk on the last host costs nothing either.
  throwTogether(await limited(targets, AT_ONCE, (host) => attempt(host.host, () => makeRoom(work, host, info, release.artifact))))
  const shared = release.artifact === null ? [] : sharedPaths(session.config.release.shared, release.artifact.manifest)
  const source = release.artifact === null ? fetched(work, info) : built(work, release)
  try {
    const results = await limited(targets, AT_ONCE, (host) =>
      attempt(host.host, async () => {
        let told = 0
        const { note } = await stageRelease({
          connection: await session.connect(host.host, signal),
          reconnect: (abort) => session.connect(host.host, abort),
          layout: session.layout,
          info,
          shared,
          shipment: source.get,
          keepDamaged: release.artifact === null,
          donors: host.releases.filter((known) => known.artifact === info.artifact && known.hash !== info.hash).map((known) => known.id),
          tools: host.tools,
          ...(guard === undefined ? {} : { guard: guard(host.host) }),
          signal,
          onProgress(sentBytes, totalBytes) {
            if (sentBytes < totalBytes && sentBytes - told < totalBytes * TELL_EVERY && sentBytes >= told) return
            told = sentBytes
            emit({ type: 'stage.progress', host: host.host, sentBytes, totalBytes })
          },
        })
        emit({ type: 'stage.done', host: host.host, note })
        return note
      }),
    )
    throwTogether(results)
    return results.flatMap(({ name, value }) => (value === null ? [] : [{ name, note: value }]))
  } finally {
    await source.close()
  }
}

type Source = { readonly get: () => Promise<Shipment>; close(): Promise<void> }

/** What was packed here, with the environment that the configuration says. Asked for by many hosts, made once. */
function built(work: Work, release: PreparedRelease): Source {
  const { session, context } = work
  const { artifact, id } = release
  let made: Promise<Shipment> | null = null
  const make = async (): Promise<Shipment> => {
    if (artifact === null) throw new RollgateError('E_BUG', `${id} has no artifact`)
    const options = { cacheDirectory: cacheDirectory(context.env, session.config.app), signal: stopAtOnce(work) }
    return {
      openArchive: (compression) => openArchive(artifact, compression, options),
      without: [],
      shared: sharedPaths(session.config.release.shared, artifact.manifest),
      envText: envFile(id, await environment(work)),
    }
  }
  return {
    get() {
      made ??= make()
      return made
    },
    close: async () => undefined,
  }
}

/** What another host has: the first whole copy there is. */
function fetched(work: Work, info: ReleaseInfo): Source {
  const { session, context, emit } = work
  const folder = join(cacheDirectory(context.env, session.config.app), `fetched-${process.pid}-${randomBytes(4).toString('hex')}`)
  const signal = stopAtOnce(work)
  let made: Promise<Shipment> | null = null
  const make = async (): Promise<Shipment> => {
    const owners = reachableHosts(work).filter((host) => host.releases.some((known) => known.hash === info.hash))
    const evidence: string[] = []
    for (const [index, owner] of owners.entries()) {
      try {
        emit({ type: 'notice', message: `${info.id} is taken from ${owner.host}, for hosts that do not have it` })
        const connection = await session.connect(owner.host, signal)
        const { layout } = session
        return await fetchRelease({ connection, layout, info, tools: owner.tools, scratch: join(folder, String(index)), signal })
      } catch (error) {
        if (signal.aborted) throw error
        const { message, evidence: more = [] } = errorInfo(error)
        evidence.push(`${owner.host}: ${message}`, ...more.slice(0, 5).map((line) => `${owner.host}: ${line}`))
      }
    }
    throw new RollgateError('E_NO_RELEASE', `no host has a whole copy of ${info.id}`, {
      evidence,
      now: 'nothing that runs was touched',
      hints: ['rollgate deploy   (builds a release again)', 'rollgate releases   (which host has what)'],
    })
  }
  return {
    get() {
      made ??= make()
      return made
    },
    async close() {
      await made?.catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

type Attempt<T> = { readonly name: HostName; readonly value: T | null; readonly error: unknown }

async function attempt<T>(name: HostName, work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { name, value: await work(), error: null }
  } catch (error) {
    return { name, value: null, error }
  }
}

/** One error for all of them: the first one's words, the others beside it. */
function throwTogether(attempts: readonly Attempt<unknown>[]): void {
  const failures = attempts.filter(({ error }) => error !== null)
  const [first] = failures
  if (first === undefined) return
  const bug = failures.find(({ error }) => errorInfo(error).code === 'E_BUG')
  if (bug !== undefined) throw bug.error
  if (failures.length === 1) throw first.error
  const info = errorInfo(first.error)
  const infos = failures.map(({ name, error }) => ({ name, ...errorInfo(error) }))
  throw new RollgateError(info.code, `${info.message} (and ${failures.length - 1} more of ${attempts.length} hosts failed)`, {
    host: first.name,
    now: 'nothing that runs was touched, on any host',
    hints: [...new Set(infos.flatMap(({ hints }) => hints ?? []))],
    evidence: infos.flatMap(({ name, code, message, evidence = [] }) => [
      `${name}: ${code} ${message}`,
      ...evidence.slice(-5).map((line) => `${name}: ${line}`),
    ]),
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

function factsOf(work: Work, name: HostName): ReachableHost {
  const found = reachableHosts(work).find((host) => host.host === name)
  if (found === undefined)
    throw new RollgateError('E_UNREACHABLE', `${name} was not reached, so nothing can be staged there`, { host: name })
  return found
}
