// The LoadBalancer port (balancers.md, section 8). The executor owns policy; a driver knows facts and single
// changes, each idempotent, each read back, each abortable. A driver that cannot prove something says null.
import type { HostName } from './host.ts'

export type AdminState = 'ready' | 'drain' | 'maintenance'
export type BalancerHealth = 'up' | 'rising' | 'falling' | 'down' | 'unchecked' | 'unknown'

/** Resolved again before every change. */
export type ServerRef = {
  /** Driver instance, e.g. `haproxy:lb-1`. */
  readonly balancer: string
  readonly backend: string
  readonly server: string
  readonly address?: string
  readonly port?: number
}

export type ServerState = {
  readonly ref: ServerRef
  /** `other`: maintenance from the file or by DNS: not ours to touch. */
  readonly admin: AdminState | 'other' | 'unknown'
  /** The balancer's own words, always shown. */
  readonly detail: string
  readonly health: BalancerHealth
  readonly inFlight: number | null
  readonly queued: number | null
  readonly weight: number | null
  readonly configuredWeight: number | null
  /** Slow start, 0..100, null when over. */
  readonly warmingPercent: number | null
  readonly requestsTotal: number | null
  /** Requests of the last second; null, or not there: the balancer does not say. */
  readonly ratePerSecond?: number | null
  /** Changes when the balancer forgets its runtime state: reload, restart. */
  readonly generation: string
}

export type BalancerCapabilities = {
  readonly drain: 'runtime' | 'reload' | 'health-check' | 'script' | 'none'
  readonly maintenance: boolean
  readonly inFlight: 'exact' | 'exact-while-listed' | 'none'
  readonly healthView: 'active' | 'passive' | 'none'
  /** Can it check a server while no traffic goes there. */
  readonly verifyBeforeTraffic: boolean
  readonly weights: 'runtime' | 'reload' | 'pool-split' | 'none'
  readonly closeSessions: boolean
  readonly disturbs: readonly ('idle-clients' | 'all-streams' | 'none')[]
  /** After this long no new request can be sent to a drained server. */
  readonly settleMs: number
}

export type ChangeOptions = { readonly signal: AbortSignal; readonly deadlineMs: number }
export type Change = { readonly before: ServerState; readonly after: ServerState; readonly changed: boolean }

/** How a driver finds the servers of a host. */
export type HostAddresses = {
  readonly host: HostName
  /** The balancer's name for it, where the config says so (`hosts.NAME.server`). */
  readonly server?: string
  /** Addresses and names it may be known by; loopback never counts. */
  readonly addresses: readonly string[]
  /** The app's port, when known from `health`. */
  readonly port?: number
}

export type PreflightFinding = {
  readonly level: 'ok' | 'warning' | 'problem'
  readonly id: string
  readonly message: string
  readonly fix?: string
}

export interface LoadBalancer {
  readonly id: string
  readonly kind: string
  /** Whether it can be reached and changed, and what in its configuration would spoil a drain. @throws E_BALANCER_UNREACHABLE */
  preflight(signal: AbortSignal): Promise<readonly PreflightFinding[]>
  capabilities(): BalancerCapabilities
  /** All servers of a host, in every backend it is in (or in the configured one). @throws E_BALANCER_SERVER, E_BALANCER_MISMATCH */
  discover(host: HostAddresses, signal: AbortSignal): Promise<readonly ServerRef[]>
  /** Every server of the configured backend(s): for `status`, drift and the capacity guard. One round trip. */
  list(signal: AbortSignal): Promise<readonly ServerState[]>
  /** @throws E_BALANCER_UNREACHABLE when it cannot be talked to, E_BALANCER_SERVER when one is gone */
  read(refs: readonly ServerRef[], signal: AbortSignal): Promise<readonly ServerState[]>
  drain(ref: ServerRef, options: ChangeOptions): Promise<Change>
  maintenance?(ref: ServerRef, options: ChangeOptions): Promise<Change>
  /** Does not return before the state is read back; does not wait for health. */
  ready(ref: ServerRef, options: ChangeOptions): Promise<Change>
  /** HAProxy: maint → drain → passed check. @throws E_NOT_UP when the check does not pass before the deadline */
  verifyOutOfRotation?(ref: ServerRef, options: ChangeOptions): Promise<ServerState>
  /** Cuts what is still running on the server. */
  closeSessions?(ref: ServerRef, options: ChangeOptions): Promise<{ readonly closed: number | null }>
  /** Exactly the recorded state and weight. */
  restore(before: ServerState, options: ChangeOptions): Promise<Change>
  /** Where a dead-man timer can live for its servers; missing where a driver has none. */
  readonly deadMan?: DeadMan
  close(): Promise<void>
}

/** What heals a drained server when the operator is gone: sh text for the balancer's own host. */
export type DeadMan = {
  /** The inventory host that the balancer runs on. */
  readonly host: HostName
  /**
   * sh text that brings the server back as safely as we would: checked out of traffic first, then ready with this weight.
   * It exits 0 when the server is in rotation, 1 when it is not healthy and stays out, 2 when the balancer cannot be asked.
   */
  script(ref: ServerRef, weight: number | null, signal: AbortSignal): Promise<string>
}
