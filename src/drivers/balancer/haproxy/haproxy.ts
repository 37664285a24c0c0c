// HAProxy through its runtime API (management.txt, 9.3): the LoadBalancer port. Facts and single changes only; order,
// patience and what to do when something fails are the executor's.
import type { HostAddresses, LoadBalancer, ServerRef, ServerState } from '../../../domain/balancer.ts'
import { RollgateError } from '../../../domain/error.ts'
import type { Connection } from '../../../domain/transport.ts'
import { type Balancer, change, pathOf, serverOf, set, stateIn } from './change.ts'
import { safeReturn } from './dead-man.ts'
import { findServers } from './find.ts'
import { decider, type Look, look } from './look.ts'
import { preflight } from './preflight.ts'
import { createPrevious } from './previous.ts'
import { resolveNames } from './resolve.ts'
import { createRuntimeApi } from './runtime-api.ts'
import { verify } from './verify.ts'

export type HaproxySettings = {
  readonly id: string
  /** The inventory host that runs it. */
  readonly host: string
  readonly socket: string
  readonly backend?: string
  readonly connectTo: (host: string, signal: AbortSignal) => Promise<Connection>
  /** Of one exchange [10 s, 10 MB]. */
  readonly timeoutMs?: number
  readonly maxBytes?: number
}

/** Names and addresses that are this old are good enough to find servers by; every change looks again. */
const DISCOVERY_AGE_MS = 2_000

export function createHaproxy(settings: HaproxySettings): LoadBalancer {
  const { id, host, backend, connectTo } = settings
  const api = createRuntimeApi(settings)
  const previous = createPrevious(settings, () => api.route === 'script')
  const balancer: Balancer = { id, host, api, previous }
  let lately: { readonly at: number; readonly looking: Promise<Look> } | null = null

  const lookNow = async (signal: AbortSignal): Promise<Look> => (await look(api, previous, signal)).look
  /** Fifty hosts that are looked for at once are one question. */
  const lookLately = async (signal: AbortSignal): Promise<Look> => {
    if (lately === null || performance.now() - lately.at > DISCOVERY_AGE_MS) {
      const looking = lookNow(signal)
      lately = { at: performance.now(), looking }
      looking.catch(() => {
        lately = null
      })
    }
    return lately.looking
  }
  const inScope = (seen: Look): readonly ServerState[] => {
    const servers = seen.servers.filter((server) => backend === undefined || server.backend === backend)
    if (servers.length === 0 && backend !== undefined) {
      const names = [...new Set(seen.servers.map((server) => server.backend))].join(', ')
      throw new RollgateError('E_BALANCER_SERVER', `${id} has no backend ${backend}`, { hints: [`backends there: ${names || 'none'}`] })
    }
    return servers.map((server) => stateIn(seen, server, id))
  }

  return {
    id,
    kind: 'haproxy',
    preflight: (signal) => preflight(balancer, { backend, socket: settings.socket, connectTo }, signal),
    capabilities: () => ({
      drain: 'runtime',
      maintenance: true,
      inFlight: 'exact',
      healthView: 'active',
      verifyBeforeTraffic: true,
      weights: 'runtime',
      closeSessions: true,
      disturbs: ['none'],
      settleMs: 0,
    }),
    async discover(wanted: HostAddresses, signal) {
      const seen = await lookLately(signal)
      const resolve = async (name: string): Promise<readonly string[]> => resolveNames(await connectTo(host, signal), name, signal)
      const found = await findServers(wanted, seen.servers, { balancer: id, backend, host }, resolve)
      return found.map((server) => stateIn(seen, server, id).ref)
    },
    async list(signal) {
      const at = performance.now()
      const seen = await lookNow(signal)
      // Whoever lists looks for hosts next.
      lately = { at, looking: Promise.resolve(seen) }
      return inScope(seen)
    },
    async read(refs: readonly ServerRef[], signal) {
      const seen = await lookNow(signal)
      return refs.map((ref) => stateIn(seen, serverOf(seen, ref), id))
    },
    drain: (ref, { signal }) => change(balancer, ref, { admin: 'drain', weight: null }, signal),
    maintenance: (ref, { signal }) => change(balancer, ref, { admin: 'maintenance', weight: null }, signal),
    ready: (ref, { signal }) => change(balancer, ref, { admin: 'ready', weight: null }, signal),
    verifyOutOfRotation: (ref, options) => verify(balancer, ref, options),
    async closeSessions(ref, { signal }) {
      const server = serverOf(await lookNow(signal), ref)
      await set(balancer, ref, [`shutdown sessions server ${pathOf(server)}`], signal)
      // What was running the moment before; they end a little later, and processes from before a reload keep theirs.
      return { closed: server.inFlight }
    },
    async restore(before, { signal }) {
      const { admin, weight, ref } = before
      // Put out by the file or by DNS: that is not ours to set, and it was not ours to change.
      if (admin === 'other' || admin === 'unknown') {
        const seen = await lookNow(signal)
        const now = stateIn(seen, serverOf(seen, ref), id)
        return { before: now, after: now, changed: false }
      }
      return change(balancer, ref, { admin, weight }, signal)
    },
    deadMan: {
      host,
      async script(ref, weight, signal) {
        const seen = await lookNow(signal)
        return safeReturn(settings.socket, decider(seen, serverOf(seen, ref)), weight)
      },
    },
    close: async () => undefined,
  }
}
