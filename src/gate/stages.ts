// Evidence over the stages of a rollout (load-and-gates.md, 8.4): each gate that compared times says how much slower every one
// of its new hosts is; put together with random effects this tells a bad host from a bad release. Careful to count nobody
// twice: a host that was measured again (another stage, a resume) counts as it was seen last.
import type { RequestEvidence } from '../domain/evidence.ts'
import type { ClauseEffects, GatePlan, GateReport, StageEstimate } from '../domain/gate.ts'
import { cutBlocks } from './blocks.ts'
import { logRatios } from './bootstrap.ts'
import { SHORTEST_BLOCK, shrink } from './calibration.ts'
import { normalLimit } from './distributions.ts'
import { pool } from './pool.ts'
import { createDraw } from './random.ts'
import { timelineOf } from './seconds.ts'

/** Of one gate: by clause that compares times, what each new host showed. Empty: it compared none, or could not. */
export function effectsOf(report: GateReport, evidence: RequestEvidence): readonly ClauseEffects[] {
  const { plan } = evidence
  const [only, ...more] = plan.arms.canary
  return report.clauses.flatMap(({ clause, unit, estimate, se }) => {
    const asked = plan.clauses.find((one) => one.text === clause)
    if (unit !== 'ratio' || estimate === null || se === undefined || only === undefined || asked?.metric.kind !== 'quantile') return []
    const { q } = asked.metric
    // The arm is the host: the judge has worked it out already.
    const hosts =
      more.length === 0
        ? [{ host: only, theta: Math.log1p(estimate), se }]
        : plan.arms.canary.flatMap((host) => oneOf(host, q, report, evidence) ?? [])
    return hosts.length === 0 ? [] : [{ clause, hosts }]
  })
}

/** One host of an arm against all old ones. How much it differed before is not known of it alone, so tau is added whole. */
function oneOf(host: string, q: number, { counted }: GateReport, { plan, calibration, slices }: RequestEvidence) {
  const arms: GatePlan['arms'] = { canary: [host], old: plan.arms.old }
  const timeline = timelineOf(slices, arms).slice(0, counted === undefined ? undefined : counted.to - counted.from)
  const blocks = cutBlocks(timeline, plan.blockSeconds ?? calibration?.blockSeconds ?? SHORTEST_BLOCK)
  const [ratio] = logRatios(blocks, [q], { resamples: plan.resamples, draw: createDraw(`${plan.seed}/${host}`) })
  if (ratio === undefined || ratio.canaryFails || ratio.oldFails) return null
  const { hostEffect } = plan.confidence
  const { theta, se } = shrink(ratio, null, hostEffect === 'ignore' ? 0 : hostEffect)
  return Number.isFinite(theta) && Number.isFinite(se) ? { host, theta, se } : null
}

/** @param stages of one gate, oldest first. @returns one estimate for each clause that several stages measured */
export function poolStages(stages: readonly (readonly ClauseEffects[])[]): readonly StageEstimate[] {
  const clauses = [...new Set(stages.flatMap((stage) => stage.map(({ clause }) => clause)))]
  return clauses.flatMap((clause) => {
    const measured = stages.flatMap((stage) => stage.filter((one) => one.clause === clause))
    const latest = new Map(measured.flatMap(({ hosts }) => hosts.map((one) => [one.host, one] as const)))
    const pooled = measured.length < 2 || latest.size < 2 ? null : pool([...latest.values()])
    if (pooled === null) return []
    const reach = normalLimit(LEVEL) * pooled.se
    return [
      {
        ...{ clause, stages: measured.length, hosts: latest.size, estimate: Math.expm1(pooled.theta) },
        ...{ low: Math.expm1(pooled.theta - reach), high: Math.expm1(pooled.theta + reach), oddHosts: pooled.oddHosts },
      },
    ]
  })
}

/** On each side. */
const LEVEL = 0.025

/** `over 3 stages and 7 hosts, p95 <= baseline + 15%: +2.1 % (-0.4 % to +4.7 %)`. */
export function stageWords({ clause, stages, hosts, estimate, low, high, oddHosts }: StageEstimate): string {
  const at = (ratio: number): string => `${ratio < 0 ? '' : '+'}${(100 * ratio).toFixed(1)} %`
  const [odd] = oddHosts
  const who =
    odd === undefined
      ? ''
      : `; ${oddHosts.join(', ')} ${oddHosts.length === 1 ? 'differs' : 'differ'} from the others: look at ${oddHosts.length === 1 ? 'that host' : 'those hosts'}`
  return `over ${stages} stages and ${hosts} hosts, ${clause}: ${at(estimate)} (${at(low)} to ${at(high)})${who}`
}
