// A real sshd and a network that misbehaves: what is unknown is called unknown, memory stays bounded, nothing hangs.
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { startProxy } from './proxy.ts'
import { noSshd, type Sshd, type SshdOptions, startSshd } from './sshd.ts'
import { aHost, sshTransport } from './targets.ts'

const NEVER = new AbortController().signal

async function connectTo(sshd: Sshd, options: Parameters<typeof sshTransport>[1] = {}, port = sshd.port): Promise<Connection> {
  const transport = sshTransport(sshd, options)
  const connection = await transport.connect(aHost('web-1', port), NEVER)
  onTestFinished(async () => {
    await connection.close()
    await transport.close()
  })
  return connection
}

async function sshdFor(options: SshdOptions): Promise<Sshd> {
  const sshd = await startSshd(options)
  onTestFinished(() => sshd.stop())
  return sshd
}

const pinTo = (sshd: Sshd, port: number) => {
  // The same host behind the proxy's port.
  const file = join(sshd.folder, `known_${port}`)
  writeFileSync(file, (['ed25519', 'rsa', 'ecdsa'] as const).map((type) => `[127.0.0.1]:${port} ${sshd.hostKey(type)}\n`).join(''))
  return { settings: { knownHosts: [file] } }
}

describe.skipIf(noSshd !== null)(`ssh2 in trouble${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd?.stop())

  describe('a lost connection', () => {
    test('in the middle of a command is unknown, never success, and tells what was said before', async () => {
      const own = await sshdFor({})
      const connection = await connectTo(own)
      const gone: (Error | null)[] = []
      connection.onClose((reason) => void gone.push(reason))
      const result = await connection.run({ argv: ['sh', '-c', 'echo begun; sleep 600'] }, { onLine: () => own.killSessions() })
      expect(result).toMatchObject({ exitCode: null, lost: true, timedOut: false, stdout: 'begun\n' })
      expect(connection.alive).toBe(false)
      await expect.poll(() => gone.length).toBe(1)
    })

    test('by a reset is unknown for every command on it', async () => {
      const proxy = await startProxy(sshd.port)
      onTestFinished(() => proxy.close())
      const connection = await connectTo(sshd, pinTo(sshd, proxy.port), proxy.port)
      const started = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const running = started.map(({ resolve }) =>
        connection.run({ argv: ['sh', '-c', 'echo begun; sleep 600'] }, { onLine: () => resolve() }),
      )
      await Promise.all(started.map(({ promise }) => promise))
      proxy.cut()
      for (const result of await Promise.all(running)) expect(result).toMatchObject({ exitCode: null, lost: true })
      await expect(connection.run({ argv: ['true'] })).rejects.toMatchObject({ code: 'E_LOST', host: 'web-1' })
    })

    test('that only goes silent is noticed, and what waits for a channel is told', async () => {
      const proxy = await startProxy(sshd.port)
      onTestFinished(() => proxy.close())
      const connection = await connectTo(sshd, { ...pinTo(sshd, proxy.port), keepAliveMs: 500 }, proxy.port)
      const running = connection.run({ argv: ['sh', '-c', 'echo begun; sleep 600'] }, { onLine: () => proxy.silence() })
      expect(await running).toMatchObject({ exitCode: null, lost: true })
      expect(connection.alive).toBe(false)
    })

    test('while a channel is being opened is E_LOST: the command has not run', async () => {
      const proxy = await startProxy(sshd.port)
      onTestFinished(() => proxy.close())
      const connection = await connectTo(sshd, { ...pinTo(sshd, proxy.port), keepAliveMs: 500 }, proxy.port)
      proxy.silence()
      await expect(connection.run({ argv: ['true'] })).rejects.toMatchObject({ code: 'E_LOST' })
    })

    test('while output is still on its way is unknown, although the exit status had come', async () => {
      const own = await sshdFor({})
      const connection = await connectTo(own)
      let lines = 0
      const result = await connection.run(
        // More than both windows hold: the rest still waits on the host when the command itself is over.
        { argv: ['sh', '-c', '(head -c 20000000 /dev/zero | tr "\\0" x | fold -w 1000; sleep 600) & exit 0'] },
        {
          onLine: async () => {
            lines += 1
            if (lines > 1) return
            await new Promise((done) => setTimeout(done, 300))
            own.killSessions()
          },
        },
      )
      expect(result).toMatchObject({ exitCode: null, lost: true })
    })

    test('breaks a forwarded stream instead of ending it', async () => {
      const own = await sshdFor({})
      const server = createServer((socket) => {
        socket.on('error', () => undefined)
        socket.write('half an ans')
      })
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      onTestFinished(() => void server.close())
      const address = server.address()
      const connection = await connectTo(own)
      const stream = await connection.forward({
        host: '127.0.0.1',
        port: typeof address === 'object' && address !== null ? address.port : 0,
      })
      stream.once('data', () => own.killSessions())
      await expect(text(stream)).rejects.toMatchObject({ code: 'E_LOST' })
    })
  })

  test('a slow uplink is no lost connection, however long our own data is in the way', async () => {
    const proxy = await startProxy(sshd.port, { upBytesPerSecond: 400_000 })
    onTestFinished(() => proxy.close())
    // Three pings of half a second: far less than the 2 MB that are on their way take.
    const connection = await connectTo(sshd, { ...pinTo(sshd, proxy.port), keepAliveMs: 500 }, proxy.port)
    const bytes = randomBytes(2_800_000)
    async function* input() {
      yield bytes
    }
    const result = await connection.run({ argv: ['sha256sum'] }, { input: input() })
    expect(result).toMatchObject({ exitCode: 0, lost: false })
    expect(result.stdout.split(' ')[0]).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  test('a rekey every 8 MB changes nothing, in either direction or in both at once', async () => {
    const own = await sshdFor({ config: ['RekeyLimit 8M'] })
    const connection = await connectTo(own)
    const bytes = randomBytes(24_000_000)
    async function* input() {
      for (let at = 0; at < bytes.length; at += 256_000) yield bytes.subarray(at, at + 256_000)
    }
    const sum = createHash('sha256').update(bytes).digest('hex')
    const up = await connection.run({ argv: ['sha256sum'] }, { input: input() })
    expect(up.stdout.split(' ')[0]).toBe(sum)
    const back = createHash('sha256')
    const through = connection.run(
      { argv: ['sh', '-c', 'base64 -w 64000'] },
      { input: input(), maxOutputBytes: 10, onLine: (line) => void back.update(Buffer.from(line.text, 'base64')) },
    )
    const [result, other] = await Promise.all([through, connection.run({ argv: ['sh', '-c', 'sleep 0.2; echo fine'] })])
    expect(result).toMatchObject({ exitCode: 0, lost: false })
    expect(back.digest('hex')).toBe(sum)
    expect(other.stdout).toBe('fine\n')
    expect(own.log()).not.toMatch(/error/i)
  })

  test('a host that gives only one session at a time is served one command after the other', async () => {
    const own = await sshdFor({ config: ['MaxSessions 1'] })
    const connection = await connectTo(own)
    const first = Promise.withResolvers<void>()
    const long = connection.run({ argv: ['sh', '-c', 'echo begun; sleep 1.5; echo over'] }, { onLine: () => first.resolve() })
    await first.promise
    const others = await Promise.all(Array.from({ length: 6 }, (_, index) => connection.run({ argv: ['echo', String(index)] })))
    expect(others.map((result) => result.stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n', '5\n'])
    expect((await long).stdout).toBe('begun\nover\n')
  })

  test('a host that gives no session at all is an error that says so', async () => {
    const own = await sshdFor({ config: ['MaxSessions 0'] })
    const connection = await connectTo(own)
    await expect(connection.run({ argv: ['true'] })).rejects.toMatchObject({
      code: expect.stringMatching(/^E_(LOST|COMMAND)$/),
      host: 'web-1',
    })
  })

  test('a host that forwards nothing is an error that names the setting', async () => {
    const own = await sshdFor({ config: ['AllowTcpForwarding no', 'AllowStreamLocalForwarding no'] })
    const connection = await connectTo(own)
    for (const [to, setting] of [
      [{ host: '127.0.0.1', port: own.port }, 'AllowTcpForwarding yes'],
      [{ socket: '/tmp/some.sock' }, 'AllowStreamLocalForwarding yes'],
    ] as const) {
      const error = await connection.forward(to).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'E_CONNECT_REFUSED' })
      expect(error instanceof RollgateError && error.hints.join('\n')).toContain(setting)
    }
    expect((await connection.run({ argv: ['echo', 'fine'] })).stdout).toBe('fine\n')
  })

  describe('memory', () => {
    /** How much the process grew while a reader stood still, in MB. */
    async function growth(script: string, stalled: 'stdout' | 'stderr'): Promise<number> {
      const connection = await connectTo(sshd)
      const abort = new AbortController()
      const stuck = Promise.withResolvers<void>()
      const before = process.memoryUsage().rss
      const running = connection.run(
        { argv: ['sh', '-c', script] },
        {
          signal: abort.signal,
          onLine: (line) => {
            if (line.stream !== stalled) return
            stuck.resolve()
            return new Promise(() => undefined)
          },
        },
      )
      await stuck.promise
      let most = 0
      // As long as the host would send: 300 MB take much less than this when nothing holds them back.
      for (let count = 0; count < 30; count += 1) {
        await connection.run({ argv: ['sleep', '0.1'] })
        most = Math.max(most, process.memoryUsage().rss - before)
      }
      abort.abort()
      await expect(running).rejects.toMatchObject({ code: 'E_CANCELLED' })
      return most / 1_000_000
    }

    test('is bounded when a reader stands still, and other commands go on', async () => {
      expect(await growth('head -c 300000000 /dev/zero | tr "\\0" x | fold -w 100', 'stdout')).toBeLessThan(60)
    })

    test('is bounded when one stream stands still and the other trickles', async () => {
      const trickle = 'while :; do echo tick >&2; sleep 0.01; done & head -c 300000000 /dev/zero | tr "\\0" x | fold -w 100'
      expect(await growth(trickle, 'stdout')).toBeLessThan(60)
    })

    test('is bounded when the host does not read what we send', async () => {
      const connection = await connectTo(sshd)
      const abort = new AbortController()
      let sent = 0
      async function* endless() {
        for (;;) {
          sent += 1_000_000
          yield Buffer.alloc(1_000_000)
        }
      }
      const running = connection.run({ argv: ['sh', '-c', 'exec sleep 600'] }, { input: endless(), signal: abort.signal })
      const seen: number[] = []
      await expect
        .poll(
          async () => {
            await connection.run({ argv: ['sleep', '0.1'] })
            seen.push(sent)
            return seen.at(-1) === seen.at(-2) && seen.at(-2) === seen.at(-3)
          },
          { timeout: 15_000 },
        )
        .toBe(true)
      expect(sent).toBeLessThan(10_000_000)
      abort.abort()
      await expect(running).rejects.toMatchObject({ code: 'E_CANCELLED' })
    })
  })

  describe('a login', () => {
    test('to a port where nobody listens is refused, with the port', async () => {
      const server = createServer()
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      await new Promise((done) => server.close(done))
      await expect(sshTransport(sshd).connect(aHost('web-1', port), NEVER)).rejects.toMatchObject({
        code: 'E_CONNECT_REFUSED',
        exitCode: 4,
        message: expect.stringContaining(String(port)),
      })
    })

    test('to a name that does not exist is E_DNS', async () => {
      const host = { ...aHost('web-1', 22), address: 'no-such-host.invalid' }
      await expect(sshTransport(sshd).connect(host, NEVER)).rejects.toMatchObject({
        code: 'E_DNS',
        message: expect.stringContaining('no-such-host.invalid'),
      })
    })

    test('to a host that accepts and says nothing ends in time', async () => {
      const server = createServer(() => undefined)
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      onTestFinished(() => void server.close())
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      const connecting = sshTransport(sshd).connect(aHost('web-1', port), NEVER, { timeoutMs: 300 })
      await expect(connecting).rejects.toMatchObject({ code: 'E_CONNECT_TIMEOUT', message: expect.stringContaining('0.3 s') })
    })

    test('to something that is no SSH server is E_UNREACHABLE', async () => {
      const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      onTestFinished(() => void server.close())
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      await expect(sshTransport(sshd).connect(aHost('web-1', port), NEVER)).rejects.toMatchObject({ code: 'E_UNREACHABLE' })
    })

    test('that is interrupted ends at once, wherever it is', async () => {
      const server = createServer(() => undefined)
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      onTestFinished(() => void server.close())
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      const abort = new AbortController()
      const connecting = sshTransport(sshd).connect(aHost('web-1', port), abort.signal)
      server.once('connection', () => abort.abort())
      await expect(connecting).rejects.toMatchObject({ code: 'E_CANCELLED' })
      await expect(sshTransport(sshd).connect(aHost('web-1', port), AbortSignal.abort())).rejects.toMatchObject({ code: 'E_CANCELLED' })
    })

    test('to a host without any common algorithm says what is missing', async () => {
      const own = await sshdFor({ config: ['KexAlgorithms diffie-hellman-group-exchange-sha256'] })
      await expect(sshTransport(own).connect(aHost('web-1', own.port), NEVER)).rejects.toMatchObject({
        code: 'E_UNREACHABLE',
        message: expect.stringContaining('key exchange'),
      })
    })
  })
})
