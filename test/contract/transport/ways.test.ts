// Ways to a host: the user's OpenSSH configuration, jump hosts, proxy commands, and none of them. Real sshds, one behind
// the other.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import type { Host } from '../../../src/domain/host.ts'
import { descendants, noSshd, publicKey, type Sshd, startSshd } from './sshd.ts'
import { aHost, type SshOptions, sshTransport, temporaryFolder } from './targets.ts'

const NEVER = new AbortController().signal

describe.skipIf(noSshd !== null)(`ways to a host${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let inner: Sshd
  let bastion: Sshd
  let second: Sshd
  /** known_hosts of all three. */
  let known: string
  beforeAll(async () => {
    inner = await startSshd()
    bastion = await startSshd()
    second = await startSshd()
    for (const sshd of [inner, bastion, second]) sshd.allow(publicKey(inner.clientKey))
    known = join(inner.folder, 'all_known')
    writeFileSync(known, [inner, bastion, second].map((sshd) => readFileSync(sshd.knownHosts, 'utf8')).join(''))
  })
  afterAll(async () => {
    for (const sshd of [inner, bastion, second]) await sshd?.stop()
  })

  function folder(): string {
    const made = temporaryFolder()
    onTestFinished(() => made.remove())
    return made.path
  }
  function file(text: string): string {
    const path = join(folder(), 'ssh_config')
    writeFileSync(path, text)
    return path
  }
  const commandLine = (pid: number): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    } catch {
      return ''
    }
  }
  const logins = (sshd: Sshd): number =>
    sshd
      .log()
      .split('\n')
      .filter((line) => line.startsWith('Accepted publickey')).length

  const transportWith = (options: SshOptions = {}) => {
    const transport = sshTransport(inner, { ...options, settings: { knownHosts: [known], ...options.settings } })
    onTestFinished(() => transport.close())
    return transport
  }
  async function whereAmI(host: Host, options: SshOptions = {}): Promise<string> {
    const connection = await transportWith(options).connect(host, NEVER)
    const result = await connection.run({ argv: ['sh', '-c', 'set -- $SSH_CONNECTION; echo "$4"'] })
    await connection.close()
    return result.stdout.trim()
  }
  const config = () =>
    [
      `Host inner`,
      `  HostName 127.0.0.1`,
      `  Port ${inner.port}`,
      `  User ${inner.user}`,
      `Host bastion`,
      `  HostName 127.0.0.1`,
      `  Port ${bastion.port}`,
      `  User ${bastion.user}`,
      `Host second`,
      `  HostName 127.0.0.1`,
      `  Port ${second.port}`,
      `  User ${second.user}`,
      '',
    ].join('\n')
  const named = (name: string, extra: Partial<Host> = {}): Host => ({ name, address: name, roles: [], labels: {}, ...extra })

  describe('the OpenSSH configuration', () => {
    test('says address, port, user, key and known hosts, tokens and all', async () => {
      const home = folder()
      mkdirSync(join(home, 'keys for 127.0.0.1'))
      writeFileSync(join(home, 'keys for 127.0.0.1', `inner-${inner.port}-${inner.user}`), readFileSync(inner.clientKey), { mode: 0o600 })
      writeFileSync(join(home, 'known'), readFileSync(known))
      const text = `${config()}Host *\n  IdentityFile "${home}/keys for %h/%n-%p-%r"\n  UserKnownHostsFile ${home}/known\n`
      const settings = { identity: undefined, knownHosts: undefined, user: undefined, config: file(text) } as never
      expect(await whereAmI(named('inner'), { settings })).toBe(String(inner.port))
    })

    test('may name a key with tokens that only ssh itself knows', async () => {
      const home = folder()
      const text = `${config()}Host *\n  IdentityFile "${home}/%C"\n  UserKnownHostsFile ${known}\n  ControlPath ${home}/%C\n`
      const path = file(text)
      const said = execFileSync('ssh', ['-G', '-F', path, '-l', inner.user, 'inner'], { encoding: 'utf8' })
      const expanded = /^controlpath (.*)$/m.exec(said)?.[1] ?? ''
      writeFileSync(expanded, readFileSync(inner.clientKey), { mode: 0o600 })
      const settings = { identity: undefined, knownHosts: undefined, config: path } as never
      expect(await whereAmI(named('inner'), { settings })).toBe(String(inner.port))
    })

    test('loses to what the config says', async () => {
      const text = `Host *\n  Port 1\n  User nobody-of-that-name\n  HostName 127.0.0.1\n`
      expect(await whereAmI(named('anything', { port: inner.port }), { settings: { config: file(text) } })).toBe(String(inner.port))
    })

    test('may Include another and match by name', async () => {
      const included = file(`Match host in*\n  Port ${inner.port}\n  HostName 127.0.0.1\n`)
      expect(await whereAmI(named('inner'), { settings: { config: file(`Include ${included}\n`) } })).toBe(String(inner.port))
    })

    test('may multiplex: we neither need nor leave a control socket', async () => {
      const home = folder()
      const text = `Host *\n  ControlMaster auto\n  ControlPath ${home}/%C\n  ControlPersist 60\n`
      expect(await whereAmI(aHost('web-1', inner.port), { settings: { config: file(text) } })).toBe(String(inner.port))
      expect(readdirSync(home)).toEqual([])
    })

    test('that ssh does not like is told with the command that shows it', async () => {
      const error = await transportWith({ settings: { config: file('Nonsense yes\n') } })
        .connect(named('inner'), NEVER)
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'E_CONFIG', exitCode: 2, host: 'inner', message: expect.stringContaining('onsense') })
      expect(error instanceof RollgateError && error.hints.join('\n')).toContain('ssh -G -F')
    })

    test('is asked with words: a hostile user or address is refused by ssh, and runs nothing', async () => {
      const pwned = join(folder(), 'pwned')
      for (const extra of [{ user: `a$(touch ${pwned})` }, { address: `a;touch ${pwned}` }, { address: '-oProxyCommand=false' }]) {
        const error = await transportWith()
          .connect({ ...named('web-1'), ...extra }, NEVER)
          .catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: expect.stringMatching(/^E_(CONFIG|DNS)$/), host: 'web-1' })
        expect(existsSync(pwned)).toBe(false)
      }
    })

    test('is not read where there is no ssh, which is said once', async () => {
      const warnings: string[] = []
      const options = { env: { PATH: folder() }, warn: (message: string) => void warnings.push(message) }
      const transport = transportWith(options)
      for (const name of ['web-1', 'web-2']) {
        const connection = await transport.connect(aHost(name, inner.port), NEVER)
        expect((await connection.run({ argv: ['echo', 'in'] })).stdout).toBe('in\n')
        await connection.close()
      }
      expect(warnings).toEqual([expect.stringContaining('no `ssh`')])
    })

    test('is asked once for a host, and again when asking was interrupted', async () => {
      const bin = folder()
      const count = join(bin, 'count')
      writeFileSync(join(bin, 'ssh'), `#!/bin/sh\necho x >>${count}\nPATH=${process.env.PATH} exec ssh "$@"\n`)
      chmodSync(join(bin, 'ssh'), 0o755)
      const transport = transportWith({ env: { PATH: `${bin}:${process.env.PATH}` } })
      const interrupted = new AbortController()
      const first = transport.connect(aHost('web-1', inner.port), interrupted.signal)
      interrupted.abort()
      await expect(first).rejects.toMatchObject({ code: 'E_CANCELLED' })
      writeFileSync(count, '')
      for (let times = 0; times < 3; times += 1) await (await transport.connect(aHost('web-1', inner.port), NEVER)).close()
      expect(readFileSync(count, 'utf8')).toBe('x\n')
    })
  })

  describe('a jump host', () => {
    test('of the inventory is gone through, by its own settings', async () => {
      const jump = aHost('jump', bastion.port)
      const before = logins(bastion)
      expect(await whereAmI(aHost('web-1', inner.port, { via: 'jump' }), { hosts: [jump] })).toBe(String(inner.port))
      expect(logins(bastion)).toBe(before + 1)
    })

    test('written as an OpenSSH destination is gone through', async () => {
      const via = `${bastion.user}@127.0.0.1:${bastion.port}`
      expect(await whereAmI(aHost('web-1', inner.port, { via }))).toBe(String(inner.port))
    })

    test('of ProxyJump is resolved by the OpenSSH configuration, two of them one after the other', async () => {
      const text = `${config()}Host inner\n  ProxyJump bastion,second\n`
      const before = [logins(bastion), logins(second)]
      expect(await whereAmI(named('inner'), { settings: { config: file(text) } })).toBe(String(inner.port))
      expect([logins(bastion), logins(second)]).toEqual(before.map((count) => count + 1))
    })

    test('that is itself behind a jump host is reached through that one', async () => {
      const hosts = [aHost('outer', bastion.port), aHost('middle', second.port, { via: 'outer' })]
      const before = [logins(bastion), logins(second)]
      expect(await whereAmI(aHost('web-1', inner.port, { via: 'middle' }), { hosts })).toBe(String(inner.port))
      expect([logins(bastion), logins(second)]).toEqual(before.map((count) => count + 1))
    })

    test('is logged in to once for everybody behind it, and again when that connection is gone', async () => {
      const own = await startSshd()
      onTestFinished(() => own.stop())
      own.allow(publicKey(inner.clientKey))
      writeFileSync(known, readFileSync(own.knownHosts), { flag: 'a' })
      const transport = transportWith({ hosts: [aHost('jump', own.port)] })
      const connect = () =>
        Promise.all(Array.from({ length: 6 }, (_, index) => transport.connect(aHost(`web-${index}`, inner.port, { via: 'jump' }), NEVER)))
      const connections = await connect()
      expect(logins(own)).toBe(1)
      const running = connections.map((connection, index) => connection.run({ argv: ['sh', '-c', 'echo "$1"', 'sh', String(index)] }))
      expect((await Promise.all(running)).map((result) => result.stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n', '5\n'])
      const started = Promise.withResolvers<void>()
      const lost = connections[0]?.run({ argv: ['sh', '-c', 'echo begun; sleep 600'] }, { onLine: () => started.resolve() })
      await started.promise
      own.killSessions()
      expect(await lost).toMatchObject({ lost: true, exitCode: null })
      await expect.poll(() => connections.map((connection) => connection.alive)).toEqual(Array.from({ length: 6 }, () => false))
      const again = await connect()
      expect(logins(own)).toBe(2)
      for (const connection of again) await connection.close()
    })

    test('goes on for the others when the one who came first is interrupted', async () => {
      const transport = transportWith({ hosts: [aHost('jump', bastion.port)] })
      const first = new AbortController()
      const given = transport.connect(aHost('web-1', inner.port, { via: 'jump' }), first.signal)
      const other = transport.connect(aHost('web-2', inner.port, { via: 'jump' }), NEVER)
      first.abort()
      await expect(given).rejects.toMatchObject({ code: 'E_CANCELLED' })
      const connection = await other
      expect((await connection.run({ argv: ['echo', 'in'] })).stdout).toBe('in\n')
      await connection.close()
    })

    test('with an unknown key is refused by its own name', async () => {
      const transport = transportWith({ hosts: [aHost('jump', bastion.port)], settings: { knownHosts: [inner.knownHosts] } })
      await expect(transport.connect(aHost('web-1', inner.port, { via: 'jump' }), NEVER)).rejects.toMatchObject({
        code: 'E_HOST_KEY',
        host: 'jump',
      })
    })

    test('that refuses the login is asked only once for everybody behind it', async () => {
      const transport = transportWith({ hosts: [aHost('jump', bastion.port, { user: 'nobody-of-that-name' })] })
      const before = bastion
        .log()
        .split('\n')
        .filter((line) => line.startsWith('Invalid user')).length
      for (let times = 0; times < 3; times += 1)
        await expect(transport.connect(aHost(`web-${times}`, inner.port, { via: 'jump' }), NEVER)).rejects.toMatchObject({
          code: 'E_AUTH',
          host: 'jump',
        })
      expect(
        bastion
          .log()
          .split('\n')
          .filter((line) => line.startsWith('Invalid user')).length,
      ).toBe(before + 1)
    })

    test('is part of the command that installs a key behind it', async () => {
      const transport = transportWith({ hosts: [aHost('jump', bastion.port)] })
      const error = await transport
        .connect(aHost('web-1', inner.port, { via: 'jump', user: 'no one' }), NEVER)
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'E_AUTH', host: 'web-1' })
      expect(error instanceof RollgateError && error.hints[0]).toBe(
        `ssh-copy-id -o ProxyJump=${bastion.user}@127.0.0.1:${bastion.port} -p ${inner.port} 'no one@127.0.0.1'   (installs your key)`,
      )
    })

    test('outside the config is not told to be pinned in it', async () => {
      const via = `${bastion.user}@127.0.0.1:${bastion.port}`
      const transport = transportWith({ settings: { knownHosts: [inner.knownHosts] } })
      const error = await transport.connect(aHost('web-1', inner.port, { via }), NEVER).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'E_HOST_KEY', host: via })
      expect(error instanceof RollgateError && error.hints.join('\n')).not.toContain('host_key')
    })

    test('that cannot reach the host says so', async () => {
      const transport = transportWith({ hosts: [aHost('jump', bastion.port)] })
      await expect(transport.connect(aHost('web-1', 1, { via: 'jump' }), NEVER)).rejects.toMatchObject({
        code: 'E_UNREACHABLE',
        host: 'web-1',
        message: expect.stringContaining('jump host cannot reach'),
      })
    })

    test('in a circle is an error, not a loop', async () => {
      const hosts = [aHost('a', 1, { via: 'b' }), aHost('b', 2, { via: 'a' })]
      await expect(transportWith({ hosts }).connect(aHost('web-1', 3, { via: 'a' }), NEVER)).rejects.toMatchObject({
        code: 'E_CONFIG',
        message: expect.stringContaining('circle'),
      })
    })
  })

  describe('a proxy command', () => {
    const node = JSON.stringify(process.execPath)
    const pipe = `${node} -e "const s=require('net').connect(%p,'%h');process.stdin.pipe(s).pipe(process.stdout)"`

    test('is the connection, and ends with it', async () => {
      const text = `Host *\n  ProxyCommand ${pipe}\n`
      const transport = transportWith({ settings: { config: file(text) } })
      const connection = await transport.connect(aHost('web-1', inner.port), NEVER)
      const result = await connection.run(
        { argv: ['sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x | fold -w 1000'] },
        { maxOutputBytes: 4_000_000 },
      )
      expect(result.stdout.replaceAll('\n', '').length).toBe(3_000_000)
      const proxies = () => descendants(process.pid).filter((pid) => commandLine(pid).includes("require('net')"))
      if (process.platform === 'linux') expect(proxies()).toHaveLength(1)
      await connection.close()
      if (process.platform === 'linux') await expect.poll(proxies, { timeout: 8_000 }).toEqual([])
    })

    test('that fails is told with its last words', async () => {
      const shell = `Host *\n  ProxyCommand sh -c 'echo starting >&2; echo "no route, sorry" >&2; exit 3'\n`
      await expect(transportWith({ settings: { config: file(shell) } }).connect(aHost('web-1', inner.port), NEVER)).rejects.toMatchObject({
        code: 'E_UNREACHABLE',
        message: expect.stringContaining('exit code 3: no route, sorry'),
      })
    })

    test('that hangs ends with our patience', async () => {
      const text = `Host *\n  ProxyCommand sleep 600\n`
      const transport = transportWith({ settings: { config: file(text) } })
      await expect(transport.connect(aHost('web-1', inner.port), NEVER, { timeoutMs: 400 })).rejects.toMatchObject({
        code: 'E_CONNECT_TIMEOUT',
      })
    })

    test('is not used where the config says through which host to go', async () => {
      const text = `Host 127.0.0.1\n  ProxyCommand false\n`
      const via = `${bastion.user}@localhost:${bastion.port}`
      writeFileSync(
        known,
        (['ed25519', 'rsa', 'ecdsa'] as const).map((type) => `[localhost]:${bastion.port} ${bastion.hostKey(type)}\n`).join(''),
        {
          flag: 'a',
        },
      )
      expect(await whereAmI(aHost('web-1', inner.port, { via }), { settings: { config: file(text) } })).toBe(String(inner.port))
    })
  })

  test('ConnectTimeout of the OpenSSH configuration wins over ours', async () => {
    const server = createServer(() => undefined)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const transport = transportWith({ settings: { config: file('ConnectTimeout 1\n') } })
    await expect(transport.connect(aHost('web-1', port), NEVER, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'E_CONNECT_TIMEOUT',
      message: expect.stringContaining('1 s'),
    })
  })
})
