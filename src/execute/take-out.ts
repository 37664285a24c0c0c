// Taking a host out of rotation over all its balancers. The order is the measured one (drain → 0 → maintenance → 0), and
// only what is seen counts: three times nothing in flight on every balancer, and the app host has no connection of theirs
// either. A balancer that was reloaded meanwhile has forgotten the drain; it is set again, and what its previous process
// still holds is waited for. Where the app was not touched yet, a failure puts everything back.
import type { ServerRef, ServerState } from '../domain/balancer.ts'
import type { DrainPolicy } from '../domain/config.ts'
import { errorFrom, errorInfo, RollgateError } from '../domain/error.ts'
import type { Clock } from '../domain/ports.ts'
import { inHand, nameOf, oursOf, patiently, type Servers, snapshot } from './rotation.ts'

const SAMPLES = 3
const SAMPLE_MS = 150
/** Sticky clients come even in a drain, so it may never empty; maintenance lets what is in flight end as well. */
const DRAIN_FIRST_MS = 2_000
/** At least so long to empty in maintenance, whatever the drain has used up. */
const LAST_MS = 2_000
/** A connection that no balancer counts may be anybody's: waited for a little, unless a reload makes it suspicious. */
const STRANGER_MS = 2_000
const CUT_MS = 5_000
const PUT_BACK_MS = 20_000

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
  /** The app may not be what served any more: a drain that fails leaves the host where it is. Otherwise it puts it back. */
  readonly touched?: boolean
  readonly waiting: (detail: string) => void
  /** How long a balancer that cannot be talked to is asked again [two minutes]. */
  readonly retryMs?: number
}

type Phase = 'drain' | 'maintenance'

type Leaving = {
  readonly options: TakeOut
  readonly ours: Servers
  /** Which process of the balancer has our setting. */
  readonly generations: Map<ServerRef, string>
  /** Changed by somebody else: left as they are. */
  readonly foreign: Set<ServerRef>
  reloaded: boolean
}

/**
 * @returns what was cut, and what it rests on
 * @throws RollgateError E_DRAIN_DEADLINE, E_BALANCER…, E_CANCELLED; the host is then back as it was, or `now` says where not
 */
export async function takeOut(options: TakeOut): Promise<{ readonly cut: number; readonly evidence: string }> {
  const ours = oursOf(options.servers, options.before)
  if (ours.length === 0) return { cut: 0, evidence: 'was out of rotation already, by an operator' }
  const leaving: Leaving = { options, ours, generations: new Map(), foreign: new Set(), reloaded: false }
  try {
    return await leave(leaving)
  } catch (error) {
    const stranded = options.touched === true ? [] : await putBack(leaving)
    if (!(error instanceof RollgateError) || options.touched === true) throw error
    const now =
      stranded.length === 0
        ? `${options.host} is back in rotation as it was`
        : `${options.host} could not be put back: ${stranded.join(', ')}`
    throw error.now === undefined ? errorFrom({ ...errorInfo(error), now }) : error
  }
}

async function leave(leaving: Leaving): Promise<{ readonly cut: number; readonly evidence: string }> {
  const { options, ours } = leaving
  const { clock, drain } = options
  const deadline = clock.now() + drain.deadlineMs
  const rests = ours.some(({ balancer }) => balancer.maintenance !== undefined)
  await apply(leaving, 'drain', ours)
  const settleMs = drain.settleMs ?? Math.max(...ours.map(({ balancer }) => balancer.capabilities().settleMs))
  if (settleMs > 0) await clock.sleep(settleMs, options.signal)
  let last = rests ? Math.min(deadline, clock.now() + DRAIN_FIRST_MS) : deadline
  let empty = await emptied(leaving, 'drain', last)
  if (rests) {
    await apply(leaving, 'maintenance', ours)
    last = Math.max(deadline, clock.now() + LAST_MS)
    empty = await emptied(leaving, 'maintenance', last)
  }
  const phase = rests ? 'maintenance' : 'drain'
  const strangers = await appAgrees(leaving, last, rests)
  if (empty && (strangers === null || strangers === 0 || !leaving.reloaded)) return { cut: 0, evidence: evidenceOf(ours, strangers) }
  return pastDeadline(leaving, phase, strangers ?? 0)
}

/** On all at once; the first refusal is thrown when all have answered. */
async function apply(leaving: Leaving, phase: Phase, servers: Servers): Promise<void> {
  const { options, generations } = leaving
  const change = { signal: options.signal, deadlineMs: options.drain.deadlineMs }
  const results = await Promise.allSettled(
    servers.map(async ({ balancer, ref }) => {
      const done = await patiently(options, async () =>
        phase === 'drain' || balancer.maintenance === undefined ? balancer.drain(ref, change) : balancer.maintenance(ref, change),
      )
      const { generation } = done.after
      if (generations.has(ref) && generations.get(ref) !== generation) leaving.reloaded = true
      generations.set(ref, generation)
    }),
  )
  const refused = results.find((result) => result.status === 'rejected')
  if (refused !== undefined) throw refused.reason
}

/** Three zero samples in a row on every balancer. @throws RollgateError E_BALANCER_CONFLICT when somebody else changed a server */
async function emptied(leaving: Leaving, phase: Phase, deadline: number): Promise<boolean> {
  const { options, ours } = leaving
  const { clock, signal } = options
  let zeros = 0
  for (;;) {
    const states = await patiently(options, () => snapshot(ours, signal))
    const forgetful = ours.filter(({ ref }, index) => states[index]?.generation !== leaving.generations.get(ref))
    if (forgetful.length > 0) {
      leaving.reloaded = true
      options.waiting('the balancer was reloaded meanwhile: draining again')
      for (const { ref } of forgetful) leaving.generations.delete(ref)
      await apply(leaving, phase, forgetful)
    } else refuseForeign(leaving, phase, states)
    const left = states.reduce((sum, state) => sum + inHand(state), 0)
    zeros = left === 0 && forgetful.length === 0 ? zeros + 1 : 0
    if (zeros >= SAMPLES) return true
    if (clock.now() >= deadline) return false
    if (left > 0) options.waiting(`${left} in flight, ${Math.max(0, Math.round((deadline - clock.now()) / 1000))} s left`)
    await clock.sleep(SAMPLE_MS, signal)
  }
}

function refuseForeign(leaving: Leaving, phase: Phase, states: readonly ServerState[]): void {
  for (const [index, { balancer, ref }] of leaving.ours.entries()) {
    const state = states[index]
    const wanted = balancer.maintenance === undefined ? 'drain' : phase
    if (state === undefined || state.admin === wanted || state.admin === 'other' || state.admin === 'unknown') continue
    leaving.foreign.add(ref)
    throw new RollgateError('E_BALANCER_CONFLICT', `somebody else set ${nameOf(state)} to ${state.admin} while it was being drained`, {
      host: leaving.options.host,
      hints: ['find out who works on this balancer, then deploy again'],
    })
  }
}

/** In maintenance the balancer closes its idle connections too: what is left on the app host, no balancer counts. */
async function appAgrees(leaving: Leaving, deadline: number, rests: boolean): Promise<number | null> {
  const { options, reloaded } = leaving
  const { clock } = options
  const until = reloaded ? deadline : Math.min(deadline, clock.now() + (rests ? STRANGER_MS : 0))
  for (;;) {
    const connections = await options.appConnections()
    if (connections === null || connections === 0 || clock.now() >= until) return connections
    options.waiting(
      reloaded
        ? `${connections} connections, maybe of the balancer's previous process`
        : `${connections} connections that no balancer counts`,
    )
    await clock.sleep(SAMPLE_MS, options.signal)
  }
}

function evidenceOf(ours: Servers, strangers: number | null): string {
  const balancers = new Set(ours.map(({ balancer }) => balancer.id)).size
  const counted = `nothing in flight in ${SAMPLES} samples on ${balancers} ${balancers === 1 ? 'balancer' : 'balancers'}`
  if (strangers === null) return counted
  return strangers === 0 ? `${counted}, no connection to the app` : `${counted}; ${strangers} connections to the app are not theirs`
}

async function pastDeadline(
  leaving: Leaving,
  phase: Phase,
  strangers: number,
): Promise<{ readonly cut: number; readonly evidence: string }> {
  const { options, ours } = leaving
  const { drain, host, signal, clock } = options
  const states = await patiently(options, () => snapshot(ours, signal))
  const counted = states.reduce((sum, state) => sum + inHand(state), 0)
  const left = Math.max(counted, leaving.reloaded ? strangers : 0)
  if (drain.onDeadline === 'continue')
    return { cut: 0, evidence: `${left} still in flight after ${seconds(drain)}, going on (drain.on_deadline: continue)` }
  if (drain.onDeadline === 'cut') {
    const change = { signal, deadlineMs: drain.deadlineMs }
    const closed = await Promise.all(ours.map(async ({ balancer, ref }) => (await balancer.closeSessions?.(ref, change))?.closed ?? 0))
    await emptied(leaving, phase, clock.now() + CUT_MS)
    const cut = closed.reduce((sum, count) => sum + count, 0)
    return { cut: Math.max(left, cut), evidence: `not empty after ${seconds(drain)}` }
  }
  const where = states.filter((state) => inHand(state) > 0).map(nameOf)
  throw new RollgateError(
    'E_DRAIN_DEADLINE',
    `${host} did not drain: ${left} ${left === 1 ? 'connection' : 'connections'} left after ${seconds(drain)}`,
    {
      host,
      why:
        where.length > 0
          ? `${where.join(', ')} keeps connections open (websockets, long requests?)`
          : 'the balancer was reloaded, and its previous process may still work on them',
      hints: ['raise balancer.drain.deadline', 'or set balancer.drain.on_deadline: continue (or cut)'],
    },
  )
}

const seconds = (drain: DrainPolicy): string => `${drain.deadlineMs / 1000} s`

/** The app was not touched, so straight back is safe. Works through an interrupt too, and never hides the first error. */
async function putBack(leaving: Leaving): Promise<readonly string[]> {
  const { options, ours, foreign } = leaving
  const signal = AbortSignal.timeout(PUT_BACK_MS)
  const results = await Promise.allSettled(
    options.servers.map(async ({ balancer, ref }, index) => {
      const before = options.before[index]
      if (before === undefined || foreign.has(ref) || !ours.some((server) => server.ref === ref)) return
      await balancer.restore({ ...before, ref }, { signal, deadlineMs: PUT_BACK_MS })
    }),
  )
  return results.flatMap((result, index): readonly string[] => {
    const ref = options.servers[index]?.ref
    return result.status === 'fulfilled' || ref === undefined ? [] : [`${ref.backend}/${ref.server} on ${ref.balancer}`]
  })
}
