// A log-linear histogram of latencies: bins of at most 1 % width from 10 µs to 10 minutes, so that merging is adding and
// every quantile is right within 1 %. Plain data (counts by bin), so that it can be sent, stored and resampled.

/** Milliseconds. Below it everything is in bin 0, above `MAX_MS` in the last bin. */
export const MIN_MS = 0.01
export const MAX_MS = 600_000
/** Two neighbouring bin edges differ by this factor: half a bin each way keeps the error under 0.5 %. */
const GROWTH = 1.01
const LOG_GROWTH = Math.log(GROWTH)
export const BIN_COUNT = Math.ceil(Math.log(MAX_MS / MIN_MS) / LOG_GROWTH) + 2

/** Counts by bin, `BIN_COUNT` long. */
export type Histogram = Float64Array
/** In transit and on disk: only bins that hold something, as pairs `[bin, count]`, ascending. */
export type SparseHistogram = readonly (readonly [bin: number, count: number])[]

/** How wide a bin is in logarithms: all but the first are equally wide. */
export const LN_BIN_WIDTH = LOG_GROWTH

/** ln milliseconds of a bin's lower edge. */
export function lnEdgeOf(bin: number): number {
  return Math.log(MIN_MS) + (bin - 1) * LOG_GROWTH
}

export function emptyHistogram(): Histogram {
  return new Float64Array(BIN_COUNT)
}

export function binOf(ms: number): number {
  if (!(ms > MIN_MS)) return 0
  return Math.min(BIN_COUNT - 1, 1 + Math.floor(Math.log(ms / MIN_MS) / LOG_GROWTH))
}

/** Geometric middle of a bin, in milliseconds. */
export function middleOf(bin: number): number {
  return bin === 0 ? MIN_MS : MIN_MS * GROWTH ** (bin - 0.5)
}

export function recordLatency(histogram: Histogram, ms: number, count = 1): void {
  const bin = binOf(ms)
  histogram[bin] = (histogram[bin] ?? 0) + count
}

/** Adds `from` into `into`. */
export function mergeInto(into: Histogram, from: Histogram | SparseHistogram): void {
  if (from instanceof Float64Array) for (let bin = 0; bin < BIN_COUNT; bin += 1) into[bin] = (into[bin] ?? 0) + (from[bin] ?? 0)
  else for (const [bin, count] of from) into[bin] = (into[bin] ?? 0) + count
}

export function toSparse(histogram: Histogram): SparseHistogram {
  const pairs: [number, number][] = []
  for (let bin = 0; bin < BIN_COUNT; bin += 1) {
    const count = histogram[bin] ?? 0
    if (count !== 0) pairs.push([bin, count])
  }
  return pairs
}

export function countOf(histogram: Histogram): number {
  let sum = 0
  for (const count of histogram) sum += count
  return sum
}

/**
 * The `q`-quantile (0..1) over all arrivals, in milliseconds: every failure ranks as slower than any success.
 *
 * @param failures arrivals without a good answer
 * @returns null where nothing arrived; Infinity where the quantile lands on a failure
 */
export function quantile(histogram: Histogram, q: number, failures = 0): number | null {
  const successes = countOf(histogram)
  const total = successes + failures
  if (total === 0) return null
  const rank = Math.max(1, Math.ceil(q * total))
  if (rank > successes) return Number.POSITIVE_INFINITY
  let seen = 0
  for (let bin = 0; bin < BIN_COUNT; bin += 1) {
    seen += histogram[bin] ?? 0
    if (seen >= rank) return middleOf(bin)
  }
  return Number.POSITIVE_INFINITY
}
