// What stands between two batches: pauses, people, gates, hooks, and the probe through the public entry.

import type { Hook } from '../domain/config.ts'
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { Batch, Checkpoint, StepId } from '../domain/plan.ts'
import { hookIds } from '../journal/recover.ts'
import { gateAt } from './control.ts'
import { endsRun, noteRollout, type Run, record, waitSignal } from './run.ts'

export type Passed =
  | { readonly kind: 'passed' }
  | { readonly kind: 'paused'; readonly question: string }
  /** The operator wants something else than to wait for it. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly because: ErrorInfo }

const PASSED: Passed = { kind: 'passed' }
const INTERRUPTED: Passed = { kind: 'interrupted' }

export async function passCheckpoint(run: Run, batch: Batch, checkpoint: Checkpoint): Promise<Passed> {
  const { ports } = run.context
  const signal = waitSignal(run)
  switch (checkpoint.kind) {
    case 'pause': {
      run.context.emit({ type: 'notice', message: `pausing for ${Math.round(checkpoint.ms / 1000)} s after ${batch.title}` })
      const until = ports.clock.now() + checkpoint.ms
      // In short sleeps, so that an interrupt or a failing probe does not wait for the end of a long pause.
      while (ports.clock.now() < until && run.context.control.wish === null && probeBreach(run) === null) {
        await ports.clock.sleep(Math.min(1_000, until - ports.clock.now()), signal)
      }
      const breach = probeBreach(run)
      if (breach !== null) return { kind: 'failed', because: breach }
      await pass(run, checkpoint.id, 'paused')
      return PASSED
    }
    case 'approve': {
      run.context.emit({ type: 'question', question: checkpoint.question })
      const answer = await ports.approve(checkpoint.question, signal)
      if (answer === 'unanswered') return pause(run, checkpoint.id, checkpoint.question)
      if (answer === 'no') return refuse(run, checkpoint.id, `not approved: ${checkpoint.question}`)
      await pass(run, checkpoint.id, 'approved')
      return PASSED
    }
    case 'calibrate': {
      const note = await untilAsked(run, (asked) => ports.calibrate(checkpoint.gate, gateAt(run, whereOf(batch, checkpoint)), asked))
      if (note === null) return INTERRUPTED
      await pass(run, checkpoint.id, note)
      return PASSED
    }
    case 'gate': {
      const result = await untilAsked(run, (asked) => ports.gate(checkpoint.gate, gateAt(run, whereOf(batch, checkpoint)), asked))
      if (result === null) return INTERRUPTED
      const { verdict, decision, summary, clauses } = result
      await record(run, { type: 'gate.judged', step: checkpoint.id, gate: checkpoint.gate, batch: batch.id, verdict, summary, clauses })
      if (decision === 'pause') return pause(run, checkpoint.id, `gate ${checkpoint.gate} is ${verdict}: ${summary}`)
      if (decision === 'stop') return refuse(run, checkpoint.id, `gate ${checkpoint.gate}: ${summary}`)
      await pass(run, checkpoint.id, verdict === 'pass' ? summary : `${verdict}, and passed by its policy: ${summary}`)
      return PASSED
    }
    case 'hook': {
      const because = await runLocalHook(run, checkpoint.id, checkpoint.hook)
      return because === null ? PASSED : { kind: 'failed', because }
    }
    default:
      return checkpoint satisfies never
  }
}

const whereOf = (batch: Batch, { id, borrows }: Extract<Checkpoint, { kind: 'calibrate' | 'gate' }>) =>
  ({ step: id, batch: batch.id, borrows: borrows === true, upTo: batch.id }) as const

/**
 * No host is in hand while it measures, so the first Ctrl-C ends that at once; whoever then says `continue` has it measured
 * afresh, and to the end. @returns null when the rollout is to stop or to go back
 */
async function untilAsked<T>(run: Run, work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const { control } = run.context
  const signal = waitSignal(run)
  if (control.wish === null) {
    try {
      return await work(AbortSignal.any([signal, control.asked]))
    } catch (error) {
      if (!(error instanceof RollgateError) || error.code !== 'E_CANCELLED' || signal.aborted || !control.asked.aborted) throw error
    }
    await control.decided?.()
    if (control.wish !== 'continue') return null
  }
  return work(signal)
}

/** The process may end here, the rollout does not: its ledgers say that it waits for an answer. */
async function pause(run: Run, step: StepId, question: string): Promise<Passed> {
  await noteRollout(run, step, 'started', 'paused')
  return { kind: 'paused', question }
}

/** Kept before it is acted upon: an answer that was given is never asked for again, and a no is never re-rolled. */
async function refuse(run: Run, step: StepId, message: string): Promise<Passed> {
  await noteRollout(run, step, 'failed', '-')
  return { kind: 'failed', because: errorInfo(new RollgateError('E_GATE_FAILED', message)) }
}

async function pass(run: Run, step: StepId, how: string): Promise<void> {
  await noteRollout(run, step, 'done', '-')
  await record(run, { type: 'checkpoint.passed', step, how })
  run.done.add(step)
}

/** More lost requests through the public entry than allowed count as a failed gate. */
export function probeBreach(run: Run): ErrorInfo | null {
  const seen = run.context.ports.probeSeen()
  if (seen === null || seen.failed <= seen.maxFailed) return null
  return errorInfo(
    new RollgateError(
      'E_PROBE_FAILED',
      `the probe lost ${seen.failed} of ${seen.sent} requests, ${seen.maxFailed} are allowed (worst gap ${seen.worstGapMs} ms)`,
      {
        hints: ['raise balancer.drain.deadline if requests take longer than it', 'look at the steps around the losses in the events'],
      },
    ),
  )
}

/**
 * Runs this machine's hooks of one moment, in order. After a failure (`on_failure`) and at the end (`after`) a failing
 * hook is only warned of: it must not hide what happened.
 */
export async function runLocalHooks(
  run: Run,
  moment: 'before' | 'after' | 'on_failure',
  hooks: readonly Hook[],
): Promise<ErrorInfo | null> {
  const ids = hookIds(moment, hooks)
  for (const [index, hook] of hooks.entries()) {
    const id = ids[index] ?? hook.name
    if (run.done.has(id)) continue
    const failed = await runLocalHook(run, id, hook)
    if (failed === null) continue
    if (moment === 'before') return failed
    run.context.emit({ type: 'warning', message: `hook ${hook.name} failed: ${failed.message}` })
  }
  return null
}

async function runLocalHook(run: Run, id: StepId, hook: Hook): Promise<ErrorInfo | null> {
  if (hook.once && run.inDoubt.has(id)) {
    return errorInfo(
      new RollgateError('E_HOOK', `hook ${hook.name} may run only once, and how it ended is unknown`, {
        hints: ['look at what it did, then deploy again or roll back'],
      }),
    )
  }
  const attempt = (run.attempts.get(id) ?? 0) + 1
  await record(run, { type: 'step.started', step: id, attempt })
  await noteRollout(run, id, 'started', '-', hook.once)
  run.attempts.set(id, attempt)
  run.touched.add(id)
  run.inDoubt.add(id)
  try {
    const environment = {
      ROLLGATE_APP: run.plan.app,
      ROLLGATE_ENVIRONMENT: run.plan.environment ?? '',
      ROLLGATE_ROLLOUT: run.context.rollout,
      ROLLGATE_RELEASE: run.release ?? '',
      ROLLGATE_INTENT: run.plan.intent,
      ...(run.because === null ? {} : { ROLLGATE_ERROR: run.because.message, ROLLGATE_ERROR_CODE: run.because.code }),
    }
    await run.context.ports.localHook(hook, environment, run.context.signal, (line) =>
      run.context.emit({ type: 'output', source: hook.name, step: id, line }),
    )
  } catch (error) {
    if (endsRun(error)) throw error
    const info = errorInfo(error)
    await noteRollout(run, id, 'failed', info.code)
    await record(run, { type: 'step.failed', step: id, attempt, error: info })
    run.inDoubt.delete(id)
    return info
  }
  await noteRollout(run, id, 'done', '-')
  await record(run, { type: 'step.succeeded', step: id, attempt, changed: true })
  run.inDoubt.delete(id)
  run.done.add(id)
  return null
}
