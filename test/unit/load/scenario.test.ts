// What is sent: templates, data, mix, auth and checks. Nothing here opens a connection.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LoadData, LoadRequest, LoadSettings } from '../../../src/domain/load.ts'
import { compileChecks } from '../../../src/load/checks.ts'
import type { Ended } from '../../../src/load/lanes.ts'
import { createMix } from '../../../src/load/mix.ts'
import { createRandom } from '../../../src/load/random.ts'
import { cookiesOf } from '../../../src/load/request.ts'
import { prepareScenarios } from '../../../src/load/scenario.ts'
import { settings } from '../../helpers/load.ts'

type Change = Partial<LoadSettings>

function prepare(change: Change, env: Record<string, string> = {}, secrets: Record<string, string> = {}) {
  const readSecret = async (name: string) => {
    const value = secrets[name]
    if (value === undefined) throw new Error(`no ${name}`)
    return value
  }
  return prepareScenarios(settings(change), { runId: 'run-7', random: createRandom('seed'), env, readSecret })
}

function one(request: Partial<LoadRequest>, change: Change = {}): Change {
  return { scenarios: [{ name: 'one', weight: 1, steps: [{ method: 'GET', path: '/', ...request }] }], ...change }
}

async function sent(change: Change, env: Record<string, string> = {}, secrets: Record<string, string> = {}) {
  const arrival = (await prepare(change, env, secrets)).next()
  const request = arrival?.scenario.steps[0].request(arrival.visit(), null)
  if (request === undefined) throw new Error('nothing to send')
  const headers = Object.fromEntries(request.headers.flatMap((name, at) => (at % 2 === 0 ? [[name, request.headers[at + 1]]] : [])))
  return { ...request, headers }
}

function data(text: string, more: Partial<LoadData> = {}): Record<string, LoadData> {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-data-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'items')
  writeFileSync(path, text)
  return { items: { format: 'csv', path, order: 'sequential', ...more } }
}

function answer(more: Partial<Ended> = {}): Ended {
  return { failure: null, detail: '', status: 200, bytes: 0, headers: {}, body: '', endedMs: 0, ...more }
}

describe('a value', () => {
  test.each([
    ['a/b?c=d&e f', '/items/a%2Fb%3Fc%3Dd%26e%20f'],
    ['../../etc', '/items/..%2F..%2Fetc'],
    ['x\ty', '/items/x%09y'],
    ['ü', '/items/%C3%BC'],
  ])('%s is percent-encoded in a path', async (value, path) => {
    expect((await sent(one({ path: '/items/{{ items.id }}' }, { data: data(`id\n${value}\n`) }))).path).toBe(path)
  })

  test('with a line break ends neither a request line nor a header nor a JSON string', async () => {
    const hostile = data('id\n"1\r\nx-evil: yes"\n')
    const request: Partial<LoadRequest> = {
      method: 'POST',
      path: '/{{ items.id | raw }}',
      headers: { 'X-Item': '{{ items.id }}' },
      body: { kind: 'json', value: { note: 'item "{{ items.id }}"' } },
    }
    const found = await sent(one(request, { data: hostile, safety: { methods: ['POST'], abortIf: null } }))
    expect(found.path).toBe('/1%0D%0Ax-evil:%20yes')
    expect(found.headers['x-item']).toBe('1 x-evil: yes')
    expect(JSON.parse(found.body ?? '')).toEqual({ note: 'item "1\r\nx-evil: yes"' })
  })

  test('marked raw keeps its slashes; a path that is all data begins with one', async () => {
    expect((await sent(one({ path: '{{ items.id | raw }}' }, { data: data('id\n/a/b?c=%20#d\n') }))).path).toBe('/a/b?c=%20%23d')
    expect((await sent(one({ path: '{{ items.id | raw }}' }, { data: data('id\nplain\n') }))).path).toBe('/plain')
  })

  test('of JSON lines keeps its kind where it stands alone in JSON', async () => {
    const rows = data('{"id":7,"user":{"name":"a b"},"tags":["x"]}\n', { format: 'jsonl' })
    const value = {
      id: '{{ items.id }}',
      name: '{{ items.user.name }}',
      tags: '{{ items.tags }}',
      text: 'n{{ items.id }}',
      none: '{{ items.nothing }}',
    }
    const found = await sent(
      one({ method: 'POST', body: { kind: 'json', value } }, { data: rows, safety: { methods: ['POST'], abortIf: null } }),
    )
    expect(JSON.parse(found.body ?? '')).toEqual({ id: 7, name: 'a b', tags: ['x'], text: 'n7', none: null })
  })

  test('in a form is encoded as forms are', async () => {
    const form = { kind: 'form' as const, fields: { q: '{{ items.id }}', fixed: 'a&b' } }
    const found = await sent(
      one({ method: 'POST', body: form }, { data: data('id\nx=1&y\n'), safety: { methods: ['POST'], abortIf: null } }),
    )
    expect(found.body).toBe('q=x%3D1%26y&fixed=a%26b')
    expect(found.headers['content-type']).toBe('application/x-www-form-urlencoded')
  })
})

describe('expressions', () => {
  test('run, env, secret, uuid, randomInt, now', async () => {
    const path = '/{{run.id}}/{{ env.STAGE }}/{{ secret.KEY }}/{{ uuid }}/{{ randomInt(3, 5) }}/{{ now.ms }}'
    const found = await sent(one({ path }), { STAGE: 'test' }, { KEY: 's3cret' })
    expect(found.path).toMatch(
      /^\/run-7\/test\/s3cret\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\/[345]\/\d{13}$/,
    )
  })

  test('drawn values and rows are the same for both targets of a pair, and new for the next arrival', async () => {
    const scenarios = await prepare(one({ path: '/{{ uuid }}/{{ items.id }}' }, { data: data('id\n1\n2\n') }))
    const paths = [1, 2].map(() => {
      const arrival = scenarios.next()
      return [1, 2].map(() => arrival?.scenario.steps[0].request(arrival.visit(), null).path)
    })
    expect(paths[0]?.[0]).toBe(paths[0]?.[1])
    expect(paths[1]?.[0]).toBe(paths[1]?.[1])
    expect(paths[0]?.[0]).not.toBe(paths[1]?.[0])
    expect(paths.map(([path]) => path?.split('/')[2])).toEqual(['1', '2'])
  })

  test.each([
    ['/{{ itmes.id }}', 'nothing is called "itmes.id" here'],
    ['/{{ items.nope }}', '"items" has no column "nope"'],
    ['/{{ items }}', 'nothing is called "items" here'],
    ['/{{ env.NOWHERE }}', 'the variable NOWHERE is not set'],
    ['/{{ constructor.name }}', 'nothing is called "constructor.name" here'],
    ['/{{ randomInt(5, 3) }}', 'randomInt(5, 3) has no number in it'],
    ['/{{ uuid | upper }}', 'the only filter is "raw"'],
    ['/{{ uuid', '"{{" without its "}}"'],
    ['no-slash', '"no-slash" is not a path'],
  ])('%s is refused before anything is sent', async (path, message) => {
    await expect(prepare(one({ path }, { data: data('id\n1\n') }))).rejects.toMatchObject({
      code: 'E_LOAD',
      message: expect.stringContaining(message),
    })
  })

  test('a secret that cannot be had stops the run before it begins, and no error holds a value', async () => {
    const auth = { kind: 'bearer' as const, token: '{{ secret.TOKEN }}' }
    await expect(prepare({ auth })).rejects.toThrow('no TOKEN')
    const error = await prepare(one({ path: '/{{ nope }}' }, { auth }), {}, { TOKEN: 'hunter2' }).catch((caught: unknown) => caught)
    expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
  })
})

describe('auth', () => {
  test('bearer and basic, from secrets; a header of the file does not come twice', async () => {
    const headers = { Authorization: 'Basic old', 'User-Agent': 'mine' }
    const bearer = await sent({ headers, auth: { kind: 'bearer', token: '{{ secret.T }}' } }, {}, { T: 'abc' })
    expect(bearer.headers).toEqual({ 'user-agent': 'mine', authorization: 'Bearer abc' })
    const basic = await sent({ auth: { kind: 'basic', user: 'ann', password: '{{ secret.T }}' } }, {}, { T: 'pä:ss' })
    expect(basic.headers.authorization).toBe(`Basic ${Buffer.from('ann:pä:ss').toString('base64')}`)
    expect(basic.headers['user-agent']).toBe('rollgate-load/run-7')
  })

  test('cookies of the login join those of the file', async () => {
    const scenarios = await prepare({ headers: { cookie: 'a=1' } })
    const arrival = scenarios.next()
    expect(arrival?.scenario.steps[0].request(arrival.visit(), 'sid=2').headers).toContain('a=1; sid=2')
    expect(cookiesOf(answer({ headers: { 'set-cookie': ['sid=2; Path=/; HttpOnly', 'lang=de'] } }))).toEqual(
      new Map([
        ['sid', '2'],
        ['lang', 'de'],
      ]),
    )
  })
})

describe('safety', () => {
  test('a method that may change something is refused unless it is allowed', async () => {
    await expect(prepare(one({ method: 'DELETE' }))).rejects.toMatchObject({
      code: 'E_LOAD',
      message: expect.stringContaining('DELETE may change something'),
    })
    await expect(prepare(one({ method: 'DELETE' }, { safety: { methods: ['DELETE'], abortIf: null } }))).resolves.toBeDefined()
  })

  test('weights without any above zero, and two scenarios of one name, are refused', async () => {
    const step: LoadRequest = { method: 'GET', path: '/' }
    await expect(prepare({ scenarios: [{ name: 'a', weight: 0, steps: [step] }] })).rejects.toThrow('one of them above 0')
    const twice = { name: 'a', weight: 1, steps: [step] as const }
    await expect(prepare({ scenarios: [twice, twice] })).rejects.toThrow('two requests are called "a"')
  })
})

describe('data', () => {
  test('quoted fields, line breaks in them, a byte order mark, CRLF and empty lines', async () => {
    const rows = data('\uFEFFid,"note, long"\r\n1,"a ""b""\r\nc"\r\n\r\n2,\r\n')
    const scenarios = await prepare(one({ path: '/{{ items.id }}/{{ items.note, long }}' }, { data: rows }))
    const paths = [1, 2, 3].map(() => {
      const arrival = scenarios.next()
      return arrival?.scenario.steps[0].request(arrival.visit(), null).path
    })
    expect(paths).toEqual(['/1/a%20%22b%22%0D%0Ac', '/2/', '/1/a%20%22b%22%0D%0Ac'])
  })

  test('once: every row one time, then no more', async () => {
    const scenarios = await prepare(one({ path: '/{{ items.id }}' }, { data: data('id\n1\n2\n', { order: 'once' }) }))
    expect([scenarios.next() !== null, scenarios.next() !== null, scenarios.next()]).toEqual([true, true, null])
  })

  test('partition: alone it is sequential, again from the top', async () => {
    const scenarios = await prepare(one({ path: '/{{ items.id }}' }, { data: data('id\n1\n2\n', { order: 'partition' }) }))
    const paths = Array.from({ length: 3 }, () => {
      const arrival = scenarios.next()
      return arrival?.scenario.steps[0].request(arrival.visit(), null).path
    })
    expect(paths).toEqual(['/1', '/2', '/1'])
  })

  test('random: seeded, and every row comes', async () => {
    const rows = data('id\n1\n2\n3\n', { order: 'random' })
    const draw = async () => {
      const scenarios = await prepare(one({ path: '/{{ items.id }}' }, { data: rows }))
      return Array.from({ length: 30 }, () => {
        const arrival = scenarios.next()
        return arrival?.scenario.steps[0].request(arrival.visit(), null).path
      })
    }
    const first = await draw()
    expect(await draw()).toEqual(first)
    expect(new Set(first)).toEqual(new Set(['/1', '/2', '/3']))
  })

  test('a scenario without data uses up none', async () => {
    const step = (path: string): LoadRequest => ({ method: 'GET', path })
    const scenarios = await prepare({
      data: data('id\n1\n2\n3\n', { order: 'once' }),
      scenarios: [
        { name: 'plain', weight: 1, steps: [step('/')] },
        { name: 'row', weight: 0, steps: [step('/{{ items.id }}')] },
      ],
    })
    for (let turn = 0; turn < 100; turn += 1) expect(scenarios.next()?.scenario.name).toBe('plain')
  })

  test.each([
    ['', 'is empty'],
    ['id\n', 'has no rows'],
    ['id,id\n1,2\n', 'names the column "id" twice'],
    ['id,name\n1\n', 'line 2 has 1 fields, not 2'],
    ['id\n"open\n', 'line 2 has a quote that does not belong there or is not closed'],
    ['id\na"b\n', 'line 2 has a quote'],
  ])('the CSV %j is refused', async (text, message) => {
    await expect(prepare(one({}, { data: data(text) }))).rejects.toMatchObject({
      code: 'E_LOAD_DATA',
      message: expect.stringContaining(message),
    })
  })

  test.each([
    ['{"a":1}\n{broken\n', 'line 2 is not JSON'],
    ['[1]\n', 'line 1 is not a JSON object'],
  ])('the JSON lines %j are refused', async (text, message) => {
    await expect(prepare(one({}, { data: data(text, { format: 'jsonl' }) }))).rejects.toMatchObject({
      code: 'E_LOAD_DATA',
      message: expect.stringContaining(message),
    })
  })

  test('a file that is not there is named', async () => {
    const items: LoadData = { format: 'csv', path: '/nowhere/items.csv', order: 'sequential' }
    await expect(prepare({ data: { items } })).rejects.toMatchObject({
      code: 'E_LOAD_DATA',
      message: expect.stringContaining('/nowhere/items.csv cannot be read'),
    })
  })
})

describe('checks', () => {
  const wrong = (expected: Parameters<typeof compileChecks>[0], ended: Partial<Ended>, serviceMs = 1) =>
    compileChecks(expected, 'here', new Map()).wrong(answer(ended), serviceMs)

  test.each([
    [{}, { status: 204 }, null],
    [{}, { status: 302 }, null],
    [{}, { status: 404 }, 'HTTP 404'],
    [{ status: [404] as const }, { status: 404 }, null],
    [{ status: ['4xx'] as const }, { status: 418 }, null],
    [{ status: ['2xx'] as const }, { status: 302 }, 'HTTP 302'],
    [{ headers: { 'X-Release': 'r2' } }, { headers: { 'x-release': 'r2' } }, null],
    [{ headers: { 'x-release': 'r2' } }, { headers: { 'x-release': 'r1' } }, 'header x-release'],
    [{ headers: { etag: null } }, { headers: {} }, 'header etag'],
    [{ bodyContains: ['ok'] }, { body: 'all ok' }, null],
    [{ bodyContains: ['ok'] }, { body: null }, 'body contains "ok"'],
    [{ json: { '$.a[0].b': 1 } }, { body: '{"a":[{"b":1}]}' }, null],
    [{ json: { '$.a[0].b': 1 } }, { body: '{"a":[{"b":"1"}]}' }, 'json $.a[0].b'],
    [{ json: { '$.a': null } }, { body: '{"a":null}' }, null],
    [{ json: { '$.a': 1 } }, { body: '<html>' }, 'body is JSON'],
    [{ minBytes: 10 }, { bytes: 9 }, 'at least 10 bytes'],
    [{ maxBytes: 10 }, { bytes: 11 }, 'at most 10 bytes'],
  ])('%j of %j', (expected, ended, detail) => {
    expect(wrong(expected, ended)?.detail ?? null).toBe(detail)
  })

  test('within: the service time', () => {
    expect(wrong({ withinMs: 5 }, {}, 4)).toBeNull()
    expect(wrong({ withinMs: 5 }, {}, 6)).toEqual({ class: 'check', detail: 'within 5 ms' })
  })

  test('a path that is none is refused', () => {
    expect(() => compileChecks({ json: { '$[': 1 } }, 'here', new Map())).toThrow('"$[" is not a JSON path')
  })
})

test('a mix draws by weight', () => {
  const draw = createMix([8, 2, 0, 30])
  const random = createRandom('mix')
  const counts = [0, 0, 0, 0]
  for (let turn = 0; turn < 40_000; turn += 1) {
    const index = draw(random)
    counts[index] = (counts[index] ?? 0) + 1
  }
  expect(counts[2]).toBe(0)
  // Chi-square, 2 degrees of freedom: 13.8 is the 0.1 % limit; the seed is fixed.
  const expected = [8000, 2000, 30_000]
  const seen = [counts[0], counts[1], counts[3]]
  expect(seen.reduce<number>((sum, count, at) => sum + ((count ?? 0) - (expected[at] ?? 1)) ** 2 / (expected[at] ?? 1), 0)).toBeLessThan(
    13.8,
  )
})

describe('a JSON Schema of an answer', () => {
  const schema = { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } }
  const wrongOf = async (change: Change, body: string) => (await prepare(change)).all[0]?.steps[0].checks.wrong(answer({ body }), 0)

  test('is a check like the others, by itself or from a file; the body is kept for it', async () => {
    const [{ path }] = Object.values(data(JSON.stringify(schema))) as [LoadData]
    for (const given of [{ json: schema }, { path }]) {
      const asked = one({ expect: { schema: given } })
      expect((await prepare(asked)).all[0]?.steps[0].keepBody).toBe(true)
      expect(await wrongOf(asked, '{"id": 1}')).toBeNull()
      expect(await wrongOf(asked, '{"id": "secret"}')).toEqual({ class: 'check', detail: 'schema #/properties/id/type' })
      expect(await wrongOf(asked, '{"id": 1')).toEqual({ class: 'check', detail: 'body is JSON' })
    }
  })

  test.each([
    ['no JSON', '{', 'is not JSON'],
    ['a keyword that cannot be checked', '{"requird": []}', 'unknown keyword: "requird"'],
  ])('%s is refused before anything is sent', async (_, text, why) => {
    const [{ path }] = Object.values(data(text)) as [LoadData]
    await expect(prepare(one({ expect: { schema: { path } } }))).rejects.toMatchObject({
      code: 'E_LOAD',
      message: expect.stringContaining(why),
    })
    const gone = { auth: { kind: 'login', request: { method: 'GET', path: '/', expect: { schema: { path: `${path}.gone` } } } } } as const
    await expect(prepare(one({}, gone))).rejects.toMatchObject({ code: 'E_LOAD', message: expect.stringContaining('cannot be read') })
  })
})
