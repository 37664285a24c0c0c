// Taking a host out of rotation and bringing it back, over all its balancers: drain is an AND, what an operator had
// taken out stays out, and nobody is made ready before the balancer itself saw it healthy. Policy only: single changes
// are the drivers'. The order is the measured one (drain → 0 → maintenance → … → drain → checked → ready → up).
import type { LoadBalancer, ServerState } from '../domain/balancer.ts'
import type { DrainPolicy } from '../domain/config.ts'
import { RollgateError } from '../domain/error.ts'
import type { Clock, HostSettings } from '../domain/ports.ts'

type Servers = HostSettings['servers']

const SAMPLES = 3
const SAMPLE_MS = 150
/** "Cannot talk" is asked again for this long on the way back; "says no" is final. */
const RETRY_MS = 120_000

export async function snapshot(servers: Servers, signal: AbortSignal): Promise<readonly ServerState[]> {
  const byBalancer = new Map<LoadBalancer, Servers[number]['ref'][]>()
  for (const { balancer, ref } of servers) byBalancer.set(balancer, [...(byBalancer.get(balancer) ?? []), ref])
  const read = await Promise.all([...byBalancer].map(([balancer, refs]) => balancer.read(refs, signal)))
  const states = read.flat()
  return servers.map(({ ref }) => {
    const state = states.find(
      (candidate) =>
        candidate.ref.balancer === ref.balancer && candidate.ref.backend === ref.backend && candidate.ref.server === ref.server,
    )
    if (state === undefined) throw new RollgateError('E_BALANCER_SERVER', `${ref.balancer} no longer knows ${ref.backend}/${ref.server}`)
    return state
  })
}

const isOurs = (before: ServerState): boolean => before.admin === 'ready'
const isWithdrawn = (state: ServerState): boolean => state.admin === 'drain' || state.admin === 'maintenance' || state.admin === 'other'
const load = (state: ServerState): number => (state.inFlight ?? 0) + (state.queued ?? 0)
const name = (state: ServerState): string => `${state.ref.backend}/${state.ref.server} on ${state.ref.balancer}`

/** Out on every balancer, with nothing in flight. */
export async function isOut(servers: Servers, signal: AbortSignal): Promise<boolean> {
  const states = await snapshot(servers, signal)
  return states.every((state) => isWithdrawn(state) && load(state) === 0)
}

/** As recorded: ready and up where it was ready, untouched where it was not. */
export async function isIn(servers: Servers, before: readonly ServerState[], signal: AbortSignal): Promise<boolean> {
  const states = await snapshot(servers, signal)
  return states.every((state, index) =>
    before[index]?.admin === 'ready'
      ? state.admin === 'ready' && (state.health === 'up' || state.health === 'unchecked')
      : state.admin === before[index]?.admin,
  )
}

export type TakeOut = {
  readonly host: string
  readonly servers: Servers
  /** In the order of `servers`. */
  readonly before: readonly ServerState[]
  readonly drain: DrainPolicy
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Established connections to the app; null when the host cannot tell. */
  readonly appConnections: () => Promise<number | null>
  readonly waiting: (detail: string) => void
}

/** @throws RollgateError E_DRAIN_DEADLINE (the host is back as it was), E_BALANCER… (those already drained are put back), E_CANCELLED */
export async function takeOut(options: TakeOut): Promise<{ readonly cut: number; readonly evidence: string }> {
  const { servers, before, drain, clock, signal } = options
  const ours = servers.filter((_, index) => before[index] !== undefined && isOurs(before[index]))
  if (ours.length === 0) return { cut: 0, evidence: 'was out of rotation already, by an operator' }
  const change = { signal, deadlineMs: drain.deadlineMs }
  const deadline = clock.now() + drain.deadlineMs

  const drained = await Promise.allSettled(ours.map(({ balancer, ref }) => balancer.drain(ref, change)))
  const refused = drained.find((result) => result.status === 'rejected')
  if (refused !== undefined) {
    await putBack(options, ours)
    throw refused.reason
  }
  let cut = 0
  if (!(await emptied(options, ours, deadline))) cut = await pastDeadline(options, ours)
  const resting = await Promise.allSettled(ours.map(async ({ balancer, ref }) => balancer.maintenance?.(ref, change)))
  const failed = resting.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    await putBack(options, ours)
    throw failed.reason
  }
  // Sticky and persistent clients come even in drain, none in maintenance: only now zero is final.
  if (!(await emptied(options, ours, Math.max(deadline, clock.now() + 2_000))) && drain.onDeadline === 'fail')
    await pastDeadline(options, ours)
  return {
    cut,
    evidence:
      cut > 0
        ? 'not empty at the deadline'
        : `nothing in flight in ${SAMPLES} samples on ${new Set(ours.map(({ balancer }) => balancer.id)).size} balancer(s)`,
  }
}

/** Three zero samples in a row on every balancer; a reload in between forgets the drain, which is then set again. */
async function emptied(options: TakeOut, ours: Servers, deadline: number): Promise<boolean> {
  const { clock, signal, drain } = options
  let zeros = 0
  let generation: string | null = null
  for (;;) {
    const states = await snapshot(ours, signal)
    const now = states.map((state) => state.generation).join()
    if (generation !== null && now !== generation) {
      options.waiting('the balancer was reloaded meanwhile: draining again')
      await Promise.all(ours.map(({ balancer, ref }) => balancer.drain(ref, { signal, deadlineMs: drain.deadlineMs })))
      await oldGenerationGone(options, deadline)
      zeros = 0
    }
    generation = now
    const left = states.reduce((sum, state) => sum + load(state), 0)
    zeros = left === 0 && states.every(isWithdrawn) ? zeros + 1 : 0
    if (zeros >= SAMPLES) return true
    if (clock.now() >= deadline) return false
    if (left > 0) options.waiting(`${left} in flight, ${Math.max(0, Math.round((deadline - clock.now()) / 1000))} s left`)
    await clock.sleep(SAMPLE_MS, signal)
  }
}

/** A worker from before the reload keeps its requests, and the new one does not know them: ask the host's own sockets. */
async function oldGenerationGone(options: TakeOut, deadline: number): Promise<void> {
  for (;;) {
    const connections = await options.appConnections()
    if (connections === null || connections === 0 || options.clock.now() >= deadline) return
    options.waiting(`${connections} connections of the balancer's previous process`)
    await options.clock.sleep(SAMPLE_MS, options.signal)
  }
}

async function pastDeadline(options: TakeOut, ours: Servers): Promise<number> {
  const { drain, host, signal } = options
  const states = await snapshot(ours, signal)
  const left = states.reduce((sum, state) => sum + load(state), 0)
  if (drain.onDeadline === 'continue') return 0
  if (drain.onDeadline === 'cut') {
    const closed = await Promise.all(
      ours.map(async ({ balancer, ref }) => (await balancer.closeSessions?.(ref, { signal, deadlineMs: drain.deadlineMs }))?.closed ?? 0),
    )
    return Math.max(
      left,
      closed.reduce((sum, count) => sum + count, 0),
    )
  }
  await putBack(options, ours)
  const where = states.filter((state) => load(state) > 0).map(name)
  throw new RollgateError('E_DRAIN_DEADLINE', `${host} did not drain: ${left} connections left after ${drain.deadlineMs / 1000} s`, {
    host,
    why: `${where.join(', ')} keeps connections open (websockets, long requests?)`,
    now: `${host} is back in rotation as it was`,
    hints: ['raise balancer.drain.deadline', 'or set balancer.drain.on_deadline: continue (or cut)'],
  })
}

/** Its own failure must not hide the first error. */
async function putBack(options: TakeOut, ours: Servers): Promise<void> {
  await Promise.allSettled(
    options.servers.map(async ({ balancer, ref }, index) => {
      const before = options.before[index]
      if (before === undefined || !ours.some((server) => server.ref === ref)) return
      await balancer.restore({ ...before, ref }, { signal: options.signal, deadlineMs: options.drain.deadlineMs })
    }),
  )
}

export type BringBack = {
  readonly host: string
  readonly servers: Servers
  readonly before: readonly ServerState[]
  readonly clock: Clock
  readonly deadlineMs: number
  readonly signal: AbortSignal
  readonly waiting: (detail: string) => void
  readonly retryMs?: number
}

/** @throws RollgateError E_NOT_UP (the server stays out, never ready but dead), E_BALANCER_UNREACHABLE after two minutes */
export async function bringBack(options: BringBack): Promise<readonly ServerState[]> {
  const { servers, before, clock, signal, deadlineMs } = options
  const ours = servers.filter((_, index) => before[index] !== undefined && isOurs(before[index]))
  if (ours.length === 0) return snapshot(servers, signal)
  const change = { signal, deadlineMs }
  const now = await patiently(options, () => snapshot(ours, signal))
  await Promise.all(
    ours.map(async ({ balancer, ref }, index) => {
      if (now[index]?.admin === 'ready') return
      if (balancer.verifyOutOfRotation !== undefined) await patiently(options, async () => balancer.verifyOutOfRotation?.(ref, change))
    }),
  )
  // Every balancer has seen it healthy: only now any of them sends traffic.
  await Promise.all(
    ours.map(({ balancer, ref }) => {
      const recorded = before[servers.findIndex((server) => server.ref === ref)]
      return patiently(options, () =>
        recorded === undefined ? balancer.ready(ref, change) : balancer.restore({ ...recorded, ref }, change),
      )
    }),
  )
  const deadline = clock.now() + deadlineMs
  let ups = 0
  for (;;) {
    const states = await patiently(options, () => snapshot(ours, signal))
    ups = states.every(
      (state) => state.admin === 'ready' && (state.health === 'up' || state.health === 'unchecked') && state.warmingPercent === null,
    )
      ? ups + 1
      : 0
    if (ups >= 2) return states
    if (clock.now() >= deadline) {
      const down = states.filter((state) => state.health !== 'up' && state.health !== 'unchecked')
      if (down.length === 0) return states
      await Promise.allSettled(ours.map(({ balancer, ref }) => balancer.drain(ref, change)))
      throw new RollgateError(
        'E_NOT_UP',
        `${options.host} did not come up in the balancer: ${down.map((state) => `${name(state)} is ${state.detail}`).join(', ')}`,
        {
          host: options.host,
          now: `${options.host} is kept out of rotation`,
          hints: ["look at the balancer's own health check of this server"],
        },
      )
    }
    options.waiting(states.map((state) => `${state.ref.backend}/${state.ref.server} ${state.detail}`).join(', '))
    await clock.sleep(SAMPLE_MS, signal)
  }
}

async function patiently<T>(options: BringBack, work: () => Promise<T>): Promise<T> {
  const began = options.clock.now()
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const retry =
        error instanceof RollgateError &&
        error.code === 'E_BALANCER_UNREACHABLE' &&
        options.clock.now() - began < (options.retryMs ?? RETRY_MS)
      if (!retry) throw error
      options.waiting(`the balancer cannot be talked to, trying again: ${error.message}`)
      await options.clock.sleep(1_000, options.signal)
    }
  }
}
