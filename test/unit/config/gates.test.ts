// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax of the file under test.
// `loads` and `gates`: what they become, and everything that is refused at its place.
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { load, plus, problemsOf } from './helpers.ts'

const example = new URL('../../fixtures/config/design-example.yml', import.meta.url)

/** The design's own `loads` and `gates`, after the smallest file. */
async function designed(): Promise<string> {
  const text = await readFile(example, 'utf8')
  return plus(text.slice(text.indexOf('\nloads:') + 1, text.indexOf('\nhooks:') + 1))
}

const LOAD = 'loads: { l: { rate: 10/s, requests: [{ get: / }] } }\n'
const withLoad = (more: string): string => plus(`loads: { l: { rate: 10/s, requests: [{ get: / }], ${more} } }`)
const withGate = (more: string): string => plus(`${LOAD}gates: { g: { load: l, ${more} } }`)

describe('the loads and gates of the design', () => {
  test('become what they say', async () => {
    const { config, cwd } = await load(await designed())
    expect(config.loads.checkout).toEqual({
      name: 'checkout',
      model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 200 }, arrivals: 'poisson' },
      duration: { atLeastMs: 75_000, atMostMs: 300_000 },
      warmup: { atLeastMs: 15_000, atMostMs: 120_000 },
      data: { items: { format: 'csv', path: `${cwd}/data/items.csv`, order: 'random' } },
      scenarios: [
        { name: 'GET /items/{{ items.id }}', weight: 8, steps: [{ method: 'GET', path: '/items/{{ items.id }}' }] },
        {
          name: 'POST /cart',
          weight: 2,
          steps: [{ method: 'POST', path: '/cart', body: { kind: 'json', value: { item: 7 } }, expect: { status: [201] } }],
        },
      ],
      headers: { 'x-load-test': '{{ run.id }}' },
      auth: null,
      timeouts: { connectMs: 5000, firstByteMs: 10_000, bodyMs: 10_000 },
      safety: { methods: ['GET', 'HEAD', 'POST'], abortIf: { errorRate: 0.05, forMs: 10_000 } },
    })
    expect(Object.keys(config.gates)).toEqual(['canary', 'slo', 'smoke', 'imported'])
    expect(config.gates.canary).toMatchObject({
      name: 'canary',
      source: {
        kind: 'load',
        load: 'checkout',
        at: { kind: 'canary' },
        when: 'isolated',
        baseline: { kind: 'drained-peer', restart: false, insist: false },
      },
      confidence: { falseAlarm: 0.01, falsePass: 0.05, looks: 4, hostEffect: 0.05 },
      onInconclusive: { extend: 1, otherwise: 'pause' },
      onInvalid: { retry: 1, otherwise: 'fail' },
    })
    expect(config.gates.canary?.pass.map(({ text, mode }) => `${text} ${mode}`)).toEqual([
      'errors < 0.5% gate',
      'p95 < 300ms gate',
      'rps >= 98% of offered gate',
      'p50 <= baseline + 10% gate',
      'p95 <= baseline + 15% or + 5ms gate',
      'slow <= baseline + 1pp gate',
      'errors <= baseline + 0.1pp gate',
      'p99 < 800ms warn',
    ])
    expect(config.gates.slo?.source).toMatchObject({ kind: 'prometheus', url: 'http://prom:9090', onEmpty: 'invalid', burn: null })
    expect(config.gates.smoke?.source).toEqual({ kind: 'command', run: 'npm run smoke', timeoutMs: 600_000 })
    expect(config.gates.imported?.source).toEqual({ kind: 'import', format: 'k6', path: `${cwd}/results/k6.json` })
  })

  test('mean the same on every machine: the hash does not hold the folder', async () => {
    const text = await designed()
    expect((await load(text)).hash).toBe((await load(text)).hash)
    expect((await load(text.replace('p95 < 300ms', 'p95 < 301ms'))).hash).not.toBe((await load(text)).hash)
  })

  test('are shown whole by config show, bodies too', async () => {
    const { masked, origins } = await load(await designed())
    expect(masked).toMatchObject({ loads: { checkout: { requests: [{ weight: 8 }, { post: '/cart', json: { item: 7 } }] } } })
    expect(origins['gates.canary.on_invalid.then']).toMatch(/^rollgate\.yml:\d+:\d+$/)
  })
})

describe('other forms', () => {
  test.each([
    ['rate: { ramp: { from: 1/s, to: 60/m } }', { kind: 'ramp', fromPerSecond: 1, toPerSecond: 1 }],
    ['rate: { steps: [{ rate: 5/s, for: 10s }] }', { kind: 'steps', steps: [{ ratePerSecond: 5, forMs: 10_000 }] }],
    [
      'rate: { spike: { base: 1/s, peak: 9/s, at: 0s, for: 1s } }',
      { kind: 'spike', basePerSecond: 1, peakPerSecond: 9, atMs: 0, forMs: 1000 },
    ],
    [
      'rate: { sine: { mean: 9/s, amplitude: 3/s, period: 1m } }',
      { kind: 'sine', meanPerSecond: 9, amplitudePerSecond: 3, periodMs: 60_000 },
    ],
  ])('a rate may change: %s', async (rate, profile) => {
    const { config } = await load(plus(`loads: { l: { ${rate}, requests: [{ get: / }] } }`))
    expect(config.loads.l?.model).toMatchObject({ kind: 'paced', profile })
  })

  test('a closed model, steps that hand on values, every check', async () => {
    const { config } = await load(
      plus(
        [
          'loads:',
          '  l:',
          '    connections: 5',
          '    workers: 2',
          '    amount: 100',
          '    duration: 60s',
          '    warmup: 0s',
          '    auth: { bearer: "{{ secret.T }}" }',
          '    safety: { methods: [GET, PUT] }',
          '    scenarios:',
          '      buy:',
          '        weight: 3',
          '        steps:',
          '          - { get: /a, capture: { id: { json: $.id }, c: { header: X-C } } }',
          '          - put: "/b?{{ id }}"',
          '            form: { a: b }',
          '            expect: { status: [2xx, 404], headers: { X-A: true, X-B: c }, body: ok, json: { $.ok: true }, max_bytes: 9, within: 1s }',
          '',
        ].join('\n'),
      ),
    )
    expect(config.loads.l).toMatchObject({
      model: { kind: 'closed', connections: 5, workers: 2, amount: 100 },
      duration: { atLeastMs: 60_000, atMostMs: 60_000 },
      auth: { kind: 'bearer', token: '{{ secret.T }}' },
      scenarios: [
        {
          name: 'buy',
          weight: 3,
          steps: [
            { method: 'GET', path: '/a', capture: { id: { json: '$.id' }, c: { header: 'x-c' } } },
            {
              method: 'PUT',
              path: '/b?{{ id }}',
              body: { kind: 'form', fields: { a: 'b' } },
              expect: {
                status: ['2xx', 404],
                headers: { 'x-a': null, 'x-b': 'c' },
                bodyContains: ['ok'],
                json: { '$.ok': true },
                maxBytes: 9,
                withinMs: 1000,
              },
            },
          ],
        },
      ],
    })
  })

  test('answers may be held against a schema, by itself or in a file; rows may be of one generator alone', async () => {
    const { config, cwd } = await load(
      plus(
        [
          'loads:',
          '  l:',
          '    rate: 1/s',
          '    data: { d: { csv: d.csv, order: partition } }',
          '    requests:',
          '      - { get: /a, expect: { schema: schemas/a.json } }',
          '      - { get: /b, expect: { schema: { type: object, required: [id] } } }',
          '',
        ].join('\n'),
      ),
    )
    expect(config.loads.l).toMatchObject({ data: { d: { order: 'partition' } } })
    expect(config.loads.l?.scenarios.map(({ steps }) => steps[0].expect)).toEqual([
      { schema: { path: `${cwd}/schemas/a.json` } },
      { schema: { json: { type: 'object', required: ['id'] } } },
    ])
  })

  test('a load over TLS and HTTP/2; without a word of them it is plain HTTP/1.1', async () => {
    const { config, cwd } = await load(
      plus(
        'loads: { l: { rate: 1/s, http2: true, tls: true, ca: ops/ca.pem, requests: [{ get: / }] }, m: { rate: 1/s, http2: false, requests: [{ get: / }] } }',
      ),
    )
    expect(config.loads.l).toMatchObject({ http2: true, tls: true, ca: `${cwd}/ops/ca.pem` })
    expect(Object.keys(config.loads.m ?? {})).toEqual(expect.not.arrayContaining(['http2', 'tls', 'ca']))
  })

  test('how much hosts differ is learned unless the file says it', async () => {
    const { config } = await load(
      plus(
        `${LOAD}gates: { g: { load: l, against: { baseline: drained-peer } }, h: { load: l, against: { baseline: drained-peer }, confidence: { host_effect: 5% } } }`,
      ),
    )
    expect(config.gates).toMatchObject({
      g: { learnsHostEffect: true, confidence: { hostEffect: 0.05 } },
      h: { learnsHostEffect: false, confidence: { hostEffect: 0.05 } },
    })
  })

  test("a gate's own on_inconclusive wins over the rollout's", async () => {
    const { config } = await load(
      plus(
        'rollout: { on_inconclusive: fail }\ngates: { a: { command: x }, b: { command: { run: y, timeout: 1s }, on_inconclusive: { then: pass } } }',
      ),
    )
    expect(config.gates.a?.onInconclusive).toEqual({ extend: 1, otherwise: 'fail' })
    expect(config.gates.b).toMatchObject({ onInconclusive: { otherwise: 'pass' }, source: { run: 'y', timeoutMs: 1000 } })
  })

  test('a gate that compares and says nothing else has the usual margins, without `slow` where nothing is calibrated', async () => {
    const usual = ['p50 <= baseline + 10%', 'p95 <= baseline + 15%', 'slow <= baseline + 1pp', 'errors <= baseline + 0.1pp']
    const { config } = await load(
      plus(
        [
          'loads:',
          '  l: { rate: 10/s, requests: [{ get: / }] }',
          '  v: { engine: { vegeta: targets.txt, rate: 5/s } }',
          'gates:',
          '  usual: { load: l, against: { baseline: drained-peer } }',
          '  once: { load: l, against: { baseline: drained-peer }, calibrate: 0s }',
          '  tool: { load: v, against: { baseline: in-rotation } }',
          '  own: { load: l, against: { baseline: drained-peer }, pass: [errors < 1%] }',
          '',
        ].join('\n'),
      ),
    )
    const asked = Object.fromEntries(Object.entries(config.gates).map(([name, { pass }]) => [name, pass.map(({ text }) => text)]))
    const withoutSlow = usual.filter((text) => !text.startsWith('slow'))
    expect(asked).toEqual({ usual, once: withoutSlow, tool: withoutSlow, own: ['errors < 1%'] })
  })

  test('an environment may measure otherwise: the kind it names drops the other', async () => {
    const text = plus(`${LOAD}environments: { e: { loads: { l: { connections: 3 } } } }\n`)
    expect((await load(text, { environment: 'e' })).config.loads.l?.model).toEqual({ kind: 'closed', connections: 3 })
  })

  test('names that every object has find nothing', async () => {
    const { config } = await load(plus(''))
    expect([config.loads.constructor, config.gates.toString]).toEqual([undefined, undefined])
  })
})

describe('refused at its place', () => {
  test.each([
    ['a misspelt key', withLoad('durtion: 1s'), 'loads.l.durtion', 'unknown key', 'duration'],
    ['no requests', plus('loads: { l: { rate: 1/s } }'), 'loads.l.requests', 'is missing'],
    ['no model', plus('loads: { l: { requests: [{ get: / }] } }'), 'loads.l', 'needs one of rate, connections'],
    ['both models', withLoad('connections: 5'), 'loads.l.connections', 'beside `rate`'],
    [
      'what autocannon cannot do',
      plus('loads: { l: { connections: 2, new_connection_every: 5, requests: [{ get: / }] } }'),
      'loads.l.new_connection_every',
      'belongs to `rate`',
    ],
    ['workers of a rate', withLoad('workers: 2'), 'loads.l.workers', 'belongs to `connections`'],
    [
      'a schema that cannot be checked',
      plus('loads: { l: { rate: 1/s, requests: [{ get: /, expect: { schema: { requird: [] } } }] } }'),
      'loads.l.requests[0].expect.schema',
      'unknown keyword: "requird"',
    ],
    [
      'a schema that is none',
      plus('loads: { l: { rate: 1/s, requests: [{ get: /, expect: { schema: 5 } }] } }'),
      'loads.l.requests[0].expect.schema',
      '',
    ],
    [
      'HTTP/2 in the closed model',
      plus('loads: { l: { connections: 5, http2: true, requests: [{ get: / }] } }'),
      'loads.l.http2',
      'belongs to `rate`',
    ],
    ['connections that are closed', withLoad('http2: true, new_connection_every: 5'), 'loads.l.new_connection_every', 'beside `http2`'],
    ['a rate without unit', plus('loads: { l: { rate: 10, requests: [{ get: / }] } }'), 'loads.l.rate', 'such as 20/s'],
    ['two shapes of a rate', plus('loads: { l: { rate: {}, requests: [{ get: / }] } }'), 'loads.l.rate', 'needs one of ramp'],
    ['a range backwards', withLoad('duration: 9s..3s'), 'loads.l.duration', 'must not be longer'],
    ['a duration without unit', withLoad('duration: 60'), 'loads.l.duration', 'without a unit'],
    ['a measurement of nothing', withLoad('duration: 0s'), 'loads.l.duration', 'at least 1s'],
    ['a method that changes', plus('loads: { l: { rate: 1/s, requests: [{ post: / }] } }'), 'loads.l.requests[0].post', 'safety.methods'],
    ['two methods', plus('loads: { l: { rate: 1/s, requests: [{ get: /, head: / }] } }'), 'loads.l.requests[0].head', 'beside `get`'],
    [
      'half an expression',
      plus('loads: { l: { rate: 1/s, requests: [{ get: "/{{ a" }] } }'),
      'loads.l.requests[0].get',
      'without the other',
    ],
    ['a blank in a path', plus('loads: { l: { rate: 1/s, requests: [{ get: /a b }] } }'), 'loads.l.requests[0].get', '%20'],
    ['a header with a line break', withLoad('headers: { a: "b\\nc: d" }'), 'loads.l.headers.a', 'a newline'],
    ['a token as it is', withLoad('auth: { bearer: s3cret }'), 'loads.l.auth.bearer', 'secret itself'],
    ['half a stop', withLoad('safety: { abort_if: errors > 5% }'), 'loads.l.safety.abort_if', 'for 10s', 'errors > 5% for 10s'],
    ['data of two formats', withLoad('data: { d: { csv: a, jsonl: b } }'), 'loads.l.data.d.jsonl', 'beside `csv`'],
    ['a command word as load', plus('loads: { selftest: { rate: 1/s, requests: [{ get: / }] } }'), 'loads.selftest', 'command line'],
    ['a command word as gate', plus('gates: { plan: { command: x } }'), 'gates.plan', 'command line'],
    ['a name with a quote', plus(`gates: { "a'b": { command: x } }`), `gates."a'b"`, 'is not a gate name'],
    ['no source', plus('gates: { g: { pass: [] } }'), 'gates.g', 'needs one of load'],
    ['two sources', withGate('pass: [errors = 0], command: x'), 'gates.g.command', 'beside `load`'],
    ['a load that is not there', plus(`${LOAD}gates: { g: { load: ll, pass: [errors = 0] } }`), 'gates.g.load', 'not under `loads`', 'l'],
    ['nothing asked', withGate('at: canary'), 'gates.g.pass', 'asks nothing'],
    ['an empty list', withGate('pass: []'), 'gates.g.pass', 'asks nothing'],
    ['a clause without unit', withGate('pass: [p95 < 300]'), 'gates.g.pass[0]', 'without a unit', 'p95 < 300ms'],
    ['a clause backwards', withGate('pass: [p95 > 300ms]'), 'gates.g.pass[0]', 'more is worse'],
    ['a broken clause with a mode', withGate('pass: [{ clause: p95 < 300, mode: warn }]'), 'gates.g.pass[0].clause', 'without a unit'],
    ['a wrong mode', withGate('pass: [{ clause: errors = 0, mode: wran }]'), 'gates.g.pass[0].mode', 'must be gate or warn', 'warn'],
    ['nothing to compare with', withGate('pass: [p95 <= baseline + 10%]'), 'gates.g.pass[0]', 'add `against'],
    [
      'bursts on hosts that serve',
      withGate('against: { baseline: in-rotation }, pass: [capacity >= 95% of baseline]'),
      'gates.g.pass[0]',
      'takes both out of rotation',
    ],
    ['a query clause of a load', withGate('pass: [value < 1]'), 'gates.g.pass[0]', 'only a gate with `prometheus`'],
    ['a clause of a command', plus('gates: { g: { command: x, pass: [errors = 0] } }'), 'gates.g.pass', 'the exit code decides'],
    ['a key of another source', plus('gates: { g: { command: x, at: canary } }'), 'gates.g.at', 'belongs to a gate with `load`'],
    ['isolated behind the balancer', withGate('at: balancer, when: isolated, pass: [errors = 0]'), 'gates.g.when', 'use `at: canary`'],
    [
      'isolated in rotation',
      withGate('when: isolated, against: { baseline: in-rotation }, pass: [errors = 0]'),
      'gates.g.when',
      'use `when: serving`',
    ],
    [
      'a comparison at a URL',
      withGate('at: "http://x", against: { baseline: mixed }, pass: [errors = 0]'),
      'gates.g.against',
      'at: canary',
    ],
    ['a misspelt target', withGate('at: balancr, pass: [errors = 0]'), 'gates.g.at', 'must be canary, balancer', 'balancer'],
    ['a login in the target', withGate('at: "http://a:b@x", pass: [errors = 0]'), 'gates.g.at', 'holds a login'],
    ['a chance of nothing', withGate('pass: [errors = 0], confidence: { false_pass: 0% }'), 'gates.g.confidence.false_pass', 'above 0%'],
    [
      'an unknown format',
      plus('gates: { g: { import: { format: k7, path: x }, pass: [errors = 0] } }'),
      'gates.g.import.format',
      'k6',
      'k6',
    ],
  ])('%s', async (...given) => {
    const [, text, key, says, nearest] = given
    const problems = await problemsOf(text)
    const found = problems.find((problem) => problem.key === key)
    expect(found, JSON.stringify(problems)).toBeDefined()
    expect(problems, JSON.stringify(problems)).toHaveLength(1)
    expect(`${found?.message} ${found?.nearest ?? ''}`).toContain(says)
    if (nearest !== undefined) expect(found?.nearest).toBe(nearest)
  })
})
