// The steps of one host, and its complete way back. The way back belongs to the track and not to a step: drain, previous
// release, restart, prove, enable is right from any point (undoing step by step restarted a host that was ready again).
import type { Config, DrainPolicy, Hook } from '../domain/config.ts'
import type { HostName } from '../domain/host.ts'
import type { GateStep, Step, StepAction } from '../domain/plan.ts'
import type { ReleaseId } from '../domain/release.ts'

export type Move = {
  readonly host: HostName
  readonly intent: 'deploy' | 'rollback' | 'restart'
  readonly from: ReleaseId | null
  readonly to: ReleaseId | null
  /** false: an adopted release of another tool's, which cannot answer with an id of ours. */
  readonly fromIsOurs: boolean
  readonly drain: DrainPolicy
  /** The release runs already and is healthy: only its place in the rotation is missing. */
  readonly onlyEnable: boolean
}

function numbered(host: HostName, prefix: string, actions: readonly StepAction[]): readonly Step[] {
  const used = new Map<string, number>()
  return actions.map((action) => {
    const name = action.kind === 'hook' ? `hook:${action.hook.name.replace(/[^A-Za-z0-9._-]+/g, '-')}` : action.kind
    const count = (used.get(name) ?? 0) + 1
    used.set(name, count)
    return { id: `${host}/${prefix}${name}${count === 1 ? '' : `#${count}`}`, host, ...action }
  })
}

const onHost = (hooks: readonly Hook[], release: ReleaseId): readonly StepAction[] => hooks.map((hook) => ({ kind: 'hook', hook, release }))

export function forwardSteps(
  move: Move,
  config: Config,
  isolated: { readonly gates: readonly GateStep[]; readonly calibrate: readonly GateStep[] },
): readonly Step[] {
  const { drain, to } = move
  if (move.onlyEnable) return numbered(move.host, '', [{ kind: 'prove', release: answering(to) }, { kind: 'enable' }])
  const out: StepAction = { kind: 'drain', deadlineMs: drain.deadlineMs, onDeadline: drain.onDeadline }
  const gates: readonly StepAction[] = isolated.gates.map((gate) => ({ kind: 'gate', ...gate }))
  const before: readonly StepAction[] = isolated.calibrate.map((gate) => ({ kind: 'calibrate', ...gate }))
  if (move.intent === 'restart' || to === null) {
    return numbered(move.host, '', [
      out,
      { kind: 'restart', release: to },
      { kind: 'prove', release: move.fromIsOurs ? to : null },
      { kind: 'enable' },
    ])
  }
  return numbered(move.host, '', [
    out,
    ...(move.from === null ? [] : before),
    ...onHost(config.hooks.before_activate, to),
    { kind: 'activate', release: to },
    { kind: 'restart', release: to },
    ...onHost(config.hooks.after_activate, to),
    { kind: 'prove', release: answering(to) },
    ...gates,
    { kind: 'enable' },
  ])
}

/** A release of ours answers with its id; a folder that another tool made, and that a rollback goes to, knows of none. */
function answering(release: ReleaseId | null): ReleaseId | null {
  return release !== null && /^r\d+-[0-9a-f]{8}$/.test(release) ? release : null
}

/** Larger means are allowed on the way back: a drain that does not end is cut, because staying is worse. */
export function undoSteps(move: Move): readonly Step[] {
  const { drain, from } = move
  const out: StepAction = {
    kind: 'drain',
    deadlineMs: drain.deadlineMs,
    onDeadline: drain.onDeadline === 'fail' ? 'cut' : drain.onDeadline,
  }
  if (from === null) return numbered(move.host, 'undo/', [out, { kind: 'stop' }])
  return numbered(move.host, 'undo/', [
    out,
    { kind: 'activate', release: from },
    { kind: 'restart', release: from },
    { kind: 'prove', release: move.fromIsOurs ? from : null },
    { kind: 'enable' },
  ])
}
