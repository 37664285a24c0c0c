// The fleet's lock: one lease a host, taken in one fixed order before anything is changed, kept by a heartbeat, given back
// at the end. The first host decides between two operators who start together; whoever loses gives back what he has.
import { RollgateError } from '../domain/error.ts'
import type { HostName } from '../domain/host.ts'
import type { LeasePort, LeaseRecord, LeaseRequest } from '../domain/lease.ts'
import type { Clock } from '../domain/ports.ts'

export type Hold = {
  /** 0 for a host without a lease of ours. */
  epochOf(host: HostName): number
  /** Fires when a host says that somebody took over; its reason is the E_LOCKED error. */
  readonly lost: AbortSignal
  /**
   * Before a change that no script on the host can check (the balancer's): is the host still ours? Answered from the last
   * heartbeat while nobody can have taken over, asked on the host otherwise (we may have been suspended for an hour).
   *
   * @throws RollgateError E_LOCKED when it was taken over; E_LOST when the host cannot be asked
   */
  confirm(host: HostName, signal: AbortSignal): Promise<void>
  /** Stops the heartbeat and gives everything back; never throws. */
  release(): Promise<void>
}

export type HoldOptions = {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly refreshMs: number
  /**
   * `refuse`: a live lease is somebody else's rollout. `wait`: until it is free, at most `waitMs`. `inherit`: a live lease
   * whose heartbeat has stopped is waited for until it expires; one whose heartbeat goes on refuses.
   */
  readonly policy: { readonly kind: 'refuse' } | { readonly kind: 'wait'; readonly waitMs: number } | { readonly kind: 'inherit' }
  readonly waiting: (message: string) => void
  /** Called after every heartbeat: for what else must hear it (dead-man timers). */
  readonly onBeat?: () => Promise<void>
}

const POLL_MS = 1_000
/** Heartbeats come every quarter of a lease; one that is later than this by the host's clock has stopped. */
const SLACK_MS = 3_000

/** @throws RollgateError E_LOCKED with the holder; errors of hosts that cannot be asked */
export async function holdFleet(ports: readonly LeasePort[], request: LeaseRequest, options: HoldOptions): Promise<Hold> {
  const ordered = [...ports].sort((a, b) => (a.host < b.host ? -1 : 1))
  const epochs = await takeAll(ordered, request, options)
  return startHeart(ordered, epochs, request, options)
}

async function takeAll(ports: readonly LeasePort[], request: LeaseRequest, options: HoldOptions): Promise<Map<HostName, number>> {
  const { clock, signal, policy } = options
  const began = clock.now()
  let expected: number | null = null
  for (;;) {
    const tried = await tryAll(ports, request, signal)
    if (tried.held === null) return tried.epochs
    const { host, by } = tried.held
    const now = clock.now()
    const waited = now - began
    if (policy.kind === 'refuse' || (policy.kind === 'wait' && waited >= policy.waitMs))
      throw locked(host, by, policy.kind === 'wait' ? waited : 0)
    if (policy.kind === 'inherit') {
      // When it would expire if no heartbeat came any more.
      const expiresAt = now + by.leftMs
      if (expected !== null && expiresAt > expected + SLACK_MS) throw locked(host, by, 0)
      expected ??= expiresAt
      options.waiting(
        `${by.holder} holds ${host} for rollout ${by.rollout}; no heartbeat for ${seconds(by.heartbeatAgeMs)}, its lease ends in ${seconds(by.leftMs)}`,
      )
    } else {
      options.waiting(
        `waiting for ${by.holder} (${by.command}, rollout ${by.rollout} on ${host}), at most ${seconds(policy.waitMs - waited)} more`,
      )
    }
    await clock.sleep(Math.max(POLL_MS, Math.min(5_000, by.leftMs / 4)), signal)
  }
}

type Tried = { readonly epochs: Map<HostName, number>; readonly held: { readonly host: HostName; readonly by: LeaseRecord } | null }

/** The first host alone, then the rest side by side; with one refused, all are given back. */
async function tryAll(ports: readonly LeasePort[], request: LeaseRequest, signal: AbortSignal): Promise<Tried> {
  const epochs = new Map<HostName, number>()
  const [first, ...rest] = ports
  let held: Tried['held'] = null
  const take = async (port: LeasePort): Promise<void> => {
    const answer = await port.acquire(request, signal)
    if (answer.kind === 'taken') epochs.set(port.host, answer.epoch)
    else held ??= { host: port.host, by: answer.by }
  }
  try {
    if (first !== undefined) await take(first)
    if (held === null) {
      const results = await Promise.allSettled(rest.map(take))
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
  } catch (error) {
    await giveBack(ports, epochs)
    throw error
  }
  if (held !== null) {
    await giveBack(ports, epochs)
    epochs.clear()
  }
  return { epochs, held }
}

async function giveBack(ports: readonly LeasePort[], epochs: ReadonlyMap<HostName, number>): Promise<void> {
  const limit = AbortSignal.timeout(10_000)
  await Promise.allSettled(
    ports.map(async (port) => {
      const epoch = epochs.get(port.host)
      if (epoch !== undefined) await port.release(epoch, limit)
    }),
  )
}

function startHeart(ports: readonly LeasePort[], epochs: ReadonlyMap<HostName, number>, request: LeaseRequest, options: HoldOptions): Hold {
  const { clock, refreshMs } = options
  const lost = new AbortController()
  const stop = new AbortController()
  const heard = new Map<HostName, number>(ports.map((port) => [port.host, clock.now()]))

  const beat = async (port: LeasePort, signal: AbortSignal): Promise<void> => {
    const epoch = epochs.get(port.host)
    if (epoch === undefined) return
    const asked = clock.now()
    if (await port.refresh(epoch, request.ttlMs, signal)) {
      heard.set(port.host, asked)
      return
    }
    const by = await port.read(signal).catch(() => null)
    const error = takenOver(port.host, by)
    if (!lost.signal.aborted) lost.abort(error)
    throw error
  }
  const heart = (async () => {
    while (!stop.signal.aborted && !lost.signal.aborted) {
      try {
        await clock.sleep(refreshMs, stop.signal)
      } catch {
        return
      }
      // One host that is slow or gone must not take the others' heartbeat along.
      await Promise.allSettled(
        ports.map((port) => beat(port, AbortSignal.any([stop.signal, AbortSignal.timeout(Math.ceil(request.ttlMs / 3))]))),
      )
      await options.onBeat?.().catch(() => undefined)
    }
  })()

  return {
    epochOf: (host) => epochs.get(host) ?? 0,
    lost: lost.signal,
    async confirm(host, signal) {
      if (lost.signal.aborted) throw lost.signal.reason
      const port = ports.find((candidate) => candidate.host === host)
      if (port === undefined || !epochs.has(host)) {
        throw new RollgateError('E_LOST', `there is no lease on ${host}: it was not reachable when the rollout began`, { host })
      }
      if (clock.now() - (heard.get(host) ?? 0) < request.ttlMs / 2) return
      await beat(port, signal)
    },
    async release() {
      stop.abort()
      await heart
      await giveBack(ports, epochs)
    },
  }
}

function locked(host: HostName, by: LeaseRecord, waitedMs: number): RollgateError {
  const commit = by.commit === null ? '' : `, commit ${by.commit.slice(0, 12)}`
  return new RollgateError(
    'E_LOCKED',
    `${by.holder} holds the lock: ${by.command}, rollout ${by.rollout}${commit}, for ${seconds(by.ageMs)}`,
    {
      host,
      why: `the lease on ${host} (epoch ${by.epoch}) had its last heartbeat ${seconds(by.heartbeatAgeMs)} ago`,
      now: waitedMs > 0 ? `nothing was changed, after waiting for ${seconds(waitedMs)}` : 'nothing was changed',
      hints: [
        '--wait-lock 15m   (waits until it is free)',
        'rollgate lock   (who holds it)',
        'rollgate lock release   (takes it away, after a typed confirmation)',
      ],
    },
  )
}

function takenOver(host: HostName, by: LeaseRecord | null): RollgateError {
  const who = by === null ? 'somebody' : `${by.holder} (${by.command}, rollout ${by.rollout})`
  return new RollgateError('E_LOCKED', `${who} took over ${host}: this rollout may not change it any more`, {
    host,
    hints: ['rollgate status   (where the fleet stands)'],
  })
}

function seconds(ms: number | null): string {
  return ms === null ? 'an unknown time' : `${Math.max(0, Math.round(ms / 1000))} s`
}
