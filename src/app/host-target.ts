// Where the load of one host's app goes: to its own address where that is surely the same machine, else through the SSH
// connection, so that the app's port need not be public. Careful about two things: an address that only looks like the
// host's (behind a jump host, behind NAT, loopback) would send load to a stranger; and all hosts of one run are reached
// the same way, or one side of a comparison would pay for a tunnel that the other does not have.
import { lookup } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { RollgateError } from '../domain/error.ts'
import type { HealthSettings } from '../domain/health.ts'
import type { HostName } from '../domain/host.ts'
import type { Connection } from '../domain/transport.ts'
import { tryConnecting } from '../load/http.ts'
import type { LoadTarget } from '../load/plan.ts'

export type HostToLoad = {
  readonly host: HostName
  /** As it is known in slices [the host's own name]. */
  readonly name?: string
  readonly health: HealthSettings
}

export type HostTargets = {
  readonly targets: readonly LoadTarget[]
  readonly way: 'direct' | 'tunnel'
  /** Addresses of these hosts, as far as they are known: nobody who sends may have one of them. */
  readonly addresses: readonly string[]
}

export type HostTargetOptions = {
  /** The site that the app answers for: Host header, SNI and the name on the certificate [the address itself]. Its scheme and port stay behind. */
  readonly site?: string
  /** The app speaks TLS on its own port [plain HTTP]. */
  readonly tls?: boolean
  /** As the session has it: kept open, and opened again when it was lost. */
  readonly connect: (host: HostName, signal: AbortSignal) => Promise<Connection>
  /** Others send: our SSH connection is no way for them, and what we can reach says nothing. */
  readonly fromElsewhere?: boolean
  readonly signal: AbortSignal
}

const DIRECT_TIMEOUT_MS = 2_000

/** @throws RollgateError E_LOAD where nobody knows the app's port; whatever reaching a host throws */
export async function hostTargets(hosts: readonly HostToLoad[], options: HostTargetOptions): Promise<HostTargets> {
  const found = await Promise.all(hosts.map((host) => lookAt(host, options)))
  const way = found.every(({ direct }) => direct !== null) ? 'direct' : 'tunnel'
  return {
    way,
    addresses: found.flatMap(({ addresses }) => addresses),
    targets: found.map(({ name, host, origin, direct, inside }): LoadTarget => {
      if (way === 'direct' && direct !== null) return { name, origin, address: direct }
      return { name, origin, connect: async (signal) => (await options.connect(host, signal)).forward(inside, { signal }) }
    }),
  }
}

async function lookAt(
  { host, name = host, health }: HostToLoad,
  { site, tls = false, connect, signal, fromElsewhere = false }: HostTargetOptions,
) {
  const { check } = health
  if (check.kind !== 'http' && check.kind !== 'tcp')
    throw new RollgateError('E_LOAD', `on which port does the app of ${host} listen? Its health check has none`, {
      host,
      hints: ['health: { http: { port: 8080 } }', 'or name where the load goes: at: http://ADDRESS:PORT'],
    })
  const connection = await connect(host, signal)
  const arrived = await arrivalOf(connection, signal)
  const isSame = arrived !== null && (await addressesOf(connection.dialed)).includes(arrived) && !isLoopback(arrived)
  const port = check.port
  const shown = isSame ? arrived : connection.host.address
  const named = site === undefined ? hostHeader(check) : new URL(site).host
  const at = named ?? `${isIPv6(shown) ? `[${shown}]` : shown}:${port}`
  const origin = `${tls ? 'https' : 'http'}://${at}`
  if (fromElsewhere) {
    // Where sshd was reached is where other machines of the same network reach it too.
    const there = arrived ?? connection.host.address
    if (isLoopback(there))
      throw new RollgateError('E_LOAD', `${host} is only known as ${there}: other hosts cannot reach it there`, { host })
    return { name, host, origin, direct: { host: there, port }, inside: { host: check.address, port }, addresses: [there] }
  }
  const address = isSame ? { host: arrived, port } : null
  // Only whether somebody listens: what is wrong with a certificate the load itself has to say.
  const isOpen =
    address !== null && (await tryConnecting({ origin: `http://${at}`, address, connectTimeoutMs: DIRECT_TIMEOUT_MS })) === null
  return {
    ...{ name, host, origin },
    direct: isOpen ? address : null,
    inside: { host: check.address, port },
    addresses: arrived === null ? [] : [arrived],
  }
}

/** The address of the host that our SSH connection came in at, as sshd there says; null: it does not. */
async function arrivalOf(connection: Connection, signal: AbortSignal): Promise<string | null> {
  const { stdout } = await connection.run({ argv: ['printenv', 'SSH_CONNECTION'], timeoutMs: 10_000 }, { signal })
  const address = stdout.trim().split(/\s+/)[2]
  return address === undefined || !/^[0-9a-fA-F.:]+$/.test(address) ? null : address
}

/** What the app wants to be called, where its health check says so. */
function hostHeader(check: HealthSettings['check']): string | null {
  if (check.kind !== 'http') return null
  return Object.entries(check.headers).find(([name]) => name.toLowerCase() === 'host')?.[1] ?? null
}

async function addressesOf(dialed: string | null | undefined): Promise<readonly string[]> {
  if (dialed === null || dialed === undefined) return []
  const found = await lookup(dialed, { all: true }).catch(() => [])
  return found.map(({ address }) => address)
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}
