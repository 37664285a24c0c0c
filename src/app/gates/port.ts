// The gates of a rollout, as the executor asks for them: one measurement at a time (two would load the same hosts and this
// machine twice), what it rests on kept with the rollout, what passed kept for later ones. Pools what the hosts of several
// stages said, so that a bad host is told apart from a bad release.
import { errorInfo } from '../../domain/error.ts'
import type { Calibration, RestartEvidence } from '../../domain/evidence.ts'
import { calibrationMs, type GateReport, type GateSettings } from '../../domain/gate.ts'
import type { Plan } from '../../domain/plan.ts'
import type { GateAt, Ports } from '../../domain/ports.ts'
import { pastPassOf } from '../../gate/past-pass.ts'
import { type Arms, type GatePlace, type GateWork, withArms } from './arms.ts'
import { type CalibrationWay, calibrateArms, describeCalibration, keptCalibration, pairOf } from './calibrate.ts'
import { openKept } from './kept.ts'
import { CANNOT, measureGate } from './measure.ts'
import { type StageEffects, sayStages, stageEffects } from './stages.ts'

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
  const stages: StageEffects[] = []
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
    if (gate.source.kind !== 'load' || arms.old.length === 0) return null
    const load = session.config.loads[gate.source.load]
    if (load === undefined || calibrationMs(gate, load) === 0) return null
    return calibrations.get(keyOf(gate, arms)) ?? (await keptCalibration(kept, { gate, way, load, arms }, new Date()))
  }
  return {
    gate: (name, at, signal) =>
      inTurn(async () => {
        const gate = gateNamed(session.config.gates, name)
        const { record, decision } = await measureGate(
          gate,
          {
            ...of,
            place: placeOf(at),
            calibration: (arms) => calibrationOf(gate, wayOf(at), arms),
            passes: await kept.passes(name),
            environment: environmentOf(plan, run),
          },
          signal,
        )
        const { evidence } = record
        const effects = evidence.kind === 'requests' ? stageEffects(record.report, evidence, at.hosts) : null
        if (effects !== null) stages.push(effects)
        const report: GateReport = { ...record.report, warnings: [...record.report.warnings, ...sayStages(stages)] }
        await kept.record(run, { ...record, report })
        for (const warning of report.warnings) of.emit({ type: 'notice', message: `gate ${name}: ${warning}` })
        const pass = evidence.kind === 'requests' ? pastPassOf(report, evidence, new Date().toISOString()) : null
        if (pass !== null) await kept.addPass(name, pass)
        return { verdict: report.verdict, decision, summary: report.reason, clauses: report.clauses }
      }),
    calibrate: (name, at, signal) =>
      inTurn(async () => {
        const gate = gateNamed(session.config.gates, name)
        const { source } = gate
        const load = source.kind === 'load' ? session.config.loads[source.load] : undefined
        if (source.kind !== 'load' || load === undefined || calibrationMs(gate, load) === 0) return 'nothing to calibrate'
        const [host, against] = pairAhead(at, source.baseline?.kind === 'drained-peer')
        if (host === undefined || against === undefined) return 'nobody to compare with'
        const known = await calibrationOf(gate, wayOf(at), { canary: [host], old: [against] })
        if (known !== null) return `known already: ${describeCalibration(known)}`
        try {
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

const wayOf = (at: GateAt): CalibrationWay => (at.isolated ? 'isolated' : 'serving')

const keyOf = (gate: GateSettings, arms: Pick<Arms, 'canary' | 'old'>): string => [gate.name, ...pairOf(arms)].join('\n')

/** Before the push nobody runs the new release: whoever will be the canary, and the host that it will be compared with. */
function pairAhead(at: GateAt, isolated: boolean): readonly [string | undefined, string | undefined] {
  if (at.isolated || isolated) return [at.hosts.at(-1), at.old[0]]
  return [at.old.at(-1), at.old.length > 1 ? at.old[0] : undefined]
}

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
