// A host's promise to one operator: nobody else changes this host while the promise is refreshed. It lives on the host,
// counts by the host's own uptime (no two clocks are ever compared), and its epoch only grows, so that a holder who was
// suspended for an hour is refused by the very first script it sends (fencing).
import type { HostName } from './host.ts'

/** How long a lease lives without a heartbeat. */
export const LEASE_TTL_MS = 60_000
export const LEASE_REFRESH_MS = 15_000

/** What stands in a host's lease file. */
export type LeaseRecord = {
  readonly epoch: number
  /** `ada@laptop`. */
  readonly holder: string
  readonly rollout: string
  /** The command that holds it: `deploy`, `rollback`. */
  readonly command: string
  readonly commit: string | null
  /** Milliseconds since it was taken, on the host's uptime clock; null after a reboot. */
  readonly ageMs: number | null
  /** Milliseconds since the last heartbeat; null after a reboot. */
  readonly heartbeatAgeMs: number | null
  /** Until it expires; 0 or less: expired. */
  readonly leftMs: number
  /** Its boot is this boot, and it has not expired nor been given back. */
  readonly live: boolean
}

export type LeaseRequest = {
  readonly holder: string
  readonly rollout: string
  readonly command: string
  readonly commit: string | null
  /** Random, of this process: what tells our own lease (taken before the answer was lost) from another one's. */
  readonly token: string
  readonly ttlMs: number
  /** Take it although another holder's heartbeat goes on: only after a typed confirmation. */
  readonly force: boolean
}

export type Acquired = { readonly kind: 'taken'; readonly epoch: number } | { readonly kind: 'held'; readonly by: LeaseRecord }

/** One host's lease, over its one connection. */
export interface LeasePort {
  readonly host: HostName
  /** Atomic: of two that ask at once, one takes it. @throws RollgateError E_DISK when it cannot be written */
  acquire(request: LeaseRequest, signal: AbortSignal): Promise<Acquired>
  /** The heartbeat. @returns false when it is no longer ours: a higher epoch is there */
  refresh(epoch: number, ttlMs: number, signal: AbortSignal): Promise<boolean>
  /** Gives it back where it is still ours; never fails because it is not. */
  release(epoch: number, signal: AbortSignal): Promise<void>
  read(signal: AbortSignal): Promise<LeaseRecord | null>
}
