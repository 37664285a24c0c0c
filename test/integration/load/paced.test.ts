// The paced driver against real servers: what is sent where, what is never sent, and how a run ends.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { LoadRequest, LoadSettings } from '../../../src/domain/load.ts'
import type { Slice } from '../../../src/domain/slice.ts'
import { startPaced } from '../../../src/load/paced.ts'
import { startLoad } from '../../../src/load/start.ts'
import { certificateFor, noOpenssl } from '../../helpers/certificate.ts'
import { measure, paced, planFor } from '../../helpers/load.ts'
import { listen, serve, until } from '../../unit/load/helpers.ts'

const never = new AbortController().signal

function sum(slices: readonly Slice[], of: (slice: Slice) => number): number {
  return slices.reduce((total, slice) => total + of(slice), 0)
}

function steps(...all: readonly Partial<LoadRequest>[]): Partial<LoadSettings> {
  const [first, ...rest] = all.map((step): LoadRequest => ({ method: 'GET', path: '/', ...step }))
  return { scenarios: [{ name: 'visit', weight: 1, steps: [first ?? { method: 'GET', path: '/' }, ...rest] }] }
}

describe('a pair of targets', () => {
  test('gets the same requests in the same seconds, each side first about as often as the other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollgate-pair-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'items.csv')
    writeFileSync(path, `id\n${Array.from({ length: 50 }, (_, index) => index).join('\n')}\n`)
    const seen: { readonly arm: string; readonly path: string }[] = []
    const arm = (name: string) =>
      serve((request, response) => {
        seen.push({ arm: name, path: request.url ?? '' })
        response.end('ok')
      })
    const [canary, baseline] = [await arm('canary'), await arm('baseline')]
    const settings = paced(100, {
      data: { items: { format: 'csv', path, order: 'random' } },
      scenarios: [
        { name: 'item', weight: 3, steps: [{ method: 'GET', path: '/items/{{ items.id }}?u={{ uuid }}' }] },
        { name: 'home', weight: 1, steps: [{ method: 'GET', path: '/?n={{ randomInt(1, 1000000) }}' }] },
      ],
    })
    const targets = [
      { name: 'canary', origin: canary.url },
      { name: 'baseline', origin: baseline.url },
    ] as const
    const { result, slices } = await measure(planFor('', settings, { targets, durationMs: 2000 }))
    expect(result.targets.map(({ name, offered, sent, done }) => ({ name, offered, sent, done }))).toEqual([
      { name: 'canary', offered: 200, sent: 200, done: 200 },
      { name: 'baseline', offered: 200, sent: 200, done: 200 },
    ])
    const pathsOf = (name: string) => seen.filter((each) => each.arm === name).map((each) => each.path)
    expect(pathsOf('canary').toSorted()).toEqual(pathsOf('baseline').toSorted())
    expect(new Set(pathsOf('canary')).size).toBe(200)
    const firsts = [...new Set(seen.map((each) => each.path))].map((path) => seen.find((each) => each.path === path)?.arm)
    // 200 fair coins: fewer than 60 of a side happen once in a hundred million runs.
    expect(firsts.filter((name) => name === 'canary').length).toBeGreaterThan(60)
    expect(firsts.filter((name) => name === 'baseline').length).toBeGreaterThan(60)
    for (const second of [0, 1]) {
      for (const scenario of ['item', 'home']) {
        const offered = (target: string) =>
          slices.find((slice) => slice.second === second && slice.scenario === scenario && slice.target === target)?.offered
        expect(offered('canary')).toBe(offered('baseline'))
      }
    }
  })

  test('a dead side fails alone, and makes the run invalid by its name', async () => {
    const alive = await serve((_request, response) => void response.end('ok'))
    const dead = await serve(() => {})
    await dead.close()
    const targets = [
      { name: 'canary', origin: dead.url },
      { name: 'baseline', origin: alive.url },
    ] as const
    const { result } = await measure(planFor('', paced(50), { targets }))
    expect(result.targets[0]).toMatchObject({ done: 0, errors: { refused: 50 } })
    expect(result.targets[1]).toMatchObject({ done: 50, errors: {} })
    expect(result.validity.reasons.filter((reason) => reason.includes('never answered'))).toEqual(['canary never answered: 50 × refused'])
  })
})

describe('the cap', () => {
  test('an arrival above it is shed, never sent, never queued; all shed but the first few is no measurement of them', async () => {
    let open = 0
    let most = 0
    const server = await serve(() => {
      open += 1
      most = Math.max(most, open)
    })
    const settings = paced(100, {
      model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 100 }, arrivals: 'uniform', maxInFlight: 5 },
      timeouts: { connectMs: 5000, firstByteMs: 2500, bodyMs: 1000 },
    })
    const { result } = await measure(planFor(server.url, settings))
    expect(result.targets[0]).toMatchObject({ offered: 100, sent: 5, done: 0, errors: { shed: 95, 'first-byte-timeout': 5 } })
    expect(most).toBe(5)
    expect(result.validity.valid).toBe(false)
  })

  test('a cap that does not fit this machine is refused before anything is sent', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    const model = {
      kind: 'paced' as const,
      profile: { kind: 'constant' as const, ratePerSecond: 10 },
      arrivals: 'poisson' as const,
      maxInFlight: 50_000_000,
    }
    await expect(measure(planFor(server.url, paced(10, { model })))).rejects.toMatchObject({ code: 'E_LOAD_ROOM' })
    expect(server.connections()).toBe(0)
  })
})

describe('the end', () => {
  test('the signal ends a run at once: what is in flight is unfinished, what was not due is not offered', async () => {
    const server = await serve(() => {})
    const stopping = new AbortController()
    const seen: Slice[] = []
    const run = startPaced(planFor(server.url, paced(100), { durationMs: 600_000 }), {
      signal: stopping.signal,
      onSlice: (slice) => void seen.push(slice),
    })
    await until(() => server.connections() >= 20)
    stopping.abort()
    const result = await run.done
    const [target] = result.targets
    expect(result.end).toBe('cancelled')
    expect(target?.offered).toBeGreaterThanOrEqual(20)
    expect(target?.errors).toEqual({ unfinished: target?.offered })
    expect(sum(seen, (slice) => slice.offered)).toBe(target?.offered)
    expect(result.validity.valid).toBe(false)
  })

  test('a signal that has fired already sends nothing', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    const { result } = await measure(planFor(server.url, paced(100)), { signal: AbortSignal.abort() })
    expect(result).toMatchObject({ end: 'cancelled', validity: { valid: false } })
    expect(server.connections()).toBe(0)
  })

  test('stop sends no more and waits for what is in flight', async () => {
    const held: ServerResponse[] = []
    const server = await serve((_request, response) => void held.push(response))
    const run = startPaced(planFor(server.url, paced(100), { durationMs: 600_000 }), { signal: never })
    await until(() => held.length >= 10)
    run.stop()
    for (const response of held) response.end('ok')
    const answering = setInterval(() => {
      for (const response of held) response.end('ok')
    }, 20)
    onTestFinished(() => clearInterval(answering))
    const result = await run.done
    expect(result.end).toBe('stopped')
    expect(result.targets[0]).toMatchObject({ offered: result.targets[0]?.done, errors: {} })
    // What was sent by then has arrived, and nothing else: however late a busy machine was, not the 60,000 of the whole run.
    expect(held.length).toBe(result.targets[0]?.offered)
    expect(held.length).toBeLessThan(6_000)
  })

  test('the warm-up is out of the numbers; ended early, the measurement has its exact count from the next second on', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    const slices: Slice[] = []
    const run = startPaced(planFor(server.url, paced(100), { warmupMs: 600_000, durationMs: 1000 }), {
      signal: never,
      onSlice: (slice) => void slices.push(slice),
    })
    await until(() => server.connections() > 0)
    run.endWarmup()
    const result = await run.done
    expect(result.targets[0]).toMatchObject({ offered: 100, sent: 100, done: 100, rps: 100 })
    const measured = slices.filter((slice) => slice.warmup !== true)
    expect(sum(measured, (slice) => slice.offered)).toBe(100)
    expect(Math.min(...measured.map((slice) => slice.second)) * 1000).toBe(result.warmupMs)
    expect(Math.max(...slices.filter((slice) => slice.warmup === true).map((slice) => slice.second))).toBeLessThan(result.warmupMs / 1000)
  })

  test('too many failures stop it, and the target that has to be spared is named', async () => {
    const server = await serve((_request, response) => void response.writeHead(500).end())
    const settings = paced(100, { safety: { methods: ['GET'], abortIf: { errorRate: 0.05, forMs: 1000 } } })
    const { result } = await measure(planFor(server.url, settings, { durationMs: 600_000 }))
    expect(result.end).toBe('unsafe')
    expect(result.endDetail).toMatch(/^safety\.abort_if \(errors > 5% for 1s\) in second \d+: (\d+) of \1 requests that ended on target/)
    expect(result.targets[0]?.errors).toEqual({ status: result.targets[0]?.offered })
    // Answers are answers: what is to be said of them is the gate's business.
    expect(result.validity.reasons.filter((reason) => reason.includes('never answered'))).toEqual([])
  })

  test('rows that may be used once end the run when they are used up, and it is invalid', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollgate-once-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'items.csv'), 'id\n1\n2\n3\n')
    const server = await serve((_request, response) => void response.end('ok'))
    const data = { items: { format: 'csv' as const, path: join(folder, 'items.csv'), order: 'once' as const } }
    const { result } = await measure(planFor(server.url, paced(100, { data, ...steps({ path: '/{{ items.id }}' }) })))
    expect(result).toMatchObject({ end: 'data', targets: [{ offered: 3, done: 3 }], validity: { valid: false } })
  })

  test('a rate of zero measures nothing, and is invalid', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    const { result } = await measure(planFor(server.url, paced(0)))
    expect(result.validity).toMatchObject({ valid: false, reasons: ['nothing was sent'] })
  })
})

describe('steps', () => {
  test('captured values go on to the next step, of the same target', async () => {
    const arm = async (prefix: string) => {
      let count = 0
      const wrong: string[] = []
      const known = new Set<string>()
      const server = await serve((request, response) => {
        const cart = request.url === '/cart'
        if (cart) {
          count += 1
          known.add(`${prefix}${count}`)
          response.writeHead(201, { 'x-token': `t${count}`, 'set-cookie': `sid=s${count}; Path=/` })
          response.end(JSON.stringify({ cart: { id: `${prefix}${count}` } }))
          return
        }
        const [, id = '', sid = ''] = /^\/cart\/([^/]+)\/([^/]+)$/.exec(request.url ?? '') ?? []
        const number = id.slice(prefix.length)
        if (!known.has(id) || sid !== `s${number}` || request.headers['x-token'] !== `t${number}`) wrong.push(request.url ?? '')
        response.end('ok')
      })
      return { server, wrong }
    }
    const [left, right] = [await arm('a'), await arm('b')]
    const capture = { cart: { json: '$.cart.id' }, token: { header: 'X-Token' }, sid: { cookie: 'sid' } }
    const settings = paced(
      50,
      steps({ path: '/cart', capture }, { path: '/cart/{{ cart }}/{{ sid }}', headers: { 'x-token': '{{ token }}' } }),
    )
    const targets = [
      { name: 'canary', origin: left.server.url },
      { name: 'baseline', origin: right.server.url },
    ] as const
    const { result, slices } = await measure(planFor('', settings, { targets, durationMs: 2000 }))
    expect([...left.wrong, ...right.wrong]).toEqual([])
    for (const name of ['canary', 'baseline']) {
      const of = slices.filter((slice) => slice.target === name)
      expect(
        sum(
          of.filter((slice) => slice.scenario === 'visit 1'),
          (slice) => slice.done,
        ),
      ).toBe(100)
      // The last visits may end with the run.
      const second = sum(
        of.filter((slice) => slice.scenario === 'visit 2'),
        (slice) => slice.done,
      )
      expect(second).toBeGreaterThan(0)
      expect(second).toBeLessThanOrEqual(100)
    }
    expect(result.targets.every((target) => Object.keys(target.errors).length === 0)).toBe(true)
  })

  test('what is not there to be captured is a failed check, and the visit ends', async () => {
    const server = await serve((_request, response) => void response.end('{}'))
    const settings = paced(50, steps({ capture: { id: { json: '$.id' } } }, { path: '/{{ id }}' }))
    const { result } = await measure(planFor(server.url, settings))
    expect(result.targets[0]).toMatchObject({ offered: 50, done: 0, errors: { check: 50 } })
  })

  test('checks of the body see it, also in pieces; what fails is counted as a check', async () => {
    let count = 0
    const server = await serve((_request, response) => {
      count += 1
      const good = count % 5 !== 0
      response.write('{"ok":')
      setImmediate(() => response.end(`${good}}`))
    })
    const { result } = await measure(planFor(server.url, paced(50, steps({ expect: { json: { '$.ok': true } } }))))
    expect(result.targets[0]).toMatchObject({ offered: 50, done: 40, errors: { check: 10 } })
  })
})

describe('the login', () => {
  test('is sent once to every target; its cookies go with each request, and the password into no result', async () => {
    const seen: { readonly url: string; readonly cookie: string | undefined; readonly body: string }[] = []
    const server = await serve(async (request: IncomingMessage, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      seen.push({ url: request.url ?? '', cookie: request.headers.cookie, body })
      if (request.url === '/login') response.setHeader('set-cookie', ['sid=1; HttpOnly', 'role=shopper'])
      response.end('ok')
    })
    const request: LoadRequest = {
      method: 'POST',
      path: '/login',
      body: { kind: 'form', fields: { user: 'ann', password: '{{ secret.PASSWORD }}' } },
    }
    const settings = paced(20, { auth: { kind: 'login', request } })
    const readSecret = async () => 'hunter2'
    const { result, slices } = await measure(planFor(server.url, settings, { readSecret }))
    expect(seen[0]).toEqual({ url: '/login', cookie: undefined, body: 'user=ann&password=hunter2' })
    expect(seen).toHaveLength(21)
    expect(new Set(seen.slice(1).map((each) => each.cookie))).toEqual(new Set(['sid=1; role=shopper']))
    expect(JSON.stringify({ result, slices })).not.toContain('hunter2')
  })

  test.each([
    ['refused by the site', (response: ServerResponse) => void response.writeHead(401).end('hunter2?'), 'the login failed: HTTP 401'],
    ['without a cookie', (response: ServerResponse) => void response.end('ok'), 'the login set no cookie'],
  ])('%s: nothing is sent, and the run is invalid', async (_name, answer, problem) => {
    let count = 0
    const server = await serve((request, response) => {
      request.resume()
      count += 1
      answer(response)
    })
    const request: LoadRequest = { method: 'GET', path: '/login' }
    const { result } = await measure(planFor(server.url, paced(20, { auth: { kind: 'login', request } })))
    expect(result).toMatchObject({ end: 'no-login', endDetail: problem, validity: { valid: false } })
    expect(count).toBe(1)
  })
})

describe('where requests go', () => {
  let [key, cert, ca] = ['', '', '']
  let folder = ''
  beforeAll(() => {
    if (noOpenssl) return
    ;({ key, cert, ca } = certificateFor('DNS:shop.test'))
    folder = mkdtempSync(join(tmpdir(), 'rollgate-load-tls-'))
    writeFileSync(join(folder, 'ca.pem'), ca)
    return () => rmSync(folder, { recursive: true })
  })

  test.skipIf(noOpenssl)('direct to an address: Host header, SNI and certificate are those of the site', async () => {
    const seen = new Set<string>()
    const server = await listen(
      createTls({ key, cert }, (request, response) => {
        seen.add(`${request.headers.host} ${(request.socket as TLSSocket).servername}`)
        response.end('ok')
      }),
      'https',
    )
    const address = { host: '127.0.0.1', port: server.port }
    const target = { name: 'canary', origin: 'https://shop.test', address, ca }
    const { result } = await measure(planFor('', paced(20), { targets: [target] }))
    expect(result.targets[0]).toMatchObject({ done: 20, errors: {} })
    expect([...seen]).toEqual(['shop.test shop.test'])
    const { ca: _, ...unknown } = target
    expect((await measure(planFor('', paced(20), { targets: [unknown] }))).result.targets[0]).toMatchObject({
      done: 0,
      errors: { tls: 20 },
    })
    const other = { ...target, origin: 'https://other.test' }
    expect((await measure(planFor('', paced(20), { targets: [other] }))).result.targets[0]).toMatchObject({ done: 0, errors: { tls: 20 } })
  })

  test.skipIf(noOpenssl)('HTTP/2 only where it is asked for, many requests on few connections; a target without it fails', async () => {
    const versions = new Set<string>()
    const server = await listen(
      createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
        versions.add(request.httpVersion === '2.0' ? `2.0 ${request.headers[':authority']}` : request.httpVersion)
        setTimeout(() => response.end('ok'), 50)
      }),
      'https',
    )
    const target = { name: 'canary', origin: 'https://shop.test', address: { host: '127.0.0.1', port: server.port } }
    const trusting = { ca: join(folder, 'ca.pem') }
    const plain = await measure(planFor('', paced(40, trusting), { targets: [target] }))
    expect(plain.result.targets[0]).toMatchObject({ done: 40, errors: {} })
    expect([...versions]).toEqual(['1.1'])
    versions.clear()
    const before = server.connections()
    const second = await measure(planFor('', paced(100, { ...trusting, http2: true }), { targets: [target] }))
    expect(second.result.targets[0]).toMatchObject({ done: 100, errors: {} })
    // What names the site is the site's, wherever it is reached.
    expect([...versions]).toEqual(['2.0 shop.test'])
    expect(server.connections() - before).toBeLessThanOrEqual(2)
    const old = await listen(
      createTls({ key, cert }, (_request, response) => void response.end('ok')),
      'https',
    )
    const without = { ...target, address: { host: '127.0.0.1', port: old.port } }
    expect((await measure(planFor('', paced(20, { ...trusting, http2: true }), { targets: [without] }))).result.targets[0]).toMatchObject({
      done: 0,
      errors: { tls: 20 },
    })
    // Certificates are checked over HTTP/2 too.
    expect((await measure(planFor('', paced(20, { http2: true }), { targets: [target] }))).result.targets[0]).toMatchObject({
      done: 0,
      errors: { tls: 20 },
    })
  })

  test('HTTP/2 is refused by name where it cannot be, and so is a file without a certificate; nothing is sent', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    const refused = (of: LoadSettings, origin: string) => startLoad(planFor(origin, of), { signal: never }).then(({ done }) => done)
    const asked = paced(20, { http2: true })
    await expect(refused(asked, server.url)).rejects.toMatchObject({ code: 'E_LOAD', message: expect.stringContaining('without TLS') })
    const closed: LoadSettings = { ...asked, model: { kind: 'closed', connections: 2 } }
    await expect(refused(closed, 'https://127.0.0.1:1')).rejects.toMatchObject({
      code: 'E_LOAD',
      message: expect.stringContaining('the closed model (autocannon) speaks HTTP/1.1 only'),
    })
    await expect(refused({ ...asked, newConnectionEvery: 3 }, 'https://127.0.0.1:1')).rejects.toMatchObject({ code: 'E_LOAD' })
    const file = import.meta.filename
    await expect(refused(paced(20, { ca: file }), server.url)).rejects.toMatchObject({
      message: expect.stringContaining('holds no certificate'),
    })
    await expect(refused(paced(20, { ca: `${file}.gone` }), server.url)).rejects.toMatchObject({
      message: expect.stringContaining('cannot be read'),
    })
    expect(server.connections()).toBe(0)
  })

  test('through a byte stream that somebody else makes; one that cannot be made is a failure of its class', async () => {
    const hosts = new Set<string | undefined>()
    const server = await serve((request, response) => {
      hosts.add(request.headers.host)
      response.end('ok')
    })
    let made = 0
    const forward = () =>
      new Promise<Socket>((resolve) => {
        made += 1
        const socket = connect(server.port, '127.0.0.1', () => resolve(socket))
      })
    const { result } = await measure(
      planFor('', paced(40), { targets: [{ name: 'canary', origin: 'http://web-1:8080', connect: forward }] }),
    )
    expect(result.targets[0]).toMatchObject({ done: 40, errors: {} })
    expect(made).toBeGreaterThan(0)
    expect([...hosts]).toEqual(['web-1:8080'])
    const refuse = async () => {
      throw Object.assign(new Error('no'), { code: 'E_CONNECT_REFUSED' })
    }
    const none = await measure(planFor('', paced(20), { targets: [{ name: 'canary', origin: 'http://web-1:8080', connect: refuse }] }))
    expect(none.result.targets[0]).toMatchObject({ done: 0, errors: { refused: 20 } })
    const hang = { name: 'canary', origin: 'http://web-1:8080', connect: () => new Promise<never>(() => {}) }
    const late = await measure(
      planFor('', paced(20, { timeouts: { connectMs: 200, firstByteMs: 5000, bodyMs: 5000 } }), { targets: [hang] }),
    )
    expect(late.result.targets[0]).toMatchObject({ done: 0, errors: { 'connect-timeout': 20 } })
  })

  test('a new connection every so many requests, when asked for', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    const { result } = await measure(planFor(server.url, paced(40, { newConnectionEvery: 1 })))
    expect(result.targets[0]).toMatchObject({ done: 40, errors: {} })
    expect(server.connections()).toBe(40)
  })

  test('redirects are answers, and an interim answer is none', async () => {
    let count = 0
    const server = await listen(
      createHttp((_request, response) => {
        count += 1
        response.writeEarlyHints({ link: '</a.css>; rel=preload' })
        response.writeHead(302, { location: '/elsewhere' }).end()
      }),
    )
    const { result, slices } = await measure(planFor(server.url, paced(20)))
    expect(result.targets[0]).toMatchObject({ done: 20, errors: {} })
    expect(count).toBe(20)
    expect(sum(slices, (slice) => slice.statuses?.['302'] ?? 0)).toBe(20)
  })
})

describe('the generator itself', () => {
  test('one that is kept from sending on time is invalid, never a failure of the target', async () => {
    const server = await serve((_request, response) => void response.end('ok'))
    // Other work in this process: a tenth of a second, again and again.
    let running = true
    const burn = () => {
      const until = performance.now() + 100
      while (performance.now() < until);
      if (running) setImmediate(burn)
    }
    setImmediate(burn)
    const { result } = await measure(planFor(server.url, paced(100), { durationMs: 2000 }))
    running = false
    expect(result.targets[0]).toMatchObject({ offered: 200, sent: 200 })
    expect(result.validity.valid).toBe(false)
    expect(result.validity.reasons.join()).toContain('this machine sent late')
  })

  test('a seed repeats a run: the same requests, in the same order', async () => {
    const record = async (seed: string) => {
      const seen: string[] = []
      const server = await serve((request, response) => {
        seen.push(request.url ?? '')
        response.end('ok')
      })
      await measure(planFor(server.url, paced(50, steps({ path: '/{{ uuid }}' })), { seed }))
      await server.close()
      return seen.toSorted()
    }
    const first = await record('a')
    expect(await record('a')).toEqual(first)
    expect(await record('b')).not.toEqual(first)
  })
})
