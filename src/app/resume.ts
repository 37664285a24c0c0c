// resume, abort and promote: another hold on a rollout that is not over, from any machine. Everything is read from the
// hosts: the plan and the settings from their records, how far it came from their ledgers. The lease is taken over first
// (waited for until it has expired; a holder whose heartbeat goes on is left alone), so nothing else moves meanwhile.
import type { RolloutDocument } from '../domain/document.ts'
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { Facts } from '../domain/facts.ts'
import type { HostName } from '../domain/host.ts'
import type { LedgerEntry } from '../domain/ledger.ts'
import { type Checkpoint, type Plan, refusalOf, type Track } from '../domain/plan.ts'
import type { RolloutRecord } from '../domain/ports.ts'
import { recover } from '../journal/recover.ts'
import type { Progress } from '../journal/replay.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { rolloutDocument } from './documents.ts'
import { gatesOf } from './gates/planning.ts'
import { installedRelease, stageEverywhere } from './release.ts'
import { carryOut, look, operator, refusalInfo, takeLock, type Work } from './rollout.ts'
import type { Session } from './session.ts'
import { permitGates } from './strangers.ts'
import { settleSudo } from './sudo.ts'
import { createTelling } from './telling.ts'
import { resumableIn, type UnfinishedRollout } from './unfinished.ts'

type Command = 'resume' | 'abort' | 'promote'

/** Goes on with an interrupted or paused rollout. */
export async function resume(context: AppContext): Promise<RolloutDocument> {
  return takeUp('resume', context)
}

/** Takes it back: every touched host returns to the release it had. */
export async function abort(context: AppContext): Promise<RolloutDocument> {
  return takeUp('abort', context)
}

/** Answers its approval or its inconclusive gate with yes, and goes on. */
export async function promote(context: AppContext): Promise<RolloutDocument> {
  return takeUp('promote', context)
}

async function takeUp(command: Command, context: AppContext): Promise<RolloutDocument> {
  const began = performance.now()
  const before = createTelling(command, context.renderers, () => new Date())
  let session: Session | null = null
  const end = (
    rest: Pick<Parameters<typeof rolloutDocument>[0], 'outcome' | 'rollout' | 'plan' | 'run' | 'probe' | 'events'>,
  ): RolloutDocument => rolloutDocument({ command, durationMs: performance.now() - began, refusals: [], ...rest })
  const nothing = { rollout: null, plan: null, run: null, probe: null, events: before.events }
  try {
    session = await openSession(context, { emit: before.emit })
    const taking = { command, rollout: command, policy: { kind: 'inherit' } } as const
    await takeLock(session, context, before.emit, taking)
    let facts = await look(context, session, before.emit)
    const found = resumableIn(facts)
    if (found === null) {
      if (command === 'promote') throw new RollgateError('E_REFUSED', 'no rollout waits for an answer', { now: 'nothing was changed' })
      if (facts.hosts.every((host) => !host.reachable)) throw unreachableError(facts, session)
      return end({ ...nothing, outcome: { kind: 'unchanged' } })
    }
    const record = await readRecord(session, found, context.signal)
    if (record.plan.configHash !== session.configHash) {
      before.emit({
        type: 'warning',
        message: `the configuration changed since rollout ${found.rollout} began: it goes on with the settings it recorded`,
      })
      session.adopt(record.settings)
      // Hosts that the configuration does not name any more are hosts of this rollout all the same: ours to hold, and to look at.
      if (hostsOf(record.plan).some((host) => !facts.hosts.some((seen) => seen.host === host))) {
        await session.hold()?.release()
        await takeLock(session, context, before.emit, taking)
        facts = await look(context, session, before.emit)
        if (resumableIn(facts)?.rollout !== found.rollout)
          throw new RollgateError('E_REFUSED', `rollout ${found.rollout} was ended by somebody else meanwhile`, {
            now: 'nothing was changed',
          })
      }
    }
    const telling = createTelling(found.rollout, context.renderers, () => new Date())
    const work: Work = { context, session, facts, emit: telling.emit, rollout: found.rollout }
    const progress = await progressOf(command, work, record, found)
    refuseLostHosts(command, facts, progress)
    if (command !== 'abort') await permitGates(session.config, gatesOf(record.plan), context)
    await settleSudo(
      work,
      record.plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)),
    )
    await stageMissing(work, progress)
    const done = await carryOut(work, telling, { ...record, command: record.command }, progress)
    const document = end({ ...done, rollout: found.rollout, plan: record.plan, events: telling.events })
    return command === 'abort' ? asAsked(document) : document
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG') throw error
    if (info.code === 'E_CANCELLED') return end({ ...nothing, outcome: { kind: 'cancelled', signal: context.control.because ?? 'SIGINT' } })
    return end({ ...nothing, outcome: { kind: 'refused', because: info } })
  } finally {
    await session?.close()
  }
}

/** The fleet is back where it was, which is what was asked for. */
function asAsked(document: RolloutDocument): RolloutDocument {
  if (document.outcome !== 'rolled-back') return document
  const { error: _error, ...rest } = document
  return { ...rest, exitCode: 0 }
}

/** The same on every host that has one. @throws RollgateError E_NO_RELEASE where no host has it any more */
async function readRecord(session: Session, found: UnfinishedRollout, signal: AbortSignal): Promise<RolloutRecord> {
  const records = await Promise.allSettled(found.hosts.map((host) => session.port(host).readRecord(found.rollout, signal)))
  for (const result of records) if (result.status === 'fulfilled' && result.value !== null) return result.value
  const failed = records.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  throw new RollgateError('E_NO_RELEASE', `no host has the plan of rollout ${found.rollout}`, {
    now: 'nothing was changed',
    hints: ['rollgate lock release   (ends it as it is)', 'rollgate deploy   (then brings every host to one release)'],
  })
}

async function progressOf(command: Command, work: Work, record: RolloutRecord, found: UnfinishedRollout): Promise<Progress> {
  const { session, facts, context } = work
  const ledgers = new Map<HostName, readonly LedgerEntry[]>()
  await Promise.all(
    hostsOf(record.plan).map(async (host) => {
      if (isReached(facts, host)) ledgers.set(host, await session.port(host).readLedger(context.signal))
    }),
  )
  const progress = recover(record.plan, found.rollout, ledgers)
  if (progress === null)
    throw new RollgateError('E_REFUSED', `no host that answers knows rollout ${found.rollout}`, { now: 'nothing was changed' })
  switch (command) {
    case 'resume':
      return progress
    case 'abort':
      return { ...progress, direction: 'undo', because: progress.because ?? abortedBy(operator(context.env)) }
    case 'promote':
      return promoted(work, progress)
    default:
      return command satisfies never
  }
}

function abortedBy(who: string): ErrorInfo {
  return { code: 'E_CANCELLED', message: `aborted by ${who}`, exitCode: 0 }
}

/** @throws RollgateError E_REFUSED when it does not wait for anything */
async function promoted(work: Work, progress: Progress): Promise<Progress> {
  const waiting = progress.direction === 'forward' ? pendingQuestion(progress) : null
  if (waiting === null) {
    throw new RollgateError('E_REFUSED', `rollout ${work.rollout} does not wait for an answer`, {
      now: 'nothing was changed',
      hints: ['rollgate resume   (goes on with it)', 'rollgate abort   (takes it back)'],
    })
  }
  const hosts = hostsOf(progress.plan).filter((host) => isReached(work.facts, host))
  await Promise.all(hosts.map((host) => work.session.port(host).note(work.rollout, waiting.id, 'done', 'promoted', work.context.signal)))
  work.emit({ type: 'notice', message: `promoted: ${waiting.kind === 'approve' ? waiting.question : `gate ${waiting.gate}`}` })
  return { ...progress, done: new Set([...progress.done, waiting.id]) }
}

/** The first thing that is not passed, where everything before it is. */
function pendingQuestion(progress: Progress): Extract<Checkpoint, { kind: 'approve' | 'gate' }> | null {
  for (const batch of progress.plan.batches) {
    const open = batch.tracks.filter(
      (track) => !progress.failed.has(track.host) && !track.steps.every((step) => progress.done.has(step.id)),
    )
    if (open.length > 0) return open.flatMap((track) => waitingGate(progress, track) ?? [])[0] ?? null
    for (const checkpoint of batch.after) {
      if (progress.done.has(checkpoint.id)) continue
      return checkpoint.kind === 'approve' || checkpoint.kind === 'gate' ? checkpoint : null
    }
  }
  return null
}

/** A gate in the middle of a host's way, where everything before it is done; looking and proving leave no line, and are done again. */
function waitingGate(progress: Progress, track: Track): Extract<Checkpoint, { kind: 'gate' }> | null {
  const next = track.steps.find((step) => !progress.done.has(step.id) && step.kind !== 'prove' && step.kind !== 'calibrate')
  return next?.kind === 'gate' && progress.touched.has(next.id) ? { id: next.id, kind: 'gate', gate: next.gate } : null
}

/** Going on needs every host that is still to be moved; the way back goes on without those that are gone. @throws RollgateError, exit 4 */
function refuseLostHosts(command: Command, facts: Facts, progress: Progress): void {
  if (command === 'abort' || progress.direction === 'undo') return
  const lost = progress.plan.batches
    .flatMap((batch) => batch.tracks)
    .filter((track) => !isReached(facts, track.host) && !track.steps.every((step) => progress.done.has(step.id)))
    .map((track) => track.host)
  if (lost.length === 0) return
  throw new RollgateError(
    'E_UNREACHABLE',
    `${lost.join(', ')} cannot be reached, and the rollout still has to move ${lost.length === 1 ? 'it' : 'them'}`,
    {
      now: 'nothing was changed',
      hints: ['rollgate resume   (again, when it is back)', 'rollgate abort   (takes back what the other hosts did)'],
    },
  )
}

/** A host that was replaced meanwhile gets the release from one that has it. @throws RollgateError E_NO_RELEASE naming abort */
async function stageMissing(work: Work, progress: Progress): Promise<void> {
  const { plan } = progress
  if (progress.direction === 'undo' || plan.release === null) return
  const release = plan.release
  const missing = plan.batches
    .flatMap((batch) => batch.tracks)
    .filter((track) => {
      const seen = work.facts.hosts.find((host) => host.host === track.host)
      return (
        seen?.reachable === true &&
        track.to === release &&
        ![...seen.releases.map((known) => known.id), ...seen.foreignReleases].includes(release)
      )
    })
    .map((track) => track.host)
  if (missing.length === 0) return
  try {
    await stageEverywhere(work, installedRelease(work, release), missing, work.session.fence)
  } catch (error) {
    const info = errorInfo(error)
    if (info.code !== 'E_NO_RELEASE') throw error
    throw new RollgateError('E_NO_RELEASE', `${release} is not on ${missing.join(', ')} and cannot be had from another host`, {
      now: 'nothing was changed',
      hints: ['rollgate abort   (takes the rollout back)'],
      cause: error,
    })
  }
}

function unreachableError(facts: Facts, session: Session): RollgateError {
  const info = refusalInfo(facts.hosts.flatMap((host) => (host.reachable ? [] : [refusalOf(host.error, host.host)])))
  return new RollgateError(info.code, info.message, {
    exitCode: 4,
    hints: info.hints ?? [],
    now: 'nothing was changed',
    host: session.config.hosts[0]?.name ?? '',
  })
}

const hostsOf = (plan: Plan): readonly HostName[] => plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host))
const isReached = (facts: Facts, name: HostName): boolean => facts.hosts.some((host) => host.host === name && host.reachable)
