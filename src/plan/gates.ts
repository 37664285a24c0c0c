// Where the gates of `rollout.steps` stand in a plan: an isolated one in the way of each host of the deploy before it, before
// it is enabled; the others between batches. Pure. What has to be compared is looked at here too: a gate without an old host
// to compare with, or whose control nobody can spare, is refused before anything is touched.
import { isRelative } from '../domain/clause.ts'
import type { Config, StepSetting } from '../domain/config.ts'
import { calibrationMs, type GateSettings } from '../domain/gate.ts'
import type { Batch, GateStep, Plan, Refusal } from '../domain/plan.ts'

export function gateOf(config: Config, name: string): GateSettings {
  const gate = config.gates[name]
  if (gate === undefined) throw new Error(`gate ${name} passed the rules and is not there`)
  return gate
}

export function isIsolated({ source }: GateSettings): boolean {
  return source.kind === 'load' && source.when === 'isolated'
}

export const comparesRequests = (gate: GateSettings): boolean =>
  gate.source.kind === 'load' && gate.source.baseline !== null && gate.pass.some(isRelative)

export function gateStep(gate: GateSettings): GateStep {
  const borrows = comparesRequests(gate) && isIsolated(gate) && gate.source.kind === 'load' && gate.source.baseline?.kind === 'drained-peer'
  return { gate: gate.name, ...(borrows ? { borrows: true } : {}) }
}

export function needsCalibration(config: Config, gate: GateSettings): boolean {
  if (!comparesRequests(gate) || gate.source.kind !== 'load') return false
  const load = config.loads[gate.source.load]
  return load !== undefined && calibrationMs(gate, load) > 0
}

/** Names of the isolated gates between this deploy step and the next. */
export function isolatedAfter(config: Config, steps: readonly StepSetting[], deploy: number): readonly string[] {
  const rest = steps.slice(deploy + 1)
  const next = rest.findIndex((step) => step.kind === 'deploy')
  return rest
    .slice(0, next < 0 ? rest.length : next)
    .flatMap((step) => (step.kind === 'gate' && isIsolated(gateOf(config, step.gate)) ? [step.gate] : []))
}

/** Steps without the gates that are left out of this rollout. */
export function withoutGates(steps: readonly StepSetting[], left: ReadonlySet<string>): readonly StepSetting[] {
  return steps.filter((step) => step.kind !== 'gate' || !left.has(step.gate))
}

export const gatesIn = (steps: readonly StepSetting[]): readonly string[] => [
  ...new Set(steps.flatMap((step) => (step.kind === 'gate' ? [step.gate] : []))),
]

/** What cannot be compared at the place where it stands. */
export function refuseGates(
  config: Config,
  batches: readonly Batch[],
  plan: Pick<Plan, 'groups' | 'unchanged' | 'policy'>,
): readonly Refusal[] {
  const refusals: Refusal[] = []
  const moved = new Set<string>(plan.unchanged)
  const oldIn = (group: string): readonly string[] => (plan.groups[group]?.ready ?? []).filter((host) => !moved.has(host))
  const refuse = (name: string, where: string): void => {
    if (refusals.some((refusal) => refusal.message.includes(`gate ${name} `))) return
    refusals.push({
      code: 'E_REFUSED',
      message: `gate ${name} compares with the old release, and ${where} no ready host runs it any more`,
      hints: [
        'put the gate behind an earlier `deploy` step',
        'or use clauses with fixed limits, such as `p95 < 300ms`',
        'or --skip-gates --reason TEXT',
      ],
    })
  }
  for (const batch of batches) {
    for (const track of batch.tracks) moved.add(track.host)
    for (const group of new Set(batch.tracks.map((track) => track.group))) {
      const gates = batch.tracks
        .filter((track) => track.group === group)
        .flatMap((track) => track.steps.flatMap((step) => (step.kind === 'gate' ? [step] : [])))
      for (const { gate, borrows } of gates) {
        if (!comparesRequests(gateOf(config, gate))) continue
        if (oldIn(group).length === 0) refuse(gate, `in ${batch.title}`)
        else if (borrows === true) refuseControl(gate, batch, group, plan, refusals)
      }
    }
    for (const checkpoint of batch.after) {
      if (checkpoint.kind !== 'gate' || !comparesRequests(gateOf(config, checkpoint.gate))) continue
      if (Object.keys(plan.groups).every((group) => oldIn(group).length === 0)) refuse(checkpoint.gate, `after ${batch.title}`)
    }
  }
  return refusals
}

function refuseControl(gate: string, batch: Batch, group: string, plan: Pick<Plan, 'groups' | 'policy'>, refusals: Refusal[]): void {
  const ready = plan.groups[group]?.ready ?? []
  const taken = batch.tracks.filter((track) => track.group === group && ready.includes(track.host)).length
  const left = ready.length - taken - 1
  const min = plan.policy.minReady[group] ?? 0
  if (left >= min || refusals.some((refusal) => refusal.code === 'E_MIN_READY')) return
  refusals.push({
    code: 'E_MIN_READY',
    message: `gate ${gate} takes an old host out as its control: that would leave ${left} ready of ${plan.groups[group]?.hosts.length ?? 0}, and min_ready is ${min}`,
    hints: ['against: { baseline: in-rotation } takes nobody out (with when: serving)', 'or lower rollout.min_ready'],
  })
}
