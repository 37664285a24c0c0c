// What a screen shows of a measurement, second by second: counts since the phase began, times of the last seconds, and an
// estimate for each clause. Only for eyes: it costs next to nothing, because it runs in the process that must send in
// time, so nothing is resampled here; intervals come from the looks of a gate.
import type { Clause } from '../domain/clause.ts'
import { BIN_COUNT, emptyHistogram, type Histogram, mergeInto, middleOf, quantile } from '../domain/histogram.ts'
import type { GeneratorSample } from '../domain/load.ts'
import type { ClauseProgress, MeasureProgress, TargetProgress } from '../domain/progress.ts'
import { type FailureClass, failuresOf, type Slice } from '../domain/slice.ts'

export type MeterOptions = {
  readonly targets: readonly string[]
  /** Which of them are new and old, where something is compared. */
  readonly arms?: { readonly canary: readonly string[]; readonly old: readonly string[] }
  readonly clauses?: readonly Clause[]
  /** What counts as slow; null: nobody said. */
  readonly slowAboveMs?: number | null
}

export type Meter = {
  addSlice(slice: Slice): void
  addSample(sample: GeneratorSample): void
  /** Another phase begins: counts start at zero. */
  begin(): void
  targets(inFlight: Readonly<Record<string, number>>): readonly TargetProgress[]
  /** Estimates without an interval, until a look says more. */
  clauses(): readonly ClauseProgress[]
  trust(): MeasureProgress['trust']
}

/** Seconds that p50 and p95 look back. */
const WINDOW = 10
/** Send lag p99 above which a second is late, and a core's share above which the generator is busy (load/validity.ts). */
const LATE_MS = 5
const BUSY = 0.9
const BAD_SHARE = 0.05

type Total = {
  offered: number
  sent: number
  done: number
  failed: number
  slow: number
  seconds: Set<number>
  errors: Partial<Record<FailureClass, number>>
  readonly response: Histogram
  readonly service: Histogram
  recent: { readonly second: number; readonly response: Slice['response']; readonly failed: number }[]
}

export function createMeter({ targets, arms, clauses = [], slowAboveMs = null }: MeterOptions): Meter {
  let totals = new Map<string, Total>()
  const lateness = new Map<number, boolean>()
  let isBusy = false
  const of = (name: string): Total => {
    const found = totals.get(name) ?? emptyTotal()
    totals.set(name, found)
    return found
  }
  const together = (names: readonly string[]): Total => {
    const sum = emptyTotal()
    for (const name of names) addTotal(sum, of(name))
    return sum
  }
  return {
    addSlice(slice) {
      addSlice(of(slice.target), slice, slowAboveMs)
      const lag = emptyHistogram()
      mergeInto(lag, slice.lag)
      const isLate = (quantile(lag, 0.99) ?? 0) > LATE_MS
      lateness.set(slice.second, isLate || lateness.get(slice.second) === true)
    },
    addSample(sample) {
      isBusy = sample.cpu > BUSY
    },
    begin() {
      totals = new Map()
      lateness.clear()
    },
    targets: (inFlight) => targets.map((name) => targetProgress(name, of(name), inFlight[name] ?? 0, slowAboveMs)),
    clauses() {
      const canary = together(arms?.canary ?? targets)
      const old = arms === undefined ? null : together(arms.old)
      return clauses.map((clause) => clauseProgress(clause, canary, old))
    },
    trust() {
      const late = [...lateness.values()].filter(Boolean).length
      if (late > Math.max(1, BAD_SHARE * lateness.size))
        return { light: 'bad', reason: `this machine sent late in ${late} of ${lateness.size} seconds` }
      if ([...lateness].slice(-WINDOW).some(([, isLate]) => isLate))
        return { light: 'doubtful', reason: 'this machine sent late a moment ago' }
      return isBusy ? { light: 'doubtful', reason: 'this machine is busy' } : { light: 'good', reason: null }
    },
  }
}

function emptyTotal(): Total {
  const counts = { offered: 0, sent: 0, done: 0, failed: 0, slow: 0 }
  return { ...counts, seconds: new Set(), errors: {}, response: emptyHistogram(), service: emptyHistogram(), recent: [] }
}

function addSlice(total: Total, slice: Slice, slowAboveMs: number | null): void {
  const failed = failuresOf(slice)
  total.offered += slice.offered
  total.sent += slice.sent
  total.done += slice.done
  total.failed += failed
  total.seconds.add(slice.second)
  // The keys of a slice's failures are its classes.
  for (const [kind, count] of Object.entries(slice.failures) as [FailureClass, number][])
    total.errors[kind] = (total.errors[kind] ?? 0) + count
  mergeInto(total.response, slice.response)
  mergeInto(total.service, slice.service)
  if (slowAboveMs !== null)
    total.slow += failed + slice.response.reduce((sum, [bin, count]) => sum + (middleOf(bin) > slowAboveMs ? count : 0), 0)
  total.recent = [
    ...total.recent.filter(({ second }) => second > slice.second - WINDOW),
    { second: slice.second, response: slice.response, failed },
  ]
}

function addTotal(into: Total, from: Total): void {
  for (const key of ['offered', 'sent', 'done', 'failed', 'slow'] as const) into[key] += from[key]
  for (const second of from.seconds) into.seconds.add(second)
  mergeInto(into.response, from.response)
  mergeInto(into.service, from.service)
}

function targetProgress(name: string, total: Total, inFlight: number, slowAboveMs: number | null): TargetProgress {
  const recent = emptyHistogram()
  let failed = 0
  for (const slice of total.recent) {
    mergeInto(recent, slice.response)
    failed += slice.failed
  }
  const { offered, sent, done, errors, slow } = total
  return {
    ...{ name, offered, sent, done, inFlight },
    errors: { ...errors },
    ...{ p50Ms: quantile(recent, 0.5, failed), p95Ms: quantile(recent, 0.95, failed) },
    slow: slowAboveMs === null || offered === 0 ? null : slow / offered,
  }
}

function clauseProgress(clause: Clause, canary: Total, old: Total | null): ClauseProgress {
  const { metric, limit } = clause
  const shown = { id: clause.text, clause: clause.text, mode: clause.mode, low: null, high: null, verdict: null }
  if (limit.against === 'bound') {
    const [seen, unit] = absolute(metric, canary)
    const estimate = finite(seen)
    return { ...shown, unit, estimate, bound: limit.value, ...(seen === Number.POSITIVE_INFINITY ? { shown: '> timeout' } : {}) }
  }
  if (limit.against === 'baseline' && old !== null) {
    const [margin] = limit.margins
    if (metric.kind === 'quantile') {
      const [a, b] = [quantile(canary.service, metric.q), quantile(old.service, metric.q)]
      const estimate = finite(a === null || b === null ? null : a / b - 1)
      return { ...shown, unit: 'ratio', estimate, bound: margin.kind === 'percent' ? margin.share : null }
    }
    const share = (total: Total): number =>
      total.offered === 0 ? 0 : (metric.kind === 'errors' ? total.failed : total.slow) / total.offered
    const isMeasured = canary.offered > 0 && (metric.kind === 'errors' || (metric.kind === 'slow' && canary.slow + old.slow > 0))
    const estimate = isMeasured ? share(canary) - share(old) : null
    return { ...shown, unit: 'points', estimate, bound: margin.kind === 'points' ? margin.share : null }
  }
  if (limit.against === 'offered') {
    const estimate = canary.offered === 0 ? null : canary.done / canary.offered
    return { ...shown, unit: 'share', estimate, bound: limit.share }
  }
  return { ...shown, unit: 'number', estimate: null, bound: null }
}

function absolute(metric: Clause['metric'], total: Total): readonly [number | null, ClauseProgress['unit']] {
  switch (metric.kind) {
    case 'quantile':
      return [quantile(total.response, metric.q, total.failed), 'ms']
    case 'max':
      return [longest(total.response), 'ms']
    case 'errors':
      return [total.offered === 0 ? null : total.failed / total.offered, 'share']
    case 'slow':
      return [total.offered === 0 ? null : slowShare(total, metric.aboveMs), 'share']
    case 'rps':
      return [total.seconds.size === 0 ? null : total.done / total.seconds.size, 'perSecond']
    default:
      return [null, 'number']
  }
}

function slowShare(total: Total, aboveMs: number | null): number | null {
  if (aboveMs === null) return null
  let slow = total.failed
  for (const [bin, count] of total.response.entries()) if (middleOf(bin) > aboveMs) slow += count
  return slow / total.offered
}

function longest(histogram: Histogram): number | null {
  for (let bin = BIN_COUNT - 1; bin >= 0; bin -= 1) if ((histogram[bin] ?? 0) > 0) return middleOf(bin)
  return null
}

const finite = (value: number | null): number | null => (value === null || !Number.isFinite(value) ? null : value)
