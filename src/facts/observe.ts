// Looks at every host and balancer at once and changes nothing. A host that cannot be reached, and a balancer that cannot
// be talked to, are facts too: only an interrupt makes this throw.
import type { LoadBalancer, ServerRef, ServerState } from '../domain/balancer.ts'
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { BalancerFacts, Facts, HostFacts, ReachableHost } from '../domain/facts.ts'
import type { HealthSettings, ProbeAnswer } from '../domain/health.ts'
import type { Host, HostName } from '../domain/host.ts'
import type { Layout } from '../domain/layout.ts'
import type { ServiceManager, ServiceStatus } from '../domain/service.ts'
import type { Connection } from '../domain/transport.ts'
import { limited } from '../util/limit.ts'
import { stdinScript } from '../util/shell.ts'
import { lookScript } from './look.ts'
import { type Look, parseLook } from './parse-look.ts'

export type ObservedHost = {
  readonly host: Host
  readonly layout: Layout
  readonly manager: ServiceManager
  readonly health: HealthSettings
  /** Those it is behind; instances shared by hosts are asked once. */
  readonly balancers: readonly LoadBalancer[]
}

export type ObserveOptions = {
  readonly hosts: readonly ObservedHost[]
  readonly connect: (host: Host, signal: AbortSignal) => Promise<Connection>
  readonly probe: (connection: Connection, health: HealthSettings, signal: AbortSignal) => Promise<ProbeAnswer>
  readonly signal: AbortSignal
  readonly onResult?: (facts: HostFacts) => void
}

const AT_ONCE = 32
const LOOK_TIMEOUT_MS = 30_000
const STATUS_TIMEOUT_MS = 20_000
const LOOK_BYTES = 4 * 1024 * 1024

/** @throws RollgateError E_CANCELLED */
export async function observe(options: ObserveOptions): Promise<Facts> {
  const balancers = [...new Set(options.hosts.flatMap((host) => host.balancers))]
  const [hosts, listed] = await Promise.all([
    limited(options.hosts, AT_ONCE, async (host) => {
      const facts = await observeHost(host, options)
      options.onResult?.(facts)
      return facts
    }),
    Promise.all(balancers.map((balancer) => listServers(balancer, options.signal))),
  ])
  const places = await limited(options.hosts, AT_ONCE, (host, index) => placesOf(host, hosts[index], balancers, listed, options.signal))
  return {
    hosts,
    balancers: listed,
    rotation: Object.fromEntries(places.map(({ host, servers }) => [host, servers])),
    rotationErrors: Object.fromEntries(places.flatMap(({ host, error }) => (error === null ? [] : [[host, error]]))),
  }
}

async function observeHost(observed: ObservedHost, options: ObserveOptions): Promise<HostFacts> {
  const { host } = observed
  try {
    try {
      return await look(observed, options)
    } catch (error) {
      // Once more on a new connection: it may have been lost since everybody was reached.
      if (!(error instanceof RollgateError) || error.code !== 'E_LOST') throw error
      return await look(observed, options)
    }
  } catch (error) {
    if (options.signal.aborted) throw cancelled(options.signal)
    return { host: host.name, reachable: false, error: errorInfo(error) }
  }
}

async function look(observed: ObservedHost, options: ObserveOptions): Promise<ReachableHost> {
  const { host, layout, manager, health } = observed
  const { signal } = options
  const connection = await options.connect(host, signal)
  const sentAt = Date.now()
  const [said, services, answer] = await Promise.all([
    askHost(connection, lookScript({ layout, sudoUnits: manager.kind === 'systemd' ? manager.units : [] }), signal),
    Promise.all(manager.units.map((unit) => askService(connection, manager, unit, signal))),
    health.check.kind === 'service' && health.version.kind === 'process' ? null : options.probe(connection, health, signal),
  ])
  // Half of the way, both ways: nothing more exact is needed to show a clock that is wrong.
  const { clockSeconds, ...facts } = said
  const skewMs = clockSeconds === null ? 0 : clockSeconds * 1000 + 500 - (sentAt + Date.now()) / 2
  return {
    host: host.name,
    reachable: true,
    destination: connection.destination,
    ...facts,
    clockSkewMs: Math.abs(skewMs) < 1_000 ? 0 : Math.round(skewMs),
    services,
    health:
      answer === null || (!answer.healthy && said.current === null)
        ? null
        : { healthy: answer.healthy, release: answer.release, detail: answer.detail },
  }
}

async function askHost(connection: Connection, script: string, signal: AbortSignal): Promise<Look> {
  const { argv, stdin } = stdinScript(script)
  const name = connection.host.name
  const result = await connection.run({ argv, stdin, timeoutMs: LOOK_TIMEOUT_MS }, { signal, maxOutputBytes: LOOK_BYTES })
  if (result.lost) throw new RollgateError('E_LOST', `the connection to ${name} was lost at the first look`, { host: name, exitCode: 4 })
  if (result.timedOut)
    throw new RollgateError('E_UNREACHABLE', `${name} did not answer the first look within ${LOOK_TIMEOUT_MS / 1000} s`, { host: name })
  return parseLook(result.stdout, name)
}

async function askService(connection: Connection, manager: ServiceManager, unit: string, signal: AbortSignal): Promise<ServiceStatus> {
  const command = manager.status(unit)
  const result = await connection.run(
    { ...command, timeoutMs: command.timeoutMs ?? STATUS_TIMEOUT_MS },
    { signal, maxOutputBytes: 64 * 1024 },
  )
  return manager.readStatus(unit, result)
}

async function listServers(balancer: LoadBalancer, signal: AbortSignal): Promise<BalancerFacts> {
  try {
    return { id: balancer.id, error: null, servers: await balancer.list(signal) }
  } catch (error) {
    if (signal.aborted) throw cancelled(signal)
    return { id: balancer.id, error: errorInfo(error), servers: [] }
  }
}

type Place = { readonly host: HostName; readonly servers: readonly ServerState[]; readonly error: ErrorInfo | null }

/** A host's servers over all its balancers; with the first error, when they could not all be found. */
async function placesOf(
  observed: ObservedHost,
  facts: HostFacts | undefined,
  balancers: readonly LoadBalancer[],
  listed: readonly BalancerFacts[],
  signal: AbortSignal,
): Promise<Place> {
  const { host, health } = observed
  const { check } = health
  const addresses = {
    host: host.name,
    ...(host.server === undefined ? {} : { server: host.server }),
    addresses: [...new Set([host.address, ...(facts?.reachable === true ? facts.addresses : [])])],
    ...(check.kind === 'http' || check.kind === 'tcp' ? { port: check.port } : {}),
  }
  try {
    const found = await Promise.all(
      observed.balancers.map(async (balancer) => {
        const list = listed[balancers.indexOf(balancer)]
        if (list?.error != null) throw new RollgateError(list.error.code, list.error.message, { hints: list.error.hints ?? [] })
        return statesOf(balancer, await balancer.discover(addresses, signal), list?.servers ?? [], signal)
      }),
    )
    return { host: host.name, servers: found.flat(), error: null }
  } catch (error) {
    if (signal.aborted) throw cancelled(signal)
    return { host: host.name, servers: [], error: errorInfo(error) }
  }
}

/** From the list that was read already; what is not in it (another backend) is asked for. */
async function statesOf(
  balancer: LoadBalancer,
  refs: readonly ServerRef[],
  list: readonly ServerState[],
  signal: AbortSignal,
): Promise<readonly ServerState[]> {
  const known = refs.map((ref) => list.find((state) => state.ref.backend === ref.backend && state.ref.server === ref.server))
  const missing = refs.filter((_, index) => known[index] === undefined)
  const read = missing.length === 0 ? [] : await balancer.read(missing, signal)
  return [...known.filter((state) => state !== undefined), ...read]
}

function cancelled(signal: AbortSignal): RollgateError {
  return new RollgateError('E_CANCELLED', 'interrupted', { cause: signal.reason })
}
