// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax of the file under test.
import { describe, expect, test } from 'vitest'
import { appHosts, settingsOf } from '../../../src/domain/config.ts'
import { file, load, plus, SMALLEST } from './helpers.ts'

describe('the smallest useful file', () => {
  test('has ten lines, and everything else has a default', async () => {
    expect(SMALLEST).toHaveLength(10)
    const { config, cwd, environments } = await load(file({}))
    expect(environments).toEqual([])
    expect(config).toEqual({
      file: `${cwd}/rollgate.yml`,
      directory: cwd,
      app: 'shop',
      environment: null,
      confirm: false,
      artifact: { path: 'dist', exclude: [] },
      ssh: { transport: 'ssh2' },
      hosts: [
        { name: 'web-1', address: '10.0.0.11', roles: [], labels: {} },
        { name: 'web-2', address: '10.0.0.12', roles: [], labels: {} },
      ],
      release: { root: '/srv/shop', keep: 5, shared: [], env: {} },
      defaults: {
        service: { kind: 'systemd', units: ['shop'], scope: 'system' },
        health: {
          check: { kind: 'http', port: 8080, path: '/', status: [200], headers: {}, address: '127.0.0.1', timeoutMs: 5000 },
          version: { kind: 'process' },
          intervalMs: 500,
          healthyForMs: 10_000,
          deadlineMs: 300_000,
        },
        balancers: [],
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
        progressDeadlineMs: 600_000,
        probe: null,
      },
      loads: {},
      engines: {},
      gates: {},
      hooks: { before_rollout: [], before_activate: [], after_activate: [], after_rollout: [], on_failure: [] },
      secrets: {},
    })
  })

  test('needs no artifact, no health and no address where OpenSSH knows the host', async () => {
    const { config } = await load('app: a\nhosts: { box: {} }\nrelease: { root: /srv/a }\nservice: { unit: a }\n')
    expect(config.artifact).toBeNull()
    expect(config.defaults.health.check).toEqual({ kind: 'service' })
    expect(config.hosts[0]?.address).toBe('box')
  })
})

describe('a file that says much', () => {
  test('becomes what it says', async () => {
    const { config, cwd } = await load(
      [
        'app: shop',
        'confirm: true',
        'artifact: { build: npm run build, path: out, exclude: ["**/*.map"] }',
        'ssh: { user: deploy, config: ops/ssh, known_hosts: ~/.ssh/known, identity: { env: KEY }, transport: local }',
        'hosts:',
        '  web-1: { address: a, port: 2222, user: u, via: lb-1, server: s1, zone: 1, roles: [web], labels: { rack: 7 } }',
        '  web-2: { address: b, host_key: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU" }',
        '  lb-1: { address: c, roles: [balancer] }',
        '  lb-2: { address: d, roles: [balancer] }',
        'release: { root: /srv//shop/, keep: 3, shared: [uploads/, .env], env: { A: "x${secret.T}y", B: "${secret.T}" } }',
        'service: { kind: systemd, unit: [shop, shop-worker], scope: user, exec: node server.js }',
        'health:',
        '  http: { port: 80, path: /up, status: [200, 204], headers: { X: y }, timeout: 1s }',
        '  version: { header: X-Release }',
        '  interval: 250ms',
        '  healthy_for: 0s',
        '  deadline: 1.5m',
        'balancer:',
        '  - { kind: haproxy, hosts: [lb-1], backend: shop, drain: { deadline: 1m, on_deadline: cut, settle: 0s } }',
        '  - { kind: haproxy, hosts: [lb-2], socket: "127.0.0.1:9999" }',
        'rollout:',
        '  steps: [{ deploy: 1 }, { pause: 1m }, { approve: Go? }, { hook: { run: ./x } }, { deploy: 100% }]',
        '  at_once: 2',
        '  min_ready: 66%',
        '  spread: zone',
        '  failure_budget: 10%',
        '  on_failure: halt',
        '  unreachable: skip',
        '  on_inconclusive: fail',
        '  on_interrupt: undo',
        '  progress_deadline: 1h',
        '  probe: { url: "https://shop.example.com/healthz", rate: 30/m, max_failed: 2, timeout: 800ms }',
        'hooks:',
        '  before_rollout: [{ run: ./migrate, once: true, irreversible: true, name: migrate }, { run: ./b, timeout: 1s }]',
        '  after_activate: [{ run: bin/warm, on: host }]',
        'secrets: { T: { file: t.txt }, U: { command: pass u }, V: { env: V } }',
      ].join('\n'),
    )
    const { defaults, rollout } = config
    expect(config.confirm).toBe(true)
    expect(config.ssh).toEqual({
      user: 'deploy',
      config: `${cwd}/ops/ssh`,
      knownHosts: ['/home/me/.ssh/known'],
      identity: { env: 'KEY' },
      transport: 'local',
    })
    expect(config.hosts[0]).toEqual({
      name: 'web-1',
      address: 'a',
      port: 2222,
      user: 'u',
      via: 'lb-1',
      server: 's1',
      zone: '1',
      roles: ['web'],
      labels: { rack: '7' },
    })
    expect(config.hosts[1]?.hostKey).toBe('SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU')
    expect(appHosts(config).map((host) => host.name)).toEqual(['web-1', 'web-2'])
    expect(config.release).toEqual({
      root: '/srv/shop',
      keep: 3,
      shared: ['uploads', '.env'],
      env: { A: ['x', { secret: 'T' }, 'y'], B: [{ secret: 'T' }] },
    })
    expect(defaults.service).toEqual({ kind: 'systemd', units: ['shop', 'shop-worker'], scope: 'user', exec: 'node server.js' })
    expect(defaults.health).toEqual({
      check: { kind: 'http', port: 80, path: '/up', status: [200, 204], headers: { X: 'y' }, address: '127.0.0.1', timeoutMs: 1000 },
      version: { kind: 'header', name: 'X-Release' },
      intervalMs: 250,
      healthyForMs: 0,
      deadlineMs: 90_000,
    })
    expect(defaults.balancers).toEqual([
      {
        kind: 'haproxy',
        hosts: ['lb-1'],
        backend: 'shop',
        socket: '/run/haproxy/admin.sock',
        drain: { deadlineMs: 60_000, onDeadline: 'cut', settleMs: 0 },
      },
      { kind: 'haproxy', hosts: ['lb-2'], socket: '127.0.0.1:9999', drain: { deadlineMs: 30_000, onDeadline: 'fail' } },
    ])
    const step = { timeoutMs: 300_000, once: false, irreversible: false, on: 'local' }
    expect(rollout.steps).toEqual([
      { kind: 'deploy', to: { kind: 'count', count: 1 } },
      { kind: 'pause', ms: 60_000 },
      { kind: 'approve', question: 'Go?' },
      { kind: 'hook', hook: { name: 'step-4', run: './x', ...step } },
      { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
    ])
    expect(rollout).toMatchObject({
      atOnce: 2,
      minReady: { kind: 'percent', percent: 66 },
      spread: 'zone',
      failureBudget: { kind: 'percent', percent: 10 },
      onFailure: 'halt',
      unreachable: 'skip',
      onInconclusive: 'fail',
      onInterrupt: 'undo',
      progressDeadlineMs: 3_600_000,
      probe: { url: 'https://shop.example.com/healthz', ratePerSecond: 0.5, maxFailed: 2, timeoutMs: 800 },
    })
    expect(config.hooks.before_rollout).toEqual([
      { name: 'migrate', run: './migrate', on: 'local', timeoutMs: 300_000, once: true, irreversible: true },
      { name: 'before_rollout-2', run: './b', on: 'local', timeoutMs: 1000, once: false, irreversible: false },
    ])
    expect(config.hooks.after_activate).toEqual([{ name: 'after_activate-1', run: 'bin/warm', ...step, on: 'host' }])
    expect(config.secrets).toEqual({ T: { file: `${cwd}/t.txt` }, U: { command: 'pass u' }, V: { env: 'V' } })
  })

  test.each([
    ['service: { kind: command, start: a, stop: b, status: c }', { kind: 'command', start: 'a', stop: 'b', status: 'c' }],
    ['service: { kind: none }', { kind: 'none' }],
  ])('may drive the app otherwise: %s', async (line, service) => {
    expect((await load(file({ 8: line, 9: null }))).config.defaults.service).toEqual(service)
  })

  test.each([
    ['{ tcp: { port: 5432 } }', { kind: 'tcp', port: 5432, address: '127.0.0.1', timeoutMs: 5000 }],
    ['{ command: ./ok }', { kind: 'command', run: './ok', timeoutMs: 10_000 }],
    ['{ command: { run: ./ok, timeout: 2s } }', { kind: 'command', run: './ok', timeoutMs: 2000 }],
  ])('may ask for health otherwise: %s', async (health, check) => {
    expect((await load(file({ 10: `health: ${health}` }))).config.defaults.health.check).toEqual(check)
  })

  test.each([
    ['json: $.build.id', { kind: 'json', path: '$.build.id' }],
    ['command: cat REVISION', { kind: 'command', run: 'cat REVISION' }],
  ])('may prove the release otherwise: %s', async (version, proof) => {
    const { config } = await load(file({ 10: `health: { http: { port: 1 }, version: { ${version} } }` }))
    expect(config.defaults.health.version).toEqual(proof)
  })
})

describe('roles', () => {
  test('do what the top level says, but for what they say themselves', async () => {
    const { config } = await load(
      file(
        { 4: '  web-1: { roles: [worker] }', 5: '  lb-1: {}' },
        [
          'balancer: { kind: haproxy, hosts: [lb-1] }',
          'roles:',
          '  worker: { service: { unit: shop-worker }, health: { command: ./alive, interval: 1s }, balancer: none }',
          '  cron: { service: { kind: command, start: a, stop: b } }',
          '',
        ].join('\n'),
      ),
    )
    const [worker, other] = config.hosts
    if (worker === undefined || other === undefined) throw new Error('two hosts')
    expect(settingsOf(config, worker)).toEqual({
      service: { kind: 'systemd', units: ['shop-worker'], scope: 'system' },
      health: { ...config.defaults.health, check: { kind: 'command', run: './alive', timeoutMs: 10_000 }, intervalMs: 1000 },
      balancers: [],
    })
    expect(settingsOf(config, other)).toEqual(config.defaults)
    expect(config.roles.cron?.service).toEqual({ kind: 'command', start: 'a', stop: 'b' })
    expect(config.roles.cron?.balancers).toEqual(config.defaults.balancers)
  })

  test('that are called like something in every object find nothing there', async () => {
    const { config } = await load(plus('roles: {}'))
    expect(config.roles.constructor).toBeUndefined()
  })
})
