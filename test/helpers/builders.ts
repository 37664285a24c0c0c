// Small builders for configs and facts, so that tests read as sentences about hosts and releases.
import type { ServerState } from '../../src/domain/balancer.ts'
import { type Clause, isRelative } from '../../src/domain/clause.ts'
import { parseClause } from '../../src/domain/clause-parse.ts'
import type { Config, RolloutSettings } from '../../src/domain/config.ts'
import type { Facts, ReachableHost } from '../../src/domain/facts.ts'
import { DEFAULT_CONFIDENCE, DEFAULT_ON_INCONCLUSIVE, DEFAULT_ON_INVALID, type GateSettings } from '../../src/domain/gate.ts'
import type { Host } from '../../src/domain/host.ts'
import { DEFAULT_TIMEOUTS, type LoadSettings, SAFE_METHODS } from '../../src/domain/load.ts'
import type { InstalledRelease, ReleaseOutcome } from '../../src/domain/release.ts'
import { HEALTH } from './imaginary.ts'

export function aHost(name: string, extra: Partial<Host> = {}): Host {
  return { name, address: `${name}.test`, roles: [], labels: {}, ...extra }
}

export function aConfig(hosts: readonly Host[], rollout: Partial<RolloutSettings> = {}, extra: Partial<Config> = {}): Config {
  return {
    file: '/project/rollgate.yml',
    directory: '/project',
    app: 'shop',
    environment: null,
    confirm: false,
    artifact: { path: 'dist', exclude: [] },
    ssh: { transport: 'ssh2' },
    hosts,
    release: { root: '/srv/shop', keep: 5, shared: [], env: {} },
    defaults: {
      service: { kind: 'systemd', units: ['shop'], scope: 'system' },
      health: HEALTH,
      balancers: [
        {
          kind: 'haproxy',
          hosts: ['lb-1'],
          backend: 'app',
          socket: '/run/haproxy/admin.sock',
          drain: { deadlineMs: 30_000, onDeadline: 'fail' },
        },
      ],
    },
    roles: {},
    rollout: {
      steps: [
        { kind: 'deploy', to: { kind: 'count', count: 1 } },
        { kind: 'deploy', to: { kind: 'percent', percent: 50 } },
        { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
      ],
      atOnce: 1,
      minReady: null,
      spread: 'none',
      failureBudget: { kind: 'count', count: 0 },
      onFailure: 'undo',
      unreachable: 'stop',
      onInconclusive: 'pause',
      onInterrupt: 'stop',
      progressDeadlineMs: 60_000,
      probe: null,
      ...rollout,
    },
    hooks: { before_rollout: [], before_activate: [], after_activate: [], after_rollout: [], on_failure: [] },
    loads: {},
    engines: {},
    gates: {},
    secrets: {},
    ...extra,
  }
}

export function anInstalled(id: string, outcome: ReleaseOutcome = 'succeeded'): InstalledRelease {
  const counter = Number(/^r(\d+)-/.exec(id)?.[1] ?? '0')
  return { version: 1, id, counter, hash: id, artifact: id, bytes: 1, files: 1, by: 'test', revision: null, installedAt: 0, outcome }
}

export type HostStory = {
  readonly current?: string | null
  readonly releases?: readonly InstalledRelease[]
  readonly healthy?: boolean
  readonly admin?: ServerState['admin']
  readonly extra?: Partial<ReachableHost>
}

export function aReachable(name: string, story: HostStory = {}): ReachableHost {
  const current = story.current ?? null
  const healthy = story.healthy ?? current !== null
  return {
    host: name,
    reachable: true,
    destination: `deploy@${name}:22`,
    system: { os: 'linux', kernel: '6', arch: 'x86_64', user: 'deploy', uid: 1000, hostname: name },
    bootId: 'boot',
    uptimeMs: 1,
    clockSkewMs: 0,
    addresses: ['10.0.0.1'],
    root: { kind: 'usable', adopted: false, writable: true },
    current,
    releases: story.releases ?? (current === null ? [] : [anInstalled(current)]),
    foreignReleases: [],
    services: [
      {
        unit: 'shop',
        state: healthy ? 'active' : 'inactive',
        pid: healthy ? 7 : null,
        lastExit: null,
        generation: '7',
        restarts: 0,
        workingDirectory: null,
        detail: '',
      },
    ],
    disk: { freeBytes: 1e12, freeInodes: 1e6, tempFreeBytes: 1e12 },
    tools: { tar: 'gnu', zstd: true, gzip: true, sha256sum: true, systemctl: true, systemdRun: true, setsid: true },
    ledger: [],
    sudo: 'ok',
    health: { healthy, release: healthy ? current : null, detail: healthy ? 'HTTP 200' : 'refused' },
    ...story.extra,
  }
}

export function aServer(name: string, story: HostStory = {}): ServerState {
  const healthy = story.healthy ?? (story.current ?? null) !== null
  return {
    ref: { balancer: 'haproxy:lb-1', backend: 'app', server: name },
    admin: story.admin ?? 'ready',
    detail: healthy ? 'UP' : 'DOWN',
    health: healthy ? 'up' : 'down',
    inFlight: 0,
    queued: 0,
    weight: 1,
    configuredWeight: 1,
    warmingPercent: null,
    requestsTotal: 1,
    generation: 'g',
  }
}

/** Facts of a fleet told as stories: `{ 'web-1': { current: 'r1-aaaaaaaa' } }`. */
export function theFacts(stories: Readonly<Record<string, HostStory | 'unreachable'>>): Facts {
  const names = Object.keys(stories)
  return {
    hosts: names.map((name) => {
      const story = stories[name] ?? {}
      return story === 'unreachable'
        ? { host: name, reachable: false, error: { code: 'E_CONNECT_TIMEOUT', message: `${name} did not answer`, exitCode: 4 } }
        : aReachable(name, story)
    }),
    balancers: [],
    rotation: Object.fromEntries(
      names.map((name) => [name, [aServer(name, stories[name] === 'unreachable' ? { healthy: false } : (stories[name] as HostStory))]]),
    ),
    rotationErrors: {},
  }
}

/** 100 requests a second for half a minute at least, two at most. */
export function aLoad(name: string, extra: Partial<LoadSettings> = {}): LoadSettings {
  return {
    name,
    model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 100 }, arrivals: 'poisson' },
    duration: { atLeastMs: 30_000, atMostMs: 120_000 },
    warmup: { atLeastMs: 0, atMostMs: 0 },
    data: {},
    scenarios: [{ name: 'home', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
    headers: {},
    auth: null,
    timeouts: DEFAULT_TIMEOUTS,
    safety: { methods: SAFE_METHODS, abortIf: null },
    ...extra,
  }
}

/** Isolated at the canary, against a drained peer where a clause compares; measured by the load `visits`. */
export function aGate(name: string, clauses: readonly string[], extra: Partial<GateSettings> = {}): GateSettings {
  const pass = clauses.map(clauseOf)
  return {
    name,
    source: {
      kind: 'load',
      load: 'visits',
      at: { kind: 'canary' },
      when: 'isolated',
      baseline: pass.some(isRelative) ? { kind: 'drained-peer', restart: false, insist: false } : null,
    },
    pass,
    confidence: DEFAULT_CONFIDENCE,
    onInconclusive: DEFAULT_ON_INCONCLUSIVE,
    onInvalid: DEFAULT_ON_INVALID,
    ...extra,
  }
}

function clauseOf(text: string): Clause {
  const parsed = parseClause(text)
  if ('clause' in parsed) return parsed.clause
  throw new Error(`${text}: ${parsed.problem}`)
}
