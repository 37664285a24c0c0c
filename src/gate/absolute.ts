// Clauses with a fixed limit, judged three ways (load-and-gates.md, 3.4): the upper limit below the bound passes, the
// lower limit above it fails, anything else cannot say. Limits are exact and free of any distribution: order statistics
// for times, Clopper and Pearson for shares. Careful about small numbers (ten requests must lie beyond a quantile before it
// can pass) and about failures, which are slower than any success.
import type { Clause, Relation } from '../domain/clause.ts'
import { BIN_COUNT, binOf, type Histogram, lnEdgeOf, MIN_MS, quantile } from '../domain/histogram.ts'
import { binomialAtMost, rateAtLeast, rateAtMost, studentLimit } from './distributions.ts'
import { type Finding, unjudged } from './finding.ts'
import { spread } from './shares.ts'

/** Everything of one arm, measured seconds only. */
export type Totals = {
  readonly arrivals: number
  readonly failures: number
  readonly offered: number
  readonly seconds: number
  /** Response times of the successes. null: not known one by one (totals of another tool). */
  readonly histogram: Histogram | null
  /** By `0.95`, where there is no histogram. */
  readonly quantilesMs?: Readonly<Record<string, number>>
  readonly maxMs?: number | null
  /** Good answers per second, block by block. */
  readonly blockRates: readonly number[]
}

export type Levels = { readonly alpha: number; readonly beta: number }

/** Ten arrivals beyond the quantile: fewer, and its limit hangs on single requests. */
export function fewestFor(q: number): number {
  return Math.ceil(10 / Math.min(q, 1 - q) - 1e-9)
}

/** @param bound in the clause's unit; where a clause compares with past passes it is worked out before */
export function judgeAbsolute(clause: Clause, totals: Totals, bound: number, levels: Levels): Finding {
  const { metric } = clause
  switch (metric.kind) {
    case 'quantile':
      return judgeQuantile(metric.q, clause.is, totals, bound, levels)
    case 'max':
      return judgeMax(clause.is, totals, bound)
    case 'errors':
      return judgeShare(totals.failures, totals.arrivals, clause.is, bound, levels)
    case 'slow': {
      if (totals.histogram === null || metric.aboveMs === null)
        return unjudged('share', 'invalid', 'what counts as slow is not known', bound)
      let slow = totals.failures
      for (let bin = binOf(metric.aboveMs); bin < BIN_COUNT; bin += 1) slow += totals.histogram[bin] ?? 0
      return judgeShare(slow, totals.arrivals, clause.is, bound, levels)
    }
    case 'rps':
      return clause.limit.against === 'offered' ? judgeDelivered(totals, bound, levels) : judgeRate(clause.is, totals, bound, levels)
    case 'value':
    case 'burn':
    case 'capacity':
    case 'restart.lost':
      return unjudged('number', 'invalid', `${metric.kind} is not measured by requests`, bound)
    default:
      return metric satisfies never
  }
}

function judgeQuantile(q: number, is: Relation, totals: Totals, bound: number, levels: Levels): Finding {
  const n = totals.arrivals
  if (n === 0) return unjudged('ms', 'invalid', 'nothing was measured', bound)
  const basis = `${n} requests`
  if (totals.histogram === null) return pointOnly(q, is, totals, bound)
  const successes = n - totals.failures
  const estimate = quantile(totals.histogram, q, totals.failures)
  const high = valueAt(totals.histogram, successes, upperRank(q, n, levels.beta), 'upper')
  const low = valueAt(totals.histogram, successes, lowerRank(q, n, levels.alpha), 'lower')
  const fails = estimate === null || !Number.isFinite(estimate)
  const shared = {
    unit: 'ms',
    estimate: finite(estimate),
    low: finite(low),
    high: finite(high),
    bound,
    basis,
    ...(fails ? { shown: '> timeout' } : {}),
  } as const
  if (exceeds(low, is, bound)) return { ...shared, state: 'fail' }
  if (n < fewestFor(q)) return { ...shared, state: 'open', note: `${n} requests; at least ${fewestFor(q)} are needed` }
  return { ...shared, state: keeps(high, is, bound) ? 'pass' : 'open' }
}

/** Only the number that another tool printed: without an interval, and so it is said. */
function pointOnly(q: number, is: Relation, totals: Totals, bound: number): Finding {
  const value = totals.quantilesMs?.[String(q)]
  if (value === undefined) return unjudged('ms', 'invalid', 'the file does not say this quantile', bound)
  const basis = `${totals.arrivals} requests`
  // Failures rank slowest: of all arrivals, the printed quantile of the successes is a lower one.
  const reach = (q * (totals.arrivals - totals.failures)) / totals.arrivals
  const shared = { unit: 'ms', estimate: value, low: null, high: null, bound, basis } as const
  if (!keeps(value, is, bound)) return { ...shared, state: 'fail', note: 'totals only: no interval' }
  if (totals.arrivals < fewestFor(q))
    return { ...shared, state: 'open', note: `${totals.arrivals} requests; at least ${fewestFor(q)} are needed` }
  if (q - reach > (1 - q) / 10)
    return { ...shared, state: 'open', note: 'too many requests failed for a quantile that leaves failures out' }
  return { ...shared, state: 'pass', note: 'totals only: no interval' }
}

function judgeMax(is: Relation, totals: Totals, bound: number): Finding {
  if (totals.arrivals === 0) return unjudged('ms', 'invalid', 'nothing was measured', bound)
  const basis = `${totals.arrivals} requests`
  if (totals.failures > 0) return { unit: 'ms', estimate: null, low: null, high: null, bound, state: 'fail', shown: '> timeout', basis }
  const { low, high } =
    totals.histogram === null ? { low: totals.maxMs ?? Number.NaN, high: totals.maxMs ?? Number.NaN } : longest(totals.histogram)
  if (Number.isNaN(low)) return unjudged('ms', 'invalid', 'the longest time is not known', bound)
  const state = exceeds(low, is, bound) ? 'fail' : keeps(high, is, bound) ? 'pass' : 'open'
  return { unit: 'ms', estimate: Math.sqrt(low * high), low, high, bound, state, basis }
}

function judgeShare(events: number, n: number, is: Relation, bound: number, levels: Levels): Finding {
  if (n === 0) return unjudged('share', 'invalid', 'nothing was measured', bound)
  const [low, high] = [rateAtLeast(events, n, levels.alpha), rateAtMost(events, n, levels.beta)]
  const shared = { unit: 'share', estimate: events / n, low, high, bound, basis: `${events} of ${n} requests` } as const
  // Nothing at all is a question about this run: no number of requests proves that a rate is exactly zero.
  if (bound === 0) return { ...shared, state: events === 0 ? 'pass' : 'fail' }
  if (exceeds(low, is, bound)) return { ...shared, state: 'fail' }
  if (keeps(high, is, bound)) return { ...shared, state: 'pass' }
  const needed = Math.ceil(-Math.log(levels.beta) / bound)
  return { ...shared, state: 'open', ...(n < needed ? { note: `${n} requests; even without an error ${needed} are needed` } : {}) }
}

function judgeDelivered(totals: Totals, share: number, levels: Levels): Finding {
  const { offered } = totals
  if (offered === 0) return unjudged('share', 'invalid', 'nothing was offered', share)
  const good = totals.arrivals - totals.failures
  const [low, high] = [rateAtLeast(good, offered, levels.beta), rateAtMost(good, offered, levels.alpha)]
  const shared = { unit: 'share', estimate: good / offered, low, high, bound: share, basis: `${good} of ${offered} requests` } as const
  if (share === 1) return { ...shared, state: good >= offered ? 'pass' : 'fail' }
  return { ...shared, state: low >= share ? 'pass' : high < share ? 'fail' : 'open' }
}

function judgeRate(is: Relation, totals: Totals, bound: number, levels: Levels): Finding {
  if (totals.seconds === 0 || totals.arrivals === 0) return unjudged('perSecond', 'invalid', 'nothing was measured', bound)
  const estimate = (totals.arrivals - totals.failures) / totals.seconds
  const count = totals.blockRates.length
  const basis = `${totals.seconds} s`
  if (count < 3) {
    const shared = { unit: 'perSecond', estimate, low: null, high: null, bound, basis } as const
    return { ...shared, state: 'open', note: 'too short: at least 3 blocks of 5 s are needed' }
  }
  const { mean, deviation } = spread(totals.blockRates)
  const se = deviation / Math.sqrt(count)
  const low = mean - studentLimit(levels.beta, count - 1) * se
  const high = mean + studentLimit(levels.alpha, count - 1) * se
  const state = keeps(low, is, bound) ? 'pass' : exceeds(high, is, bound) ? 'fail' : 'open'
  return { unit: 'perSecond', estimate, low, high, bound, state, basis }
}

/** Smallest rank whose value is at or above the quantile with probability 1 − β. */
export function upperRank(q: number, n: number, beta: number): number {
  return searchRank(n, (rank) => binomialAtMost(rank - 1, n, q) >= 1 - beta)
}

/** Largest rank whose value is at or below the quantile with probability 1 − α; 0: none. */
export function lowerRank(q: number, n: number, alpha: number): number {
  return searchRank(n, (rank) => binomialAtMost(rank - 1, n, q) > alpha) - 1
}

/** The first of 1 … n + 1 for which it holds; n + 1 stands for "beyond all". */
function searchRank(n: number, holds: (rank: number) => boolean): number {
  let low = 1
  let high = n + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle) || middle > n) high = middle
    else low = middle + 1
  }
  return low
}

/** The edge of the bin that holds the rank: limits err to the safe side by at most a bin. */
function valueAt(histogram: Histogram, successes: number, rank: number, side: 'lower' | 'upper'): number {
  if (rank < 1) return 0
  if (rank > successes) return Number.POSITIVE_INFINITY
  let seen = 0
  for (let bin = 0; bin < BIN_COUNT; bin += 1) {
    seen += histogram[bin] ?? 0
    if (seen >= rank) return edge(side === 'upper' ? bin + 1 : bin)
  }
  return Number.POSITIVE_INFINITY
}

function longest(histogram: Histogram): { readonly low: number; readonly high: number } {
  for (let bin = BIN_COUNT - 1; bin >= 0; bin -= 1) if ((histogram[bin] ?? 0) > 0) return { low: edge(bin), high: edge(bin + 1) }
  return { low: Number.NaN, high: Number.NaN }
}

function edge(bin: number): number {
  return bin === 0 ? 0 : bin === 1 ? MIN_MS : bin >= BIN_COUNT ? Number.POSITIVE_INFINITY : Math.exp(lnEdgeOf(bin))
}

function keeps(value: number, is: Relation, bound: number): boolean {
  switch (is) {
    case '<':
      return value < bound
    case '<=':
      return value <= bound
    case '>':
      return value > bound
    case '>=':
      return value >= bound
    case '=':
      return value === bound
    default:
      return is satisfies never
  }
}

/** The whole interval is on the wrong side. */
function exceeds(value: number, is: Relation, bound: number): boolean {
  return !Number.isNaN(value) && !keeps(value, is, bound)
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null
}
