// The way back into rotation: every balancer has seen the host healthy out of traffic before any of them sends some, each
// server gets back exactly what it had, and the host counts as back only when the balancers themselves say so. A server
// that does not come up goes to maintenance: drained costs capacity, ready but dead costs requests.
import type { LoadBalancer, ServerRef, ServerState } from '../domain/balancer.ts'
import { RollgateError } from '../domain/error.ts'
import { hasWeightOf, isServing, nameOf, oursOf, type Patience, patiently, type Servers, snapshot } from './rotation.ts'

const SAMPLES = 2
const SAMPLE_MS = 150

export type BringBack = Patience & {
  readonly host: string
  readonly servers: Servers
  /** In the order of `servers`; what was not ready is left alone. */
  readonly before: readonly ServerState[]
  readonly deadlineMs: number
}

/** @throws RollgateError E_NOT_UP (the server stays out), E_BALANCER_CONFLICT, E_BALANCER_UNREACHABLE after two minutes */
export async function bringBack(options: BringBack): Promise<readonly ServerState[]> {
  const { servers, before, signal, deadlineMs, host } = options
  const ours = oursOf(servers, before)
  if (ours.length === 0) return snapshot(servers, signal)
  const recorded = before.filter((state) => state.admin === 'ready')
  const change = { signal, deadlineMs }
  try {
    const now = await patiently(options, () => snapshot(ours, signal))
    const away = ours.filter((_, index) => now[index]?.admin !== 'ready')
    await all(away, ({ balancer, ref }) => patiently(options, async () => balancer.verifyOutOfRotation?.(ref, change)))
    const generations = new Map<ServerRef, string>()
    const restore = async (server: Servers[number]): Promise<void> => {
      const state = recorded[ours.indexOf(server)]
      if (state === undefined) return
      const done = await patiently(options, () => server.balancer.restore({ ...state, ref: server.ref }, change))
      generations.set(server.ref, done.after.generation)
    }
    await all(ours, restore)
    return await serving(options, ours, recorded, { generations, restore })
  } catch (error) {
    if (!(error instanceof RollgateError) || error.code !== 'E_NOT_UP') throw error
    await Promise.allSettled(ours.map(({ balancer, ref }) => rest(balancer, ref, change)))
    throw new RollgateError('E_NOT_UP', `${host} did not come up in the balancer: ${error.message}`, {
      host,
      now: `${host} is kept out of rotation`,
      hints: error.hints,
      cause: error,
    })
  }
}

/** Twice in a row, slow starts over. */
async function serving(
  options: BringBack,
  ours: Servers,
  recorded: readonly ServerState[],
  set: { readonly generations: Map<ServerRef, string>; readonly restore: (server: Servers[number]) => Promise<void> },
): Promise<readonly ServerState[]> {
  const { clock, signal, deadlineMs } = options
  const deadline = clock.now() + deadlineMs
  let ups = 0
  for (;;) {
    const states = await patiently(options, () => snapshot(ours, signal))
    const forgetful = ours.filter(({ ref }, index) => states[index]?.generation !== set.generations.get(ref))
    if (forgetful.length > 0) {
      // Reloaded: its file says ready, but not with the weight that was set at run time.
      options.waiting('the balancer was reloaded meanwhile: setting it again')
      await all(forgetful, set.restore)
    } else refuseForeign(options, recorded, states)
    const up = forgetful.length === 0 && states.every(isServing)
    ups = up && states.every((state) => state.warmingPercent === null) ? ups + 1 : 0
    if (ups >= SAMPLES) return states
    if (clock.now() >= deadline) {
      if (up) return states
      const down = states.filter((state) => !isServing(state)).map((state) => `${nameOf(state)} is ${state.detail}`)
      throw new RollgateError('E_NOT_UP', down.join(', '), { hints: ["look at the balancer's own health check of this server"] })
    }
    options.waiting(states.map((state) => `${state.ref.backend}/${state.ref.server} ${state.detail}`).join(', '))
    await clock.sleep(SAMPLE_MS, signal)
  }
}

function refuseForeign(options: BringBack, recorded: readonly ServerState[], states: readonly ServerState[]): void {
  for (const [index, state] of states.entries()) {
    const before = recorded[index]
    const weighs = before === undefined || hasWeightOf(before, state)
    if (state.admin === 'ready' && weighs) continue
    const what = state.admin === 'ready' ? `gave ${nameOf(state)} the weight ${state.weight}` : `set ${nameOf(state)} to ${state.admin}`
    throw new RollgateError('E_BALANCER_CONFLICT', `somebody else ${what}`, {
      host: options.host,
      hints: ['find out who works on this balancer; rollgate status shows what it says now'],
    })
  }
}

async function rest(balancer: LoadBalancer, ref: ServerRef, change: { signal: AbortSignal; deadlineMs: number }): Promise<void> {
  await (balancer.maintenance === undefined ? balancer.drain(ref, change) : balancer.maintenance(ref, change))
}

/** All are waited for, then the first failure is thrown: nothing goes on behind the caller's back. */
async function all(servers: Servers, work: (server: Servers[number]) => Promise<unknown>): Promise<void> {
  const results = await Promise.allSettled(servers.map(work))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
