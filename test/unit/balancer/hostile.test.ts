// A socket that is no HAProxy, or one that means no good: every exchange ends, in an error that says what it was, and
// nothing grows without bound. C31 of the conformance suite.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import { createHaproxy } from '../../../src/drivers/balancer/haproxy/haproxy.ts'
import { createLocalTransport } from '../../../src/drivers/transport/local.ts'

const signal = new AbortController().signal
const MEGABYTE = 'x'.repeat(1024 * 1024)

/** A unix socket on which something answers. */
async function socketOf(answer: (socket: Socket, line: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-hostile-'))
  const path = join(folder, 'admin.sock')
  const open = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    socket.once('data', (line: Buffer) => answer(socket, line.toString()))
  })
  await new Promise<void>((done) => server.listen(path, done))
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((done) => server.close(done))
    rmSync(folder, { recursive: true, force: true })
  })
  return path
}

function driver(socket: string, limits: { readonly timeoutMs?: number; readonly maxBytes?: number } = {}) {
  const connectTo = (name: string, abort: AbortSignal) =>
    createLocalTransport().connect({ name, address: 'localhost', roles: [], labels: {} }, abort)
  return createHaproxy({ id: 'haproxy:lb-1', host: 'lb-1', socket, connectTo, ...limits })
}

const INFO = 'Name: HAProxy\nVersion: 2.6\nPid: 7\nStart_time_sec: 1\nStopping: 0\n'
const STAT = '# pxname,svname,qcur,scur,stot,status,type,\n'
const STATE = '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port\n'
const answers = (...parts: readonly string[]): string => parts.map((part) => `${part}\n`).join('')

test('more than 10 MB is cut off and refused', async () => {
  let sent = 0
  const path = await socketOf((socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(MEGABYTE)) sent += 1
      sent += 1
    }
    socket.on('drain', more)
    more()
  })
  await expect(driver(path).list(signal)).rejects.toMatchObject({ code: 'E_BALANCER', message: expect.stringContaining('more than 10 MB') })
  expect(sent).toBeLessThan(40)
})

test('a byte now and then does not hold us: the whole exchange has a limit', async () => {
  const path = await socketOf((socket) => {
    const timer = setInterval(() => socket.write('N'), 20)
    socket.on('close', () => clearInterval(timer))
  })
  await expect(driver(path, { timeoutMs: 300 }).list(signal)).rejects.toMatchObject({
    code: 'E_BALANCER_UNREACHABLE',
    message: expect.stringContaining('did not answer within 0.3 s'),
  })
})

test('silence ends, and an interrupt ends it at once and is called one', async () => {
  const path = await socketOf(() => undefined)
  await expect(driver(path, { timeoutMs: 200 }).list(signal)).rejects.toMatchObject({ code: 'E_BALANCER_UNREACHABLE' })
  const interrupt = new AbortController()
  const listing = driver(path, { timeoutMs: 60_000 }).list(interrupt.signal)
  interrupt.abort()
  await expect(listing).rejects.toMatchObject({ code: 'E_CANCELLED' })
})

test.each([
  ['half an answer', answers(INFO, STAT).slice(0, -20)],
  ['an answer too few', answers(INFO, STAT)],
  ['nothing at all', ''],
])('%s is a broken connection, worth another try', async (_, text) => {
  const path = await socketOf((socket) => socket.end(text))
  await expect(driver(path).list(signal)).rejects.toMatchObject({
    code: 'E_BALANCER_UNREACHABLE',
    message: expect.stringContaining('broke off'),
  })
})

test.each([
  ['a web server', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n\n\n\n\n\n'],
  ['answers in another order', answers(STAT, INFO, STATE)],
  ['an answer too many', answers(INFO, STAT, STATE, INFO)],
  ['binary', `${'\u0000\u0001\u00ff'.repeat(50)}\n\n\n\n`],
])('%s is no HAProxy', async (_, text) => {
  const path = await socketOf((socket) => socket.end(text))
  const error = await driver(path)
    .list(signal)
    .catch((each: unknown) => each)
  expect(error).toBeInstanceOf(RollgateError)
  expect(error).toMatchObject({ code: expect.stringMatching(/^E_BALANCER(_UNREACHABLE)?$/) })
})

test('a server with a hostile name is listed harmlessly, and no command is ever made of it', async () => {
  const lines: string[] = []
  const evil = 'web;shutdown\u001b[2J'
  const path = await socketOf((socket, line) => {
    lines.push(line)
    socket.end(answers(INFO, `${STAT}app,${evil},0,0,0,UP,2,\n`, `${STATE}3 app 1 ${evil} 10.0.0.1 2 0 1 1 80\n`))
  })
  const balancer = driver(path)
  const [state] = await balancer.list(signal)
  expect(state?.ref.server).toBe('web;shutdown')
  if (state === undefined) throw new Error('nothing was listed')
  await expect(balancer.drain(state.ref, { signal, deadlineMs: 1_000 })).rejects.toMatchObject({ code: 'E_BALANCER_SERVER' })
  await expect(balancer.drain({ ...state.ref, server: evil }, { signal, deadlineMs: 1_000 })).rejects.toMatchObject({
    code: 'E_BALANCER_SERVER',
  })
  expect(new Set(lines)).toEqual(new Set(['show info;show stat -1 4 -1;show servers state\n']))
})

test('one that is about to end is asked again, until the new one answers', async () => {
  let asked = 0
  const path = await socketOf((socket) => {
    asked += 1
    const info = asked < 3 ? INFO.replace('Stopping: 0', 'Stopping: 1') : INFO
    socket.end(answers(info, `${STAT}app,web-1,0,0,0,UP,2,\n`, `${STATE}3 app 1 web-1 10.0.0.1 2 0 1 1 80\n`))
  })
  expect((await driver(path).list(signal)).map(({ ref }) => ref.server)).toEqual(['web-1'])
  expect(asked).toBe(3)
})
