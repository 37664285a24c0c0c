// The gates of a rollout, as the executor asks for them: one measurement at a time (two would load the same hosts and this
// machine twice), what it rests on kept with the rollout, what passed kept for later ones. Pools what the hosts of several
// stages said, so that a bad host is told apart from a bad release.
import { errorInfo } from '../../domain/error.ts'
import type { Calibration, RestartEvidence } from '../../domain/evidence.ts'
import { calibrationMs, type GateSettings } from '../../domain/gate.ts'
import type { HostName } from '../../domain/host.ts'
import type { LoadSettings } from '../../domain/load.ts'
import type { Plan } from '../../domain/plan.ts'
import type { GateAt, Ports } from '../../domain/ports.ts'
import type { Slice } from '../../domain/slice.ts'
import { pastPassOf } from '../../gate/past-pass.ts'
import { type Arms, type GatePlace, type GateWork, MOST_HOSTS_AN_ARM, servingArms, withArms } from './arms.ts'
import {
  type CalibrationWay,
  calibrateArms,
  calibrationFrom,
  describeCalibration,
  keep,
  keepNeighbours,
  keptCalibration,
  learnedEffect,
  loadOf,
  MOST_CALIBRATED,
  pairOf,
  sendToAll,
} from './calibrate.ts'
import { openKept } from './kept.ts'
import { CANNOT, measureGate } from './measure.ts'
import { openStages } from './stages.ts'

export type GatePorts = Pick<Ports, 'gate' | 'calibrate'>

export type GatePortsOptions = GateWork & {
  readonly plan: Plan
  readonly restart: () => RestartEvidence | null
  readonly approve: Ports['approve']
}

export function gatePorts(of: GatePortsOptions): GatePorts {
  const { session, context, plan, run } = of
  const kept = openKept(context.env, session.config)
  const calibrations = new Map<string, Calibration>()
  const together = new Map<string, { readonly hosts: readonly HostName[]; readonly slices: readonly Slice[]; readonly seed: string }>()
  const stages = openStages(kept, run)
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work)
    last = turn.catch(() => undefined)
    return turn
  }
  const calibrationOf = async (
    gate: GateSettings,
    way: CalibrationWay,
    arms: Pick<Arms, 'canary' | 'old'>,
  ): Promise<Calibration | null> => {
    const load = loadOf(session.config, gate)
    if (arms.old.length === 0 || load === undefined || calibrationMs(gate, load) === 0) return null
    return (
      calibrations.get(keyOf(gate, arms)) ??
      calibratedTogether(gate, arms) ??
      (await keptCalibration(kept, { gate, way, load, arms }, new Date()))
    )
  }
  /** Whoever is compared later: all were loaded together before the push. */
  const calibratedTogether = (gate: GateSettings, arms: Pick<Arms, 'canary' | 'old'>): Calibration | null => {
    const seen = together.get(gate.name)
    if (seen === undefined || ![...arms.canary, ...arms.old].every((host) => seen.hosts.includes(host))) return null
    const found = calibrationFrom(gate, seen.slices, arms, seen.seed)
    if ('problem' in found) return null
    calibrations.set(keyOf(gate, arms), found.calibration)
    return found.calibration
  }
  /** Hosts that serve: each will be compared with others as the rollout goes on. Also kept, for a resume. */
  const calibrateTogether = async (gate: GateSettings, load: LoadSettings, at: GateAt, signal: AbortSignal): Promise<string> => {
    // Likeliest baseline first, so the first canaries are at the end: of a large fleet both ends are measured.
    const { old } = at
    const hosts =
      old.length <= MOST_CALIBRATED ? old : [...old.slice(0, MOST_HOSTS_AN_ARM), ...old.slice(MOST_HOSTS_AN_ARM - MOST_CALIBRATED)]
    const splits = old
      .map((_, left) => servingArms({ hosts: old.slice(left).reverse(), old: old.slice(0, left) }))
      .filter((arms) => arms.old.length > 0 && [...arms.canary, ...arms.old].every((host) => hosts.includes(host)))
    const known = await Promise.all(splits.map((arms) => calibrationOf(gate, 'serving', arms)))
    if (known.every((one) => one !== null))
      return `${hosts.length} hosts, known already${known[0] ? `: ${describeCalibration(known[0])}` : ''}`
    const work = { ...of, gate, load, kept, way: 'serving' } as const
    const { slices, problem, seed } = await sendToAll(work, hosts, signal)
    if (problem !== null) return without(gate.name, problem)
    together.set(gate.name, { hosts, slices, seed })
    const found: Calibration[] = []
    for (const arms of splits) {
      const calibration = calibratedTogether(gate, arms)
      if (calibration === null) continue
      found.push(calibration)
      await keep(work, arms, calibration)
    }
    await keepNeighbours(work, hosts, slices, seed)
    const [first] = found
    return first === undefined ? without(gate.name, 'too little arrived') : `${hosts.length} hosts: ${describeCalibration(first)}`
  }
  return {
    gate: (name, at, signal) =>
      inTurn(async () => {
        const gate = gateNamed(session.config.gates, name)
        const { record: measured, decision } = await measureGate(
          gate,
          {
            ...of,
            place: placeOf(at),
            calibration: (arms) => calibrationOf(gate, wayOf(at), arms),
            learned: await learnedEffect(kept, { gate, way: wayOf(at), load: loadOf(session.config, gate) }),
            passes: await kept.passes(name),
            environment: environmentOf(plan, run),
          },
          signal,
        )
        const record = await stages.add(measured)
        const { evidence, report } = record
        await kept.record(run, record)
        for (const warning of report.warnings) of.emit({ type: 'notice', message: `gate ${name}: ${warning}` })
        const pass = evidence.kind === 'requests' ? pastPassOf(report, evidence, new Date().toISOString()) : null
        if (pass !== null) await kept.addPass(name, pass)
        return { verdict: report.verdict, decision, summary: report.reason, clauses: report.clauses }
      }),
    calibrate: (name, at, signal) =>
      inTurn(async () => {
        const gate = gateNamed(session.config.gates, name)
        const { source } = gate
        const load = loadOf(session.config, gate)
        if (source.kind !== 'load' || load === undefined || calibrationMs(gate, load) === 0) return 'nothing to calibrate'
        try {
          const alone = at.isolated || source.baseline?.kind === 'drained-peer'
          if (!alone) return at.old.length < 2 ? NOBODY : await calibrateTogether(gate, load, at, signal)
          const [host, against] = [at.hosts.at(-1), at.old[0]]
          if (host === undefined || against === undefined) return NOBODY
          const known = await calibrationOf(gate, wayOf(at), { canary: [host], old: [against] })
          if (known !== null) return `known already: ${describeCalibration(known)}`
          return await withArms(gate, source, { ...placeOf(at), hosts: [host], old: [against] }, of, signal, async (arms) => {
            const found = await calibrateArms({ ...of, gate, way: wayOf(at), load, kept }, arms, signal)
            if ('problem' in found) return without(name, found.problem)
            calibrations.set(keyOf(gate, arms), found.calibration)
            return describeCalibration(found.calibration)
          })
        } catch (error) {
          // It costs certainty, and the gate then says so itself.
          const info = errorInfo(error)
          if (!CANNOT.has(info.code)) throw error
          return without(name, info.message)
        }
      }),
  }

  function without(name: string, why: string): string {
    of.emit({ type: 'warning', message: `gate ${name} could not be calibrated: ${why}` })
    return `without a calibration: ${why}`
  }
}

const NOBODY = 'nobody to compare with'

const wayOf = (at: GateAt): CalibrationWay => (at.isolated ? 'isolated' : 'serving')

const keyOf = (gate: GateSettings, arms: Pick<Arms, 'canary' | 'old'>): string => [gate.name, ...pairOf(arms)].join('\n')

function placeOf(at: GateAt): GatePlace {
  return { step: at.step, hosts: at.hosts, old: at.old, borrow: at.borrows ? at.borrow : null }
}

function gateNamed(gates: Readonly<Record<string, GateSettings>>, name: string): GateSettings {
  const gate = gates[name]
  if (gate === undefined) throw new Error(`gate ${name} passed the rules and is not there`)
  return gate
}

function environmentOf(plan: Plan, rollout: string): Readonly<Record<string, string>> {
  return {
    ROLLGATE_APP: plan.app,
    ROLLGATE_ENVIRONMENT: plan.environment ?? '',
    ROLLGATE_ROLLOUT: rollout,
    ROLLGATE_RELEASE: plan.release ?? '',
    ROLLGATE_INTENT: plan.intent,
  }
}
