// What a measurement has seen so far, as a screen shows it: told about once a second, and kept nowhere. The numbers that
// count are in slices and reports; these are for eyes.
import type { ClauseResult } from './gate.ts'
import type { FailureClass } from './slice.ts'

export type TargetProgress = {
  readonly name: string
  /** Since the phase began, complete seconds only. */
  readonly offered: number
  readonly sent: number
  readonly done: number
  readonly errors: Readonly<Partial<Record<FailureClass, number>>>
  readonly inFlight: number
  /** Of the last ten complete seconds, from the intended time; Infinity: it falls on a failure; null: nothing yet. */
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  /** Share of arrivals slower than what counts as slow; null: nobody said what that is. */
  readonly slow: number | null
}

/** `low` and `high` are those of the last look; null before the first. `verdict`: what it would be now; null: nobody can say yet. */
export type ClauseProgress = Pick<ClauseResult, 'id' | 'clause' | 'mode' | 'unit' | 'estimate' | 'low' | 'high' | 'bound' | 'shown'> & {
  readonly verdict: ClauseResult['verdict'] | null
}

export type MeasureProgress = {
  readonly phase: 'calibration' | 'warmup' | 'measuring' | 'draining'
  /** Since the phase began, and how many it may take at most; null: nobody knows. */
  readonly seconds: number
  readonly atMostSeconds: number | null
  readonly targets: readonly TargetProgress[]
  readonly clauses: readonly ClauseProgress[]
  /** The last look of how many, and the second of the next one. null: it is judged once, at the end. */
  readonly look: { readonly at: number; readonly of: number; readonly nextSeconds: number | null } | null
  /** Whether these numbers can be believed: doubtful is what may still pass, bad would be INVALID now. */
  readonly trust: { readonly light: 'good' | 'doubtful' | 'bad'; readonly reason: string | null }
}
