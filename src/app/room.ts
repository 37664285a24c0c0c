// Room for a release on a host: asked of the facts; where there is too little, old releases go first, and only then is it
// refused. What goes is what the end of a rollout would have removed anyway: never the live one, never the one to which
// a rollback goes, never one of the last `release.keep` that succeeded.
import { errorFrom, RollgateError } from '../domain/error.ts'
import type { DiskFacts, ReachableHost } from '../domain/facts.ts'
import type { Artifact, ReleaseInfo } from '../domain/release.ts'
import { preflightStage, spaceGuessed, spaceNeeded } from '../drivers/stage/preflight.ts'
import { pruneScript } from '../drivers/stage/prune.ts'
import { roomScript } from '../facts/look.ts'
import { parseRoom } from '../facts/parse-look.ts'
import { rollbackTarget } from '../plan/situation.ts'
import { stdinScript } from '../util/shell.ts'
import { reachableHosts, stopAtOnce } from './reach.ts'
import type { Work } from './rollout.ts'

const PRUNE_TIMEOUT_MS = 10 * 60_000
const ASK_TIMEOUT_MS = 30_000

/** @throws RollgateError E_DISK */
export async function makeRoom(work: Work, host: ReachableHost, info: ReleaseInfo, artifact: Artifact | null): Promise<void> {
  if (host.releases.some((known) => known.hash === info.hash)) return
  const { keep } = work.session.config.release
  const needed = artifact === null ? spaceGuessed(info) : spaceNeeded(artifact.manifest)
  if (preflightStage(host, needed, keep) === null) return
  const removed = await prune(work, host, info)
  const left = { host: host.host, disk: await roomNow(work, host), releases: host.releases.slice(removed.length) }
  const short = preflightStage(left, needed, keep)
  if (removed.length > 0) work.emit({ type: 'notice', message: `${host.host}: removed ${removed.join(', ')} to make room` })
  if (short === null) return
  throw errorFrom(
    removed.length === 0 ? short : { ...short, now: `Old releases were removed (${removed.join(', ')}), and nothing else was changed` },
  )
}

async function prune(work: Work, host: ReachableHost, info: ReleaseInfo): Promise<readonly string[]> {
  if (host.releases.length === 0) return []
  const { session } = work
  const target = rollbackTarget(reachableHosts(work))
  const protect = [info.id, ...(target === null ? [] : [target]), ...(host.current === null ? [] : [host.current])]
  const said = await ask(work, host, pruneScript(session.layout, { keep: session.config.release.keep, protect }), PRUNE_TIMEOUT_MS)
  return said.split('\n').filter((line) => host.releases.some((release) => release.id === line))
}

async function roomNow(work: Work, host: ReachableHost): Promise<DiskFacts | null> {
  return parseRoom(await ask(work, host, roomScript(work.session.layout), ASK_TIMEOUT_MS))
}

async function ask(work: Work, host: ReachableHost, script: string, timeoutMs: number): Promise<string> {
  const signal = stopAtOnce(work)
  const { argv, stdin } = stdinScript(script)
  const connection = await work.session.connect(host.host, signal)
  const result = await connection.run({ argv, stdin, timeoutMs }, { signal })
  if (result.exitCode === 0) return result.stdout
  const why = result.lost ? 'the connection was lost' : result.timedOut ? 'it did not answer in time' : `exit code ${result.exitCode}`
  throw new RollgateError('E_STAGE', `${host.host}: room could not be made for ${work.session.config.app}: ${why}`, { host: host.host })
}
