// Slices cut into blocks of time, the unit of the statistics: requests of one second are not independent, blocks of some
// seconds nearly are. Both arms are cut at the same moments, because the pairing of what happened at the same time is what
// takes shared shocks out. Careful about failures: they count as arrivals slower than any success.
import { BIN_COUNT, type SparseHistogram } from '../domain/histogram.ts'
import { failuresOf, type Slice } from '../domain/slice.ts'

/** What one arm saw in one second. */
export type Second = {
  readonly arrivals: number
  readonly failures: number
  /** Of the successes. */
  readonly histograms: readonly SparseHistogram[]
}

/** Both arms, second by second, without the warm-up; null: masked for both. */
export type Pair = { readonly canary: Second; readonly old: Second }
export type Timeline = readonly (Pair | null)[]

export type ArmBlocks = {
  readonly count: number
  readonly firstBin: number
  readonly bins: number
  /** `[bin × count + block]`: successes of the block up to and with that bin, so that a quantile is found by halving. */
  readonly cumulative: Float64Array
  readonly arrivals: Float64Array
  readonly failures: Float64Array
}

export type PairedBlocks = { readonly count: number; readonly seconds: number; readonly canary: ArmBlocks; readonly old: ArmBlocks }

/** Adds up the slices of one arm in one second. The comparison uses service time: lag of the generator is noise in both. */
export function secondOf(slices: readonly Slice[], time: 'service' | 'response'): Second {
  const failures = slices.reduce((sum, slice) => sum + failuresOf(slice), 0)
  return {
    arrivals: failures + slices.reduce((sum, slice) => sum + slice.done, 0),
    failures,
    histograms: slices.map((slice) => slice[time]),
  }
}

/** Whole blocks only. A block in which everything is masked does not exist. */
export function cutBlocks(timeline: Timeline, blockSeconds: number): PairedBlocks {
  const blocks: Pair[][] = []
  for (let start = 0; start + blockSeconds <= timeline.length; start += blockSeconds) {
    const seconds = timeline.slice(start, start + blockSeconds).filter((second) => second !== null)
    if (seconds.length > 0) blocks.push(seconds)
  }
  return {
    count: blocks.length,
    seconds: blockSeconds,
    canary: armBlocks(blocks.map((block) => block.map((second) => second.canary))),
    old: armBlocks(blocks.map((block) => block.map((second) => second.old))),
  }
}

/** The first `count` blocks of them. */
export function firstBlocks(arm: ArmBlocks, count: number): ArmBlocks {
  if (count >= arm.count) return arm
  const cumulative = new Float64Array(arm.bins * count)
  for (let bin = 0; bin < arm.bins; bin += 1) {
    for (let block = 0; block < count; block += 1) cumulative[bin * count + block] = arm.cumulative[bin * arm.count + block] ?? 0
  }
  return { ...arm, count, cumulative, arrivals: arm.arrivals.subarray(0, count), failures: arm.failures.subarray(0, count) }
}

/** Arrivals of each block from this bin on, failures included. */
export function slowerThan(arm: ArmBlocks, bin: number): Float64Array {
  const before = Math.min(bin - arm.firstBin, arm.bins) - 1
  return arm.arrivals.map((arrivals, block) => arrivals - (before < 0 ? 0 : (arm.cumulative[before * arm.count + block] ?? 0)))
}

export function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}

function armBlocks(blocks: readonly (readonly Second[])[]): ArmBlocks {
  let first = BIN_COUNT
  let last = -1
  for (const block of blocks) {
    for (const second of block) {
      for (const histogram of second.histograms) {
        const [lowest, highest] = [histogram[0]?.[0], histogram.at(-1)?.[0]]
        if (lowest === undefined || highest === undefined) continue
        first = Math.min(first, lowest)
        last = Math.max(last, highest)
      }
    }
  }
  const bins = Math.max(0, last - first + 1)
  const count = blocks.length
  const cumulative = new Float64Array(bins * count)
  const arrivals = new Float64Array(count)
  const failures = new Float64Array(count)
  blocks.forEach((block, index) => {
    for (const second of block) {
      arrivals[index] = (arrivals[index] ?? 0) + second.arrivals
      failures[index] = (failures[index] ?? 0) + second.failures
      for (const histogram of second.histograms) {
        for (const [bin, n] of histogram) {
          const at = (bin - first) * count + index
          cumulative[at] = (cumulative[at] ?? 0) + n
        }
      }
    }
  })
  for (let at = count; at < cumulative.length; at += 1) cumulative[at] = (cumulative[at] ?? 0) + (cumulative[at - count] ?? 0)
  return { count, firstBin: bins === 0 ? 0 : first, bins, cumulative, arrivals, failures }
}
