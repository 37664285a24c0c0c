// Where a host stands in its balancers, and the words for it: what both the way out and the way back are made of. Drain is
// an AND over all of them, what an operator had taken out stays out, and "cannot talk" is never taken for a no.
import type { LoadBalancer, ServerState } from '../domain/balancer.ts'
import { RollgateError } from '../domain/error.ts'
import type { Clock, HostSettings } from '../domain/ports.ts'

export type Servers = HostSettings['servers']

/** A balancer that cannot be talked to is asked again for this long. */
const RETRY_MS = 120_000
const RETRY_EVERY_MS = 1_000

/** One question to each balancer. In the order of `servers`. */
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

/** Only what was ready before we came is ours to take and to give back. */
export function oursOf(servers: Servers, before: readonly ServerState[]): Servers {
  return servers.filter((_, index) => before[index]?.admin === 'ready')
}

export const isWithdrawn = (state: ServerState): boolean =>
  state.admin === 'drain' || state.admin === 'maintenance' || state.admin === 'other'

/** Up by the balancer's own check, or without one. */
export const isServing = (state: ServerState): boolean => state.admin === 'ready' && (state.health === 'up' || state.health === 'unchecked')

export const inHand = (state: ServerState): number => (state.inFlight ?? 0) + (state.queued ?? 0)

export const nameOf = (state: ServerState): string => `${state.ref.backend}/${state.ref.server} on ${state.ref.balancer}`

/** Out on every balancer, with nothing in flight. */
export async function isOut(servers: Servers, signal: AbortSignal): Promise<boolean> {
  const states = await snapshot(servers, signal)
  return states.every((state) => isWithdrawn(state) && inHand(state) === 0)
}

/** The same as a drain leaves it: in maintenance, wherever there is one. A drain that was cut short still lets sticky clients in. */
export async function isAtRest(servers: Servers, signal: AbortSignal): Promise<boolean> {
  const states = await snapshot(servers, signal)
  return states.every((state, index) => {
    const halfWay = state.admin === 'drain' && servers[index]?.balancer.maintenance !== undefined
    return isWithdrawn(state) && !halfWay && inHand(state) === 0
  })
}

/** As recorded: serving where it was ready, untouched where it was not. */
export async function isIn(servers: Servers, before: readonly ServerState[], signal: AbortSignal): Promise<boolean> {
  return differences(before, await snapshot(servers, signal)).length === 0
}

/** What is not as it was, one sentence each; a server that was ready must also be up. In the order of `before`. */
export function differences(before: readonly ServerState[], now: readonly ServerState[]): readonly string[] {
  return now.flatMap((state, index): readonly string[] => {
    const recorded = before[index]
    if (recorded === undefined) return []
    if (recorded.admin === 'ready' ? !isServing(state) : state.admin !== recorded.admin)
      return [`${nameOf(state)} is ${state.detail}, and was ${recorded.admin}`]
    return hasWeightOf(recorded, state) ? [] : [`${nameOf(state)} has weight ${state.weight}, and had ${recorded.weight}`]
  })
}

export const hasWeightOf = (recorded: ServerState, state: ServerState): boolean =>
  recorded.weight === null || state.weight === null || state.weight === recorded.weight

export type Patience = {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly waiting: (detail: string) => void
  readonly retryMs?: number
  /** Is it our own network that is gone? Then waits for it. @returns whether it was: that time counts for nothing */
  readonly network?: () => Promise<boolean>
}

/** @throws RollgateError E_BALANCER_UNREACHABLE after two minutes of it; everything else at once */
export async function patiently<T>(options: Patience, work: () => Promise<T>): Promise<T> {
  let began = options.clock.now()
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
      if ((await options.network?.()) === true) began = options.clock.now()
      else await options.clock.sleep(RETRY_EVERY_MS, options.signal)
    }
  }
}
