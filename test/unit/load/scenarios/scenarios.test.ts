// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what a recording may hold.
// Loads that are made from recordings and descriptions: what is in them, what must not be, and that the file's own rules accept
// whatever comes out.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readPlainYaml } from '../../../../src/config/yaml.ts'
import type { LoadMethod } from '../../../../src/domain/load.ts'
import { readHar } from '../../../../src/load/scenarios/har.ts'
import { isSecretName, looksSecret } from '../../../../src/load/scenarios/hide.ts'
import { readOpenApi } from '../../../../src/load/scenarios/openapi.ts'
import { writeDraft } from '../../../../src/load/scenarios/write.ts'
import { load, plus } from '../../config/helpers.ts'

const fixture = (name: string): string => readFileSync(join(import.meta.dirname, '../../../fixtures/scenarios', name), 'utf8')
const har = (): unknown => JSON.parse(fixture('shop.har'))
const openapi = (): unknown => readPlainYaml(fixture('shop.openapi.yaml'))

const harDraft = (more: { readonly methods?: readonly LoadMethod[]; readonly all?: boolean; readonly origins?: readonly string[] } = {}) =>
  readHar(har(), { origins: [], methods: [], all: false, ...more })
/** As the configuration reads it back. */
const settingsOf = async (draft: ReturnType<typeof harDraft>) => {
  const { config } = await load(plus(writeDraft(draft, 'a file')), { env: { HOME: '/home/me' } })
  return config.loads[draft.name]
}

describe('a recording', () => {
  test('becomes a visit to its own site, without static files, answers that never came, and what changes something', () => {
    const draft = harDraft()
    expect(draft.requests.map((request) => `${request.method} ${request.path.split('?')[0]}`)).toEqual([
      'GET /',
      'GET /api/items',
      'GET /cached',
    ])
    expect(draft.left).toEqual([
      { count: 2, why: 'POST, which changes something (--methods POST)' },
      { count: 1, why: 'static files (--all)' },
      { count: 1, why: 'of other sites (--origin)' },
      { count: 1, why: 'without an answer' },
    ])
  })

  test('says what its answers must be, and nothing where the cache answered', () => {
    expect(harDraft({ methods: ['POST'] }).requests.map((request) => request.expect?.status)).toEqual([
      [200],
      [206],
      [201],
      [302],
      undefined,
    ])
  })

  test('takes other sites and static files when asked', () => {
    expect(harDraft({ all: true }).requests).toHaveLength(4)
    expect(harDraft({ origins: ['https://cdn.example.net'], all: true }).requests.map((request) => request.path)).toEqual(['/a.png'])
    expect(() => harDraft({ origins: ['https://elsewhere.example'] })).toThrow('none of its 8 requests is left')
  })

  test('holds no secret, in no place: each has a name', async () => {
    const draft = harDraft({ methods: ['POST'], all: true })
    const text = writeDraft(draft, 'shop.har')
    expect(text).not.toContain('5ecr3t')
    expect(text).not.toMatch(/cookie:|session=/)
    expect(draft.secrets).toEqual([
      'RECORDED_AUTHORIZATION',
      'RECORDED_X_CSRF_TOKEN',
      'RECORDED_API_KEY',
      'RECORDED_PASSWORD',
      'RECORDED_CSRF_TOKEN',
    ])
    for (const secret of draft.secrets) expect(text).toContain(`#     ${secret}: { env: ${secret} }`)
    const settings = await settingsOf(draft)
    const steps = settings?.scenarios[0].steps
    expect(steps?.find((step) => step.path.startsWith('/api/login'))?.body).toEqual({
      kind: 'json',
      value: { user: 'ada', password: '{{ secret.RECORDED_PASSWORD }}', cost: '${HOME}', remember: true },
    })
    expect(steps?.find((step) => step.path === '/cart')?.body).toEqual({
      kind: 'form',
      fields: { item: '7', csrf_token: '{{ secret.RECORDED_CSRF_TOKEN }}' },
    })
  })

  test('numbers, what lies inside a secret, and sessions in a path are hidden, too', () => {
    const text = JSON.stringify({ pin: 4711, token: { value: 'plain', list: ['other'] }, page: 7, items: [{ apiKey: 'k' }] })
    const entries = [
      {
        request: {
          method: 'POST',
          url: 'https://a.example/cart;jsessionid=5ecr3t/x?PHPSESSID=5ecr3t',
          postData: { mimeType: 'application/json', text },
        },
        response: { status: 200 },
      },
    ]
    const [request] = readHar({ log: { entries } }, { origins: [], methods: ['POST'], all: false }).requests
    expect(request?.path).toBe('/cart/x?PHPSESSID={{ secret.RECORDED_PHPSESSID }}')
    expect(request?.body).toEqual({
      kind: 'json',
      value: {
        pin: '{{ secret.RECORDED_PIN }}',
        token: { value: '{{ secret.RECORDED_TOKEN_VALUE }}', list: ['{{ secret.RECORDED_TOKEN_LIST }}'] },
        page: 7,
        items: [{ apiKey: '{{ secret.RECORDED_APIKEY }}' }],
      },
    })
  })

  test('what looks like our own templates and variables arrives as text', async () => {
    const settings = await settingsOf(harDraft())
    const items = settings?.scenarios[0].steps.find((step) => step.path.startsWith('/api/items'))
    expect(items?.path).toBe('/api/items?page=2&api_key={{ secret.RECORDED_API_KEY }}&q=%7B%7Benv.HOME%7D%7D%20$%7BHOME%7D')
    expect(items?.headers).toEqual({
      authorization: '{{ secret.RECORDED_AUTHORIZATION }}',
      'x-csrf-token': '{{ secret.RECORDED_X_CSRF_TOKEN }}',
      'x-shop': 'north',
      'x-price': '${HOME}',
    })
  })

  test('JSON inside JSON is kept, and what would be a template of ours is left out, however it is escaped', () => {
    const post = (text: string) => ({
      request: { method: 'POST', url: 'https://a.example/', postData: { mimeType: 'application/json', text } },
      response: { status: 200 },
    })
    const entries = [
      post('{"a":{"b":{"c":"}}"}}}'),
      post('{"a":"{{ env.HOME }}"}'),
      post('{"a":["\\u007b\\u007b env.HOME }}"]}'),
      post('{"a":'),
      post(`${'['.repeat(9_000)}`),
    ]
    const made = readHar({ log: { entries } }, { origins: [], methods: ['POST'], all: false })
    expect(made.requests.map((request) => request.body)).toEqual([{ kind: 'json', value: { a: { b: { c: '}}' } } } }])
    expect(made.left).toEqual([
      { count: 2, why: 'with {{ in the body' },
      { count: 2, why: 'with a body that is no JSON' },
    ])
  })

  test.each([
    ['no recording', {}, 'log.entries is missing'],
    ['an empty one', { log: { entries: [] } }, 'nothing was recorded'],
    ['entries of other types', { log: { entries: [null, 7, 'x', [], { request: 5 }] } }, 'none of its 5 requests'],
  ])('%s is refused with a reason', (_, root, why) => {
    expect(() => readHar(root, { origins: [], methods: [], all: false })).toThrow(why)
  })

  test('whatever was recorded, the configuration accepts what comes out', { timeout: 120_000 }, async () => {
    const odd = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        '${HOME}',
        '{{ env.HOME }}',
        '{{',
        '}}',
        '#',
        ': ',
        '\n- x',
        '"',
        "'",
        '\\',
        '\u0000',
        '\u0085',
        '\ufdd0HOME\ufdd1',
        '__proto__',
        'constructor',
        'null',
        '- a',
        '&a',
        '*a',
        '!!js',
      ),
    )
    const entry = fc.record({
      request: fc.record({
        method: fc.constantFrom('GET', 'POST', 'PUT', 'get', 'TRACE'),
        url: odd.map((text) => `https://a.example/${encodeURI(text.toWellFormed())}?${text.replace(/[#\s]/g, '')}`),
        headers: fc.array(fc.record({ name: odd, value: odd }), { maxLength: 4 }),
        postData: fc.option(
          fc.record({
            mimeType: fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded'),
            text: fc.oneof(
              odd,
              fc.dictionary(odd, odd, { maxKeys: 3 }).map((value) => JSON.stringify(value)),
            ),
          }),
        ),
      }),
      response: fc.record({ status: fc.constantFrom(200, 404, 304, 999, -1) }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), odd, async (entries, name) => {
        let draft: ReturnType<typeof readHar>
        try {
          draft = readHar({ log: { entries } }, { origins: ['https://a.example'], methods: ['POST', 'PUT'], all: true })
        } catch (error) {
          expect(String(error)).toContain('is left')
          return
        }
        const { config } = await load(plus(writeDraft(draft, name)), { env: { HOME: '/home/5ecr3t' } })
        const steps = config.loads.recorded?.scenarios[0].steps ?? []
        expect(steps).toHaveLength(draft.requests.length)
        expect(JSON.stringify(steps)).not.toContain('/home/5ecr3t')
        expect(steps.map((step) => step.body)).toEqual(
          draft.requests.map((request) => (request.body?.kind === 'text' ? { kind: 'text', text: request.body.text } : request.body)),
        )
      }),
      { numRuns: process.env.ROLLGATE_FULL === '1' ? 600 : 25, seed: 11 },
    )
  })
})

describe('a description', () => {
  const draft = (methods: readonly LoadMethod[] = []) => readOpenApi(openapi(), { methods })

  test('becomes its safe operations, filled in from examples, lists and types', () => {
    expect(draft().requests.map(({ method, path, headers, expect: wanted }) => [`${method} ${path}`, headers, wanted?.status])).toEqual([
      ['GET /v1/items?page=1&sort=name', { 'x-shop': 'north' }, [200]],
      ['GET /v1/items/00000000-0000-4000-8000-000000000001', undefined, ['2xx']],
      ['GET /v1/gr%C3%BC%C3%9Fe/a%20b%2Fc%7Bd%7D', undefined, undefined],
    ])
  })

  test('counts what is left out, with its reason', () => {
    expect(draft().left).toEqual([
      { count: 1, why: 'POST, which changes something (--methods POST)' },
      { count: 1, why: 'DELETE, which changes something (--methods DELETE)' },
      { count: 1, why: 'deprecated' },
      { count: 1, why: 'with a parameter that cannot be made up (path)' },
      { count: 1, why: 'with a path that is not described' },
    ])
  })

  test('makes bodies of what must be there, however its types refer to themselves', () => {
    const post = draft(['POST']).requests.find((request) => request.method === 'POST')
    expect(post?.body).toMatchObject({
      kind: 'json',
      value: { name: 'exampleeee', kind: 'book', owner: { mail: 'user@example.com', password: '{{ secret.API_PASSWORD }}' } },
    })
  })

  test('is accepted by the configuration, with its login as a secret', async () => {
    const settings = await settingsOf(draft(['POST', 'DELETE']))
    expect(settings?.auth).toEqual({ kind: 'bearer', token: '{{ secret.API_TOKEN }}' })
    expect(settings?.safety.methods).toEqual(['GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE'])
    expect(settings?.scenarios).toHaveLength(5)
  })

  test.each([
    ['Swagger 2', { swagger: '2.0', paths: {} }, 'Swagger 2.0'],
    ['a version of tomorrow', { openapi: '4.0.0', paths: {} }, 'OpenAPI 4.0.0'],
    ['nothing', {}, 'no OpenAPI'],
    ['no paths', { openapi: '3.0.0' }, 'no operation'],
    ['paths of other types', { openapi: '3.0.0', paths: { '/a': 7, b: null, '/c': { get: [], parameters: 5 } } }, ''],
    [
      'references in a circle',
      { openapi: '3.0.0', paths: { '/a/{x}': { get: { parameters: [{ $ref: '#/a' }] } } }, a: { $ref: '#/b' }, b: { $ref: '#/a' } },
      'not described',
    ],
    [
      'references to elsewhere',
      { openapi: '3.0.0', paths: { '/a/{x}': { get: { parameters: [{ $ref: 'https://x.example/y' }] } } } },
      'not described',
    ],
    [
      'a reference to a prototype',
      { openapi: '3.0.0', paths: { '/a/{x}': { get: { parameters: [{ $ref: '#/__proto__/constructor' }] } } } },
      'not described',
    ],
  ])('%s gives a reason and no crash', (_, root, why) => {
    const made = (): string => {
      try {
        return writeDraft(readOpenApi(root, { methods: [] }), 'x')
      } catch (error) {
        return String(error)
      }
    }
    expect(made()).toContain(why)
    expect(made()).not.toMatch(/TypeError|RangeError/)
  })

  test('a schema that refers to itself without end makes a body of bounded size', () => {
    const node = {
      type: 'object',
      required: ['a', 'b', 'c'],
      properties: Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { $ref: '#/components/schemas/Node' }])),
    }
    const root = {
      openapi: '3.1.0',
      components: { schemas: { Node: node } },
      paths: { '/n': { post: { requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Node' } } } } } } },
    }
    expect(writeDraft(readOpenApi(root, { methods: ['POST'] }), 'x').length).toBeLessThan(50_000)
  })

  test('a YAML file that unfolds without end is given up', () => {
    const lines = [
      'a0: &a0 [x, x, x, x, x, x, x, x, x]',
      ...Array.from(
        { length: 9 },
        (_, index) => `a${index + 1}: &a${index + 1} [${Array.from({ length: 9 }, () => `*a${index}`).join(', ')}]`,
      ),
    ]
    expect(readPlainYaml(lines.join('\n'))).toBeUndefined()
    expect(readPlainYaml(`${'['.repeat(100_000)}`)).toBeUndefined()
  })
})

describe('what counts as a secret', () => {
  test.each([
    'Authorization',
    'X-Api-Key',
    'apiKey',
    'access_token',
    'userPassword',
    'PHPSESSID',
    'csrf',
    'clientSecret',
    '__RequestVerificationToken',
    'sig',
  ])('%s', (name) => {
    expect(isSecretName(name)).toBe(true)
  })
  test.each(['author', 'monkey', 'page', 'q', 'X-Shop', 'passenger', 'keyboard', 'assigned'])('%s is none', (name) => {
    expect(isSecretName(name)).toBe(false)
  })
  test('is seen by its look, too', () => {
    expect(looksSecret('Bearer abc')).toBe(true)
    expect(looksSecret(`eyJhbGciOiJIUzI1NiJ9.${'eyJzdWIiOiIxIn0'}.x`)).toBe(true)
    expect(looksSecret('9f86d081884c7d659a2feaa0c55ad015a3bf4f1b')).toBe(true)
    expect(looksSecret('00000000-0000-4000-8000-000000000001')).toBe(false)
    expect(looksSecret('a-long-name-of-an-article-about-gardens')).toBe(false)
  })
})
