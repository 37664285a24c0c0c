// What the same hosts said before the push (load-and-gates.md, 7.2): how much they differ while both run the old release,
// what counts as slow, and how long a block must be. The host effect is taken off shrunken, by how well it is known;
// subtracting it whole adds its noise to the verdict, leaving it in makes false alarms of slow hosts.

import type { Calibration } from '../domain/evidence.ts'
import { binOf } from '../domain/histogram.ts'
import { cutBlocks, type PairedBlocks, slowerThan, type Timeline } from './blocks.ts'
import { lnBlockQuantile, lnQuantile, logRatios } from './bootstrap.ts'
import { FEWEST_BLOCKS } from './looks.ts'
import type { Draw } from './random.ts'
import { shareDifference } from './shares.ts'

export const SHORTEST_BLOCK = 5
const LONGEST_BLOCK = 20
const STANDARD_QUANTILES = [0.5, 0.9, 0.95, 0.99]

/** @returns what was wrong with it, where it cannot serve as one */
export function calibrate(
  timeline: Timeline,
  options: { readonly quantiles: readonly number[]; readonly resamples: number; readonly draw: Draw; readonly blockSeconds?: number },
): { readonly calibration: Calibration } | { readonly problem: string } {
  const chosen = options.blockSeconds ?? chooseBlock(timeline)
  const blocks = cutBlocks(timeline, chosen)
  if (blocks.count < 3) return { problem: `the calibration has ${blocks.count} blocks of ${chosen} s; at least 3 are needed` }
  const everything = Float64Array.from({ length: blocks.count }, () => 1)
  const both = cutBlocks(timeline.map(bothArms), chosen).canary
  const lnSlow = lnQuantile(both, everything, 0.99)
  if (!Number.isFinite(lnSlow)) return { problem: 'nothing arrived during the calibration' }
  const quantiles = [...new Set([...STANDARD_QUANTILES, ...options.quantiles])].sort((left, right) => left - right)
  const ratios = logRatios(blocks, quantiles, options)
  const broken = ratios.find((ratio) => ratio.oldFails || ratio.canaryFails)
  if (broken !== undefined && (broken.q <= 0.95 || options.quantiles.includes(broken.q))) {
    return { problem: `p${round(broken.q * 100)} of the old release lies on failures during the calibration` }
  }
  const slowAboveMs = Math.exp(lnSlow)
  const slow = shareDifference(blocks, slowEvents(blocks, slowAboveMs))
  const errors = shareDifference(blocks, { canary: blocks.canary.failures, old: blocks.old.failures })
  const seconds = blocks.count * chosen
  return {
    calibration: {
      ...{ version: 1, seconds, blockSeconds: chosen, ratePerArm: slow.old.arrivals / seconds, slowAboveMs },
      autocorrelation: autocorrelation(blockDifferences(blocks)),
      quantiles: Object.fromEntries(ratios.map(({ q, theta, se, lnOldMs }) => [String(q), { theta, se, oldMs: Math.exp(lnOldMs) }])),
      slow: { share: slow.old.events / slow.old.arrivals, se: slow.se },
      errors: { share: errors.old.events / errors.old.arrivals, se: errors.se },
    },
  }
}

/** θ̂ and SE after the host effect is taken off. `tau` 0: it is ignored, nothing is taken off and nothing is added. */
export function shrink(
  measured: { readonly theta: number; readonly se: number },
  before: { readonly theta: number; readonly se: number } | null,
  tau: number,
): { readonly theta: number; readonly se: number; readonly lambda: number } {
  const lambda = before === null || tau === 0 ? 0 : tau ** 2 / (tau ** 2 + before.se ** 2)
  return {
    theta: measured.theta - lambda * (before?.theta ?? 0),
    se: Math.sqrt(measured.se ** 2 + tau ** 2 * (1 - lambda)),
    lambda,
  }
}

/** Below this many pairs nobody knows how much hosts differ. */
export const FEWEST_PAIRS = 5
/** Assumed until it is known. */
export const USUAL_HOST_EFFECT = 0.05

export type LearnedEffect = { readonly tau: number; readonly pairs: number }

/** How much hosts differ, of calibrations of one host against another. null: too few pairs. */
export function learnedFrom(
  calibrations: readonly { readonly host: string; readonly against: string; readonly calibration: Calibration }[],
): LearnedEffect | null {
  // Each pair once, as it comes first: the other way round says the same again.
  const pairs = new Map(
    calibrations.toReversed().map(({ host, against, calibration }) => [[host, against].sort().join('\n'), calibration.quantiles['0.5']]),
  )
  const thetas = [...pairs.values()].flatMap((median) => median ?? [])
  return thetas.length < FEWEST_PAIRS ? null : { tau: learnTau(thetas), pairs: thetas.length }
}

/** Standard deviation between hosts, learned from calibrations of the same service; never below 0.02. */
export function learnTau(thetas: readonly { readonly theta: number; readonly se: number }[]): number {
  if (thetas.length < FEWEST_PAIRS) return USUAL_HOST_EFFECT
  // What is seen is host effect and noise together; the expected difference of two hosts is zero.
  const squares = thetas.reduce((total, { theta, se }) => total + Math.max(0, theta ** 2 - se ** 2), 0)
  return Math.max(0.02, Math.sqrt(squares / thetas.length))
}

export function slowEvents(blocks: PairedBlocks, aboveMs: number): { readonly canary: Float64Array; readonly old: Float64Array } {
  const bin = binOf(aboveMs)
  return { canary: slowerThan(blocks.canary, bin), old: slowerThan(blocks.old, bin) }
}

/** 5 s, doubled while neighbouring blocks resemble each other, at most 20 s and while enough blocks remain to see it. */
export function chooseBlock(timeline: Timeline): number {
  let seconds = SHORTEST_BLOCK
  while (seconds < LONGEST_BLOCK) {
    const blocks = cutBlocks(timeline, seconds)
    if (blocks.count < FEWEST_BLOCKS / 2 || autocorrelation(blockDifferences(blocks)) <= 0.2) break
    seconds *= 2
  }
  return seconds
}

/** ln of the canary's median less ln of the old release's, block by block; NaN where one of them saw nothing. */
export function blockDifferences(blocks: PairedBlocks): readonly number[] {
  return Array.from(
    { length: blocks.count },
    (_, block) => lnBlockQuantile(blocks.canary, block, 0.5) - lnBlockQuantile(blocks.old, block, 0.5),
  )
}

/** Lag 1. Blocks that saw nothing break the chain; a series that never changes has none. */
export function autocorrelation(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value))
  const mean = known.reduce((total, value) => total + value, 0) / known.length
  const squares = known.reduce((total, value) => total + (value - mean) ** 2, 0)
  let products = 0
  for (let index = 1; index < values.length; index += 1) {
    const product = ((values[index] ?? Number.NaN) - mean) * ((values[index - 1] ?? Number.NaN) - mean)
    if (!Number.isNaN(product)) products += product
  }
  return squares > 0 ? products / squares : 0
}

function bothArms(pair: Timeline[number]): Timeline[number] {
  if (pair === null) return null
  const { canary, old } = pair
  const both = {
    arrivals: canary.arrivals + old.arrivals,
    failures: canary.failures + old.failures,
    histograms: [...canary.histograms, ...old.histograms],
  }
  return { canary: both, old: both }
}

function round(value: number): number {
  return Number(value.toPrecision(6))
}
