// How long a clause must be measured before it can pass an equal release nine times in ten (load-and-gates.md, 7.4). From
// the calibration of the service where there is one, else from the model of 7.3, which is a guess about somebody else's
// service and says so.
import { type Clause, isRelative, type Metric } from '../domain/clause.ts'
import type { Calibration } from '../domain/evidence.ts'
import type { Confidence } from '../domain/gate.ts'
import { fewestFor } from './absolute.ts'
import { normalLimit } from './distributions.ts'
import { FEWEST_BLOCKS, planLooks } from './looks.ts'
import { logMargin } from './relative.ts'

export type NeedContext = {
  readonly confidence: Confidence
  readonly extend: number
  readonly atLeastSeconds: number
  readonly atMostSeconds: number
  /** Requests per second and arm. */
  readonly ratePerArm: number
  /** What was measured, or how long it will be before the push; null: there will be none. */
  readonly calibration: Calibration | { readonly plannedSeconds: number } | null
}

export type Need = {
  /** Of measured time; Infinity: no time suffices. */
  readonly seconds: number
  /** Requests per arm that this means. */
  readonly requests: number
  /** The margin that is asked for, and the smallest that the time given decides (share for ratios, points for shares); null: not a margin's question. */
  readonly margin: number | null
  readonly smallestMargin: number | null
  /** More is needed where the old release fails now and then: how often is not known yet. */
  readonly ifFailing?: { readonly share: number; readonly requests: number; readonly seconds: number }
  /** null: worked out from this service's own calibration or exactly. */
  readonly guess: string | null
  /** Differences between hosts, as well as they are known, are larger than the margin. */
  readonly isHostBound: boolean
}

const POWER_TAIL = 0.1
/** SE² × seconds = fixed + perRate / rate, read off the model for p50, p95, p99 (7.4). */
const MODEL = [
  { q: 0.5, fixed: 0.0158, perRate: 0.6 },
  { q: 0.95, fixed: 0.0497, perRate: 2.98 },
  { q: 0.99, fixed: 2.4, perRate: 76.9 },
] as const
/** Slow requests and errors come in bursts: their counts vary about so much more than independent ones. */
const BURSTS = 3
const SLOW_SHARE = 0.01
/** What an old release may fail by itself, where nobody measured it. */
const USUAL_ERRORS = 0.001

/** @returns null where the clause needs no particular time */
export function needOf(clause: Clause, context: NeedContext): Need | null {
  const { metric, limit } = clause
  if (metric.kind === 'capacity' || metric.kind === 'restart.lost' || metric.kind === 'value' || metric.kind === 'burn') return null
  if (!isRelative(clause)) return absoluteNeed(clause, context)
  if (limit.against !== 'baseline') return null
  if (metric.kind === 'quantile') return ratioNeed(metric, limit.margins, context)
  const [margin] = limit.margins
  return margin.kind === 'points' ? shareNeed(metric, margin.share, context) : null
}

/** Requests per arm to tell two error rates apart (one-sided). */
export function errorSampleSize(before: number, after: number, alpha = 0.01, power = 0.9): number {
  const middle = (before + after) / 2
  const spread = normalLimit(alpha) * Math.sqrt(2 * middle * (1 - middle))
  const shift = normalLimit(1 - power) * Math.sqrt(before * (1 - before) + after * (1 - after))
  return Math.ceil(((spread + shift) / (after - before)) ** 2)
}

function ratioNeed(
  metric: Extract<Metric, { kind: 'quantile' }>,
  margins: Parameters<typeof logMargin>[0],
  context: NeedContext,
): Need | null {
  const measured = context.calibration !== null && 'version' in context.calibration ? context.calibration : null
  const before = measured?.quantiles[String(metric.q)]
  // A margin in milliseconds is a ratio only once the old release's time is known.
  if (before === undefined && margins.every((margin) => margin.kind === 'ms')) return null
  const known = before === undefined ? margins.filter((margin) => margin.kind !== 'ms') : margins
  const margin = logMargin(known, before?.oldMs ?? 1)
  const model = modelSpread(metric.q)
  const at = (rate: number): number => model.fixed + model.perRate / rate
  const spread =
    before === undefined || measured === null
      ? at(context.ratePerArm)
      : (before.se ** 2 * measured.seconds * at(context.ratePerArm)) / at(measured.ratePerArm)
  const hostVariance = hostPart(context, spread, before?.se)
  return timed(margin, spread, hostVariance, context, {
    guess: before === undefined ? guessOf(metric.q) : null,
    show: Math.expm1,
  })
}

function shareNeed(metric: Metric, margin: number, context: NeedContext): Need {
  const measured = context.calibration !== null && 'version' in context.calibration ? context.calibration : null
  const own = metric.kind === 'errors' ? measured?.errors : measured?.slow
  const modelled = metric.kind === 'errors' ? 0 : (2 * SLOW_SHARE * (1 - SLOW_SHARE) * BURSTS) / context.ratePerArm
  const spread =
    own === undefined || measured === null ? modelled : (own.se ** 2 * measured.seconds * measured.ratePerArm) / context.ratePerArm
  const need = timed(margin, spread, 0, context, {
    guess:
      own !== undefined
        ? null
        : metric.kind === 'errors'
          ? 'if the old release does not fail either'
          : 'for a service like that of our model',
    show: (value) => value,
  })
  // Even without a single event the exact limit must come below the margin.
  const exact = -Math.log(lastBeta(context)) / margin / context.ratePerArm
  const seconds = Math.max(need.seconds, Math.ceil(exact))
  const smallest = Math.max(need.smallestMargin ?? 0, -Math.log(lastBeta(context)) / (context.ratePerArm * context.atMostSeconds))
  const whole = { ...need, seconds, requests: Math.ceil(seconds * context.ratePerArm), smallestMargin: smallest }
  if (metric.kind !== 'errors' || own !== undefined) return whole
  const requests = errorSampleSize(USUAL_ERRORS, USUAL_ERRORS + margin, context.confidence.falseAlarm)
  return { ...whole, ifFailing: { share: USUAL_ERRORS, requests, seconds: Math.ceil(requests / context.ratePerArm) } }
}

function absoluteNeed(clause: Clause, context: NeedContext): Need | null {
  const { metric, limit } = clause
  const beta = lastBeta(context)
  const requests = ((): number => {
    switch (metric.kind) {
      case 'quantile':
        return Math.max(fewestFor(metric.q), Math.ceil(Math.log(beta) / Math.log(metric.q)))
      case 'errors':
      case 'slow':
        if (limit.against !== 'bound' || limit.value === 0) return 1
        return Math.ceil(Math.log(beta) / Math.log1p(-limit.value))
      case 'rps':
        if (limit.against === 'offered') return limit.share === 1 ? 1 : Math.ceil(Math.log(beta) / Math.log(limit.share))
        return Math.ceil(15 * context.ratePerArm)
      default:
        return 1
    }
  })()
  return {
    seconds: Math.ceil(requests / context.ratePerArm),
    requests,
    margin: null,
    smallestMargin: null,
    guess: null,
    isHostBound: false,
  }
}

/** M ≥ k √(spread / T + host part), solved for T. */
function timed(
  margin: number,
  spread: number,
  hostVariance: number,
  context: NeedContext,
  options: { readonly guess: string | null; readonly show: (margin: number) => number },
): Need {
  const k = normalLimit(lastBeta(context)) + normalLimit(POWER_TAIL)
  const left = margin ** 2 - k ** 2 * hostVariance
  const blockSeconds = context.calibration !== null && 'version' in context.calibration ? context.calibration.blockSeconds : 5
  const seconds = left <= 0 ? Number.POSITIVE_INFINITY : Math.max(Math.ceil((k ** 2 * spread) / left), FEWEST_BLOCKS * blockSeconds)
  const smallest = k * Math.sqrt(spread / context.atMostSeconds + hostVariance)
  return {
    seconds,
    requests: Math.ceil(seconds * context.ratePerArm),
    margin: options.show(margin),
    smallestMargin: options.show(smallest),
    guess: options.guess,
    isHostBound: left <= 0,
  }
}

/** What is left of the differences between hosts after the calibration: τ² (1 − λ). */
function hostPart(context: NeedContext, spread: number, measuredSe: number | undefined): number {
  const { hostEffect } = context.confidence
  if (hostEffect === 'ignore') return 0
  if (context.calibration === null) return hostEffect ** 2
  const seconds = 'version' in context.calibration ? context.calibration.seconds : context.calibration.plannedSeconds
  const variance = measuredSe === undefined ? spread / seconds : measuredSe ** 2
  return (hostEffect ** 2 * variance) / (hostEffect ** 2 + variance)
}

/** What the last look of the planned time may spend. */
function lastBeta(context: NeedContext): number {
  const { looks } = planLooks({
    ...{
      atLeastSeconds: context.atLeastSeconds,
      atMostSeconds: context.atMostSeconds,
      looks: context.confidence.looks,
      extend: context.extend,
    },
    ...{ blockSeconds: 1, compares: false },
  })
  const last = looks.filter((look) => look.extension === 0).at(-1)
  return context.confidence.falsePass * (last?.share ?? 1)
}

/** Between the three that were modelled, straight in the logarithm of what lies beyond the quantile. */
function modelSpread(q: number): { readonly fixed: number; readonly perRate: number } {
  const depth = (of: number): number => -Math.log(1 - of)
  const at = depth(Math.max(q, 0.5))
  const upper = MODEL.find((one) => depth(one.q) >= at) ?? MODEL[2]
  const lower = MODEL[Math.max(0, MODEL.indexOf(upper) - 1)] ?? MODEL[0]
  const share = upper === lower ? 0 : (at - depth(lower.q)) / (depth(upper.q) - depth(lower.q))
  const mix = (from: number, to: number): number => Math.exp(Math.log(from) + share * (Math.log(to) - Math.log(from)))
  // Beyond p99 tails only get harder: as many times as fewer requests lie there.
  const beyond = q > 0.99 ? (0.01 / (1 - q)) ** 1.5 : 1
  return { fixed: mix(lower.fixed, upper.fixed) * beyond, perRate: mix(lower.perRate, upper.perRate) * beyond }
}

function guessOf(q: number): string {
  return q > 0.99 ? 'guessed beyond our model' : 'for a service like that of our model'
}
