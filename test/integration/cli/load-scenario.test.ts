// `rollgate load import` of a recording or a description: the block is a configuration that is valid and runs.
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { strictly } from '../../helpers/schemas.ts'
import { aPlace, documentOf, type Place, root, run } from './cli.ts'

let place: Place
let site = ''
const seen = new Set<string>()
const STATUS: Readonly<Record<string, number>> = { '/api/items': 206, '/cart': 302 }
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://site')
  seen.add(`${request.method} ${url.pathname} ${request.headers.authorization ?? ''}`.trim())
  response.statusCode = STATUS[url.pathname] ?? 200
  response.end('ok')
})
beforeAll(async () => {
  place = aPlace()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // It listens on a port.
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  place.remove()
})

const fixture = (name: string): string => join(root, 'test/fixtures/scenarios', name)
const BASE = [
  'app: shop',
  'artifact: { path: dist }',
  'hosts: { web-1: { address: 10.0.0.11 } }',
  'release: { root: /srv/shop }',
  'service: { unit: shop }',
  'health: { http: { port: 8080 } }',
]

/** Puts the block into a configuration, with sources for its secrets, and loads the site with it. */
async function loads(block: string, name: string, secrets: readonly string[]) {
  const sources = secrets.length === 0 ? [] : ['secrets:', ...secrets.map((secret) => `  ${secret}: { env: ${secret} }`)]
  await writeFile(join(place.directory, 'rollgate.yml'), [...BASE, ...sources, block].join('\n'))
  const env = Object.fromEntries(secrets.map((secret) => [secret, 'Bearer from-the-environment']))
  expect(await run(['config', 'validate'], place, { env })).toMatchObject({ code: 0 })
  seen.clear()
  return documentOf(await run(['load', name, '--json', '--url', site, '--duration', '3s', '--warm-up', '1s'], place, { env }))
}

describe('a recording', () => {
  test('is written to a file, is valid, and runs with its secrets from the environment', async () => {
    const made = await run(['load', 'import', '--har', fixture('shop.har'), '--out', 'block.yml', '--json'], place)
    expect(made.code, made.stderr).toBe(0)
    const document = JSON.parse(made.stdout)
    expect(strictly('scenario', document)).toEqual([])
    expect(document).toMatchObject({ from: 'HAR', requests: 3, written: 'block.yml' })
    const block = await readFile(join(place.directory, 'block.yml'), 'utf8')
    expect(block).toBe(document.scenario)
    expect(block).not.toContain('5ecr3t')
    const measured = await loads(block, 'recorded', document.secrets)
    // A machine that is too busy says so, and its answers are right all the same.
    expect(measured.targets).toMatchObject([{ errors: {} }])
    expect([...seen].sort()).toEqual(['GET /', 'GET /api/items Bearer from-the-environment', 'GET /cached'])
  })

  test('goes to stdout without --out, and nowhere over a file that is there', async () => {
    const printed = await run(['load', 'import', fixture('shop.har')], place)
    expect(printed.code).toBe(0)
    expect(printed.stdout).toContain('loads:\n  recorded:\n')
    await writeFile(join(place.directory, 'mine.yml'), 'mine')
    expect((await run(['load', 'import', '--har', fixture('shop.har'), '--out', 'mine.yml'], place)).code).toBe(2)
    expect(await readFile(join(place.directory, 'mine.yml'), 'utf8')).toBe('mine')
  })
})

test('a description is seen by its beginning, is valid, and runs', async () => {
  const made = await run(['load', 'import', fixture('shop.openapi.yaml'), '--json'], place)
  expect(made.code, made.stderr).toBe(0)
  const document = JSON.parse(made.stdout)
  expect(strictly('scenario', document)).toEqual([])
  const measured = await loads(document.scenario, 'api', document.secrets)
  expect(measured.targets).toMatchObject([{ errors: {} }])
  expect([...seen].map((line) => line.split(' ')[1]).sort()).toEqual([
    '/v1/gr%C3%BC%C3%9Fe/a%20b%2Fc%7Bd%7D',
    '/v1/items',
    '/v1/items/00000000-0000-4000-8000-000000000001',
  ])
})

// What else is refused: test/unit/app/load-import.test.ts.
test.each([
  [2, ['--har', fixture('shop.har'), 'other.json'], 'one of them at a time'],
  [2, ['--har', fixture('shop.har'), '--threshold', 'p95 < 1s'], '--threshold is for results'],
  [3, ['--har', fixture('shop.openapi.yaml')], 'log.entries is missing'],
] as const)('exits %i for load import %j', async (code, words, why) => {
  const result = await run(['load', 'import', '--json', ...words], place)
  expect(result.code, result.stderr).toBe(code)
  expect(result.stdout).toContain(why)
})
