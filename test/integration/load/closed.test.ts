// The closed driver (autocannon inside) against real servers: every request it sent is accounted for, also those that
// autocannon itself loses without a word.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTls } from 'node:https'
import { createServer as createNet } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LoadModel, LoadSettings } from '../../../src/domain/load.ts'
import { failuresOf, type Slice } from '../../../src/domain/slice.ts'
import { startClosed } from '../../../src/load/closed.ts'
import type { LoadHooks, LoadPlan } from '../../../src/load/plan.ts'
import { type Fault, startFaultServer } from '../../helpers/fault-server.ts'
import { planFor, settings } from '../../helpers/load.ts'
import { listen, serve, until } from '../../unit/load/helpers.ts'

const SHORT = { connectMs: 1000, firstByteMs: 1000, bodyMs: 1000 }

function closed(model: Partial<LoadModel>, more: Partial<LoadSettings> = {}): LoadSettings {
  return settings({ model: { kind: 'closed', connections: 4, ...model } as LoadModel, timeouts: SHORT, ...more })
}

async function drive(plan: LoadPlan, hooks: Partial<LoadHooks> = {}) {
  const slices: Slice[] = []
  const run = startClosed(plan, { signal: new AbortController().signal, ...hooks, onSlice: (slice) => void slices.push(slice) })
  const result = await run.done
  return { result, slices }
}

/** So many requests against a faulty server, and what the server says of them. */
async function smoke(fault: Fault, amount: number, workers = 1) {
  const server = await startFaultServer(fault)
  onTestFinished(() => server.close())
  const driven = await drive(planFor(server.url, closed({ amount, workers })))
  return { ...driven, truth: await server.truth() }
}

describe('an amount', () => {
  test('is sent exactly, over one thread or several, and every answer is counted', async () => {
    for (const workers of [1, 3]) {
      const { result, slices, truth } = await smoke({ kind: 'constant', delayMs: 5 }, 100, workers)
      expect(result.targets[0]).toMatchObject({ offered: 100, sent: 100, done: 100, errors: {} })
      expect(truth.requests).toBe(100)
      expect(slices.reduce((sum, slice) => sum + (slice.statuses?.['200'] ?? 0), 0)).toBe(100)
      expect(result).toMatchObject({ end: 'finished', tainted: false, validity: { valid: true, reasons: [] } })
    }
  })

  test.each<[Fault['kind'], string]>([
    ['close', 'closed'],
    ['reset', 'reset'],
    ['truncated', 'closed'],
    ['status', 'status'],
  ])('of which some are lost by "%s": exactly those are counted as %s', async (kind, failure) => {
    const { result, slices, truth } = await smoke({ kind, delayMs: 5 } as Fault, 100)
    // Of requests 1..100 as the server counts them, those that end in 0, 1 or 2.
    expect(truth.fates[kind]).toBe(30)
    expect(result.targets[0]).toMatchObject({ offered: 100, sent: 100, done: 70, errors: { [failure]: 30 } })
    expect(result.tainted).toBe(kind !== 'status')
    for (const slice of slices) expect(slice.offered).toBe(slice.done + failuresOf(slice))
    expect(result.validity.reasons).toEqual([])
  })

  test('times are right across lost connections: none is longer than the server took', async () => {
    const { result, truth } = await smoke({ kind: 'close', delayMs: 50 }, 60)
    // autocannon says p50 782 ms where this is 20 (load-and-gates.md, 1.3): each lost request shifts all that follow by
    // one. The slowest of ours is one answer, never two.
    const slowest = truth.servedMs.at(-1) ?? 0
    expect(result.targets[0]?.service.p50Ms).toBeGreaterThan(49)
    expect(result.targets[0]?.service.p50Ms).toBeLessThan(Math.max(slowest, 50) * 2)
  })
})

describe('limits of time are kept apart, to the millisecond they were given in', () => {
  const limits = { connectMs: 200, firstByteMs: 200, bodyMs: 200 }
  const late = (url: string) => drive(planFor(url, closed({ amount: 4 }, { timeouts: limits })))

  test('a body that does not end, and a head that does not come', async () => {
    const stuck = await serve((_request, response) => void response.writeHead(200, { 'content-length': '9' }).write('half'))
    expect((await late(stuck.url)).result.targets[0]).toMatchObject({ offered: 4, done: 0, errors: { 'body-timeout': 4 } })
    const hung = await serve(() => {})
    expect((await late(hung.url)).result.targets[0]).toMatchObject({ offered: 4, done: 0, errors: { 'first-byte-timeout': 4 } })
  })

  test('a connection that is never made, over TLS too', async () => {
    const mute = await listen(createNet(), 'https')
    expect((await late(mute.url)).result.targets[0]).toMatchObject({ offered: 4, done: 0, errors: { 'connect-timeout': 4 } })
  })
})

describe('abort_if', () => {
  test('stops it, with the condition, the target and the second, over several threads', async () => {
    const server = await serve((_request, response) => void response.writeHead(500).end())
    const safety = { methods: ['GET'] as const, abortIf: { errorRate: 0.05, forMs: 1000 } }
    const { result } = await drive(planFor(server.url, closed({ workers: 2 }, { safety }), { durationMs: 600_000, warmupMs: 300_000 }))
    expect(result.end).toBe('unsafe')
    expect(result.endDetail).toMatch(
      /^safety\.abort_if \(errors > 5% for 1s\) in second \d+: (\d+) of \1 requests that ended on target had failed$/,
    )
    // Nothing is wrong with the measurement.
    expect(result.validity.reasons).toEqual([])
  })
})

describe('a duration', () => {
  test('a hung server: timeouts are failures, what has waited too long at the end too, and the run is invalid', async () => {
    const server = await startFaultServer({ kind: 'hung' })
    onTestFinished(() => server.close())
    const { result } = await drive(planFor(server.url, closed({}), { durationMs: 2500 }))
    const [target] = result.targets
    expect(target?.errors['first-byte-timeout']).toBeGreaterThanOrEqual(4)
    expect(target).toMatchObject({ done: 0, p50Ms: null })
    expect(result.validity.reasons.join()).toContain('target never answered')
  })

  test('the signal ends it at once, also when nothing answers', async () => {
    const server = await serve(() => {})
    const stopping = new AbortController()
    const driving = drive(planFor(server.url, closed({}), { durationMs: 600_000 }), { signal: stopping.signal })
    await until(() => server.connections() >= 4)
    stopping.abort()
    const { result } = await driving
    expect(result).toMatchObject({ end: 'cancelled', validity: { valid: false } })
    expect(result.targets[0]?.errors.unfinished).toBe(4)
  })

  test('stop settles, with several workers too, and what was in flight is no failure', async () => {
    let count = 0
    const server = await serve((_request, response) => {
      count += 1
      response.end('ok')
    })
    const run = startClosed(planFor(server.url, closed({ workers: 2 }), { durationMs: 600_000 }), { signal: new AbortController().signal })
    await until(() => count > 20)
    run.stop()
    const result = await run.done
    expect(result.end).toBe('stopped')
    expect(result.targets[0]).toMatchObject({ errors: {}, done: result.targets[0]?.offered })
  })

  test('a closed port is refused, and invalid', async () => {
    const server = await serve(() => {})
    await server.close()
    const { result } = await drive(planFor(server.url, closed({ amount: 40 })))
    expect(result.targets[0]).toMatchObject({ offered: 40, done: 0, errors: { refused: 40 } })
    expect(result.validity.valid).toBe(false)
  })
})

describe('scenarios', () => {
  test('mix, rows, captured values and checks hold as in the paced model', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollgate-closed-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'items.csv'), 'id\n1\n2\n3\n')
    const seen: string[] = []
    const server = await serve((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['x-key']}`)
      response.end(JSON.stringify({ next: `n${request.url?.split('/').at(-1)}`, good: request.url !== '/items/2' }))
    })
    const more: Partial<LoadSettings> = {
      data: { items: { format: 'csv', path: join(folder, 'items.csv'), order: 'sequential' } },
      headers: { 'x-key': '{{ secret.KEY }}' },
      scenarios: [
        {
          name: 'walk',
          weight: 1,
          steps: [
            { method: 'GET', path: '/items/{{ items.id }}', expect: { json: { '$.good': true } }, capture: { next: { json: '$.next' } } },
            { method: 'GET', path: '/next/{{ next }}' },
          ],
        },
      ],
    }
    const { result, slices } = await drive(
      planFor(server.url, closed({ connections: 1, amount: 10 }, more), { readSecret: async () => 'k' }),
    )
    expect(seen).toEqual(
      ['/items/1', '/next/n1', '/items/2', '/items/3', '/next/n3', '/items/1', '/next/n1', '/items/2', '/items/3', '/next/n3'].map(
        (path) => `GET ${path} k`,
      ),
    )
    expect(result.targets[0]).toMatchObject({ offered: 10, done: 8, errors: { check: 2 } })
    const done = (scenario: string) => slices.filter((slice) => slice.scenario === scenario).reduce((sum, slice) => sum + slice.done, 0)
    expect([done('walk 1'), done('walk 2')]).toEqual([4, 4])
  })

  test('a body is sent whole', async () => {
    const bodies = new Set<string>()
    const server = await serve(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      bodies.add(`${request.headers['content-type']} ${body}`)
      response.end('ok')
    })
    const scenarios = [
      {
        name: 'post',
        weight: 1,
        steps: [{ method: 'POST' as const, path: '/', body: { kind: 'json' as const, value: { ä: 1 } } }] as const,
      },
    ] as const
    const { result } = await drive(planFor(server.url, closed({ amount: 8 }, { scenarios, safety: { methods: ['POST'], abortIf: null } })))
    expect(result.targets[0]).toMatchObject({ done: 8 })
    expect([...bodies]).toEqual(['application/json {"ä":1}'])
  })
})

describe('what it cannot do is refused', () => {
  test('an SSH tunnel, HTTP/2, rows used once by several threads, new connections', async () => {
    const target = { name: 'web-1', origin: 'http://127.0.0.1:1' }
    const refused = (plan: LoadPlan) => expect(drive(plan)).rejects.toMatchObject({ code: 'E_LOAD' })
    await refused(planFor('', closed({}), { targets: [{ ...target, connect: () => Promise.reject(new Error('unused')) }] }))
    await refused(planFor('', closed({}), { targets: [{ ...target, http2: true }] }))
    await refused(planFor(target.origin, closed({ workers: 2 }, { data: { items: { format: 'csv', path: '/nowhere', order: 'once' } } })))
    await refused(planFor(target.origin, closed({}, { newConnectionEvery: 5 })))
  })

  const openssl = spawnSync('openssl', ['version']).error === undefined
  test.skipIf(!openssl)('a certificate that nobody vouches for, before autocannon, which checks none, sends anything', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollgate-closed-tls-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    const type = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', ['req', '-x509', ...type, '-keyout', key, '-out', cert, ...names], { stdio: 'ignore' })
    let count = 0
    const answer = () => {
      count += 1
    }
    const server = await listen(
      createTls({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => {
        answer()
        response.end('ok')
      }),
      'https',
    )
    await expect(drive(planFor(server.url, closed({ amount: 8 })))).rejects.toMatchObject({ code: 'E_LOAD' })
    expect(count).toBe(0)
    const targets = [{ name: 'web-1', origin: server.url, ca: readFileSync(cert, 'utf8') }] as const
    const { result } = await drive(planFor('', closed({ amount: 8 }), { targets }))
    expect(result.targets[0]).toMatchObject({ done: 8, errors: {} })
  })
})
