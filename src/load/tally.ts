// Adds slices up to one line for each target. The warm-up is left out. Pure, and flat in memory however long a run is.
import { emptyHistogram, mergeInto, quantile } from '../domain/histogram.ts'
import type { TargetSummary } from '../domain/load.ts'
import { type FailureClass, failuresOf, type Slice } from '../domain/slice.ts'

export type Tally = {
  add(slice: Slice): void
  /** @param measuredMs what `rps` is counted over */
  summaries(measuredMs: number): readonly TargetSummary[]
}

export function createTally(targets: readonly string[]): Tally {
  const sums = new Map(targets.map((name) => [name, emptySum()]))
  return {
    add(slice) {
      if (slice.warmup === true) return
      const sum = sums.get(slice.target) ?? emptySum()
      sums.set(slice.target, sum)
      sum.offered += slice.offered
      sum.sent += slice.sent
      sum.done += slice.done
      sum.failed += failuresOf(slice)
      sum.bytes += slice.bytes
      for (const [name, count] of Object.entries(slice.failures) as [FailureClass, number][])
        sum.errors[name] = (sum.errors[name] ?? 0) + count
      mergeInto(sum.response, slice.response)
      mergeInto(sum.service, slice.service)
    },
    summaries: (measuredMs) => [...sums].map(([name, sum]) => summary(name, sum, measuredMs)),
  }
}

function emptySum() {
  const errors: Partial<Record<FailureClass, number>> = {}
  return { offered: 0, sent: 0, done: 0, failed: 0, bytes: 0, errors, response: emptyHistogram(), service: emptyHistogram() }
}

function summary(name: string, sum: ReturnType<typeof emptySum>, measuredMs: number): TargetSummary {
  const at = (q: number) => finite(quantile(sum.response, q, sum.failed))
  const service = (q: number) => finite(quantile(sum.service, q))
  return {
    name,
    offered: sum.offered,
    sent: sum.sent,
    done: sum.done,
    rps: measuredMs > 0 ? round((sum.done * 1000) / measuredMs) : 0,
    errors: sum.errors,
    ...{ p50Ms: at(0.5), p90Ms: at(0.9), p95Ms: at(0.95), p99Ms: at(0.99) },
    maxMs: finite(quantile(sum.response, 1)),
    bytes: sum.bytes,
    service: { p50Ms: service(0.5), p95Ms: service(0.95), p99Ms: service(0.99) },
  }
}

/** A quantile that falls on a failure has no time. */
function finite(ms: number | null): number | null {
  return ms === null || !Number.isFinite(ms) ? null : round(ms)
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
