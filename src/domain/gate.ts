// A gate as data: what `gates:` of rollgate.yml becomes, the plan of one measurement, and what was made of it. The
// evidence in between is in evidence.ts.
import { type Clause, type ClauseMode, isRelative } from './clause.ts'
import type { GateVerdict } from './event.ts'
import type { Evidence } from './evidence.ts'
import type { LoadSettings, TargetSummary } from './load.ts'

// --- what somebody asks for ---

/** Where the old release is measured. drained-peer: an old host taken out as control; in-rotation: both serve, equally weighted. */
export type BaselineKind = 'drained-peer' | 'in-rotation' | 'mixed'

/** `all`: the three pairs of the workbook; `fast`: 14.4 over 1 h confirmed by 5 min, the only one a promotion can wait for. */
export type BurnSettings = { readonly objective: number; readonly windows: 'fast' | 'all' }

/** What an answer without a series means. It can never mean yes: `or vector(0)` in the query says that nothing is zero. */
export type OnEmpty = 'invalid' | 'inconclusive' | 'fail'

export type GateSource =
  | {
      readonly kind: 'load'
      /** A name under `loads`. */
      readonly load: string
      /** canary: the new hosts' own addresses (else a tunnel) */
      readonly at: { readonly kind: 'canary' } | { readonly kind: 'balancer' } | { readonly kind: 'url'; readonly url: string }
      /** isolated: before the host is enabled; serving: after. */
      readonly when: 'isolated' | 'serving'
      /** null: only absolute clauses. */
      readonly baseline: { readonly kind: BaselineKind; readonly restart: boolean; readonly insist: boolean } | null
    }
  | {
      readonly kind: 'prometheus'
      readonly url: string
      /** `{{ window }}` stands for the window of a burn rate. */
      readonly query: string
      readonly onEmpty: OnEmpty
      readonly burn: BurnSettings | null
      /** A sample older than this is stale. */
      readonly staleMs: number
    }
  | { readonly kind: 'command'; readonly run: string; readonly timeoutMs: number }
  | { readonly kind: 'approval'; readonly question: string }
  | {
      readonly kind: 'import'
      readonly format: string
      readonly path: string
      /** How long the run was to be. */
      readonly plannedMs?: number
      /** A file that holds the exit code of the tool. */
      readonly exitCodePath?: string
    }

export type Confidence = {
  /** Chance that a release like the old one is failed, over the whole gate. */
  readonly falseAlarm: number
  /** Chance, per clause, that a release at the margin is passed. */
  readonly falsePass: number
  readonly looks: number
  /** Standard deviation between hosts of the log ratio [0.05]; `ignore`: none, at the price of false alarms. */
  readonly hostEffect: number | 'ignore'
}

export type GateSettings = {
  readonly name: string
  readonly source: GateSource
  readonly pass: readonly Clause[]
  readonly confidence: Confidence
  readonly onInconclusive: { readonly extend: number; readonly otherwise: 'pause' | 'fail' | 'pass' }
  readonly onInvalid: { readonly retry: number; readonly otherwise: 'fail' | 'pause' }
  /** How long the same hosts are measured before the push; null: half the longest time of the load, 15 s to 2 min. 0: never. */
  readonly calibrateMs?: number | null
  /** `hostEffect` is nobody's word: what calibrations of this load have shown goes before it. */
  readonly learnsHostEffect?: boolean
}

const CALIBRATION_MS = { least: 15_000, most: 120_000 }

/** How long a gate is calibrated; 0 where nothing of it rests on how much hosts differ. */
export function calibrationMs(gate: GateSettings, load: LoadSettings): number {
  const asks = gate.pass.some(
    (clause) =>
      isRelative(clause) && (clause.metric.kind === 'quantile' || (clause.metric.kind === 'slow' && clause.metric.aboveMs === null)),
  )
  if (!asks || load.model.kind !== 'paced') return 0
  const given = gate.calibrateMs ?? null
  if (given !== null) return given
  return Math.round(Math.min(CALIBRATION_MS.most, Math.max(CALIBRATION_MS.least, load.duration.atMostMs / 2)) / 1000) * 1000
}

export const DEFAULT_CONFIDENCE: Confidence = { falseAlarm: 0.01, falsePass: 0.05, looks: 4, hostEffect: 0.05 }
export const DEFAULT_ON_INCONCLUSIVE = { extend: 1, otherwise: 'pause' } as const
export const DEFAULT_ON_INVALID = { retry: 1, otherwise: 'fail' } as const
/** Where a gate compares and says nothing else. */
export const DEFAULT_MARGINS = [
  'p50 <= baseline + 10%',
  'p95 <= baseline + 15%',
  'slow <= baseline + 1pp',
  'errors <= baseline + 0.1pp',
] as const

// --- one measurement of requests ---

/** Everything the judge has to know before the first request, and nothing that it may read elsewhere. */
export type GatePlan = {
  readonly version: 1
  readonly gate: string
  readonly clauses: readonly Clause[]
  /** Names of targets in the slices. `old` is empty where nothing is compared. */
  readonly arms: { readonly canary: readonly string[]; readonly old: readonly string[] }
  /** Of measured time, warm-up excluded. */
  readonly atLeastSeconds: number
  readonly atMostSeconds: number
  /** Requests per second and arm; null for the closed model. */
  readonly ratePerArm: number | null
  /** Block length; null: calibration decides [5]. */
  readonly blockSeconds: number | null
  readonly confidence: Confidence
  /** Pairs of hosts that `confidence.hostEffect` was learned from; absent: it was given. */
  readonly hostEffectPairs?: number
  /** How often the end may be moved by the whole of `atMostSeconds`. */
  readonly extend: number
  readonly resamples: number
  /** Of the resampling. Same slices and same seed: same verdict. */
  readonly seed: string
  /** mixed: background load differs, so latency comparisons only warn unless somebody insists. */
  readonly background: 'equal' | 'mixed' | 'mixed-insisted'
  /** Hash of the settings it was made from. */
  readonly settingsHash: string
}

// --- what was made of it ---

/** share: 0..1; ratio: relative to the baseline, +3 % is 0.03; points: difference of shares. */
export type ClauseUnit = 'ms' | 'share' | 'ratio' | 'points' | 'perSecond' | 'count' | 'number' | 'exit'

export type ClauseResult = {
  readonly id: string
  /** As it was written. */
  readonly clause: string
  readonly mode: ClauseMode
  readonly source: 'load' | 'probe' | 'prometheus' | 'command' | 'approval' | 'import'
  readonly unit: ClauseUnit
  /** null: nothing was measured, or it lies on a failure (`note` says which). */
  readonly estimate: number | null
  /** One-sided limits at the levels of this look. */
  readonly low: number | null
  readonly high: number | null
  readonly bound: number | null
  readonly verdict: GateVerdict
  readonly look: number | null
  /** One sentence with the numbers: `canary p95 +3.1 % (-0.8 to +7.2), allowed +15 %: PASS at look 2 of 4, 120 s`. */
  readonly sentence: string
  readonly note?: string
  /** Where a number cannot say it: `> timeout`, a quantile that falls on a failure. */
  readonly shown?: string
  /** Of a comparison of times: the standard error of the logarithm of the ratio, which `low` and `high` come from. */
  readonly se?: number
}

/** What stopped it. */
export type StoppedBy = 'look' | 'errors' | 'hard-stop' | 'end' | 'distrust'

export type GateReport = {
  readonly gate: string
  readonly verdict: GateVerdict
  /** One sentence. */
  readonly reason: string
  readonly clauses: readonly ClauseResult[]
  readonly stoppedBy: StoppedBy
  readonly look: { readonly at: number; readonly of: number; readonly seconds: number } | null
  readonly validity: {
    readonly sendLagP99Ms: number | null
    readonly cpu: number | null
    readonly maskedSeconds: number
    readonly reasons: readonly string[]
  }
  readonly targets: readonly TargetSummary[]
  /** Worth a person's attention, whatever the verdict: clauses that only warn, hidden retries, no calibration. */
  readonly warnings: readonly string[]
  /** Of requests: what the targets were counted over; absent in records of before. */
  readonly counted?: Counted
  /** Of requests: how the new release began; absent: there was no warm-up. */
  readonly cold?: ColdPhase
}

/** Seconds of the slices, `to` not among them: until it was decided. What was seen later is in the slices, and counts nowhere. */
export type Counted = {
  readonly from: number
  readonly to: number
  /** It was stopped before anything was measured: then the warm-up is all there is. */
  readonly isWarmup: boolean
}

/** The cold phase as numbers of its own. Seconds since the first request. */
export type ColdPhase = {
  /** In which one was answered well for the first time; null: not in all the run. */
  readonly firstSuccessSecond: number | null
  /** null: it did not settle during the warm-up, or nobody looked. */
  readonly steadySecond: number | null
  /** Until it was steady, else in the whole warm-up. */
  readonly failures: number
  readonly arrivals: number
}

/** Everything a rollout keeps of a gate: attempts that were discarded, and the one that counts. */
export type GateRecord = {
  readonly version: 1
  readonly gate: string
  readonly settingsHash: string
  readonly discarded: readonly { readonly verdict: GateVerdict; readonly reason: string }[]
  readonly evidence: Evidence
  readonly report: GateReport
  /** When the first second of its slices was, ISO 8601; absent where no load was sent. */
  readonly startedAt?: string
  /** In a rollout: what each new host showed, clause by clause that compares times. */
  readonly effects?: readonly ClauseEffects[]
  /** What all stages of the rollout so far say together; absent or empty: this is the first. */
  readonly stages?: readonly StageEstimate[]
}

export type HostEffect = {
  readonly host: string
  /** Log ratio to the old release on that host, after its calibration. */
  readonly theta: number
  readonly se: number
}

export type ClauseEffects = { readonly clause: string; readonly hosts: readonly HostEffect[] }

/** How much slower the release is, over the hosts of several stages: ratios, with an interval of 95 %. */
export type StageEstimate = {
  readonly clause: string
  readonly stages: number
  readonly hosts: number
  readonly estimate: number
  readonly low: number
  readonly high: number
  /** Hosts that differ from all others by more than chance allows. */
  readonly oddHosts: readonly string[]
}
