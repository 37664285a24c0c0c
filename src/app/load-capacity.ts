// How much a target can take: the paced driver at one rate after the other, each step a short measurement of its own,
// judged by the same thresholds. Without any: hardly an error, and no more than twice the time that it takes when it has
// nearly nothing to do. What is found of a host of the configuration is kept, for `plan` and `check` to warn with.
import type { Clause } from '../domain/clause.ts'
import { parseClause } from '../domain/clause-parse.ts'
import type { CapacityStep, LoadDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { GeneratorSample, LoadSettings, TargetSummary } from '../domain/load.ts'
import type { Slice, Verdict } from '../domain/slice.ts'
import { smallestMarginMs } from '../gate/margin.ts'
import { type Attempt, type CapacityFound, createCapacitySearch, type RateOutcome } from '../load/capacity-search.ts'
import { startPaced } from '../load/paced.ts'
import type { LoadPlan, LoadResult } from '../load/plan.ts'
import { limitsFor } from '../load/validity.ts'
import { reportOfLoad } from '../render/report/from-load.ts'
import { keepCapacity } from './capacity-store.ts'
import type { AppContext } from './context.ts'
import { type LoadOptions, type There, VERDICT_EXITS } from './load.ts'
import { aboutLoad, keepLoad, keepSlices } from './load-record.ts'
import { brokenBy, canBeSeen } from './load-seen.ts'
import { writeReports } from './reports.ts'
import { STRANGER_RATE } from './strangers.ts'

export type CapacityOptions = { readonly maxPerSecond?: number; readonly precision?: number }

type Search = There & { readonly settings: LoadSettings; readonly options: LoadOptions }

const START_RATE = 20
const MOST = 50_000
const PRECISION = 0.05
/** What a share of errors and a p95 need to be told from chance. */
const ARRIVALS = 400
const STEP_MS = { least: 3_000, most: 15_000 }
const WARMUP_MS = 1_000
const CONFIRM_TIMES = 2

/** @throws RollgateError E_USAGE, E_LOAD_DATA when rows run out, E_CANCELLED */
export async function findCapacity(wanted: CapacityOptions, search: Search, context: AppContext): Promise<LoadDocument> {
  const { options, where, emit, known } = search
  if (options.against !== undefined || options.connections !== undefined)
    throw new RollgateError('E_USAGE', '--find-capacity looks for the rate of one target: neither --against nor --connections')
  const other = search.clauses.find((clause) => !canBeSeen(clause))
  if (other !== undefined)
    throw new RollgateError(
      'E_USAGE',
      `--threshold ${JSON.stringify(other.text)}: a search for the capacity wants fixed bounds of requests`,
      {
        hints: ['--threshold "p95 < 300ms"'],
      },
    )
  const given = search.clauses.length > 0 ? search.clauses : (known?.bounds.filter(canBeSeen) ?? [])
  // A stranger's machine takes what was asked for by a number, and nothing above it.
  const maxPerSecond = wanted.maxPerSecond ?? (where.isForeign ? Math.max(STRANGER_RATE, options.ratePerSecond ?? 0) : MOST)
  const precision = wanted.precision ?? PRECISION
  const run = createCapacitySearch({ startPerSecond: options.ratePerSecond ?? START_RATE, maxPerSecond, precision })
  emit({
    type: 'notice',
    message: `load ${search.runId}: how much can ${where.shown} take? Up to ${maxPerSecond}/s, within ${precision * 100} %`,
  })

  let clauses = given
  const steps: CapacityStep[] = []
  let last: Step | null = null
  for (let next = run.next(); next !== null; next = run.next()) {
    const seen = await measureStep(next, clauses, search, context, steps.length)
    // The first one says what it takes when there is nearly nothing to do.
    const isFirst = clauses.length === 0
    if (isFirst) clauses = usualThresholds(seen.target)
    const step = isFirst ? { ...seen, ...judged(seen, clauses) } : seen
    if (last === null || step.outcome === 'holds') last = step
    steps.push(told(next, step))
    emit({ type: 'notice', message: sentenceOf(next, step) })
    run.tell(step.outcome)
  }
  if (last === null) throw new RollgateError('E_BUG', 'a search without a step')
  const found = run.found()
  const warnings = await remember(found, clauses, search, context)
  // Of all steps the one that held at the highest rate is kept whole; of the others what they came to.
  const evidence = await keepSlices(context.env, last)
  const document = { ...documentOf({ found, clauses, steps, last, warnings, search }), evidence }
  const about = aboutLoad(options, { ...last, where, clauses }, context)
  await keepLoad(evidence, { version: 1, document, about })
  const data = reportOfLoad(document, about, last.slices, last.samples)
  await writeReports({ data, document, options }, context, emit)
  return document
}

type Step = {
  readonly plan: LoadPlan
  readonly result: LoadResult
  readonly slices: readonly Slice[]
  readonly samples: readonly GeneratorSample[]
  readonly target: TargetSummary
  readonly outcome: RateOutcome
  readonly reason: string
}

async function measureStep(attempt: Attempt, clauses: readonly Clause[], search: Search, context: AppContext, turn: number): Promise<Step> {
  const { settings, where, runId, known, options } = search
  const { ratePerSecond } = attempt
  const shortMs = options.durationMs ?? Math.min(STEP_MS.most, Math.max(STEP_MS.least, Math.ceil(ARRIVALS / ratePerSecond) * 1000))
  const durationMs = attempt.confirm ? shortMs * CONFIRM_TIMES : shortMs
  const plan: LoadPlan = {
    settings: {
      ...settings,
      model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond }, arrivals: 'poisson' },
      duration: { atLeastMs: durationMs, atMostMs: durationMs },
    },
    targets: where.targets,
    runId,
    seed: `${runId}/${turn}`,
    ...{ warmupMs: options.warmupMs ?? WARMUP_MS, durationMs },
    env: context.env,
    limits: limitsFor(smallestMarginMs(clauses, () => null) ?? 0),
    ...(known === null ? {} : { readSecret: known.readSecret }),
  }
  const slices: Slice[] = []
  const samples: GeneratorSample[] = []
  const result = await startPaced(plan, {
    signal: AbortSignal.any([context.signal, context.control.asked]),
    onSlice: (slice) => void slices.push(slice),
    onSample: (sample) => void samples.push(sample),
  }).done
  if (result.end === 'cancelled')
    throw new RollgateError('E_CANCELLED', 'the search for the capacity was interrupted: what it saw until then says nothing')
  if (result.end === 'data' || result.end === 'no-login')
    throw new RollgateError('E_LOAD_DATA', `no capacity can be measured: ${result.validity.reasons.at(-1) ?? result.end}`)
  const [target] = result.targets
  if (target === undefined) throw new RollgateError('E_BUG', 'a step without a target')
  const step = { plan, result, slices, samples, target }
  return { ...step, ...judged(step, clauses) }
}

function judged({ result, slices }: Pick<Step, 'result' | 'slices'>, clauses: readonly Clause[]): Pick<Step, 'outcome' | 'reason'> {
  const [why] = result.validity.reasons
  if (result.validity.saturated === true) return { outcome: 'saturated', reason: why ?? 'this machine could not keep up' }
  if (!result.validity.valid || result.end === 'unsafe')
    return { outcome: 'breaks', reason: (result.end === 'unsafe' ? result.endDetail : null) ?? why ?? 'too many failures' }
  const [reason] = clauses.flatMap((clause) => brokenBy(clause, slices, result.measuredMs) ?? [])
  return reason === undefined ? { outcome: 'holds', reason: '' } : { outcome: 'breaks', reason }
}

function usualThresholds({ p95Ms }: TargetSummary): readonly Clause[] {
  // Below a millisecond doubling is noise of the network.
  const bound = p95Ms === null ? null : `p95 <= ${Math.max(2, Math.ceil(p95Ms * 20) / 10)}ms`
  return ['errors < 1%', ...(bound === null ? [] : [bound])].map((text) => {
    const parsed = parseClause(text)
    if ('clause' in parsed) return parsed.clause
    throw new RollgateError('E_BUG', `${text}: ${parsed.problem}`)
  })
}

function failedOf(target: TargetSummary): number {
  return Object.values(target.errors).reduce((sum, count) => sum + count, 0)
}

function told({ ratePerSecond, confirm }: Attempt, { outcome, reason, target }: Step): CapacityStep {
  const { offered, p50Ms, p95Ms } = target
  return { ratePerSecond, outcome, confirm, offered, failed: failedOf(target), p50Ms, p95Ms, reason }
}

function sentenceOf({ ratePerSecond, confirm }: Attempt, { outcome, reason, target }: Step): string {
  const how = { holds: 'holds', breaks: `breaks (${reason})`, saturated: `not sent in time by this machine (${reason})` }[outcome]
  const p95 = target.p95Ms === null ? '-' : `${target.p95Ms.toFixed(1)} ms`
  return `${ratePerSecond}/s${confirm ? ', once more' : ''}: ${how}; p95 ${p95}, ${failedOf(target)} of ${target.offered} failed`
}

/** @returns what is worth saying about it */
async function remember(found: CapacityFound, clauses: readonly Clause[], { where, settings }: Search, context: AppContext) {
  const { host } = where
  const tunnelled = host?.way === 'tunnel' ? ['measured through the SSH connection: the app may take more than that lets through'] : []
  if (host === null || (found.kind !== 'found' && found.kind !== 'at-least')) return tunnelled
  const release = await host.release()
  if (release === null) return tunnelled
  await keepCapacity(context.env, host, {
    ...{ release, host: host.name, ratePerSecond: found.ratePerSecond, atLeast: found.kind === 'at-least' },
    ...{ load: settings.name, thresholds: clauses.map(({ text }) => text), at: new Date().toISOString() },
  })
  return tunnelled
}

type Said = {
  readonly found: CapacityFound
  readonly clauses: readonly Clause[]
  readonly steps: readonly CapacityStep[]
  readonly last: Step
  readonly warnings: readonly string[]
  readonly search: Search
}

function documentOf({ found, clauses, steps, last, warnings, search }: Said): LoadDocument {
  const { verdict, reason, hints } = meaningOf(found, steps)
  const exitCode = VERDICT_EXITS[verdict]
  const code = verdict === 'fail' ? 'E_GATE_FAILED' : verdict === 'invalid' ? 'E_LOAD_INVALID' : 'E_PAUSED'
  const { validity, measuredMs } = last.result
  return {
    ...{ version: 1, command: 'load', exitCode, outcome: verdict },
    ...(exitCode === 0 ? {} : { error: { code, message: reason, hints } }),
    ...{ verdict, reason, run: search.runId, seed: search.runId, targets: [last.target], clauses: [] },
    validity: { sendLagP99Ms: validity.sendLagP99Ms, cpu: validity.cpu, reasons: validity.reasons },
    ...{ warnings, measuredMs, evidence: null },
    capacity: {
      ratePerSecond: found.kind === 'found' || found.kind === 'at-least' ? found.ratePerSecond : null,
      atLeast: found.kind === 'at-least',
      thresholds: clauses.map(({ text }) => text),
      steps,
    },
  }
}

type Meaning = { readonly verdict: Verdict; readonly reason: string; readonly hints: readonly string[] }

function meaningOf(found: CapacityFound, steps: readonly CapacityStep[]): Meaning {
  const rate = `${found.ratePerSecond}/s`
  const isOurs = found.kind === 'at-least' || found.kind === 'cannot-send'
  const broke = steps.findLast((step) => step.outcome === (isOurs ? 'saturated' : 'breaks'))?.reason ?? ''
  switch (found.kind) {
    case 'found':
      return { verdict: 'pass', reason: `it takes ${rate}; above it ${broke}`, hints: [] }
    case 'at-least':
      return found.limit === 'asked'
        ? { verdict: 'pass', reason: `it takes at least ${rate}: no more was asked for (--max)`, hints: [] }
        : { verdict: 'pass', reason: `it takes at least ${rate}: this machine cannot send more (${broke})`, hints: [] }
    case 'nothing-holds':
      return { verdict: 'fail', reason: `not even ${rate} holds: ${broke}`, hints: ['--rate N/s   (begin lower)'] }
    case 'cannot-send':
      return { verdict: 'invalid', reason: `this machine cannot send ${rate} in time: ${broke}`, hints: ['rollgate load selftest'] }
    case 'unsteady':
      return {
        verdict: 'inconclusive',
        reason: `what held once did not hold again, down to ${rate}: ${broke}`,
        hints: ['--duration 30s   (longer steps)', '--precision 10%'],
      }
    default:
      return found satisfies never
  }
}
