// What a gate saw: everything that its verdict rests on, as plain data, so that anybody can work the verdict out again.
import type { Clause } from './clause.ts'
import type { BurnSettings, Confidence, GatePlan, OnEmpty } from './gate.ts'
import type { GeneratorSample } from './load.ts'
import type { Slice } from './slice.ts'

/** What the same arms said before the push: host effects, what slow means, how long a block must be. */
export type Calibration = {
  readonly version: 1
  readonly seconds: number
  readonly blockSeconds: number
  readonly ratePerArm: number
  /** Of the paired block differences, lag 1, at `blockSeconds`. */
  readonly autocorrelation: number
  /** p99 of both arms together. */
  readonly slowAboveMs: number
  /** Between the two halves of nothing but old releases, by quantile (`0.95`), in logs. */
  readonly quantiles: Readonly<Record<string, { readonly theta: number; readonly se: number; readonly oldMs: number }>>
  readonly slow: { readonly share: number; readonly se: number }
  readonly errors: { readonly share: number; readonly se: number }
}

export type Steadiness = { readonly isSteady: boolean; readonly afterSeconds: number | null }

/** The measured requests of a gate. Plain data: slices and plan together give the verdict again. */
export type RequestEvidence = {
  readonly kind: 'requests'
  readonly plan: GatePlan
  readonly calibration: Calibration | null
  /** All arms, warm-up included, in any order. */
  readonly slices: readonly Slice[]
  readonly generator: readonly GeneratorSample[]
  /** null: nobody looked (no warm-up). */
  readonly steady: Steadiness | null
  /** Why the run cannot be trusted, as the driver knows it: a lost generator, a tainted run, a truncated file. */
  readonly distrust: readonly string[]
  /** Why the load was stopped to protect production; null: it was not. */
  readonly aborted: string | null
  readonly restart: RestartEvidence | null
  readonly capacity: CapacityEvidence | null
  /** Of this service, newest first. */
  readonly passes: readonly PastPass[]
  /** How often the end was moved. */
  readonly extensions: number
}

/** The probe through the public entry around the restarts (8.7). */
export type RestartEvidence = { readonly sent: number; readonly lost: number; readonly losses: readonly string[] }
/** Bursts in turns on the two hosts: good answers per second. */
export type CapacityEvidence = {
  readonly bursts: readonly { readonly canary: number; readonly old: number }[]
  readonly distrust: readonly string[]
  /** Which brake ended them. */
  readonly aborted?: string
}
/** What a gate that passed had measured: quantiles in milliseconds by `0.95`, and its share of errors. */
export type PastPass = { readonly at: string; readonly quantilesMs: Readonly<Record<string, number>>; readonly errors: number }

// --- other evidence ---

export type PrometheusAnswer =
  | {
      readonly kind: 'series'
      readonly series: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number; readonly ageMs: number }[]
      readonly warnings: readonly string[]
    }
  /** Nobody answered, or not with numbers: why. */
  | { readonly kind: 'failed'; readonly why: string }

export type PrometheusEvidence = {
  readonly kind: 'prometheus'
  readonly onEmpty: OnEmpty
  readonly staleMs: number
  /** One for each time it was asked; for a burn rate one for each window. */
  readonly answers: readonly { readonly window: string | null; readonly answer: PrometheusAnswer }[]
  readonly burn: BurnSettings | null
}

export type CommandEvidence = {
  readonly kind: 'command'
  readonly run: string
  /** null: it did not end by itself. */
  readonly exitCode: number | null
  readonly signal: string | null
  readonly how: 'ended' | 'timeout' | 'not-found' | 'lost'
  /** Last lines: untrusted. */
  readonly output: readonly string[]
}

export type ApprovalEvidence = {
  readonly kind: 'approval'
  readonly question: string
  readonly answer: 'yes' | 'no' | 'unanswered'
  readonly by: string | null
}

/**
 * How much another tool's result says (load-and-gates.md, 6). A: each request with its time; B: per interval or a
 * histogram; C: totals only.
 */
export type ImportLevel = 'A' | 'B' | 'C'

export type ImportEvidence = {
  readonly kind: 'import'
  readonly format: string
  readonly level: ImportLevel
  readonly clauses: readonly Clause[]
  readonly confidence: Confidence
  /** Levels A and B: everything of the run; targets are arms where the tool labelled them. */
  readonly slices: readonly Slice[]
  /** Level C. */
  readonly totals: ImportTotals | null
  readonly capabilities: ImportCapabilities
  /** Why it cannot be trusted: truncated, completeness unknown, the tool's own failure signal. */
  readonly distrust: readonly string[]
  readonly warnings: readonly string[]
}

export type ImportTotals = {
  readonly requests: number
  readonly failures: number
  readonly seconds: number | null
  readonly offered: number | null
  /** By `0.95`, as the tool printed them. */
  readonly quantilesMs: Readonly<Record<string, number>>
  readonly maxMs: number | null
}

export type ImportCapabilities = {
  /** null: all quantiles (a histogram, or every request). */
  readonly quantiles: readonly number[] | null
  readonly canCountErrors: boolean
  readonly canMeasureLatency: boolean
  readonly hasArms: boolean
  readonly knowsOffered: boolean
  /** Under-reports stalls. */
  readonly isClosedModel: boolean
  /** Retried transport failures do not show. */
  readonly hidesRetries: boolean
  /** Whether its counts are known second by second [not at level C]. */
  readonly hasSeconds?: boolean
}

export type Evidence = RequestEvidence | PrometheusEvidence | CommandEvidence | ApprovalEvidence | ImportEvidence
