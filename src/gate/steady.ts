// Has a process warmed up (load-and-gates.md, 5.3)? The last six block medians must show no trend and their halves must
// agree, both within half the margin that is to be decided. Careful about what else moves: where both arms run, the ratio
// is looked at, because a shared drift (a noisy neighbour, the time of day) is not a warm-up. "Never" is a normal answer:
// many programs do not settle.

import type { Steadiness } from '../domain/evidence.ts'
import type { ColdPhase } from '../domain/gate.ts'
import { cutBlocks, type Timeline } from './blocks.ts'
import { lnBlockQuantile } from './bootstrap.ts'
import { blockDifferences } from './calibration.ts'

export const STEADY_BLOCKS = 6
const BLOCK_SECONDS = 5

/**
 * The first moment at which it was steady.
 *
 * @param timeline of the warm-up; where nothing is compared the old arm is empty
 * @param margin in logs: the smallest that is to be decided
 */
export function findSteady(timeline: Timeline, margin: number): Steadiness {
  const blocks = cutBlocks(timeline, BLOCK_SECONDS)
  const compares = blocks.old.arrivals.some((arrivals) => arrivals > 0)
  const medians = compares
    ? blockDifferences(blocks)
    : Array.from({ length: blocks.count }, (_, block) => lnBlockQuantile(blocks.canary, block, 0.5))
  for (let count = STEADY_BLOCKS; count <= medians.length; count += 1) {
    if (isSteady(medians.slice(0, count), margin)) return { isSteady: true, afterSeconds: count * BLOCK_SECONDS }
  }
  return { isSteady: false, afterSeconds: null }
}

/** @param medians ln milliseconds of the last blocks, or ln ratios of the arms; NaN where a block saw nothing */
export function isSteady(medians: readonly number[], margin: number): boolean {
  const last = medians.slice(-STEADY_BLOCKS)
  if (last.length < STEADY_BLOCKS || last.some((value) => !Number.isFinite(value))) return false
  const trend = Math.abs(theilSen(last)) * (STEADY_BLOCKS - 1)
  const half = STEADY_BLOCKS / 2
  const step = Math.abs(median(last.slice(half)) - median(last.slice(0, half)))
  return trend < margin / 2 && step < margin / 2
}

/** The median of the slopes between all pairs: one odd block does not move it. */
export function theilSen(values: readonly number[]): number {
  const slopes: number[] = []
  for (let right = 1; right < values.length; right += 1) {
    for (let left = 0; left < right; left += 1) slopes.push(((values[right] ?? 0) - (values[left] ?? 0)) / (right - left))
  }
  return median(slopes)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/**
 * The cold phase of the new release, told apart from what is measured.
 *
 * @param seconds of the new release from the first request on: the warm-up, and what came after
 * @param warmupSeconds how many of them were warm-up
 * @param steadySecond when steadiness was found; null: it was not
 */
export function coldPhase(
  seconds: readonly { readonly arrivals: number; readonly failures: number }[],
  warmupSeconds: number,
  steadySecond: number | null,
): ColdPhase {
  const first = seconds.findIndex((second) => second.arrivals > second.failures)
  const cold = seconds.slice(0, steadySecond ?? warmupSeconds)
  return {
    firstSuccessSecond: first < 0 ? null : first,
    steadySecond,
    failures: cold.reduce((sum, second) => sum + second.failures, 0),
    arrivals: cold.reduce((sum, second) => sum + second.arrivals, 0),
  }
}
