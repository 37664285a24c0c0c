// Before anything is touched: which clauses make no sense here, which cannot be decided in the time given, and what would
// suffice (load-and-gates.md, 7.4). Part of `check`, `plan` and `gate plan`. Careful to turn every no into something to
// do: minutes, a rate, another clause.
import { type Clause, isRelative } from '../domain/clause.ts'
import type { ImportCapabilities, ImportLevel } from '../domain/evidence.ts'
import type { GateSettings } from '../domain/gate.ts'
import { type Answers, type Asking, whyUnanswerable } from './answerable.ts'
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
  | ({ readonly kind: 'load'; readonly hasProbe: boolean } & Omit<NeedContext, 'confidence' | 'extend'>)
  /** Closed model: how many requests there will be is not known. */
  | { readonly kind: 'closed'; readonly hasProbe: boolean }
  | { readonly kind: 'import'; readonly level: ImportLevel; readonly capabilities: ImportCapabilities }
  | { readonly kind: 'other' }

export function planning(settings: GateSettings, context: PlanningContext): GatePlanning {
  const problems = [...unanswerable(settings, context)]
  if (problems.length > 0 || (context.kind !== 'load' && context.kind !== 'import')) return { problems, warnings: [], clauses: [] }
  const { clauses, warnings } =
    context.kind === 'load' ? ownClauses(settings, context) : { clauses: importedClauses(settings), warnings: [] }
  for (const { mode, sentence, isDecidable } of clauses) {
    if (isDecidable) continue
    if (mode === 'gate') problems.push(sentence)
    else if (mode === 'warn') warnings.push(sentence)
  }
  return { problems, warnings: [...warnings, ...comparisonWarnings(settings, context)], clauses }
}

type Clauses = { readonly clauses: readonly PlannedClause[]; readonly warnings: string[] }

function ownClauses(settings: GateSettings, context: Extract<PlanningContext, { kind: 'load' }>): Clauses {
  const given: NeedContext = { ...context, confidence: settings.confidence, extend: settings.onInconclusive.extend }
  const needs = settings.pass.map((clause) => ({ clause, need: needOf(clause, given) }))
  return {
    clauses: needs.map(({ clause, need }) => plannedClause(clause, need, given)),
    warnings: needs.flatMap(({ clause, need }) => (clause.mode === 'shadow' ? [] : failingWords(clause, need?.ifFailing, given))),
  }
}

/** Enough where nothing fails, and too little where the old release fails now and then. */
function failingWords(clause: Clause, ifFailing: Need['ifFailing'], context: NeedContext): readonly string[] {
  if (ifFailing === undefined || ifFailing.seconds <= context.atMostSeconds) return []
  const { share, requests, seconds } = ifFailing
  const rate = round((context.ratePerArm * seconds) / context.atMostSeconds)
  return [
    `${clause.text}: where the old release fails in ${percent(share)} of its requests about ${round(requests)} requests for each are needed: plan about ${time(seconds)}, or ${rate}/s`,
  ]
}

/** How long another tool runs and how much it sends is not known here: only what no length of time could decide. */
const ENDLESS = { atLeastSeconds: 1e9, atMostSeconds: 1e9, ratePerArm: 1e6, calibration: null, extend: 0 } as const

function importedClauses({ pass, confidence }: GateSettings): readonly PlannedClause[] {
  const context: NeedContext = { ...ENDLESS, confidence: { ...confidence, looks: 1 } }
  return pass.flatMap((clause) => {
    const need = needOf(clause, context)
    if (need?.isHostBound !== true) return []
    const differ = `hosts differ by about ${percent(confidence.hostEffect === 'ignore' ? 0 : confidence.hostEffect)}, and the result of another tool has no calibration`
    const sentence = `${clause.text} cannot be decided: ${differ}; set a smaller confidence.host_effect with evidence, or allow ${allow(clause, need)}`
    const base = { clause: clause.text, mode: clause.mode, isDecidable: false, needsSeconds: null, needsRequests: null }
    return [{ ...base, smallestMargin: need.smallestMargin, sentence }]
  })
}

function comparisonWarnings(settings: GateSettings, context: PlanningContext): readonly string[] {
  if (context.kind !== 'load') return []
  const comparing = settings.pass.filter((clause) => isRelative(clause) && clause.mode === 'gate')
  const isUncalibrated = context.calibration === null && comparing.some((clause) => clause.metric.kind === 'quantile')
  return [
    ...(comparing.length > 5
      ? [`${comparing.length} clauses compare: each makes the others slower to decide; \`mode: warn\` takes one out`]
      : []),
    ...(isUncalibrated ? ['without a calibration small differences between releases cannot be told from differences between hosts'] : []),
  ]
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
  // Where only time lacks, as much is allowed already.
  const isMarginShort = need.smallestMargin !== null && need.margin !== null && need.smallestMargin > need.margin
  if (isMarginShort) options.push(`or allow ${allow(clause, need)}`)
  if (isMarginShort && clause.metric.kind === 'quantile' && clause.metric.q > 0.95)
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

/**
 * What cannot work whatever the time: the wrong source, nothing to compare with, nothing asked.
 * @param asking `alone`: by hand, where nothing is restarted and nobody is taken out of rotation
 */
export function unanswerable(
  settings: GateSettings,
  context: PlanningContext,
  asking: Exclude<Asking, 'load'> = 'gate',
): readonly string[] {
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
      if (context.kind === 'other') return []
      return pass.flatMap((clause) => loadProblem(clause, answersOf(settings, context, asking)) ?? [])
    default:
      return source satisfies never
  }
}

type OwnLoad = Extract<PlanningContext, { kind: 'load' | 'closed' }>

function answersOf({ source }: GateSettings, context: OwnLoad, asking: Asking): Answers {
  const baseline = source.kind === 'load' ? source.baseline : null
  return {
    asking,
    isClosed: context.kind === 'closed',
    hasBaseline: baseline !== null,
    // By hand one that was made before is used, where there is one.
    hasCalibration: context.kind === 'load' && context.calibration !== null,
    hasProbe: context.hasProbe,
    isPairAlone: source.kind === 'load' && source.when === 'isolated' && baseline?.kind === 'drained-peer',
  }
}

function loadProblem(clause: Clause, answers: Answers): string | null {
  const found = whyUnanswerable(clause, answers)
  // What only warns may stay unanswered where a gate is tried by hand: the rollout will answer it.
  const isOfRollout = clause.metric.kind === 'restart.lost' || clause.metric.kind === 'capacity'
  if (found === null || (answers.asking === 'alone' && isOfRollout && clause.mode !== 'gate')) return null
  return `${found.why}; ${found.fix}`
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
