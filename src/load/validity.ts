// Whether a run can be trusted (load-and-gates.md, 5.4). Pure. A reason found here makes the run INVALID, which is never
// FAIL: what a saturated generator measured is its own slowness. And a run that measured nothing is never a good one.
import { emptyHistogram, type Histogram, mergeInto, quantile } from '../domain/histogram.ts'
import type { GeneratorSample, LoadEnd, LoadValidity } from '../domain/load.ts'
import { answersOf, type FailureClass, failuresOf, type Slice } from '../domain/slice.ts'

export type ValidityLimits = {
  /** Of the measured seconds, how many may be bad. */
  readonly badShare: number
  /** Send lag p99 of a second. 10 % of the smallest margin of a clause when that is more. */
  readonly lagMs: number
  readonly sentShare: number
  readonly cpu: number
}

export const LIMITS: ValidityLimits = { badShare: 0.05, lagMs: 5, sentShare: 0.98, cpu: 0.9 }

/** Where the judge of a gate looks at how late it was and how busy: it knows what has to be told apart. */
export const OF_THE_GATE: ValidityLimits = { ...LIMITS, lagMs: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY }

/** @param smallestMarginMs of the clauses that the run is for */
export function limitsFor(smallestMarginMs = 0): ValidityLimits {
  return { ...LIMITS, lagMs: Math.max(LIMITS.lagMs, smallestMarginMs / 10) }
}

type Target = { offered: number; answers: number; sent: number; readonly failures: Map<FailureClass, number> }

export type Judge = {
  /** All slices of one second. */
  addSecond(slices: readonly Slice[]): void
  /** Of a measured second. */
  addSample(sample: GeneratorSample): void
  /**
   * @param asked arrivals of the schedule, for each target; null where there was none (closed model)
   * @param more reasons that the driver knows of
   */
  validity(end: LoadEnd, asked: number | null, more?: readonly string[]): LoadValidity
}

export function createJudge(limits: ValidityLimits = LIMITS): Judge {
  const lag = emptyHistogram()
  const cpus: number[] = []
  const totals = { offered: 0, sent: 0, done: 0, failed: 0, answers: 0, shedByUs: 0 }
  const targets = new Map<string, Target>()
  let seconds = 0
  let late = 0

  return {
    addSecond(slices) {
      const measured = slices.filter((slice) => slice.warmup !== true)
      if (measured.length === 0) return
      seconds += 1
      const secondLag = mergedLag(measured)
      mergeInto(lag, secondLag)
      const isLate = (quantile(secondLag, 0.99) ?? 0) > limits.lagMs
      if (isLate) late += 1
      for (const slice of measured) {
        const answers = answersOf(slice)
        const target = targets.get(slice.target) ?? { offered: 0, answers: 0, sent: 0, failures: new Map() }
        targets.set(slice.target, target)
        target.offered += slice.offered
        target.sent += slice.sent
        target.answers += answers
        totals.offered += slice.offered
        totals.sent += slice.sent
        totals.done += slice.done
        totals.failed += failuresOf(slice)
        totals.answers += answers
        // Shed while we kept the pace: the target was slow. Shed while we were late ourselves: who knows.
        if (isLate) totals.shedByUs += slice.failures.shed ?? 0
        for (const [name, count] of Object.entries(slice.failures) as [FailureClass, number][])
          target.failures.set(name, (target.failures.get(name) ?? 0) + count)
      }
    },
    addSample(sample) {
      cpus.push(sample.cpu)
    },
    validity(end, asked, more = []) {
      const own: string[] = []
      const reasons: string[] = [...more]
      const share = (count: number, of: number) => `${count} of ${of}`
      const sendLagP99Ms = quantile(lag, 0.99)
      if (late > limits.badShare * seconds)
        own.push(`this machine sent late: lag p99 over ${limits.lagMs} ms in ${share(late, seconds)} seconds`)
      const busy = cpus.filter((cpu) => cpu > limits.cpu).length
      if (busy > limits.badShare * cpus.length)
        own.push(`this machine was saturated: over ${limits.cpu * 100} % of a core in ${share(busy, cpus.length)} seconds`)
      if (totals.offered - totals.shedByUs < limits.sentShare * totals.offered)
        own.push(`${share(totals.shedByUs, totals.offered)} requests were not sent while this machine was late`)
      if (totals.offered !== totals.done + totals.failed)
        reasons.push(`requests unaccounted for: ${totals.offered} offered, ${totals.done} answered well, ${totals.failed} failed`)
      if (asked !== null && end === 'finished' && asked > 0 && totals.offered < limits.sentShare * asked * targets.size)
        own.push(`only ${share(totals.offered, asked * targets.size)} arrivals became due in time`)
      // Whoever stopped it during the warm-up knows why there is nothing.
      if (totals.offered === 0 && end !== 'unsafe' && end !== 'stopped') reasons.push('nothing was sent')
      for (const [name, target] of targets) if (target.answers === 0) reasons.push(`${name} never answered: ${whatInstead(target)}`)
      if (end === 'no-login') reasons.push('the login did not succeed')
      if (end === 'data') reasons.push('the data ran out before the time: more rows, or another order')
      if (end === 'late') own.push('this machine fell 20 s behind its schedule, and gave up')
      if (end === 'cancelled') reasons.push('interrupted')
      const middle = [...cpus].sort((left, right) => left - right)[Math.floor(cpus.length / 2)]
      return {
        valid: own.length + reasons.length === 0,
        sendLagP99Ms: sendLagP99Ms === null ? null : Math.round(sendLagP99Ms * 1000) / 1000,
        cpu: middle === undefined ? null : Math.round(middle * 1000) / 1000,
        ...(own.length > 0 ? { saturated: true } : {}),
        reasons: [...own, ...reasons],
      }
    },
  }
}

function mergedLag(slices: readonly Slice[]): Histogram {
  const merged = emptyHistogram()
  for (const slice of slices) mergeInto(merged, slice.lag)
  return merged
}

function whatInstead({ sent, failures }: Target): string {
  if (sent === 0) return 'all requests were shed'
  const [most] = [...failures].sort((left, right) => right[1] - left[1])
  return most === undefined ? 'no answer' : `${most[1]} × ${most[0]}`
}
