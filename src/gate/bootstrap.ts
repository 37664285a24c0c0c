// The log ratio of a quantile between two arms, and its standard error by paired block bootstrap (load-and-gates.md, 7.2):
// the same blocks are drawn for both arms. Fast because a quantile of a weighted sum of blocks is found by halving in
// their cumulative counts; merging histograms for each draw took seventy times as long.
import { LN_BIN_WIDTH, lnEdgeOf, MAX_MS } from '../domain/histogram.ts'
import { type ArmBlocks, type PairedBlocks, sum } from './blocks.ts'
import type { Draw } from './random.ts'

export type LogRatio = {
  readonly q: number
  /** ln of the canary's quantile minus ln of the old release's. */
  readonly theta: number
  readonly se: number
  readonly lnCanaryMs: number
  readonly lnOldMs: number
  /** The quantile lies on a failure: it is counted as the longest time there is. */
  readonly canaryFails: boolean
  readonly oldFails: boolean
}

/** Slower than any success. */
const LN_FAILURE = Math.log(MAX_MS)

export function logRatios(
  blocks: PairedBlocks,
  quantiles: readonly number[],
  options: { readonly resamples: number; readonly draw: Draw },
): readonly LogRatio[] {
  const { count } = blocks
  const once = new Float64Array(count).fill(1)
  const estimates = quantiles.map((q) => ({ canary: lnQuantile(blocks.canary, once, q), old: lnQuantile(blocks.old, once, q) }))
  // Running mean and sum of squares (Welford), one for each quantile.
  const means = new Float64Array(quantiles.length)
  const squares = new Float64Array(quantiles.length)
  const weights = new Float64Array(count)
  let drawn = 0
  for (let resample = 0; resample < options.resamples; resample += 1) {
    weights.fill(0)
    for (let block = 0; block < count; block += 1) {
      const chosen = options.draw(count)
      weights[chosen] = (weights[chosen] ?? 0) + 1
    }
    // At very low rates a draw may hold no arrival of one arm: it says nothing.
    if (weighted(weights, blocks.canary.arrivals) === 0 || weighted(weights, blocks.old.arrivals) === 0) continue
    drawn += 1
    for (const [index, q] of quantiles.entries()) {
      const theta = lnQuantile(blocks.canary, weights, q) - lnQuantile(blocks.old, weights, q)
      const off = theta - (means[index] ?? 0)
      means[index] = (means[index] ?? 0) + off / drawn
      squares[index] = (squares[index] ?? 0) + off * (theta - (means[index] ?? 0))
    }
  }
  return quantiles.map((q, index) => {
    const { canary = Number.NaN, old = Number.NaN } = estimates[index] ?? {}
    const enough = drawn >= 2 && drawn >= options.resamples / 2
    return {
      q,
      theta: canary - old,
      se: enough ? Math.sqrt((squares[index] ?? 0) / (drawn - 1)) : Number.POSITIVE_INFINITY,
      lnCanaryMs: canary,
      lnOldMs: old,
      canaryFails: canary === LN_FAILURE,
      oldFails: old === LN_FAILURE,
    }
  })
}

/** The `q`-quantile of the merged blocks in ln milliseconds, geometric inside its bin. NaN where nothing arrived. */
export function lnQuantile(arm: ArmBlocks, weights: Float64Array, q: number): number {
  const total = weighted(weights, arm.arrivals)
  if (!(total > 0)) return Number.NaN
  const target = q * total
  if (arm.bins === 0 || upTo(arm, weights, arm.bins - 1) < target) return LN_FAILURE
  let low = 0
  let high = arm.bins - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (upTo(arm, weights, middle) >= target) high = middle
    else low = middle + 1
  }
  const before = low === 0 ? 0 : upTo(arm, weights, low - 1)
  const inside = upTo(arm, weights, low) - before
  const fraction = Math.min(1, Math.max(0, (target - before) / inside))
  return lnEdgeOf(arm.firstBin + low) + LN_BIN_WIDTH * fraction
}

/** The quantile of one block alone. */
export function lnBlockQuantile(arm: ArmBlocks, block: number, q: number): number {
  const weights = new Float64Array(arm.count)
  weights[block] = 1
  return lnQuantile(arm, weights, q)
}

export function arrivalsOf(arm: ArmBlocks): number {
  return sum(arm.arrivals)
}

function upTo(arm: ArmBlocks, weights: Float64Array, bin: number): number {
  const { count, cumulative } = arm
  const start = bin * count
  let total = 0
  // Inside the arrays by construction; a check at each step would double the time of the whole bootstrap.
  for (let block = 0; block < count; block += 1) total += (weights[block] as number) * (cumulative[start + block] as number)
  return total
}

function weighted(weights: Float64Array, values: Float64Array): number {
  let total = 0
  for (let block = 0; block < weights.length; block += 1) total += (weights[block] as number) * (values[block] as number)
  return total
}
