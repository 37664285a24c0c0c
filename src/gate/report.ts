// From findings to the document that scripts and people see. Careful that the reason names what decided it: the clause
// that failed, the clause that could not say, the cause of distrust.
import { showMetric } from '../domain/clause.ts'
import type { GateVerdict } from '../domain/event.ts'
import type { ClauseResult, Counted, GatePlan, GateReport, StoppedBy } from '../domain/gate.ts'
import type { State } from './decide.ts'
import type { Evaluation, Judgement, SeenSecond } from './evaluate.ts'
import type { Finding } from './finding.ts'
import type { Look } from './looks.ts'
import { type At, sentenceOf, showAt } from './sentence.ts'
import { summariseTargets } from './targets.ts'

export type Ending = {
  readonly verdict: GateVerdict
  readonly reason: string
  readonly stoppedBy: StoppedBy
}

export function reportOf(
  plan: GatePlan,
  ending: Ending,
  evaluation: Evaluation,
  look: Look | null,
  seconds: readonly SeenSecond[],
  warnings: readonly string[],
): GateReport {
  const at: At = { look, seconds: seconds.length }
  const { validity } = evaluation
  return {
    gate: plan.gate,
    ...ending,
    clauses: evaluation.judgements.map((judgement) => resultOf(judgement, at, subjectOf(plan))),
    look: look === null ? null : { at: look.index, of: look.of, seconds: look.second },
    validity: {
      sendLagP99Ms: validity.sendLagP99Ms,
      cpu: validity.cpu,
      maskedSeconds: validity.masked.filter(Boolean).length,
      reasons: validity.reasons,
    },
    targets: summariseTargets(
      seconds.flatMap((second) => second.slices),
      seconds.length,
      [...plan.arms.canary, ...plan.arms.old],
    ),
    warnings: [...warnings, ...ownWarnings(evaluation.judgements, at, subjectOf(plan))],
    counted: countedOver(seconds),
  }
}

function countedOver(seconds: readonly SeenSecond[]): Counted {
  const [first] = seconds.flatMap((second) => second.slices)
  const from = first?.second ?? 0
  return { from, to: from + seconds.length, isWarmup: first?.warmup === true }
}

export function resultOf({ clause, finding, counts }: Judgement, at: At | null, subject: string): ClauseResult {
  const { unit, estimate, low, high, bound, note, shown, se } = finding
  return {
    id: clause.text
      .toLowerCase()
      .replace(/[^a-z0-9.]+/g, '-')
      .replace(/^-|-$/g, ''),
    clause: clause.text,
    mode: clause.mode === 'gate' && !counts ? 'warn' : clause.mode,
    source: clause.metric.kind === 'restart.lost' ? 'probe' : 'load',
    ...{ unit, estimate, low, high, bound, verdict: verdictOf(finding.state), look: at?.look?.index ?? null },
    sentence: sentenceOf(clause, finding, at, clause.metric.kind === 'restart.lost' ? '' : subject),
    ...(note === undefined ? {} : { note }),
    ...(shown === undefined ? {} : { shown }),
    ...(se === undefined ? {} : { se }),
  }
}

export function verdictOf(state: State | 'invalid'): GateVerdict {
  return state === 'pass' || state === 'fail' || state === 'invalid' ? state : 'inconclusive'
}

/** Why it passed, failed or could not say, from the clauses that count. */
export function reasonOf(judgements: readonly Judgement[], verdict: GateVerdict, at: At | null, subject: string): string {
  const counting = judgements.filter((judgement) => judgement.counts)
  const deciding = counting.filter(({ finding }) => verdictOf(finding.state) === verdict)
  const sentences = deciding.map(({ clause, finding }) =>
    sentenceOf(clause, finding, at, clause.metric.kind === 'restart.lost' ? '' : subject),
  )
  const [first = 'nothing was asked'] = sentences
  if (verdict !== 'pass') return sentences.length > 1 ? `${first}; and ${sentences.length - 1} more` : first
  const when = at === null ? '' : ` ${showAt(at)}`
  if (counting.length === 1) return first
  const slower = sentences.filter((sentence) => sentence.includes(' by '))
  return `${counting.length} clauses hold${when}${slower.length === 0 ? '' : `; ${slower.join('; ')}`}`
}

/**
 * How a gate ends in which no clause counts, because all only warn, are shadows or wait for a first pass. It passes when
 * what it asked for was measured, and says that nothing counts; what was not measured is no yes in any mode.
 */
export function endingUncounted(
  judgements: readonly Judgement[],
  at: At | null,
  subject: string,
): { readonly verdict: GateVerdict; readonly reason: string } {
  const [first] = judgements
  if (first === undefined) return { verdict: 'invalid', reason: 'nothing was asked' }
  if (judgements.every(({ finding }) => wasNotMeasured(finding))) {
    const verdicts = judgements.map(({ finding }) => verdictOf(finding.state))
    const verdict = (['invalid', 'fail'] as const).find((one) => verdicts.includes(one)) ?? 'inconclusive'
    const saying = judgements.find(({ finding }) => verdictOf(finding.state) === verdict) ?? first
    return { verdict, reason: sentenceOf(saying.clause, saying.finding, at, subject) }
  }
  const when = at === null ? '' : ` ${showAt(at)}`
  const waiting = judgements.flatMap(({ clause, finding }) =>
    finding.isOnlyShown === undefined ? [] : [`${showMetric(clause.metric)}: ${finding.isOnlyShown}`],
  )
  return { verdict: 'pass', reason: `no clause counts: ${waiting[0] ?? 'all only warn or are shadows'}${when}` }
}

/** A quantile that lies on failures has no number, and was measured. */
function wasNotMeasured({ state, estimate, shown, isOnlyShown }: Finding): boolean {
  return state === 'invalid' || (estimate === null && shown === undefined && isOnlyShown === undefined)
}

export function subjectOf(plan: Pick<GatePlan, 'arms'>): string {
  return plan.arms.old.length > 0 ? 'canary' : ''
}

function ownWarnings(judgements: readonly Judgement[], at: At, subject: string): readonly string[] {
  return judgements.flatMap(({ clause, finding, counts }) => {
    if (counts || clause.mode === 'shadow') return []
    if (finding.isOnlyShown !== undefined) return [`${showMetric(clause.metric)}: ${finding.isOnlyShown}`]
    return finding.state === 'pass' ? [] : [sentenceOf(clause, finding, at, subject)]
  })
}
