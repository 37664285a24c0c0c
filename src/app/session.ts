// One command's hold on the fleet: configuration, connections (one per host, opened once), balancers, and what is built
// from them. Made in compose.ts, closed by the use case that asked for it.
import type { LoadBalancer } from '../domain/balancer.ts'
import type { Config, RoleSettings } from '../domain/config.ts'
import type { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { Facts } from '../domain/facts.ts'
import type { Host, HostName } from '../domain/host.ts'
import type { Layout } from '../domain/layout.ts'
import type { LeasePort, LeaseRequest } from '../domain/lease.ts'
import type { Clock, HostPort, HostSettings, RecordedSettings } from '../domain/ports.ts'
import type { Revision } from '../domain/release.ts'
import type { ServiceManager } from '../domain/service.ts'
import type { Connection } from '../domain/transport.ts'
import type { Hold, HoldOptions } from '../execute/lease.ts'
import type { SudoPassword } from './sudo.ts'

export type Session = {
  /** As loaded, or as a resumed rollout recorded it. */
  readonly config: Config
  /** Goes on with the settings that a rollout was made with. */
  adopt(settings: RecordedSettings): void
  /** Where the sources stand; null without a repository. */
  revision(signal: AbortSignal): Promise<Revision | null>
  readonly configHash: string
  readonly layout: Layout
  readonly clock: Clock
  /** App hosts that the command's --hosts and --roles choose; null: all. */
  readonly only: ReadonlySet<HostName> | null
  readonly chosen: readonly Host[]
  settings(host: Host): RoleSettings
  manager(host: Host): ServiceManager
  balancers(host: Host): readonly LoadBalancer[]
  readonly allBalancers: readonly LoadBalancer[]
  /** Reaches every chosen host at once; failures are values. */
  connectAll(hosts: readonly Host[], signal: AbortSignal): Promise<ReadonlyMap<HostName, Connection | RollgateError>>
  connect(name: HostName, signal: AbortSignal): Promise<Connection>
  observe(signal: AbortSignal): Promise<Facts>
  port(name: HostName): HostPort
  hostSettings(name: HostName, facts: Facts): HostSettings
  secret(name: string): Promise<string>
  /** The password that sudo wants on hosts, once somebody typed it (sudo.ts). */
  readonly sudo: SudoPassword
  lease(name: HostName): LeasePort
  /** sh text that ends a script when the host is no longer ours. */
  fence(name: HostName): string
  /** Ours while we hold the fleet. */
  hold(): Hold | null
  /** Called after every heartbeat of the hold. */
  onBeat(callback: () => Promise<void>): void
  /** Takes the lease of every app host that can be reached; given back by `close`. @throws RollgateError E_LOCKED */
  lock(request: LeaseRequest, options: Pick<HoldOptions, 'signal' | 'policy' | 'waiting'>): Promise<Hold>
  close(): Promise<void>
}

export type OpenSession = (options: {
  readonly emit: Emit
  readonly hosts?: readonly string[]
  readonly roles?: readonly string[]
}) => Promise<Session>
