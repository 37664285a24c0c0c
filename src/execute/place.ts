// A host's place in the rotation, taken and given back: the rotation's rules applied to what the plan recorded.
import type { ServerState } from '../domain/balancer.ts'
import { RollgateError } from '../domain/error.ts'
import type { Step, Track } from '../domain/plan.ts'
import { bringBack } from './bring-back.ts'
import { readyHosts, sameServer } from './capacity.ts'
import { differences, patiently, snapshot } from './rotation.ts'
import { balancerPatience, isProcessTouched, ourNetwork, type Run, waitSignal } from './run.ts'
import { takeOut } from './take-out.ts'

/** The balancer's own verdict on the way back may take as long as its checks need; a minute is far beyond all of them. */
const BACK_DEADLINE_MS = 60_000

/** A check that fails just then must not pass for a change of somebody's. */
const END_ATTEMPTS = 20
const END_MS = 500

/** The states to restore: what the balancer says now, with the admin state and weight that the plan recorded. */
export async function statesBefore(run: Run, track: Track): Promise<readonly ServerState[]> {
  return asRecorded(track, await statesNow(run, track))
}

/**
 * The last look: what is not as it was on a host that the rollout had taken and given back, one sentence each. Somebody
 * may have changed a weight since, or a host may be down again.
 */
export async function strayed(run: Run, track: Track): Promise<readonly string[]> {
  if (run.context.ports.settings(track.host).servers.length === 0) return []
  for (let attempt = 1; ; attempt += 1) {
    const now = await statesNow(run, track)
    const found = differences(asRecorded(track, now), now)
    if (found.length === 0 || attempt >= END_ATTEMPTS) return found
    await run.context.ports.clock.sleep(END_MS, waitSignal(run))
  }
}

async function statesNow(run: Run, track: Track): Promise<readonly ServerState[]> {
  const { servers } = run.context.ports.settings(track.host)
  const { clock } = run.context.ports
  const waiting = (message: string): void => run.context.emit({ type: 'warning', host: track.host, message })
  return patiently({ clock, signal: waitSignal(run), waiting, network: ourNetwork(run, track.host), ...balancerPatience(run) }, () =>
    snapshot(servers, run.context.signal),
  )
}

function asRecorded(track: Track, states: readonly ServerState[]): readonly ServerState[] {
  return states.map((state) => {
    const recorded = track.rotation.find((server) => sameServer(server, state.ref))
    if (recorded === undefined) {
      throw new RollgateError(
        'E_BALANCER_SERVER',
        `${state.ref.backend}/${state.ref.server} on ${state.ref.balancer} is not the server that the plan was made for`,
        { host: track.host },
      )
    }
    return { ...state, admin: recorded.admin, weight: recorded.weight }
  })
}

export async function goOut(
  run: Run,
  track: Track,
  step: Extract<Step, { kind: 'drain' }>,
  signal: AbortSignal,
  waiting: (detail: string) => void,
): Promise<string> {
  const { ports } = run.context
  const settings = ports.settings(track.host)
  if (settings.servers.length === 0) return 'no balancer'
  const port = ports.host(track.host)
  const out = await takeOut({
    host: track.host,
    servers: settings.servers,
    before: await statesBefore(run, track),
    drain: { ...settings.drain, deadlineMs: step.deadlineMs, onDeadline: step.onDeadline },
    clock: ports.clock,
    signal,
    appConnections: () => port.appConnections(settings.health, signal),
    touched: isProcessTouched(run, track),
    waiting,
    ...balancerPatience(run),
  })
  await readyHosts(run, track.group)
  return out.cut > 0 ? `${out.evidence}; ${out.cut} cut` : out.evidence
}

export async function comeBack(run: Run, track: Track, signal: AbortSignal, waiting: (detail: string) => void): Promise<string> {
  const { ports } = run.context
  const { servers } = ports.settings(track.host)
  if (servers.length === 0) return 'no balancer'
  const states = await bringBack({
    host: track.host,
    servers,
    before: await statesBefore(run, track),
    clock: ports.clock,
    deadlineMs: BACK_DEADLINE_MS,
    signal,
    waiting,
    ...balancerPatience(run),
  })
  return states.map((state) => `${state.ref.backend}/${state.ref.server} ${state.detail}`).join(', ')
}
