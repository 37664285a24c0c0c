// Can the numbers be trusted (load-and-gates.md, 5.4)? A generator that is itself too slow measures itself, so a run in
// which it was makes the gate INVALID and never FAIL. Careful about whose fault it is: requests that were shed because the
// target is slow are the target's failures; requests that were not sent while the generator lagged are nobody's.
import { emptyHistogram, mergeInto, quantile } from '../domain/histogram.ts'
import type { GeneratorSample } from '../domain/load.ts'
import { failuresOf, type Slice } from '../domain/slice.ts'
import { chiSquareTail } from './distributions.ts'
import { median } from './steady.ts'

export type RunSeen = {
  /** Measured seconds only, in order; each with its slices. */
  readonly seconds: readonly { readonly slices: readonly Slice[]; readonly lagP99Ms: number | null }[]
  readonly generator: readonly GeneratorSample[]
  /** Smallest difference that a clause must see, in milliseconds; null where none is a time. */
  readonly smallestMarginMs: number | null
  readonly arms: { readonly canary: readonly string[]; readonly old: readonly string[] }
  readonly distrust: readonly string[]
}

export type Validity = {
  readonly reasons: readonly string[]
  readonly sendLagP99Ms: number | null
  readonly cpu: number | null
  /** By position in `seconds`: left out for both arms. */
  readonly masked: readonly boolean[]
}

const MOST_BAD = 0.05
const MOST_CPU = 0.9
const LEAST_SENT = 0.98
const LEAST_LAG_MS = 5
const RATIO_LEVEL = 0.001

export function judgeValidity(run: RunSeen): Validity {
  const count = run.seconds.length
  const limitMs = lagLimit(run.smallestMarginMs)
  const isLate = run.seconds.map((second) => second.lagP99Ms !== null && second.lagP99Ms > limitMs)
  const isUnsent = run.seconds.map((second) => wasNotSent(second.slices, second.lagP99Ms !== null && second.lagP99Ms > limitMs))
  const busy = run.generator.filter((sample) => sample.cpu > MOST_CPU).length
  const reasons = [...run.distrust]
  // One is left out for both arms, however short the run: what remains is as good as without it.
  const tooMany = (bad: number, of: number): boolean => bad > Math.max(of > 1 ? 1 : 0, MOST_BAD * of)
  const late = isLate.filter(Boolean).length
  const unsent = isUnsent.filter(Boolean).length
  if (tooMany(late, count))
    reasons.push(`the generator sent too late in ${late} of ${count} s (99 of 100 requests within ${round(limitMs)} ms are asked for)`)
  if (tooMany(unsent, count)) reasons.push(`the generator sent fewer than ${LEAST_SENT * 100} % of the requests in ${unsent} of ${count} s`)
  if (tooMany(busy, run.generator.length))
    reasons.push(`the generator used more than ${MOST_CPU * 100} % of a core in ${busy} of ${run.generator.length} s`)
  const unaccounted = lostCount(run.seconds.flatMap((second) => second.slices))
  if (unaccounted !== 0) reasons.push(`${unaccounted} requests are not accounted for: offered, answered and failed do not add up`)
  const ratio = ratioProblem(run)
  if (ratio !== null) reasons.push(ratio)
  const lag = emptyHistogram()
  for (const second of run.seconds) for (const slice of second.slices) mergeInto(lag, slice.lag)
  return {
    reasons,
    sendLagP99Ms: quantile(lag, 0.99),
    cpu: run.generator.length === 0 ? null : median(run.generator.map((sample) => sample.cpu)),
    masked: isLate.map((late, index) => late || isUnsent[index] === true),
  }
}

/** Of one second: the latest generator counts. */
export function lagP99(slices: readonly Slice[]): number | null {
  let worst: number | null = null
  const lags = new Map<string, ReturnType<typeof emptyHistogram>>()
  for (const slice of slices) {
    const name = slice.generator ?? ''
    const lag = lags.get(name) ?? emptyHistogram()
    mergeInto(lag, slice.lag)
    lags.set(name, lag)
  }
  for (const lag of lags.values()) {
    const p99 = quantile(lag, 0.99)
    if (p99 !== null) worst = Math.max(worst ?? 0, p99)
  }
  return worst
}

/** Lag is part of the response time: a tenth of what must be seen is allowed, and never less than 5 ms. */
export function lagLimit(smallestMarginMs: number | null): number {
  return Math.max(LEAST_LAG_MS, 0.1 * (smallestMarginMs ?? 0))
}

function wasNotSent(slices: readonly Slice[], isLate: boolean): boolean {
  const offered = slices.reduce((sum, slice) => sum + slice.offered, 0)
  const sent = slices.reduce((sum, slice) => sum + slice.sent, 0)
  // Shed while the generator was on time: the target's requests were slow, and they count as its failures.
  const shed = isLate ? 0 : slices.reduce((sum, slice) => sum + (slice.failures.shed ?? 0), 0)
  return sent + shed < LEAST_SENT * offered
}

function lostCount(slices: readonly Slice[]): number {
  return slices.reduce((sum, slice) => sum + slice.offered - slice.done - failuresOf(slice), 0)
}

/** Arrivals come in pairs, so both arms get equally many of each host's share; if they did not, what was compared differs. */
function ratioProblem(run: RunSeen): string | null {
  const { canary, old } = run.arms
  if (canary.length === 0 || old.length === 0) return null
  const reached = (names: readonly string[]): number =>
    run.seconds.reduce(
      (sum, second) =>
        sum + second.slices.reduce((own, slice) => own + (names.includes(slice.target) ? slice.done + failuresOf(slice) : 0), 0),
      0,
    )
  const [seen, seenOld] = [reached(canary), reached(old)]
  if (seen + seenOld === 0) return null
  if (seenOld === 0) return 'no request reached the old release: nothing can be compared'
  if (seen === 0) return 'no request reached the new release: nothing was measured'
  const p = chiSquareTail((seen - seenOld) ** 2 / (seen + seenOld), 1)
  return p < RATIO_LEVEL ? `the arms got unequal numbers of requests (${seen} and ${seenOld}), so what was compared differs` : null
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}
