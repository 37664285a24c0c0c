// Shares of arrivals (slow ones, failed ones) compared block by block (load-and-gates.md, 7.2): the mean of the paired
// differences and its standard error. Careful about rare events: where no block saw any, the spread between blocks is zero
// and says nothing, so the upper limit is never below what the exact limit of the canary's own rate allows.
import type { PairedBlocks } from './blocks.ts'
import { rateAtMost } from './distributions.ts'

export type ShareDifference = {
  readonly estimate: number
  readonly se: number
  readonly degrees: number
  readonly canary: { readonly events: number; readonly arrivals: number }
  readonly old: { readonly events: number; readonly arrivals: number }
}

const LEAST_SE = 1e-6

/** @param events of each block, by arm */
export function shareDifference(
  blocks: PairedBlocks,
  events: { readonly canary: Float64Array; readonly old: Float64Array },
): ShareDifference {
  const differences: number[] = []
  const total = { canary: { events: 0, arrivals: 0 }, old: { events: 0, arrivals: 0 } }
  for (let block = 0; block < blocks.count; block += 1) {
    const [canary, old] = [blocks.canary.arrivals[block] ?? 0, blocks.old.arrivals[block] ?? 0]
    const [bad, badOld] = [events.canary[block] ?? 0, events.old[block] ?? 0]
    total.canary.events += bad
    total.canary.arrivals += canary
    total.old.events += badOld
    total.old.arrivals += old
    if (canary > 0 && old > 0) differences.push(bad / canary - badOld / old)
  }
  const { mean, deviation } = spread(differences)
  return { estimate: mean, se: Math.max(deviation / Math.sqrt(differences.length), LEAST_SE), degrees: differences.length - 1, ...total }
}

/** The least that the upper limit of the difference may be: the canary's exact limit less what the old release shows. */
export function exactHigh(of: ShareDifference, beta: number): number {
  const old = of.old.arrivals > 0 ? of.old.events / of.old.arrivals : 0
  return rateAtMost(of.canary.events, of.canary.arrivals, beta) - old
}

/** Mean and sample standard deviation; NaN where there is too little for them. */
export function spread(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((total, value) => total + value, 0) / values.length
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0)
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) }
}
