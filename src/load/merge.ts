// Slices of several generators become one: counts and histograms are added, nothing is averaged.
import { emptyHistogram, mergeInto, type SparseHistogram, toSparse } from '../domain/histogram.ts'
import type { FailureClass, Slice } from '../domain/slice.ts'

/** One slice for each second, target and scenario, in the order in which they are first met. */
export function mergeSlices(slices: readonly Slice[]): readonly Slice[] {
  const groups = new Map<string, Slice[]>()
  for (const slice of slices) {
    const key = JSON.stringify([slice.second, slice.target, slice.scenario])
    groups.set(key, [...(groups.get(key) ?? []), slice])
  }
  return [...groups.values()].map(mergeOne)
}

function mergeOne(group: Slice[]): Slice {
  const [first, ...rest] = group
  if (first === undefined) throw new Error('no slices to merge')
  if (rest.length === 0) return first
  const sum = (of: (slice: Slice) => number) => group.reduce((total, slice) => total + of(slice), 0)
  const histogram = (of: (slice: Slice) => SparseHistogram) => {
    const merged = emptyHistogram()
    for (const slice of group) mergeInto(merged, of(slice))
    return toSparse(merged)
  }
  const failures: Partial<Record<FailureClass, number>> = {}
  const statuses: Record<string, number> = {}
  for (const slice of group) {
    for (const [name, count] of Object.entries(slice.failures) as [FailureClass, number][]) failures[name] = (failures[name] ?? 0) + count
    for (const [status, count] of Object.entries(slice.statuses ?? {})) statuses[status] = (statuses[status] ?? 0) + count
  }
  return {
    ...first,
    offered: sum((slice) => slice.offered),
    sent: sum((slice) => slice.sent),
    done: sum((slice) => slice.done),
    ...{ failures, statuses },
    bytes: sum((slice) => slice.bytes),
    response: histogram((slice) => slice.response),
    service: histogram((slice) => slice.service),
    lag: histogram((slice) => slice.lag),
  }
}
