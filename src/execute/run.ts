// The state of one execution: the replayed progress, made changeable, and the one way to record a step. Write, then
// act, then write: the intent is on disk before the effect, the result after it.
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { DurableEvent } from '../domain/event.ts'
import type { HostName } from '../domain/host.ts'
import type { LedgerEntry } from '../domain/ledger.ts'
import type { Plan, Step, StepId, Track } from '../domain/plan.ts'
import type { ExecuteContext } from '../domain/ports.ts'
import type { Progress } from '../journal/replay.ts'

export type Run = {
  readonly context: ExecuteContext
  readonly plan: Plan
  readonly release: string | null
  readonly done: Set<StepId>
  readonly inDoubt: Set<StepId>
  readonly touched: Set<StepId>
  readonly attempts: Map<StepId, number>
  readonly failed: Map<HostName, ErrorInfo>
  /** Hosts that could not be restored: out of rotation, a person is needed. */
  readonly stuck: Map<HostName, ErrorInfo>
  /** Hosts whose step is in hand: they count as out, whatever the balancer says at the moment. */
  readonly inHand: Set<HostName>
  /** Without a balancer, what we know of who serves. */
  readonly serving: Set<HostName>
  because: ErrorInfo | null
  /** The first question of a gate in the middle of a host's way: no new host is begun. */
  paused: { readonly at: StepId; readonly question: string } | null
  /** Set by a failure beyond the budget: other tracks end the step in hand. */
  stopped: boolean
  minReadySeen: number | null
  /** By the ports' clock. */
  readonly began: number
}

export function startRun(progress: Progress, context: ExecuteContext): Run {
  const { plan } = progress
  return {
    context,
    plan,
    release: progress.release,
    done: new Set(progress.done),
    inDoubt: new Set(progress.inDoubt),
    touched: new Set(progress.touched),
    attempts: new Map(progress.attempts),
    failed: new Map(progress.failed),
    stuck: new Map(),
    inHand: new Set(),
    serving: new Set(
      Object.values(plan.groups)
        .flatMap((group) => group.ready)
        .filter((host) => !isHalfWay(progress, host)),
    ),
    because: progress.because,
    paused: null,
    stopped: false,
    minReadySeen: null,
    began: context.ports.clock.now(),
  }
}

/** A step after which the serving process may be another: from there only the complete track is right. */
const CHANGES_PROCESS: ReadonlySet<Step['kind']> = new Set(['hook', 'activate', 'restart', 'stop'])

export function isProcessTouched(run: Run, track: Track): boolean {
  return track.steps.some((step) => CHANGES_PROCESS.has(step.kind) && run.touched.has(step.id))
}

/** For `patiently`: how long a balancer that cannot be talked to is asked again. */
export const balancerPatience = (run: Run): { readonly retryMs?: number } =>
  run.context.ports.balancerRetryMs === undefined ? {} : { retryMs: run.context.ports.balancerRetryMs }

/** Everybody gone at once is our own network: asked as soon as one of them cannot be talked to, and waited for. */
export const ourNetwork =
  (run: Run, host: HostName): (() => Promise<boolean>) =>
  async () =>
    (await run.context.ports.awaitNetwork?.(host, waitSignal(run))) === true

/** Begun, and neither through nor back: whoever goes on with a rollout must not take it for one that serves. */
function isHalfWay({ plan, touched, done }: Progress, host: HostName): boolean {
  const track = plan.batches.flatMap((batch) => batch.tracks).find((candidate) => candidate.host === host)
  if (track === undefined || done.has(`${host}/undo/enable`)) return false
  const begun = [...track.steps, ...track.undo].some((step) => touched.has(step.id))
  const turned = track.undo.some((step) => touched.has(step.id))
  return begun && (turned || !track.steps.every((step) => done.has(step.id)))
}

/** Journals a durable event and shows it. */
export async function record(run: Run, event: DurableEvent): Promise<void> {
  await run.context.journal.append(event)
}

/**
 * Writes what concerns the whole rollout into the hosts' ledgers, where another machine will look for it.
 *
 * @param must without it a failure is only warned of: our own journal has it too, and the first error must not be hidden
 * @throws RollgateError E_LOCKED when somebody took over, whatever `must` says
 */
export async function noteRollout(run: Run, step: StepId, state: LedgerEntry['state'], detail: string, must = false): Promise<void> {
  const { ports, rollout, signal, emit } = run.context
  try {
    await ports.noteAll(rollout, step, state, detail, signal)
  } catch (error) {
    if (must || endsRun(error) || !(error instanceof RollgateError)) throw error
    emit({ type: 'warning', message: `${step} could not be written to the hosts' ledgers: ${error.message}` })
  }
}

/** Waiting ends at the second Ctrl-C as well as when everything is aborted. */
export function waitSignal(run: Run): AbortSignal {
  return AbortSignal.any([run.context.signal, run.context.control.hurry])
}

export async function began(run: Run, step: Step): Promise<number> {
  const attempt = (run.attempts.get(step.id) ?? 0) + 1
  await record(run, { type: 'step.started', step: step.id, host: step.host, attempt })
  run.attempts.set(step.id, attempt)
  run.touched.add(step.id)
  run.inDoubt.add(step.id)
  return attempt
}

export async function ended(run: Run, step: Step, changed: boolean, note?: string): Promise<void> {
  const attempt = run.attempts.get(step.id) ?? 1
  await record(run, { type: 'step.succeeded', step: step.id, host: step.host, attempt, changed, ...(note === undefined ? {} : { note }) })
  run.inDoubt.delete(step.id)
  run.done.add(step.id)
}

export async function broke(run: Run, step: Step, error: unknown): Promise<void> {
  const attempt = run.attempts.get(step.id) ?? 1
  await record(run, { type: 'step.failed', step: step.id, host: step.host, attempt, error: errorInfo(error) })
  run.inDoubt.delete(step.id)
}

/** Interrupted, or taken over by somebody else: no failure of a host, and nothing is undone because of it. */
export function endsRun(error: unknown): boolean {
  return error instanceof RollgateError && (error.code === 'E_CANCELLED' || error.code === 'E_LOCKED')
}

/** A failure that has an outcome, and is neither a bug nor the end of the run by somebody's wish. */
export function isOfTheWorld(error: unknown): error is RollgateError {
  return error instanceof RollgateError && !endsRun(error) && error.code !== 'E_BUG'
}
