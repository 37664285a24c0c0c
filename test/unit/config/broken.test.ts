// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax of the file under test.
import { describe, expect, test } from 'vitest'
import { file, load, places, plus, problemsOf } from './helpers.ts'

type Case = readonly [title: string, text: string, place: string, key: string, says: string, nearest?: string]

const PRODUCTION = 'environments:\n  production:\n'

const CASES: readonly Case[] = [
  // keys
  ['an unknown key', file({ 2: 'artefact: { path: dist }' }), '2:1', 'artefact', 'unknown key "artefact"', 'artifact'],
  ['a misspelt key that must be there', file({ 6: 'releas:' }), '6:1', 'releas', 'unknown key', 'release'],
  ['an unknown key inside a section', file({ 7: '  rooot: /x\n  root: /y' }), '7:3', 'release.rooot', 'unknown key', 'root'],
  ['a key in another spelling', plus('rollout: { minReady: 1 }'), '11:12', 'rollout.minReady', 'unknown key', 'min_ready'],
  ['swapped letters', file({ 10: 'health: { htpp: { port: 8080 } }' }), '10:11', 'health.htpp', 'unknown key', 'http'],
  ['a misspelt `environments`', plus('enviroments: {}'), '11:1', 'enviroments', 'unknown key', 'environments'],
  ['a key of a host', file({ 4: '  web-1: { adress: 10.0.0.11 }' }), '4:12', 'hosts.web-1.adress', 'unknown key', 'address'],
  ['a key nobody could mean', plus('ssh: { bananas: 1 }'), '11:8', 'ssh.bananas', 'known here: user, config'],
  ['a key that stands twice', file({ 8: 'app: other\nservice:' }), '8:1', 'app', 'duplicate key "app": it already stands on line 1'],
  ['a host that stands twice', file({ 5: '  web-1: { address: 10.0.0.12 }' }), '5:3', 'hosts.web-1', 'duplicate key'],
  ['`<<`', file({ 5: '  web-2: { <<: {}, address: 10.0.0.12 }' }), '5:12', 'hosts.web-2."<<"', 'does not merge'],
  ['`__proto__`', plus('__proto__: { app: x }'), '11:1', '__proto__', 'cannot be used'],
  ['a key that is a list', plus('? [a, b]\n: c'), '11:3', '', 'a key must be a word'],
  // what is missing or of the wrong form
  ['no app', file({ 1: '# shop' }), '1:1', 'app', 'is missing'],
  ['an app without value', file({ 1: 'app:' }), '1:1', 'app', 'has no value'],
  ['a number as app', file({ 1: 'app: 5' }), '1:6', 'app', 'must be text'],
  ['no release', file({ 6: 'artifact2:', 7: '  path: x' }).replace('artifact2:\n  path: x\n', ''), '1:1', 'release', 'is missing'],
  ['no root', file({ 7: '  keep: 3' }), '6:1', 'release.root', 'is missing'],
  ['no service', file({ 8: null, 9: null }), '1:1', 'service', 'is missing: name the systemd unit'],
  ['no unit', file({ 9: '  scope: user' }), '8:1', 'service.unit', 'write `kind: none`'],
  ['an artifact without a path', file({ 2: 'artifact: { build: make }' }), '2:1', 'artifact.path', 'is missing'],
  ['text where a map belongs', plus('rollout: fast'), '11:10', 'rollout', 'must be a map'],
  ['a list where a map belongs', file({ 4: '  - web-1', 5: null }), '4:3', 'hosts', 'must be a map'],
  [
    'text where a list belongs',
    file({ 4: '  web-1: { roles: balancer }' }),
    '4:19',
    'hosts.web-1.roles',
    'must be a list: write [balancer]',
  ],
  ['a map where a value or a list belongs', file({ 9: '  unit: { name: shop }' }), '9:9', 'service.unit', 'must be a systemd unit'],
  // values
  ['a bare number as duration', plus('rollout: { progress_deadline: 30 }'), '11:31', 'rollout.progress_deadline', 'write 30s or 30ms'],
  ['a duration in days', plus('rollout: { progress_deadline: 2d }'), '11:31', 'rollout.progress_deadline', 'must be a duration'],
  ['an interval of nothing', file({ 10: 'health: { interval: 0s, http: { port: 1 } }' }), '10:21', 'health.interval', 'at least 50ms'],
  ['a port of 0', file({ 10: 'health: { http: { port: 0 } }' }), '10:25', 'health.http.port', 'from 1 to 65535'],
  ['a port beyond 65535', file({ 4: '  web-1: { port: 65536 }' }), '4:18', 'hosts.web-1.port', 'from 1 to 65535'],
  ['half a port', file({ 4: '  web-1: { port: 22.5 }' }), '4:18', 'hosts.web-1.port', 'whole number'],
  ['more than 100%', plus('rollout: { min_ready: 101% }'), '11:23', 'rollout.min_ready', 'at most 100%'],
  ['half a host', plus('rollout: { min_ready: 1.5 }'), '11:23', 'rollout.min_ready', 'whole number'],
  ['a share where a number belongs', plus('rollout: { at_once: 50% }'), '11:21', 'rollout.at_once', 'percentage is not allowed'],
  ['a misspelt word', plus('rollout: { on_failure: undoo }'), '11:24', 'rollout.on_failure', 'must be undo or halt', 'undo'],
  ['an unknown kind', plus('balancer: { kind: haprox, hosts: [web-1] }'), '11:19', 'balancer.kind', 'must be haproxy or none', 'haproxy'],
  ['a kind that every object has', file({ 9: '  kind: constructor' }), '9:9', 'service.kind', 'must be systemd or command or none'],
  ['a section that every object has', plus('constructor: { app: x }'), '11:1', 'constructor', 'unknown key'],
  ['an unknown balancer word', plus('balancer: haproxy'), '11:11', 'balancer', 'must be `none`, or a map'],
  ['`yes` for true', plus('confirm: yes'), '11:10', 'confirm', 'must be true or false'],
  ['a rate without a unit', plus('rollout: { probe: { url: "http://x", rate: 20 } }'), '11:44', 'rollout.probe.rate', 'such as 20/s'],
  ['a login in a URL', plus('rollout: { probe: { url: "http://a:b@x" } }'), '11:26', 'rollout.probe.url', 'holds a login'],
  ['a root that is not absolute', file({ 7: '  root: srv' }), '7:9', 'release.root', 'is not absolute'],
  ['`/` as root', file({ 7: '  root: //' }), '7:9', 'release.root', 'is "/"'],
  ['a shared path that leaves', file({ 7: '  root: /s\n  shared: [ok, a/../../b]' }), '8:16', 'release.shared[1]', 'leaves the release'],
  [
    'shared paths inside each other',
    file({ 7: '  root: /s\n  shared: [a, a/b]' }),
    '8:15',
    'release.shared[1]',
    'one lies inside the other',
  ],
  ['a template as unit', file({ 9: '  unit: shop@' }), '9:9', 'service.unit', 'name an instance, shop@NAME'],
  [
    'an address with a port',
    file({ 4: '  web-1: { address: "10.0.0.11:22" }' }),
    '4:21',
    'hosts.web-1.address',
    'the port belongs in `port`',
  ],
  // between keys
  ['no host to deploy to', file({ 4: '  web-1: { roles: [balancer] }', 5: null }), '3:1', 'hosts', 'only have the role `balancer`'],
  ['no hosts at all', file({ 3: null, 4: null, 5: null }), '1:1', 'hosts', 'at least one host'],
  [
    'a balancer host that is not there',
    plus('balancer: { kind: haproxy, hosts: [web-11] }'),
    '11:36',
    'balancer.hosts[0]',
    'not under `hosts`',
    'web-1',
  ],
  ['a balancer without hosts', plus('balancer: { kind: haproxy }'), '11:1', 'balancer.hosts', 'is missing'],
  ['a backend without a kind', plus('balancer: { backend: shop }'), '11:13', 'balancer.backend', 'kind: haproxy'],
  ['two kinds of check', file({ 10: 'health: { http: { port: 1 }, tcp: { port: 1 } }' }), '10:30', 'health.tcp', 'beside `http`'],
  ['a header proof without http', file({ 10: 'health: { version: { header: x } }' }), '10:22', 'health.version.header', 'health.http'],
  ['a proof of nothing', file({ 10: 'health: { version: {} }' }), '10:11', 'health.version', 'needs one of header, json, command'],
  [
    'healthy for longer than the deadline',
    file({ 10: 'health: { healthy_for: 6m }' }),
    '10:24',
    'health.healthy_for',
    'shorter than deadline',
  ],
  ['a command in a systemd service', file({ 9: '  unit: shop\n  start: ./run' }), '10:3', 'service.start', 'belongs to `kind: command`'],
  ['a command service without stop', file({ 9: '  { kind: command, start: ./run }' }), '8:1', 'service.stop', 'is missing'],
  ['nothing that proves health', file({ 9: '  kind: none', 10: null }), '1:1', 'health', 'needs one of http, tcp, command'],
  ['a jump in a circle', file({ 4: '  web-1: { via: web-2 }', 5: '  web-2: { via: web-1 }' }), '4:17', 'hosts.web-1.via', 'in a circle'],
  [
    'steps that go back',
    plus('rollout:\n  steps: [{ deploy: 50% }, { deploy: 25% }]'),
    '12:38',
    'rollout.steps[1].deploy',
    'not go further',
  ],
  ['a step of two kinds', plus('rollout:\n  steps: [{ deploy: 1, pause: 1s }]'), '12:24', 'rollout.steps[0].pause', 'beside `deploy`'],
  ['an empty step', plus('rollout:\n  steps: [{ deploy: 1 }, {}]'), '12:26', 'rollout.steps[1]', 'needs one of deploy'],
  ['steps without deploy', plus('rollout:\n  steps: [{ pause: 1s }]'), '12:3', 'rollout.steps', 'at least one `deploy`'],
  [
    'two hooks of one name',
    plus('hooks:\n  on_failure: [{ run: a, name: x }, { run: b, name: x }]'),
    '12:53',
    'hooks.on_failure[1].name',
    'two hooks',
  ],
  [
    'a hook at the wrong place',
    plus('hooks:\n  before_rollout: [{ run: a, on: host }]'),
    '12:34',
    'hooks.before_rollout[0].on',
    'must be local',
  ],
  ['a secret from two sources', plus('secrets: { A: { env: X, file: y } }'), '11:25', 'secrets.A.file', 'beside `env`'],
  ['a secret from nowhere', plus('secrets: { A: {} }'), '11:12', 'secrets.A', 'needs one of env, file, command'],
  // variables
  ['a missing variable', file({ 7: '  root: "${NOPE}"' }), '7:9', 'release.root', 'environment variable NOPE is not set'],
  ['a malformed variable', file({ 7: '  root: "${a b}"' }), '7:9', 'release.root', 'is not a variable'],
  ['an unclosed variable', file({ 7: '  root: "/srv/${A"' }), '7:9', 'release.root', 'is not closed'],
  [
    'an unknown secret',
    plus('secrets: { TOKEN: { env: T } }').replace('  root', '  env: { A: "${secret.TOKN}" }\n  root'),
    '7:13',
    'release.env.A',
    'secret "TOKN"',
    'TOKEN',
  ],
  ['a secret in the wrong place', file({ 7: '  root: "/${secret.A}"' }), '7:9', 'release.root', 'only in the values of release.env'],
  // environments
  [
    'a problem inside an environment',
    plus(`${PRODUCTION}    rollout: { at_once: 0 }`),
    '13:25',
    'environments.production.rollout.at_once',
    'from 1',
  ],
  ['an environment that is a list', plus('environments:\n  production: [1]'), '12:15', 'environments.production', 'must be a map'],
  [
    'environments in environments',
    plus(`${PRODUCTION}    environments: {}`),
    '13:5',
    'environments.production.environments',
    'do not nest',
  ],
  // not built yet
  ['notify', plus('notify: []'), '11:1', 'notify', '`notify` is not built yet'],
  ['inventory', plus('inventory: []'), '11:1', 'inventory', '`inventory` is not built yet'],
  [
    'a gate step',
    plus('rollout:\n  steps: [{ deploy: 1 }, { gate: canary }]'),
    '12:34',
    'rollout.steps[1].gate',
    '"canary" is not under `gates`',
  ],
  ['a weight step', plus('rollout:\n  steps: [{ deploy: 1 }, { weight: 10% }]'), '12:28', 'rollout.steps[1].weight', 'not built yet'],
  ['nginx', plus('balancer: { kind: nginx, hosts: [web-1], backend: b }'), '11:19', 'balancer.kind', '`kind: nginx` is not built yet'],
  [
    'readiness',
    plus('balancer: { kind: haproxy, hosts: [web-1], readiness: { file: x } }'),
    '11:44',
    'balancer.readiness',
    'not built yet',
  ],
  ["the system's ssh", plus('ssh: { transport: openssh }'), '11:19', 'ssh.transport', '`transport: openssh` is not built yet'],
  // YAML itself
  ['a tab', file({ 9: '\tunit: shop' }), '9:1', '', 'spaces, not with tabs'],
  ['an unclosed quote', file({ 1: 'app: "shop' }), '11:1', '', 'not valid YAML'],
  ['two documents', plus('---\na: b'), '11:1', '', 'more than one YAML document'],
  ['a tag', file({ 1: 'app: !!js/function shop' }), '1:6', '', 'tags are not used'],
  ['an unknown alias', file({ 1: 'app: *nothing' }), '1:6', 'app', 'for nothing'],
  ['an empty file', '# nothing\n', '1:1', '', 'the file is empty'],
  ['a list as file', '- a\n- b\n', '1:1', '', 'must be a map'],
]

describe('a broken file', () => {
  test.each(CASES.map(([title, text, place, key, says, nearest]) => ({ title, text, place, key, says, nearest })))(
    '$title is one problem at its place',
    async ({ text, place, key, says, nearest }) => {
      const environment =
        text.includes('production') && !text.includes('[1]') ? { environment: 'production' } : { requireEnvironment: false }
      const problems = await problemsOf(text, environment)
      expect(places(problems), JSON.stringify(problems)).toEqual([`${place} ${key}`])
      expect(problems[0]?.file).toBe('rollgate.yml')
      expect(problems[0]?.message).toContain(says)
      expect(problems[0]?.nearest).toBe(nearest)
    },
  )

  test('names all its problems at once, in the order of the file', async () => {
    const text = [
      'app: -shop',
      'artfact: { path: dist }',
      'hosts:',
      '  web-1: { address: 10.0.0.11, port: 99999 }',
      'release:',
      '  root: /',
      '  keep: 5',
      '  keep: 6',
      '  env: { A: "${NOPE}" }',
      'service: { unit: -x }',
      'health: { interval: 5 }',
      'notify: []',
    ].join('\n')
    const problems = await problemsOf(text)
    expect(places(problems)).toEqual([
      '1:6 app',
      '2:1 artfact',
      '4:38 hosts.web-1.port',
      '6:9 release.root',
      '8:3 release.keep',
      '9:13 release.env.A',
      '10:18 service.unit',
      '11:21 health.interval',
      '12:1 notify',
    ])
  })

  test('is an error that prints FILE:LINE:COLUMN and exits 2', async () => {
    await expect(load(file({ 2: 'artefact: { path: dist }' }))).rejects.toMatchObject({
      code: 'E_CONFIG',
      exitCode: 2,
      oclif: { exit: 2 },
      evidence: ['rollgate.yml:2:1  artefact: unknown key "artefact" (did you mean artifact?)'],
    })
  })

  test('says a missing variable once, and not what its emptiness would break', async () => {
    const text = plus('balancer: { kind: haproxy, hosts: ["${LB}"] }')
    expect(places(await problemsOf(text))).toEqual(['11:36 balancer.hosts[0]'])
  })

  test('says what a role inherits once', async () => {
    const text = file({ 10: 'health: { interval: 5 }' }, 'roles:\n  worker: { service: { unit: w } }\n  cron: { service: { unit: c } }\n')
    expect(places(await problemsOf(text))).toEqual(['10:21 health.interval'])
  })
})
