// The smallest difference that the clauses of a run have to see, in milliseconds: how late a generator may send hangs on it
// (load-and-gates.md, 5.4; src/decisions/100). One rule for gates, load tests and the search for a capacity.
import type { Clause } from '../domain/clause.ts'
import { logMargin } from './relative.ts'

/** Of a fixed limit: nearer to it nobody needs to look. */
const SHARE_OF_LIMIT = 0.1

/**
 * @param oldMs what the old release takes at this quantile; null where that is not known
 * @returns null where no clause is about times
 */
export function smallestMarginMs(clauses: readonly Clause[], oldMs: (q: number) => number | null): number | null {
  const margins = clauses.flatMap(({ metric, limit }) => {
    if (metric.kind !== 'quantile' && metric.kind !== 'max') return []
    if (limit.against === 'bound') return [SHARE_OF_LIMIT * limit.value]
    if (limit.against !== 'baseline' || metric.kind !== 'quantile') return []
    const old = oldMs(metric.q)
    return old === null || !Number.isFinite(old) ? [] : [old * Math.expm1(logMargin(limit.margins, old))]
  })
  return margins.length === 0 ? null : Math.min(...margins)
}
