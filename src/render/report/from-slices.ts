// What reports read out of slices without judging anything: where the warm-up ended, what counts as slow.
import type { Clause } from '../../domain/clause.ts'
import type { Counted } from '../../domain/gate.ts'
import type { ReportMarker } from '../../domain/report.ts'
import type { Slice } from '../../domain/slice.ts'

/** The first measured second, where something was sent before it. */
export function warmupMarkers(slices: readonly Slice[]): readonly ReportMarker[] {
  let warmed = false
  let first = Number.POSITIVE_INFINITY
  for (const { warmup, second } of slices)
    if (warmup === true) warmed = true
    else first = Math.min(first, second)
  return warmed && Number.isFinite(first) ? [{ second: first, kind: 'phase', label: 'measurement begins' }] : []
}

/** Whether a slice is part of what was judged: neither warm-up nor seen after the verdict. */
export function counts({ warmup = false, second }: Slice, { counted }: { readonly counted: Counted | null }): boolean {
  if (counted === null) return !warmup
  return warmup === counted.isWarmup && second >= counted.from && second < counted.to
}

/** What a clause says that slow is, else what the calibration found; null: nobody said. */
export function slowAbove(clauses: readonly Clause[], calibrated: number | null): number | null {
  for (const { metric } of clauses) if (metric.kind === 'slow' && metric.aboveMs !== null) return metric.aboveMs
  return calibrated
}
