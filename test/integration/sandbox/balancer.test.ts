// The embedded balancer with real servers behind it and real clients before it.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../../src/load/http.ts'
import { type SandboxBalancer, startBalancer } from '../../../src/sandbox/balancer.ts'
import { ask, stateRow, statRow, until } from './helpers.ts'

async function server(handler: RequestListener) {
  const made = createServer((request, response) => (request.url === '/healthz' ? void response.end('ok') : handler(request, response)))
  await new Promise<void>((done) => made.listen(0, '127.0.0.1', done))
  const close = () => {
    made.close()
    made.closeAllConnections()
  }
  onTestFinished(close)
  return { port: (made.address() as AddressInfo).port, close }
}

async function balance(ports: readonly number[]) {
  const servers = ports.map((port, index) => ({ name: `web-${index + 1}`, port }))
  const balancer = await startBalancer({ backend: 'demo', servers, checkPath: '/healthz', shownPort: 8080, checkEveryMs: 50 })
  onTestFinished(() => balancer.close())
  const client = createClient({ origin: `http://127.0.0.1:${balancer.entryPort}`, connections: 50, connectTimeoutMs: 5000 })
  onTestFinished(() => client.close())
  const get = (path = '/') => client.send({ method: 'GET', path }, { timeoutMs: 10_000 })
  return { balancer, client, get }
}

const status = async (balancer: SandboxBalancer, name: string) => statRow(await ask(balancer.apiPort, 'show stat'), name).status
const inFlight = async (balancer: SandboxBalancer, name: string) => Number(statRow(await ask(balancer.apiPort, 'show stat'), name).scur)

describe('proxying', () => {
  test('requests take turns, and arrive and return as they are', async () => {
    const seen: string[] = []
    const echo = (name: string) =>
      server(async (request, response) => {
        let body = ''
        for await (const chunk of request) body += chunk
        seen.push(name)
        response.writeHead(201, { 'x-who': name, 'x-seen': `${request.method} ${request.url} ${request.headers['x-a']}` }).end(body)
      })
    const { client } = await balance([(await echo('a')).port, (await echo('b')).port])
    for (let turn = 0; turn < 10; turn += 1) {
      const sent = { method: 'POST', path: '/p?q=1', headers: { 'x-a': 'yes' }, body: 'x'.repeat(100_000) } as const
      const answer = await client.send(sent, { timeoutMs: 10_000 })
      expect(answer).toMatchObject({ status: 201, bytes: 100_000, headers: { 'x-seen': 'POST /p?q=1 yes' } })
    }
    expect(seen.filter((name) => name === 'a').length).toBe(5)
  })

  test('503 when nobody is up, and again an answer when somebody is', async () => {
    const one = await server((_request, response) => void response.end('ok'))
    const { balancer, get } = await balance([one.port])
    expect(await get()).toMatchObject({ status: 200 })
    await ask(balancer.apiPort, 'set server demo/web-1 state maint')
    expect(await get()).toMatchObject({ status: 503 })
    await ask(balancer.apiPort, 'set server demo/web-1 state ready')
    expect(await get()).toMatchObject({ status: 200 })
  })

  test('a request that was lost is not repeated: 502 before the answer began, a broken answer after it', async () => {
    let count = 0
    const one = await server((request, response) => {
      count += 1
      if (request.url === '/half') response.writeHead(200, { 'content-length': 10 }).write('12345', () => request.socket.destroy())
      else request.socket.destroy()
    })
    const { get } = await balance([one.port])
    expect(await get()).toMatchObject({ kind: 'answer', status: 502 })
    expect(await get('/half')).toMatchObject({ kind: 'failure', class: 'truncated' })
    expect(count).toBe(2)
  })

  test('a client that leaves ends the request at the server, and it is no longer in flight', async () => {
    let gone = false
    const one = await server((request) => void request.socket.on('close', () => (gone = true)))
    const { balancer, client } = await balance([one.port])
    const leave = new AbortController()
    const sending = client.send({ method: 'GET', path: '/' }, { timeoutMs: 10_000, signal: leave.signal })
    await until(async () => (await inFlight(balancer, 'web-1')) === 1)
    leave.abort()
    expect(await sending).toMatchObject({ kind: 'failure' })
    await until(() => gone)
    await until(async () => (await inFlight(balancer, 'web-1')) === 0)
  })
})

describe('draining', () => {
  test('new requests stay away, those in flight end well, and the count says when', async () => {
    const waiting: (() => void)[] = []
    const slow = await server((_request, response) => void waiting.push(() => response.end('slow')))
    const quick = await server((_request, response) => void response.end('quick'))
    const { balancer, get } = await balance([slow.port, quick.port])
    const sent = Array.from({ length: 20 }, () => get())
    await until(() => waiting.length === 10)
    expect(await inFlight(balancer, 'web-1')).toBe(10)

    expect(await ask(balancer.apiPort, 'set server demo/web-1 state drain')).toBe('\n')
    for (let turn = 0; turn < 20; turn += 1) expect(await get()).toMatchObject({ bytes: 5 })
    expect(waiting.length).toBe(10)
    for (const [index, end] of waiting.entries()) {
      end()
      await until(async () => (await inFlight(balancer, 'web-1')) === 9 - index)
    }
    const answers = await Promise.all(sent)
    expect(answers.every((answer) => answer.kind === 'answer' && answer.status === 200)).toBe(true)
  })

  test('sessions that do not end can be cut', async () => {
    const one = await server(() => {})
    const { balancer, get } = await balance([one.port])
    const hanging = get()
    await until(async () => (await inFlight(balancer, 'web-1')) === 1)
    await ask(balancer.apiPort, 'set server demo/web-1 state drain; shutdown sessions server demo/web-1')
    expect(await hanging).toMatchObject({ status: 502 })
    expect(await inFlight(balancer, 'web-1')).toBe(0)
  })

  test('a drained server whose app has died goes DOWN, and stays out when it is set ready', async () => {
    const one = await server((_request, response) => void response.end())
    const { balancer, get } = await balance([one.port])
    await ask(balancer.apiPort, 'set server demo/web-1 state drain')
    one.close()
    await until(async () => (await status(balancer, 'web-1')) === 'DOWN')
    await ask(balancer.apiPort, 'set server demo/web-1 state ready')
    expect(await status(balancer, 'web-1')).toBe('DOWN')
    expect(await get()).toMatchObject({ status: 503 })
  })
})

describe('the runtime API', () => {
  test('admin mask, operational state and weights can be read back', async () => {
    const one = await server((_request, response) => void response.end())
    const { balancer } = await balance([one.port])
    const state = async () => {
      const row = stateRow(await ask(balancer.apiPort, 'show servers state demo'), 'web-1')
      return [row.srv_op_state, row.srv_admin_state, row.srv_uweight, row.srv_iweight, row.srv_addr, row.srv_port]
    }
    expect(await state()).toEqual(['2', '0', '1', '1', '127.0.0.1', '8080'])
    await ask(balancer.apiPort, 'set server demo/web-1 state drain; set server demo/web-1 weight 40')
    expect(await state()).toEqual(['2', '8', '40', '1', '127.0.0.1', '8080'])
    await ask(balancer.apiPort, 'set server demo/web-1 state maint; set server demo/web-1 weight 100%')
    expect(await state()).toEqual(['0', '1', '1', '1', '127.0.0.1', '8080'])
  })

  test('a line that never ends, and clients that leave at once, do no harm', async () => {
    const one = await server((_request, response) => void response.end())
    const { balancer } = await balance([one.port])
    await expect(ask(balancer.apiPort, 'x'.repeat(100_000))).rejects.toThrow()
    expect(await ask(balancer.apiPort, 'show cli level')).toBe('admin\n\n')
  })
})
