// The load balancers we know: settings to drivers, one for each host that runs one.
import type { LoadBalancer } from '../../domain/balancer.ts'
import type { BalancerSettings } from '../../domain/config.ts'
import type { Connection } from '../../domain/transport.ts'
import { createHaproxy } from './haproxy/haproxy.ts'

export type BalancerContext = {
  readonly connectTo: (host: string, signal: AbortSignal) => Promise<Connection>
  /** All settings of the configuration: two sockets on one host need different names [the settings given]. */
  readonly among?: readonly BalancerSettings[]
}

/** `none` is no driver: nothing is drained, and nobody claims that no request fails. */
export function createBalancers(settings: readonly BalancerSettings[], context: BalancerContext): readonly LoadBalancer[] {
  const { connectTo, among = settings } = context
  return settings.flatMap((one): readonly LoadBalancer[] => {
    switch (one.kind) {
      case 'none':
        return []
      case 'haproxy':
        return one.hosts.map((host) =>
          createHaproxy({
            id: idOf(host, one.socket, among),
            host,
            socket: one.socket,
            connectTo,
            ...(one.backend === undefined ? {} : { backend: one.backend }),
          }),
        )
      default:
        return one satisfies never
    }
  })
}

/** `haproxy:lb-1`; with its socket where the host runs several. */
function idOf(host: string, socket: string, among: readonly BalancerSettings[]): string {
  const several = among.some((other) => other.kind === 'haproxy' && other.hosts.includes(host) && other.socket !== socket)
  return several ? `haproxy:${host}:${socket}` : `haproxy:${host}`
}
