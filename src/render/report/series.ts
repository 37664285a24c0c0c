// Slices become lines: for each arm (or target) at most so many points, each the merged seconds of its span, so that an
// hour is as small as a minute. Merged and never averaged: a quantile of a point is the quantile of all its requests.
import { emptyHistogram, type Histogram, mergeInto, middleOf, quantile } from '../../domain/histogram.ts'
import type { ReportMeasurement } from '../../domain/report.ts'
import { type FailureClass, failuresOf, type Slice } from '../../domain/slice.ts'
import { counts } from './from-slices.ts'

export type Point = {
  /** Of the run; `to` is not in it any more. */
  readonly from: number
  readonly to: number
  readonly offered: number
  readonly failed: number
  readonly errors: Readonly<Partial<Record<FailureClass, number>>>
  /** Infinity: it falls on a failure; null: nothing arrived. */
  readonly p50: number | null
  readonly p95: number | null
  /** Share slower than what counts as slow, failures among them. */
  readonly slow: number | null
}

export type Line = {
  readonly name: string
  /** How it is drawn: the second of two arms is the old one. */
  readonly index: number
  readonly points: readonly Point[]
  readonly response: Histogram
  readonly offered: number
  readonly failed: number
}

export type Series = {
  readonly lines: readonly Line[]
  readonly from: number
  readonly to: number
  readonly spanSeconds: number
  /** In the run's seconds; null: there was none, or nothing else. */
  readonly measuredFrom: number | null
  readonly slowAboveMs: number | null
  /** Where the measurement says nothing: that it is the p99 of everything seen. */
  readonly isSlowOurs: boolean
}

/** More targets than that are shown together, with the slowest apart. */
const MOST_LINES = 4

/** @param mostPoints of each line */
export function seriesOf(measurement: ReportMeasurement, mostPoints: number): Series {
  const { slices } = measurement
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  let measuredFrom = Number.POSITIVE_INFINITY
  let hasWarmup = false
  for (const slice of slices) {
    from = Math.min(from, slice.second)
    to = Math.max(to, slice.second + 1)
    if (slice.warmup === true) hasWarmup = true
    else measuredFrom = Math.min(measuredFrom, slice.second)
  }
  if (to < from) return { lines: [], from: 0, to: 0, spanSeconds: 1, measuredFrom: null, slowAboveMs: null, isSlowOurs: false }
  const spanSeconds = Math.max(1, Math.ceil((to - from) / mostPoints))
  const slowAboveMs = measurement.slowAboveMs ?? commonP99(measurement)
  const frame = { from, to, spanSeconds, slowAboveMs, counted: measurement.counted }
  return {
    ...{ from, to, spanSeconds, slowAboveMs },
    lines: groupsOf(measurement).map(({ name, targets }, index) => lineOf(name, index, slices, targets, frame)),
    measuredFrom: hasWarmup && Number.isFinite(measuredFrom) ? measuredFrom : null,
    isSlowOurs: measurement.slowAboveMs === null,
  }
}

type Frame = Pick<Series, 'from' | 'to' | 'spanSeconds' | 'slowAboveMs'> & Pick<ReportMeasurement, 'counted'>
type Group = { readonly name: string; readonly targets: ReadonlySet<string> }

function groupsOf(measurement: ReportMeasurement): readonly Group[] {
  const { arms, slices } = measurement
  if (arms.old.length > 0) {
    return [
      { name: armName('new', arms.canary), targets: new Set(arms.canary) },
      { name: armName('old', arms.old), targets: new Set(arms.old) },
    ]
  }
  const names = [...new Set(slices.map((slice) => slice.target))].sort()
  const one = (name: string): Group => ({ name, targets: new Set([name]) })
  if (names.length <= MOST_LINES) return names.map(one)
  const slowest = names
    .map((name) => ({ name, p95: p95Of(measurement, name) }))
    .toSorted((a, b) => b.p95 - a.p95 || (a.name < b.name ? -1 : 1))
    .slice(0, MOST_LINES - 1)
  return [{ name: `all ${names.length} targets`, targets: new Set(names) }, ...slowest.map(({ name }) => one(name))]
}

function armName(word: string, names: readonly string[]): string {
  return names.length === 0 ? word : `${word}: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`
}

function p95Of(measurement: ReportMeasurement, target: string): number {
  const merged = emptyHistogram()
  let failed = 0
  for (const slice of measurement.slices) {
    if (slice.target !== target || !counts(slice, measurement)) continue
    mergeInto(merged, slice.response)
    failed += failuresOf(slice)
  }
  return quantile(merged, 0.95, failed) ?? 0
}

function commonP99(measurement: ReportMeasurement): number | null {
  const merged = emptyHistogram()
  for (const slice of measurement.slices) if (counts(slice, measurement)) mergeInto(merged, slice.response)
  return quantile(merged, 0.99)
}

type Cell = { offered: number; failed: number; slow: number; errors: Partial<Record<FailureClass, number>>; readonly response: Histogram }

function lineOf(name: string, index: number, slices: readonly Slice[], targets: ReadonlySet<string>, frame: Frame): Line {
  const { from, to, spanSeconds, slowAboveMs } = frame
  const cells = new Map<number, Cell>()
  const response = emptyHistogram()
  let [offered, failed] = [0, 0]
  for (const slice of slices) {
    if (!targets.has(slice.target)) continue
    const place = Math.floor((slice.second - from) / spanSeconds)
    const cell = cells.get(place) ?? { offered: 0, failed: 0, slow: 0, errors: {}, response: emptyHistogram() }
    cells.set(place, cell)
    addSlice(cell, slice, slowAboveMs)
    if (!counts(slice, frame)) continue
    mergeInto(response, slice.response)
    offered += slice.offered
    failed += failuresOf(slice)
  }
  const points = Array.from({ length: Math.ceil((to - from) / spanSeconds) }, (_, place): Point => {
    const span = { from: from + place * spanSeconds, to: Math.min(to, from + (place + 1) * spanSeconds) }
    const cell = cells.get(place)
    if (cell === undefined) return { ...span, offered: 0, failed: 0, errors: {}, p50: null, p95: null, slow: null }
    const counts = { offered: cell.offered, failed: cell.failed, errors: cell.errors }
    return {
      ...{ ...span, ...counts },
      p50: quantile(cell.response, 0.5, cell.failed),
      p95: quantile(cell.response, 0.95, cell.failed),
      slow: slowAboveMs === null || cell.offered === 0 ? null : cell.slow / cell.offered,
    }
  })
  return { name, index, points, response, offered, failed }
}

function addSlice(cell: Cell, slice: Slice, slowAboveMs: number | null): void {
  const failed = failuresOf(slice)
  cell.offered += slice.offered
  cell.failed += failed
  cell.slow += failed
  mergeInto(cell.response, slice.response)
  // The keys of a slice's failures are its classes.
  for (const [kind, count] of Object.entries(slice.failures) as [FailureClass, number][])
    cell.errors[kind] = (cell.errors[kind] ?? 0) + count
  if (slowAboveMs === null) return
  for (const [bin, count] of slice.response) if (middleOf(bin) > slowAboveMs) cell.slow += count
}

/** Failures of everything, the most frequent class first. */
export function errorClasses(lines: readonly Line[]): readonly { readonly kind: FailureClass; readonly count: number }[] {
  const counts = new Map<FailureClass, number>()
  for (const point of lines.flatMap((line) => line.points))
    for (const [kind, count] of Object.entries(point.errors) as [FailureClass, number][]) counts.set(kind, (counts.get(kind) ?? 0) + count)
  return [...counts]
    .map(([kind, count]) => ({ kind, count }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count)
}
