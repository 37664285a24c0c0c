// status: the truth from the hosts and the balancer, and what is odd about it. Changes nothing.
import type { StatusDocument } from '../domain/document.ts'
import type { Facts, HostFacts, ReachableHost } from '../domain/facts.ts'
import type { Host } from '../domain/host.ts'
import type { HostPhase } from '../domain/ledger.ts'
import { readTimers, type TimerStory } from '../drivers/timer/timers.ts'
import { ownWithdrawals, unfinishedOf } from '../plan/situation.ts'
import { openSession, timerScope } from './compose.ts'
import type { AppContext } from './context.ts'
import { type HostLease, liveLock, readLeases } from './lock.ts'
import { look } from './rollout.ts'
import type { Session } from './session.ts'
import { createTelling } from './telling.ts'
import { nextForUnfinished, resumableIn, type UnfinishedRollout } from './unfinished.ts'

export async function status(
  options: { readonly hosts?: readonly string[]; readonly roles?: readonly string[] },
  context: AppContext,
): Promise<StatusDocument> {
  const { emit } = createTelling('status', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const facts = await look(context, session, emit)
    return statusDocument(session, facts, await readLeases(session, facts, context.signal), await timerStories(session, context.signal))
  } finally {
    await session.close()
  }
}

function statusDocument(session: Session, facts: Facts, leases: readonly HostLease[], timers: readonly TimerStory[]): StatusDocument {
  const hosts = session.chosen.flatMap((host) => {
    const seen = facts.hosts.find((candidate) => candidate.host === host.name)
    return seen === undefined ? [] : [hostStatus(host, seen, facts)]
  })
  const answered = hosts.some((host) => host.reachable)
  const lock = liveLock(leases)
  const found = resumableIn(facts)
  return {
    version: 1,
    command: 'status',
    exitCode: answered ? 0 : 4,
    outcome: answered ? 'ok' : 'failed',
    ...(answered ? {} : { error: { code: 'E_UNREACHABLE', message: 'no host answered', hints: ['rollgate check   (why, host by host)'] } }),
    hosts,
    lock,
    // Whoever holds the lock works on it: it is not for others to take up.
    unfinished: found === null || lock !== null ? null : { rollout: found.rollout, phase: found.phase, next: nextForUnfinished(found) },
    drift: [...driftOf(session, facts), ...timerDrift(timers, found)],
  }
}

function hostStatus(host: Host, seen: HostFacts, facts: Facts): StatusDocument['hosts'][number] {
  const servers = facts.rotation[host.name] ?? []
  const balancer = servers.map((server) => ({
    balancer: server.ref.balancer,
    backend: server.ref.backend,
    server: server.ref.server,
    state: server.admin,
    health: server.health,
    weight: server.weight,
    inFlight: server.inFlight,
  }))
  const base = { name: host.name, address: host.address, ...(host.zone === undefined ? {} : { zone: host.zone }), balancer }
  if (!seen.reachable) {
    return {
      ...base,
      release: null,
      previous: null,
      phase: 'unknown',
      reachable: false,
      health: 'unknown',
      error: { code: seen.error.code, message: seen.error.message },
    }
  }
  return {
    ...base,
    release: seen.current,
    previous: previousOf(seen),
    phase: phaseOf(seen, servers.length > 0 && servers.every((server) => server.admin === 'ready')),
    reachable: true,
    health: healthWord(seen),
  }
}

/** The newest release that succeeded besides the current one: where a rollback would go. */
function previousOf(seen: ReachableHost): string | null {
  const current = seen.releases.find((release) => release.id === seen.current)
  const older = seen.releases.filter(
    (release) =>
      release.outcome === 'succeeded' && release.id !== seen.current && release.counter < (current?.counter ?? Number.POSITIVE_INFINITY),
  )
  return (
    older.toSorted((a, b) => b.counter - a.counter)[0]?.id ?? seen.foreignReleases.filter((name) => name !== seen.current).at(-1) ?? null
  )
}

const PHASE_AFTER: Readonly<Record<string, HostPhase>> = {
  drain: 'drained',
  activate: 'switched',
  restart: 'started',
  prove: 'healthy',
  gate: 'gated',
  enable: 'serving',
  stop: 'drained',
}

function phaseOf(seen: ReachableHost, inRotation: boolean): HostPhase {
  const unfinished = unfinishedOf(seen.ledger)
  if (unfinished !== null && unfinished.lastStep !== '-') {
    const kind =
      unfinished.lastStep
        .split('/')
        .at(-1)
        ?.replace(/[#:].*$/, '') ?? ''
    if (unfinished.lastState === 'started')
      return kind === 'drain' ? 'draining' : kind === 'enable' ? 'enabling' : (PHASE_AFTER[kind] ?? 'unknown')
    return PHASE_AFTER[kind] ?? 'unknown'
  }
  if (seen.current === null) return 'idle'
  return inRotation || seen.health?.healthy === true ? 'serving' : 'idle'
}

function healthWord(seen: ReachableHost): string {
  const down = seen.services.find((service) => service.state !== 'active')
  if (seen.health !== null) return seen.health.healthy ? 'healthy' : `unhealthy: ${seen.health.detail}`
  return down === undefined ? 'running' : `${down.unit} is ${down.state}`
}

/** What the timers of the unfinished rollout did, or will do. */
function timerDrift(timers: readonly TimerStory[], found: UnfinishedRollout | null): StatusDocument['drift'] {
  return timers
    .filter((story) => story.rollout === found?.rollout)
    .map(({ host, entry, what, leftS }) => ({
      kind: what,
      message:
        what === 'armed'
          ? `a timer on ${host} looks after ${entry} in ${leftS ?? 0} s, if no heartbeat comes`
          : what === 'self-restored'
            ? `the timer on ${host} brought ${entry} back: it was healthy and its operator gone`
            : what === 'orphaned'
              ? `the timer on ${host} left ${entry} out of rotation: it did not pass the balancer's check`
              : `the timer on ${host} could not ask the balancer about ${entry}`,
    }))
}

/** From the hosts of every balancer that can hold a timer; nothing from those that cannot be asked. */
async function timerStories(session: Session, signal: AbortSignal): Promise<readonly TimerStory[]> {
  const hosts = [...new Set(session.allBalancers.flatMap((balancer) => (balancer.deadMan === undefined ? [] : [balancer.deadMan.host])))]
  const stories = await Promise.allSettled(
    hosts.map(async (host) => readTimers(await session.connect(host, signal), timerScope(session.config), signal)),
  )
  return stories.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
}

function driftOf(session: Session, facts: Facts): StatusDocument['drift'] {
  const drift: { kind: string; host?: string; message: string }[] = []
  const reachable = facts.hosts.flatMap((host) => (host.reachable ? [host] : []))
  const apps = reachable.filter((host) => session.chosen.some((chosen) => chosen.name === host.host))
  const releases = new Set(apps.map((host) => host.current))
  if (releases.size > 1)
    drift.push({
      kind: 'mixed-releases',
      message: `hosts run different releases: ${[...releases].map((release) => release ?? 'none').join(', ')}`,
    })
  for (const host of apps) {
    const servers = facts.rotation[host.host] ?? []
    const out = servers.filter((server) => server.admin === 'drain' || server.admin === 'maintenance')
    if (out.length > 0) {
      const ours = ownWithdrawals(host, servers)
      drift.push({
        kind: ours ? 'orphaned-drain' : 'drained',
        host: host.host,
        message: `${host.host} is out of rotation (${out.map((server) => `${server.ref.backend}/${server.ref.server} ${server.detail}`).join(', ')}), ${ours ? 'left so by an unfinished rollout' : 'by hand'}`,
      })
    }
    const current = host.releases.find((release) => release.id === host.current)
    if (current?.outcome === 'failed')
      drift.push({
        kind: 'failed-release',
        host: host.host,
        message: `${host.host} runs ${host.current}, which failed when it was deployed`,
      })
    if (host.health?.release != null && host.current !== null && host.health.release !== host.current) {
      drift.push({
        kind: 'other-release-answers',
        host: host.host,
        message: `${host.host} links ${host.current} but ${host.health.release} answers`,
      })
    }
  }
  const known = new Set(
    Object.values(facts.rotation).flatMap((servers) =>
      servers.map((server) => `${server.ref.balancer} ${server.ref.backend}/${server.ref.server}`),
    ),
  )
  const backends = new Set(
    Object.values(facts.rotation).flatMap((servers) => servers.map((server) => `${server.ref.balancer} ${server.ref.backend}`)),
  )
  for (const balancer of facts.balancers) {
    for (const server of balancer.servers) {
      const name = `${server.ref.balancer} ${server.ref.backend}/${server.ref.server}`
      if (backends.has(`${server.ref.balancer} ${server.ref.backend}`) && !known.has(name))
        drift.push({ kind: 'unknown-member', message: `${name} is in the balancer but no host of the inventory` })
    }
    if (balancer.error !== null) drift.push({ kind: 'balancer-unreachable', message: `${balancer.id}: ${balancer.error.message}` })
  }
  return drift
}
