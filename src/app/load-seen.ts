// What was seen of a clause in a run, as a plain number: for a search that asks again and again and confirms what it found,
// and needs no statement about chance. A gate never believes it (gate/absolute.ts does that work).
import { type Clause, showMetric } from '../domain/clause.ts'
import { BIN_COUNT, binOf, emptyHistogram, mergeInto, quantile } from '../domain/histogram.ts'
import { failuresOf, type Slice } from '../domain/slice.ts'

/** Clauses whose numbers requests give, against a fixed bound. */
export function canBeSeen({ metric, limit }: Clause): boolean {
  if (limit.against !== 'bound') return false
  return metric.kind === 'slow' ? metric.aboveMs !== null : ['quantile', 'max', 'errors', 'rps'].includes(metric.kind)
}

/** @returns what breaks the clause, for a person; null: it holds */
export function brokenBy(clause: Clause, slices: readonly Slice[], measuredMs: number): string | null {
  const { metric, limit } = clause
  if (limit.against !== 'bound') return null
  const seen = numberOf(metric, slices, measuredMs)
  const shown =
    metric.kind === 'errors' || metric.kind === 'slow'
      ? `${(seen * 100).toFixed(2)} %`
      : metric.kind === 'rps'
        ? `${seen.toFixed(1)}/s`
        : Number.isFinite(seen)
          ? `${seen.toFixed(1)} ms`
          : 'a request that failed'
  return compare(seen, clause.is, limit.value) ? null : `${clause.text}: ${showMetric(metric)} is ${shown}`
}

function numberOf(metric: Clause['metric'], slices: readonly Slice[], measuredMs: number): number {
  const measured = slices.filter((slice) => slice.warmup !== true)
  const response = emptyHistogram()
  let [failures, done] = [0, 0]
  for (const slice of measured) {
    mergeInto(response, slice.response)
    failures += failuresOf(slice)
    done += slice.done
  }
  const all = done + failures
  switch (metric.kind) {
    case 'quantile':
      // Nothing at all is slower than anything.
      return quantile(response, metric.q, failures) ?? Number.POSITIVE_INFINITY
    case 'max':
      return quantile(response, 1, failures) ?? Number.POSITIVE_INFINITY
    case 'errors':
      return all === 0 ? 1 : failures / all
    case 'slow': {
      let slow = failures
      for (let bin = binOf(metric.aboveMs ?? 0); bin < BIN_COUNT; bin += 1) slow += response[bin] ?? 0
      return all === 0 ? 1 : slow / all
    }
    case 'rps':
      return measuredMs > 0 ? (done * 1000) / measuredMs : 0
    case 'value':
    case 'burn':
    case 'capacity':
    case 'restart.lost':
      return Number.NaN
    default:
      return metric satisfies never
  }
}

function compare(seen: number, is: Clause['is'], bound: number): boolean {
  switch (is) {
    case '<':
      return seen < bound
    case '<=':
      return seen <= bound
    case '>':
      return seen > bound
    case '>=':
      return seen >= bound
    case '=':
      return seen === bound
    default:
      return is satisfies never
  }
}
