// The only loop. Walks the plan from wherever the journal left it: batches forward, checkpoints between them, the way
// back when something is wrong. Reads no strategy name, prints nothing, and every promise it keeps is visible in the plan.
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Batch, Checkpoint, Track } from '../domain/plan.ts'
import type { ExecuteContext } from '../domain/ports.ts'
import { failureDetail, hostEntry } from '../journal/recover.ts'
import type { Progress } from '../journal/replay.ts'
import { tellWhetherItServes } from './away.ts'
import { guarded, tooFewReady } from './capacity.ts'
import { passCheckpoint, probeBreach, runLocalHooks } from './checkpoint.ts'
import { returnControls } from './control.ts'
import { finishHosts, hurryHome } from './finish.ts'
import { strayed } from './place.ts'
import { endsRun, isOfTheWorld, noteRollout, type Run, record, startRun } from './run.ts'
import { isPause, runSteps, takesOut } from './track.ts'
import { isTouched, undoAll, undoTrack, wayBackSteps } from './undo.ts'

export type Execution = { readonly outcome: Outcome; readonly run: Run }

/** How the forward way ended. */
type Forward =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly because: ErrorInfo }
  | { readonly kind: 'refused'; readonly because: ErrorInfo }
  | { readonly kind: 'paused'; readonly at: string; readonly question: string }
  | { readonly kind: 'interrupted'; readonly undo: boolean }

/**
 * Executes, or resumes, a rollout.
 *
 * @param progress fresh (freshProgress) or replayed from a journal
 * @throws only what is a bug: every failure of the world is an outcome
 */
export async function execute(progress: Progress, context: ExecuteContext): Promise<Execution> {
  const run = startRun(progress, context)
  try {
    await returnControls(run)
    if (progress.direction === 'undo') return await close(run, await wayBack(run, progress.because ?? bugInfo('undo without a reason')))
    const forward = await goForward(run).catch((error: unknown) => failedBy(run, error))
    switch (forward.kind) {
      case 'done':
        return await close(run, await lastLook(run, ending(run)))
      case 'failed':
        return await close(run, await wayBack(run, forward.because))
      case 'refused':
        return await close(run, { kind: 'refused', because: forward.because })
      case 'paused':
        return { outcome: { kind: 'paused', at: forward.at, question: forward.question }, run }
      case 'interrupted':
        // Stopped between two hosts: the fleet is consistent, and nothing keeps others out. It can still be resumed.
        if (!forward.undo) return await close(run, cancelled(context))
        await close(run, await wayBack(run, { code: 'E_CANCELLED', message: 'interrupted, and undone as asked', exitCode: 130 }))
        return { outcome: run.stuck.size > 0 ? stuck(run) : cancelled(context), run }
      default:
        return forward satisfies never
    }
  } catch (error) {
    if (!endsRun(error)) throw error
    // Whoever took over has the rollout now, with all that is to be done about it.
    if (error instanceof RollgateError && error.code === 'E_LOCKED') return { outcome: { kind: 'refused', because: errorInfo(error) }, run }
    const whole = await hurryHome(run)
    return whole ? await close(run, cancelled(context)) : { outcome: cancelled(context), run }
  }
}

/** What no single host has to answer for: a balancer that cannot be asked who is ready, between two hosts. */
function failedBy(run: Run, error: unknown): Forward {
  if (!isOfTheWorld(error)) throw error
  const because = errorInfo(error)
  return anyTouched(run) ? { kind: 'failed', because } : { kind: 'refused', because }
}

const anyTouched = (run: Run): boolean => run.plan.batches.some((batch) => batch.tracks.some((track) => isTouched(run, track)))

async function goForward(run: Run): Promise<Forward> {
  const { plan } = run
  const refused = await runLocalHooks(run, 'before', plan.before)
  if (refused !== null) {
    return anyTouched(run)
      ? { kind: 'failed', because: refused }
      : { kind: 'refused', because: { ...refused, code: 'E_HOOK_BEFORE', exitCode: 3 } }
  }
  // Resumed after a crash between the failure and the way back: the failure still stands.
  if (isOverBudget(run) && run.because !== null) return { kind: 'failed', because: run.because }
  run.context.emit({ type: 'phase', name: 'rollout', state: 'started' })
  for (const batch of plan.batches) {
    const wish = await interrupted(run)
    if (wish !== null) return wish
    const failed = await runBatch(run, batch)
    if (failed !== null) return { kind: 'failed', because: failed }
    if (run.paused !== null) return { kind: 'paused', ...run.paused }
    for (const checkpoint of batch.after) {
      const asked = await interrupted(run)
      if (asked !== null) return asked
      const stop = await atCheckpoint(run, batch, checkpoint)
      if (stop !== null) return stop
    }
  }
  const breach = probeBreach(run)
  if (breach !== null && plan.batches.length > 0) return { kind: 'failed', because: breach }
  run.context.emit({ type: 'phase', name: 'rollout', state: 'done' })
  return { kind: 'done' }
}

async function atCheckpoint(run: Run, batch: Batch, checkpoint: Checkpoint): Promise<Forward | null> {
  if (run.done.has(checkpoint.id)) return null
  const passed = await passCheckpoint(run, batch, checkpoint)
  if (passed.kind === 'passed') return null
  if (passed.kind === 'paused') return { kind: 'paused', at: checkpoint.id, question: passed.question }
  if (passed.kind === 'interrupted') return interrupted(run)
  return { kind: 'failed', because: passed.because }
}

async function interrupted(run: Run): Promise<Forward | null> {
  // All is quiet here: a person who is being asked has the time to answer.
  await run.context.control.decided?.()
  const { wish } = run.context.control
  if (wish === null || wish === 'continue') return null
  return { kind: 'interrupted', undo: wish === 'undo' }
}

/** @returns the failure that stops the rollout, or null */
async function runBatch(run: Run, batch: Batch): Promise<ErrorInfo | null> {
  const open = batch.tracks.filter((track) => !isComplete(run, track))
  if (open.length === 0) return null
  run.context.emit({ type: 'batch.started', batch: batch.id, title: batch.title, hosts: open.map((track) => track.host) })
  let thrown: unknown = null
  const left = await guarded(
    run,
    open,
    async (track) => {
      try {
        if (run.failed.has(track.host)) await restoreHost(run, track)
        else await runSteps(run, track, track.steps, () => run.stopped)
      } catch (error) {
        if (endsRun(error)) thrown ??= error
        else if (isPause(error)) run.paused ??= pauseOf(track, error)
        else
          await hostFailed(run, track, error).catch((second: unknown) => {
            thrown ??= second
          })
      }
    },
    {
      patienceMs: run.plan.policy.progressDeadlineMs,
      enough: () => run.stopped || run.paused !== null || thrown !== null,
      takesOut: (track) => takesOut(run, run.failed.has(track.host) ? wayBackSteps(run, track) : track.steps),
    },
  )
  if (thrown !== null) throw thrown
  const first = left[0]
  if (first !== undefined && !run.stopped && run.paused === null) await hostFailed(run, first, tooFewReady(first, run))
  if (run.stopped) return run.because
  const breach = probeBreach(run)
  if (breach !== null) return breach
  if (run.paused === null) run.context.emit({ type: 'batch.done', batch: batch.id })
  return null
}

function isComplete(run: Run, track: Track): boolean {
  if (run.failed.has(track.host)) return wayBackSteps(run, track).every((step) => run.done.has(step.id))
  return track.steps.every((step) => run.done.has(step.id))
}

/** Counts a failed host against the budget. Within it the host is restored and the rollout goes on; beyond it everybody stops. */
async function hostFailed(run: Run, track: Track, error: unknown): Promise<void> {
  const info = errorInfo(error)
  if (info.code === 'E_BUG') throw error
  run.failed.set(track.host, info)
  run.because ??= info
  await noteRollout(run, hostEntry(track.host), 'failed', failureDetail({ ...info, host: track.host }))
  await record(run, { type: 'host.failed', host: track.host, error: info })
  await tellWhetherItServes(run, track.host)
  if (isOverBudget(run)) {
    run.stopped = true
    return
  }
  await restoreHost(run, track)
}

/** The budget is for hosts. A gate that says no speaks of the release, on whichever host it was seen. */
function isOverBudget(run: Run): boolean {
  if ([...run.failed.values()].some((info) => info.code === 'E_GATE_FAILED')) return true
  return run.failed.size > 0 && run.failed.size + run.plan.skipped.length > run.plan.policy.failureBudget
}

function pauseOf(track: Track, error: unknown): Run['paused'] {
  const at = track.steps.find((step) => step.kind === 'gate')?.id ?? track.host
  return { at, question: errorInfo(error).message }
}

async function restoreHost(run: Run, track: Track): Promise<void> {
  if (isTouched(run, track)) await undoTrack(run, track)
}

/** What follows a failure beyond the budget: everything back, or only the hosts that failed or were stopped half-way. */
async function wayBack(run: Run, because: ErrorInfo): Promise<Outcome> {
  run.because ??= because
  const halt = run.plan.policy.onFailure === 'halt' && because.code !== 'E_CANCELLED'
  const isWhole = (track: Track): boolean => !run.failed.has(track.host) && track.steps.every((step) => run.done.has(step.id))
  await undoAll(run, because, halt ? (track) => !isWhole(track) : undefined)
  await runLocalHooks(run, 'on_failure', run.plan.onFailureHooks)
  if (run.stuck.size > 0) return stuck(run)
  const serving = run.plan.batches.flatMap((batch) => batch.tracks).filter(isWhole)
  if (halt && serving.length > 0) return { kind: 'partial', because, hosts: [...run.failed.keys()] }
  return { kind: 'rolled-back', because }
}

function ending(run: Run): Outcome {
  if (run.stuck.size > 0) return stuck(run)
  const missing = [...run.failed.keys(), ...run.plan.skipped]
  if (missing.length === 0) return run.plan.batches.length === 0 ? { kind: 'unchanged' } : { kind: 'succeeded' }
  const skipped: ErrorInfo = { code: 'E_UNREACHABLE', message: `skipped: ${run.plan.skipped.join(', ')}`, exitCode: 6 }
  return { kind: 'partial', because: run.because ?? skipped, hosts: missing }
}

/** Done is done only when the balancers agree that every host has its place again (balancers.md, section 7). */
async function lastLook(run: Run, outcome: Outcome): Promise<Outcome> {
  if (outcome.kind !== 'succeeded') return outcome
  const tracks = run.plan.batches.flatMap((batch) => batch.tracks)
  const found = await Promise.all(
    tracks.map(async (track) => {
      try {
        return { host: track.host, strange: await strayed(run, track) }
      } catch (error) {
        if (endsRun(error)) throw error
        return { host: track.host, strange: [`${track.host}: ${errorInfo(error).message}`] }
      }
    }),
  )
  const strange = found.filter((each) => each.strange.length > 0)
  if (strange.length === 0) return outcome
  const because: ErrorInfo = {
    code: 'E_BALANCER_CONFLICT',
    message: strange.flatMap((each) => each.strange).join('; '),
    why: 'it was as before when each host came back: somebody changed it since',
    exitCode: 6,
  }
  return { kind: 'partial', because, hosts: strange.map((each) => each.host) }
}

function stuck(run: Run): Outcome {
  const first = [...run.stuck.values()][0]
  const because = run.because ?? first ?? bugInfo('stuck without a reason')
  const hints = [...(because.hints ?? []), 'rollgate resume   (tries the way back again, once the cause is gone)']
  return { kind: 'stuck', because: { ...because, hints }, hosts: [...run.stuck.keys()] }
}

function cancelled(context: ExecuteContext): Outcome {
  return { kind: 'cancelled', signal: context.control.because ?? 'SIGINT' }
}

/** Ends the rollout on every touched host and in the journal. A stuck one stays open: that is the lock. */
async function close(run: Run, outcome: Outcome): Promise<Execution> {
  if (outcome.kind === 'succeeded' || outcome.kind === 'partial') await runLocalHooks(run, 'after', run.plan.finally)
  if (outcome.kind === 'stuck') await noteRollout(run, '-', 'note', 'stuck')
  else await finishHosts(run, outcome)
  await record(run, { type: 'rollout.closed', outcome })
  return { outcome, run }
}

function bugInfo(message: string): ErrorInfo {
  return errorInfo(new RollgateError('E_BUG', message))
}
