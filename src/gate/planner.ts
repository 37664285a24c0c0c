// Before anything is touched: which clauses make no sense here, which cannot be decided in the time given, and what would
// suffice (load-and-gates.md, 7.4). Part of `check`, `plan` and `gate plan`. Careful to turn every no into something to
// do: minutes, a rate, another clause.
import { type Clause, isRelative, showMetric } from '../domain/clause.ts'
import type { ImportCapabilities, ImportLevel } from '../domain/evidence.ts'
import type { GateSettings } from '../domain/gate.ts'
import { whyUnsupported } from './imports.ts'
import { type Need, type NeedContext, needOf } from './needs.ts'

export type PlannedClause = {
  readonly clause: string
  readonly mode: Clause['mode']
  readonly isDecidable: boolean
  readonly needsSeconds: number | null
  readonly needsRequests: number | null
  readonly smallestMargin: number | null
  readonly sentence: string
}

export type GatePlanning = {
  /** The gate is refused. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  readonly clauses: readonly PlannedClause[]
}

export type PlanningContext =
  | ({ readonly kind: 'load' } & Omit<NeedContext, 'confidence' | 'extend'>)
  /** Closed model: how many requests there will be is not known. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'import'; readonly level: ImportLevel; readonly capabilities: ImportCapabilities }
  | { readonly kind: 'other' }

/** Our histogram's bins are 1 % wide: what is smaller than two of them drowns in them. */
const SMALLEST_MARGIN = 0.02

export function planning(settings: GateSettings, context: PlanningContext): GatePlanning {
  const problems = [...contradictions(settings, context)]
  const warnings: string[] = []
  const clauses: PlannedClause[] = []
  if (context.kind === 'load' && problems.length === 0) {
    const needs: NeedContext = { ...context, confidence: settings.confidence, extend: settings.onInconclusive.extend }
    for (const clause of settings.pass) {
      const need = needOf(clause, needs)
      const planned = plannedClause(clause, need, needs)
      clauses.push(planned)
      if (planned.isDecidable) continue
      if (clause.mode === 'gate') problems.push(planned.sentence)
      else if (clause.mode === 'warn') warnings.push(planned.sentence)
    }
    const comparing = settings.pass.filter((clause) => isRelative(clause) && clause.mode === 'gate')
    if (comparing.length > 5)
      warnings.push(`${comparing.length} clauses compare: each makes the others slower to decide; \`mode: warn\` takes one out`)
    if (comparing.some((clause) => clause.metric.kind === 'quantile') && context.calibration === null) {
      warnings.push('without a calibration small differences between releases cannot be told from differences between hosts')
    }
  }
  return { problems, warnings, clauses }
}

function plannedClause(clause: Clause, need: Need | null, context: NeedContext): PlannedClause {
  const base = { clause: clause.text, mode: clause.mode }
  if (need === null) {
    return {
      ...base,
      isDecidable: true,
      needsSeconds: null,
      needsRequests: null,
      smallestMargin: null,
      sentence: `${clause.text}: needs no particular time`,
    }
  }
  const given = context.atMostSeconds
  const isDecidable = need.seconds <= given
  const guess = need.guess === null ? '' : ` (${need.guess})`
  const numbers = {
    needsSeconds: Number.isFinite(need.seconds) ? need.seconds : null,
    needsRequests: Number.isFinite(need.requests) ? need.requests : null,
    smallestMargin: need.smallestMargin,
  }
  const sentence = isDecidable
    ? `${clause.text}: decidable in ${time(given)}, needs about ${time(need.seconds)}${guess}`
    : `${clause.text} cannot be decided in ${time(given)} at ${round(context.ratePerArm)}/s: ${remedy(clause, need, context)}${guess}`
  return { ...base, isDecidable, ...numbers, sentence }
}

function remedy(clause: Clause, need: Need, context: NeedContext): string {
  const { kind } = clause.metric
  if (need.isHostBound) {
    return context.calibration === null
      ? `hosts differ by about ${percent(context.confidence.hostEffect === 'ignore' ? 0 : context.confidence.hostEffect)}; calibrate, or set a smaller host_effect with evidence`
      : `how much the hosts differ is not known well enough; calibrate for longer, or allow ${allow(clause, need)}`
  }
  const options = [`plan about ${time(need.seconds)}`]
  // Requests alone decide absolute clauses and shares; for a ratio a higher rate helps only a little.
  if (!isRelative(clause) || kind === 'errors' || kind === 'slow')
    options.push(`or ${round((context.ratePerArm * need.seconds) / context.atMostSeconds)}/s`)
  if (need.smallestMargin !== null) options.push(`or allow ${allow(clause, need)}`)
  if (clause.metric.kind === 'quantile' && clause.metric.q > 0.95 && isRelative(clause))
    options.push('or use the slow share (`slow <= baseline + 1pp`)')
  return options.join(', ')
}

/** The smallest margin that can be decided, rounded up to something a person would write. */
function allow(clause: Clause, need: Need): string {
  const share = need.smallestMargin ?? 0
  const isRatio = clause.metric.kind === 'quantile'
  const step = share >= 0.1 || isRatio ? 0.01 : share >= 0.01 ? 0.001 : 0.0001
  return `+ ${round(Math.ceil(share / step - 1e-9) * step * 100)}${isRatio ? '%' : 'pp'}`
}

/** What cannot work whatever the time: the wrong source, nothing to compare with, nothing asked. */
function contradictions(settings: GateSettings, context: PlanningContext): readonly string[] {
  const { source, pass } = settings
  switch (source.kind) {
    case 'approval':
    case 'command':
      return pass.length === 0
        ? []
        : [`a gate of kind ${source.kind} has no clauses: the ${source.kind === 'approval' ? 'answer' : 'exit code'} decides`]
    case 'prometheus': {
      const wanted = source.burn === null ? 'value' : 'burn'
      const wrong = pass
        .filter((clause) => clause.metric.kind !== wanted)
        .map((clause) => `${clause.text}: a query is judged by \`value < 1\` or a burn rate`)
      return pass.length === 0 && source.burn === null ? ['nothing is asked: add a clause such as `value < 1`'] : wrong
    }
    case 'import': {
      if (pass.length === 0) return ['nothing is asked: add a clause such as `p95 < 300ms`']
      return context.kind === 'import' ? pass.flatMap((clause) => whyUnsupported(clause, context.level, context.capabilities) ?? []) : []
    }
    case 'load':
      if (pass.length === 0) return ['nothing is asked: add a clause such as `p95 < 300ms`']
      // Another tool sends it: what its result will say is known.
      if (context.kind === 'import') return pass.flatMap((clause) => whyUnsupported(clause, context.level, context.capabilities) ?? [])
      return pass.flatMap((clause) => loadProblem(clause, source.baseline !== null, context) ?? [])
    default:
      return source satisfies never
  }
}

function loadProblem(clause: Clause, hasBaseline: boolean, context: PlanningContext): string | null {
  const { metric, limit } = clause
  if (metric.kind === 'value' || metric.kind === 'burn')
    return `${clause.text}: ${metric.kind} is what a Prometheus query answers, not a load`
  if (isRelative(clause) && !hasBaseline)
    return `${clause.text}: compares with the old release, but the gate has no \`against: { baseline: … }\``
  if (isRelative(clause) && context.kind === 'closed' && metric.kind !== 'capacity')
    return `${clause.text}: compares pairs of arrivals, which the closed model (connections) has not; give the load a rate`
  if (limit.against === 'offered' && context.kind === 'closed')
    return `${clause.text}: the closed model (connections) offers nothing at a rate`
  if (metric.kind === 'slow' && metric.aboveMs === null && context.kind === 'load' && context.calibration === null)
    return `${clause.text}: what is slow needs a calibration, or \`above: 300ms\``
  if (
    limit.against === 'baseline' &&
    metric.kind === 'quantile' &&
    limit.margins.every((margin) => margin.kind === 'percent' && margin.share < SMALLEST_MARGIN)
  )
    return `${clause.text}: times are counted in steps of 1 %, so ${showMetric(metric)} cannot be compared to less than ${percent(SMALLEST_MARGIN)}`
  return null
}

function time(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  return seconds < 7200 ? `${round(Math.ceil(seconds / 6) / 10)} min` : `${round(Math.ceil(seconds / 360) / 10)} h`
}

function percent(share: number): string {
  return `${round(share * 100)} %`
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}
