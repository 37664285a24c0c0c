// The sandbox's embedded balancer claims to answer as HAProxy does: the HAProxy driver must not be able to tell, from the
// golden sequence to the words of its errors.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { LoadBalancer, ServerRef } from '../../../src/domain/balancer.ts'
import { createBalancers } from '../../../src/drivers/balancer/registry.ts'
import { isIn, isOut, snapshot } from '../../../src/execute/rotation.ts'
import { startBalancer } from '../../../src/sandbox/balancer.ts'
import { connectLocally } from './haproxy-rig.ts'
import { back, CHANGE, out, type Servers, signal } from './rig.ts'
import { ask } from './traffic.ts'
import { until } from './wait.ts'

/** An app in this process: it can be switched off and on again on its port. */
async function app(name: string) {
  let running = 0
  const server = createServer((request, response) => {
    running += 1
    const ms = Number(new URL(request.url ?? '/', 'http://app').searchParams.get('ms') ?? '0')
    setTimeout(() => {
      running -= 1
      response.setHeader('x-server', name)
      response.end('ok')
    }, ms)
  })
  const on = (port: number) => new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done))
  await on(0)
  const { port } = server.address() as AddressInfo
  const off = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise((done) => server.close(done))
    server.closeAllConnections()
    await closed
  }
  onTestFinished(off)
  return { name, port, off, on: () => on(port), running: () => running }
}

async function started(): Promise<{
  readonly apps: readonly Awaited<ReturnType<typeof app>>[]
  readonly url: string
  readonly driver: LoadBalancer
  readonly ref: ServerRef
  readonly servers: Servers
}> {
  const apps = [await app('web-1'), await app('web-2')]
  const balancer = await startBalancer({
    backend: 'demo',
    servers: apps.map(({ name, port }) => ({ name, port })),
    checkPath: '/',
    shownPort: 8080,
  })
  onTestFinished(() => balancer.close())
  const [driver] = createBalancers(
    [
      {
        kind: 'haproxy',
        hosts: ['lb-1'],
        backend: 'demo',
        socket: `127.0.0.1:${balancer.apiPort}`,
        drain: { deadlineMs: 1, onDeadline: 'fail' },
      },
    ],
    { connectTo: connectLocally },
  )
  const refs = await driver?.discover({ host: 'web-1', server: 'web-1', addresses: ['web-1'], port: 8080 }, signal)
  const ref = refs?.[0]
  if (driver === undefined || ref === undefined) throw new Error('no server was found')
  return { apps, url: `http://127.0.0.1:${balancer.entryPort}`, driver, ref, servers: [{ balancer: driver, ref }] }
}

test('C03 found by name behind its loopback, and refused when it is not there', async () => {
  const { driver, ref } = await started()
  expect(ref).toEqual({ balancer: 'haproxy:lb-1', backend: 'demo', server: 'web-1', address: '127.0.0.1', port: 8080 })
  await expect(driver.discover({ host: 'w', server: 'nobody', addresses: [] }, signal)).rejects.toMatchObject({ code: 'E_BALANCER_SERVER' })
})

test('C04 states and requests in flight', async () => {
  const { apps, driver, url, ref } = await started()
  await driver.drain({ ...ref, server: 'web-2' }, CHANGE)
  const slow = ask(`${url}/?ms=1000`, { id: 'slow', body: null })
  await until(() => apps[0]?.running() === 1, 'it has arrived')
  const states = await driver.list(signal)
  expect(states.map((state) => [state.ref.server, state.admin, state.health, state.inFlight])).toEqual([
    ['web-1', 'ready', 'up', 1],
    ['web-2', 'drain', 'up', 0],
  ])
  expect(await slow).toMatchObject({ what: '', server: 'web-1' })
})

test('C06, C07 a drain waits for what is running, and doing it twice changes nothing', async () => {
  const { apps, driver, url, ref, servers } = await started()
  const before = await snapshot(servers, signal)
  await driver.drain({ ...ref, server: 'web-2' }, CHANGE)
  const slow = ask(`${url}/?ms=1500`, { id: 'slow', body: null })
  await until(() => apps[0]?.running() === 1, 'it has arrived')
  await driver.ready({ ...ref, server: 'web-2' }, CHANGE)
  await out({ host: 'web-1', servers, before })
  expect(apps[0]?.running()).toBe(0)
  expect((await slow).what).toBe('')
  expect(await isOut(servers, signal)).toBe(true)
  expect((await driver.maintenance?.(ref, CHANGE))?.changed).toBe(false)
  await back({ host: 'web-1', servers, before })
  expect(await isIn(servers, before, signal)).toBe(true)
  expect((await driver.ready(ref, CHANGE)).changed).toBe(false)
})

test('C13 an app that is dead is not verified, and stays in maintenance', async () => {
  const { apps, driver, ref, servers } = await started()
  const before = await snapshot(servers, signal)
  await out({ host: 'web-1', servers, before })
  await apps[0]?.off()
  await expect(back({ host: 'web-1', servers, before, deadlineMs: 1_500 })).rejects.toMatchObject({ code: 'E_NOT_UP' })
  expect((await driver.read([ref], signal))[0]?.admin).toBe('maintenance')
  await apps[0]?.on()
  await back({ host: 'web-1', servers, before })
  expect(await isIn(servers, before, signal)).toBe(true)
})

test('C15, C32 weights are restored exactly', async () => {
  const { driver, ref, servers } = await started()
  const before = await snapshot(servers, signal)
  const [state] = before
  if (state === undefined) throw new Error('no state')
  const weight = (state.weight ?? 0) + 7
  expect((await driver.restore({ ...state, weight }, CHANGE)).after.weight).toBe(weight)
  expect(await isIn(servers, before, signal)).toBe(false)
  await driver.restore(state, CHANGE)
  expect(await isIn(servers, before, signal)).toBe(true)
  expect((await driver.read([ref], signal))[0]?.weight).toBe(state.weight)
})

test('preflight finds nothing to complain about', async () => {
  const { driver } = await started()
  expect((await driver.preflight(signal)).filter(({ level }) => level === 'problem')).toEqual([])
})
