// A report as data: what a page, a JUnit file, a job summary and metrics are made from, so that they can never disagree.
// Numbers and names as they were measured; how they look is decided in render/report. No secret is in it: addresses are
// shown without their queries.
import type { CapacityFound } from './document.ts'
import type { GateVerdict } from './event.ts'
import type { ClauseResult, ColdPhase, Counted, GateRecord, StoppedBy } from './gate.ts'
import type { HostName } from './host.ts'
import type { GeneratorSample, TargetSummary } from './load.ts'
import type { ReleaseId } from './release.ts'
import type { Slice } from './slice.ts'

/** One line of "what was run": `rate`, `200/s per target`. */
export type ReportFact = { readonly label: string; readonly value: string }

/** Something on the time axis of a measurement, in its own seconds. */
export type ReportMarker = {
  readonly second: number
  readonly kind: 'phase' | 'step' | 'restart' | 'look' | 'loss'
  readonly label: string
}

/** One load test or one gate. */
export type ReportMeasurement = {
  /** `load checkout`, `gate canary`. */
  readonly name: string
  /** Where in a rollout: `batch 1`. */
  readonly where: string | null
  readonly verdict: GateVerdict
  readonly reason: string
  readonly clauses: readonly ClauseResult[]
  readonly targets: readonly TargetSummary[]
  /** Which targets are new and old; `old` is empty where nothing was compared. */
  readonly arms: { readonly canary: readonly string[]; readonly old: readonly string[] }
  /** When the first second of its slices was, ISO 8601; null: when the run began, as far as anybody knows. */
  readonly startedAt: string | null
  /** Everything of the run, warm-up included. */
  readonly slices: readonly Slice[]
  readonly samples: readonly GeneratorSample[]
  readonly markers: readonly ReportMarker[]
  /** Times count from the moment a request was due, from its send, or as another tool has it. */
  readonly timed: 'due' | 'send' | 'tool'
  /** What counts as slow; null: nobody said. */
  readonly slowAboveMs: number | null
  readonly look: { readonly at: number; readonly of: number; readonly seconds: number } | null
  readonly stoppedBy: StoppedBy | null
  readonly measuredSeconds: number
  /** Which slices count; null: all that are no warm-up. */
  readonly counted: Counted | null
  /** Of a search for the capacity; null: it was none. */
  readonly capacity: CapacityFound | null
  /** How the new release began; null: nobody warmed it up, or nobody looked. */
  readonly cold: ColdPhase | null
  readonly validity: {
    readonly sendLagP99Ms: number | null
    readonly cpu: number | null
    readonly maskedSeconds: number
    readonly reasons: readonly string[]
  }
  readonly warnings: readonly string[]
  readonly discarded: GateRecord['discarded']
  readonly facts: readonly ReportFact[]
}

export type ReportHost = {
  readonly name: HostName
  readonly from: ReleaseId | null
  readonly to: ReleaseId | null
  readonly phase: string
  readonly durationMs: number
  readonly error: string | null
}

export type ReportRollout = {
  readonly outcome: string
  readonly hosts: readonly ReportHost[]
  readonly probe: { readonly sent: number; readonly failed: number; readonly worstGapMs: number } | null
  /** Each step that lost requests lie behind, in a sentence. */
  readonly losses: readonly string[]
  readonly minReadySeen: number | null
  /** Of all hosts, in the rollout's own seconds. */
  readonly steps: readonly { readonly second: number; readonly host: HostName; readonly label: string; readonly failed: boolean }[]
  readonly next: readonly string[]
}

export type ReportData = {
  readonly version: 1
  readonly kind: 'load' | 'gate' | 'rollout'
  /** `load checkout`, `deploy r42-9f3ab2c1 to shop (production)`. */
  readonly title: string
  /** The same for every run of its kind, so that metrics of today and yesterday are one series: `deploy shop (production)`. */
  readonly name: string
  /** The run's or the rollout's. */
  readonly id: string
  /** ISO 8601, the operator's clock. */
  readonly at: string
  readonly durationMs: number
  readonly verdict: GateVerdict
  /** One sentence: what decided it. */
  readonly sentence: string
  /** Of this tool. */
  readonly rollgate: string
  readonly facts: readonly ReportFact[]
  /** Commands that do it again or say more. */
  readonly reproduce: readonly string[]
  readonly measurements: readonly ReportMeasurement[]
  readonly rollout: ReportRollout | null
}
