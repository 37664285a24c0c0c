// The conformance suite of balancers.md, section 9: what every driver must do against the real balancer. The numbers are
// the page's. In-flight losses are always none; a reset of an idle connection is counted apart, and only a reload may
// cause one. C16, C21 and C25 to C28 are of drivers with weights or files, and of the whole tool.
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DrainPolicy } from '../../../src/domain/config.ts'
import { isIn, isOut, snapshot } from '../../../src/execute/rotation.ts'
import { type App, connectionsTo } from './apps.ts'
import {
  back,
  CHANGE,
  doneTwice,
  FULL,
  lost,
  out,
  type Rig,
  type RigOptions,
  type Running,
  roll,
  serversOf,
  signal,
  stateOf,
} from './rig.ts'
import { openStream } from './stream.ts'
import { ask, startTraffic, type TrafficOptions } from './traffic.ts'
import { until } from './wait.ts'

const REPEATS = FULL ? 10 : 1
const SLOW_START_MS = FULL ? 6_000 : 2_000

const PARTS = {
  load: [seesDamage, rolls, streams],
  changes: [finds, moves, refuses, survives],
  /** For another way to the same balancer. */
  basics: [finds, moves],
  reload: [reloads],
} as const

/** In parts, so that files run beside each other: `load` is all about requests, `changes` about single moves and accidents. */
export function conformance(rig: Rig, part: keyof typeof PARTS): void {
  const title = `${rig.name}, ${part}${rig.missing === null ? '' : ` (skipped: ${rig.missing})`}`
  describe.skipIf(rig.missing !== null)(title, () => {
    for (const add of PARTS[part]) add(rig)
  })
}

async function started(rig: Rig, options?: RigOptions): Promise<Running> {
  const running = await rig.start(options)
  onTestFinished(() => running.close())
  return running
}

function appOf(running: Running, index = 0): App {
  const app = running.apps[index]
  if (app === undefined) throw new Error(`the rig has no app ${index}`)
  return app
}

const busy = (running: Running, more: Partial<TrafficOptions> = {}) => startTraffic({ url: running.balancers[0].url, users: 24, ...more })

/** Loads, rolls, and looks at every request. */
async function losses(running: Running, more: Partial<TrafficOptions>, work: () => Promise<void>): Promise<readonly string[]> {
  const traffic = busy(running, more)
  await traffic.flows(10)
  await work()
  await traffic.flows(10)
  const report = await traffic.stop()
  return [
    ...lost(running, report),
    ...report.losses.filter((loss) => loss.stale).map(({ id }) => `stale ${id}`),
    ...doneTwice(running, report),
  ]
}

function seesDamage(rig: Rig): void {
  test('C01 a restart without a drain loses requests, and the rig sees them', async () => {
    const running = await started(rig)
    const traffic = busy(running, { users: 30 })
    await traffic.flows(30)
    for (const app of running.apps) {
      await app.stop()
      await app.start()
      await app.healthy()
      await traffic.flows(20)
    }
    expect((await traffic.stop()).losses.length).toBeGreaterThanOrEqual(10)
  })

  test('C02 load alone loses nothing', async () => {
    const running = await started(rig)
    expect(await losses(running, {}, async () => {})).toEqual([])
  })
}

function finds(rig: Rig): void {
  test('C03 a host is found by address and port, and refused when it is not there', async () => {
    const running = await started(rig)
    const { driver } = running.balancers[0]
    const app = appOf(running)
    const refs = await driver.discover({ host: app.name, addresses: ['10.99.0.1', app.address], port: app.port }, signal)
    expect(refs.map(({ server, address, port }) => ({ server, address, port }))).toEqual([
      { server: app.name, address: app.address, port: app.port },
    ])
    await expect(driver.discover({ host: 'gone', addresses: ['127.0.0.99'], port: app.port }, signal)).rejects.toMatchObject({
      code: 'E_BALANCER_SERVER',
      exitCode: 3,
    })
    await expect(driver.discover({ host: app.name, addresses: [app.address], port: 1 }, signal)).rejects.toMatchObject({
      code: 'E_BALANCER_SERVER',
    })
  })

  test('C04 states, weights and requests in flight are what they are', async () => {
    const running = await started(rig)
    const { driver, url, set } = running.balancers[0]
    const [first, second] = running.apps
    if (first === undefined || second === undefined) throw new Error('two apps are needed')
    await set(second.name, 'drain')
    await set(appOf(running, 2).name, 'maintenance')
    const asked = Promise.all(Array.from({ length: 5 }, (_, index) => ask(`${url}/?ms=1500`, { id: `slow-${index}`, body: null })))
    await until(() => first.started.length === 5, 'five requests have arrived')
    const states = await driver.list(signal)
    expect(states.map((state) => [state.ref.server, state.admin, state.inFlight, state.queued])).toEqual([
      ['web-1', 'ready', 5, 0],
      ['web-2', 'drain', 0, 0],
      ['web-3', 'maintenance', 0, 0],
    ])
    expect(states.map((state) => state.health)).toEqual(['up', 'up', 'unknown'])
    expect(states.map((state) => [state.weight, state.configuredWeight])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ])
    expect((await asked).map(({ what }) => what)).toEqual(['', '', '', '', ''])
    await until(async () => (await stateOf(await serversOf(running, first))).inFlight === 0, 'nothing is in flight')
    expect((await stateOf(await serversOf(running, first))).requestsTotal).toBe(5)
  })
}

function moves(rig: Rig): void {
  test('C05 a drained server gets no new request', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const traffic = busy(running)
    await traffic.flows(30)
    const [server] = servers
    if (server === undefined) throw new Error('no server')
    const { after } = await server.balancer.drain(server.ref, CHANGE)
    await traffic.flows(100)
    expect((await stateOf(servers)).requestsTotal).toBe(after.requestsTotal)
    expect(after.admin).toBe('drain')
    expect((await traffic.stop()).losses).toEqual([])
  })

  test('C06 a request that is running ends well, and the drain waits for it', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    for (const other of running.apps.slice(1)) await running.balancers[0].set(other.name, 'drain')
    let ended = false
    const asked = ask(`${running.balancers[0].url}/?ms=3000`, { id: 'slow', body: null }).then((answer) => {
      ended = true
      return answer
    })
    await until(() => app.started.length === 1, 'it has arrived')
    for (const other of running.apps.slice(1)) await running.balancers[0].set(other.name, 'ready')
    await out({ host: app.name, servers, before })
    expect(app.ended).toEqual(['slow'])
    expect(await asked).toMatchObject({ what: '', server: app.name })
    expect(ended).toBe(true)
    expect(await isOut(servers, signal)).toBe(true)
  })

  test('C07 doing it twice changes nothing the second time', async () => {
    const running = await started(rig)
    const [server] = await serversOf(running, appOf(running))
    if (server === undefined) throw new Error('no server')
    const { balancer, ref } = server
    const done: (readonly [string, boolean, string])[] = []
    const note = (change: { readonly changed: boolean; readonly after: { readonly admin: string } }, what: string): void => {
      done.push([what, change.changed, change.after.admin])
    }
    note(await balancer.ready(ref, CHANGE), 'ready')
    note(await balancer.drain(ref, CHANGE), 'drain')
    note(await balancer.drain(ref, CHANGE), 'drain')
    if (balancer.maintenance !== undefined) {
      note(await balancer.maintenance(ref, CHANGE), 'maintenance')
      note(await balancer.maintenance(ref, CHANGE), 'maintenance')
    }
    note(await balancer.ready(ref, CHANGE), 'ready')
    note(await balancer.ready(ref, CHANGE), 'ready')
    expect(done.map(([what, changed, admin]) => [what, changed, admin === what])).toEqual([
      ['ready', false, true],
      ['drain', true, true],
      ['drain', false, true],
      ...(balancer.maintenance === undefined
        ? []
        : [
            ['maintenance', true, true],
            ['maintenance', false, true],
          ]),
      ['ready', true, true],
      ['ready', false, true],
    ])
  })

  test('C15 a server that an operator took out stays out, and keeps its weight', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const { set } = running.balancers[0]
    await set(app.name, { weight: 7 })
    await set(app.name, 'maintenance')
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    await out({ host: app.name, servers, before })
    await app.stop()
    await app.start()
    await app.healthy()
    await back({ host: app.name, servers, before })
    expect(await stateOf(servers)).toMatchObject({ admin: 'maintenance', weight: 7, configuredWeight: 1 })
  })

  test('a weight that an operator had set comes back with the server', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const { set } = running.balancers[0]
    await set(app.name, { weight: 7 })
    const before = await snapshot(servers, signal)
    await out({ host: app.name, servers, before })
    await set(app.name, { weight: 3 })
    await back({ host: app.name, servers, before })
    expect(await stateOf(servers)).toMatchObject({ admin: 'ready', weight: 7 })
  })

  test('C32 what is different at the end is seen', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    expect(await isIn(servers, before, signal)).toBe(true)
    await running.balancers[0].set(app.name, { weight: 3 })
    expect(await isIn(servers, before, signal)).toBe(false)
  })
}

function rolls(rig: Rig): void {
  const cases: readonly (readonly [string, RigOptions, Partial<TrafficOptions>, number])[] = [
    ['C08 a roll over three hosts under load loses nothing', {}, {}, 0],
    ['C09 nor at light traffic with an app that starts slowly', {}, { users: 4, thinkMs: 600 }, SLOW_START_MS],
    ['C10 nor with bodies of 1 MB and chunked answers of a second', {}, { users: 12, bodyBytes: 1_000_000, query: '?ms=1000&parts=5' }, 0],
    ['C11 nor with clients that stay with their server', { sticky: true }, { sticky: true }, 0],
    ['C14 nor with two hosts that start slowly: the second waits for the first', { count: 2 }, { users: 12 }, SLOW_START_MS],
    ['C24 nor through two balancers before the same hosts', { pair: true }, {}, 0],
  ]
  for (const [title, options, traffic, startMs] of cases) {
    test(title, { timeout: 60_000 * REPEATS }, async () => {
      const running = await started(rig, options)
      for (let repeat = 0; repeat < REPEATS; repeat += 1) {
        const second = running.balancers[1]
        const other = second === undefined ? null : startTraffic({ url: second.url, users: 12 })
        expect(await losses(running, traffic, () => roll(running, startMs))).toEqual([])
        if (other !== null) expect(lost(running, await other.stop())).toEqual([])
      }
    })
  }

  test('C11 a drain alone does not keep sticky clients away', async () => {
    const running = await started(rig, { sticky: true })
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const traffic = busy(running, { sticky: true })
    await until(() => running.apps.every((each) => traffic.servedBy(each.name) > 10), 'every client has its server')
    const [server] = servers
    const change = await server?.balancer.drain(server.ref, CHANGE)
    const from = change?.after.requestsTotal ?? 0
    await until(async () => ((await stateOf(servers)).requestsTotal ?? 0) > from + 20, 'they still come')
    expect((await traffic.stop()).losses).toEqual([])
  })
}

function streams(rig: Rig): void {
  const deadline = (onDeadline: DrainPolicy['onDeadline']): DrainPolicy => ({ deadlineMs: 1_500, onDeadline })
  const withStream = async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    for (const other of running.apps.slice(1)) await running.balancers[0].set(other.name, 'drain')
    const stream = await openStream(running.balancers[0].url)
    onTestFinished(() => stream.close())
    for (const other of running.apps.slice(1)) await running.balancers[0].set(other.name, 'ready')
    const elsewhere = await openStream(running.balancers[0].url, async () => (await stateOf(servers)).inFlight === 1)
    onTestFinished(() => elsewhere.close())
    return { running, app, servers, before, stream, elsewhere }
  }

  test('C12 an open WebSocket at the deadline: the host goes back as it was', async () => {
    const { app, servers, before, stream } = await withStream()
    await expect(out({ host: app.name, servers, before, drain: deadline('fail') })).rejects.toMatchObject({
      code: 'E_DRAIN_DEADLINE',
      message: expect.stringContaining('1 connection left'),
      now: `${app.name} is back in rotation as it was`,
    })
    // Fresh out of maintenance it is unverified until its next check.
    await until(() => isIn(servers, before, signal), 'it is as before')
    expect(await stream.echoes()).toBe(true)
  })

  test('C12 an open WebSocket at the deadline: cut and counted, and no other is', async () => {
    const { app, servers, before, stream, elsewhere } = await withStream()
    const { cut } = await out({ host: app.name, servers, before, drain: deadline('cut') })
    expect(cut).toBe(1)
    await until(() => stream.closed(), 'it is closed')
    expect(await elsewhere.echoes()).toBe(true)
    expect(await isOut(servers, signal)).toBe(true)
  })

  test('C12 an open WebSocket at the deadline: gone on with, and said so', async () => {
    const { app, servers, before, stream } = await withStream()
    const { cut, evidence } = await out({ host: app.name, servers, before, drain: deadline('continue') })
    expect([cut, evidence]).toEqual([0, '1 still in flight after 1.5 s, going on (drain.on_deadline: continue)'])
    expect(await stream.echoes()).toBe(true)
  })
}

function refuses(rig: Rig): void {
  test('C13 an app that is dead does not come back, and gets no request', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    const traffic = busy(running)
    await traffic.flows(20)
    await out({ host: app.name, servers, before })
    await app.stop()
    await expect(back({ host: app.name, servers, before, deadlineMs: 2_000 })).rejects.toMatchObject({
      code: 'E_NOT_UP',
      now: `${app.name} is kept out of rotation`,
    })
    await traffic.flows(30)
    expect((await stateOf(servers)).admin).toBe('maintenance')
    expect(lost(running, await traffic.stop())).toEqual([])
  })

  test('C13 somebody who forces it ready is found out', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    await out({ host: app.name, servers, before })
    await app.stop()
    await running.balancers[0].set(app.name, 'ready')
    await expect(back({ host: app.name, servers, before, deadlineMs: 3_000 })).rejects.toMatchObject({ code: 'E_NOT_UP' })
    expect((await stateOf(servers)).admin).toBe('maintenance')
  })

  test('C20 a change of the same server by somebody else stops the host, and is left as it is', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    for (const other of running.apps.slice(1)) await running.balancers[0].set(other.name, 'drain')
    const slow = ask(`${running.balancers[0].url}/?ms=4000`, { id: 'slow', body: null })
    await until(() => app.started.length === 1, 'a request is running')
    for (const other of running.apps.slice(1)) await running.balancers[0].set(other.name, 'ready')
    const leaving = out({ host: app.name, servers, before })
    const failed = expect(leaving).rejects.toMatchObject({ code: 'E_BALANCER_CONFLICT', exitCode: 5 })
    await until(async () => (await stateOf(servers)).admin === 'maintenance', 'it is in maintenance')
    await running.balancers[0].set(app.name, 'drain')
    await failed
    expect((await stateOf(servers)).admin).toBe('drain')
    expect((await slow).what).toBe('')
  })
}

function survives(rig: Rig): void {
  test('C18 a balancer that does not run cannot be talked to, and nothing is changed', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    await running.balancers[0].kill()
    await expect(running.balancers[0].another().list(signal)).rejects.toMatchObject({ code: 'E_BALANCER_UNREACHABLE', exitCode: 4 })
    await expect(snapshot(servers, signal)).rejects.toMatchObject({ code: 'E_BALANCER_UNREACHABLE' })
    await running.balancers[0].start()
    await until(() => isIn(servers, before, signal), 'it is as before')
  })

  test('C18 a balancer that dies during the drain: the drain is set again when it is back', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    const stream = await openStream(running.balancers[0].url, async () => (await stateOf(servers)).inFlight === 1)
    onTestFinished(() => stream.close())
    const told: string[] = []
    const leaving = out({ host: app.name, servers, before, waiting: (detail) => told.push(detail) })
    await until(async () => (await stateOf(servers)).admin === 'maintenance', 'it is in maintenance')
    await running.balancers[0].kill()
    await until(() => told.some((detail) => detail.includes('trying again')), 'it is noticed')
    await running.balancers[0].start()
    await leaving
    expect(told).toContain('the balancer was reloaded meanwhile: draining again')
    expect(await isOut(servers, signal)).toBe(true)
  })

  test('C18 a balancer that dies before the host is ready again: it comes back when it can', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    await out({ host: app.name, servers, before })
    await running.balancers[0].kill()
    const refused = back({ host: app.name, servers, before, retryMs: 0 })
    await expect(refused).rejects.toMatchObject({ code: 'E_BALANCER_UNREACHABLE' })
    const returning = back({ host: app.name, servers, before })
    await running.balancers[0].start()
    await returning
    expect(await isIn(servers, before, signal)).toBe(true)
  })

  reloads(rig)

  test('C24 one of a pair that cannot be drained: the other is put back, and nothing is lost', async () => {
    const running = await started(rig, { pair: true })
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    const traffic = busy(running)
    await traffic.flows(20)
    await running.balancers[1]?.kill()
    const attempt = out({ host: app.name, servers, before, retryMs: 0 })
    await expect(attempt).rejects.toMatchObject({ code: 'E_BALANCER_UNREACHABLE', now: expect.stringContaining('could not be put back') })
    expect((await stateOf(servers.slice(0, 1))).admin).toBe('ready')
    await traffic.flows(20)
    expect((await traffic.stop()).losses).toEqual([])
  })

  test('an interrupted drain puts the host back', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    const stream = await openStream(running.balancers[0].url, async () => (await stateOf(servers)).inFlight === 1)
    onTestFinished(() => stream.close())
    const interrupt = new AbortController()
    const leaving = out({ host: app.name, servers, before, signal: interrupt.signal })
    const cancelled = expect(leaving).rejects.toMatchObject({ code: 'E_CANCELLED' })
    await until(async () => (await stateOf(servers)).admin !== 'ready', 'it is drained')
    interrupt.abort()
    await cancelled
    // Fresh out of maintenance it is unverified until its next check.
    await until(() => isIn(servers, before, signal), 'it is as before')
    expect(await stream.echoes()).toBe(true)
  })
}

function reloads(rig: Rig): void {
  test('C19 a reload during the drain is noticed, and the drain set again', async () => {
    const running = await started(rig)
    const app = appOf(running)
    const servers = await serversOf(running, app)
    const before = await snapshot(servers, signal)
    const traffic = busy(running, { query: '?ms=1500', users: 12 })
    await until(() => app.started.length > 0, 'requests are running')
    const told: string[] = []
    const leaving = out({ host: app.name, servers, before, waiting: (detail) => told.push(detail), connections: () => connectionsTo(app) })
    await until(async () => (await stateOf(servers)).admin !== 'ready', 'it is drained')
    await running.balancers[0].reload()
    await leaving
    expect(told).toContain('the balancer was reloaded meanwhile: draining again')
    expect(await isOut(servers, signal)).toBe(true)
    // What the old process held has ended, too: the app may be killed now.
    await app.stop()
    await app.start()
    await app.healthy()
    await back({ host: app.name, servers, before })
    const report = await traffic.stop()
    expect(lost(running, report)).toEqual([])
    expect(report.losses.length).toBeLessThanOrEqual(3)
  })
}
