// Everything that is worked out at one look: validity first, then each clause with the share of the error budgets that this
// look may spend. Pure: the same seconds, calibration and seed give the same findings.
import { type Clause, type ClauseMode, isRelative } from '../domain/clause.ts'
import type { Calibration, RequestEvidence } from '../domain/evidence.ts'
import type { GatePlan } from '../domain/gate.ts'
import { emptyHistogram, mergeInto, quantile } from '../domain/histogram.ts'
import type { GeneratorSample } from '../domain/load.ts'
import { failuresOf, type Slice } from '../domain/slice.ts'
import { judgeAbsolute, type Levels, type Totals } from './absolute.ts'
import { cutBlocks, type Second } from './blocks.ts'
import { type Finding, tidy, unjudged } from './finding.ts'
import { FEWEST_BLOCKS, type Look, type LookPlan } from './looks.ts'
import { smallestMarginMs } from './margin.ts'
import { boundFromPasses, judgeCapacity, judgeRestart } from './other-clauses.ts'
import { createDraw } from './random.ts'
import { judgeRelative } from './relative.ts'
import { judgeValidity, type Validity } from './validity.ts'

/** One measured second, ready to be counted. */
export type SeenSecond = {
  readonly slices: readonly Slice[]
  readonly generator: readonly GeneratorSample[]
  readonly lagP99Ms: number | null
  readonly canary: Second
  readonly old: Second
  /** Of whatever kind. */
  readonly answers: { readonly canary: number; readonly old: number }
}

/** What is known beside the requests. */
export type Facts = Pick<RequestEvidence, 'steady' | 'distrust' | 'aborted' | 'restart' | 'capacity' | 'passes'>

export type Judgement = { readonly clause: Clause; readonly finding: Finding; readonly counts: boolean }

export type Evaluation = { readonly validity: Validity; readonly judgements: readonly Judgement[] }

const RATE_BLOCK_SECONDS = 5

export function evaluate(
  plan: GatePlan,
  calibration: Calibration | null,
  lookPlan: LookPlan,
  look: Pick<Look, 'index' | 'share'>,
  seconds: readonly SeenSecond[],
  facts: Facts,
): Evaluation {
  const validity = judgeValidity({
    seconds,
    generator: seconds.flatMap((second) => second.generator),
    smallestMarginMs: marginSeenMs(plan, seconds),
    arms: plan.ratePerArm === null ? { canary: [], old: [] } : plan.arms,
    distrust: facts.distrust,
  })
  const comparing = plan.clauses.filter(isRelative)
  const counted = comparing.filter((clause) => effectiveMode(clause, plan) === 'gate').length
  const { falseAlarm, falsePass, hostEffect } = plan.confidence
  const beta = look.share * falsePass
  const compared: Levels = { alpha: (look.share * (falseAlarm - errorAlpha(plan))) / Math.max(1, counted), beta }
  const absolute: Levels = { alpha: look.share * falseAlarm, beta }
  const paired = comparing.filter((clause) => clause.metric.kind !== 'capacity')
  const relative = new Map<Clause, Finding>()
  if (paired.length > 0) {
    const timeline = seconds.map((second, index) => (validity.masked[index] === true ? null : { canary: second.canary, old: second.old }))
    const findings = judgeRelative(
      paired,
      {
        blocks: cutBlocks(timeline, lookPlan.blockSeconds),
        calibration,
        tau: hostEffect === 'ignore' ? 0 : hostEffect,
        learnedFrom: plan.hostEffectPairs ?? null,
        resamples: plan.resamples,
        draw: createDraw(`${plan.seed}/${look.index}`),
        latencyDoubt: latencyDoubt(facts),
      },
      compared,
    )
    paired.forEach((clause, index) => {
      const finding = findings[index] ?? unjudged('number', 'invalid', 'it was not judged')
      relative.set(clause, lookPlan.isTooShort ? tooShort(finding, lookPlan.blockSeconds) : finding)
    })
  }
  const totals = totalsOf(plan, seconds, validity.masked)
  const judgements = plan.clauses.map((clause) => {
    const finding = tidy(relative.get(clause) ?? judgeAlone(clause, totals, facts, { compared, absolute }))
    return { clause, finding, counts: effectiveMode(clause, plan) === 'gate' && finding.isOnlyShown === undefined }
  })
  return { validity, judgements }
}

/** What is set apart of the chance of a false alarm for watching errors every second: half, where errors are compared. */
export function errorAlpha(plan: GatePlan): number {
  return comparedErrors(plan) === null ? 0 : plan.confidence.falseAlarm / 2
}

/** The clause that compares errors and counts, with its margin. */
export function comparedErrors(plan: GatePlan): { readonly clause: Clause; readonly margin: number } | null {
  for (const clause of plan.clauses) {
    if (clause.metric.kind !== 'errors' || clause.mode !== 'gate' || clause.limit.against !== 'baseline') continue
    const [margin] = clause.limit.margins
    if (margin.kind === 'points') return { clause, margin: margin.share }
  }
  return null
}

/** Latency under another background load says little, so it only warns, unless somebody insists. */
export function effectiveMode(clause: Clause, plan: Pick<GatePlan, 'background'>): ClauseMode {
  const isLatency = clause.metric.kind === 'quantile' || clause.metric.kind === 'slow'
  return plan.background === 'mixed' && isLatency && isRelative(clause) && clause.mode === 'gate' ? 'warn' : clause.mode
}

function judgeAlone(
  clause: Clause,
  totals: Totals,
  facts: Facts,
  levels: { readonly compared: Levels; readonly absolute: Levels },
): Finding {
  if (clause.metric.kind === 'restart.lost') return judgeRestart(clause, facts.restart)
  if (clause.metric.kind === 'capacity') return judgeCapacity(clause, facts.capacity, levels.compared)
  const { limit } = clause
  switch (limit.against) {
    case 'bound':
      return judgeAbsolute(clause, totals, limit.value, levels.absolute)
    case 'offered':
      return judgeAbsolute(clause, totals, limit.share, levels.absolute)
    case 'passes': {
      const past = boundFromPasses(clause, facts.passes)
      if (past === null) return firstPass(clause, totals)
      const finding = judgeAbsolute(clause, totals, past.bound, levels.absolute)
      return past.of < limit.count && finding.note === undefined
        ? { ...finding, note: `${past.of} of ${limit.count} passes recorded` }
        : finding
    }
    case 'baseline':
      return unjudged('number', 'invalid', 'it was not judged')
    default:
      return limit satisfies never
  }
}

/** Shown only, as the measure of later ones: which a time that nobody was given, or no request at all, cannot be. */
function firstPass({ metric }: Clause, totals: Totals): Finding {
  const unit = metric.kind === 'errors' ? 'share' : 'ms'
  const isTime = metric.kind === 'quantile' && totals.histogram !== null
  const ms = isTime ? quantile(totals.histogram, metric.q, totals.failures) : null
  if (totals.arrivals === 0 || (isTime && (ms === null || !Number.isFinite(ms))))
    return unjudged(unit, 'invalid', 'no pass is recorded yet, and this run cannot become the measure: the quantile lies on failures')
  const note = 'no pass is recorded yet; the first becomes the measure'
  return { ...unjudged(unit, 'open', note), isOnlyShown: note }
}

function totalsOf(plan: GatePlan, seconds: readonly SeenSecond[], masked: readonly boolean[]): Totals {
  const histogram = emptyHistogram()
  const blocks = new Map<number, { good: number; seconds: number }>()
  const total = { arrivals: 0, failures: 0, offered: 0, seconds: 0 }
  seconds.forEach((second, index) => {
    if (masked[index] === true) return
    const block = blocks.get(Math.floor(index / RATE_BLOCK_SECONDS)) ?? { good: 0, seconds: 0 }
    blocks.set(Math.floor(index / RATE_BLOCK_SECONDS), block)
    total.seconds += 1
    block.seconds += 1
    for (const slice of second.slices) {
      if (!plan.arms.canary.includes(slice.target)) continue
      const failures = failuresOf(slice)
      mergeInto(histogram, slice.response)
      total.arrivals += slice.done + failures
      total.failures += failures
      total.offered += slice.offered
      block.good += slice.done
    }
  })
  const blockRates = [...blocks.values()].filter((block) => block.seconds === RATE_BLOCK_SECONDS).map((block) => block.good / block.seconds)
  return { ...total, histogram, blockRates }
}

/** At what the old release takes in this run. */
function marginSeenMs({ clauses }: GatePlan, seconds: readonly SeenSecond[]): number | null {
  const old = emptyHistogram()
  let failures = 0
  for (const second of clauses.some(isRelative) ? seconds : []) {
    for (const histogram of second.old.histograms) mergeInto(old, histogram)
    failures += second.old.failures
  }
  return smallestMarginMs(clauses, (q) => quantile(old, q, failures))
}

function latencyDoubt(facts: Facts): string | null {
  return facts.steady !== null && !facts.steady.isSteady ? 'the new release did not settle during the warm-up' : null
}

function tooShort(finding: Finding, blockSeconds: number): Finding {
  if (finding.state === 'invalid') return finding
  return { ...finding, state: 'open', note: `blocks of ${blockSeconds} s are needed here, and fewer than ${FEWEST_BLOCKS} fit` }
}
