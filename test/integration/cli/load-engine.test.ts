// `rollgate load NAME` where another tool runs it. The tool is vegeta where it is installed; what is refused needs none.
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadTool, missing } from '../../helpers/load-tools.ts'
import { aPlace, documentOf, type Place, run, start } from './cli.ts'

const vegeta = loadTool('vegeta')
let place: Place
let site = ''
let requests = 0
const server = createServer((_request, response) => {
  requests += 1
  setTimeout(() => response.end('ok'), 5)
})
beforeAll(async () => {
  place = aPlace()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // It listens on a port.
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(join(place.directory, 'targets.txt'), 'GET {{ target }}/\n')
  const lines = [
    'app: shop',
    'artifact: { path: dist }',
    'hosts: { web-1: { address: 10.0.0.11 } }',
    'release: { root: /srv/shop }',
    'service: { unit: shop }',
    'health: { http: { port: 8080 } }',
    'loads:',
    `  attack: { engine: { vegeta: targets.txt, rate: 40/s, command: ${JSON.stringify(vegeta ?? 'vegeta')} }, duration: 3s }`,
    '  swarm: { engine: { locust: swarm.py } }',
  ]
  await writeFile(join(place.directory, 'rollgate.yml'), `${lines.join('\n')}\n`)
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  place.remove()
})

const load = (...words: string[]) => run(['load', '--json', ...words], place)

describe.skipIf(vegeta === null)(`with vegeta${missing('vegeta', vegeta)}`, () => {
  test('runs it, imports its result and judges the clauses', async () => {
    requests = 0
    const result = await load('attack', '--url', `${site}/`, '--threshold', 'errors < 5%', '--threshold', 'p50 < 2s')
    const document = documentOf(result)
    expect(result.code, result.stderr).toBe(0)
    expect(document).toMatchObject({
      ...{ command: 'load', verdict: 'pass', targets: [{ sent: 120, done: 120 }], source: { format: 'vegeta', level: 'A', exitCode: 0 } },
    })
    expect(requests).toBe(120)
    const again = await run(['report', String(document.run), '--out', '-'], place)
    expect(again.stdout, again.stderr).toContain('measured by')
  })

  test('ends it with the first interrupt', async () => {
    requests = 0
    const started = start(['load', 'attack', '--json', '--url', `${site}/`, '--duration', '60s'], place)
    await vi.waitFor(() => expect(requests).toBeGreaterThan(5), { timeout: 60_000 })
    started.child.kill('SIGINT')
    const ended = await started.ended
    expect(ended.code).toBe(130)
    expect(documentOf(ended)).toMatchObject({ error: { code: 'E_CANCELLED' } })
  })
})

// What else is refused: test/unit/app/load-import.test.ts.
test('a clause that its result cannot answer is refused before anything is sent, exit 2', async () => {
  const result = await load('swarm', '--threshold', 'p95 <= baseline + 10%')
  expect(result.code).toBe(2)
  expect(JSON.stringify(documentOf(result).error)).toContain('intervals only')
})
