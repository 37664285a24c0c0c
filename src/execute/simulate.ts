// What would happen if: the real executor over imaginary hosts, made from the plan. Nothing is connected, no clock runs;
// the rules of undo, halt, budget and min_ready are the ones that a real rollout follows, because it is the same code.
import type { AdminState, LoadBalancer, ServerRef, ServerState } from '../domain/balancer.ts'
import type { SimulationDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { DurableEvent, RolloutEvent } from '../domain/event.ts'
import type { HealthSettings } from '../domain/health.ts'
import type { HostName } from '../domain/host.ts'
import type { LedgerEntry } from '../domain/ledger.ts'
import { exitCodeOf } from '../domain/outcome.ts'
import type { Plan, Track } from '../domain/plan.ts'
import type { Clock, HostPort, Ports } from '../domain/ports.ts'
import { freshProgress } from '../journal/replay.ts'
import { execute } from './execute.ts'

/** What is to go wrong on a host: a kind of step (on the way forward), or `undo/KIND` on the way back. */
export type Fault = { readonly host: HostName; readonly at: string }

export const FAULT_KINDS = ['drain', 'hook', 'activate', 'restart', 'prove', 'gate', 'enable', 'stop'] as const

/** `web-2:restart`, `web-2:undo/prove`. @throws RollgateError E_USAGE for a host or a step that the plan does not have */
export function parseFault(text: string, plan: Plan): Fault {
  const split = text.lastIndexOf(':')
  const host = text.slice(0, split)
  const at = text.slice(split + 1)
  const hosts = plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host))
  if (split <= 0 || !hosts.includes(host)) {
    throw new RollgateError('E_USAGE', `--fail ${text}: the plan moves no host called ${JSON.stringify(host)}`, {
      hints: [`hosts: ${hosts.join(', ') || 'none'}`, '--fail web-2:restart'],
    })
  }
  if (!FAULT_KINDS.some((kind) => at === kind || at === `undo/${kind}`)) {
    throw new RollgateError('E_USAGE', `--fail ${text}: there is no step ${JSON.stringify(at)}`, {
      hints: [`steps: ${FAULT_KINDS.join(', ')}; undo/STEP for the way back`],
    })
  }
  return { host, at }
}

export async function simulate(plan: Plan, faults: readonly Fault[]): Promise<SimulationDocument> {
  const world = makeWorld(plan, faults)
  const never = new AbortController().signal
  const moves: string[] = []
  const tell = (event: RolloutEvent): void => {
    const line = moveOf(event)
    if (line !== null) moves.push(line)
  }
  let seq = 0
  const { outcome, run } = await execute(freshProgress(plan, plan.release), {
    rollout: 'simulated',
    ports: portsOf(world, plan),
    journal: {
      async append(event: DurableEvent) {
        tell(event)
        seq += 1
        return { version: 1, at: '1970-01-01T00:00:00.000Z', rollout: 'simulated', seq, ...event }
      },
      close: async () => undefined,
    },
    emit: tell,
    control: { wish: null, because: null, asked: never, hurry: never },
    signal: never,
  })
  return {
    fail: faults.map((fault) => `${fault.host}:${fault.at}`),
    outcome: outcome.kind,
    exitCode: exitCodeOf(outcome),
    because: 'because' in outcome ? { code: outcome.because.code, message: outcome.because.message } : null,
    moves,
    hosts: [...world.hosts.values()].map(({ name, running, admin }) => ({ name, release: running, inRotation: admin === 'ready' })),
    minReadySeen: run.minReadySeen,
  }
}

function moveOf(event: RolloutEvent): string | null {
  switch (event.type) {
    case 'step.succeeded':
      return event.step.replace('/', ' ')
    case 'step.failed':
      return `${event.step.replace('/', ' ')} failed: ${event.error.message}`
    case 'batch.started':
      return `-- ${event.title}: ${event.hosts.join(', ')}`
    case 'undo.opened':
      return `-- undo: ${event.hosts.join(', ') || 'nothing to undo'}`
    case 'checkpoint.passed':
      return `${event.step}: ${event.how}`
    default:
      return null
  }
}

type SimulatedHost = {
  readonly name: HostName
  current: string | null
  running: string | null
  admin: AdminState
  /** Its step in hand belongs to the way back. */
  undoing: boolean
  /** What runs since the last restart never answers well. */
  sick: boolean
  readonly ledger: LedgerEntry[]
}
type World = { readonly hosts: Map<HostName, SimulatedHost>; readonly faults: readonly Fault[]; now: number }

function makeWorld(plan: Plan, faults: readonly Fault[]): World {
  const tracks = new Map(plan.batches.flatMap((batch) => batch.tracks.map((track): [HostName, Track] => [track.host, track])))
  const names = new Set([...Object.values(plan.groups).flatMap((group) => group.hosts), ...tracks.keys()])
  const ready = new Set(Object.values(plan.groups).flatMap((group) => group.ready))
  const hosts = [...names].map((name): [HostName, SimulatedHost] => {
    const track = tracks.get(name)
    const release = track === undefined ? plan.release : track.from
    return [
      name,
      { name, current: release, running: ready.has(name) ? release : null, admin: 'ready', undoing: false, sick: false, ledger: [] },
    ]
  })
  return { hosts: new Map(hosts), faults, now: 0 }
}

const fails = (world: World, host: SimulatedHost, kind: string): boolean =>
  world.faults.some((fault) => fault.host === host.name && fault.at === (host.undoing ? `undo/${kind}` : kind))

function hostIn(world: World, name: HostName): SimulatedHost {
  const host = world.hosts.get(name)
  if (host === undefined) throw new RollgateError('E_BUG', `there is no simulated host ${name}`)
  return host
}

const isHealthy = (host: SimulatedHost): boolean => host.running !== null && !host.sick

const BALANCER = 'simulated'
const HEALTH: HealthSettings = {
  check: { kind: 'tcp', port: 1, address: '127.0.0.1', timeoutMs: 1 },
  version: { kind: 'process' },
  intervalMs: 100,
  healthyForMs: 0,
  deadlineMs: 1_000,
}

function portsOf(world: World, plan: Plan): Ports {
  const balancer = balancerOf(world)
  const clock: Clock = {
    now: () => world.now,
    async sleep(ms) {
      world.now += ms
    },
  }
  const balanced = new Set(
    plan.batches.flatMap((batch) => batch.tracks.filter((track) => track.rotation.length > 0).map((track) => track.host)),
  )
  return {
    clock,
    host: (name) => hostPortOf(world, name),
    noteAll: async () => undefined,
    settings: (name) => ({
      health: HEALTH,
      drain: { deadlineMs: 1_000, onDeadline: 'fail' },
      servers: balanced.has(name) ? serversOf(plan, name).map((ref) => ({ balancer, ref })) : [],
    }),
    localHook: async () => undefined,
    approve: async () => 'yes',
    gate: async (_name, { hosts, old, borrows, borrow }) => {
      const no = hosts.find((host) => fails(world, hostIn(world, host), 'gate'))
      const [control] = old
      if (control !== undefined && borrows) await borrow(control, async () => undefined)
      if (no === undefined) return { verdict: 'pass', decision: 'promote', summary: 'simulated', clauses: [] }
      return { verdict: 'fail', decision: 'stop', summary: `${no} did not pass (simulated)`, clauses: [] }
    },
    calibrate: async (_name, { old, borrows, borrow }) => {
      const [control] = old
      if (control !== undefined && borrows) await borrow(control, async () => undefined)
      return 'simulated'
    },
    probeSeen: () => null,
  }
}

/** The servers as the plan recorded them, all behind one simulated balancer with the names of the real ones. */
function serversOf(plan: Plan, name: HostName): readonly ServerRef[] {
  const track = plan.batches.flatMap((batch) => batch.tracks).find((candidate) => candidate.host === name)
  return (track?.rotation ?? []).map(({ balancer, backend, server }) => ({ balancer, backend, server, address: name }))
}

function balancerOf(world: World): LoadBalancer {
  const hostOf = (ref: ServerRef): SimulatedHost => hostIn(world, ref.address ?? '')
  const stateOf = (ref: ServerRef): ServerState => {
    const host = hostOf(ref)
    const up = isHealthy(host)
    return {
      ref,
      admin: host.admin,
      detail: host.admin === 'ready' ? (up ? 'UP' : 'DOWN') : host.admin,
      health: up ? 'up' : 'down',
      inFlight: 0,
      queued: 0,
      weight: null,
      configuredWeight: null,
      warmingPercent: null,
      requestsTotal: null,
      generation: '1',
    }
  }
  const change = async (ref: ServerRef, admin: AdminState, kind: 'drain' | 'enable') => {
    const host = hostOf(ref)
    if (fails(world, host, kind)) throw new RollgateError('E_BALANCER', `the balancer did not do ${admin} (simulated)`, { host: host.name })
    const before = stateOf(ref)
    host.admin = admin
    return { before, after: stateOf(ref), changed: before.admin !== admin }
  }
  return {
    id: BALANCER,
    kind: 'simulated',
    preflight: async () => [],
    capabilities: () => ({
      drain: 'runtime',
      maintenance: false,
      inFlight: 'exact',
      healthView: 'active',
      verifyBeforeTraffic: false,
      weights: 'none',
      closeSessions: false,
      disturbs: ['none'],
      settleMs: 0,
    }),
    discover: async () => [],
    list: async () => [],
    read: async (refs) => refs.map(stateOf),
    drain: (ref) => change(ref, 'drain', 'drain'),
    ready: (ref) => change(ref, 'ready', 'enable'),
    restore: (before) => change(before.ref, before.admin === 'maintenance' || before.admin === 'drain' ? before.admin : 'ready', 'enable'),
    close: async () => undefined,
  }
}

const isWayBack = (step: string): boolean => step.includes('/undo/')

function hostPortOf(world: World, name: HostName): HostPort {
  const host = hostIn(world, name)
  return {
    name,
    open: async () => undefined,
    readRecord: async () => null,
    async runPhase(_rollout, steps) {
      let broken = false
      const results = steps.map((step) => {
        if (broken) return { step: step.id, state: 'not-started' as const, exitCode: null, changed: false, output: [] }
        host.undoing = isWayBack(step.id)
        broken = fails(world, host, step.kind)
        if (!broken && step.kind === 'activate') host.current = step.release
        if (!broken && step.kind === 'restart') {
          host.running = host.current
          host.sick = fails(world, host, 'prove')
        }
        if (!broken && step.kind === 'stop') host.running = null
        return {
          step: step.id,
          state: broken ? ('failed' as const) : ('done' as const),
          exitCode: broken ? 1 : 0,
          changed: true,
          output: broken ? ['simulated'] : [],
        }
      })
      return { steps: results, lost: false }
    },
    async note(_rollout, step) {
      host.undoing = isWayBack(step)
    },
    readLedger: async () => host.ledger,
    current: async () => host.current,
    serviceStatus: async () => [],
    probe: async () => ({ healthy: isHealthy(host), release: null, detail: 'simulated', durationMs: 0 }),
    appConnections: async () => 0,
    evidence: async () => [],
    finish: async () => [],
  }
}
