// What the executor needs of the world, and nothing more. Real ones are built in app/compose.ts, imaginary ones in
// test/helpers; the executor cannot tell them apart.
import type { LoadBalancer, ServerRef } from './balancer.ts'
import type { OutputLine } from './command.ts'
import type { Config, DrainPolicy, Hook } from './config.ts'
import type { DurableEvent, Emit, GateVerdict, Stamped } from './event.ts'
import type { ClauseResult } from './gate.ts'
import type { HealthSettings, ProbeAnswer } from './health.ts'
import type { HostName } from './host.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Plan, Step } from './plan.ts'
import type { ReleaseId } from './release.ts'
import type { ServiceStatus } from './service.ts'

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Resolves after `ms`; rejects with E_CANCELLED when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Steps that run on the host itself, several of them in one script. */
export type RemoteStep = Extract<Step, { kind: 'hook' | 'activate' | 'restart' | 'stop' }>

/** How a phase script ended, step by step. `unknown`: announced, and the connection went away. */
export type PhaseResult = {
  readonly steps: readonly {
    readonly step: Step['id']
    readonly state: 'done' | 'failed' | 'unknown' | 'not-started'
    readonly exitCode: number | null
    readonly changed: boolean
    readonly output: readonly string[]
  }[]
  readonly lost: boolean
}

/**
 * What every host of a rollout keeps about it, so that any machine can go on: the plan, and the settings it was made with
 * (a resume uses these, whatever the configuration says meanwhile). Holds no value of the release's environment.
 */
export type RolloutRecord = {
  readonly version: 1
  readonly rollout: string
  /** Who began it. */
  readonly by: string
  readonly command: string
  readonly plan: Plan
  readonly settings: RecordedSettings
}

/** Records of an earlier version have no loads and gates. */
export type RecordedSettings = Pick<Config, 'hosts' | 'defaults' | 'roles' | 'rollout' | 'hooks'> &
  Partial<Pick<Config, 'loads' | 'engines' | 'gates'>>

/** Everything that is done on one host, over its one connection. Reconnects by itself; every mutation checks the lease. */
export interface HostPort {
  readonly name: HostName
  /** Writes the record and an `open` entry; the way for another machine to go on. */
  open(record: RolloutRecord, signal: AbortSignal): Promise<void>
  /** null where this host knows nothing of it. @throws RollgateError E_STATE_VERSION */
  readRecord(rollout: string, signal: AbortSignal): Promise<RolloutRecord | null>
  /** One script, two round trips: each step announces itself and writes intent and result to the ledger. */
  runPhase(
    rollout: string,
    steps: readonly RemoteStep[],
    options: {
      readonly signal: AbortSignal
      readonly onStep: (step: Step['id'], state: 'started' | 'done' | 'failed') => void
      readonly onLine: (step: Step['id'], line: OutputLine) => void
    },
  ): Promise<PhaseResult>
  /** One ledger line, for steps that act elsewhere (drain, enable). @throws RollgateError when it cannot be written */
  note(rollout: string, step: Step['id'], state: LedgerEntry['state'], detail: string, signal: AbortSignal): Promise<void>
  readLedger(signal: AbortSignal): Promise<readonly LedgerEntry[]>
  current(signal: AbortSignal): Promise<ReleaseId | null>
  serviceStatus(signal: AbortSignal): Promise<readonly ServiceStatus[]>
  /** One health question, through the connection. Never throws for an unhealthy answer. */
  probe(health: HealthSettings, signal: AbortSignal): Promise<ProbeAnswer>
  /** Established connections to the app's port from elsewhere than loopback; null when it cannot be known. */
  appConnections(health: HealthSettings, signal: AbortSignal): Promise<number | null>
  /** Last log lines, listening ports: for errors. Never throws. */
  evidence(signal: AbortSignal): Promise<readonly string[]>
  /** Records how a release fared here, prunes to `keep` successful ones, closes the rollout in the ledger. */
  finish(
    rollout: string,
    options: {
      readonly outcome: string
      readonly succeeded: ReleaseId | null
      readonly failed: ReleaseId | null
      readonly keep: number
      readonly protect: readonly ReleaseId[]
      readonly summary: string
    },
    signal: AbortSignal,
  ): Promise<readonly string[]>
}

/** A host's place in the rotation: its settings and its servers. */
export type HostSettings = {
  readonly health: HealthSettings
  readonly drain: DrainPolicy
  readonly servers: readonly { readonly balancer: LoadBalancer; readonly ref: ServerRef }[]
}

export type GateResult = {
  readonly verdict: GateVerdict
  /** What follows from it, by the gate's own policy; a person's `pause` is answered by `promote` or `abort`. */
  readonly decision: 'promote' | 'stop' | 'pause'
  /** One sentence, with the interval where there is one. */
  readonly summary: string
  readonly clauses: readonly ClauseResult[]
}

/** Where in a rollout a gate stands, and what it may touch. */
export type GateAt = {
  readonly step: Step['id']
  readonly batch: string
  /** One of `old` is to be taken out as control. */
  readonly borrows: boolean
  /** Run the new release, the latest ones last. */
  readonly hosts: readonly HostName[]
  /** They are out of rotation. */
  readonly isolated: boolean
  /** Still run the old release and serve: a baseline, the last to be moved first. */
  readonly old: readonly HostName[]
  /**
   * Takes a host of `old` out of rotation for as long as `work` runs, and gives it back whatever happens.
   * @throws RollgateError E_MIN_READY when no ready host can be spared, E_DRAIN_DEADLINE, E_BALANCER…
   */
  borrow<T>(host: HostName, work: () => Promise<T>): Promise<T>
}

export interface Ports {
  readonly clock: Clock
  host(name: HostName): HostPort
  /**
   * One ledger line on every host of the rollout that can be reached: what concerns the rollout and no single host, so
   * that another machine can go on. @throws RollgateError when not one host took it
   */
  noteAll(rollout: string, step: Step['id'], state: LedgerEntry['state'], detail: string, signal: AbortSignal): Promise<void>
  /**
   * Called when a host cannot be reached. One host lost is that host's trouble; all lost at once is our own network: waits
   * until one of them answers again, at most to the progress deadline. @returns whether it was our network
   */
  awaitNetwork?(host: HostName, signal: AbortSignal): Promise<boolean>
  /** How long a host that vanished is waited for [a minute], and a balancer that cannot be talked to [two]. */
  readonly reconnectMs?: number
  readonly balancerRetryMs?: number
  settings(name: HostName): HostSettings
  /** Runs a hook on this machine. @throws RollgateError E_HOOK */
  localHook(
    hook: Hook,
    environment: Readonly<Record<string, string>>,
    signal: AbortSignal,
    onLine: (line: OutputLine) => void,
  ): Promise<void>
  /** `unanswered`: nobody there to ask. */
  approve(question: string, signal: AbortSignal): Promise<'yes' | 'no' | 'unanswered'>
  /** Measures and judges, again where the policy says so. @throws RollgateError E_CANCELLED */
  gate(name: string, at: GateAt, signal: AbortSignal): Promise<GateResult>
  /** While `at.hosts` still run the old release: how much they differ from their baseline. Never stops a rollout. @returns what it found */
  calibrate(name: string, at: GateAt, signal: AbortSignal): Promise<string>
  /** The stream through the public entry, so far; null when there is none. */
  probeSeen(): { readonly sent: number; readonly failed: number; readonly worstGapMs: number; readonly maxFailed: number } | null
}

export interface Journal {
  /** Resolves once it is on disk. */
  append(event: DurableEvent): Promise<Stamped<DurableEvent>>
  close(): Promise<void>
}

/** What an operator asked for while it runs. */
export interface Control {
  /** null: go on. `stop`: finish the hosts in hand, start no new one. `undo`: and take back what was done. */
  readonly wish: 'stop' | 'undo' | 'continue' | null
  readonly because: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | null
  /** Resolves once nobody is being asked what is to be done: awaited, with no host in hand, before `wish` is followed. */
  readonly decided?: () => Promise<void>
  /** Fires at the first signal: what has changed nothing yet (build, staging) stops at once. */
  readonly asked: AbortSignal
  /** Fires at the second signal: stop waiting, enable what is provably healthy. */
  readonly hurry: AbortSignal
}

export type ExecuteContext = {
  readonly rollout: string
  /** Who does it, for the history: `ada@laptop`. */
  readonly by?: string
  readonly ports: Ports
  readonly journal: Journal
  readonly emit: Emit
  readonly control: Control
  readonly signal: AbortSignal
}
