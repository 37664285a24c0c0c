// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax of the file under test.
import { describe, expect, test } from 'vitest'
import { file, load, places, plus, problemsOf } from './helpers.ts'

const ENVIRONMENTS = [
  'environments:',
  '  staging: { hosts: { stage-1: { address: 10.1.0.11 } } }',
  '  production:',
  '    confirm: true',
  '    release: { env: { LEVEL: warn } }',
  '    health: { tcp: { port: 9000 }, interval: 2s }',
  '    rollout: { steps: [{ deploy: 100% }] }',
  '    service: { kind: command, start: ./up, stop: ./down, status: ./ok }',
  '  empty:',
].join('\n')
const TEXT = file({ 7: '  root: /srv/shop\n  env: { LEVEL: debug, NODE_ENV: production }' }, ENVIRONMENTS)

describe('environments', () => {
  test('merge maps and replace lists, values and the whole inventory', async () => {
    const staging = (await load(TEXT, { environment: 'staging' })).config
    expect(staging.hosts.map((host) => host.name)).toEqual(['stage-1'])
    expect(staging).toMatchObject({ environment: 'staging', confirm: false })
    const { config, environments } = await load(TEXT, { environment: 'production' })
    expect(environments).toEqual(['staging', 'production', 'empty'])
    expect(config.hosts.map((host) => host.name)).toEqual(['web-1', 'web-2'])
    expect(config.confirm).toBe(true)
    expect(config.release.env).toEqual({ LEVEL: ['warn'], NODE_ENV: ['production'] })
    expect(config.rollout.steps).toHaveLength(1)
  })

  test("drop what the top level says of another kind, and keep what is everybody's", async () => {
    const { defaults } = (await load(TEXT, { environment: 'production' })).config
    expect(defaults.service).toEqual({ kind: 'command', start: './up', stop: './down', status: './ok' })
    expect(defaults.health).toMatchObject({ check: { kind: 'tcp', port: 9000 }, intervalMs: 2000, healthyForMs: 10_000 })
  })

  test('drop a proof in the answer to http together with http, and keep any other', async () => {
    const config = (version: string) =>
      file(
        { 10: `health: { http: { port: 8080 }, version: ${version} }` },
        'roles: { worker: { health: { command: ./alive } }, near: { health: { http: { port: 9000 } } } }',
      )
    const { roles } = (await load(config('{ header: x-release }'))).config
    expect(roles.worker?.health).toMatchObject({ check: { kind: 'command' }, version: { kind: 'process' } })
    expect(roles.near?.health).toMatchObject({ check: { kind: 'http', port: 9000 }, version: { kind: 'header' } })
    expect((await load(config('{ command: ./version }'))).config.roles.worker?.health.version).toMatchObject({ kind: 'command' })
  })

  test('may be empty: the top level as it is', async () => {
    const { config } = await load(TEXT, { environment: 'empty' })
    expect(config).toMatchObject({ environment: 'empty', rollout: { atOnce: 1 }, defaults: { service: { kind: 'systemd' } } })
  })

  test('must be named where the fleet is touched', async () => {
    await expect(load(TEXT)).rejects.toMatchObject({ code: 'E_USAGE', exitCode: 2, hints: ['environments: staging, production, empty'] })
    expect((await load(TEXT, { requireEnvironment: false })).config.environment).toBeNull()
  })

  test('that do not exist are said with the nearest one', async () => {
    await expect(load(TEXT, { environment: 'prodution' })).rejects.toMatchObject({
      code: 'E_USAGE',
      hints: ['did you mean -e production?', 'environments: staging, production, empty'],
    })
    await expect(load(file({}), { environment: 'x' })).rejects.toMatchObject({ hints: ['the file has no `environments`: leave -e out'] })
  })

  test('may bring all the hosts: then one must be named', async () => {
    const text = file({ 3: null, 4: null, 5: null }, 'environments: { a: { hosts: { x: {} } } }')
    await expect(load(text, { requireEnvironment: false })).rejects.toMatchObject({ code: 'E_USAGE' })
    expect((await load(text, { environment: 'a' })).config.hosts[0]?.name).toBe('x')
  })

  test('are all checked where none is named and the top level alone is not enough', async () => {
    const text = file({ 3: null, 4: null, 5: null }, 'environments:\n  a: { hosts: { x: { port: 0 } } }\n  b: { hosts: { -y: {} } }')
    expect(places(await problemsOf(text, { requireEnvironment: false }))).toEqual([
      '9:28 environments.a.hosts.x.port',
      '10:17 environments.b.hosts.-y',
    ])
  })

  test('that are not chosen need none of their variables', async () => {
    const text = plus('environments: { a: { confirm: true }, b: { app: "${MISSING}" } }')
    expect((await load(text, { environment: 'a' })).config.confirm).toBe(true)
    expect(places(await problemsOf(text, { environment: 'b' }))).toEqual(['11:49 environments.b.app'])
  })
})

describe('variables', () => {
  test.each([
    ['${A}', { A: 'x' }, 'x'],
    ['a${A}b${B}', { A: '1', B: '2' }, 'a1b2'],
    ['${A:-d}', {}, 'd'],
    ['${A:-}', {}, ''],
    ['${A:-d}', { A: '' }, 'd'],
    ['${A:-d e}', { A: 'x' }, 'x'],
    ['$${A}', {}, '${A}'],
    ['$A $$ $', {}, '$A $$ $'],
    ['$(id)', {}, '$(id)'],
  ] as const)('%s with %j', async (written, env, wanted) => {
    const { config } = await load(file({ 7: `  root: /s\n  env: { A: "${written}" }` }), { env })
    expect(config.release.env.A?.join('')).toBe(wanted)
  })

  test('may stand without quotes, also inside braces, and bring a number there', async () => {
    const text = file({ 10: 'health: { http: { port: ${PORT:-8081}, path: ${PATH} } }' }, 'confirm: ${ASK}\n')
    const { config } = await load(text, { env: { PATH: '/1', ASK: 'true' } })
    expect(config.defaults.health.check).toMatchObject({ port: 8081, path: '/1' })
    expect(config.confirm).toBe(true)
    expect(places(await problemsOf(text, { env: { PATH: '/1', ASK: 'true', PORT: 'x' } }))).toEqual(['10:25 health.http.port'])
  })

  test('bring text where they are quoted', async () => {
    const text = file({ 1: 'app: "${APP}"' })
    expect((await load(text, { env: { APP: '7' } })).config.app).toBe('7')
  })

  test('bring text to the environment of the release, whatever it looks like', async () => {
    const { config } = await load(file({ 7: '  root: /s\n  env: { V: ${V}, T: ${T} }' }), { env: { V: '1.10', T: 'true' } })
    expect(config.release.env).toEqual({ V: ['1.10'], T: ['true'] })
  })
})

describe('what `config show` gets', () => {
  const shown = async () =>
    load(
      file(
        { 7: '  root: ${ROOT}\n  env: { LEVEL: debug, API_TOKEN: abc, DB: "postgres://u:pw@db/x", S: "${secret.S}", V: "${V}" }' },
        'secrets: { S: { env: S } }\nenvironments: { production: { confirm: true, rollout: { at_once: 2 } } }',
      ),
      { environment: 'production', env: { ROOT: '/srv/x', V: 'hunter2' } },
    )

  test('says for each value where it came from', async () => {
    const { origins } = await shown()
    expect(origins.app).toBe('rollgate.yml:1:6')
    expect(origins['hosts.web-1.address']).toBe('rollgate.yml:4:21')
    expect(origins['rollout.at_once']).toBe('environment production (rollgate.yml:13:66)')
    expect(origins.confirm).toBe('environment production (rollgate.yml:13:40)')
    expect(origins['rollout.spread']).toBe('default')
    expect(origins['health.interval']).toBe('default')
    expect(origins['health.tcp.port']).toBeUndefined()
  })

  test('is merged, has the defaults, and no secret in it', async () => {
    const loaded = await shown()
    expect(loaded.config.release.env).toMatchObject({ API_TOKEN: ['abc'], V: ['hunter2'] })
    expect(loaded.masked).toMatchObject({
      app: 'shop',
      confirm: true,
      release: {
        root: '${ROOT}',
        keep: 5,
        env: { LEVEL: 'debug', API_TOKEN: '***', DB: 'postgres://u:***@db/x', S: '${secret.S}', V: '${V}' },
      },
      rollout: { at_once: 2, spread: 'none', steps: [{ deploy: 1 }, { deploy: '50%' }, { deploy: '100%' }] },
      health: { http: { port: 8080, path: '/', status: 200 }, interval: '500ms' },
    })
    expect(JSON.stringify(loaded.masked)).not.toMatch(/hunter2|abc|pw@/)
  })
})

describe('a problem with a value of the environment', () => {
  test.each([
    ['release.root', file({ 7: '  root: "${V}"' })],
    ['health.http.port', file({ 10: 'health: { http: { port: "${V}" } }' })],
    ['service.unit', file({ 9: '  unit: "${V}"' })],
    ['balancer.hosts[0]', plus('balancer: { kind: haproxy, hosts: ["${V}"] }')],
    ['app', file({ 1: 'app: "${V}"' })],
    ['rollout.on_failure', plus('rollout: { on_failure: "${V}" }')],
    ['artifact.path', file({ 2: 'artifact: { path: "-${V}" }' })],
  ])('names the variable and not the value: %s', async (key, text) => {
    for (const V of ['hunter2-hunter2 /!', `hunter2${'x'.repeat(300)}`]) {
      const problems = (await problemsOf(text, { env: { V } })).filter((problem) => problem.key === key)
      for (const problem of problems) expect(JSON.stringify(problem)).not.toContain('hunter2')
      if (V.length < 30) expect(problems).toHaveLength(1)
    }
  })
})

describe('the hash', () => {
  test('is the same for the same wishes, wherever the file lies and however it is written', async () => {
    const one = await load(plus('rollout: { at_once: 1, spread: none }\nssh: { identity: ~/.ssh/a }'))
    const other = await load(plus('# note\nssh: { identity: ~/.ssh/b }\nrollout: { spread: none }'))
    expect(one.cwd).not.toBe(other.cwd)
    expect(other.hash).toBe(one.hash)
    expect(one.hash).toMatch(/^[0-9a-f]{64}$/)
  })

  test('differs for other wishes', async () => {
    const texts = [
      file({}),
      plus('rollout: { at_once: 2 }'),
      file({ 7: '  root: /srv/x' }),
      file({ 4: '  web-1: { address: 10.0.0.9 }' }),
      plus('confirm: true'),
    ]
    const hashes = await Promise.all(texts.map(async (text) => (await load(text)).hash))
    expect(new Set(hashes).size).toBe(texts.length)
  })
})
