// What only HAProxy has: masks, tracked servers, agents, DNS, its own ways to say nothing. Against the real one.
import { spawnSync } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LoadBalancer, ServerRef, ServerState } from '../../../src/domain/balancer.ts'
import { createBalancers } from '../../../src/drivers/balancer/registry.ts'
import { isOut, snapshot } from '../../../src/execute/rotation.ts'
import { type App, startApp } from './apps.ts'
import { connectLocally, freePort, type HaproxyOptions, missing, type RealHaproxy, startApps, startHaproxy } from './haproxy-rig.ts'
import { back, CHANGE, out, type Servers, signal } from './rig.ts'
import { openStream } from './stream.ts'
import { ask } from './traffic.ts'
import { until } from './wait.ts'

const UP = (state: ServerState): boolean => state.health === 'up' || state.health === 'unchecked'

async function apps(count: number): Promise<readonly App[]> {
  const started = await startApps(count)
  onTestFinished(async () => {
    await Promise.all(started.map((app) => app.stop()))
  })
  return started
}

async function haproxy(
  options: HaproxyOptions,
  ready: (states: readonly ServerState[]) => boolean = (all) => all.every(UP),
): Promise<RealHaproxy> {
  const running = await startHaproxy(options)
  onTestFinished(() => running.close())
  await until(async () => ready(await running.driver.list(signal)), 'the servers are as the test wants them')
  return running
}

async function masks(running: RealHaproxy): Promise<Readonly<Record<string, number>>> {
  const rows = (await running.ask('show servers state')).split('\n').slice(2)
  return Object.fromEntries(
    rows
      .filter((row) => row !== '')
      .map((row) => row.split(' '))
      .map((row) => [`${row[1]}/${row[3]}`, Number(row[6])]),
  )
}

const refOf = (driver: LoadBalancer, path: string): ServerRef => {
  const [backend = '', server = ''] = path.split('/')
  return { balancer: driver.id, backend, server }
}

async function read(driver: LoadBalancer, path: string): Promise<ServerState> {
  const [state] = await driver.read([refOf(driver, path)], signal)
  if (state === undefined) throw new Error(`no ${path}`)
  return state
}

const names = (refs: readonly ServerRef[]): readonly string[] => refs.map(({ backend, server }) => `${backend}/${server}`)

function first<T>(all: readonly T[]): T {
  const [one] = all
  if (one === undefined) throw new Error('there is none')
  return one
}

describe.skipIf(missing !== null)(`haproxy's own ways${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  describe('finding servers', () => {
    const two = async (options: Partial<HaproxyOptions> = {}) => {
      const started = await apps(2)
      const app = first(started)
      const other = await startApp('other', app.address)
      onTestFinished(() => other.stop())
      const sections = `backend admin
  server a1 ${app.address}:${app.port} check
  server a2 ${app.address}:${other.port} check
`
      return { app, other, running: await haproxy({ apps: started, sections, ...options }) }
    }

    test('C03 all backends that have the address and the port, or the configured one', async () => {
      const { app, other, running } = await two()
      const { driver } = running
      expect(names(await driver.discover({ host: 'w', addresses: [app.address], port: app.port }, signal))).toEqual([
        'app/web-1',
        'admin/a1',
      ])
      expect(names(await driver.discover({ host: 'w', addresses: [app.address], port: other.port }, signal))).toEqual(['admin/a2'])
      const [only] = createBalancers(
        [{ kind: 'haproxy', hosts: ['lb-1'], socket: running.socket, backend: 'admin', drain: { deadlineMs: 1, onDeadline: 'fail' } }],
        { connectTo: connectLocally },
      )
      expect(names((await only?.discover({ host: 'w', addresses: [app.address], port: app.port }, signal)) ?? [])).toEqual(['admin/a1'])
      expect((await only?.list(signal))?.map(({ ref }) => ref.server)).toEqual(['a1', 'a2'])
    })

    test('C03 two servers on the address and no port known: refused with both', async () => {
      const { app, running } = await two()
      await expect(running.driver.discover({ host: 'w', addresses: [app.address] }, signal)).rejects.toMatchObject({
        code: 'E_BALANCER_SERVER',
        message: 'w could be several servers of backend admin in haproxy:lb-1',
        hints: expect.arrayContaining([expect.stringContaining('admin/a2')]),
      })
    })

    test('C03 by name, in every backend that has it; a name at another address is refused', async () => {
      const { app, running } = await two()
      const { driver } = running
      expect(names(await driver.discover({ host: 'w', server: 'a1', addresses: [app.address] }, signal))).toEqual(['admin/a1'])
      await expect(driver.discover({ host: 'w', server: 'web-2', addresses: [app.address], port: app.port }, signal)).rejects.toMatchObject(
        {
          code: 'E_BALANCER_MISMATCH',
          message: expect.stringMatching(/^haproxy:lb-1 has app\/web-2 at 127\.0\.0\.12, which is not w$/),
        },
      )
      await expect(driver.discover({ host: 'w', server: 'nobody', addresses: [app.address] }, signal)).rejects.toMatchObject({
        code: 'E_BALANCER_SERVER',
        hints: [expect.stringContaining('app/web-1 (127.0.0.11:')],
      })
    })

    test('a backend that is not there is refused with those that are', async () => {
      const { app, running } = await two()
      const [only] = createBalancers(
        [{ kind: 'haproxy', hosts: ['lb-1'], socket: running.socket, backend: 'shop', drain: { deadlineMs: 1, onDeadline: 'fail' } }],
        { connectTo: connectLocally },
      )
      const refused = { code: 'E_BALANCER_SERVER', message: 'haproxy:lb-1 has no backend shop', hints: ['backends there: app, admin'] }
      await expect(only?.list(signal)).rejects.toMatchObject(refused)
      await expect(only?.discover({ host: 'w', addresses: [app.address] }, signal)).rejects.toMatchObject(refused)
      expect(await only?.preflight(signal)).toContainEqual(
        expect.objectContaining({ level: 'problem', id: 'backend', fix: 'backends there: app, admin' }),
      )
    })

    test('a slot that has moved to another address is not changed', async () => {
      const { app, running } = await two()
      const { driver } = running
      const [ref] = await driver.discover({ host: 'w', server: 'web-1', addresses: [app.address] }, signal)
      if (ref === undefined) throw new Error('not found')
      expect(await running.ask('set server app/web-1 addr 127.0.0.77')).toContain('changed')
      await expect(driver.drain(ref, CHANGE)).rejects.toMatchObject({ code: 'E_BALANCER_MISMATCH' })
      expect((await masks(running))['app/web-1']).toBe(0)
    })

    test('C29 IPv6, a host name, and every letter that a name may have', async () => {
      const app = await startApp('six', '::1')
      onTestFinished(() => app.stop())
      const sections = `backend b.e-t_a:1
  server s.1-2_3:4 [::1]:${app.port} check
backend named
  server n localhost:${app.port} check
`
      const running = await haproxy({ apps: await apps(1), sections }, (states) => UP(first(states)))
      const { driver } = running
      // Loopback says nothing of whose it is, unless the host runs the balancer itself.
      expect(names(await driver.discover({ host: 'lb-1', addresses: [], port: app.port }, signal))).toContain('b.e-t_a:1/s.1-2_3:4')
      await expect(driver.discover({ host: 'w', addresses: ['::1'], port: app.port }, signal)).rejects.toMatchObject({
        code: 'E_BALANCER_SERVER',
      })
      const ref = refOf(driver, 'b.e-t_a:1/s.1-2_3:4')
      expect((await driver.drain(ref, CHANGE)).after.admin).toBe('drain')
      expect((await driver.verifyOutOfRotation?.(ref, CHANGE))?.health).toBe('up')
      expect((await driver.ready(ref, CHANGE)).after).toMatchObject({ admin: 'ready', health: 'up' })
    })

    test('names of the inventory are resolved on the balancer host', async () => {
      const started = await apps(1)
      const name = spawnSync('hostname', { encoding: 'utf8' }).stdout.trim()
      const address = spawnSync('getent', ['ahostsv4', name], { encoding: 'utf8' }).stdout.split(/\s/)[0] ?? ''
      const running = await haproxy({ apps: started, sections: `backend here\n  server me ${address}:8080\n` }, (all) => UP(first(all)))
      const looked = running.driver.discover({ host: 'w', addresses: [name], port: 8080 }, signal)
      // Where a machine knows itself only by loopback there is nothing to be found by.
      if (address.startsWith('127.')) await expect(looked).rejects.toMatchObject({ code: 'E_BALANCER_SERVER' })
      else expect(names(await looked)).toEqual(['here/me'])
    })
  })

  describe('whose setting it is', () => {
    test('a server that tracks another is drained through it, and nothing of ours is left on it', async () => {
      const started = await apps(2)
      const app = first(started)
      const sections = `backend follow\n  server web-1 ${app.address}:${app.port} track app/web-1\n`
      const running = await haproxy({ apps: started, sections })
      const { driver } = running
      const refs = await driver.discover({ host: 'w', addresses: [app.address], port: app.port }, signal)
      expect(names(refs)).toEqual(['app/web-1', 'follow/web-1'])
      const follower = refOf(driver, 'follow/web-1')
      expect((await driver.drain(follower, CHANGE)).after.admin).toBe('drain')
      expect(await masks(running)).toMatchObject({ 'app/web-1': 8, 'follow/web-1': 16 })
      expect((await driver.maintenance?.(follower, CHANGE))?.after).toMatchObject({ admin: 'maintenance', detail: 'MAINT (via app/web-1)' })
      expect(await masks(running)).toMatchObject({ 'app/web-1': 1, 'follow/web-1': 2 })
      expect(await driver.verifyOutOfRotation?.(follower, CHANGE)).toMatchObject({ admin: 'drain', health: 'up' })
      expect((await driver.ready(follower, CHANGE)).after.admin).toBe('ready')
      expect(await masks(running)).toMatchObject({ 'app/web-1': 0, 'follow/web-1': 0 })
      // And both at once, as a deploy does.
      const servers: Servers = refs.map((ref) => ({ balancer: driver, ref }))
      const before = await snapshot(servers, signal)
      await out({ host: 'w', servers, before })
      await back({ host: 'w', servers, before })
      expect(await masks(running)).toMatchObject({ 'app/web-1': 0, 'follow/web-1': 0 })
    })

    test('C15 disabled in the file: shown as not ours, and never made ready', async () => {
      const started = await apps(2)
      const running = await haproxy({ apps: started, words: 'disabled' }, () => true)
      const state = await read(running.driver, 'app/web-1')
      expect(state).toMatchObject({ admin: 'other', detail: 'MAINT (disabled in the file)' })
      const servers: Servers = [{ balancer: running.driver, ref: state.ref }]
      await out({ host: 'w', servers, before: [state] })
      await back({ host: 'w', servers, before: [state] })
      expect((await running.driver.restore(state, CHANGE)).changed).toBe(false)
      expect((await masks(running))['app/web-1']).toBe(5)
    })

    test('disabled in the file and enabled since: taken and brought back as any other', async () => {
      const running = await haproxy({ apps: await apps(2), words: 'disabled' }, () => true)
      await running.set('web-1', 'ready')
      await until(async () => (await read(running.driver, 'app/web-1')).health === 'up', 'it is up')
      const servers: Servers = [{ balancer: running.driver, ref: refOf(running.driver, 'app/web-1') }]
      const before = await snapshot(servers, signal)
      expect(before[0]?.admin).toBe('ready')
      await out({ host: 'w', servers, before })
      expect((await masks(running))['app/web-1']).toBe(5)
      await back({ host: 'w', servers, before })
      expect((await masks(running))['app/web-1']).toBe(4)
    })

    test('a slot whose name is not resolved is out by DNS, and ready is refused', async () => {
      const sections = `resolvers dns
  nameserver none 127.0.0.1:9
  timeout resolve 100ms
backend slots
  server-template slot 1-2 nowhere.invalid:8080 check resolvers dns init-addr none
`
      const running = await haproxy({ apps: await apps(1), sections }, (states) =>
        states.some((state) => state.detail === 'MAINT (resolution)'),
      )
      const { driver } = running
      const slot = await read(driver, 'slots/slot1')
      expect(slot).toMatchObject({ admin: 'other', detail: 'MAINT (resolution)' })
      await expect(driver.ready(slot.ref, CHANGE)).rejects.toMatchObject({ code: 'E_BALANCER' })
      expect((await driver.restore(slot, CHANGE)).changed).toBe(false)
      expect(await driver.preflight(signal)).toContainEqual(expect.objectContaining({ level: 'warning', id: 'unresolved' }))
    })

    test('an agent that may put a server back is refused before anything is changed', async () => {
      const started = await apps(1)
      const app = first(started)
      const running = await haproxy({ apps: started, words: 'agent-check agent-port 9 agent-inter 10s' }, () => true)
      const { driver } = running
      const refused = {
        code: 'E_BALANCER_SERVER',
        exitCode: 3,
        hints: expect.arrayContaining([expect.stringContaining('disable agent app/web-1')]),
      }
      await expect(driver.discover({ host: 'w', addresses: [app.address], port: app.port }, signal)).rejects.toMatchObject(refused)
      await expect(driver.drain(refOf(driver, 'app/web-1'), CHANGE)).rejects.toMatchObject({ code: 'E_BALANCER' })
      expect(await driver.preflight(signal)).toContainEqual(expect.objectContaining({ level: 'problem', id: 'agent' }))
      await running.ask('disable agent app/web-1')
      expect(names(await running.another().discover({ host: 'w', addresses: [app.address], port: app.port }, signal))).toEqual([
        'app/web-1',
      ])
      expect((await driver.drain(refOf(driver, 'app/web-1'), CHANGE)).changed).toBe(true)
    })
  })

  describe('verified before traffic', () => {
    for (const fall of [3, 1])
      test(`with fall ${fall}: a live app passes, a dead one does not`, async () => {
        const started = await apps(1)
        const app = first(started)
        const running = await haproxy({ apps: started, words: `fall ${fall}` })
        const { driver } = running
        const ref = refOf(driver, 'app/web-1')
        await driver.maintenance?.(ref, CHANGE)
        expect(await driver.verifyOutOfRotation?.(ref, CHANGE)).toMatchObject({ admin: 'drain', detail: 'DRAIN', health: 'up' })
        expect((await driver.ready(ref, CHANGE)).after).toMatchObject({ admin: 'ready', health: 'up', detail: 'UP' })
        await driver.maintenance?.(ref, CHANGE)
        await app.stop()
        const dead = driver.verifyOutOfRotation?.(ref, { signal, deadlineMs: 1_500 })
        await expect(dead).rejects.toMatchObject({
          code: 'E_NOT_UP',
          exitCode: 5,
          message: expect.stringContaining('passed no check within 1.5 s'),
        })
        expect((await read(driver, 'app/web-1')).admin).toBe('drain')
      })

    test('what an earlier check had seen in the drain does not count', async () => {
      const started = await apps(1)
      const app = first(started)
      // Checks so rare that the last good one is always from before the app died.
      const running = await haproxy({ apps: started, words: 'inter 60s' })
      const { driver } = running
      const ref = refOf(driver, 'app/web-1')
      expect((await driver.drain(ref, CHANGE)).after.detail).toBe('DRAIN')
      await app.stop()
      await expect(driver.verifyOutOfRotation?.(ref, { signal, deadlineMs: 1_000 })).rejects.toMatchObject({ code: 'E_NOT_UP' })
    })

    test('without a check it is said to be unchecked, in rotation and out', async () => {
      const running = await haproxy({ apps: await apps(2), healthChecks: false })
      const { driver } = running
      const ref = refOf(driver, 'app/web-1')
      const servers: Servers = [{ balancer: driver, ref }]
      const before = await snapshot(servers, signal)
      expect(before[0]).toMatchObject({ health: 'unchecked', detail: 'no check' })
      await out({ host: 'w', servers, before })
      expect(await driver.verifyOutOfRotation?.(ref, CHANGE)).toMatchObject({ admin: 'drain', health: 'unchecked' })
      const [state] = await back({ host: 'w', servers, before })
      expect(state).toMatchObject({ admin: 'ready', health: 'unchecked' })
      expect(await driver.preflight(signal)).toContainEqual(expect.objectContaining({ level: 'warning', id: 'unchecked' }))
    })

    test('a slow start is waited for', async () => {
      const running = await haproxy({ apps: await apps(2), words: 'slowstart 2s' }, (states) =>
        states.every((state) => UP(state) && state.warmingPercent === null),
      )
      const { driver } = running
      const servers: Servers = [{ balancer: driver, ref: refOf(driver, 'app/web-1') }]
      const before = await snapshot(servers, signal)
      await out({ host: 'w', servers, before })
      const warm: (number | null)[] = []
      const returning = back({ host: 'w', servers, before })
      await until(async () => {
        const { admin, warmingPercent } = await read(driver, 'app/web-1')
        if (admin === 'ready') warm.push(warmingPercent)
        return admin === 'ready' && warmingPercent !== null
      }, 'it warms up')
      expect((await returning)[0]?.warmingPercent).toBe(null)
    })
  })

  describe('refusals', () => {
    for (const level of ['operator', 'user'] as const)
      test(`C17 a socket at level ${level}: a problem in preflight, and nothing is changed`, async () => {
        const running = await haproxy({ apps: await apps(1), level })
        const { driver } = running
        expect(await driver.preflight(signal)).toContainEqual(expect.objectContaining({ level: 'problem', id: 'level' }))
        await expect(driver.drain(refOf(driver, 'app/web-1'), CHANGE)).rejects.toMatchObject({ code: 'E_BALANCER_DENIED', exitCode: 3 })
        expect((await read(driver, 'app/web-1')).admin).toBe('ready')
      })

    test('C22 a server that is not there', async () => {
      const running = await haproxy({ apps: await apps(1) })
      await expect(running.driver.drain(refOf(running.driver, 'app/nobody'), CHANGE)).rejects.toMatchObject({ code: 'E_BALANCER_SERVER' })
      await expect(running.driver.read([refOf(running.driver, 'app/nobody')], signal)).rejects.toMatchObject({ code: 'E_BALANCER_SERVER' })
    })

    test('C22 a change that is said no to, in its words', async () => {
      const running = await haproxy({ apps: await apps(1), balance: 'static-rr' })
      const state = await read(running.driver, 'app/web-1')
      await expect(running.driver.restore({ ...state, weight: 10 }, CHANGE)).rejects.toMatchObject({
        code: 'E_BALANCER',
        message: expect.stringContaining('static LB algorithm'),
      })
    })

    test('C22 a yes that changed nothing is found out', async () => {
      const running = await haproxy({ apps: await apps(1) })
      const relay = join(running.folder, 'relay.sock')
      // Between us and HAProxy: swallows every `set` and answers it as if it had been done.
      const server = createServer({ allowHalfOpen: true }, (client) => {
        client.on('error', () => client.destroy())
        client.once('data', (line: Buffer) => {
          const commands = line.toString().trim().split(';')
          const kept = commands.filter((command) => !command.startsWith('set '))
          const upstream = connect({ path: join(running.folder, 'admin.sock') })
          upstream.on('error', () => client.destroy())
          client.write('\n'.repeat(commands.length - kept.length))
          upstream.write(`${kept.join(';')}\n`)
          upstream.pipe(client)
        })
      })
      await new Promise<void>((done) => server.listen(relay, done))
      onTestFinished(() => new Promise((done) => server.close(() => done())))
      const [lied] = createBalancers([{ kind: 'haproxy', hosts: ['lb-1'], socket: relay, drain: { deadlineMs: 1, onDeadline: 'fail' } }], {
        connectTo: connectLocally,
      })
      if (lied === undefined) throw new Error('no driver')
      await expect(lied.drain(refOf(lied, 'app/web-1'), CHANGE)).rejects.toMatchObject({
        code: 'E_BALANCER',
        message: 'app/web-1 on haproxy:lb-1 did not become drain: HAProxy said yes, and shows UP (admin state 0)',
      })
    })

    test('C31 a name that would be a command of its own is refused, and nothing is sent', async () => {
      const running = await haproxy({ apps: await apps(2) })
      const { driver } = running
      const before = await masks(running)
      for (const server of [
        'web-1; set server app/web-2 state maint',
        'web-1\nset server app/web-2 state maint',
        'web-1 state maint',
        '',
        'a\u001b[2J',
      ]) {
        await expect(driver.drain({ balancer: driver.id, backend: 'app', server }, CHANGE)).rejects.toMatchObject({
          code: 'E_BALANCER_SERVER',
        })
        await expect(driver.discover({ host: 'w', server, addresses: ['127.0.0.11'] }, signal)).rejects.toMatchObject({
          code: 'E_BALANCER_SERVER',
        })
      }
      expect(await masks(running)).toEqual(before)
    })
  })

  test('C30 fifty servers in four backends are read in one exchange', async () => {
    const started = await apps(1)
    const sections = Array.from({ length: 4 }, (_, backend) => {
      const servers = Array.from(
        { length: 50 },
        (__, server) => `  server s${server} 127.0.2.${server + 1}:${9000 + backend} weight ${server + 1}`,
      )
      return `backend b${backend}\n${servers.join('\n')}\n`
    }).join('')
    const running = await haproxy({ apps: started, sections })
    let exchanges = 0
    const [driver] = createBalancers(
      [{ kind: 'haproxy', hosts: ['lb-1'], socket: running.socket, drain: { deadlineMs: 1, onDeadline: 'fail' } }],
      {
        connectTo: async (name, abort) => {
          const connection = await connectLocally(name, abort)
          return {
            ...connection,
            forward: (to, options) => {
              exchanges += 'socket' in to && to.socket === running.socket ? 1 : 0
              return connection.forward(to, options)
            },
          }
        },
      },
    )
    if (driver === undefined) throw new Error('no driver')
    const states = await driver.list(signal)
    expect(states.length).toBe(201)
    expect(exchanges).toBe(1)
    // Fifty hosts that are looked for just after are no question more.
    const found = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        driver.discover({ host: `w${index}`, addresses: [`127.0.2.${index + 1}`], port: 9002 }, signal),
      ),
    )
    expect(found.map(names)).toEqual(Array.from({ length: 50 }, (_, index) => [`b2/s${index}`]))
    expect(exchanges).toBe(1)
    await driver.read(
      states.slice(1).map(({ ref }) => ref),
      signal,
    )
    expect(exchanges).toBe(2)
  })

  test('TCP mode: an open session is in flight even in maintenance, and can be cut', async () => {
    const started = await apps(1)
    const app = first(started)
    const raw = await freePort()
    const sections = `listen raw\n  mode tcp\n  bind 127.0.0.1:${raw}\n  server t1 ${app.address}:${app.port} check\n`
    const running = await haproxy({ apps: started, sections })
    const { driver } = running
    const ref = refOf(driver, 'raw/t1')
    const stream = await openStream(`http://127.0.0.1:${raw}`)
    onTestFinished(() => stream.close())
    expect((await read(driver, 'raw/t1')).inFlight).toBe(1)
    expect((await driver.maintenance?.(ref, CHANGE))?.after.inFlight).toBe(1)
    expect(await stream.echoes()).toBe(true)
    expect(await driver.closeSessions?.(ref, CHANGE)).toEqual({ closed: 1 })
    await until(() => stream.closed(), 'it is cut')
  })

  test('what a process from before a reload holds is counted through the master', async () => {
    const started = await apps(2)
    const running = await haproxy({ apps: started, master: true })
    const { driver } = running
    const knowsMaster = async (): Promise<boolean> =>
      (await driver.preflight(signal)).some(({ level, id }) => level === 'ok' && id === 'master')
    await until(knowsMaster, 'the master is found, which listens a moment after its workers')
    for (const app of started.slice(1)) await running.set(app.name, 'drain')
    const slow = ask(`${running.url}/?ms=4000`, { id: 'slow', body: null })
    await until(async () => (await read(driver, 'app/web-1')).inFlight === 1, 'it runs')
    const { generation } = await read(driver, 'app/web-1')
    await running.reload()
    await until(async () => (await read(driver, 'app/web-1')).detail.startsWith('UP'), 'the new process answers')
    const after = await read(driver, 'app/web-1')
    expect(after.generation).not.toBe(generation)
    expect(after.inFlight).toBe(1)
    expect(after.detail).toContain('1 in flight in a process from before a reload')
    const servers: Servers = [{ balancer: driver, ref: refOf(driver, 'app/web-1') }]
    await out({ host: 'w', servers, before: await snapshot(servers, signal) })
    expect(first(started).ended).toEqual(['slow'])
    expect(await isOut(servers, signal)).toBe(true)
    expect((await slow).what).toBe('')
  })

  test('preflight reads the traps in its file', async () => {
    const state = '/nowhere/state'
    const running = await haproxy({
      apps: await apps(1),
      words: 'on-marked-down shutdown-sessions',
      global: `  server-state-file ${state}\n`,
      defaults: '  load-server-state-from-file global\n  http-reuse always\n',
    })
    const findings = await running.driver.preflight(signal)
    expect(findings.map(({ level, id }) => `${level} ${id}`)).toEqual([
      'ok reached',
      'ok level',
      'warning marked-down',
      'warning state-file',
      'warning idle',
      'ok reload-idle',
    ])
    expect(findings[0]?.message).toMatch(/^HAProxy \d+\.\d+.* answers on \//)
  })
})
