// Which servers of HAProxy's are a host: by the name in the configuration, whose address must then be the host's, or by
// address and port. Slots move to other addresses at run time, so a name alone is never enough; and a host is usually
// several servers, one in each backend. What is not certain is refused, with the candidates.
import { isIP, SocketAddress } from 'node:net'
import type { HostAddresses } from '../../../domain/balancer.ts'
import { RollgateError } from '../../../domain/error.ts'
import { cleanText } from '../../../util/text.ts'
import { MASK, type Server } from './servers.ts'

export type Where = {
  readonly balancer: string
  /** Only this one, where the configuration says so. */
  readonly backend: string | undefined
  /** The balancer host: a server on its loopback is on that very host. */
  readonly host: string
}

/**
 * @param resolve addresses of a name, as the balancer host sees them
 * @throws RollgateError E_BALANCER_SERVER, E_BALANCER_MISMATCH
 */
export async function findServers(
  host: HostAddresses,
  servers: readonly Server[],
  where: Where,
  resolve: (name: string) => Promise<readonly string[]>,
): Promise<readonly Server[]> {
  const inScope = servers.filter((server) => where.backend === undefined || server.backend === where.backend)
  if (inScope.length === 0 && where.backend !== undefined)
    throw new RollgateError('E_BALANCER_SERVER', `${where.balancer} has no backend ${where.backend}`, {
      host: host.host,
      hints: [`backends there: ${[...new Set(servers.map((server) => cleanText(server.backend, 80)))].join(', ') || 'none'}`],
    })
  const found =
    host.server === undefined ? await byAddress(host, inScope, where, resolve) : await byName(host, host.server, inScope, where, resolve)
  for (const server of found) refuseAgent(server, host.host)
  return found
}

async function byName(
  host: HostAddresses,
  name: string,
  servers: readonly Server[],
  where: Where,
  resolve: (name: string) => Promise<readonly string[]>,
): Promise<readonly Server[]> {
  const named = servers.filter((server) => server.name === name)
  if (named.length === 0)
    throw new RollgateError('E_BALANCER_SERVER', `${where.balancer} has no server ${name} (hosts.${host.host}.server)`, {
      host: host.host,
      hints: candidates(servers),
    })
  // An unresolved slot has no address yet, a server on a path has none at all, and what listens on the balancer's own
  // loopback may be a tunnel to anywhere: there the name is all there is.
  const strange = (mine: ReadonlySet<string>): Server | undefined =>
    named.find((server) => server.address !== null && !LOOPBACK.has(canonical(server.address)) && !isOn(server.address, mine, host, where))
  const literal = known(host.addresses)
  const wrong = strange(literal) && strange(known([...host.addresses, ...(await resolveAll(host, resolve))]))
  if (wrong !== undefined)
    throw new RollgateError(
      'E_BALANCER_MISMATCH',
      `${where.balancer} has ${cleanText(wrong.backend, 80)}/${name} at ${cleanText(wrong.address ?? '', 80)}, which is not ${host.host}`,
      {
        host: host.host,
        why: `${host.host} is ${[...literal].join(', ') || host.addresses.join(', ') || 'without an address'}`,
        hints: [`correct hosts.${host.host}.server, or its address`, ...candidates(servers)],
      },
    )
  return named
}

async function byAddress(
  host: HostAddresses,
  servers: readonly Server[],
  where: Where,
  resolve: (name: string) => Promise<readonly string[]>,
): Promise<readonly Server[]> {
  const on = (mine: ReadonlySet<string>): readonly Server[] =>
    servers.filter((server) => server.address !== null && isOn(server.address, mine, host, where))
  const literal = on(known(host.addresses))
  const here = literal.length > 0 ? literal : on(known([...host.addresses, ...(await resolveAll(host, resolve))]))
  const nothing = (message: string, list: readonly Server[]): RollgateError =>
    new RollgateError('E_BALANCER_SERVER', message, {
      host: host.host,
      why: `it is looked for by its addresses: ${host.addresses.join(', ') || 'none are known'}`,
      hints: [`name it: hosts.${host.host}.server`, ...candidates(list)],
    })
  if (here.length === 0) throw nothing(`${host.host} was not found in ${where.balancer}`, servers)
  if (host.port !== undefined) {
    const exact = here.filter((server) => server.port === host.port)
    // `server s 10.0.0.1` without a port takes the client's: the only one of its backend must be meant.
    const loose = here.filter((server) => server.port === null && alone(server, here))
    if (exact.length + loose.length > 0) return [...exact, ...loose]
    throw nothing(`${where.balancer} has servers at the address of ${host.host}, but none on port ${host.port}`, here)
  }
  const twice = here.find((server) => !alone(server, here))
  if (twice !== undefined)
    throw nothing(`${host.host} could be several servers of backend ${cleanText(twice.backend, 80)} in ${where.balancer}`, here)
  return here
}

const alone = (server: Server, all: readonly Server[]): boolean => all.filter((other) => other.backend === server.backend).length === 1

function refuseAgent(server: Server, host: string): void {
  if (!server.hasAgent) return
  const path = `${cleanText(server.backend, 80)}/${cleanText(server.name, 80)}`
  throw new RollgateError('E_BALANCER_SERVER', `${path} has an agent-check, which may put it in and out of rotation by itself`, {
    host,
    why: 'an agent that answers ready in the middle of a deploy would cancel the drain',
    hints: [`disable it for the deploy: \`disable agent ${path}\` on HAProxy's runtime API`, 'or take agent-check out of the server line'],
  })
}

/** Nobody has these by choice: every machine has them, so they never say which machine. */
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '127.0.1.1', '::1', 'localhost'])

function isOn(address: string, mine: ReadonlySet<string>, host: HostAddresses, where: Where): boolean {
  const plain = canonical(address)
  return LOOPBACK.has(plain) ? host.host === where.host : mine.has(plain)
}

function known(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(
    addresses
      .filter((each) => isIP(each) !== 0)
      .map(canonical)
      .filter((each) => !LOOPBACK.has(each)),
  )
}

async function resolveAll(host: HostAddresses, resolve: (name: string) => Promise<readonly string[]>): Promise<readonly string[]> {
  const names = host.addresses.filter((each) => isIP(each) === 0 && !LOOPBACK.has(each))
  return (await Promise.all(names.map(resolve))).flat()
}

/** One way of writing for each address: IPv6 has many, and IPv4 may hide in it. */
function canonical(address: string): string {
  if (isIP(address) !== 6) return address
  const plain = new SocketAddress({ address, family: 'ipv6' }).address
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1] ?? plain
}

function candidates(servers: readonly Server[]): readonly string[] {
  const shown = servers.slice(0, 12).map((server) => {
    const at = server.address === null ? ((server.mask & MASK.unresolved) !== 0 ? 'not resolved' : 'no address') : server.address
    const port = server.port === null ? '' : `:${server.port}`
    return cleanText(`${server.backend}/${server.name} (${at}${port})`, 200)
  })
  return shown.length === 0
    ? []
    : [`servers there: ${shown.join(', ')}${servers.length > shown.length ? ` and ${servers.length - shown.length} more` : ''}`]
}
