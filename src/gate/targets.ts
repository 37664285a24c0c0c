// One line for each target of a measurement (cli.md): what was offered, what became of it, how long it took.
import { BIN_COUNT, emptyHistogram, type Histogram, mergeInto, middleOf, quantile } from '../domain/histogram.ts'
import type { TargetSummary } from '../domain/load.ts'
import type { FailureClass, Slice } from '../domain/slice.ts'
import { failuresOf } from '../domain/slice.ts'

/**
 * @param slices measured seconds only, in any order
 * @param seconds how many there were
 * @param first names that come first, in this order; the others follow by name
 */
export function summariseTargets(slices: readonly Slice[], seconds: number, first: readonly string[] = []): readonly TargetSummary[] {
  const seen = new Set(slices.map((slice) => slice.target))
  const names = [...first.filter((name) => seen.has(name)), ...[...seen].filter((name) => !first.includes(name)).sort()]
  return names.map((name) =>
    summarise(
      name,
      slices.filter((slice) => slice.target === name),
      seconds,
    ),
  )
}

function summarise(name: string, slices: readonly Slice[], seconds: number): TargetSummary {
  const [response, service] = [emptyHistogram(), emptyHistogram()]
  const errors: Partial<Record<FailureClass, number>> = {}
  for (const slice of slices) {
    mergeInto(response, slice.response)
    mergeInto(service, slice.service)
    // The keys of a slice's failures are its classes.
    for (const [kind, count] of Object.entries(slice.failures) as [FailureClass, number][]) errors[kind] = (errors[kind] ?? 0) + count
  }
  const total = (of: (slice: Slice) => number): number => slices.reduce((sum, slice) => sum + of(slice), 0)
  const failures = total(failuresOf)
  const at = (histogram: Histogram, q: number, failed: number): number | null => {
    const value = quantile(histogram, q, failed)
    return value === null || !Number.isFinite(value) ? null : value
  }
  const done = total((slice) => slice.done)
  return {
    ...{ name, offered: total((slice) => slice.offered), sent: total((slice) => slice.sent), done, errors },
    rps: seconds > 0 ? done / seconds : 0,
    ...{ p50Ms: at(response, 0.5, failures), p90Ms: at(response, 0.9, failures), p95Ms: at(response, 0.95, failures) },
    ...{ p99Ms: at(response, 0.99, failures), maxMs: longest(response), bytes: total((slice) => slice.bytes) },
    service: { p50Ms: at(service, 0.5, 0), p95Ms: at(service, 0.95, 0), p99Ms: at(service, 0.99, 0) },
  }
}

function longest(histogram: Histogram): number | null {
  for (let bin = BIN_COUNT - 1; bin >= 0; bin -= 1) if ((histogram[bin] ?? 0) > 0) return middleOf(bin)
  return null
}
