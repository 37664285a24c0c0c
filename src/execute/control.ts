// Hosts of the old release, as a gate's baseline: which there are, and one of them taken out of rotation as control for as
// long as a measurement runs (load-and-gates.md, 5.3). Careful that a control is a host like any other: spared only where
// min_ready allows, written into its ledger before it is taken, given back whatever happens, first of all after a crash.
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { HostName } from '../domain/host.ts'
import type { Plan, StepId, Track } from '../domain/plan.ts'
import type { GateAt } from '../domain/ports.ts'
import { readyHosts } from './capacity.ts'
import { comeBack, goOut } from './place.ts'
import { snapshot } from './rotation.ts'
import { endsRun, noteRollout, type Run, record, waitSignal } from './run.ts'

const GIVE_BACK_MS = 90_000

export const controlStep = (host: HostName): StepId => `${host}/control`

type Where = { readonly step: StepId; readonly batch: string; readonly borrows: boolean } & (
  | { readonly host: HostName }
  | { readonly upTo: string }
)

/** What a gate needs to know of where it stands. `upTo`: the last batch whose hosts run the new release, or the host itself. */
export function gateAt(run: Run, at: Where): GateAt {
  const moved = 'host' in at ? [at.host] : movedUpTo(run, at.upTo)
  const groups = new Set(
    Object.entries(run.plan.groups).flatMap(([name, group]) => (group.hosts.some((host) => moved.includes(host)) ? [name] : [])),
  )
  return {
    ...{ step: at.step, batch: at.batch, borrows: at.borrows, hosts: moved, isolated: 'host' in at },
    old: oldHosts(run, groups.size === 0 ? new Set(Object.keys(run.plan.groups)) : groups),
    borrow: (host, work) => borrow(run, host, work),
  }
}

/** Hosts that were moved and serve, batch by batch; where none was, those that run the release already. */
function movedUpTo(run: Run, batchId: string): readonly HostName[] {
  const last = run.plan.batches.findIndex((batch) => batch.id === batchId)
  const tracks = run.plan.batches.slice(0, last + 1).flatMap((batch) => batch.tracks)
  const moved = tracks.filter((track) => !run.failed.has(track.host) && track.steps.every((step) => run.done.has(step.id)))
  return moved.length > 0 ? moved.map((track) => track.host) : run.plan.unchanged
}

/** Those that are moved last come first: they are old for longest, so later gates may meet them again. */
function oldHosts(run: Run, groups: ReadonlySet<string>): readonly HostName[] {
  const { plan } = run
  const tracks = plan.batches.flatMap((batch) => batch.tracks)
  const untouched = (track: Track): boolean => track.from !== null && !track.steps.some((step) => run.touched.has(step.id))
  const later = tracks.filter((track) => groups.has(track.group) && track.wasReady && untouched(track)).map((track) => track.host)
  const known = new Set([...tracks.map((track) => track.host), ...plan.unchanged, ...plan.skipped])
  const others = [...groups].flatMap((name) => (plan.groups[name]?.ready ?? []).filter((host) => !known.has(host)))
  return [...later.toReversed(), ...others].filter((host) => !run.inHand.has(host) && !run.failed.has(host))
}

async function borrow<T>(run: Run, host: HostName, work: () => Promise<T>): Promise<T> {
  const { ports, rollout, signal } = run.context
  const track = await trackOf(run, host)
  const ready = await readyHosts(run, track.group)
  const min = run.plan.policy.minReady[track.group] ?? 0
  const spare = [...ready].filter((name) => !run.inHand.has(name)).length - min
  if (run.inHand.has(host) || !ready.has(host) || spare <= 0) {
    throw new RollgateError('E_MIN_READY', `${host} cannot be taken out as control: fewer than min_ready (${min}) would remain`, {
      host,
      exitCode: 5,
      hints: ['against: { baseline: in-rotation } takes nobody out', 'or lower rollout.min_ready'],
    })
  }
  const step = controlStep(host)
  run.inHand.add(host)
  let result: T
  try {
    await ports.host(host).note(rollout, step, 'started', 'was-in', signal)
    await record(run, { type: 'step.started', step, host, attempt: 1 })
    run.inDoubt.add(step)
    const { drain } = ports.settings(host)
    await goOut(run, track, { id: step, host, kind: 'drain', ...drain }, waitSignal(run), (detail) =>
      run.context.emit({ type: 'step.waiting', step, host, detail }),
    )
    result = await work()
  } catch (error) {
    await giveBack(run, track).catch((second: unknown) => {
      if (endsRun(second) && !endsRun(error)) throw second
    })
    throw error
  }
  await giveBack(run, track)
  return result
}

/** Also after an interrupt: nobody stays out because he was a control. A host that does not come back needs a person. */
async function giveBack(run: Run, track: Track): Promise<void> {
  const { ports, rollout, emit } = run.context
  const { host } = track
  const step = controlStep(host)
  const signal = AbortSignal.any([run.context.signal, AbortSignal.timeout(GIVE_BACK_MS)])
  const patient: Run = { ...run, context: { ...run.context, control: { ...run.context.control, hurry: signal } } }
  try {
    await comeBack(patient, track, signal, (detail) => emit({ type: 'step.waiting', step, host, detail }))
    await ports.host(host).note(rollout, step, 'done', '-', signal)
    await record(run, { type: 'step.succeeded', step, host, attempt: 1, changed: true, note: 'was the control of a gate' })
    run.inDoubt.delete(step)
  } catch (error) {
    if (endsRun(error)) throw error
    const info = errorInfo(error)
    run.stuck.set(host, info)
    emit({ type: 'warning', host, message: `${host} was the control of a gate and could not be brought back: ${info.message}` })
    throw error
  } finally {
    run.inHand.delete(host)
  }
}

/** After a crash: whoever was out as control goes back before anything else is done. */
export async function returnControls(run: Run): Promise<void> {
  for (const track of run.plan.batches.flatMap((batch) => batch.tracks)) {
    if (!run.inDoubt.has(controlStep(track.host))) continue
    try {
      await giveBack(run, track)
    } catch (error) {
      if (endsRun(error)) throw error
      await noteRollout(run, controlStep(track.host), 'failed', '-')
    }
  }
}

/** Of a host that this plan does not move: as it is now is how it is given back. */
async function trackOf(run: Run, host: HostName): Promise<Track> {
  const own = run.plan.batches.flatMap((batch) => batch.tracks).find((track) => track.host === host)
  if (own !== undefined) return own
  const states = await snapshot(run.context.ports.settings(host).servers, run.context.signal)
  return {
    ...{ host, from: null, to: null, steps: [], undo: [], wasReady: true, group: groupOf(run.plan, host) },
    rotation: states.map(({ ref, admin, weight }) => ({ balancer: ref.balancer, backend: ref.backend, server: ref.server, admin, weight })),
  }
}

function groupOf(plan: Plan, host: HostName): string {
  return Object.entries(plan.groups).find(([, group]) => group.hosts.includes(host))?.[0] ?? ''
}
