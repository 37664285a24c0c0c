// One connection per host, with real sshds: kept, opened again when it was lost, and no bother to a host that said no.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import { createPool, type Pool } from '../../../src/drivers/transport/pool.ts'
import { realClock } from '../../../src/load/pace.ts'
import { startProxy } from './proxy.ts'
import { noSshd, type Sshd, startSshd } from './sshd.ts'
import { aHost, type SshOptions, sshTransport } from './targets.ts'

const NEVER = new AbortController().signal

describe.skipIf(noSshd !== null)(`a pool over real sshds${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd?.stop())

  function poolOf(options: SshOptions = {}, own = sshd): Pool {
    const transport = sshTransport(own, options)
    const pool = createPool(transport, { concurrency: 32, attempts: 3, timeoutMs: 10_000, clock: realClock, random: Math.random })
    onTestFinished(async () => {
      await pool.closeAll()
      await transport.close()
    })
    return pool
  }
  const count = (own: Sshd, pattern: RegExp): number =>
    own
      .log()
      .split('\n')
      .filter((line) => pattern.test(line)).length

  test('a host is logged in to once, and once more after its connection was lost', async () => {
    const own = await startSshd()
    onTestFinished(() => own.stop())
    const pool = poolOf({}, own)
    const host = aHost('web-1', own.port)
    const first = await pool.get(host, NEVER)
    expect(await pool.get(host, NEVER)).toBe(first)
    expect(count(own, /^Accepted publickey/)).toBe(1)
    const started = Promise.withResolvers<void>()
    const running = first.run({ argv: ['sh', '-c', 'echo begun; sleep 600'] }, { onLine: () => started.resolve() })
    await started.promise
    own.killSessions()
    expect(await running).toMatchObject({ lost: true })
    const second = await pool.get(host, NEVER)
    expect(second).not.toBe(first)
    expect((await second.run({ argv: ['echo', 'back'] })).stdout).toBe('back\n')
    expect(count(own, /^Accepted publickey/)).toBe(2)
  })

  test('a host that breaks off during the handshake is tried three times', async () => {
    const proxy = await startProxy(1)
    onTestFinished(() => proxy.close())
    // Accepts and breaks off at once, as a host that is starting does.
    await expect(poolOf().get(aHost('web-1', proxy.port), NEVER)).rejects.toMatchObject({ code: 'E_UNREACHABLE' })
    expect(proxy.accepted).toBe(3)
  })

  test('a host that could not be reached a moment ago is not tried for the next caller too, and later once', async () => {
    const proxy = await startProxy(1)
    onTestFinished(() => proxy.close())
    const transport = sshTransport(sshd, {})
    let skipped = 0
    const clock = { ...realClock, now: () => realClock.now() + skipped }
    const pool = createPool(transport, { concurrency: 32, attempts: 3, timeoutMs: 10_000, clock, random: Math.random })
    onTestFinished(async () => {
      await pool.closeAll()
      await transport.close()
    })
    const ask = () => expect(pool.get(aHost('web-1', proxy.port), NEVER)).rejects.toMatchObject({ code: 'E_UNREACHABLE' })
    await ask()
    await ask()
    expect(proxy.accepted).toBe(3)
    skipped = 6_000
    await ask()
    expect(proxy.accepted).toBe(4)
    skipped = 70_000
    await ask()
    expect(proxy.accepted).toBe(7)
  })

  test('a login that was refused is not tried again', async () => {
    const pool = poolOf()
    const host = aHost('web-1', sshd.port, { user: 'nobody-of-that-name' })
    const before = count(sshd, /^Invalid user/)
    for (let times = 0; times < 3; times += 1) await expect(pool.get(host, NEVER)).rejects.toMatchObject({ code: 'E_AUTH' })
    expect(count(sshd, /^Invalid user/)).toBe(before + 1)
  })

  test('forty names of hosts are all reached, the bad ones with their reasons', async () => {
    const pool = poolOf()
    const good = Array.from({ length: 36 }, (_, index) => aHost(`web-${index}`, sshd.port))
    const bad = [
      aHost('refuses', 1),
      aHost('unknown-user', sshd.port, { user: 'nobody-of-that-name' }),
      { ...aHost('no-name', 22), address: 'no-such-host.invalid' },
      aHost('other-key', sshd.port, { hostKey: 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }),
    ]
    const told: string[] = []
    const reached = await pool.connectAll([...good, ...bad], NEVER, (host) => told.push(host.name))
    expect(told).toHaveLength(40)
    const codes = Object.fromEntries([...reached].map(([name, result]) => [name, result instanceof RollgateError ? result.code : 'in']))
    expect(codes).toEqual({
      ...Object.fromEntries(good.map((host) => [host.name, 'in'])),
      refuses: 'E_CONNECT_REFUSED',
      'unknown-user': 'E_AUTH',
      'no-name': 'E_DNS',
      'other-key': 'E_HOST_KEY',
    })
  })

  test('what is closed leaves no connection on the host', async () => {
    const own = await startSshd()
    onTestFinished(() => own.stop())
    const transport = sshTransport(own)
    const pool = createPool(transport, { concurrency: 32, attempts: 3, timeoutMs: 10_000, clock: realClock, random: Math.random })
    await pool.connectAll([aHost('web-1', own.port), aHost('web-2', own.port)], NEVER, () => undefined)
    expect(own.sessions().length).toBeGreaterThan(0)
    await pool.closeAll()
    await transport.close()
    await expect.poll(() => own.sessions(), { timeout: 10_000 }).toEqual([])
  })
})
