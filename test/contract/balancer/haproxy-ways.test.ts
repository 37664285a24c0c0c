// The ways to the same HAProxy: over SSH to its socket, to its port, and through a program on its host where sshd
// forwards nothing; and what a person is told when there is no way. A real sshd, logged in to as a plain user.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LoadBalancer } from '../../../src/domain/balancer.ts'
import { createBalancers } from '../../../src/drivers/balancer/registry.ts'
import { isOut, snapshot } from '../../../src/execute/rotation.ts'
import { noSshd, startSshd } from '../transport/sshd.ts'
import { aHost, sshTransport } from '../transport/targets.ts'
import { conformance } from './conformance.ts'
import { type ConnectTo, haproxyRig, missing as noHaproxy, type RealHaproxy, startApps, startHaproxy } from './haproxy-rig.ts'
import { back, CHANGE, FULL, lost, out, type Running, roll, rollHost, signal } from './rig.ts'
import { startTraffic } from './traffic.ts'
import { until } from './wait.ts'

const missing = noHaproxy ?? noSshd
const noSocat = spawnSync('socat', ['-V']).error !== undefined
const NO_STREAMS = ['AllowStreamLocalForwarding no', 'AllowTcpForwarding no']

/** One connection, as a rollout keeps it. */
async function overSsh(config: readonly string[] = []): Promise<ConnectTo> {
  const sshd = await startSshd({ hostKeys: ['ed25519'], config })
  const transport = sshTransport(sshd)
  const connecting = new Map<string, ReturnType<typeof transport.connect>>()
  onTestFinished(async () => {
    await transport.close()
    await sshd.stop()
  })
  return (name, abort) => {
    const connection = connecting.get(name) ?? transport.connect(aHost(name, sshd.port), abort)
    connecting.set(name, connection)
    return connection
  }
}

async function behind(
  connectTo: ConnectTo,
  more: Partial<Parameters<typeof startHaproxy>[0]> = {},
  waitsFor: 'up' | 'nobody' = 'up',
): Promise<Running & { readonly lb: RealHaproxy }> {
  const apps = await startApps(2)
  const lb = await startHaproxy({ apps, connectTo, mode: '666', ...more })
  const close = async (): Promise<void> => {
    await lb.close()
    await Promise.all(apps.map((app) => app.stop()))
  }
  onTestFinished(close)
  if (waitsFor === 'up')
    await until(async () => (await lb.driver.list(signal)).every((state) => state.health === 'up'), 'every server is up')
  return { apps, balancers: [lb], lb, close }
}

function driverOf(socket: string, connectTo: ConnectTo): LoadBalancer {
  const [driver] = createBalancers([{ kind: 'haproxy', hosts: ['lb-1'], socket, drain: { deadlineMs: 1, onDeadline: 'fail' } }], {
    connectTo,
  })
  if (driver === undefined) throw new Error('no driver')
  return driver
}

const reached = async (driver: LoadBalancer): Promise<string> =>
  (await driver.preflight(signal)).find(({ id }) => id === 'reached')?.message ?? ''

describe.skipIf(missing !== null)(`haproxy over a real sshd${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  const ways: readonly (readonly [string, readonly string[], boolean, boolean])[] = [
    ['its socket', [], false, false],
    ['its port', [], true, false],
    ['its socket through a program, where sshd forwards nothing', NO_STREAMS, false, true],
    ['its port through a program, where sshd forwards nothing', NO_STREAMS, true, true],
  ]
  for (const [way, config, tcp, script] of ways)
    test(`a roll through ${way} loses nothing`, async () => {
      const running = await behind(await overSsh(config), { tcp })
      const traffic = startTraffic({ url: running.lb.url, users: 16 })
      await traffic.flows(20)
      // The quick form rolls one host over the ways that differ only in where the socket is.
      if (FULL || !tcp) await roll(running)
      else for (const app of running.apps.slice(0, 1)) await rollHost(running, app)
      expect(lost(running, await traffic.stop())).toEqual([])
      expect((await reached(running.lb.driver)).includes('through a program')).toBe(script)
    })

  test.skipIf(noSocat)(
    `with socat where there is no perl, and an error with neither${noSocat ? ' (skipped: socat is not installed)' : ''}`,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'rollgate-path-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      chmodSync(folder, 0o755)
      const add = (program: string): void =>
        symlinkSync(spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim(), join(folder, program))
      add('sh')
      const { lb } = await behind(await overSsh([...NO_STREAMS, `SetEnv PATH=${folder}`]), {}, 'nobody')
      await expect(lb.driver.list(signal)).rejects.toMatchObject({ message: expect.stringContaining('neither perl nor socat') })
      add('socat')
      const [first] = await lb.driver.list(signal)
      if (first === undefined) throw new Error('no server')
      expect((await lb.driver.drain(first.ref, CHANGE)).after.admin).toBe('drain')
    },
  )

  test('a socket that this login may not use: said so, with what to do', async () => {
    const connectTo = await overSsh()
    const { lb } = await behind(connectTo)
    chmodSync(join(lb.folder, 'admin.sock'), 0o600)
    await expect(driverOf(lb.socket, connectTo).list(signal)).rejects.toMatchObject({
      code: 'E_BALANCER_UNREACHABLE',
      exitCode: 4,
      message: `${lb.socket} on lb-1 cannot be talked to: this login may not use it`,
      hints: [expect.stringContaining('Debian: haproxy')],
    })
  })

  test('no socket there, and one that nobody listens on', async () => {
    const connectTo = await overSsh()
    const { lb } = await behind(connectTo)
    await expect(driverOf('/nowhere/admin.sock', connectTo).list(signal)).rejects.toMatchObject({
      message: '/nowhere/admin.sock on lb-1 cannot be talked to: there is no such socket',
      hints: [expect.stringContaining('stats socket /nowhere/admin.sock')],
    })
    await lb.kill()
    await expect(driverOf(lb.socket, connectTo).list(signal)).rejects.toMatchObject({
      message: `${lb.socket} on lb-1 cannot be talked to: nothing listens on it`,
    })
  })

  test('a path with blanks, quotes and a dollar is a path', async () => {
    const connectTo = await overSsh(NO_STREAMS)
    const trace = join(tmpdir(), `rollgate-never-${process.pid}`)
    const socket = `/tmp/$(touch ${trace}) 'x' "y";!UNIX,z.sock`
    await expect(driverOf(socket, connectTo).list(signal)).rejects.toMatchObject({
      message: expect.stringContaining('there is no such socket'),
    })
    expect(existsSync(trace)).toBe(false)
  })

  test('a connection that breaks is no loss of state: the next one goes on', async () => {
    const sshd = await startSshd({ hostKeys: ['ed25519'] })
    const transport = sshTransport(sshd)
    onTestFinished(async () => {
      await transport.close()
      await sshd.stop()
    })
    let connection: Awaited<ReturnType<typeof transport.connect>> | null = null
    const { lb, apps } = await behind(async (name, abort) => {
      if (connection?.alive !== true) connection = await transport.connect(aHost(name, sshd.port), abort)
      return connection
    })
    const [app] = apps
    const [ref] = await lb.driver.discover({ host: 'w', addresses: [app?.address ?? ''], port: app?.port ?? 0 }, signal)
    if (ref === undefined) throw new Error('not found')
    const servers = [{ balancer: lb.driver, ref }]
    const before = await snapshot(servers, signal)
    await out({ host: 'w', servers, before })
    sshd.killSessions()
    await back({ host: 'w', servers, before })
    await lb.driver.drain(ref, CHANGE)
    sshd.killSessions()
    await until(async () => isOut(servers, signal).catch(() => false), 'it is asked over a new connection')
  })
})

conformance(haproxyRig('haproxy with a master, reloaded', { master: true }), 'reload')
