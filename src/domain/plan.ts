// The plan: data only, JSON in, JSON out. It is the dry run, it can be stored, and it is refused when stale.
import type { Hook } from './config.ts'
import type { ErrorCode, ErrorInfo } from './error.ts'
import type { HostName } from './host.ts'
import type { ReleaseId } from './release.ts'

export type StepId = string

/** One repeatable move. Each is an *ensure*: doing it twice leaves the same state. */
export type Step = { readonly id: StepId; readonly host: HostName } & StepAction

/** `borrows`: an old host is taken out of rotation as its control. */
export type GateStep = { readonly gate: string; readonly borrows?: true }

export type StepAction =
  /** Out of rotation on every balancer: drain, in-flight 0 on all, maintenance where there is one. */
  | { readonly kind: 'drain'; readonly deadlineMs: number; readonly onDeadline: 'fail' | 'cut' | 'continue' }
  /** User's command on the host. */
  | { readonly kind: 'hook'; readonly hook: Hook; readonly release: ReleaseId }
  /** Switch `current`, atomically. `null`: there is no release to point at (undo of a first deploy): leave it. */
  | { readonly kind: 'activate'; readonly release: ReleaseId }
  | { readonly kind: 'restart'; readonly release: ReleaseId | null }
  /** Undo of a first deploy. */
  | { readonly kind: 'stop' }
  /** Healthy n in a row over healthy_for, answered by this very release. */
  | { readonly kind: 'prove'; readonly release: ReleaseId | null }
  /** Out of rotation and still on the old release: how much this host differs from the gate's baseline by itself. */
  | ({ readonly kind: 'calibrate' } & GateStep)
  /** when: isolated — before this host is enabled. */
  | ({ readonly kind: 'gate' } & GateStep)
  /** Back in rotation as it was before: checked out of traffic first, then ready, then the balancer itself says up. */
  | { readonly kind: 'enable' }

/** A server's place in the rotation as it was recorded, or `ready` where our own unfinished rollout had taken it out. */
export type RecordedServer = {
  readonly balancer: string
  readonly backend: string
  readonly server: string
  readonly admin: 'ready' | 'drain' | 'maintenance' | 'other' | 'unknown'
  readonly weight: number | null
}

export type Track = {
  readonly host: HostName
  readonly from: ReleaseId | null
  readonly to: ReleaseId | null
  readonly steps: readonly Step[]
  /** The complete way back, right from any point. */
  readonly undo: readonly Step[]
  /** Serving before we came; a host that was not may always be taken. */
  readonly wasReady: boolean
  /** What the balancers said before we came: exactly this is restored. */
  readonly rotation: readonly RecordedServer[]
  /** Hosts that share a capacity guard (same role). */
  readonly group: string
}

export type Checkpoint =
  | ({ readonly id: StepId; readonly kind: 'calibrate' } & GateStep)
  | { readonly id: StepId; readonly kind: 'pause'; readonly ms: number }
  | { readonly id: StepId; readonly kind: 'approve'; readonly question: string }
  | ({ readonly id: StepId; readonly kind: 'gate' } & GateStep)
  | { readonly id: StepId; readonly kind: 'hook'; readonly hook: Hook }

/** Hosts moved together; what follows it must be passed before the next batch. */
export type Batch = {
  readonly id: string
  readonly title: string
  readonly tracks: readonly Track[]
  readonly after: readonly Checkpoint[]
}

export type Intent =
  | { readonly kind: 'deploy'; readonly release: ReleaseId }
  /** Per host: the release to go back to. */
  | { readonly kind: 'rollback'; readonly release: ReleaseId | null }
  | { readonly kind: 'restart' }

export type Refusal = {
  readonly code: ErrorCode
  readonly message: string
  readonly host?: HostName
  readonly why?: string
  readonly hints?: readonly string[]
}

/** What an error says, as a reason to refuse. */
export function refusalOf(error: ErrorInfo, host?: HostName, message = error.message): Refusal {
  return {
    code: error.code,
    message,
    ...(host === undefined ? {} : { host }),
    ...(error.why === undefined ? {} : { why: error.why }),
    hints: error.hints ?? [],
  }
}

export type Plan = {
  readonly version: 1
  /** Hash of the rest: same input, same id. */
  readonly id: string
  readonly app: string
  readonly environment: string | null
  readonly intent: 'deploy' | 'rollback' | 'restart'
  /** What it rolls out; null for a restart or a per-host rollback. */
  readonly release: ReleaseId | null
  /** Digest of the facts it rests on; another digest makes the plan stale. */
  readonly basedOn: string
  readonly configHash: string
  readonly before: readonly Hook[]
  readonly batches: readonly Batch[]
  readonly finally: readonly Hook[]
  readonly onFailureHooks: readonly Hook[]
  /** Hosts that are right already and are not touched. */
  readonly unchanged: readonly HostName[]
  /** All hosts of each group, whether touched or not, and which of them were ready at the start. */
  readonly groups: Readonly<Record<string, { readonly hosts: readonly HostName[]; readonly ready: readonly HostName[] }>>
  /** Unreachable hosts left out (`unreachable: skip`). */
  readonly skipped: readonly HostName[]
  /** `--skip-gates`: gates that the configuration asks for and this rollout leaves out. */
  readonly skippedGates?: { readonly gates: readonly string[]; readonly reason: string }
  readonly keep: number
  readonly policy: {
    readonly onFailure: 'undo' | 'halt'
    readonly onInterrupt: 'stop' | 'undo' | 'continue'
    readonly failureBudget: number
    /** Ready servers that must remain, per group of hosts. */
    readonly minReady: Readonly<Record<string, number>>
    readonly progressDeadlineMs: number
  }
}
