// What HAProxy says of one server, put together from its two tables, and what that means for us: which admin state, which
// health, whose setting it is. Pure. The masks are management.txt's; where two apply, the one that keeps more traffic away
// wins.
import type { AdminState, BalancerHealth, ServerRef, ServerState } from '../../../domain/balancer.ts'
import { cleanText } from '../../../util/text.ts'
import { numberIn, type Row } from './answers.ts'

/** `srv_admin_state`, printed in decimal. */
export const MASK = {
  forcedMaintenance: 1,
  inheritedMaintenance: 2,
  fromFile: 4,
  forcedDrain: 8,
  inheritedDrain: 16,
  unresolved: 32,
  renamed: 64,
} as const

export type Server = {
  readonly backend: string
  readonly name: string
  /** null: not resolved yet, or a path. */
  readonly address: string | null
  readonly port: number | null
  readonly mask: number
  /** The user's weight, exactly as `set server … weight` takes it, and the file's. */
  readonly weight: number | null
  readonly initialWeight: number | null
  readonly hasCheck: boolean
  /** An agent that may change the state by itself. */
  readonly hasAgent: boolean
  readonly status: string
  /** Of the last check, without the star that says one is running: `L7OK`. */
  readonly check: string
  readonly fall: number | null
  readonly inFlight: number | null
  readonly queued: number | null
  /** `backend/server` whose health and admin state this one follows. */
  readonly tracks: string | null
  readonly throttle: number | null
  readonly total: number | null
  /** Of the last second. */
  readonly rate: number | null
}

const CHECK_CONFIGURED = 2
const CHECK_ENABLED = 4

/** A row of `show servers state` with its row of `show stat`. */
export function serverOf(state: Row, stat: Row | undefined): Server {
  const text = (row: Row | undefined, column: string): string => row?.get(column) ?? ''
  const number = (row: Row | undefined, column: string): number | null => (row === undefined ? null : numberIn(row, column))
  const address = text(state, 'srv_addr')
  const port = number(state, 'srv_port')
  const check = number(state, 'srv_check_state')
  return {
    backend: text(state, 'be_name'),
    name: text(state, 'srv_name'),
    address: address === '' || address === '-' ? null : address,
    port: port === 0 ? null : port,
    mask: number(state, 'srv_admin_state') ?? 0,
    weight: number(state, 'srv_uweight'),
    initialWeight: number(state, 'srv_iweight'),
    hasCheck: ((check ?? 0) & CHECK_CONFIGURED) !== 0,
    hasAgent: ((number(state, 'srv_agent_state') ?? 0) & CHECK_ENABLED) !== 0,
    status: cleanText(text(stat, 'status'), 80),
    check: cleanText(text(stat, 'check_status'), 40).replace(/^\* /, ''),
    fall: number(stat, 'check_fall'),
    inFlight: number(stat, 'scur'),
    queued: number(stat, 'qcur'),
    tracks: text(stat, 'tracked') === '' ? null : text(stat, 'tracked'),
    throttle: number(stat, 'throttle'),
    // Not lbtot: what persistence sends there is not counted in it.
    total: number(stat, 'stot'),
    // In HTTP mode each request is a session of its server.
    rate: number(stat, 'rate'),
  }
}

export function adminOf(mask: number): AdminState | 'other' {
  if ((mask & MASK.unresolved) !== 0) return 'other'
  // `disabled` in the file sets both; taken out of it at run time and put back, it is the same again.
  if ((mask & MASK.forcedMaintenance) !== 0) return (mask & MASK.fromFile) !== 0 ? 'other' : 'maintenance'
  if ((mask & MASK.inheritedMaintenance) !== 0) return 'maintenance'
  return (mask & (MASK.forcedDrain | MASK.inheritedDrain)) !== 0 ? 'drain' : 'ready'
}

/** Whether the balancer sends nothing new (but sticky clients, in a drain) because of a setting. */
export function isIn(mask: number, wanted: AdminState): boolean {
  const maintenance = (mask & (MASK.forcedMaintenance | MASK.inheritedMaintenance | MASK.unresolved)) !== 0
  const drain = (mask & (MASK.forcedDrain | MASK.inheritedDrain)) !== 0
  switch (wanted) {
    case 'maintenance':
      return maintenance
    case 'drain':
      return drain && !maintenance
    case 'ready':
      return !drain && !maintenance
    default:
      return wanted satisfies never
  }
}

/** `UP 1/3` is on its way down, or fresh out of maintenance and unverified: never up. */
export function healthOf(status: string, checked: boolean): BalancerHealth {
  if (status === 'no check' || (!checked && /^(UP|DRAIN)$/.test(status))) return 'unchecked'
  if (/^(UP|DRAIN)$/.test(status)) return 'up'
  if (/^(UP|DRAIN) \d/.test(status)) return 'falling'
  if (/^DOWN \d/.test(status)) return 'rising'
  // NOLB: its check answered 404 (disable-on-404); nothing new is sent there.
  if (/^(DOWN|NOLB)/.test(status)) return 'down'
  return 'unknown'
}

/** Passed a check since it left maintenance: the status has no `n/m` any more, and the last check was good. */
export function isVerified(server: Server): boolean {
  return server.status === 'DRAIN' && /^L[467]OK/.test(server.check)
}

export function stateOf(
  server: Server,
  context: { readonly balancer: string; readonly checked: boolean; readonly generation: string; readonly previousInFlight: number | null },
): ServerState {
  const { balancer, checked, generation, previousInFlight } = context
  const old = previousInFlight ?? 0
  return {
    ref: refOf(server, balancer),
    admin: adminOf(server.mask),
    detail: `${server.status === '' ? 'unknown' : server.status}${detailOf(server, old)}`,
    health: healthOf(server.status, checked),
    inFlight: server.inFlight === null ? null : server.inFlight + old,
    queued: server.queued,
    weight: server.weight,
    configuredWeight: server.initialWeight,
    warmingPercent: server.throttle,
    requestsTotal: server.total,
    ratePerSecond: server.rate,
    generation,
  }
}

export function refOf(server: Server, balancer: string): ServerRef {
  return {
    balancer,
    backend: cleanText(server.backend, 255),
    server: cleanText(server.name, 255),
    ...(server.address === null ? {} : { address: cleanText(server.address, 255) }),
    ...(server.port === null ? {} : { port: server.port }),
  }
}

function detailOf(server: Server, previous: number): string {
  const notes = [
    ...(server.status.startsWith('DOWN') && server.check !== '' ? [server.check] : []),
    ...(adminOf(server.mask) === 'drain' && !server.status.startsWith('DRAIN') ? ['drained'] : []),
    ...((server.mask & MASK.fromFile) !== 0 && (server.mask & MASK.forcedMaintenance) !== 0 ? ['disabled in the file'] : []),
    ...(previous > 0 ? [`${previous} in flight in a process from before a reload`] : []),
  ]
  return notes.length === 0 ? '' : ` (${notes.join(', ')})`
}
