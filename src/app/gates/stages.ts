// Evidence over the stages of a rollout (load-and-gates.md, 8.4): each gate that compared says how much slower its hosts
// are; put together with random effects this tells a bad host from a bad release.
import type { RequestEvidence } from '../../domain/evidence.ts'
import type { GateReport } from '../../domain/gate.ts'
import type { HostName } from '../../domain/host.ts'
import { type HostEffect, pool } from '../../gate/pool.ts'

/** Of one gate: by clause, what its hosts showed. */
export type StageEffects = { readonly clauses: ReadonlyMap<string, HostEffect> }

/** Of a one-sided limit at about 95 %: nearer than that the levels of a look do not matter here. */
const Z = 1.645

/** null: it compared no times. */
export function stageEffects(report: GateReport, evidence: RequestEvidence, hosts: readonly HostName[]): StageEffects | null {
  const clauses = new Map<string, HostEffect>()
  const host = evidence.plan.arms.canary.join(', ') || hosts.join(', ')
  for (const { clause, unit, estimate, high } of report.clauses) {
    if (unit !== 'ratio' || estimate === null || high === null) continue
    const theta = Math.log1p(estimate)
    clauses.set(clause, { host, theta, se: (Math.log1p(high) - theta) / Z })
  }
  return clauses.size === 0 ? null : { clauses }
}

/** One sentence for each clause that several stages measured. */
export function sayStages(stages: readonly StageEffects[]): readonly string[] {
  if (stages.length < 2) return []
  const names = new Set(stages.flatMap(({ clauses }) => [...clauses.keys()]))
  return [...names].flatMap((name) => {
    const effects = stages.flatMap(({ clauses }) => clauses.get(name) ?? [])
    const pooled = effects.length < 2 ? null : pool(effects)
    if (pooled === null) return []
    const at = (theta: number): string => `${theta < 0 ? '' : '+'}${(100 * Math.expm1(theta)).toFixed(1)} %`
    const interval = `${at(pooled.theta - 1.96 * pooled.se)} to ${at(pooled.theta + 1.96 * pooled.se)}`
    const odd = pooled.oddHosts.length === 0 ? '' : `; ${pooled.oddHosts.join(', ')} differs from the others: look at that host`
    return [`over ${effects.length} stages, ${name}: ${at(pooled.theta)} (${interval})${odd}`]
  })
}
