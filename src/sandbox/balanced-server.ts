// One server of the sandbox's balancer: its administrative state, its health, its counters, exactly as HAProxy keeps
// them (src/server.c, src/check.c): health counts from 0 to rise + fall - 1; a server is up from `rise` on; one passed
// check of an up server fills the count; a server that leaves maintenance is up at once and unverified ("UP 1/2").
// Pure but for the clock that is passed in.

export const MAINTENANCE = 1
export const DRAIN = 8

export type CheckResult = { readonly passed: boolean; readonly word: string; readonly code: number | null; readonly ms: number }

export type BalancedServer = {
  readonly name: string
  readonly id: number
  /** Where it really listens. */
  readonly port: number
  readonly initialWeight: number
  admin: number
  health: number
  running: boolean
  weight: number
  /** Smooth weighted round robin. */
  credit: number
  inFlight: number
  mostInFlight: number
  total: number
  connectErrors: number
  responseErrors: number
  downs: number
  failedChecks: number
  changedAt: number
  checking: boolean
  check: CheckResult
  /** Cuts each request in flight. */
  readonly cuts: Set<() => void>
}

export const RISE = 2
export const FALL = 2
const FULL = RISE + FALL - 1

/** HAProxy starts with its servers up and one failed check from being down. */
export function createServer(name: string, id: number, port: number, now: number): BalancedServer {
  return {
    name,
    id,
    port,
    initialWeight: 1,
    admin: 0,
    health: RISE,
    running: true,
    weight: 1,
    credit: 0,
    inFlight: 0,
    mostInFlight: 0,
    total: 0,
    connectErrors: 0,
    responseErrors: 0,
    downs: 0,
    failedChecks: 0,
    changedAt: now,
    checking: false,
    check: { passed: false, word: 'INI', code: null, ms: 0 },
    cuts: new Set(),
  }
}

export function setAdmin(server: BalancedServer, admin: 0 | typeof MAINTENANCE | typeof DRAIN, now: number): void {
  if (server.admin === admin) return
  if (admin === MAINTENANCE) {
    server.running = false
    server.health = 0
  } else if (server.admin === MAINTENANCE) {
    server.running = true
    server.health = RISE
  }
  server.admin = admin
  server.changedAt = now
}

export function noteCheck(server: BalancedServer, result: CheckResult, now: number): void {
  // A check that was under way when maintenance began says nothing about what comes after it.
  if (server.admin === MAINTENANCE) return
  server.check = result
  if (result.passed) {
    server.health = Math.min(FULL, server.health + 1)
    if (server.health < RISE) return
    server.health = FULL
    if (!server.running) server.changedAt = now
    server.running = true
    return
  }
  server.failedChecks += 1
  if (server.health > RISE) {
    server.health -= 1
    return
  }
  if (server.running) {
    server.downs += 1
    server.changedAt = now
  }
  server.health = 0
  server.running = false
}

/** Neither rising nor falling: the checks have said what they have to say. */
export function isSettled(server: BalancedServer): boolean {
  return server.check.word !== 'INI' && (server.health === 0 || server.health === FULL)
}

/** The words of `show stat`. */
export function statusOf(server: BalancedServer): string {
  if (server.admin === MAINTENANCE) return 'MAINT'
  if (!server.running) return server.health > 0 ? `DOWN ${server.health}/${RISE}` : 'DOWN'
  const word = server.admin === DRAIN ? 'DRAIN' : 'UP'
  return server.health < FULL ? `${word} ${server.health - RISE + 1}/${FALL}` : word
}

/** The server for the next request: smooth weighted round robin over those that are up and ready. */
export function pick(servers: readonly BalancedServer[]): BalancedServer | null {
  let best: BalancedServer | null = null
  let sum = 0
  for (const server of servers) {
    if (!server.running || server.admin !== 0 || server.weight === 0) continue
    sum += server.weight
    server.credit += server.weight
    if (best === null || server.credit > best.credit) best = server
  }
  if (best !== null) best.credit -= sum
  return best
}
