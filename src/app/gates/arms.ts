// Who is measured: the new release and, where something is compared, as many hosts of the old one, all reached the same
// way. Here a control is taken out of rotation and given back, and an old process is restarted where both are to be cold.
import { randomBytes } from 'node:crypto'
import { RollgateError } from '../../domain/error.ts'
import type { Emit } from '../../domain/event.ts'
import type { GatePlan, GateSettings, GateSource } from '../../domain/gate.ts'
import type { Host, HostName } from '../../domain/host.ts'
import type { StepId } from '../../domain/plan.ts'
import type { GateAt } from '../../domain/ports.ts'
import { proveHealthy } from '../../execute/healthy.ts'
import type { LoadTarget } from '../../load/plan.ts'
import type { AppContext } from '../context.ts'
import { hostTargets } from '../host-target.ts'
import type { Session } from '../session.ts'

export type LoadSource = Extract<GateSource, { kind: 'load' }>

export type GateWork = {
  readonly session: Session
  readonly context: Pick<AppContext, 'env' | 'flags'>
  readonly emit: Emit
  /** The rollout, or the run of a gate alone. */
  readonly run: string
}

export type GatePlace = {
  readonly step?: StepId
  /** Run the new release; the latest ones last. */
  readonly hosts: readonly HostName[]
  /** May be its baseline, likeliest first. */
  readonly old: readonly HostName[]
  /** null: nobody is taken out. */
  readonly borrow: GateAt['borrow'] | null
}

export type Arms = GatePlan['arms'] & { readonly targets: readonly [LoadTarget, ...LoadTarget[]] }

/** More than this would only cost: each host gets the whole rate. */
export const MOST_HOSTS_AN_ARM = 3
const RECONNECT_MS = 60_000

/**
 * Runs `work` with the arms of a gate, its control out of rotation meanwhile.
 * @throws RollgateError E_MIN_READY when nobody can be spared, E_LOAD when nobody knows where the load goes; whatever reaching a host throws
 */
export async function withArms<T>(
  gate: GateSettings,
  source: LoadSource,
  place: GatePlace,
  of: GateWork,
  signal: AbortSignal,
  work: (arms: Arms) => Promise<T>,
): Promise<T> {
  if (source.at.kind !== 'canary') return work({ ...entryOf(gate, source, of), old: [] })
  if (place.hosts.length === 0) throw new RollgateError('E_LOAD', `gate ${gate.name}: no host runs the new release`)
  if (source.baseline === null)
    return work(await reach(gate, source, { canary: place.hosts.slice(-MOST_HOSTS_AN_ARM), old: [] }, of, signal))
  if (place.old.length === 0)
    throw new RollgateError('E_LOAD', `gate ${gate.name} compares with the old release, and no ready host runs it`)
  const { borrow } = place
  if (borrow === null || !isPairAlone(source, place)) {
    return work(await reach(gate, source, servingArms(place), of, signal))
  }
  const canary = place.hosts.slice(-1)
  const [control = ''] = place.old
  return borrow(control, async () => {
    if (source.baseline?.restart === true) await restartOld(control, of, signal)
    return work(await reach(gate, source, { canary, old: [control] }, of, signal))
  })
}

/** Whether nobody is served by either host while they are measured: the new one is isolated, the old one taken out for it. */
export function isPairAlone({ baseline, when }: LoadSource, { borrow }: Pick<GatePlace, 'borrow'>): boolean {
  return borrow !== null && when === 'isolated' && baseline?.kind === 'drained-peer'
}

/** Through the front door: one target, whoever answers. */
function entryOf(
  gate: GateSettings,
  source: LoadSource,
  { session }: GateWork,
): { readonly canary: readonly string[]; readonly targets: Arms['targets'] } {
  const url = source.at.kind === 'url' ? source.at.url : session.config.rollout.probe?.url
  if (url === undefined)
    throw new RollgateError('E_LOAD', `gate ${gate.name}: at: balancer needs rollout.probe.url, which names the public entry`, {
      hints: ['rollout: { probe: { url: https://shop.example.com/healthz } }', 'or at: https://shop.example.com'],
    })
  return { canary: ['entry'], targets: [{ name: 'entry', origin: new URL(url).origin }] }
}

/** As many of the new release as of the old one. */
export function servingArms({ hosts, old }: Pick<GatePlace, 'hosts' | 'old'>): Pick<Arms, 'canary' | 'old'> {
  const count = Math.min(hosts.length, old.length, MOST_HOSTS_AN_ARM)
  return { canary: count === 0 ? [] : hosts.slice(-count), old: old.slice(0, count) }
}

/** How they are reached. @throws RollgateError E_LOAD, E_USAGE; whatever reaching a host throws */
export async function reach(
  gate: GateSettings,
  source: LoadSource,
  { canary, old }: Pick<Arms, 'canary' | 'old'>,
  of: GateWork,
  signal: AbortSignal,
): Promise<Arms> {
  const { session, emit } = of
  const site = session.config.rollout.probe?.url
  const hosts = [...canary, ...old].map((name) => ({ host: name, health: session.settings(hostNamed(session, name)).health }))
  const { targets, way } = await hostTargets(hosts, {
    ...{ connect: session.connect, signal },
    fromElsewhere: (session.config.loads[source.load]?.from ?? []).length > 0,
    tls: session.config.loads[source.load]?.tls === true,
    ...(site === undefined ? {} : { site }),
  })
  const [first, ...rest] = targets
  if (first === undefined) throw new RollgateError('E_BUG', 'a gate without a target')
  const against = old.length === 0 ? '' : ` against ${old.join(', ')}`
  emit({ type: 'notice', message: `gate ${gate.name}: ${canary.join(', ')}${against}${way === 'tunnel' ? ', through SSH' : ''}` })
  return { canary, old, targets: [first, ...rest] }
}

function hostNamed(session: Session, name: HostName): Host {
  const host = session.config.hosts.find((candidate) => candidate.name === name)
  if (host === undefined) throw new RollgateError('E_USAGE', `there is no host called ${name}`)
  return host
}

/** Out of rotation already. Both processes are cold then, which is what Spinnaker means by an equivalent baseline. */
async function restartOld(name: HostName, { session, run, emit }: GateWork, signal: AbortSignal): Promise<void> {
  const port = session.port(name)
  const release = await port.current(signal)
  const step = { id: `${name}/control-restart-${randomBytes(2).toString('hex')}`, host: name, kind: 'restart', release } as const
  const { steps } = await port.runPhase(run, [step], { signal, onStep: () => undefined, onLine: () => undefined })
  if (steps[0]?.state !== 'done')
    throw new RollgateError('E_SERVICE', `${name} could not be restarted as control`, { host: name, evidence: steps[0]?.output ?? [] })
  const health = session.settings(hostNamed(session, name)).health
  const waiting = (detail: string): void => emit({ type: 'step.waiting', step: step.id, host: name, detail })
  await proveHealthy({ port, health, release: null, clock: session.clock, signal, waiting, reconnectMs: RECONNECT_MS })
}
