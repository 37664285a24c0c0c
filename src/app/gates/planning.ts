// What can be said of gates before anything is touched: which clauses cannot be decided in the time given, and what would
// suffice; where a load could not be sent to. Part of `plan`, `deploy`, `check` and `gate plan`. Pure.
import { appHosts, type Config, settingsOf } from '../../domain/config.ts'
import { calibrationMs, type GateSettings } from '../../domain/gate.ts'
import type { Plan, Refusal } from '../../domain/plan.ts'
import { engineCan } from '../../drivers/engine/capabilities.ts'
import { type GatePlanning, type PlanningContext, planning, unanswerable } from '../../gate/planner.ts'
import { bestOf } from '../../load/imports/best.ts'
import { EVERY_REQUEST } from '../../load/imports/reading.ts'
import { meanRate } from '../../load/profile.ts'
import { heldLoad, strangerOf, strangerWords } from '../strangers.ts'
import type { Results } from './planning-results.ts'

export type PlannedGate = GatePlanning & { readonly gate: string }

/** @param names of gates that are there @param results of imports: what their files say, where there is one (planning-results.ts) */
export function planGates(config: Config, names: readonly string[], results: Results): readonly PlannedGate[] {
  return names.flatMap((name) => {
    const gate = config.gates[name]
    if (gate === undefined) return []
    const { problems, warnings, clauses } = planning(gate, contextOf(config, gate, results))
    const { problem, warning } = strangerWords(config, gate)
    return [
      {
        gate: name,
        problems: [...whereProblems(config, gate), ...(problem === null ? [] : [problem]), ...problems],
        warnings: [...(warning === null ? [] : [warning]), ...warnings],
        clauses,
      },
    ]
  })
}

/** Why a gate that is measured by hand could never say anything; empty: it can, given time enough. */
export function neverAnswered(config: Config, gate: GateSettings, results: Results): readonly string[] {
  return [...whereProblems(config, gate), ...unanswerable(gate, contextOf(config, gate, results), 'alone')]
}

function contextOf(config: Config, gate: GateSettings, results: Results): PlanningContext {
  const { source } = gate
  // Without a file, or with one that nobody can read, by the best that this tool writes.
  if (source.kind === 'import')
    return { kind: 'import', ...(results.get(gate.name) ?? bestOf(source.format) ?? { level: 'C', capabilities: EVERY_REQUEST }) }
  if (source.kind !== 'load') return { kind: 'other' }
  const engine = config.engines[source.load]
  if (engine !== undefined) return { kind: 'import', ...engineCan(engine, source.baseline !== null) }
  const asked = config.loads[source.load]
  if (asked === undefined) return { kind: 'other' }
  const load = strangerOf(config, gate) === null ? asked : heldLoad(asked)
  const ratePerArm = meanRate(load, load.duration.atMostMs)
  const hasProbe = config.rollout.probe !== null
  if (ratePerArm === null) return { kind: 'closed', hasProbe }
  const calibration = calibrationMs(gate, load)
  return {
    ...{ kind: 'load', hasProbe },
    ...{
      atLeastSeconds: Math.round(load.duration.atLeastMs / 1000),
      atMostSeconds: Math.max(1, Math.round(load.duration.atMostMs / 1000)),
    },
    ratePerArm,
    calibration: calibration === 0 ? null : { plannedSeconds: calibration / 1000 },
  }
}

function whereProblems(config: Config, { source, pass }: GateSettings): readonly string[] {
  if (source.kind !== 'load') return []
  const plain = withoutTls(config, source)
  if (plain !== null)
    return [`load ${source.load} asks for HTTP/2, and ${plain} is reached without TLS: leave http2 out, or use https (tls: true for hosts)`]
  if (config.loads[source.load]?.http2 === true && pass.some(({ metric }) => metric.kind === 'capacity'))
    return [`load ${source.load} asks for HTTP/2, and bursts for capacity are sent by the closed model, which speaks HTTP/1.1 only`]
  if (source.at.kind === 'balancer' && config.rollout.probe === null)
    return ['at: balancer needs `rollout.probe.url`, which names the public entry; or use at: URL']
  if (source.at.kind !== 'canary') return []
  const portless = appHosts(config).filter((host) => !['http', 'tcp'].includes(settingsOf(config, host).health.check.kind))
  if (portless.length === 0) return []
  return [
    `on which port does the app of ${portless.map((host) => host.name).join(', ')} listen? Its health check has none: use health.http.port, or at: URL`,
  ]
}

/** What HTTP/2 cannot be spoken with; null: it can, or is not asked for. */
function withoutTls(config: Config, { load: name, at }: Extract<GateSettings['source'], { kind: 'load' }>): string | null {
  const load = config.loads[name]
  if (load?.http2 !== true) return null
  if (at.kind === 'canary') return load.tls === true ? null : 'a host’s own port'
  const url = at.kind === 'url' ? at.url : config.rollout.probe?.url
  return url === undefined || new URL(url).protocol === 'https:' ? null : new URL(url).origin
}

/** Gates that this plan measures. */
export function gatesOf(plan: Plan): readonly string[] {
  const inTracks = plan.batches.flatMap((batch) => batch.tracks).flatMap((track) => track.steps)
  const between = plan.batches.flatMap((batch) => batch.after)
  return [...new Set([...inTracks, ...between].flatMap((step) => (step.kind === 'gate' ? [step.gate] : [])))]
}

export function gateRefusals(planned: readonly PlannedGate[]): readonly Refusal[] {
  return planned.flatMap(({ gate, problems }) =>
    problems.map((problem) => ({
      code: 'E_REFUSED' as const,
      message: `gate ${gate}: ${problem}`,
      hints: [`rollgate gate plan ${gate}   (what each clause needs)`, 'or --skip-gates --reason TEXT'],
    })),
  )
}
