// Health questions to real servers through a real SSH connection: what counts as healthy, which release answers, and the
// words that a person gets when it does not.
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { HealthCheck, HealthSettings, VersionProof } from '../../../src/domain/health.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { probeOnce } from '../../../src/drivers/probe/health.ts'
import { connectTo } from './connection.ts'

let connection: Connection
const signal = new AbortController().signal
const end: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  const made = await connectTo()
  connection = made.connection
  end.push(made.close)
  return async () => {
    for (const close of end) await close()
  }
})

const http = (port: number, more: Partial<Extract<HealthCheck, { kind: 'http' }>> = {}): HealthCheck => ({
  kind: 'http',
  port,
  path: '/healthz',
  status: [200],
  headers: {},
  address: '127.0.0.1',
  timeoutMs: 3_000,
  ...more,
})
const ask = (check: HealthCheck, version: VersionProof = { kind: 'process' }, abort = signal) => {
  const health: HealthSettings = { check, version, intervalMs: 1, healthyForMs: 1, deadlineMs: 1 }
  return probeOnce(connection, health, abort)
}

async function serving(answer: RequestListener): Promise<number> {
  const server = createHttp(answer).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return portOf(server.address())
}

async function raw(on: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    on(socket)
  }).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return portOf(server.address())
}

const portOf = (address: ReturnType<ReturnType<typeof createServer>['address']>): number =>
  typeof address === 'object' && address !== null ? address.port : 0

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const port = portOf(server.address())
  await new Promise((done) => server.close(done))
  return port
}

describe('http', () => {
  test('is healthy with the status that is asked for, and sends what is configured', async () => {
    const seen: unknown[] = []
    const port = await serving((request, response) => {
      seen.push([request.method, request.url, request.headers.host, request.headers['x-token']])
      response.statusCode = 204
      response.end()
    })
    expect(
      await ask(http(port, { path: '/up?deep=1', status: [200, 204], headers: { 'x-token': 'a', host: 'shop.example' } })),
    ).toMatchObject({
      healthy: true,
      release: null,
      detail: expect.stringMatching(/^HTTP 204 in \d+ ms$/),
    })
    expect(seen).toEqual([['GET', '/up?deep=1', 'shop.example', 'a']])
  })

  test('is asked on a connection of its own that is closed afterwards: it is none of the app’s', async () => {
    let open = 0
    const port = await serving((_request, response) => response.end('ok'))
    const watched = await raw((socket) => {
      open += 1
      socket.on('close', () => (open -= 1))
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok'))
    })
    for (let at = 0; at < 5; at += 1) expect(await ask(http(watched))).toMatchObject({ healthy: true })
    while (open > 0) await new Promise((done) => setTimeout(done, 5))
    expect(await ask(http(port))).toMatchObject({ healthy: true })
  })

  test.each<[string, RequestListener, string]>([
    ['an error with its words', (_q, r) => void r.writeHead(500).end('boom\u001b[2J\n  at line 3'), 'HTTP 500 in N ms: "boom at line 3"'],
    ['a redirect, which is not followed', (_q, r) => void r.writeHead(302, { location: '/login' }).end(), 'HTTP 302 in N ms to /login'],
    ['an empty 503', (_q, r) => void r.writeHead(503).end(), 'HTTP 503 in N ms'],
  ])('unhealthy: %s', async (_name, answer, detail) => {
    const said = await ask(http(await serving(answer)))
    expect(said.healthy).toBe(false)
    expect(said.detail.replace(/\d+ ms/, 'N ms')).toBe(detail)
  })

  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['an answer that never comes', () => undefined, /^timed out after 300 ms on 127\.0\.0\.1:\d+$/],
    ['a body that never ends', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'), /timed out/],
    ['half an answer', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'), /closed|reset|complete/],
    ['no HTTP at all', (socket) => void socket.end('SSH-2.0-OpenSSH\r\n'), /./],
    ['a reset', (socket) => void socket.once('data', () => socket.resetAndDestroy()), /closed|reset/],
  ])('unhealthy: %s', async (_name, on, detail) => {
    const said = await ask(http(await raw(on), { timeoutMs: 300 }))
    expect(said.healthy).toBe(false)
    expect(said.detail).toMatch(detail)
  })

  test('unhealthy: nobody listens, and says where', async () => {
    const port = await closedPort()
    expect(await ask(http(port))).toMatchObject({ healthy: false, detail: `connection refused on 127.0.0.1:${port}` })
  })

  test('an endless body is read to a limit, and the answer stands', async () => {
    const port = await serving((_request, response) => {
      const more = () => {
        while (response.write('x'.repeat(64 * 1024)));
      }
      response.on('drain', more)
      more()
    })
    expect(await ask(http(port))).toMatchObject({ healthy: true })
    expect(await ask(http(port), { kind: 'json', path: '$.release' })).toMatchObject({
      healthy: true,
      release: '',
      detail: expect.stringContaining('too long'),
    })
  })

  test('an interrupt ends the question at once', async () => {
    const stop = new AbortController()
    const port = await raw(() => stop.abort())
    await expect(ask(http(port), { kind: 'process' }, stop.signal)).rejects.toMatchObject({ code: 'E_CANCELLED' })
  })
})

describe('tcp', () => {
  test('is healthy when somebody accepts', async () => {
    const port = await raw(() => undefined)
    expect(await ask({ kind: 'tcp', port, address: '127.0.0.1', timeoutMs: 1000 })).toMatchObject({ healthy: true })
    const closed = await closedPort()
    expect(await ask({ kind: 'tcp', port: closed, address: '127.0.0.1', timeoutMs: 1000 })).toMatchObject({
      healthy: false,
      detail: expect.stringContaining('refused'),
    })
  })
})

describe('a command', () => {
  test.each([
    ['true', true, 'command ended with 0'],
    ['echo ready', true, 'command ended with 0: "ready"'],
    ['echo out; echo not ready >&2; exit 3', false, 'command ended with 3: "not ready"'],
    // The shell around it tells the signal as a number.
    ['sh -c "kill -9 \\$\\$"', false, 'command ended with 137: "Killed"'],
  ])('%j', async (run, healthy, detail) => {
    const said = await ask({ kind: 'command', run, timeoutMs: 5000 })
    expect(said).toMatchObject({ healthy })
    expect(said.detail).toBe(detail)
  })

  test('that does not end is unhealthy', async () => {
    expect(await ask({ kind: 'command', run: 'sleep 1000', timeoutMs: 300 })).toMatchObject({
      healthy: false,
      detail: expect.stringMatching(/in time|timed out/),
    })
  })
})

describe('which release answers', () => {
  test('by a header, by a path into JSON, by a command', async () => {
    const port = await serving((_request, response) => {
      response.setHeader('X-Release', ' r41-9f3ab2c1 ')
      response.end(JSON.stringify({ build: [{ 'release id': 'r42-00000000' }], number: 7 }))
    })
    expect(await ask(http(port), { kind: 'header', name: 'X-Release' })).toMatchObject({ healthy: true, release: 'r41-9f3ab2c1' })
    expect(await ask(http(port), { kind: 'json', path: "$.build[0]['release id']" })).toMatchObject({ release: 'r42-00000000' })
    expect(await ask(http(port), { kind: 'json', path: 'number' })).toMatchObject({ release: '7' })
    expect(await ask(http(port), { kind: 'command', run: 'echo r43-11111111' })).toMatchObject({ healthy: true, release: 'r43-11111111' })
    expect(await ask({ kind: 'service' }, { kind: 'command', run: 'echo r43-11111111' })).toMatchObject({
      healthy: true,
      release: 'r43-11111111',
    })
  })

  test.each<[string, VersionProof, string]>([
    ['a header that is not there', { kind: 'header', name: 'x-nothing' }, 'there is no x-nothing header'],
    ['a path that leads nowhere', { kind: 'json', path: '$.nothing' }, 'there is no text at $.nothing'],
    ['a path that is none', { kind: 'json', path: '$..x' }, 'no path that we can follow'],
    ['an inherited member', { kind: 'json', path: '$.constructor.name' }, 'there is no text'],
    ['a command that fails', { kind: 'command', run: 'echo why >&2; exit 4' }, 'the version command ended with 4: "why"'],
  ])('%s names none, which is not the same as not being asked', async (_name, version, detail) => {
    const port = await serving((_request, response) => response.end('{"a":1}'))
    const said = await ask(http(port), version)
    expect(said).toMatchObject({ healthy: true, release: '' })
    expect(said.detail).toContain(detail)
  })

  test('a body that is no JSON says so', async () => {
    const port = await serving((_request, response) => response.end('<html>'))
    expect(await ask(http(port), { kind: 'json', path: '$.x' })).toMatchObject({ release: '', detail: expect.stringContaining('not JSON') })
  })
})
