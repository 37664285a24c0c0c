// An imaginary fleet for the executor's tests: hosts, a balancer and a clock in memory, with the real rules (a server is
// up when its process runs a good release and it is ready in the balancer). Every mutation is watched by the invariants.
import { type Guard, guardBalancer } from '../../src/app/guarded.ts'
import type { AdminState, LoadBalancer, ServerRef, ServerState } from '../../src/domain/balancer.ts'
import { RollgateError } from '../../src/domain/error.ts'
import type { DurableEvent, RolloutEvent, Stamped } from '../../src/domain/event.ts'
import type { HealthSettings } from '../../src/domain/health.ts'
import type { LedgerEntry } from '../../src/domain/ledger.ts'
import type { Control, ExecuteContext, GateAt, HostPort, Journal, Ports } from '../../src/domain/ports.ts'

export class Crash extends Error {}

export type ImaginaryHost = {
  readonly name: string
  current: string | null
  running: string | null
  pid: number
  ledger: LedgerEntry[]
  admin: AdminState
  /** What an operator had said before the rollout. */
  adminBefore: AdminState
  finished: string | null
}

export type World = {
  readonly hosts: Map<string, ImaginaryHost>
  /** Releases that never become healthy, everywhere or on some hosts: `r2` or `web-1:r2`. */
  readonly bad: Set<string>
  /** Operations that fail: `web-1:drain`, `web-2:hook`; each as often as its number says. */
  readonly faults: Map<string, number>
  readonly violations: string[]
  /** What a gate finds. */
  gateSays: (gate: string, hosts: readonly string[]) => 'pass' | 'fail' | 'inconclusive' | 'invalid'
  /** Answers that the balancer still gives before it cannot be asked any more. */
  answers: number
  /** Hosts with an armed dead-man timer. */
  readonly timers: Set<string>
  /** false: the hosts are behind no balancer. */
  balanced: boolean
  minReady: number
  /** Where more than one group of hosts has a minimum. */
  groups: readonly { readonly hosts: readonly string[]; readonly minReady: number }[]
  lowestReady: number
  now: number
  restarts: number
}

export const HEALTH: HealthSettings = {
  check: { kind: 'tcp', port: 80, address: '127.0.0.1', timeoutMs: 100 },
  version: { kind: 'header', name: 'x-release' },
  intervalMs: 100,
  healthyForMs: 300,
  deadlineMs: 5_000,
}

export function makeWorld(names: readonly string[], release: string | null, minReady: number): World {
  const hosts = names.map((name): [string, ImaginaryHost] => [
    name,
    { name, current: release, running: release, pid: 1, ledger: [], admin: 'ready', adminBefore: 'ready', finished: null },
  ])
  return {
    hosts: new Map(hosts),
    bad: new Set(),
    gateSays: () => 'pass',
    faults: new Map(),
    violations: [],
    answers: Number.POSITIVE_INFINITY,
    timers: new Set(),
    balanced: true,
    minReady,
    groups: [],
    lowestReady: names.length,
    now: 0,
    restarts: 0,
  }
}

export const isHealthy = (world: World, host: ImaginaryHost): boolean =>
  host.running !== null && !world.bad.has(host.running) && !world.bad.has(`${host.name}:${host.running}`)

/** Before its first deploy nothing runs, and the balancer's word for it is what it was. */
const wasTouched = (host: ImaginaryHost): boolean => host.running !== null || host.pid > 1

const readyOnes = (world: World): ImaginaryHost[] =>
  [...world.hosts.values()].filter((host) => host.admin === 'ready' && isHealthy(world, host))

function watch(world: World): void {
  const ready = readyOnes(world).length
  world.lowestReady = Math.min(world.lowestReady, ready)
  if (ready < world.minReady) world.violations.push(`only ${ready} ready, ${world.minReady} wanted`)
  for (const { hosts, minReady } of world.groups) {
    const own = readyOnes(world).filter((host) => hosts.includes(host.name)).length
    if (own < minReady) world.violations.push(`only ${own} ready of ${hosts.join(', ')}, ${minReady} wanted`)
  }
}

function fails(world: World, what: string): boolean {
  const left = world.faults.get(what) ?? 0
  if (left === 0) return false
  world.faults.set(what, left - 1)
  return true
}

function hostOf(world: World, name: string): ImaginaryHost {
  const host = world.hosts.get(name)
  if (host === undefined) throw new Error(`no imaginary host ${name}`)
  return host
}

export function makeBalancer(world: World, tick: () => void = () => undefined): LoadBalancer {
  const stateOf = (ref: ServerRef): ServerState => {
    const host = hostOf(world, ref.server)
    const up = isHealthy(world, host)
    return {
      ref,
      admin: host.admin,
      detail: host.admin === 'ready' ? (up ? 'UP' : 'DOWN') : host.admin === 'drain' ? (up ? 'DRAIN' : 'DOWN') : 'MAINT',
      health: host.admin === 'maintenance' ? 'unknown' : up ? 'up' : 'down',
      inFlight: 0,
      queued: 0,
      weight: 1,
      configuredWeight: 1,
      warmingPercent: null,
      requestsTotal: 1,
      generation: 'g1',
    }
  }
  const change = async (ref: ServerRef, admin: AdminState): Promise<{ before: ServerState; after: ServerState; changed: boolean }> => {
    tick()
    const host = hostOf(world, ref.server)
    if (fails(world, `${host.name}:${admin}`)) throw new RollgateError('E_BALANCER', `the balancer did not do ${admin}`)
    const before = stateOf(ref)
    const changed = host.admin !== admin
    if (admin === 'ready' && changed && !isHealthy(world, host) && wasTouched(host))
      world.violations.push(`${host.name} made ready although it is not healthy`)
    host.admin = admin
    watch(world)
    return { before, after: stateOf(ref), changed }
  }
  return {
    id: 'haproxy:lb-1',
    kind: 'imaginary',
    preflight: async () => [],
    capabilities: () => ({
      drain: 'runtime',
      maintenance: true,
      inFlight: 'exact',
      healthView: 'active',
      verifyBeforeTraffic: true,
      weights: 'none',
      closeSessions: true,
      disturbs: ['none'],
      settleMs: 0,
    }),
    discover: async (host) => [{ balancer: 'haproxy:lb-1', backend: 'app', server: host.host }],
    list: async () => [...world.hosts.keys()].map((server) => stateOf({ balancer: 'haproxy:lb-1', backend: 'app', server })),
    read: async (refs) => {
      world.answers -= 1
      if (world.answers < 0) throw new RollgateError('E_BALANCER_UNREACHABLE', 'the balancer does not answer')
      return refs.map(stateOf)
    },
    drain: (ref) => change(ref, 'drain'),
    maintenance: (ref) => change(ref, 'maintenance'),
    ready: (ref) => change(ref, 'ready'),
    verifyOutOfRotation: async (ref) => {
      await change(ref, 'drain')
      const state = stateOf(ref)
      if (state.health !== 'up') throw new RollgateError('E_NOT_UP', `${ref.server} did not pass the balancer's check`)
      return state
    },
    closeSessions: async () => ({ closed: 0 }),
    restore: (before) => change(before.ref, before.admin === 'other' || before.admin === 'unknown' ? 'ready' : before.admin),
    close: async () => undefined,
  }
}

function makeHostPort(world: World, name: string, tick: () => void = () => undefined): HostPort {
  const host = hostOf(world, name)
  const write = (rollout: string, step: string, state: LedgerEntry['state'], detail: string): void => {
    host.ledger.push({ version: 1, rollout, epoch: 0, step, state, detail, at: world.now })
  }
  return {
    name,
    open: async ({ rollout, plan }) => {
      tick()
      write(rollout, '-', 'open', plan.release ?? '-')
    },
    readRecord: async () => null,
    runPhase: async (rollout, steps, options) => {
      const results: Awaited<ReturnType<HostPort['runPhase']>>['steps'][number][] = []
      let failed = false
      for (const step of steps) {
        if (failed) {
          results.push({ step: step.id, state: 'not-started', exitCode: null, changed: false, output: [] })
          continue
        }
        write(rollout, step.id, 'started', '-')
        options.onStep(step.id, 'started')
        failed = fails(world, `${name}:${step.kind}`)
        if (!failed && step.kind === 'activate') host.current = step.release
        if (!failed && (step.kind === 'restart' || step.kind === 'stop')) {
          if (world.balanced && host.admin === 'ready' && isHealthy(world, host))
            world.violations.push(`${name} was ${step.kind}ed while it was in the pool`)
          host.running = step.kind === 'stop' ? null : host.current
          host.pid += 1
          world.restarts += 1
          watch(world)
        }
        write(rollout, step.id, failed ? 'failed' : 'done', failed ? '1' : '-')
        results.push({ step: step.id, state: failed ? 'failed' : 'done', exitCode: failed ? 1 : 0, changed: true, output: [] })
      }
      // A script goes on to its end although nobody listens any more.
      tick()
      return { steps: results, lost: false }
    },
    note: async (rollout, step, state, detail) => {
      tick()
      write(rollout, step, state, detail)
    },
    readLedger: async () => host.ledger,
    current: async () => host.current,
    serviceStatus: async () => [
      {
        unit: 'app',
        state: host.running === null ? 'inactive' : 'active',
        pid: host.pid,
        lastExit: null,
        generation: String(host.pid),
        restarts: 0,
        workingDirectory: null,
        detail: 'imaginary',
      },
    ],
    probe: async () => ({
      healthy: isHealthy(world, host),
      release: host.running,
      detail: isHealthy(world, host) ? 'HTTP 200' : 'HTTP 500',
      durationMs: 1,
    }),
    appConnections: async () => 0,
    evidence: async () => ['imaginary log line'],
    finish: async (rollout, options) => {
      tick()
      if (host.current !== null && host.current !== options.succeeded && !options.protect.includes(host.current))
        world.violations.push(`${host.current} is live on ${name}, and may be pruned`)
      write(rollout, '-', 'closed', options.outcome)
      host.finished = options.outcome
      return []
    },
  }
}

function imaginaryGuard(world: World): Guard {
  return {
    confirm: async () => undefined,
    weightOf: () => 1,
    timers: {
      arm: async (_, { server }) => void world.timers.add(server),
      disarm: async (_, { server }) => void world.timers.delete(server),
      beat: async () => undefined,
      end: async () => world.timers.clear(),
    },
  }
}

const DECISIONS = { pass: 'promote', fail: 'stop', inconclusive: 'pause', invalid: 'stop' } as const

/** As the real port does it: the first old host is taken out as control, where the gate wants one. */
async function withControl<T>(at: GateAt, work: () => Promise<T>): Promise<T> {
  const [control] = at.old
  return at.borrows && control !== undefined ? at.borrow(control, work) : work()
}

export type Harness = {
  readonly context: ExecuteContext
  readonly journal: Stamped<DurableEvent>[]
  readonly events: RolloutEvent[]
  readonly effects: () => number
}

/** @param crashAfter the process dies right after this many journal lines (counted from the start of this run) */
export function makeHarness(
  world: World,
  options: {
    journal?: readonly Stamped<DurableEvent>[]
    crashAfter?: number
    /** The process dies before this effect (a journal line, a ledger line, a change of the balancer, the answer of a script). */
    crashBefore?: number
    control?: Partial<Control>
    approve?: Ports['approve']
    probe?: Ports['probeSeen']
    /** The balancer is guarded as in a real rollout, with dead-man timers in memory. */
    timers?: true
  } = {},
): Harness {
  const journal: Stamped<DurableEvent>[] = [...(options.journal ?? [])]
  const events: RolloutEvent[] = []
  let effects = 0
  const tick = (): void => {
    effects += 1
    if (options.crashBefore !== undefined && effects >= options.crashBefore) throw new Crash()
  }
  const plain = makeBalancer(world, tick)
  const balancer = options.timers === true ? guardBalancer(plain, imaginaryGuard(world)) : plain
  const ports: Ports = {
    clock: {
      now: () => world.now,
      sleep: async (ms, signal) => {
        if (signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
        world.now += ms
      },
    },
    host: (name) => makeHostPort(world, name, tick),
    noteAll: async (rollout, step, state, detail) => {
      for (const host of world.hosts.values()) {
        tick()
        host.ledger.push({ version: 1, rollout, epoch: 0, step, state, detail, at: world.now })
      }
    },
    settings: (name) => ({
      health: HEALTH,
      drain: { deadlineMs: 1_000, onDeadline: 'fail' },
      servers: world.balanced ? [{ balancer, ref: { balancer: balancer.id, backend: 'app', server: name } }] : [],
    }),
    localHook: async (hook) => {
      if (fails(world, `local:${hook.name}`)) throw new RollgateError('E_HOOK', `hook ${hook.name} failed`)
    },
    approve: options.approve ?? (async () => 'unanswered'),
    gate: async (name, at) => {
      const measured = await withControl(at, async () => world.gateSays(name, at.hosts))
      return { decision: DECISIONS[measured], verdict: measured, summary: `${name} says ${measured}`, clauses: [] }
    },
    calibrate: (_name, at) => withControl(at, async () => 'calibrated'),
    probeSeen: options.probe ?? (() => null),
  }
  let written = 0
  const sink: Journal = {
    append: async (event) => {
      tick()
      if (options.crashAfter !== undefined && written >= options.crashAfter) throw new Crash()
      written += 1
      const stamped = { version: 1 as const, at: new Date(0).toISOString(), rollout: 'x', seq: journal.length + 1, ...event }
      journal.push(stamped)
      events.push(event)
      return stamped
    },
    close: async () => undefined,
  }
  const never = new AbortController().signal
  const control: Control = { wish: null, because: null, asked: never, hurry: never, ...options.control }
  return {
    context: { rollout: 'x', ports, journal: sink, emit: (event) => events.push(event), control, signal: never },
    journal,
    events,
    effects: () => effects,
  }
}
