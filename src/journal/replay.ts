// Pure: durable events in order → where the rollout stands. A crash is simulated by stopping the list early; what was
// started and has no end is in doubt, and nobody can vouch for it before asking the world.
import type { ErrorInfo } from '../domain/error.ts'
import type { DurableEvent, GateVerdict } from '../domain/event.ts'
import type { HostName } from '../domain/host.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Plan, StepId } from '../domain/plan.ts'

export type Progress = {
  readonly plan: Plan
  readonly release: string | null
  readonly direction: 'forward' | 'undo' | 'closed'
  /** Steps that ended well, checkpoints that were passed. An undo step takes back the forward steps of its host. */
  readonly done: ReadonlySet<StepId>
  /** Started, and no end on record. */
  readonly inDoubt: ReadonlySet<StepId>
  /** Ever started, done or not: what the point of no return is judged by. */
  readonly touched: ReadonlySet<StepId>
  readonly attempts: ReadonlyMap<StepId, number>
  /** Hosts that failed and count against the budget, with the first error of each. */
  readonly failed: ReadonlyMap<HostName, ErrorInfo>
  readonly because: ErrorInfo | null
  readonly verdicts: ReadonlyMap<string, GateVerdict>
  readonly outcome: Outcome | null
}

/** The empty progress of a plan that has not begun. */
export function freshProgress(plan: Plan, release: string | null): Progress {
  return {
    plan,
    release,
    direction: 'forward',
    done: new Set(),
    inDoubt: new Set(),
    touched: new Set(),
    attempts: new Map(),
    failed: new Map(),
    because: null,
    verdicts: new Map(),
    outcome: null,
  }
}

/** @returns null when the list does not begin with an opened rollout */
export function replay(events: readonly DurableEvent[]): Progress | null {
  const first = events[0]
  if (first?.type !== 'rollout.opened') return null
  const done = new Set<StepId>()
  const inDoubt = new Set<StepId>()
  const touched = new Set<StepId>()
  const attempts = new Map<StepId, number>()
  const failed = new Map<HostName, ErrorInfo>()
  const verdicts = new Map<string, GateVerdict>()
  let direction: Progress['direction'] = 'forward'
  let because: ErrorInfo | null = null
  let outcome: Outcome | null = null

  for (const event of events) {
    switch (event.type) {
      case 'rollout.opened':
        break
      case 'step.started':
        touched.add(event.step)
        inDoubt.add(event.step)
        attempts.set(event.step, event.attempt)
        break
      case 'step.succeeded':
        inDoubt.delete(event.step)
        done.add(event.step)
        break
      case 'step.failed':
        inDoubt.delete(event.step)
        break
      case 'checkpoint.passed':
        done.add(event.step)
        break
      case 'gate.judged':
        verdicts.set(event.step, event.verdict)
        break
      case 'host.failed':
        if (!failed.has(event.host)) failed.set(event.host, event.error)
        because ??= event.error
        break
      case 'undo.opened':
        direction = 'undo'
        because = event.because
        break
      case 'rollout.closed':
        direction = 'closed'
        outcome = event.outcome
        break
      default:
        event satisfies never
    }
  }
  return { plan: first.plan, release: first.release, direction, done, inDoubt, touched, attempts, failed, because, verdicts, outcome }
}
