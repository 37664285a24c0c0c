// gate calibrate: how much the hosts of this fleet differ while all run the same release, and with `--aa N` how often the
// gate would fail a release that is no different at all. All hosts get the same requests at the same moments, in one pass.

import { randomBytes } from 'node:crypto'
import { appHosts } from '../domain/config.ts'
import type { GateCalibrateDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { Calibration } from '../domain/evidence.ts'
import { calibrationMs, type GateSettings } from '../domain/gate.ts'
import type { HostName } from '../domain/host.ts'
import type { LoadSettings } from '../domain/load.ts'
import type { Slice, Verdict } from '../domain/slice.ts'
import { type LearnedEffect, learnedFrom, USUAL_HOST_EFFECT } from '../gate/calibration.ts'
import { planning } from '../gate/planner.ts'
import { meanRate } from '../load/profile.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { gateNamed } from './gate.ts'
import type { GateWork } from './gates/arms.ts'
import { calibrationFrom, keep, MOST_CALIBRATED, sendToAll, withEffect } from './gates/calibrate.ts'
import { type Kept, openKept } from './gates/kept.ts'
import { measureGate } from './gates/measure.ts'
import type { Session } from './session.ts'
import { createTelling } from './telling.ts'

export type CalibrateOptions = {
  readonly name?: string
  readonly hosts?: readonly string[]
  readonly durationMs?: number
  /** So many gates of hosts against hosts that run the same. */
  readonly aa?: number
}

type Pair = { readonly host: HostName; readonly against: HostName; readonly calibration: Calibration }

/** @throws RollgateError E_USAGE, E_LOAD, E_LOAD_INVALID, E_CANCELLED */
export async function gateCalibrate(options: CalibrateOptions, context: AppContext): Promise<GateCalibrateDocument> {
  const run = randomBytes(4).toString('hex')
  const { emit } = createTelling(run, context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...(options.hosts === undefined ? {} : { hosts: options.hosts }) })
  try {
    const gate = gateNamed(session.config, options.name)
    const load = loadOf(session, gate)
    const kept = openKept(context.env, session.config)
    const work: GateWork = { session, context, emit, run }
    const signal = AbortSignal.any([context.signal, context.control.asked])
    const hosts = chosenHosts(session)
    const { durationMs } = options
    const calibrating = { ...work, gate, load, kept, way: 'serving', ...(durationMs === undefined ? {} : { durationMs }) } as const
    const { slices, problem, seed } = await sendToAll(calibrating, hosts, signal)
    if (problem !== null) throw new RollgateError('E_LOAD_INVALID', `gate ${gate.name} cannot be calibrated: ${problem}`)
    const { pairs, problems } = pairsOf(gate, hosts, slices, seed)
    for (const { host, against, calibration } of pairs) await keep(calibrating, { canary: [host], old: [against] }, calibration)
    const [first] = pairs
    if (first === undefined)
      throw new RollgateError('E_LOAD_INVALID', `gate ${gate.name} cannot be calibrated: ${problems[0] ?? 'nothing was measured'}`)
    const learned = learnedFrom(pairs)
    // A number that somebody has set goes before what was learned.
    const used = gate.learnsHostEffect === true ? learned : null
    const aa = options.aa === undefined ? null : await againstItself(gate, pairs, options.aa, { ...work, kept, learned: used }, signal)
    const verdict = aa === null || aa.verdicts.fail === 0
    return {
      version: 1,
      command: 'gate calibrate',
      exitCode: verdict ? 0 : 7,
      outcome: verdict ? 'ok' : 'failed',
      ...(verdict
        ? {}
        : {
            error: {
              code: 'E_GATE_FAILED' as const,
              message: `${aa?.verdicts.fail} of ${aa?.runs} gates failed a release against itself`,
              hints: [
                'the hosts differ more than the gate allows for: raise confidence.host_effect, or the margins',
                'or longer blocks: a longer load',
              ],
            },
          }),
      ...{ gate: gate.name, run, pairs: pairs.map(shownPair), hostEffect: learned?.tau ?? USUAL_HOST_EFFECT, aa },
      clauses: clausesOf(withEffect(gate, used), load, first.calibration, session.config.rollout.probe !== null),
      warnings: [
        ...problems,
        // Each was seen from both sides.
        ...(learned === null
          ? [`${Math.ceil(pairs.length / 2)} pairs of hosts say little about how much hosts differ; 5 % is assumed`]
          : []),
      ],
    }
  } finally {
    await session.close()
  }
}

function loadOf(session: Session, gate: GateSettings): LoadSettings {
  const load = gate.source.kind === 'load' ? session.config.loads[gate.source.load] : undefined
  if (load === undefined || gate.source.kind !== 'load' || gate.source.baseline === null)
    throw new RollgateError('E_USAGE', `gate ${gate.name} compares nothing: there is nothing to calibrate`)
  if (calibrationMs(gate, load) === 0) throw new RollgateError('E_USAGE', `gate ${gate.name}: nothing of it rests on how much hosts differ`)
  return load
}

function chosenHosts(session: Session): readonly HostName[] {
  const names = session.chosen.map((host) => host.name)
  if (names.length < 2)
    throw new RollgateError('E_USAGE', `at least two hosts are needed, and ${appHosts(session.config).length} are there`)
  return names.slice(0, MOST_CALIBRATED)
}

function pairsOf(gate: GateSettings, hosts: readonly HostName[], slices: readonly Slice[], seed: string) {
  const pairs: Pair[] = []
  const problems: string[] = []
  for (const against of hosts) {
    for (const host of hosts) {
      if (host === against) continue
      const found = calibrationFrom(gate, slices, { canary: [host], old: [against] }, seed)
      if ('problem' in found) problems.push(`${host} against ${against}: ${found.problem}`)
      else pairs.push({ host, against, calibration: found.calibration })
    }
  }
  return { pairs, problems }
}

async function againstItself(
  gate: GateSettings,
  pairs: readonly Pair[],
  runs: number,
  of: GateWork & { readonly kept: Kept; readonly learned: LearnedEffect | null },
  signal: AbortSignal,
): Promise<NonNullable<GateCalibrateDocument['aa']>> {
  const verdicts: Record<Verdict, number> = { pass: 0, fail: 0, inconclusive: 0, invalid: 0 }
  for (let count = 0; count < runs; count += 1) {
    const { host, against, calibration } = pairs[count % pairs.length] ?? { host: '', against: '', calibration: null }
    const { record } = await measureGate(
      withoutRollout(gate),
      {
        ...of,
        place: { hosts: [host], old: [against], borrow: null },
        ...{
          calibration: async () => calibration,
          passes: [],
          restart: () => null,
          approve: async () => 'unanswered' as const,
          environment: {},
        },
      },
      signal,
    )
    await of.kept.record(of.run, record)
    verdicts[record.report.verdict] += 1
    of.emit({
      type: 'notice',
      message: `A/A ${count + 1} of ${runs}, ${host} against ${against}: ${record.report.verdict.toUpperCase()}: ${record.report.reason}`,
    })
  }
  return { runs, verdicts }
}

/** Nothing is restarted and nobody taken out of rotation here, and neither says anything about false alarms. */
function withoutRollout(gate: GateSettings): GateSettings {
  return { ...gate, pass: gate.pass.filter(({ metric }) => metric.kind !== 'restart.lost' && metric.kind !== 'capacity') }
}

function clausesOf(gate: GateSettings, load: LoadSettings, calibration: Calibration, hasProbe: boolean): GateCalibrateDocument['clauses'] {
  const ratePerArm = meanRate(load, load.duration.atMostMs)
  if (ratePerArm === null) return []
  const times = {
    atLeastSeconds: Math.round(load.duration.atLeastMs / 1000),
    atMostSeconds: Math.max(1, Math.round(load.duration.atMostMs / 1000)),
  }
  return planning(gate, { kind: 'load', hasProbe, ...times, ratePerArm, calibration }).clauses
}

function shownPair({ host, against, calibration }: Pair): GateCalibrateDocument['pairs'][number] {
  const { seconds, slowAboveMs, quantiles } = calibration
  return {
    ...{ host, against, seconds, slowAboveMs },
    quantiles: Object.fromEntries(
      Object.entries(quantiles).map(([q, { theta, se, oldMs }]) => [q, { ratio: Math.expm1(theta), se, oldMs }]),
    ),
  }
}
