// What one clause came to, before it is put into words. All clauses, whatever they rest on, end as this.
import type { ClauseUnit } from '../domain/gate.ts'
import type { State } from './decide.ts'

export type Finding = {
  readonly unit: ClauseUnit
  /** In `unit`; null: nothing was measured, or it lies on a failure. */
  readonly estimate: number | null
  readonly low: number | null
  readonly high: number | null
  readonly bound: number | null
  readonly state: State | 'invalid'
  /** Why it cannot be said, or what else to know. */
  readonly note?: string
  /** Judged, shown, and left out of the verdict whatever its mode: why. */
  readonly isOnlyShown?: string
  /** Where a number cannot say it: `> timeout`. */
  readonly shown?: string
  /** Of a ratio of times: the standard error of its logarithm. */
  readonly se?: number
  /** Requests, samples, bursts it rests on. */
  readonly basis?: string
  /** What the interval allows for beside the requests, where that was learned. */
  readonly allowance?: string
}

/** A clause that could not be judged at all. */
export function unjudged(unit: ClauseUnit, state: 'open' | 'invalid', note: string, bound: number | null = null): Finding {
  return { unit, estimate: null, low: null, high: null, bound, state, note }
}

/** Numbers that JSON and people can read: what is not finite is not known, and nothing is -0. */
export function tidy(finding: Finding): Finding {
  const plain = (value: number | null): number | null => (value === null || !Number.isFinite(value) ? null : value + 0)
  return { ...finding, estimate: plain(finding.estimate), low: plain(finding.low), high: plain(finding.high), bound: plain(finding.bound) }
}
