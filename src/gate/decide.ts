// The verdict table of load-and-gates.md, 7.2, for comparisons: from an estimate, its standard error and a margin to limits
// and a state, and from the states of all clauses to what to do at this look.
import { studentLimit } from './distributions.ts'

/** How much slower (or worse) the canary is; larger is worse. In logs for times, in shares for fractions. */
export type Estimate = {
  readonly estimate: number
  readonly se: number
  readonly degrees: number
  readonly margin: number
  /** The upper limit is at least this: where few events make the spread between blocks meaningless. */
  readonly highAtLeast?: number
}

/** pass: below the margin · fail: proven worse, and the best estimate is beyond the margin · worse: proven worse, size unresolved */
export type State = 'pass' | 'fail' | 'worse' | 'open'

export type Judged = { readonly low: number; readonly high: number; readonly state: State }

/** @param levels alpha of one clause: already divided by how many there are */
export function judgeEstimate(of: Estimate, levels: { readonly alpha: number; readonly beta: number }): Judged {
  if (!Number.isFinite(of.estimate) || !Number.isFinite(of.se) || of.degrees < 1) {
    return { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, state: 'open' }
  }
  const low = of.estimate - studentLimit(levels.alpha, of.degrees) * of.se
  const high = Math.max(of.estimate + studentLimit(levels.beta, of.degrees) * of.se, of.highAtLeast ?? Number.NEGATIVE_INFINITY)
  // A limit is one side of an interval: below 50 % it could cross the estimate itself.
  const state = high < of.margin ? 'pass' : low > 0 && of.estimate >= of.margin ? 'fail' : low > 0 ? 'worse' : 'open'
  return { low, high, state }
}

export type Decision = 'pass' | 'fail' | 'go-on' | 'worse' | 'not-enough'

/** What the states of all clauses that count mean at a look. Without any clause nothing was asked, and nothing passes. */
export function decide(states: readonly State[], isLast: boolean): Decision {
  if (states.includes('fail')) return 'fail'
  if (states.length > 0 && states.every((state) => state === 'pass')) return 'pass'
  if (!isLast) return 'go-on'
  return states.includes('worse') ? 'worse' : 'not-enough'
}
