// What is kept of a gate that passed, so that later ones can compare with it (`p95 <= last 5 passes + 10%`). Only a pass
// by evidence is kept: one that a policy waved through would make its slowness the measure.
import type { PastPass, RequestEvidence } from '../domain/evidence.ts'
import type { GateReport } from '../domain/gate.ts'
import { emptyHistogram, mergeInto, quantile } from '../domain/histogram.ts'
import { failuresOf } from '../domain/slice.ts'

const STANDARD = [0.5, 0.9, 0.95, 0.99]

/** @param at when, ISO 8601 @returns null for anything but a pass */
export function pastPassOf(
  report: Pick<GateReport, 'verdict'>,
  evidence: Pick<RequestEvidence, 'plan' | 'slices'>,
  at: string,
): PastPass | null {
  if (report.verdict !== 'pass') return null
  const histogram = emptyHistogram()
  let failures = 0
  let arrivals = 0
  for (const slice of evidence.slices) {
    if (slice.warmup === true || !evidence.plan.arms.canary.includes(slice.target)) continue
    mergeInto(histogram, slice.response)
    failures += failuresOf(slice)
    arrivals += slice.done + failuresOf(slice)
  }
  if (arrivals === 0) return null
  const asked = evidence.plan.clauses.flatMap(({ metric }) => (metric.kind === 'quantile' ? [metric.q] : []))
  const quantilesMs = [...new Set([...STANDARD, ...asked])].flatMap((q) => {
    const value = quantile(histogram, q, failures)
    // A quantile that lay on failures is no measure for anybody.
    return value === null || !Number.isFinite(value) ? [] : [[String(q), value] as const]
  })
  return { at, quantilesMs: Object.fromEntries(quantilesMs), errors: failures / arrivals }
}
