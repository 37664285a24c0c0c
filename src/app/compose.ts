// The only file that names drivers: turns a configuration into a session on the fleet, and a session into the ports
// that the executor works with.
import { join } from 'node:path'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import type { LoadBalancer, ServerRef } from '../domain/balancer.ts'
import { appHosts, type Config, settingsOf } from '../domain/config.ts'
import type { RolloutDocument } from '../domain/document.ts'
import { type ErrorCode, RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { Facts } from '../domain/facts.ts'
import type { Host, HostName } from '../domain/host.ts'
import { layoutOf } from '../domain/layout.ts'
import { LEASE_REFRESH_MS, type LeasePort } from '../domain/lease.ts'
import type { Plan } from '../domain/plan.ts'
import type { Clock, HostPort, HostSettings, Ports } from '../domain/ports.ts'
import type { ServiceManager } from '../domain/service.ts'
import type { Connection, Transport } from '../domain/transport.ts'
import { revisionOf } from '../drivers/artifact/git.ts'
import { createBalancers } from '../drivers/balancer/registry.ts'
import { createHostPort } from '../drivers/host/host-port.ts'
import { createLeasePort } from '../drivers/lease/lease.ts'
import { fenceText } from '../drivers/lease/script.ts'
import { probeOnce } from '../drivers/probe/health.ts'
import { runLocal } from '../drivers/process.ts'
import { createServiceManager } from '../drivers/service/registry.ts'
import { createTimers, DEAD_MAN_MS, type Timers } from '../drivers/timer/timers.ts'
import { createLocalTransport } from '../drivers/transport/local.ts'
import { createPool } from '../drivers/transport/pool.ts'
import { createSsh2Transport } from '../drivers/transport/ssh2.ts'
import { sameServer } from '../execute/capacity.ts'
import { type Hold, holdFleet } from '../execute/lease.ts'
import { observe } from '../facts/observe.ts'
import { realClock } from '../load/pace.ts'
import { type ProbeFailure, startProbe } from '../load/probe.ts'
import type { AppContext } from './context.ts'
import type { GatePorts } from './gates/port.ts'
import { guardBalancer } from './guarded.ts'
import { homeDirectory } from './home.ts'
import { placeLosses, restartEvidence } from './losses.ts'
import { awaitNetwork } from './network.ts'
import type { Selection, Work } from './rollout.ts'
import { secretReader } from './secrets.ts'
import type { Session } from './session.ts'
import { createSudoPassword } from './sudo.ts'

const CONNECT_TIMEOUT_MS = 10_000
const CONNECT_ATTEMPTS = 3
const CONNECT_AT_ONCE = 32
/** What concerns the whole rollout is written to so many hosts: enough to outlive several of them. */
const NOTED_HOSTS = 16
const LOSSES_KEPT = 1_000
const LOSSES_TOLD = 5
const NOTE_MS = 10_000
const NO_DRAIN = { deadlineMs: 30_000, onDeadline: 'fail' } as const

export function cacheDirectory(env: Readonly<Record<string, string | undefined>>, app: string): string {
  const base = env.XDG_CACHE_HOME?.startsWith('/') ? env.XDG_CACHE_HOME : join(homeDirectory(env), '.cache')
  return join(base, 'rollgate', app.replace(/[^A-Za-z0-9._-]/g, '_'))
}

/** Loads the configuration and gets ready to reach its hosts; connects nowhere yet. @throws ConfigError, RollgateError E_USAGE */
export async function openSession(context: AppContext, options: Selection & { readonly emit: Emit }): Promise<Session> {
  const { flags, cwd, env } = context
  const loaded = await loadConfig({
    cwd,
    env,
    requireEnvironment: true,
    ...(flags.config === undefined ? {} : { file: flags.config }),
    ...(flags.environment === undefined ? {} : { environment: flags.environment }),
  })
  return makeSession(loaded, context, options)
}

/** A configuration that is not written yet (the wizard's): its text, and where it will lie. */
export type Draft = { readonly text: string; readonly file: string }

export async function openDraft(draft: Draft, context: AppContext): Promise<Session> {
  return makeSession(await loadDraft(draft, context), context, { emit: () => undefined })
}

/** @throws ConfigError when the text is no valid configuration */
export function loadDraft(draft: Draft, context: AppContext): Promise<LoadedConfig> {
  return loadConfig({ ...draft, cwd: context.cwd, env: context.env, requireEnvironment: false })
}

/** Which app hosts a command is about. @throws RollgateError E_USAGE for a name or role that is not there */
function choose(config: Config, selection: Selection): { readonly chosen: readonly Host[]; readonly only: ReadonlySet<HostName> | null } {
  const all = appHosts(config)
  const { hosts = [], roles = [] } = selection
  if (hosts.length === 0 && roles.length === 0) return { chosen: all, only: null }
  for (const name of hosts) {
    if (!all.some((host) => host.name === name))
      throw new RollgateError('E_USAGE', `there is no app host called ${name}`, {
        hints: [`hosts: ${all.map((host) => host.name).join(', ')}`],
      })
  }
  for (const role of roles) {
    if (!all.some((host) => host.roles.includes(role)))
      throw new RollgateError('E_USAGE', `no app host has the role ${role}`, {
        hints: [`roles: ${[...new Set(all.flatMap((host) => host.roles))].join(', ') || 'none'}`],
      })
  }
  const chosen = all.filter(
    (host) => (hosts.length === 0 || hosts.includes(host.name)) && (roles.length === 0 || host.roles.some((role) => roles.includes(role))),
  )
  if (chosen.length === 0) throw new RollgateError('E_USAGE', 'no host is left by --hosts and --roles together')
  return { chosen, only: new Set(chosen.map((host) => host.name)) }
}

function makeTransport(config: Config, context: AppContext, secret: (name: string) => Promise<string>, emit: Emit): Transport {
  if (config.ssh.transport === 'local') return createLocalTransport({ secret })
  if (config.ssh.transport === 'openssh')
    throw new RollgateError('E_NOT_BUILT', 'ssh.transport: openssh is not built yet in this version of rollgate')
  return createSsh2Transport({
    settings: config.ssh,
    hosts: config.hosts,
    ask: context.ask,
    env: context.env,
    homeDirectory: homeDirectory(context.env),
    secret,
    warn: (message) => emit({ type: 'warning', message }),
  })
}

function makeSession(loaded: LoadedConfig, context: AppContext, options: Selection & { readonly emit: Emit }): Session {
  let { config } = loaded
  const { emit } = options
  const { chosen, only } = choose(config, options)
  const clock: Clock = realClock
  const layout = layoutOf(config.release.root)
  const secret = secretReader(config, context.env)
  const where = config.environment === null ? config.app : `${config.app} (${config.environment})`
  emit({ type: 'notice', message: `rollgate ${context.version}: ${where}, ${chosen.length} ${chosen.length === 1 ? 'host' : 'hosts'}` })
  const transport = makeTransport(config, context, secret, emit)
  const pool = createPool(transport, {
    concurrency: CONNECT_AT_ONCE,
    attempts: CONNECT_ATTEMPTS,
    timeoutMs: CONNECT_TIMEOUT_MS,
    clock,
    random: Math.random,
  })
  const hostNamed = (name: HostName): Host => {
    const host = config.hosts.find((candidate) => candidate.name === name)
    if (host === undefined) throw new RollgateError('E_USAGE', `there is no host called ${name}`)
    return host
  }
  const connect = (name: HostName, signal: AbortSignal) => pool.get(hostNamed(name), signal)

  // Roles that name the same balancers share the instances: settings are compared by value.
  const instances = new Map<string, readonly LoadBalancer[]>()
  const among = [config.defaults, ...Object.values(config.roles)].flatMap((role) => role.balancers)
  const balancersOf = (host: Host): readonly LoadBalancer[] =>
    settingsOf(config, host).balancers.flatMap((settings) => {
      const key = JSON.stringify(settings)
      const made = instances.get(key) ?? createBalancers([settings], { connectTo: connect, among })
      instances.set(key, made)
      return made
    })
  for (const host of appHosts(config)) balancersOf(host)

  const managers = new Map<HostName, ServiceManager>()
  const managerOf = (host: Host): ServiceManager => {
    const manager = managers.get(host.name) ?? createServiceManager(settingsOf(config, host).service, layout)
    managers.set(host.name, manager)
    return manager
  }
  const ports = new Map<HostName, HostPort>()
  const sudo = createSudoPassword()
  const tellUnreachable = (host: Host, result: Connection | RollgateError): void => {
    if (!(result instanceof RollgateError)) return
    emit({ type: 'host.unreachable', host: host.name, error: { code: result.code, message: result.message, exitCode: result.exitCode } })
  }
  let reaching: Promise<ReadonlyMap<HostName, Connection | RollgateError>> | null = null
  const reachAll = (signal: AbortSignal): Promise<ReadonlyMap<HostName, Connection | RollgateError>> => {
    reaching ??= pool.connectAll(config.hosts, signal, (host, result) => {
      if (result instanceof RollgateError) tellUnreachable(host, result)
      else emit({ type: 'host.connected', host: host.name, destination: result.destination, ms: 0 })
    })
    return reaching
  }
  let hold: Hold | null = null
  const beats = new Set<() => Promise<void>>()
  const leases = new Map<HostName, LeasePort>()
  const leaseOf = (name: HostName): LeasePort => {
    const host = hostNamed(name)
    const lease = leases.get(name) ?? createLeasePort({ host, layout, connect: (signal) => pool.get(host, signal) })
    leases.set(name, lease)
    return lease
  }

  return {
    get config() {
      return config
    },
    adopt(settings) {
      config = { ...config, ...settings }
      for (const balancer of new Set([...instances.values()].flat())) void balancer.close().catch(() => undefined)
      instances.clear()
      managers.clear()
      ports.clear()
      for (const host of appHosts(config)) balancersOf(host)
    },
    revision: (signal) => revisionOf(config.directory, signal),
    fence: (name) => (hold === null ? '' : fenceText(layout, hold.epochOf(name))),
    configHash: loaded.hash,
    layout,
    clock,
    only,
    chosen,
    settings: (host) => settingsOf(config, host),
    manager: managerOf,
    balancers: balancersOf,
    get allBalancers() {
      return [...new Set([...instances.values()].flat())]
    },
    connectAll: (hosts, signal) => pool.connectAll(hosts, signal, tellUnreachable),
    connect,
    async observe(signal) {
      const hosts = appHosts(config)
      const reached = await reachAll(signal)
      // Those that did not answer a moment ago are not waited for once more.
      const failure = (host: Host): RollgateError | null => {
        const result = reached.get(host.name)
        return result instanceof RollgateError ? result : null
      }
      reaching = null
      return observe({
        hosts: hosts.map((host) => ({
          host,
          layout,
          manager: managerOf(host),
          health: settingsOf(config, host).health,
          balancers: balancersOf(host),
        })),
        connect: async (host, abort) => {
          const failed = failure(host)
          if (failed !== null) throw failed
          return pool.get(host, abort)
        },
        probe: probeOnce,
        signal,
      })
    },
    port(name) {
      const host = hostNamed(name)
      const { health, service } = settingsOf(config, host)
      const port =
        ports.get(name) ??
        createHostPort({
          host,
          app: config.app,
          layout,
          connect: (signal) => pool.get(host, signal),
          manager: managerOf(host),
          service,
          health,
          clock,
          epoch: () => hold?.epochOf(name) ?? 0,
          fence: () => (hold === null ? '' : fenceText(layout, hold.epochOf(name))),
          sudoPassword: () => sudo.get(),
        })
      ports.set(name, port)
      return port
    },
    hostSettings: (name, facts) => hostSettings(config, hostNamed(name), balancersOf(hostNamed(name)), facts),
    secret,
    sudo,
    lease: leaseOf,
    hold: () => hold,
    onBeat: (callback) => void beats.add(callback),
    async lock(request, options) {
      const results = await reachAll(options.signal)
      // A host that cannot be reached has no lease, and is not touched; the first look says what that means.
      const reached = appHosts(config).filter((host) => !(results.get(host.name) instanceof RollgateError))
      hold = await holdFleet(
        reached.map((host) => leaseOf(host.name)),
        request,
        {
          clock,
          refreshMs: Math.min(LEASE_REFRESH_MS, request.ttlMs / 4),
          onBeat: async () => void (await Promise.allSettled([...beats].map((beat) => beat()))),
          ...options,
        },
      )
      return hold
    },
    async close() {
      await hold?.release()
      await Promise.all([...new Set([...instances.values()].flat())].map((balancer) => balancer.close()))
      await pool.closeAll()
      await transport.close()
    },
  }
}

function hostSettings(config: Config, host: Host, balancers: readonly LoadBalancer[], facts: Facts): HostSettings {
  const settings = settingsOf(config, host)
  const policy = settings.balancers.find((balancer) => balancer.kind !== 'none')
  const servers = (facts.rotation[host.name] ?? []).flatMap(({ ref }) => {
    const balancer = balancers.find((candidate) => candidate.id === ref.balancer)
    return balancer === undefined ? [] : [{ balancer, ref }]
  })
  return { health: settings.health, drain: policy === undefined ? NO_DRAIN : policy.drain, servers }
}

/** Two environments on the same balancer have nothing to do with each other's timers. */
export function timerScope(config: Config): string {
  return config.environment === null ? config.app : `${config.app}@${config.environment}`
}

/** `ROLLGATE_DEAD_MAN_SECONDS` shortens it for tests of what happens when the operator is gone. */
function deadManSeconds(env: Readonly<Record<string, string | undefined>>): number {
  const seconds = Number(env.ROLLGATE_DEAD_MAN_SECONDS)
  return Number.isInteger(seconds) && seconds >= 4 && seconds <= 86_400 ? seconds : DEAD_MAN_MS / 1000
}

/** `ROLLGATE_PATIENCE_SECONDS` shortens what a lost host and a balancer have, for tests of what happens after it. */
function patience(env: Readonly<Record<string, string | undefined>>): Pick<Ports, 'reconnectMs' | 'balancerRetryMs'> {
  const seconds = Number(env.ROLLGATE_PATIENCE_SECONDS)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600) return {}
  return { reconnectMs: seconds * 1000, balancerRetryMs: seconds * 1000 }
}

function hostOfServer(facts: Facts, ref: ServerRef): HostName {
  return Object.entries(facts.rotation).find(([, states]) => states.some((state) => sameServer(state.ref, ref)))?.[0] ?? ''
}

export type RolloutPorts = {
  readonly probe: { begin(): Promise<void>; end(): Promise<RolloutDocument['probe']> } | null
  readonly timers: Timers
  forPlan(plan: Plan, facts: Facts): Ports
}

/** What the executor needs of the world, for one rollout. */
export function rolloutPorts(work: Work): RolloutPorts {
  const { session, context, emit } = work
  const { config } = session
  const settings = config.rollout.probe
  let running: ReturnType<typeof startProbe> | null = null
  let report: Promise<RolloutDocument['probe']> | null = null
  const lost: ProbeFailure[] = []
  const probe =
    settings === null
      ? null
      : {
          async begin() {
            running = startProbe(settings, {
              signal: context.signal,
              onProgress: (seen) => emit({ type: 'probe.progress', sent: seen.sent, failed: seen.failed, worstGapMs: seen.worstGapMs }),
              onFailure(failure) {
                if (lost.length < LOSSES_KEPT) lost.push(failure)
                const [sentence] = placeLosses([failure], work.events ?? [])
                if (lost.length <= LOSSES_TOLD && sentence !== undefined) emit({ type: 'warning', message: `probe: ${sentence}` })
              },
            })
          },
          end() {
            report ??= (async () => {
              if (running === null) return null
              const { sent, failed, worstGapMs } = await running.stop()
              const losses = placeLosses(lost, work.events ?? [])
              return { sent, failed, worstGapMs, ...(losses.length === 0 ? {} : { losses }) }
            })()
            return report
          },
        }
  const timers = createTimers({
    scope: timerScope(config),
    rollout: work.rollout,
    connectTo: session.connect,
    seconds: deadManSeconds(context.env),
    warn: (message) => emit({ type: 'warning', message }),
  })
  session.onBeat(() => timers.beat())
  return {
    probe,
    timers,
    forPlan(plan, facts) {
      const settled = new Map<HostName, HostSettings>()
      // One wrapper for each balancer, whichever hosts it serves: their states are read in one question.
      const wrapped = new Map<LoadBalancer, LoadBalancer>()
      const guarded = (balancer: LoadBalancer): LoadBalancer => {
        const hold = session.hold()
        if (hold === null) return balancer
        const found =
          wrapped.get(balancer) ??
          guardBalancer(balancer, {
            timers,
            confirm: (ref, signal) => hold.confirm(hostOfServer(facts, ref), signal),
            weightOf: (ref) =>
              plan.batches
                .flatMap((batch) => batch.tracks)
                .flatMap((track) => track.rotation)
                .find((server) => sameServer(server, ref))?.weight ?? null,
          })
        wrapped.set(balancer, found)
        return found
      }
      const approve: Ports['approve'] = async (question, signal) => {
        if (context.ask === null) return 'unanswered'
        return (await context.ask.confirm(question, { initial: false, signal })) ? 'yes' : 'no'
      }
      // Most commands measure nothing: what measures is loaded with the first gate.
      let measuring: Promise<GatePorts> | null = null
      const gates = (): Promise<GatePorts> => {
        measuring ??= import('./gates/port.ts').then(({ gatePorts }) =>
          gatePorts({
            ...{ session, context, emit, run: work.rollout, plan, approve },
            restart: () => restartEvidence(running?.seen() ?? null, lost, work.events ?? []),
          }),
        )
        return measuring
      }
      return {
        clock: session.clock,
        host: (name) => session.port(name),
        async noteAll(rollout, step, state, detail, signal) {
          const hosts = plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)).slice(0, NOTED_HOSTS)
          // One that is gone must not hold up what the others are to know.
          const limit = AbortSignal.any([signal, AbortSignal.timeout(NOTE_MS)])
          const results = await Promise.allSettled(hosts.map((host) => session.port(host).note(rollout, step, state, detail, limit)))
          const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
          const isCode = (code: ErrorCode) => (error: unknown) => error instanceof RollgateError && error.code === code
          const fatal = failures.find(isCode('E_LOCKED')) ?? (signal.aborted ? failures.find(isCode('E_CANCELLED')) : undefined)
          if (fatal !== undefined) throw fatal
          if (hosts.length === 0 || failures.length < hosts.length) return
          const told = failures.find((error) => !isCode('E_CANCELLED')(error))
          throw told ?? new RollgateError('E_LOST', 'no host could be written to', { cause: failures[0] })
        },
        awaitNetwork: (host, signal) => awaitNetwork(session, host, emit, signal),
        ...patience(context.env),
        settings(name) {
          const known = settled.get(name)
          if (known !== undefined) return known
          const own = session.hostSettings(name, facts)
          const found = { ...own, servers: own.servers.map(({ balancer, ref }) => ({ balancer: guarded(balancer), ref })) }
          settled.set(name, found)
          return found
        },
        async localHook(hook, environment, signal, onLine) {
          const result = await runLocal(
            { shell: hook.run },
            { cwd: config.directory, env: { ...context.env, ...environment }, timeoutMs: hook.timeoutMs, signal, onLine },
          )
          if (result.exitCode === 0) return
          const how = result.timedOut
            ? `did not end within ${hook.timeoutMs / 1000} s and was killed`
            : `ended with ${result.exitCode === null ? `signal ${result.signal ?? 'unknown'}` : `exit code ${result.exitCode}`}`
          const output = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => line.trim() !== '')
          throw new RollgateError('E_HOOK', `hook ${hook.name} ${how}`, { evidence: output.slice(-20) })
        },
        approve,
        gate: async (name, at, signal) => (await gates()).gate(name, at, signal),
        calibrate: async (name, at, signal) => (await gates()).calibrate(name, at, signal),
        probeSeen: () => running?.seen() ?? null,
      }
    },
  }
}
