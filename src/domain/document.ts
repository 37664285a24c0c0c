// The documents that `--json` prints: a contract (cli.md), fields only get added. Text output is rendered from the
// same documents, so the two can never disagree.
import type { BalancerHealth } from './balancer.ts'
import type { ErrorInfo } from './error.ts'
import type { ClauseResult, ColdPhase, GateRecord, GateReport } from './gate.ts'
import type { HostName } from './host.ts'
import type { HostPhase } from './ledger.ts'
import type { TargetSummary } from './load.ts'
import type { Plan, Refusal } from './plan.ts'
import type { ReleaseId } from './release.ts'
import type { Verdict } from './slice.ts'

export type BaseDocument = {
  readonly version: 1
  /** Words joined by a space: `config validate`. */
  readonly command: string
  readonly exitCode: number
  readonly outcome: string
  readonly error?: Omit<ErrorInfo, 'hints' | 'exitCode'> & { readonly hints: readonly string[] }
  /** Of the configuration, whatever the command. */
  readonly problems?: readonly ConfigProblem[]
}

export type RolloutHost = {
  readonly name: HostName
  readonly from: ReleaseId | null
  readonly to: ReleaseId | null
  readonly phase: HostPhase
  readonly durationMs: number
  readonly error?: { readonly code: string; readonly message: string; readonly evidence?: readonly string[] }
}

export type RolloutDocument = BaseDocument & {
  readonly outcome: 'succeeded' | 'unchanged' | 'rolled-back' | 'partial' | 'stuck' | 'paused' | 'cancelled' | 'refused'
  readonly rollout: string | null
  readonly release: ReleaseId | null
  readonly hosts: readonly RolloutHost[]
  /** `losses`: each step that lost requests lie behind, in a sentence. */
  readonly probe: {
    readonly sent: number
    readonly failed: number
    readonly worstGapMs: number
    readonly losses?: readonly string[]
  } | null
  readonly gates: readonly {
    readonly name: string
    readonly batch: string
    readonly verdict: string
    readonly clauses: readonly ClauseResult[]
  }[]
  readonly minReadySeen: number | null
  readonly durationMs: number
  readonly next: readonly string[]
  /** Everything that spoke against it, not only the first. */
  readonly refusals?: readonly Refusal[]
}

export type PushDocument = BaseDocument & {
  readonly release: ReleaseId | null
  readonly built: boolean
  readonly hosts: readonly {
    readonly name: HostName
    readonly staged: boolean
    readonly note: string
    readonly error?: { readonly code: string; readonly message: string }
  }[]
  readonly durationMs: number
  readonly next: readonly string[]
}

export type PlanDocument = BaseDocument & {
  readonly id: string | null
  readonly basedOn: string | null
  readonly release: ReleaseId | null
  readonly batches: readonly {
    readonly id: string
    readonly title: string
    readonly hosts: readonly HostName[]
    readonly gate?: string
    readonly pause?: number
    readonly approve?: string
  }[]
  readonly hosts: readonly {
    readonly name: HostName
    readonly from: ReleaseId | null
    readonly to: ReleaseId | null
    readonly steps: readonly string[]
    readonly undo: readonly string[]
  }[]
  readonly unchanged: readonly HostName[]
  readonly changes: { readonly files: number; readonly bytes: number } | null
  readonly minReady: Readonly<Record<string, number>>
  readonly refusals: readonly Refusal[]
  /** The stored form, for --out and --plan. */
  readonly plan: Plan | null
  /** What the plan may not be good for: hosts that stay cannot carry what comes in now. */
  readonly warnings?: readonly string[]
  /** With --fail: what would happen then. */
  readonly simulation?: SimulationDocument
}

export type SimulationDocument = {
  readonly fail: readonly string[]
  readonly outcome: RolloutDocument['outcome']
  readonly exitCode: number
  readonly because: { readonly code: string; readonly message: string } | null
  readonly moves: readonly string[]
  readonly hosts: readonly { readonly name: HostName; readonly release: ReleaseId | null; readonly inRotation: boolean }[]
  readonly minReadySeen: number | null
}

export type StatusDocument = BaseDocument & {
  readonly hosts: readonly {
    readonly name: HostName
    readonly address: string
    readonly zone?: string
    readonly release: ReleaseId | null
    readonly previous: ReleaseId | null
    readonly phase: HostPhase
    readonly reachable: boolean
    readonly health: string
    readonly balancer: readonly {
      readonly balancer: string
      readonly backend: string
      readonly server: string
      readonly state: 'ready' | 'drain' | 'maintenance' | 'other' | 'unknown'
      readonly health: BalancerHealth
      readonly weight: number | null
      readonly inFlight: number | null
    }[]
    readonly error?: { readonly code: string; readonly message: string }
  }[]
  readonly lock: { readonly holder: string; readonly rollout: string; readonly since: string; readonly heartbeatAgeMs: number } | null
  readonly unfinished: { readonly rollout: string; readonly phase: string; readonly next: readonly string[] } | null
  readonly drift: readonly { readonly kind: string; readonly host?: HostName; readonly message: string }[]
}

export type CheckItem = {
  readonly id: string
  readonly host?: HostName
  readonly level: 'ok' | 'warning' | 'problem'
  readonly message: string
  readonly fix?: string
}
export type CheckDocument = BaseDocument & { readonly items: readonly CheckItem[] }

export type ReleasesDocument = BaseDocument & {
  readonly hosts: readonly {
    readonly name: HostName
    readonly current: ReleaseId | null
    readonly releases: readonly {
      readonly id: ReleaseId
      readonly hash: string
      readonly installedAt: string
      readonly outcome: string
      readonly bytes: number
      readonly commit?: string
      readonly by?: string
    }[]
    readonly error?: { readonly code: string; readonly message: string }
  }[]
}

export type HistoryDocument = BaseDocument & {
  readonly rollouts: readonly {
    readonly rollout: string
    readonly at: string
    readonly by: string
    readonly intent: string
    readonly release: ReleaseId | null
    readonly outcome: string
    readonly durationMs: number
  }[]
}

export type ConfigProblem = {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly key: string
  readonly message: string
  readonly nearest?: string
}
export type ConfigDocument = BaseDocument & {
  readonly config?: unknown
  readonly origins?: Readonly<Record<string, string>>
  readonly schema?: unknown
}

export type ExecDocument = BaseDocument & {
  readonly hosts: readonly {
    readonly name: HostName
    readonly exitCode: number | null
    readonly stdout: string
    readonly stderr: string
    readonly error?: { readonly code: string; readonly message: string }
  }[]
}

export type HandDocument = BaseDocument & {
  readonly host: HostName
  readonly changed: boolean
  readonly balancer: readonly {
    readonly balancer: string
    readonly backend: string
    readonly server: string
    readonly state: string
    readonly health: string
    readonly inFlight: number | null
  }[]
}

export type SetupDocument = BaseDocument & {
  readonly hosts: readonly {
    readonly name: HostName
    readonly changes: readonly string[]
    readonly notes: readonly string[]
    readonly error?: { readonly code: string; readonly message: string }
  }[]
}

/** `lock` and `lock release`. */
export type LockDocument = BaseDocument & {
  readonly lock: StatusDocument['lock']
  readonly unfinished: StatusDocument['unfinished']
  readonly hosts: readonly {
    readonly name: HostName
    readonly epoch: number
    readonly holder: string | null
    readonly rollout: string | null
    readonly command: string | null
    readonly live: boolean
    readonly leftMs: number
    readonly heartbeatAgeMs: number | null
  }[]
  readonly released: boolean
}

export type LoadDocument = BaseDocument & {
  readonly outcome: Verdict
  readonly verdict: Verdict
  readonly reason: string
  /** Its id; the same seed sends the same requests at the same moments. */
  readonly run: string
  readonly seed: string
  readonly targets: readonly TargetSummary[]
  readonly clauses: readonly ClauseResult[]
  readonly validity: { readonly sendLagP99Ms: number | null; readonly cpu: number | null; readonly reasons: readonly string[] }
  readonly warnings: readonly string[]
  readonly measuredMs: number
  /** The file with its slices; null where nothing could be kept. */
  readonly evidence: string | null
  /** Of `--find-capacity`: the highest rate at which the thresholds held, and how it was found. */
  readonly capacity?: CapacityFound
  /** Another tool ran it, and its result was imported. */
  readonly source?: ImportDocument['source']
}

export type CapacityFound = {
  /** null: not even the lowest rate held, or could be sent. */
  readonly ratePerSecond: number | null
  /** It can take more than this machine could send, or than was asked for. */
  readonly atLeast: boolean
  readonly thresholds: readonly string[]
  readonly steps: readonly CapacityStep[]
}

export type CapacityStep = {
  readonly ratePerSecond: number
  /** saturated: this machine could not send it in time */
  readonly outcome: 'holds' | 'breaks' | 'saturated'
  readonly confirm: boolean
  readonly offered: number
  readonly failed: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  /** What broke; empty where it held. */
  readonly reason: string
}

/** `load import`. */
export type ImportDocument = BaseDocument & {
  readonly outcome: Verdict
  readonly verdict: Verdict
  readonly reason: string
  /** Level A: every request with its time; B: intervals or a histogram; C: totals only. */
  readonly source: {
    readonly format: string
    readonly level: 'A' | 'B' | 'C'
    readonly files: readonly string[]
    readonly exitCode: number | null
    readonly plannedMs: number | null
  }
  readonly targets: readonly TargetSummary[]
  readonly clauses: readonly ClauseResult[]
  readonly validity: LoadDocument['validity']
  readonly warnings: readonly string[]
  /** null: the file does not say. */
  readonly measuredMs: number | null
  /** What `report` takes. */
  readonly run: string
  /** The file with what was read; null where nothing could be kept. */
  readonly evidence: string | null
}

/** `gate` alone, against the live fleet. */
export type GateDocument = BaseDocument & {
  readonly outcome: Verdict
  readonly gate: string
  readonly run: string
  readonly verdict: Verdict
  readonly reason: string
  /** What a rollout would do now. */
  readonly decision: 'promote' | 'stop' | 'pause'
  readonly targets: readonly TargetSummary[]
  readonly clauses: readonly ClauseResult[]
  readonly validity: LoadDocument['validity'] & { readonly maskedSeconds: number }
  readonly warnings: readonly string[]
  readonly look: GateReport['look']
  readonly stoppedBy: GateReport['stoppedBy']
  /** How the new release began; null: there was no warm-up. */
  readonly cold: ColdPhase | null
  /** Measurements that were thrown away, and why. */
  readonly discarded: GateRecord['discarded']
  /** The file that the verdict can be worked out from again; null where nothing could be kept. */
  readonly evidence: string | null
}

export type GatePlanDocument = BaseDocument & {
  readonly gates: readonly {
    readonly gate: string
    readonly problems: readonly string[]
    readonly warnings: readonly string[]
    readonly clauses: readonly {
      readonly clause: string
      readonly mode: ClauseResult['mode']
      readonly isDecidable: boolean
      readonly needsSeconds: number | null
      readonly needsRequests: number | null
      readonly smallestMargin: number | null
      readonly sentence: string
    }[]
  }[]
}

/** `gate explain` and `gate whatif`: verdicts worked out again from what was kept. */
export type GateExplainDocument = BaseDocument & {
  readonly run: string
  readonly gates: readonly {
    /** `1-canary`. */
    readonly name: string
    readonly gate: string
    readonly verdict: Verdict
    readonly reason: string
    readonly clauses: readonly ClauseResult[]
    readonly look: GateReport['look']
    /** The verdict that was kept. */
    readonly kept: Verdict
    readonly differences: readonly string[]
    readonly discarded: GateRecord['discarded']
  }[]
}

export type GateCalibrateDocument = BaseDocument & {
  readonly gate: string
  readonly run: string
  readonly pairs: readonly {
    readonly host: HostName
    readonly against: HostName
    readonly seconds: number
    readonly slowAboveMs: number
    /** By quantile (`0.95`): how much slower the host is than the other one, +3 % is 0.03, and its standard error. */
    readonly quantiles: Readonly<Record<string, { readonly ratio: number; readonly se: number; readonly oldMs: number }>>
  }[]
  /** Standard deviation between hosts, as far as it is known: what gates allow for where no `confidence.host_effect` is set. */
  readonly hostEffect: number
  /** With `--aa`: gates of the old release against itself. */
  readonly aa: { readonly runs: number; readonly verdicts: Readonly<Record<Verdict, number>> } | null
  /** With these calibrations: what each clause needs. */
  readonly clauses: GatePlanDocument['gates'][number]['clauses']
  readonly warnings: readonly string[]
}

/** `load import` of a HAR or an OpenAPI description. */
export type ScenarioDocument = BaseDocument & {
  readonly from: 'HAR' | 'OpenAPI'
  /** The block of rollgate.yml. */
  readonly scenario: string
  readonly requests: number
  readonly left: readonly { readonly count: number; readonly why: string }[]
  /** Names that the block wants under `secrets`. */
  readonly secrets: readonly string[]
  /** The file it was written to; null: printed only. */
  readonly written: string | null
}

/** `report`. */
export type ReportDocument = BaseDocument & {
  /** Of the run or the rollout. */
  readonly id: string
  readonly kind: 'load' | 'gate' | 'rollout'
  readonly title: string
  /** What the page says; the command itself is `ok` whatever that is. */
  readonly verdict: Verdict
  readonly sentence: string
  /** null: it went to stdout. */
  readonly file: string | null
  /** All that was written: percentiles of two releases are two files. */
  readonly files: readonly string[]
}

export type SelftestDocument = BaseDocument & {
  /** Requests a second that this machine sent in time; null: not even the lowest rate. */
  readonly ceilingPerSecond: number | null
  readonly enough: boolean | null
  readonly steps: readonly {
    readonly ratePerSecond: number
    readonly valid: boolean
    readonly sendLagP99Ms: number | null
    readonly cpu: number | null
    readonly p50Ms: number | null
    readonly p99Ms: number | null
    readonly reasons: readonly string[]
  }[]
}
