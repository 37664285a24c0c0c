// Stored evidence judged again: as it was (does the verdict follow from what was kept?), and with other margins (what would
// it have said?). Careful to be no second chance: nothing here changes what a rollout did or may do.
import { type Clause, type Metric, showMetric } from '../domain/clause.ts'
import { parseClause } from '../domain/clause-parse.ts'
import type { Evidence } from '../domain/evidence.ts'
import type { GateRecord, GateReport } from '../domain/gate.ts'
import { judge } from './judge.ts'

export type Explanation = {
  readonly report: GateReport
  /** What is different from the report that was kept; empty: it follows from the evidence. */
  readonly differences: readonly string[]
}

export function explain(record: GateRecord, clauses: readonly Clause[]): Explanation {
  const report = judge({ name: record.gate, pass: clauses }, record.evidence)
  const differences: string[] = []
  if (report.verdict !== record.report.verdict) differences.push(`the verdict was ${record.report.verdict}, and is ${report.verdict} now`)
  const kept = new Map(record.report.clauses.map((clause) => [clause.id, clause]))
  for (const clause of report.clauses) {
    const before = kept.get(clause.id)
    if (before === undefined) differences.push(`${clause.clause}: was not judged`)
    else if (before.verdict !== clause.verdict) differences.push(`${clause.clause}: was ${before.verdict}, is ${clause.verdict} now`)
    else if (!isNear(before.estimate, clause.estimate))
      differences.push(`${clause.clause}: was ${before.estimate}, is ${clause.estimate} now`)
  }
  return { report, differences }
}

export type Changed = { readonly clauses: readonly Clause[] } | { readonly problem: string }

/** @param changes `p95=+10%`, `errors=0.2%`, `slow=+2pp`: a margin where it begins with `+`, else a limit */
export function withMargins(clauses: readonly Clause[], changes: readonly string[]): Changed {
  let result = clauses
  for (const change of changes) {
    const cut = /^\s*([^=\s]+)\s*=\s*(.+?)\s*$/.exec(change)
    if (cut === null) return { problem: `"${change}" is not METRIC=LIMIT, such as p95=+10% or errors=0.2%` }
    const [, name = '', limit = ''] = cut
    const isMargin = limit.startsWith('+')
    const matching = result.filter((clause) => showMetric(clause.metric) === name && (clause.limit.against === 'baseline') === isMargin)
    if (matching.length === 0) {
      const known = [
        ...new Set(result.map((clause) => `${showMetric(clause.metric)}${clause.limit.against === 'baseline' ? ' (margin, +…)' : ''}`)),
      ]
      return { problem: `no clause ${isMargin ? 'compares' : 'limits'} ${name}; there are ${known.join(', ') || 'none'}` }
    }
    const replaced = new Map<Clause, Clause>()
    for (const clause of matching) {
      const parsed = parseClause(textWith(clause, limit, isMargin), { mode: clause.mode, aboveMs: aboveOf(clause.metric) })
      if ('problem' in parsed) return { problem: `${change}: ${parsed.problem}` }
      replaced.set(clause, parsed.clause)
    }
    result = result.map((clause) => replaced.get(clause) ?? clause)
  }
  return { clauses: result }
}

/** The same evidence under other clauses. */
export function whatIf(gate: string, evidence: Evidence, clauses: readonly Clause[]): GateReport {
  return judge({ name: gate, pass: clauses }, withClauses(evidence, clauses))
}

/** The clauses that evidence was judged by; null: they are in the settings only. */
export function clausesOf(evidence: Evidence): readonly Clause[] | null {
  if (evidence.kind === 'requests') return evidence.plan.clauses
  return evidence.kind === 'import' ? evidence.clauses : null
}

function withClauses(evidence: Evidence, clauses: readonly Clause[]): Evidence {
  if (evidence.kind === 'requests') return { ...evidence, plan: { ...evidence.plan, clauses } }
  return evidence.kind === 'import' ? { ...evidence, clauses } : evidence
}

function textWith(clause: Clause, limit: string, isMargin: boolean): string {
  const of = clause.limit.against === 'offered' ? ' of offered' : ''
  // Less than nothing cannot be asked for; none at all can.
  const is = clause.is === '<' && /^0+%?$/.test(limit) ? '=' : clause.is
  return `${showMetric(clause.metric)} ${is} ${isMargin ? 'baseline ' : ''}${limit}${of}`
}

function aboveOf(metric: Metric): number | null {
  return metric.kind === 'slow' ? metric.aboveMs : null
}

function isNear(left: number | null, right: number | null): boolean {
  if (left === null || right === null) return left === right
  return Math.abs(left - right) <= 1e-9 * Math.max(1, Math.abs(left))
}
