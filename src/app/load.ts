// A load test alone: against one address, or two that get the same requests at the same moments. Thresholds are clauses
// of a gate and are judged by the same engine; without any the run only has to be a measurement. Careful whom it is
// pointed at: what is neither loopback nor asked for is asked about, and held to a low rate.
import { randomBytes } from 'node:crypto'
import type { Clause } from '../domain/clause.ts'
import type { LoadDocument, SelftestDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { GateReport } from '../domain/gate.ts'
import { DEFAULT_TIMEOUTS, type GeneratorSample, type LoadSettings } from '../domain/load.ts'
import { answersOf, mayBeLateness, type Slice, type Verdict } from '../domain/slice.ts'
import type { LoadHooks, LoadPlan, LoadResult, LoadRun } from '../load/plan.ts'
import { selftest } from '../load/selftest.ts'
import { startLoad } from '../load/start.ts'
import { openStore } from '../load/store.ts'
import { LIMITS, OF_THE_GATE } from '../load/validity.ts'
import { reportOfLoad } from '../render/report/from-load.ts'
import type { AppContext } from './context.ts'
import { NOT_ENOUGH } from './gates/advice.ts'
import type { From } from './load-from.ts'
import { judgeRun, type Measured } from './load-judge.ts'
import { loadPasses } from './load-passes.ts'
import { aboutLoad, evidencePath, keepLoad, slowOf } from './load-record.ts'
import { namedLoad, type OwnLoad, type Where, whereTo } from './load-where.ts'
import { createMeter } from './meter.ts'
import { checkReports, type ReportOptions, writeReports } from './reports.ts'
import { heldLoad, spared, unheld } from './strangers.ts'
import { createTelling } from './telling.ts'
import { refuseUnanswerable, thresholdOf } from './thresholds.ts'

export type LoadOptions = {
  /** One of `loads` in the configuration; without it: GET what `url` names. */
  readonly name?: string
  /** With a name: the site that it is sent to [that of rollout.probe]. */
  readonly url?: string
  /** The old one: same requests, same moments; clauses may say `baseline`. */
  readonly against?: string
  readonly ratePerSecond?: number
  /** The app of this host, at its own address or through its SSH connection. */
  readonly at?: string
  /** Hosts of the configuration that send it [those of the load, else this machine]. */
  readonly from?: readonly string[]
  readonly http2?: boolean
  /** With `at`: the app speaks TLS on its own port. */
  readonly tls?: boolean
  /** The closed model instead of a rate. */
  readonly connections?: number
  readonly durationMs?: number
  readonly warmupMs?: number
  readonly thresholds?: readonly string[]
  /** The highest rate at which the thresholds hold, instead of one run. */
  readonly findCapacity?: { readonly maxPerSecond?: number; readonly precision?: number }
} & ReportOptions

const USUAL_RATE = 10
const USUAL_DURATION_MS = 10_000

export const VERDICT_EXITS: Readonly<Record<Verdict, number>> = { pass: 0, fail: 7, inconclusive: 8, invalid: 11 }

/** @throws RollgateError E_USAGE for a wrong address or clause, E_ANSWER_NEEDED, E_REFUSED, E_CANCELLED */
export async function load(options: LoadOptions, context: AppContext): Promise<LoadDocument> {
  const clauses = (options.thresholds ?? []).map(thresholdOf)
  if (options.against !== undefined && options.connections !== undefined)
    throw new RollgateError('E_USAGE', '--against compares pairs of arrivals, which --connections has not: give a --rate')
  await checkReports(options, context)
  const known = options.name === undefined ? null : await namedLoad(options.name, context)
  const runId = randomBytes(4).toString('hex')
  const { emit } = createTelling(runId, context.renderers, () => new Date())
  if (known !== null && known.engine !== null) {
    // Only now: our own load needs none of it.
    const { engineLoad } = await import('./load-engine.ts')
    return engineLoad(options, { known, clauses, runId, emit }, context)
  }
  if (options.findCapacity === undefined) refuseUnanswerable(clauses, modelOf(options, known), options.against !== undefined)
  // What a host takes is searched from one machine: steps of seconds are no time to gather others.
  const from = options.findCapacity === undefined ? (options.from ?? known?.settings.from ?? []) : []
  const where = await whereTo({ ...options, from, cannotHold: cannotHold(options, known) }, known, context, emit)
  try {
    if (options.findCapacity === undefined) return await loadThere(options, { known, where, clauses, runId, emit }, context)
    const { findCapacity } = await import('./load-capacity.ts')
    const settings = known === null ? settingsOf(options, where.url, USUAL_RATE) : overridden(known.settings, options)
    return await findCapacity(options.findCapacity, { settings, known, where, clauses, runId, emit, options }, context)
  } finally {
    await where.close()
  }
}

/** A search has its own rates, and `--rate` is one. */
function cannotHold({ findCapacity, connections, ratePerSecond }: LoadOptions, known: OwnLoad | null): string | null {
  if (findCapacity !== undefined || ratePerSecond !== undefined) return null
  return unheld(connections === undefined ? (known?.settings.model ?? { kind: 'paced' }) : { kind: 'closed' })
}

export type There = {
  readonly known: OwnLoad | null
  readonly where: Where
  readonly clauses: readonly Clause[]
  readonly runId: string
  readonly emit: Emit
}

async function loadThere(options: LoadOptions, { known, where, clauses, runId, emit }: There, context: AppContext): Promise<LoadDocument> {
  const asked = known === null ? settingsOf(options, where.url, options.ratePerSecond ?? USUAL_RATE) : overridden(known.settings, options)
  const rateGiven = options.ratePerSecond !== undefined
  const settings = spared(asked, heldLoad, { isForeign: where.isForeign, rateGiven }, emit)
  const plan: LoadPlan = {
    settings,
    targets: where.targets,
    runId,
    seed: runId,
    warmupMs: settings.warmup.atLeastMs,
    durationMs: settings.duration.atLeastMs,
    env: context.env,
    limits: clauses.length === 0 ? LIMITS : OF_THE_GATE,
    ...(known === null ? {} : { readSecret: known.readSecret }),
  }
  emit({
    type: 'notice',
    message: `load ${runId}: ${describe(settings)} on ${where.shown}${where.from === null ? '' : ` from ${where.from.hosts.join(', ')}`}`,
  })
  const past = loadPasses(context.env, settings, options.at ?? where.url.href)
  const passes = clauses.length === 0 ? [] : await past.read()
  const measured = await measure(plan, where.from, clauses, context, emit)
  const judged = judgeRun({ clauses, plan, measured, compares: options.against !== undefined, rate: rateOfModel(settings), passes })
  if (judged?.pass) await past.add(judged.pass)
  const document = documentOf({ runId, plan, measured, report: judged?.report ?? null })
  const about = aboutLoad(options, { plan, where, clauses, result: measured.result }, context)
  await keepLoad(measured.store, { version: 1, document, about })
  await writeReports({ data: reportOfLoad(document, about, measured.slices, measured.samples), document, options }, context, emit)
  return document
}

/** Sends, keeps the evidence in the state folder, tells what it sees. @throws RollgateError E_CANCELLED when it was interrupted */
async function measure(plan: LoadPlan, from: From | null, clauses: readonly Clause[], context: AppContext, emit: Emit): Promise<Measured> {
  const path = await evidencePath(context.env, plan.runId)
  const store = path === null ? null : await openStore(path, plan)
  const slices: Slice[] = []
  const samples: GeneratorSample[] = []
  const names = plan.targets.map((target) => target.name)
  const compares = names.includes('baseline')
  const meter = createMeter({
    ...{ targets: names, clauses, slowAboveMs: slowOf(clauses) },
    ...(compares ? { arms: { canary: ['canary'], old: ['baseline'] } } : {}),
  })
  let phase = 'warmup'
  const run = await startHereOrThere(plan, from, {
    signal: AbortSignal.any([context.signal, context.control.asked]),
    onSlice(slice) {
      slices.push(slice)
      if (slice.warmup !== true && phase === 'warmup') {
        phase = 'measuring'
        meter.begin()
      }
      meter.addSlice(slice)
      store?.addSlice(slice)
    },
    onSample(sample) {
      samples.push(sample)
      meter.addSample(sample)
      store?.addSample(sample)
    },
    onProgress(seen) {
      const before = seen.phase === 'warmup' ? 0 : Math.round(plan.warmupMs / 1_000)
      const inFlight = Object.fromEntries(seen.targets.map((target) => [target.name, target.inFlight]))
      const isWarmup = seen.phase === 'warmup'
      emit({
        type: 'load.progress',
        load: plan.settings.name === 'load' ? plan.runId : plan.settings.name,
        progress: {
          phase: seen.phase,
          seconds: Math.max(0, seen.second - before),
          atMostSeconds: seen.phase === 'draining' ? null : Math.round((isWarmup ? plan.warmupMs : plan.durationMs) / 1_000),
          targets: meter.targets(inFlight),
          clauses: isWarmup ? [] : meter.clauses(),
          look: null,
          trust: meter.trust(),
        },
      })
    },
  })
  const result = await run.done
  await store?.close(result)
  if (result.end === 'cancelled') throw new RollgateError('E_CANCELLED', 'the load test was interrupted: what it saw is no measurement')
  return { result, slices, samples, store: path }
}

async function startHereOrThere(plan: LoadPlan, from: From | null, hooks: LoadHooks): Promise<LoadRun> {
  if (from === null) return startLoad(plan, hooks)
  return (await import('./load-from.ts')).startFrom(plan, hooks, from)
}

type Judged = {
  readonly runId: string
  readonly plan: LoadPlan
  readonly measured: Measured
  /** null: without a threshold. */
  readonly report: GateReport | null
}

function documentOf({ runId, plan, measured, report }: Judged): LoadDocument {
  const { result } = measured
  const { sendLagP99Ms, cpu, reasons } = report?.validity ?? result.validity
  const own = ownVerdict(result)
  const verdict = report?.verdict ?? own.verdict
  const exitCode = VERDICT_EXITS[verdict]
  return {
    version: 1,
    command: 'load',
    exitCode,
    outcome: verdict,
    ...(exitCode === 0
      ? {}
      : {
          error: {
            code:
              verdict === 'fail' ? ('E_GATE_FAILED' as const) : verdict === 'invalid' ? ('E_LOAD_INVALID' as const) : ('E_PAUSED' as const),
            message: report?.reason ?? own.reason,
            ...(verdict === 'inconclusive' ? { why: NOT_ENOUGH } : {}),
            hints: hintsFor(verdict, result),
          },
        }),
    verdict,
    reason: report?.reason ?? own.reason,
    run: runId,
    seed: plan.seed,
    targets: result.targets,
    clauses: report?.clauses ?? [],
    validity: { sendLagP99Ms, cpu, reasons },
    warnings: [...(result.end === 'unsafe' ? [`stopped by ${result.endDetail ?? 'abort_if'}`] : []), ...(report?.warnings ?? [])],
    measuredMs: result.measuredMs,
    evidence: measured.store,
  }
}

/** Without a threshold: was it a measurement at all? */
function ownVerdict(result: LoadResult): { readonly verdict: Verdict; readonly reason: string } {
  const silent = silentIn(result)
  const [why] = result.validity.reasons
  // Whatever came of the others: what a generator sent that is gone nobody knows.
  if (result.end === 'lost') return { verdict: 'invalid', reason: why ?? 'a generator was lost' }
  if (result.end === 'unsafe') return brakeVerdict(result)
  if (silent.length > 0)
    return {
      verdict: 'invalid',
      reason: silent.length === result.targets.length ? 'nothing answered' : `${silent.join(' and ')} never answered`,
    }
  if (!result.validity.valid) return { verdict: 'invalid', reason: why ?? 'the generator could not keep up' }
  const failed = result.targets.reduce((sum, target) => sum + Object.values(target.errors).reduce((all, count) => all + count, 0), 0)
  return {
    verdict: 'pass',
    reason: failed === 0 ? 'every request was answered well' : `${failed} requests failed; no threshold was asked for`,
  }
}

/** Targets of which not one request was answered, well or not. */
function silentIn({ targets }: LoadResult): readonly string[] {
  return targets.filter(({ done, errors }) => answersOf({ done, failures: errors }) === 0).map(({ name }) => name)
}

/** What was stopped to protect the target is never good, however little was measured. */
function brakeVerdict({ validity, targets, endDetail }: LoadResult): { readonly verdict: Verdict; readonly reason: string } {
  const reason = `the load was stopped to protect the service: ${endDetail ?? 'too many failures'}`
  const isOurs = validity.saturated === true && mayBeLateness(targets.map(({ errors }) => ({ failures: errors })))
  return isOurs ? { verdict: 'invalid', reason: `${reason}; but ${validity.reasons.join('; ')}` } : { verdict: 'fail', reason }
}

function hintsFor(verdict: Verdict, result: LoadResult): readonly string[] {
  if (verdict === 'fail' && result.end === 'unsafe')
    return ['look at what failed before it is loaded again', 'safety.abort_if says what it may bear']
  if (verdict === 'inconclusive') return ['a longer --duration or a higher --rate says more']
  if (verdict !== 'invalid') return []
  const silent = silentIn(result)
  return silent.length > 0
    ? [`is ${silent.join(' and ')} up, at this address and port?`]
    : ['rollgate load selftest   (what this machine can send)']
}

/** What the model will be, before anybody is asked or reached. */
function modelOf({ connections, ratePerSecond }: LoadOptions, known: OwnLoad | null): 'paced' | 'closed' {
  if (connections !== undefined) return 'closed'
  return ratePerSecond === undefined ? (known?.settings.model.kind ?? 'paced') : 'paced'
}

function settingsOf(options: LoadOptions, url: URL, ratePerSecond: number): LoadSettings {
  const durationMs = options.durationMs ?? USUAL_DURATION_MS
  const warmupMs = options.warmupMs ?? 0
  return {
    name: 'load',
    model:
      options.connections === undefined
        ? { kind: 'paced', profile: { kind: 'constant', ratePerSecond }, arrivals: 'poisson' }
        : { kind: 'closed', connections: options.connections },
    duration: { atLeastMs: durationMs, atMostMs: durationMs },
    warmup: { atLeastMs: warmupMs, atMostMs: warmupMs },
    data: {},
    // `{{` of an address given on the command line is not ours to fill in.
    scenarios: [{ name: 'url', weight: 1, steps: [{ method: 'GET', path: `${url.pathname}${url.search}`.replaceAll('{{', '%7B%7B') }] }],
    headers: {},
    auth: null,
    timeouts: DEFAULT_TIMEOUTS,
    safety: { methods: ['GET'], abortIf: null },
    ...(options.http2 === true ? { http2: true } : {}),
  }
}

/** What the command line says goes over what the configuration says. */
function overridden(settings: LoadSettings, options: LoadOptions): LoadSettings {
  const range = (ms: number | undefined) => (ms === undefined ? null : { atLeastMs: ms, atMostMs: ms })
  return {
    ...settings,
    duration: range(options.durationMs) ?? settings.duration,
    warmup: range(options.warmupMs) ?? settings.warmup,
    ...(options.http2 === true ? { http2: true } : {}),
    ...(options.connections === undefined ? {} : { model: { kind: 'closed' as const, connections: options.connections } }),
    ...(options.ratePerSecond === undefined
      ? {}
      : {
          model: {
            kind: 'paced' as const,
            profile: { kind: 'constant' as const, ratePerSecond: options.ratePerSecond },
            arrivals: 'poisson' as const,
          },
        }),
  }
}

function rateOfModel({ model }: LoadSettings): number | null {
  return model.kind === 'paced' && model.profile.kind === 'constant' ? model.profile.ratePerSecond : null
}

function describe(settings: LoadSettings): string {
  const { model } = settings
  const how =
    model.kind === 'closed'
      ? `${model.connections} connections`
      : model.profile.kind === 'constant'
        ? `${model.profile.ratePerSecond}/s`
        : model.profile.kind
  return `${how} for ${settings.duration.atLeastMs / 1000} s`
}

/** What this machine can send before a target is blamed: short, against a target that costs nothing. */
export async function loadSelftest(options: { readonly ratePerSecond?: number }, context: AppContext): Promise<SelftestDocument> {
  const { emit } = createTelling('selftest', context.renderers, () => new Date())
  const signal = AbortSignal.any([context.signal, context.control.asked])
  const seen = await selftest({
    ...(options.ratePerSecond === undefined ? {} : { plannedPerSecond: options.ratePerSecond }),
    signal,
    onStep: (step) =>
      emit({ type: 'notice', message: `${step.ratePerSecond}/s: ${step.valid ? 'in time' : (step.reasons[0] ?? 'not in time')}` }),
  })
  if (signal.aborted) throw new RollgateError('E_CANCELLED', 'the self-test was interrupted')
  const good = seen.enough ?? seen.ceilingPerSecond !== null
  return {
    version: 1,
    command: 'load selftest',
    exitCode: good ? 0 : 11,
    outcome: good ? 'ok' : 'failed',
    ...(good
      ? {}
      : {
          error: {
            code: 'E_LOAD_INVALID' as const,
            message: `this machine does not send ${options.ratePerSecond ?? seen.steps[0]?.ratePerSecond ?? 0}/s in time`,
            hints: ['end what else runs here, or ask for a lower rate'],
          },
        }),
    ...seen,
  }
}
