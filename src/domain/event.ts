// What happened. Some members survive a crash (the journal), the others are only shown. Every screen, file and
// report is fed from this one union; stamped once, fanned out to all.
import type { OutputLine } from './command.ts'
import type { ErrorInfo } from './error.ts'
import type { ClauseResult } from './gate.ts'
import type { HostName } from './host.ts'
import type { Outcome } from './outcome.ts'
import type { Plan, StepId } from './plan.ts'
import type { MeasureProgress } from './progress.ts'

export type GateVerdict = 'pass' | 'fail' | 'inconclusive' | 'invalid'

export type DurableEvent =
  | { readonly type: 'rollout.opened'; readonly plan: Plan; readonly by: string; readonly release: string | null }
  | { readonly type: 'step.started'; readonly step: StepId; readonly host?: HostName; readonly attempt: number }
  | {
      readonly type: 'step.succeeded'
      readonly step: StepId
      readonly host?: HostName
      readonly attempt: number
      readonly changed: boolean
      readonly note?: string
    }
  | { readonly type: 'step.failed'; readonly step: StepId; readonly host?: HostName; readonly attempt: number; readonly error: ErrorInfo }
  | { readonly type: 'checkpoint.passed'; readonly step: StepId; readonly how: string }
  | {
      readonly type: 'gate.judged'
      readonly step: StepId
      readonly gate: string
      readonly batch: string
      readonly verdict: GateVerdict
      readonly summary: string
      readonly clauses?: readonly ClauseResult[]
    }
  | { readonly type: 'host.failed'; readonly host: HostName; readonly error: ErrorInfo }
  | { readonly type: 'undo.opened'; readonly because: ErrorInfo; readonly hosts: readonly HostName[] }
  | { readonly type: 'rollout.closed'; readonly outcome: Outcome }

export type EphemeralEvent =
  | {
      readonly type: 'phase'
      readonly name: 'build' | 'connect' | 'look' | 'stage' | 'plan' | 'rollout' | 'undo' | 'finish'
      readonly state: 'started' | 'done' | 'failed' | 'skipped'
      readonly detail?: string
    }
  | { readonly type: 'host.connected'; readonly host: HostName; readonly destination: string; readonly ms: number }
  | { readonly type: 'host.unreachable'; readonly host: HostName; readonly error: ErrorInfo }
  | { readonly type: 'stage.progress'; readonly host: HostName; readonly sentBytes: number; readonly totalBytes: number }
  | { readonly type: 'stage.done'; readonly host: HostName; readonly note: string }
  | { readonly type: 'output'; readonly source: string; readonly host?: HostName; readonly step?: StepId; readonly line: OutputLine }
  | { readonly type: 'batch.started'; readonly batch: string; readonly title: string; readonly hosts: readonly HostName[] }
  | { readonly type: 'batch.done'; readonly batch: string }
  /** What a step is waiting for: `12 in flight, 18 s left`. */
  | { readonly type: 'step.waiting'; readonly step: StepId; readonly host: HostName; readonly detail: string }
  | { readonly type: 'probe.progress'; readonly sent: number; readonly failed: number; readonly worstGapMs: number }
  /** About once a second while load is sent. */
  | { readonly type: 'load.progress'; readonly load: string; readonly progress: MeasureProgress }
  | { readonly type: 'gate.progress'; readonly gate: string; readonly step?: StepId; readonly progress: MeasureProgress }
  | { readonly type: 'question'; readonly question: string }
  | { readonly type: 'notice'; readonly message: string; readonly host?: HostName }
  | { readonly type: 'warning'; readonly message: string; readonly host?: HostName }

export type RolloutEvent = DurableEvent | EphemeralEvent

/** `at` is the operator's clock in ISO 8601, `seq` grows by one. */
export type Stamp = { readonly version: 1; readonly at: string; readonly rollout: string; readonly seq: number }
export type Stamped<E extends RolloutEvent = RolloutEvent> = Stamp & E

export type Emit = (event: RolloutEvent) => void

export interface Renderer {
  on(event: Stamped): void
  end(): Promise<void>
}

const DURABLE: ReadonlySet<string> = new Set<DurableEvent['type']>([
  'rollout.opened',
  'step.started',
  'step.succeeded',
  'step.failed',
  'checkpoint.passed',
  'gate.judged',
  'host.failed',
  'undo.opened',
  'rollout.closed',
])
export function isDurable(event: RolloutEvent): event is DurableEvent {
  return DURABLE.has(event.type)
}
