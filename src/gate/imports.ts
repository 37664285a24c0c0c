// Results of other tools, judged by how much they say (load-and-gates.md, 6). What a source cannot support is an error
// before anything is touched: a p99 that is in no file must not become a number from somewhere. Careful about tools that
// hide failures or stalls: what they cannot see is said beside the verdict.
import { type Clause, isRelative, showMetric } from '../domain/clause.ts'
import type { ImportCapabilities, ImportEvidence, ImportLevel, ImportTotals } from '../domain/evidence.ts'
import type { GatePlan, GateReport } from '../domain/gate.ts'
import { emptyHistogram, mergeInto } from '../domain/histogram.ts'
import type { TargetSummary } from '../domain/load.ts'
import { answersOf, failuresOf } from '../domain/slice.ts'
import { judgeAbsolute, type Totals } from './absolute.ts'
import { answered } from './answers.ts'
import { decide, type State } from './decide.ts'
import type { Judgement } from './evaluate.ts'
import { tidy } from './finding.ts'
import { endingUncounted, reasonOf, resultOf, verdictOf } from './report.ts'
import { measuredSeconds } from './seconds.ts'
import { summariseTargets } from './targets.ts'
import { createWatch } from './watch.ts'

/** How another tool's run labels the two releases. */
export const IMPORT_ARMS = { canary: ['canary'], old: ['baseline'] } as const

/** Why a clause cannot be judged from such a source; null: it can. */
export function whyUnsupported(clause: Clause, level: ImportLevel, can: ImportCapabilities): string | null {
  const name = showMetric(clause.metric)
  if (isRelative(clause)) {
    if (level !== 'A')
      return `${clause.text}: comparing needs every request with its time; this source has ${level === 'B' ? 'intervals' : 'totals'} only`
    return can.hasArms ? null : `${clause.text}: comparing needs requests labelled by host (arm=canary and arm=baseline); these are not`
  }
  if (clause.limit.against === 'passes') return `${clause.text}: past passes are those of our own gates; an import has none`
  switch (clause.metric.kind) {
    case 'quantile':
      if (!can.canMeasureLatency) return `${clause.text}: the latencies of this source are not to be trusted`
      if (can.quantiles !== null && !can.quantiles.includes(clause.metric.q))
        return `${clause.text}: the source does not say ${name}; it says ${can.quantiles.map((q) => `p${Number((q * 100).toPrecision(10))}`).join(', ') || 'no quantile'}`
      return null
    case 'max':
      return can.canMeasureLatency ? null : `${clause.text}: the latencies of this source are not to be trusted`
    case 'errors':
      return can.canCountErrors ? null : `${clause.text}: this source leaves failed requests out`
    case 'slow':
      return can.canMeasureLatency && can.quantiles === null
        ? null
        : `${clause.text}: counting slow requests needs a histogram or every request`
    case 'rps':
      if (clause.limit.against === 'offered') return can.knowsOffered ? null : `${clause.text}: the source does not say what was offered`
      return (can.hasSeconds ?? level !== 'C') ? null : `${clause.text}: a rate needs counts second by second; this source has totals only`
    case 'value':
    case 'burn':
    case 'capacity':
    case 'restart.lost':
      return `${clause.text}: ${name} is not in results of load tests`
    default:
      return clause.metric satisfies never
  }
}

export function judgeImport(gate: string, evidence: ImportEvidence): GateReport {
  // Where there is nothing to compare, why there is nothing says more.
  const compares =
    evidence.slices.length > 0 &&
    evidence.clauses.some(isRelative) &&
    evidence.clauses.every((clause) => whyUnsupported(clause, evidence.level, evidence.capabilities) === null)
  return compares ? judgePaired(gate, evidence) : judgeTotals(gate, evidence)
}

/** Requests of both arms with their times: the whole procedure, with one look at the end. */
function judgePaired(gate: string, evidence: ImportEvidence): GateReport {
  const seconds = measuredSeconds(evidence.slices, [])
  const plan: GatePlan = {
    ...{
      version: 1,
      gate,
      clauses: evidence.clauses,
      arms: IMPORT_ARMS,
      atLeastSeconds: seconds.length,
      atMostSeconds: Math.max(1, seconds.length),
    },
    ...{
      ratePerArm: null,
      blockSeconds: null,
      confidence: { ...evidence.confidence, looks: 1 },
      extend: 0,
      resamples: 1000,
      seed: `import/${evidence.format}`,
    },
    ...{ background: 'equal', settingsHash: '' },
  }
  const watch = createWatch(plan, null)
  const facts = { steady: null, distrust: evidence.distrust, aborted: null, restart: null, capacity: null, passes: [] }
  let report: GateReport | null = null
  for (const second of seconds) report ??= watch.add(second, facts)
  report ??= watch.end(facts)
  const clauses = report.clauses.map((clause) => ({ ...clause, source: 'import' as const }))
  return { ...report, clauses, warnings: [...report.warnings, ...evidence.warnings, ...hiddenThings(evidence)] }
}

function judgeTotals(gate: string, evidence: ImportEvidence): GateReport {
  const totals = totalsOf(evidence)
  const warnings = [...evidence.warnings, ...hiddenThings(evidence)]
  const judgements = evidence.clauses.map((clause): Judgement => {
    const why = whyUnsupported(clause, evidence.level, evidence.capabilities)
    const levels = { alpha: evidence.confidence.falseAlarm, beta: evidence.confidence.falsePass }
    const bound =
      clause.limit.against === 'bound' ? clause.limit.value : clause.limit.against === 'offered' ? clause.limit.share : Number.NaN
    const isPossible = why === null && !Number.isNaN(bound)
    const note = why ?? `${clause.text}: judged only against a concurrent run or a fixed limit`
    const finding = isPossible
      ? judgeAbsolute(clause, totals, bound, levels)
      : ({ unit: 'number', estimate: null, low: null, high: null, bound: null, state: 'invalid', note } as const)
    return { clause, finding: tidy(finding), counts: clause.mode === 'gate' }
  })
  const distrust = [...evidence.distrust]
  if (totals.arrivals === 0) distrust.unshift('nothing was measured: the file holds no request')
  else if (evidence.totals === null && evidence.slices.every((slice) => answersOf(slice) === 0))
    distrust.unshift(`the target has not answered one of ${totals.arrivals} requests`)
  const results = judgements.map((judgement) => ({ ...resultOf(judgement, null, ''), source: 'import' as const }))
  const targets = evidence.totals === null ? summariseTargets(evidence.slices, totals.seconds) : [summaryOf(evidence.totals)]
  const { verdict, reason } = endingOf(judgements, distrust)
  return { ...answered(gate, verdict, reason, results, { distrust, warnings }), targets }
}

function endingOf(judgements: readonly Judgement[], distrust: readonly string[]) {
  if (distrust.length > 0) return { verdict: 'invalid', reason: distrust.join('; ') } as const
  const states = judgements.filter((judgement) => judgement.counts).map(({ finding }) => finding.state)
  if (states.includes('invalid')) return { verdict: 'invalid', reason: reasonOf(judgements, 'invalid', null, '') } as const
  if (states.length === 0) return endingUncounted(judgements, null, '')
  // `invalid` was ruled out above; the type cannot know.
  const decision = decide(states as readonly State[], true)
  const verdict = verdictOf(decision === 'pass' || decision === 'fail' ? decision : 'open')
  return { verdict, reason: reasonOf(judgements, verdict, null, '') } as const
}

/** Totals as the line of a target. What failed has no class there. */
function summaryOf({ requests, failures, seconds, offered, quantilesMs, maxMs }: ImportTotals): TargetSummary {
  const done = requests - failures
  const at = (q: number): number | null => quantilesMs[String(q)] ?? null
  const times = { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
  return {
    ...{ name: 'target', offered: offered ?? requests, sent: requests, done, rps: seconds === null || seconds === 0 ? 0 : done / seconds },
    ...{ errors: failures === 0 ? {} : { other: failures }, ...times, p90Ms: at(0.9), maxMs, bytes: 0, service: times },
  }
}

function totalsOf(evidence: ImportEvidence): Totals {
  if (evidence.totals !== null) {
    const { requests, failures, seconds, offered, quantilesMs, maxMs } = evidence.totals
    return {
      arrivals: requests,
      failures,
      offered: offered ?? 0,
      seconds: seconds ?? 0,
      histogram: null,
      quantilesMs,
      maxMs,
      blockRates: [],
    }
  }
  const histogram = emptyHistogram()
  // Where both releases were loaded, a fixed limit is about the new one.
  const isJudged = (target: string): boolean => !evidence.capabilities.hasArms || IMPORT_ARMS.canary.some((name) => name === target)
  const measured = evidence.slices.filter((slice) => slice.warmup !== true && isJudged(slice.target))
  const perSecond = new Map<number, number>()
  const total = { arrivals: 0, failures: 0, offered: 0 }
  for (const slice of measured) {
    const failures = failuresOf(slice)
    mergeInto(histogram, slice.response)
    total.arrivals += slice.done + failures
    total.failures += failures
    total.offered += slice.offered
    perSecond.set(slice.second, (perSecond.get(slice.second) ?? 0) + slice.done)
  }
  if (perSecond.size === 0) return { ...total, seconds: 0, histogram, blockRates: [] }
  const [first, last] = [...perSecond.keys()].reduce(
    ([low, high], second) => [Math.min(low, second), Math.max(high, second)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  )
  const blockRates: number[] = []
  for (let start = first; start + 5 <= last + 1; start += 5) {
    let good = 0
    for (let second = start; second < start + 5; second += 1) good += perSecond.get(second) ?? 0
    blockRates.push(good / 5)
  }
  return { ...total, seconds: last - first + 1, histogram, blockRates }
}

function hiddenThings({ clauses, capabilities, format }: ImportEvidence): readonly string[] {
  const warnings: string[] = []
  if (capabilities.hidesRetries && clauses.some((clause) => clause.metric.kind === 'errors'))
    warnings.push(`${format} sends again what a connection lost: transport failures may be hidden`)
  const isTail = (clause: Clause): boolean => clause.metric.kind === 'max' || (clause.metric.kind === 'quantile' && clause.metric.q >= 0.9)
  if (capabilities.isClosedModel && clauses.some(isTail))
    warnings.push(`${format} waits for answers before it sends (closed model): stalls are under-reported in the tail`)
  return warnings
}
