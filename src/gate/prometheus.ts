// What a metrics server answered, judged. No series, not a number and too old are three different reasons in the report
// and none of them passes; of several series the worst decides, and is named. Burn rates need both windows of a pair over
// the limit: the long one says that it matters, the short one that it still goes on.
import type { Clause } from '../domain/clause.ts'
import type { GateVerdict } from '../domain/event.ts'
import type { PrometheusAnswer, PrometheusEvidence } from '../domain/evidence.ts'
import type { BurnSettings, ClauseResult, GateReport } from '../domain/gate.ts'
import { answered } from './answers.ts'
import type { Judgement } from './evaluate.ts'
import { type Finding, tidy } from './finding.ts'
import { endingUncounted, resultOf, verdictOf } from './report.ts'

export type BurnPair = { readonly long: string; readonly short: string; readonly times: number }

/** For an objective over 30 days: 2, 5 and 10 % of the budget (SRE workbook). */
export const BURN_PAIRS: readonly BurnPair[] = [
  { long: '1h', short: '5m', times: 14.4 },
  { long: '6h', short: '30m', times: 6 },
  { long: '3d', short: '6h', times: 1 },
]

export function burnPairs(settings: BurnSettings): readonly BurnPair[] {
  return settings.windows === 'fast' ? BURN_PAIRS.slice(0, 1) : BURN_PAIRS
}

type Read =
  | {
      readonly kind: 'values'
      readonly values: readonly { readonly name: string; readonly value: number }[]
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'nothing'; readonly why: string; readonly isEmpty: boolean }

export function judgePrometheus(gate: string, clauses: readonly Clause[], evidence: PrometheusEvidence): GateReport {
  const reads = evidence.answers.map(({ window, answer }) => ({ window, read: readAnswer(answer, evidence.staleMs) }))
  const { burn } = evidence
  const answers = reads.map(({ read }) => read)
  const judgements = burn === null ? clauses.map((clause) => judgedBy(clause, judgeValues(clause, answers, evidence))) : []
  const results =
    burn === null
      ? judgements.map((judgement) => fromPrometheus(resultOf(judgement, null, '')))
      : burnPairs(burn).map((pair) => judgeBurn(pair, burn, reads, evidence))
  const counting = results.filter((result) => result.mode === 'gate')
  const { verdict, reason } = counting.length === 0 ? endingUncounted(judgements, null, '') : worstOf(counting)
  const warnings = [
    ...reads.flatMap(({ read }) => (read.kind === 'values' ? read.warnings : [])),
    ...results.flatMap((result) => (result.mode === 'warn' && result.verdict !== 'pass' ? [result.sentence] : [])),
  ]
  return answered(gate, verdict, reason, results, { warnings })
}

const judgedBy = (clause: Clause, finding: Finding): Judgement => ({ clause, finding: tidy(finding), counts: clause.mode === 'gate' })

function worstOf(counting: readonly ClauseResult[]): { readonly verdict: GateVerdict; readonly reason: string } {
  const verdicts = counting.map((result) => result.verdict)
  const verdict = (['fail', 'invalid', 'inconclusive'] as const).find((one) => verdicts.includes(one)) ?? 'pass'
  const sentences = counting.filter((result) => result.verdict === verdict).map(({ sentence }) => sentence)
  const [first = ''] = sentences
  if (sentences.length === 1) return { verdict, reason: first }
  return { verdict, reason: verdict === 'pass' ? sentences.join('; ') : `${first}; and ${sentences.length - 1} more` }
}

function readAnswer(answer: PrometheusAnswer, staleMs: number): Read {
  if (answer.kind === 'failed') return { kind: 'nothing', why: answer.why, isEmpty: false }
  if (answer.series.length === 0) return { kind: 'nothing', why: 'the query answers no series', isEmpty: true }
  const values: { name: string; value: number }[] = []
  for (const { labels, value, ageMs } of answer.series) {
    const name = showLabels(labels)
    if (Number.isNaN(value)) return { kind: 'nothing', why: `${name} is not a number (NaN: nothing to divide by?)`, isEmpty: false }
    if (ageMs > staleMs)
      return { kind: 'nothing', why: `${name} is stale: its last sample is ${Math.round(ageMs / 1000)} s old`, isEmpty: false }
    values.push({ name, value })
  }
  return { kind: 'values', values, warnings: answer.warnings }
}

function judgeValues(clause: Clause, reads: readonly Read[], evidence: PrometheusEvidence): Finding {
  const bound = clause.limit.against === 'bound' ? clause.limit.value : Number.NaN
  if (clause.metric.kind !== 'value' || Number.isNaN(bound)) return nothing('a query is judged by `value`', 'invalid', null)
  if (reads.length === 0) return nothing('the query was never asked', 'invalid', bound)
  const missing = reads.find((read) => read.kind === 'nothing')
  if (missing !== undefined) return nothing(missing.why, missing.isEmpty ? evidence.onEmpty : 'invalid', bound)
  const values = reads.flatMap((read) => (read.kind === 'values' ? read.values : []))
  const wantsLess = clause.is === '<' || clause.is === '<='
  const bad = values.filter(({ value }) => !holds(value, clause, bound))
  const pool = bad.length > 0 ? bad : values
  const decisive = pool.reduce((found, one) => (found.value < one.value === wantsLess ? one : found))
  const basis = values.length === 1 ? decisive.name : `${decisive.name}, the worst of ${values.length} values`
  const shared = {
    unit: 'number',
    estimate: finite(decisive.value),
    low: finite(decisive.value),
    high: finite(decisive.value),
    bound,
    basis,
  } as const
  return {
    ...shared,
    ...(Number.isFinite(decisive.value) ? {} : { shown: String(decisive.value) }),
    state: bad.length === 0 ? 'pass' : 'fail',
  }
}

function holds(value: number, clause: Clause, bound: number): boolean {
  switch (clause.is) {
    case '<':
      return value < bound
    case '<=':
      return value <= bound
    case '>':
      return value > bound
    case '>=':
      return value >= bound
    case '=':
      return value === bound
    default:
      return clause.is satisfies never
  }
}

function nothing(why: string, as: 'invalid' | 'inconclusive' | 'fail', bound: number | null): Finding {
  const state = as === 'inconclusive' ? 'open' : as
  return { unit: 'number', estimate: null, low: null, high: null, bound, state, note: why }
}

function judgeBurn(
  pair: BurnPair,
  settings: BurnSettings,
  reads: readonly { readonly window: string | null; readonly read: Read }[],
  evidence: PrometheusEvidence,
): ClauseResult {
  const budget = 1 - settings.objective
  const rateOf = (window: string): { readonly rate: number } | { readonly state: 'invalid' | 'open' | 'fail'; readonly why: string } => {
    const read = reads.find((one) => one.window === window)?.read
    if (read === undefined) return { state: 'invalid', why: `the last ${window} were not asked for` }
    if (read.kind === 'values') return { rate: Math.max(...read.values.map(({ value }) => value)) / budget }
    const as = read.isEmpty ? evidence.onEmpty : 'invalid'
    return { state: as === 'inconclusive' ? 'open' : as, why: `over ${window} ${read.why}` }
  }
  const [long, short] = [rateOf(pair.long), rateOf(pair.short)]
  const text = `burn < ${pair.times} over ${pair.long} and ${pair.short}`
  const base = {
    id: `burn-${pair.long}-${pair.short}`,
    clause: text,
    mode: 'gate',
    source: 'prometheus',
    unit: 'number',
    bound: pair.times,
    look: null,
  } as const
  const missing = 'why' in long ? long : 'why' in short ? short : null
  if (missing !== null || 'why' in long || 'why' in short) {
    const verdict = verdictOf(missing?.state ?? 'invalid')
    const note = missing?.why ?? 'it was not measured'
    return {
      ...base,
      estimate: null,
      low: null,
      high: null,
      verdict,
      note,
      sentence: `burn was not measured: ${verdict.toUpperCase()} (${note})`,
    }
  }
  // Both must be over: the lesser of the two is what is compared.
  const rate = Math.min(long.rate, short.rate)
  const verdict = rate < pair.times ? 'pass' : 'fail'
  const sentence = `burn ${show(long.rate)} over ${pair.long} and ${show(short.rate)} over ${pair.short}, allowed < ${pair.times}: ${verdict.toUpperCase()}`
  return { ...base, estimate: finite(rate), low: finite(rate), high: finite(rate), verdict, sentence }
}

function fromPrometheus(result: ClauseResult): ClauseResult {
  return { ...result, source: 'prometheus' }
}

function showLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  return pairs.length === 0 ? 'the answer' : `{${pairs.join(', ').slice(0, 120)}}`
}

function show(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
