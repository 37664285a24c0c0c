// What a balancer must bring to be put through the conformance suite: the real thing on loopback, before three backends,
// with somebody else's hand on it. Another driver gets another rig; the tests stay as they are.
import type { LoadBalancer, ServerRef, ServerState } from '../../../src/domain/balancer.ts'
import type { DrainPolicy } from '../../../src/domain/config.ts'
import { bringBack } from '../../../src/execute/bring-back.ts'
import { snapshot } from '../../../src/execute/rotation.ts'
import { takeOut } from '../../../src/execute/take-out.ts'
import { realClock } from '../../../src/load/pace.ts'
import type { App } from './apps.ts'
import type { TrafficReport } from './traffic.ts'

/** The full form repeats the rolls; the quick one does each once. */
export const FULL = process.env.ROLLGATE_FULL === '1'

export type RigOptions = {
  /** Backends [3]. */
  readonly count?: number
  /** Clients stay with their server by a cookie. */
  readonly sticky?: boolean
  /** Two balancers before the same backends. */
  readonly pair?: boolean
  readonly healthChecks?: boolean
}

export type Rig = {
  readonly name: string
  /** Why it cannot run here; null when it can. */
  readonly missing: string | null
  start(options?: RigOptions): Promise<Running>
}

/** One balancer of a rig, as an operator with a shell on its machine has it. */
export type Operated = {
  readonly driver: LoadBalancer
  readonly url: string
  /** Another driver on the same balancer, as another process would have it. */
  another(): LoadBalancer
  reload(): Promise<void>
  /** Killed: no goodbye. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Somebody else's change, past our driver. */
  set(server: string, what: 'ready' | 'drain' | 'maintenance' | { readonly weight: number }): Promise<void>
}

export type Running = {
  readonly apps: readonly App[]
  readonly balancers: readonly [Operated, ...Operated[]]
  close(): Promise<void>
}

export type Servers = readonly { readonly balancer: LoadBalancer; readonly ref: ServerRef }[]

export const signal = new AbortController().signal
export const CHANGE = { signal, deadlineMs: 20_000 }
const DRAIN: DrainPolicy = { deadlineMs: 20_000, onDeadline: 'fail' }

/** The host's servers on all balancers of the rig. */
export async function serversOf(rig: Running, app: App): Promise<Servers> {
  const found = await Promise.all(
    rig.balancers.map(async ({ driver }) =>
      (await driver.discover({ host: app.name, addresses: [app.address], port: app.port }, signal)).map((ref) => ({
        balancer: driver,
        ref,
      })),
    ),
  )
  return found.flat()
}

export async function stateOf(servers: Servers): Promise<ServerState> {
  const [state] = await snapshot(servers, signal)
  if (state === undefined) throw new Error('no server was found')
  return state
}

export type Out = {
  readonly host: string
  readonly servers: Servers
  readonly before: readonly ServerState[]
  readonly connections?: () => Promise<number | null>
  readonly drain?: DrainPolicy
  readonly signal?: AbortSignal
  readonly waiting?: (detail: string) => void
  readonly retryMs?: number
}

export function out(options: Out): ReturnType<typeof takeOut> {
  return takeOut({
    host: options.host,
    servers: options.servers,
    before: options.before,
    drain: options.drain ?? DRAIN,
    clock: realClock,
    signal: options.signal ?? signal,
    appConnections: options.connections ?? (async () => null),
    waiting: options.waiting ?? (() => undefined),
    ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
  })
}

export function back(
  options: Pick<Out, 'host' | 'servers' | 'before' | 'signal'> & { readonly deadlineMs?: number; readonly retryMs?: number },
) {
  return bringBack({
    host: options.host,
    servers: options.servers,
    before: options.before,
    clock: realClock,
    deadlineMs: options.deadlineMs ?? 30_000,
    signal: options.signal ?? signal,
    waiting: () => undefined,
    ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
  })
}

/** One host as a deploy does it. @param startMs how long its app takes to start */
export async function rollHost(rig: Running, app: App, startMs = 0): Promise<void> {
  const servers = await serversOf(rig, app)
  const before = await snapshot(servers, signal)
  await out({ host: app.name, servers, before })
  await app.stop()
  await app.start(startMs)
  await app.healthy()
  await back({ host: app.name, servers, before })
}

export async function roll(rig: Running, startMs = 0): Promise<void> {
  for (const app of rig.apps) await rollHost(rig, app, startMs)
}

/** Requests that had reached a backend and got no whole answer. */
export function lost(rig: Running, report: TrafficReport): readonly string[] {
  const reached = new Set(rig.apps.flatMap((app) => app.started))
  return report.losses.filter((loss) => !loss.stale || reached.has(loss.id)).map((loss) => `${loss.method} ${loss.id}: ${loss.what}`)
}

/** A POST that two backends did is a failure that no client sees. */
export function doneTwice(rig: Running, report: TrafficReport): readonly string[] {
  const counts = new Map<string, number>()
  for (const id of rig.apps.flatMap((app) => app.started)) counts.set(id, (counts.get(id) ?? 0) + 1)
  return report.ids.filter((id) => (counts.get(id) ?? 0) > 1)
}
