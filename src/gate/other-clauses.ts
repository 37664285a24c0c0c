// Clauses of a load gate that rest on something else than its paired requests: what the restarts lost, how much the new
// release carries, what past passes measured. Careful about emptiness: nothing sent, no burst, no pass is never a yes.
import type { Clause } from '../domain/clause.ts'
import type { CapacityEvidence, PastPass, RestartEvidence } from '../domain/evidence.ts'
import type { Levels } from './absolute.ts'
import { judgeEstimate } from './decide.ts'
import { type Finding, unjudged } from './finding.ts'
import { spread } from './shares.ts'
import { median } from './steady.ts'

/** Fewer pairs of bursts have no spread worth the name. */
const FEWEST_BURSTS = 3

export function judgeRestart(clause: Clause, restart: RestartEvidence | null): Finding {
  const bound = clause.limit.against === 'bound' ? clause.limit.value : 0
  if (restart === null) return unjudged('count', 'invalid', 'no probe ran while the hosts restarted', bound)
  if (restart.sent === 0) return unjudged('count', 'invalid', 'the probe sent nothing while the hosts restarted', bound)
  const { lost } = restart
  const keeps = clause.is === '<' ? lost < bound : clause.is === '=' ? lost === bound : lost <= bound
  return {
    ...{
      unit: 'count',
      estimate: lost,
      low: lost,
      high: lost,
      bound,
      state: keeps ? 'pass' : 'fail',
      basis: `${lost} of ${restart.sent} requests`,
    },
    ...(restart.losses.length === 0 ? {} : { note: restart.losses.slice(0, 3).join('; ') }),
  }
}

/** How much less it carries is judged like how much slower it is: the log of old over new against the allowed loss. */
export function judgeCapacity(clause: Clause, capacity: CapacityEvidence | null, levels: Levels): Finding {
  const margin = clause.limit.against === 'baseline' && clause.limit.margins[0].kind === 'percent' ? clause.limit.margins[0].share : 0
  const bound = 1 + margin
  if (capacity === null || capacity.bursts.length === 0) return unjudged('ratio', 'invalid', 'no burst was measured', bound)
  if (capacity.distrust.length > 0) return unjudged('ratio', 'invalid', capacity.distrust.join('; '), bound)
  if (capacity.bursts.some(({ old }) => !(old > 0)))
    return unjudged('ratio', 'invalid', 'the old release answered nothing in a burst', bound)
  if (capacity.bursts.every(({ canary }) => !(canary > 0))) {
    return { unit: 'ratio', estimate: 0, low: 0, high: 0, bound, state: 'fail', basis: `${capacity.bursts.length} pairs of bursts` }
  }
  const losses = capacity.bursts.map(({ canary, old }) => Math.log(old / Math.max(canary, Number.MIN_VALUE)))
  const { mean, deviation } = spread(losses)
  const enough = losses.length >= FEWEST_BURSTS
  const estimate = {
    estimate: mean,
    se: enough ? Math.max(deviation / Math.sqrt(losses.length), 1e-6) : Number.NaN,
    degrees: losses.length - 1,
  }
  const judged = judgeEstimate({ ...estimate, margin: -Math.log(bound) }, levels)
  // No loss allowed at all cannot be shown; `>= 100%` asks for what no measurement gives.
  return {
    ...{ unit: 'ratio', estimate: Math.exp(-mean), low: finite(Math.exp(-judged.high)), high: finite(Math.exp(-judged.low)), bound },
    ...{ state: judged.state, basis: `${losses.length} pairs of bursts` },
    ...(enough ? {} : { note: `${losses.length} pairs of bursts; at least ${FEWEST_BURSTS} are needed` }),
  }
}

/**
 * The limit that the last passes set: the middle one of them, with the margin. null: none is recorded yet, so the clause
 * is only shown, or no first pass could ever be recorded.
 */
export function boundFromPasses(clause: Clause, passes: readonly PastPass[]): { readonly bound: number; readonly of: number } | null {
  const { limit, metric } = clause
  if (limit.against !== 'passes') return null
  const values = passes
    .slice(0, limit.count)
    .map((pass) => (metric.kind === 'errors' ? pass.errors : metric.kind === 'quantile' ? pass.quantilesMs[String(metric.q)] : undefined))
    .filter((value) => value !== undefined)
  if (values.length === 0) return null
  const middle = median(values)
  const bounds = limit.margins.map((margin) =>
    margin.kind === 'percent' ? middle * (1 + margin.share) : margin.kind === 'ms' ? middle + margin.ms : middle + margin.share,
  )
  return { bound: Math.max(...bounds), of: values.length }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
