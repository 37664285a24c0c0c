// A gate from its first question to what follows from the answer: measured by what its source is, judged by the pure
// engine, measured afresh or for longer where its own policy says so (gate/course.ts). Careful that nothing here turns a
// trouble of ours into an opinion about the release: what cannot be measured is INVALID, with the reason.

import { randomBytes } from 'node:crypto'
import type { EngineSettings } from '../../domain/engine.ts'
import { errorInfo, RollgateError } from '../../domain/error.ts'
import type {
  Calibration,
  CapacityEvidence,
  CommandEvidence,
  Evidence,
  PastPass,
  PrometheusEvidence,
  RestartEvidence,
} from '../../domain/evidence.ts'
import type { GateRecord, GateReport, GateSettings, GateSource } from '../../domain/gate.ts'
import type { LoadSettings } from '../../domain/load.ts'
import type { GateResult } from '../../domain/ports.ts'
import { engineCan } from '../../drivers/engine/capabilities.ts'
import { askPrometheus } from '../../drivers/metrics/prometheus.ts'
import { runLocal } from '../../drivers/process.ts'
import { answered } from '../../gate/answers.ts'
import type { LearnedEffect } from '../../gate/calibration.ts'
import { type Course, nextOf, STARTED } from '../../gate/course.ts'
import { hashOf } from '../../gate/hash.ts'
import { judge } from '../../gate/judge.ts'
import { planGate } from '../../gate/plan.ts'
import { burnPairs } from '../../gate/prometheus.ts'
import { measureCapacityRatio } from '../../load/capacity-ratio.ts'
import { readGateImport } from '../../load/imports/read.ts'
import { meanRate } from '../../load/profile.ts'
import { startAsSaid } from '../load-from.ts'
import { secretReader } from '../secrets.ts'
import { heldEngine, heldLoad, spared, strangerOf } from '../strangers.ts'
import { type Arms, type GatePlace, type GateWork, isPairAlone, type LoadSource, withArms } from './arms.ts'
import { measureByEngine } from './measure-engine.ts'
import { measureByLoad } from './measure-load.ts'

export type Measuring = GateWork & {
  readonly place: GatePlace
  /** Of the very hosts that are compared; null: there is none. */
  readonly calibration: (arms: Arms) => Promise<Calibration | null>
  /** How much hosts differ, where that is learned. */
  readonly learned: LearnedEffect | null
  readonly passes: readonly PastPass[]
  readonly restart: () => RestartEvidence | null
  readonly approve: (question: string, signal: AbortSignal) => Promise<'yes' | 'no' | 'unanswered'>
  /** For a command: what it may want to know. */
  readonly environment: Readonly<Record<string, string>>
}

export type Measured = { readonly record: GateRecord; readonly decision: GateResult['decision'] }

type Attempt = { readonly evidence: Evidence; readonly report: GateReport; readonly startedAt?: string }

/** A server that could not be asked, or a command that could not run, is given a moment. */
const BETWEEN_ATTEMPTS_MS = 2_000
const OUTPUT_LINES = 40

/** @throws RollgateError E_CANCELLED; E_LOST and the like when hosts cannot be reached */
export async function measureGate(gate: GateSettings, of: Measuring, signal: AbortSignal): Promise<Measured> {
  let course: Course = STARTED
  for (;;) {
    const { evidence, report, startedAt } = await attempt(gate, of, signal)
    // Longer is what the load has been already, as long as it was planned for.
    const isBraked = evidence.kind === 'requests' && evidence.aborted !== null
    const next = nextOf(gate, { ...course, extensions: gate.onInconclusive.extend }, { ...report, isBraked })
    const record: GateRecord = {
      ...{ version: 1, gate: gate.name, settingsHash: hashOf(gate), discarded: course.discarded, evidence, report },
      ...(startedAt === undefined ? {} : { startedAt }),
    }
    switch (next.kind) {
      case 'afresh':
        course = next.course
        of.emit({ type: 'warning', message: `gate ${gate.name} is INVALID, and measured afresh: ${report.reason}` })
        if (gate.source.kind !== 'load') await of.session.clock.sleep(BETWEEN_ATTEMPTS_MS, signal)
        break
      case 'promote':
        return { record, decision: 'promote' }
      case 'stop':
      case 'pause':
        return { record, decision: next.kind }
      case 'longer':
        throw new RollgateError('E_BUG', `gate ${gate.name} was to be measured longer than planned`)
      default:
        next satisfies never
    }
  }
}

async function attempt(gate: GateSettings, of: Measuring, signal: AbortSignal): Promise<Attempt> {
  const { source } = gate
  switch (source.kind) {
    case 'load':
      return byLoad(gate, source, of, signal)
    case 'prometheus':
      return judged(gate, await byPrometheus(source, signal))
    case 'command':
      return judged(gate, await byCommand(source, of, signal))
    case 'approval': {
      const answer = await of.approve(source.question, signal)
      return judged(gate, { kind: 'approval', question: source.question, answer, by: answer === 'unanswered' ? null : 'the operator' })
    }
    case 'import':
      return judged(gate, await readGateImport(source, { clauses: gate.pass, confidence: gate.confidence, signal }))
    default:
      return source satisfies never
  }
}

const judged = (gate: GateSettings, evidence: Evidence): Attempt => ({ evidence, report: judge(gate, evidence) })

/** What keeps a measurement from being made and says nothing about the release. */
export const CANNOT: ReadonlySet<string> = new Set(['E_LOAD', 'E_LOAD_DATA', 'E_LOAD_ROOM', 'E_SECRET', 'E_MIN_READY', 'E_DRAIN_DEADLINE'])

async function byLoad(gate: GateSettings, source: LoadSource, of: Measuring, signal: AbortSignal): Promise<Attempt> {
  const { session, context } = of
  const engine = session.config.engines[source.load]
  if (engine !== undefined) return byEngine(gate, source, engine, of, signal)
  const settings = session.config.loads[source.load]
  if (settings === undefined) throw new RollgateError('E_USAGE', `gate ${gate.name}: there is no load called ${source.load}`)
  const load = spared(settings, heldLoad, bearing(gate, of), of.emit)
  const seed = randomBytes(4).toString('hex')
  const rate = meanRate(load, load.duration.atMostMs)
  const planned = (arms: Pick<Arms, 'canary' | 'old'>) =>
    planGate(gate, {
      duration: load.duration,
      ratePerArm: rate === null ? null : rate * arms.canary.length,
      arms: { canary: arms.canary, old: arms.old },
      seed,
      learned: of.learned,
    })
  try {
    return await withArms(gate, source, of.place, of, signal, async (arms) => {
      const calibration = await of.calibration(arms)
      refuseUnknownSlow(gate, arms, calibration)
      const { evidence, report, result } = await measureByLoad({
        gatePlan: planned(arms),
        load: {
          settings: load,
          targets: arms.targets,
          ...{ runId: of.run, seed, env: context.env, readSecret: secretReader(session.config, context.env) },
        },
        ...{ calibration, passes: of.passes, restart: of.restart },
        capacity: wantsBursts(gate) ? () => bursts(arms, load, seed, { ...of, source }, signal) : null,
        start: (plan, hooks) => startAsSaid(plan, hooks, session),
        ...{ extend: gate.onInconclusive.extend, signal },
        onProgress: (progress) =>
          of.emit({ type: 'gate.progress', gate: gate.name, ...(of.place.step === undefined ? {} : { step: of.place.step }), progress }),
      })
      return { evidence, report, startedAt: result.startedAt }
    })
  } catch (error) {
    const info = errorInfo(error)
    if (!CANNOT.has(info.code)) throw error
    const plan = planned({ canary: [...of.place.hosts], old: [] })
    const nothing = { calibration: null, slices: [], generator: [], steady: null, aborted: null, restart: null, capacity: null }
    const evidence: Evidence = { kind: 'requests', plan, ...nothing, distrust: [info.message], passes: [], extensions: 0 }
    return { evidence, report: answered(gate.name, 'invalid', info.message, [], { distrust: [info.message] }) }
  }
}

/** Whoever measures has asked; what cannot be held is not sent all the same. @throws RollgateError E_REFUSED */
function bearing(gate: GateSettings, { session }: Measuring) {
  const stranger = strangerOf(session.config, gate)
  if (stranger !== null && stranger.cannotHold !== null)
    throw new RollgateError('E_REFUSED', `gate ${gate.name}: no load is sent to ${stranger.url.host}: ${stranger.cannotHold}`)
  return { isForeign: stranger !== null, rateGiven: null }
}

async function byEngine(
  gate: GateSettings,
  source: LoadSource,
  engine: EngineSettings,
  of: Measuring,
  signal: AbortSignal,
): Promise<Attempt> {
  try {
    return await measureByEngine(gate, source, spared(engine, heldEngine, bearing(gate, of), of.emit), of, signal)
  } catch (error) {
    const info = errorInfo(error)
    if (!CANNOT.has(info.code)) throw error
    const nothing = { ...engineCan(engine, source.baseline !== null), slices: [], totals: null, warnings: [] }
    const asked = { format: engine.tool, clauses: gate.pass, confidence: gate.confidence }
    return judged(gate, { kind: 'import', ...asked, ...nothing, distrust: [info.message] })
  }
}

/** What nobody could judge afterwards need not be sent. @throws RollgateError E_LOAD */
function refuseUnknownSlow({ pass }: GateSettings, { canary, old }: Arms, calibration: Calibration | null): void {
  const unknown = pass.find(({ metric, mode }) => mode === 'gate' && metric.kind === 'slow' && metric.aboveMs === null)
  if (unknown === undefined || calibration !== null) return
  throw new RollgateError(
    'E_LOAD',
    `${unknown.text}: what is slow is not known, for ${[...canary, ...old].join(', ')} were never calibrated`,
  )
}

const wantsBursts = ({ pass }: GateSettings): boolean => pass.some(({ metric }) => metric.kind === 'capacity')

async function bursts(
  arms: Arms,
  settings: LoadSettings,
  seed: string,
  of: Measuring & { readonly source: LoadSource },
  signal: AbortSignal,
): Promise<CapacityEvidence> {
  if (!isPairAlone(of.source, of.place)) return { bursts: [], distrust: ['the hosts serve, and bursts would take all that they have'] }
  const [canary, old] = [arms.canary, arms.old].map(([name]) => arms.targets.find((target) => target.name === name))
  if (canary === undefined || old === undefined) return { bursts: [], distrust: ['nobody to compare with'] }
  const { session, context } = of
  try {
    return await measureCapacityRatio({
      ...{ settings, canary, old, runId: of.run, seed, env: context.env, readSecret: secretReader(session.config, context.env), signal },
      onPair: (pair, done, total) =>
        of.emit({
          type: 'notice',
          message: `capacity: ${Math.round(pair.canary)}/s against ${Math.round(pair.old)}/s (${done} of ${total})`,
        }),
    })
  } catch (error) {
    const info = errorInfo(error)
    if (!CANNOT.has(info.code)) throw error
    return { bursts: [], distrust: [info.message] }
  }
}

async function byPrometheus(source: Extract<GateSource, { kind: 'prometheus' }>, signal: AbortSignal): Promise<PrometheusEvidence> {
  const { url, query, burn, onEmpty, staleMs } = source
  const windows = burn === null ? [null] : [...new Set(burnPairs(burn).flatMap(({ long, short }) => [long, short]))]
  const answers = await Promise.all(
    windows.map(async (window) => ({
      window,
      answer: await askPrometheus({ url, query: window === null ? query : query.replaceAll(/\{\{\s*window\s*\}\}/g, window), signal }),
    })),
  )
  return { kind: 'prometheus', onEmpty, staleMs, answers, burn }
}

async function byCommand(source: Extract<GateSource, { kind: 'command' }>, of: Measuring, signal: AbortSignal): Promise<CommandEvidence> {
  const { session, context, environment } = of
  const ended = { kind: 'command', run: source.run } as const
  try {
    const result = await runLocal(
      { shell: source.run },
      {
        cwd: session.config.directory,
        env: { ...context.env, ...environment },
        timeoutMs: source.timeoutMs,
        signal,
        onLine: (line) => of.emit({ type: 'output', source: 'gate', line }),
      },
    )
    const output = `${result.stdout}\n${result.stderr}`
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-OUTPUT_LINES)
    const how = result.timedOut ? 'timeout' : result.lost ? 'lost' : result.exitCode === 127 ? 'not-found' : 'ended'
    return { ...ended, exitCode: result.exitCode, signal: result.signal ?? null, how, output }
  } catch (error) {
    const info = errorInfo(error)
    if (info.code !== 'E_COMMAND') throw error
    return { ...ended, exitCode: null, signal: null, how: 'not-found', output: [info.message] }
  }
}
