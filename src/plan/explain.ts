// The dry run: a plan in words. Pure lines, no colour; the renderers frame them.
import type { Batch, Checkpoint, GateStep, Plan, Step, Track } from '../domain/plan.ts'

/** One line each; two spaces of indent a level. */
export function explainPlan(plan: Plan): readonly string[] {
  const what = plan.intent === 'restart' ? 'restart' : `${plan.intent} ${plan.release ?? 'the last good release of each host'}`
  const where = plan.environment === null ? plan.app : `${plan.app} (${plan.environment})`
  const minimum = Object.entries(plan.policy.minReady).map(([group, min]) =>
    Object.keys(plan.policy.minReady).length === 1 ? `at least ${min} ready` : `at least ${min} of ${group} ready`,
  )
  const lines = [`Plan ${plan.id}: ${what} on ${where}, on failure ${plan.policy.onFailure}, ${minimum.join(', ')}`]
  if (plan.policy.failureBudget > 0) lines.push(`  failure budget: ${plan.policy.failureBudget} hosts`)
  for (const hook of plan.before) lines.push(`  before: ${hook.name}${hook.once ? ' (once)' : ''}: ${hook.run}`)
  for (const batch of plan.batches) lines.push(...explainBatch(batch))
  if (plan.unchanged.length > 0) lines.push(`  unchanged: ${plan.unchanged.join(', ')}`)
  if (plan.skipped.length > 0) lines.push(`  skipped, unreachable: ${plan.skipped.join(', ')}`)
  for (const hook of plan.finally) lines.push(`  after: ${hook.name}: ${hook.run}`)
  if (plan.skippedGates !== undefined) lines.push(`  gates left out: ${plan.skippedGates.gates.join(', ')} (${plan.skippedGates.reason})`)
  if (plan.batches.length === 0) lines.push('  nothing to do')
  return lines
}

function explainBatch(batch: Batch): readonly string[] {
  const lines =
    batch.tracks.length === 0
      ? []
      : [`  ${batch.title}: ${batch.tracks.map((track) => track.host).join(', ')}${batch.tracks.length > 1 ? ' together' : ''}`]
  const [first, ...others] = batch.tracks
  if (first !== undefined) {
    lines.push(...explainTrack(first))
    for (const track of others)
      lines.push(...(sameWork(first, track) ? [`    ${track.host}: ${change(track)}, same steps`] : explainTrack(track)))
  }
  return [...lines, ...batch.after.map((checkpoint) => `  then ${explainCheckpoint(checkpoint)}`)]
}

function explainTrack(track: Track): readonly string[] {
  const steps = track.steps.map((step) => `      ${describeStep(step)}`)
  return [
    `    ${track.host}: ${change(track)}${track.wasReady ? '' : ' (not serving now)'}`,
    ...steps,
    `      undo: ${track.undo.map((step) => describeStep(step)).join(', ')}`,
  ]
}

const change = (track: Track): string =>
  track.from === track.to ? (track.to ?? 'no release') : `${track.from ?? 'nothing'} → ${track.to ?? 'nothing'}`

const sameWork = (a: Track, b: Track): boolean =>
  a.steps.map((step) => step.kind).join() === b.steps.map((step) => step.kind).join() &&
  a.undo.map((step) => step.kind).join() === b.undo.map((step) => step.kind).join()

const control = (step: GateStep): string => (step.borrows === true ? ', an old host out of rotation as its control' : '')

export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'drain':
      return `drain, wait up to ${step.deadlineMs / 1000} s${step.onDeadline === 'fail' ? '' : `, then ${step.onDeadline}`}`
    case 'hook':
      return `hook ${step.hook.name}`
    case 'activate':
      return `activate ${step.release}`
    case 'restart':
      return 'restart'
    case 'stop':
      return 'stop, stay out'
    case 'prove':
      return step.release === null ? 'prove healthy' : `prove ${step.release} healthy`
    case 'calibrate':
      return `calibrate for gate ${step.gate}${control(step)}`
    case 'gate':
      return `gate ${step.gate}${control(step)}`
    case 'enable':
      return 'enable'
    default:
      return step satisfies never
  }
}

export function explainCheckpoint(checkpoint: Checkpoint): string {
  switch (checkpoint.kind) {
    case 'pause':
      return `pause ${checkpoint.ms / 1000} s`
    case 'approve':
      return `ask a person: ${checkpoint.question}`
    case 'calibrate':
      return `calibrate for gate ${checkpoint.gate}${control(checkpoint)}`
    case 'gate':
      return `gate ${checkpoint.gate}${control(checkpoint)}`
    case 'hook':
      return `hook ${checkpoint.hook.name}: ${checkpoint.hook.run}`
    default:
      return checkpoint satisfies never
  }
}
