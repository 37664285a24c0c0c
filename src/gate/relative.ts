// Clauses that compare the new release with the old one, on blocks that both saw at the same time (load-and-gates.md,
// 7.2). Careful about the old release: a quantile of it that lies on failures is no baseline, so the clause is invalid
// and never passed because both are equally broken.
import type { Clause, Margin } from '../domain/clause.ts'
import type { Calibration } from '../domain/evidence.ts'
import type { Levels } from './absolute.ts'
import type { PairedBlocks } from './blocks.ts'
import { type LogRatio, logRatios } from './bootstrap.ts'
import { shrink, slowEvents } from './calibration.ts'
import { type Estimate, judgeEstimate } from './decide.ts'
import { type Finding, unjudged } from './finding.ts'
import type { Draw } from './random.ts'
import { exactHigh, type ShareDifference, shareDifference } from './shares.ts'

export type Comparison = {
  readonly blocks: PairedBlocks
  readonly calibration: Calibration | null
  /** 0: hosts are taken to be alike. */
  readonly tau: number
  /** Pairs of hosts that `tau` was learned from; null: it was given. */
  readonly learnedFrom: number | null
  readonly resamples: number
  readonly draw: Draw
  /** Latency may not fail a release that has not settled, or that runs under another load. */
  readonly latencyDoubt: string | null
}

/** @returns one finding for each clause, in their order */
export function judgeRelative(clauses: readonly Clause[], of: Comparison, levels: Levels): readonly Finding[] {
  const quantiles = [...new Set(clauses.flatMap(({ metric }) => (metric.kind === 'quantile' ? [metric.q] : [])))]
  const ratios = new Map(logRatios(of.blocks, quantiles, of).map((ratio) => [ratio.q, ratio]))
  return clauses.map(({ metric, limit }) => {
    if (limit.against !== 'baseline') return unjudged('number', 'invalid', 'the clause does not compare with the baseline')
    const [margin] = limit.margins
    switch (metric.kind) {
      case 'quantile': {
        const ratio = ratios.get(metric.q)
        return ratio === undefined ? unjudged('ratio', 'invalid', 'nothing was measured') : judgeRatio(ratio, limit.margins, of, levels)
      }
      case 'slow': {
        const aboveMs = metric.aboveMs ?? of.calibration?.slowAboveMs ?? null
        if (aboveMs === null)
          return unjudged('points', 'invalid', 'what counts as slow needs a calibration, or `above: 300ms`', pointsOf(margin))
        return judgeShares(
          shareDifference(of.blocks, slowEvents(of.blocks, aboveMs)),
          pointsOf(margin),
          levels,
          of.latencyDoubt,
          `slower than ${round(aboveMs)} ms`,
        )
      }
      case 'errors':
        return judgeShares(
          shareDifference(of.blocks, { canary: of.blocks.canary.failures, old: of.blocks.old.failures }),
          pointsOf(margin),
          levels,
          null,
        )
      case 'max':
      case 'rps':
      case 'value':
      case 'burn':
      case 'capacity':
      case 'restart.lost':
        return unjudged('number', 'invalid', `${metric.kind} is not compared by paired requests`)
      default:
        return metric satisfies never
    }
  })
}

/** The loosest of the margins as a log ratio. */
export function logMargin(margins: readonly Margin[], oldMs: number): number {
  return Math.max(
    ...margins.map((margin) =>
      margin.kind === 'ms' ? Math.log1p(margin.ms / oldMs) : margin.kind === 'percent' ? Math.log1p(margin.share) : 0,
    ),
  )
}

function judgeRatio(ratio: LogRatio, margins: readonly Margin[], of: Comparison, levels: Levels): Finding {
  const oldMs = Math.exp(ratio.lnOldMs)
  const margin = logMargin(margins, oldMs)
  const bound = Math.expm1(margin)
  if (Number.isNaN(ratio.theta)) return unjudged('ratio', 'invalid', 'nothing was measured', bound)
  if (ratio.oldFails) return unjudged('ratio', 'invalid', 'the old release fails too: its own quantile lies on failures', bound)
  const before = of.calibration?.quantiles[String(ratio.q)] ?? null
  const { theta, se } = shrink(ratio, before, of.tau)
  const judged = judgeEstimate({ estimate: theta, se, degrees: of.blocks.count - 1, margin }, levels)
  const basis = `old release ${round(oldMs)} ms, new release ${ratio.canaryFails ? '> timeout' : `${round(Math.exp(ratio.lnCanaryMs))} ms`}`
  const finding: Finding = {
    ...{ unit: 'ratio', estimate: finite(Math.expm1(theta)), low: finite(Math.expm1(judged.low)), high: finite(Math.expm1(judged.high)) },
    ...{ bound, state: judged.state, basis },
    ...(Number.isFinite(se) ? { se } : {}),
    ...(ratio.canaryFails ? { shown: '> timeout' } : {}),
    ...(of.learnedFrom === null ? {} : { allowance: `hosts differ by ${percent(of.tau)}, learned from ${of.learnedFrom} pairs` }),
  }
  return withDoubt(finding, of.latencyDoubt)
}

function judgeShares(difference: ShareDifference, margin: number, levels: Levels, doubted: string | null, above?: string): Finding {
  const { canary, old, estimate, se, degrees } = difference
  if (canary.arrivals === 0) return unjudged('points', 'invalid', 'nothing was measured', margin)
  if (old.arrivals === 0) return unjudged('points', 'invalid', 'nothing was measured on the old release', margin)
  const input: Estimate = { estimate, se, degrees, margin, highAtLeast: exactHigh(difference, levels.beta) }
  const { low, high, state } = judgeEstimate(input, levels)
  const basis = `${canary.events} of ${canary.arrivals} against ${old.events} of ${old.arrivals}${above === undefined ? '' : ` ${above}`}`
  return withDoubt(
    { unit: 'points', estimate: finite(estimate), low: finite(low), high: finite(high), bound: margin, state, basis },
    doubted,
  )
}

/** A doubt takes the no away and leaves the yes: within the margin despite it is within the margin. */
function withDoubt(finding: Finding, doubted: string | null): Finding {
  if (doubted === null || (finding.state !== 'fail' && finding.state !== 'worse')) return finding
  return { ...finding, state: 'open', note: doubted }
}

function pointsOf(margin: Margin): number {
  return margin.kind === 'points' ? margin.share : Number.NaN
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}
