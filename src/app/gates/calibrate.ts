// How much hosts differ while both run the old release: the same load, on the same hosts, reached the same way, before the
// push (load-and-gates.md, 7.2). A calibration that is there already is used again for a day; one that fails costs
// certainty and nothing else: it never stops a rollout.
import { randomBytes } from 'node:crypto'
import type { Config } from '../../domain/config.ts'
import { errorInfo, RollgateError } from '../../domain/error.ts'
import type { Calibration } from '../../domain/evidence.ts'
import { calibrationMs, type GateSettings } from '../../domain/gate.ts'
import type { HostName } from '../../domain/host.ts'
import type { LoadSettings } from '../../domain/load.ts'
import type { Slice } from '../../domain/slice.ts'
import { calibrate, FEWEST_PAIRS, type LearnedEffect, learnedFrom } from '../../gate/calibration.ts'
import { hashOf } from '../../gate/hash.ts'
import { RESAMPLES } from '../../gate/plan.ts'
import { createDraw } from '../../gate/random.ts'
import { timelineOf } from '../../gate/seconds.ts'
import type { LoadHooks, LoadPlan } from '../../load/plan.ts'
import { startAsSaid } from '../load-from.ts'
import { createMeter } from '../meter.ts'
import { secretReader } from '../secrets.ts'
import { type Arms, type GateWork, reach } from './arms.ts'
import type { Kept, KeptCalibration } from './kept.ts'

/** Hosts change: a neighbour, a disk, a new kernel. */
const FRESH_MS = 24 * 3_600_000

/** Hosts that are loaded at once: each gets the whole rate. */
export const MOST_CALIBRATED = 12

/** How hosts are measured: out of rotation, or beside what they serve. A calibration says something about its own way only. */
export type CalibrationWay = 'isolated' | 'serving'

/** Another load or another way is another question. */
export function calibrationHash(way: CalibrationWay, load: LoadSettings): string {
  return hashOf({ way, load: { ...load, duration: null, warmup: null } })
}

/** The newest one of this pair, not older than a day; null: there is none. */
export async function keptCalibration(
  kept: Kept,
  of: {
    readonly gate: GateSettings
    readonly way: CalibrationWay
    readonly load: LoadSettings
    readonly arms: Pick<Arms, 'canary' | 'old'>
  },
  now: Date,
): Promise<Calibration | null> {
  const { gate, arms } = of
  const hash = calibrationHash(of.way, of.load)
  const [host, against] = pairOf(arms)
  const found = (await kept.calibrations(gate.name)).find(
    (one) => one.settingsHash === hash && one.host === host && one.against === against && now.getTime() - Date.parse(one.at) < FRESH_MS,
  )
  return found?.calibration ?? null
}

/** The load of ours that a gate sends; undefined: it sends none. */
export function loadOf({ loads }: Pick<Config, 'loads'>, { source }: GateSettings): LoadSettings | undefined {
  return source.kind === 'load' ? loads[source.load] : undefined
}

/** How much hosts differ, as calibrations of this load and way that are kept have shown; null: too few, or a number is configured. */
export async function learnedEffect(
  kept: Pick<Kept, 'calibrations'>,
  { gate, way, load }: { readonly gate: GateSettings; readonly way: CalibrationWay; readonly load: LoadSettings | undefined },
): Promise<LearnedEffect | null> {
  if (load === undefined || gate.learnsHostEffect !== true || calibrationMs(gate, load) === 0) return null
  const hash = calibrationHash(way, load)
  const single = ({ host, against }: KeptCalibration): boolean => !`${host}${against}`.includes('+')
  return learnedFrom((await kept.calibrations(gate.name)).filter((one) => one.settingsHash === hash && single(one)))
}

export function withEffect(gate: GateSettings, learned: LearnedEffect | null): GateSettings {
  return learned === null ? gate : { ...gate, confidence: { ...gate.confidence, hostEffect: learned.tau } }
}

/** The same configuration, with what was learned in the place of what is only assumed. */
export async function withLearned(config: Config, kept: Pick<Kept, 'calibrations'>): Promise<Config> {
  const gates = await Promise.all(
    Object.entries(config.gates).map(async ([name, gate]): Promise<[string, GateSettings]> => {
      const { source } = gate
      if (source.kind !== 'load') return [name, gate]
      const learned = await learnedEffect(kept, { gate, way: source.when, load: config.loads[source.load] })
      return [name, withEffect(gate, learned)]
    }),
  )
  return { ...config, gates: Object.fromEntries(gates) }
}

export const pairOf = (arms: Pick<Arms, 'canary' | 'old'>): readonly [string, string] => [arms.canary.join('+'), arms.old.join('+')]

export type Calibrating = GateWork & {
  readonly gate: GateSettings
  readonly way: CalibrationWay
  readonly load: LoadSettings
  readonly kept: Kept
  readonly durationMs?: number
}

export type Calibrated = { readonly calibration: Calibration } | { readonly problem: string }

/** Measures both arms, and keeps what was found. @throws RollgateError E_CANCELLED */
export async function calibrateArms(of: Calibrating, arms: Arms, signal: AbortSignal): Promise<Calibrated> {
  const seed = randomBytes(4).toString('hex')
  const { slices, problem } = await sendTo(of, arms, of.durationMs ?? calibrationMs(of.gate, of.load), seed, signal)
  if (problem !== null) return { problem }
  const found = calibrationFrom(of.gate, slices, arms, seed)
  if ('problem' in found) return found
  await keep(of, arms, found.calibration)
  return found
}

/** The same seed and the same slices give the same calibration. */
export function calibrationFrom(
  gate: GateSettings,
  slices: readonly Slice[],
  arms: Pick<Arms, 'canary' | 'old'>,
  seed: string,
): ReturnType<typeof calibrate> {
  const quantiles = gate.pass.flatMap(({ metric }) => (metric.kind === 'quantile' ? [metric.q] : []))
  return calibrate(timelineOf(slices, arms), {
    ...{ quantiles, resamples: RESAMPLES },
    draw: createDraw([seed, ...pairOf(arms)].join('/')),
  })
}

/** Each host against the next one: how much hosts differ is learned of pairs, and groups say less. */
export async function keepNeighbours(
  of: Parameters<typeof keep>[0],
  hosts: readonly HostName[],
  slices: readonly Slice[],
  seed: string,
): Promise<void> {
  if (hosts.length <= FEWEST_PAIRS) return
  for (const [index, host] of hosts.slice(1).entries()) {
    const arms = { canary: [host], old: hosts.slice(index, index + 1) }
    const found = calibrationFrom(of.gate, slices, arms, seed)
    if ('calibration' in found) await keep(of, arms, found.calibration)
  }
}

export async function keep(
  of: Pick<Calibrating, 'gate' | 'way' | 'load' | 'kept'>,
  arms: Pick<Arms, 'canary' | 'old'>,
  calibration: Calibration,
): Promise<void> {
  const [host, against] = pairOf(arms)
  const settingsHash = calibrationHash(of.way, of.load)
  await of.kept.addCalibration(of.gate.name, { at: new Date().toISOString(), host, against, settingsHash, calibration })
}

/**
 * The same requests at the same moments to all of them, so that any can be compared with any other later on.
 * @returns what was seen, and why it cannot be used
 * @throws RollgateError E_CANCELLED; whatever reaching a host throws
 */
export async function sendToAll(
  of: Omit<Calibrating, 'way'>,
  hosts: readonly HostName[],
  signal: AbortSignal,
): Promise<Seen & { readonly seed: string }> {
  const { gate, load } = of
  const seed = randomBytes(4).toString('hex')
  if (gate.source.kind !== 'load') return { slices: [], problem: 'nothing is loaded', seed }
  const arms = await reach(gate, gate.source, { canary: hosts, old: [] }, of, signal)
  return { ...(await sendTo(of, arms, of.durationMs ?? calibrationMs(gate, load), seed, signal)), seed }
}

type Seen = { readonly slices: readonly Slice[]; readonly problem: string | null }

/** @returns what was seen, and why it cannot be used @throws RollgateError E_CANCELLED */
async function sendTo(of: Omit<Calibrating, 'way'>, arms: Arms, durationMs: number, seed: string, signal: AbortSignal): Promise<Seen> {
  const { session, context, emit, gate, load, run } = of
  const slices: Slice[] = []
  const meter = createMeter({ targets: [...arms.canary, ...arms.old], arms: { canary: arms.canary, old: arms.old } })
  const plan: LoadPlan = {
    settings: load,
    targets: arms.targets,
    ...{ runId: run, seed, durationMs, warmupMs: Math.min(load.warmup.atLeastMs, durationMs), env: context.env },
    readSecret: secretReader(session.config, context.env),
  }
  try {
    const hooks: LoadHooks = {
      signal,
      onSlice(slice) {
        slices.push(slice)
        meter.addSlice(slice)
      },
      onSample: (sample) => meter.addSample(sample),
      onProgress({ second, targets }) {
        const inFlight = Object.fromEntries(targets.map((target) => [target.name, target.inFlight]))
        emit({
          type: 'gate.progress',
          gate: gate.name,
          progress: {
            phase: 'calibration',
            ...{ seconds: second, atMostSeconds: Math.round((plan.warmupMs + durationMs) / 1000) },
            ...{ targets: meter.targets(inFlight), clauses: [], look: null, trust: meter.trust() },
          },
        })
      },
    }
    const sending = await startAsSaid(plan, hooks, session)
    const result = await sending.done
    if (result.end === 'cancelled') throw new RollgateError('E_CANCELLED', 'interrupted while a gate was calibrated')
    if (result.end === 'unsafe') return { slices, problem: `it was stopped to protect the service: ${result.endDetail ?? 'abort_if'}` }
    const [why] = result.validity.reasons
    return { slices, problem: result.validity.valid ? null : (why ?? 'it cannot be trusted') }
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_CANCELLED' || info.code === 'E_BUG') throw error
    return { slices, problem: info.message }
  }
}

/** `hosts differ by 1.2 % at p95`: what a person wants to know of it. */
export function describeCalibration({ quantiles, slowAboveMs, seconds }: Calibration): string {
  const p95 = quantiles['0.95']
  const by = p95 === undefined ? '' : `p95 differs by ${(100 * Math.expm1(p95.theta)).toFixed(1)} % (± ${(196 * p95.se).toFixed(1)}), `
  return `${seconds} s: ${by}slow is above ${Math.round(slowAboveMs)} ms`
}
