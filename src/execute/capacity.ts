// Who is ready now, in the balancer's own words, and how many more may be taken. Asked again before every move, forward
// and on the way back: the plan's arithmetic was right when it was made, the fleet may have changed since.
import type { LoadBalancer, ServerRef, ServerState } from '../domain/balancer.ts'
import { RollgateError } from '../domain/error.ts'
import type { HostName } from '../domain/host.ts'
import type { Track } from '../domain/plan.ts'
import { type Run, waitSignal } from './run.ts'

const BALANCER_RETRY_MS = 120_000

/** Ready hosts of a group; hosts without a balancer by what this run knows. */
export async function readyHosts(run: Run, group: string): Promise<ReadonlySet<HostName>> {
  const hosts = run.plan.groups[group]?.hosts ?? []
  const wanted = new Map<LoadBalancer, ServerRef[]>()
  const places = new Map<HostName, number>()
  for (const host of hosts) {
    const servers = run.context.ports.settings(host).servers
    places.set(host, servers.length)
    for (const { balancer, ref } of servers) wanted.set(balancer, [...(wanted.get(balancer) ?? []), ref])
  }
  const states = (await Promise.all([...wanted].map(([balancer, refs]) => patientRead(run, balancer, refs)))).flat()
  const isReady = (state: ServerState): boolean =>
    state.admin === 'ready' && (state.health === 'up' || state.health === 'falling' || state.health === 'unchecked')
  const ready = new Set<HostName>()
  for (const host of hosts) {
    if (places.get(host) === 0) {
      if (run.serving.has(host) && !run.inHand.has(host)) ready.add(host)
      continue
    }
    const refs = run.context.ports.settings(host).servers.map(({ ref }) => ref)
    const own = refs.map((ref) => states.find((state) => sameServer(state.ref, ref)))
    if (own.every((state) => state !== undefined && isReady(state))) ready.add(host)
  }
  run.minReadySeen = run.minReadySeen === null ? ready.size : Math.min(run.minReadySeen, ready.size)
  return ready
}

/** "Cannot talk" is not "says no": asked again for two minutes. */
async function patientRead(run: Run, balancer: LoadBalancer, refs: readonly ServerRef[]): Promise<readonly ServerState[]> {
  const { clock } = run.context.ports
  const began = clock.now()
  for (;;) {
    try {
      return await balancer.read(refs, run.context.signal)
    } catch (error) {
      const retry =
        error instanceof RollgateError &&
        error.code === 'E_BALANCER_UNREACHABLE' &&
        clock.now() - began < (run.context.ports.balancerRetryMs ?? BALANCER_RETRY_MS)
      if (!retry) throw error
      run.context.emit({ type: 'warning', message: `${balancer.id} cannot be talked to, trying again: ${error.message}` })
      await clock.sleep(1_000, waitSignal(run))
    }
  }
}

export function sameServer(a: ServerRef, b: ServerRef): boolean {
  return a.balancer === b.balancer && a.backend === b.backend && a.server === b.server
}

/**
 * Works through tracks side by side, never taking a ready host that its group cannot spare. Hosts that are not ready go first.
 *
 * @param work must not throw
 * @param options.takesOut whether what is left to do of a track would take a ready host out
 * @returns tracks that were never started because capacity did not come back within `patienceMs`, or because `enough` said so
 */
export async function guarded(
  run: Run,
  tracks: readonly Track[],
  work: (track: Track) => Promise<void>,
  options: {
    readonly patienceMs: number
    readonly enough: () => boolean
    readonly takesOut: (track: Track) => boolean
    /** The way back may go to as few as there were in the beginning: a failed first deploy is stopped, not kept. */
    readonly wayBack?: true
  },
): Promise<readonly Track[]> {
  const { clock } = run.context.ports
  let pending = [...tracks]
  const running = new Map<HostName, Promise<void>>()
  let waitingSince: number | null = null
  while (pending.length > 0) {
    if (options.enough()) break
    // Who cannot be asked who is ready stops here, but not before what is in hand has ended.
    const startable = await pick(run, pending, options).catch(async (error: unknown) => {
      await Promise.all(running.values())
      throw error
    })
    for (const track of startable) {
      run.inHand.add(track.host)
      const job = work(track).finally(() => {
        run.inHand.delete(track.host)
        running.delete(track.host)
      })
      running.set(track.host, job)
    }
    pending = pending.filter((track) => !startable.includes(track))
    if (pending.length === 0) break
    if (running.size > 0) {
      waitingSince = null
      await Promise.race(running.values())
      continue
    }
    waitingSince ??= clock.now()
    if (clock.now() - waitingSince > options.patienceMs) break
    for (const track of pending)
      run.context.emit({ type: 'warning', host: track.host, message: `waiting: taking ${track.host} now would leave fewer than min_ready` })
    await clock.sleep(1_000, waitSignal(run))
  }
  await Promise.all(running.values())
  return pending
}

async function pick(
  run: Run,
  pending: readonly Track[],
  { takesOut, wayBack }: { readonly takesOut: (track: Track) => boolean; readonly wayBack?: true },
): Promise<readonly Track[]> {
  const startable: Track[] = []
  for (const group of new Set(pending.map((track) => track.group))) {
    const ready = await readyHosts(run, group)
    const wanted = run.plan.policy.minReady[group] ?? 0
    const min = wayBack === true ? Math.min(wanted, run.plan.groups[group]?.ready.length ?? 0) : wanted
    let spare = [...ready].filter((host) => !run.inHand.has(host)).length - min
    const members = pending.filter((track) => track.group === group)
    const costs = (track: Track): boolean => ready.has(track.host) && takesOut(track)
    startable.push(...members.filter((track) => !costs(track)))
    for (const track of members.filter(costs)) {
      if (spare <= 0) break
      spare -= 1
      startable.push(track)
    }
  }
  return startable
}

export function tooFewReady(track: Track, run: Run): RollgateError {
  return new RollgateError(
    'E_MIN_READY',
    `${track.host} could not be taken: fewer than min_ready (${run.plan.policy.minReady[track.group] ?? 0}) would have remained`,
    {
      host: track.host,
      exitCode: 5,
      hints: ['rollgate status   (which hosts are not ready, and why)'],
    },
  )
}
