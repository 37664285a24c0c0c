// One document of every command and of every outcome, as the use cases make them.
import type {
  CheckDocument,
  ConfigDocument,
  ExecDocument,
  HandDocument,
  HistoryDocument,
  PlanDocument,
  PushDocument,
  ReleasesDocument,
  RolloutDocument,
  RolloutHost,
  SetupDocument,
  StatusDocument,
} from '../../../src/domain/document.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { describeStep } from '../../../src/plan/explain.ts'
import type { DemoText, InitText } from '../../../src/render/text-others.ts'
import { aHook, aPlan, R1, R2 } from './stories.ts'

const base = { version: 1 as const, exitCode: 0, outcome: 'ok' }

const moved = (name: string, extra: Partial<RolloutHost> = {}): RolloutHost => ({
  name,
  from: R1,
  to: R2,
  phase: 'serving',
  durationMs: 18_300,
  ...extra,
})

const rollout: RolloutDocument = {
  version: 1,
  command: 'deploy',
  exitCode: 0,
  outcome: 'succeeded',
  rollout: '46430f00',
  release: R2,
  hosts: ['web-1', 'web-2', 'web-3', 'web-4'].map((name) => moved(name)),
  probe: { sent: 1_203, failed: 0, worstGapMs: 12.4 },
  gates: [],
  minReadySeen: 3,
  durationMs: 72_000,
  next: [],
}

const unhealthy = { code: 'E_UNHEALTHY', message: 'web-2 did not become healthy within 5 min: HTTP 500 in 12 ms' }
const because = { code: 'E_UNHEALTHY' as const, message: unhealthy.message, host: 'web-2', hints: [] }

export const ROLLOUTS: Readonly<Record<string, RolloutDocument>> = {
  'deploy succeeded': rollout,
  'deploy unchanged': {
    ...rollout,
    outcome: 'unchanged',
    hosts: [moved('web-1', { from: R2, durationMs: 0 }), moved('web-2', { from: R2, durationMs: 0 })],
    probe: null,
    minReadySeen: null,
    durationMs: 2_100,
  },
  'deploy rolled-back': {
    ...rollout,
    outcome: 'rolled-back',
    exitCode: 5,
    error: because,
    hosts: [moved('web-1'), moved('web-2', { error: { ...unhealthy, evidence: ['app: boom'] } })],
  },
  'deploy rolled-back by a gate': {
    ...rollout,
    outcome: 'rolled-back',
    exitCode: 7,
    error: { code: 'E_GATE_FAILED', message: 'gate canary: p99 1.2 s', hints: [] },
    gates: [{ name: 'canary', batch: 'b1', verdict: 'fail', clauses: [] }],
    probe: { sent: 900, failed: 2, worstGapMs: 340 },
    hosts: [moved('web-1')],
  },
  'first deploy failed': {
    ...rollout,
    outcome: 'rolled-back',
    exitCode: 5,
    error: because,
    hosts: [moved('web-1', { from: null, phase: 'drained', error: unhealthy })],
    probe: null,
  },
  'deploy partial': {
    ...rollout,
    outcome: 'partial',
    exitCode: 6,
    error: because,
    hosts: [
      moved('web-1'),
      moved('web-2', { error: unhealthy }),
      moved('web-3', {
        from: null,
        to: null,
        phase: 'unknown',
        durationMs: 0,
        error: { code: 'E_UNREACHABLE', message: 'skipped: unreachable' },
      }),
    ],
    next: ['rollgate status', 'rollgate deploy   (brings the missing hosts along)', 'rollgate rollback'],
  },
  'deploy stuck': {
    ...rollout,
    outcome: 'stuck',
    exitCode: 6,
    error: because,
    hosts: [moved('web-1'), moved('web-2', { phase: 'drained', error: unhealthy })],
    next: ['rollgate status', 'rollgate logs --hosts web-2', 'rollgate deploy   (again, once the cause is gone)', 'rollgate rollback'],
  },
  'deploy paused': {
    ...rollout,
    outcome: 'paused',
    exitCode: 8,
    hosts: [moved('web-1'), moved('web-2', { phase: 'staged', durationMs: 0 })],
    next: ['rollgate promote   (yes, go on)', 'rollgate abort   (no, take it back)'],
  },
  'deploy cancelled': {
    ...rollout,
    outcome: 'cancelled',
    exitCode: 130,
    hosts: [moved('web-1'), moved('web-2', { phase: 'staged', durationMs: 0 })],
    next: ['rollgate status', 'rollgate resume   (goes on)', 'rollgate abort   (takes it back)'],
  },
  'deploy refused': {
    ...rollout,
    outcome: 'refused',
    exitCode: 4,
    error: { code: 'E_UNREACHABLE', message: 'web-1 did not answer', hints: [] },
    rollout: null,
    hosts: [],
    probe: null,
    minReadySeen: null,
    durationMs: 10_400,
  },
  'rollback succeeded': { ...rollout, command: 'rollback', release: R1, hosts: [moved('web-1', { from: R2, to: R1 })] },
  'rollback of each host': {
    ...rollout,
    command: 'rollback',
    release: null,
    hosts: [moved('web-1', { from: R2, to: R1 }), moved('web-2', { from: R2, to: 'r0-cccccccc' })],
  },
  'restart succeeded': { ...rollout, command: 'restart', release: null, hosts: [moved('web-1', { from: R1, to: R1 })] },
  'resume succeeded': { ...rollout, command: 'resume' },
  'abort rolled-back': { ...rollout, command: 'abort', outcome: 'rolled-back', exitCode: 0, hosts: [moved('web-1')] },
}

export function planDocumentOf(plan: Plan, extra: Partial<PlanDocument> = {}): PlanDocument {
  const tracks = plan.batches.flatMap((batch) => batch.tracks)
  return {
    ...base,
    command: 'plan',
    id: plan.id,
    basedOn: plan.basedOn,
    release: plan.release,
    batches: plan.batches.map((batch) => {
      const pause = batch.after.find((checkpoint) => checkpoint.kind === 'pause')
      const approve = batch.after.find((checkpoint) => checkpoint.kind === 'approve')
      return {
        id: batch.id,
        title: batch.title,
        hosts: batch.tracks.map((track) => track.host),
        ...(pause === undefined ? {} : { pause: pause.ms }),
        ...(approve === undefined ? {} : { approve: approve.question }),
      }
    }),
    hosts: tracks.map((track) => ({
      name: track.host,
      from: track.from,
      to: track.to,
      steps: track.steps.map(describeStep),
      undo: track.undo.map(describeStep),
    })),
    unchanged: plan.unchanged,
    changes: { files: 214, bytes: 3_200_000 },
    minReady: plan.policy.minReady,
    refusals: [],
    plan,
    ...extra,
  }
}

const staged = aPlan({
  hosts: ['web-1', 'web-2', 'web-3', 'web-4', 'web-5'],
  rollout: {
    atOnce: 2,
    minReady: { kind: 'count', count: 3 },
    failureBudget: { kind: 'count', count: 1 },
    steps: [
      { kind: 'deploy', to: { kind: 'count', count: 1 } },
      { kind: 'approve', question: 'Ship it?' },
      { kind: 'pause', ms: 300_000 },
      { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
      { kind: 'hook', hook: aHook('smoke') },
    ],
  },
  hooks: { before_rollout: [aHook('migrate', { once: true })], after_rollout: [aHook('announce')] },
})

export const PLANS: Readonly<Record<string, PlanDocument>> = {
  'plan of four hosts': planDocumentOf(aPlan()),
  'plan with people, pauses and hooks': planDocumentOf(staged),
  'plan without its stored form': planDocumentOf(staged, { plan: null }),
  'plan of one host': planDocumentOf(aPlan({ hosts: ['web-1'], rollout: { minReady: { kind: 'count', count: 0 } } }), {
    changes: { files: 0, bytes: 0 },
  }),
  'plan of a first deploy': planDocumentOf(aPlan({ previous: null, rollout: { minReady: { kind: 'count', count: 0 } } })),
  'plan with nothing to do': planDocumentOf(aPlan({ previous: R2 }), { changes: { files: 0, bytes: 0 } }),
  'plan of forty hosts': planDocumentOf(
    aPlan({
      hosts: Array.from({ length: 40 }, (_, index) => `web-${index + 1}`),
      rollout: { atOnce: 20, minReady: { kind: 'percent', percent: 50 } },
    }),
  ),
  'plan refused': planDocumentOf(aPlan({ hosts: [] }), {
    exitCode: 3,
    outcome: 'failed',
    plan: null,
    changes: null,
    refusals: [
      {
        code: 'E_MIN_READY',
        host: 'web-1',
        message: 'taking web-1 would leave 1 ready of 2, and min_ready is 2',
        hints: ['or lower rollout.min_ready'],
      },
      { code: 'E_CONNECT_TIMEOUT', host: 'web-2', message: 'web-2 did not answer' },
    ],
  }),
}

const server = {
  balancer: 'haproxy:lb-1',
  backend: 'app',
  server: 'web-1',
  state: 'ready' as const,
  health: 'up' as const,
  weight: 1,
  inFlight: 12,
}

const status: StatusDocument = {
  ...base,
  command: 'status',
  hosts: [
    {
      name: 'web-1',
      address: '10.0.0.1',
      zone: 'a',
      release: R2,
      previous: R1,
      phase: 'serving',
      reachable: true,
      health: 'healthy',
      balancer: [server, { ...server, backend: 'api' }],
    },
    {
      name: 'web-2',
      address: '10.0.0.2',
      release: R1,
      previous: null,
      phase: 'drained',
      reachable: true,
      health: 'unhealthy: HTTP 500',
      balancer: [{ ...server, server: 'web-2', state: 'drain', health: 'down', weight: null, inFlight: null }],
    },
    {
      name: 'web-3',
      address: '10.0.0.3',
      release: null,
      previous: null,
      phase: 'unknown',
      reachable: false,
      health: 'unknown',
      balancer: [],
      error: { code: 'E_DNS', message: 'web-3 could not be resolved' },
    },
    {
      name: 'web-4',
      address: '10.0.0.4',
      release: null,
      previous: null,
      phase: 'idle',
      reachable: true,
      health: 'shop is inactive',
      balancer: [],
    },
  ],
  lock: { holder: 'ada@laptop', rollout: '46430f00', since: '2026-11-25T03:18:00.000Z', heartbeatAgeMs: 4_000 },
  unfinished: { rollout: '46430f00', phase: 'web-2 drained', next: ['rollgate resume', 'rollgate abort'] },
  drift: [{ kind: 'mixed', message: 'releases differ: r1-aaaaaaaa on web-2, r2-bbbbbbbb on web-1' }],
}

const check: CheckDocument = {
  ...base,
  command: 'check',
  exitCode: 3,
  outcome: 'failed',
  items: [
    { id: 'ssh', host: 'web-1', level: 'ok', message: 'reached as deploy@web-1:22, host key verified' },
    { id: 'clock', host: 'web-1', level: 'warning', message: 'its clock is 12 s ahead', fix: 'enable NTP' },
    { id: 'balancer-member', host: 'web-2', level: 'ok', message: 'haproxy:lb-1 app/web-2 is UP' },
    {
      id: 'root',
      host: 'web-2',
      level: 'problem',
      message: '/srv/shop does not exist and deploy may not make it',
      fix: 'sudo install -d -o deploy -g deploy /srv/shop',
    },
    { id: 'balancer-idle', level: 'ok', message: 'haproxy:lb-1: closes idle connections before the app does' },
  ],
}

const releases: ReleasesDocument = {
  ...base,
  command: 'releases',
  hosts: [
    {
      name: 'web-1',
      current: R2,
      releases: [
        {
          id: R2,
          hash: 'b',
          installedAt: '2026-11-25T03:18:00.000Z',
          outcome: 'succeeded',
          bytes: 3_200_000,
          commit: '1a2b3c4d5e6f+dirty',
          by: 'ada@laptop',
        },
        { id: R1, hash: 'a', installedAt: '2026-11-24T03:18:00.000Z', outcome: 'failed', bytes: 3_100_000 },
        { id: '20240101120000', hash: '', installedAt: '', outcome: 'adopted', bytes: 0 },
      ],
    },
    { name: 'web-2', current: null, releases: [] },
    { name: 'web-3', current: null, releases: [], error: { code: 'E_AUTH', message: 'web-3 refused the login' } },
  ],
}

const history: HistoryDocument = {
  ...base,
  command: 'history',
  rollouts: [
    {
      rollout: '46430f00',
      at: '2026-11-25T03:18:00.000Z',
      by: 'ada@laptop',
      intent: 'deploy',
      release: R2,
      outcome: 'succeeded',
      durationMs: 72_000,
    },
    {
      rollout: '5a5a5a5a',
      at: '2026-11-24T03:18:00.000Z',
      by: 'ci@runner',
      intent: 'restart',
      release: null,
      outcome: 'rolled-back',
      durationMs: 0,
    },
  ],
}

const push: PushDocument = {
  ...base,
  command: 'push',
  release: R2,
  built: true,
  hosts: [
    { name: 'web-1', staged: true, note: '3.2 MB sent, verified' },
    { name: 'web-2', staged: true, note: 'there already' },
  ],
  durationMs: 4_200,
  next: [`rollgate deploy --release ${R2}`],
}

const hand: HandDocument = {
  ...base,
  command: 'drain',
  host: 'web-1',
  changed: true,
  balancer: [{ ...server, state: 'maintenance', health: 'unknown', inFlight: 0 }],
}

const setup: SetupDocument = {
  ...base,
  command: 'setup',
  hosts: [
    { name: 'web-1', changes: ['made /srv/shop', 'installed shop.service'], notes: ['the service starts with the first deploy'] },
    { name: 'web-2', changes: [], notes: [] },
    { name: 'web-3', changes: ['made /srv/shop'], notes: [], error: { code: 'E_SUDO', message: 'sudo asks for a password' } },
  ],
}

const exec: ExecDocument = { ...base, command: 'exec', hosts: [{ name: 'web-1', exitCode: 0, stdout: 'up 3 days\n', stderr: '' }] }

const config: ConfigDocument = {
  ...base,
  command: 'config show',
  config: {
    app: 'shop',
    hosts: { 'web-1': { address: '10.0.0.1', roles: [] } },
    release: { keep: 5, env: { TOKEN: '***', EMPTY: '' } },
    rollout: { steps: [{ deploy: 1 }, { deploy: '100%' }] },
  },
  origins: {
    app: '/project/rollgate.yml:1:6',
    'hosts.web-1.address': 'environment production (/project/rollgate.yml:9:7)',
    'release.keep': 'default',
    'rollout.steps': 'default',
  },
}

const init: InitText = {
  ...base,
  command: 'init',
  file: '/project/rollgate.yml',
  text: 'app: shop\nhosts:\n  web-1: {}\n',
  written: true,
  items: check.items,
}

const demo: DemoText = {
  ...base,
  command: 'demo',
  rollouts: [
    { title: '1. A first deploy, to an empty fleet', outcome: 'succeeded', expected: 'succeeded', requests: 0, failed: 0 },
    {
      title: '2. A rolling deploy of v2, while users are on the site',
      outcome: 'succeeded',
      expected: 'succeeded',
      requests: 4_210,
      failed: 0,
    },
    {
      title: '3. A broken v3: stopped at the canary, and undone',
      outcome: 'succeeded',
      expected: 'rolled-back',
      requests: 3_999,
      failed: 17,
    },
  ],
  directory: null,
}

export const OTHERS = {
  status,
  'status, all well': { ...status, hosts: status.hosts.slice(0, 1), lock: null, unfinished: null, drift: [] },
  check,
  'check, all well': { ...check, exitCode: 0, outcome: 'ok', items: check.items.filter((item) => item.level === 'ok') },
  releases,
  history,
  'history, empty': { ...history, rollouts: [] },
  push,
  'push failed': {
    ...push,
    outcome: 'failed',
    exitCode: 3,
    next: [],
    hosts: [{ name: 'web-1', staged: false, note: '', error: { code: 'E_DISK', message: '12 MB free, 40 MB needed' } }],
  },
  drain: hand,
  'enable, as before': { ...hand, command: 'enable', changed: false, balancer: [server] },
  setup,
  exec,
  'config show': config,
  'config validate': { ...base, command: 'config validate', problems: [] },
  'config validate, problems': {
    ...base,
    command: 'config validate',
    exitCode: 2,
    outcome: 'failed',
    problems: [
      { file: 'rollgate.yml', line: 3, column: 5, key: 'hots', message: 'is not known', nearest: 'hosts' },
      { file: 'rollgate.yml', line: 1, column: 1, key: '', message: 'app is missing' },
    ],
  },
  'config schema': { ...base, command: 'config schema', schema: { type: 'object' } },
  init,
  'init --dry-run': { ...init, written: false, items: [] },
  demo,
  'only an error': {
    ...base,
    command: 'status',
    exitCode: 2,
    outcome: 'failed',
    error: { code: 'E_CONFIG' as const, message: 'x', hints: [] },
  },
}
