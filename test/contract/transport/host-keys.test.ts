// Host keys, against a real sshd: who is let in, who is asked, who is refused, and that a refusal comes before anything
// of ours was sent.
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import type { Host } from '../../../src/domain/host.ts'
import { makeKey, noSshd, publicKey, type Sshd, startSshd } from './sshd.ts'
import { aHost, type SshOptions, somebody, sshTransport, temporaryFolder } from './targets.ts'

const NEVER = new AbortController().signal

describe.skipIf(noSshd !== null)(`host keys${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let sshd: Sshd
  let file: string
  let name: string
  beforeAll(async () => {
    sshd = await startSshd()
    name = `[127.0.0.1]:${sshd.port}`
  })
  afterAll(() => sshd?.stop())
  beforeEach(() => {
    const folder = temporaryFolder()
    file = join(folder.path, 'dir', 'known_hosts')
    onTestFinished(() => folder.remove())
  })

  function known(text: string): string {
    const folder = temporaryFolder()
    onTestFinished(() => folder.remove())
    const path = join(folder.path, 'known_hosts')
    writeFileSync(path, text)
    return path
  }

  async function connect(knownHosts: readonly string[], options: SshOptions = {}, extra: Partial<Host> = {}): Promise<string> {
    const transport = sshTransport(sshd, { ...options, settings: { knownHosts, ...options.settings } })
    try {
      const connection = await transport.connect(aHost('web-1', sshd.port, extra), NEVER)
      const said = (await connection.run({ argv: ['echo', 'in'] })).stdout
      await connection.close()
      return said
    } finally {
      await transport.close()
    }
  }

  /** The error, after making sure that nobody has tried to log in. */
  async function refusal(knownHosts: readonly string[], options: SshOptions = {}, extra: Partial<Host> = {}): Promise<RollgateError> {
    const before = logins()
    const error = await connect(knownHosts, options, extra).catch((thrown: unknown) => thrown)
    if (!(error instanceof RollgateError)) throw new Error(`not refused: ${String(error)}`)
    expect(error.code).toBe('E_HOST_KEY')
    expect(error.exitCode).toBe(4)
    expect(error.host).toBe('web-1')
    expect(logins()).toBe(before)
    return error
  }

  /** Whatever sshd says about a key or user that was tried. */
  const logins = (): number =>
    sshd
      .log()
      .split('\n')
      .filter((line) => /publickey|Accepted|Failed|invalid user/i.test(line)).length

  const otherKey = (type: 'ed25519' | 'rsa' | 'ecdsa'): string => {
    const folder = temporaryFolder()
    onTestFinished(() => folder.remove())
    makeKey(join(folder.path, 'key'), type)
    return publicKey(join(folder.path, 'key'))
  }

  describe('a known key', () => {
    test.each([
      ['by its plain name', () => `${name} ${sshd.hostKey('ed25519')}\n`],
      ['with a comment, after a comment and an empty line', () => `# mine\n\n${name} ${sshd.hostKey('ed25519')} me@here\n`],
      ['in a list of names', () => `other,${name},third ${sshd.hostKey('ed25519')}\n`],
      ['by a pattern', () => `[127.0.*]:* ${sshd.hostKey('ed25519')}\n`],
      ['without its port, as OpenSSH looks then too', () => `127.0.0.1 ${sshd.hostKey('ed25519')}\n`],
      ['by its RSA key only', () => `${name} ${sshd.hostKey('rsa')}\n`],
      ['by its ECDSA key only', () => `${name} ${sshd.hostKey('ecdsa')}\n`],
      ['beside another of the same type', () => `${name} ${otherKey('ed25519')}\n${name} ${sshd.hostKey('ed25519')}\n`],
      ['in a line with Windows’ ends', () => `${name} ${sshd.hostKey('ed25519')}\r\n`],
      ['after a line that is none', () => `nonsense\n${name} ssh-ed25519 !!!\n${name} ${sshd.hostKey('ed25519')}\n`],
    ])('%s is accepted without a question', async (_how, text) => {
      const ask = somebody({})
      expect(await connect([known(text())], { ask })).toBe('in\n')
      expect(ask.asked).toEqual([])
    })

    test('in a file that ssh-keygen hashed is accepted', async () => {
      const path = known(`${name} ${sshd.hostKey('ed25519')}\n`)
      execFileSync('ssh-keygen', ['-H', '-f', path], { stdio: 'ignore' })
      expect(readFileSync(path, 'utf8')).toMatch(/^\|1\|/)
      expect(await connect([path])).toBe('in\n')
    })

    test('in the second file is accepted', async () => {
      expect(await connect([known(''), known(`${name} ${sshd.hostKey('rsa')}\n`)])).toBe('in\n')
    })

    test('by an alias of the OpenSSH configuration is accepted', async () => {
      const config = known(`Host *\n  HostKeyAlias the-alias\n`)
      expect(await connect([known(`the-alias ${sshd.hostKey('ed25519')}\n`)], { settings: { config } })).toBe('in\n')
      await refusal([known(`${name} ${sshd.hostKey('ed25519')}\n`)], { settings: { config } })
    })
  })

  describe('an unknown key', () => {
    test('is refused where nobody can be asked, with the line that would trust it', async () => {
      const error = await refusal([file])
      expect(error.message).toContain('not known')
      expect(error.why).toContain(sshd.fingerprint('ed25519'))
      const command = error.hints.find((hint) => hint.startsWith('echo '))?.replace(/ {3}\(.*$/, '')
      expect(error.hints.join('\n')).toContain(`host_key: ${sshd.fingerprint('ed25519')}`)
      // The command does what it says, typed as it is printed.
      execFileSync('sh', ['-c', `mkdir -p "$(dirname "$0")"; ${command}`, file])
      expect(await connect([file])).toBe('in\n')
    })

    test.each([
      ['excluded by a negated pattern', () => `!${name},[127.0.0.*]:* ${sshd.hostKey('ed25519')}\n`],
      ['with another port', () => `[127.0.0.1]:1 ${sshd.hostKey('ed25519')}\n`],
      ['for another name', () => `[127.0.0.2]:${sshd.port} ${sshd.hostKey('ed25519')}\n`],
    ])('%s is refused', async (_how, text) => {
      expect((await refusal([known(text())])).message).toContain('not known')
    })

    test('is shown and asked about at a terminal, and remembered when accepted', async () => {
      const ask = somebody({ confirm: true })
      expect(await connect([file], { ask })).toBe('in\n')
      expect(ask.asked).toHaveLength(1)
      expect(ask.asked[0]).toContain(sshd.fingerprint('ed25519'))
      expect(ask.asked[0]).toContain('web-1')
      expect(readFileSync(file, 'utf8')).toBe(`${name} ${sshd.hostKey('ed25519')}\n`)
      expect(statSync(file).mode & 0o077).toBe(0)
      // What we wrote is found by OpenSSH's own tool, and by us.
      expect(execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8' })).toContain(sshd.hostKey('ed25519'))
      expect(await connect([file], { ask: null })).toBe('in\n')
    })

    test('is added hashed where the OpenSSH configuration says so, and after a last line without an end', async () => {
      const path = known('other ssh-ed25519 AAAA')
      const config = known('HashKnownHosts yes\n')
      expect(await connect([path], { ask: somebody({ confirm: true }), settings: { config } })).toBe('in\n')
      expect(readFileSync(path, 'utf8')).toMatch(/^other ssh-ed25519 AAAA\n\|1\|[^\n]+\n$/)
      expect(execFileSync('ssh-keygen', ['-F', name, '-f', path], { encoding: 'utf8' })).toContain(sshd.hostKey('ed25519'))
    })

    test('that a person does not accept is refused, and nothing is written', async () => {
      const error = await refusal([file], { ask: somebody({ confirm: false }) })
      expect(error.message).toContain('not accepted')
      expect(() => readFileSync(file)).toThrow()
    })

    test('is asked about only once when several connections meet it at the same time', async () => {
      const ask = somebody({ confirm: true })
      const transport = sshTransport(sshd, { ask, settings: { knownHosts: [file] } })
      const connections = await Promise.all(
        Array.from({ length: 5 }, (_, index) => transport.connect(aHost(`web-${index}`, sshd.port), NEVER)),
      )
      expect(ask.asked).toHaveLength(1)
      expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(1)
      for (const connection of connections) await connection.close()
      await transport.close()
    })

    test('does not run out of time while a person thinks', async () => {
      const ask = { ...somebody({}), confirm: () => new Promise<boolean>((done) => setTimeout(() => done(true), 4_500)) }
      const transport = sshTransport(sshd, { ask, settings: { knownHosts: [file] } })
      const connection = await transport.connect(aHost('web-1', sshd.port), NEVER, { timeoutMs: 4_000 })
      expect((await connection.run({ argv: ['echo', 'in'] })).stdout).toBe('in\n')
      await connection.close()
      await transport.close()
    })

    test('is accepted with a warning where the OpenSSH configuration says accept-new', async () => {
      const warnings: string[] = []
      const settings = { config: known('StrictHostKeyChecking accept-new\n') }
      expect(await connect([file], { settings, warn: (message) => void warnings.push(message) })).toBe('in\n')
      expect(warnings.join('\n')).toContain(sshd.fingerprint('ed25519'))
      expect(readFileSync(file, 'utf8')).toContain(sshd.hostKey('ed25519'))
    })

    test('is refused without a question where the OpenSSH configuration says yes', async () => {
      const ask = somebody({ confirm: true })
      await refusal([file], { ask, settings: { config: known('StrictHostKeyChecking yes\n') } })
      expect(ask.asked).toEqual([])
    })

    test('that cannot be written down is accepted with a warning', async () => {
      const warnings: string[] = []
      const blocked = join(known('a file, no folder'), 'known_hosts')
      expect(await connect([blocked], { ask: somebody({ confirm: true }), warn: (message) => void warnings.push(message) })).toBe('in\n')
      expect(warnings.join('\n')).toContain(blocked)
    })
  })

  describe('a changed key', () => {
    test('is refused before the login, even where somebody could be asked, and says where the old one stands', async () => {
      const path = known(`# first\n${name} ${otherKey('ed25519')}\n`)
      const ask = somebody({ confirm: true })
      const error = await refusal([path], { ask })
      expect(ask.asked).toEqual([])
      expect(error.message).toContain('has changed')
      expect(error.why).toContain(`${path}:2`)
      expect(error.why).toContain(sshd.fingerprint('ed25519'))
      // The command that is printed forgets exactly this line.
      const command = error.hints.find((hint) => hint.startsWith('ssh-keygen -R'))?.replace(/ {3}\(.*$/, '')
      execFileSync('sh', ['-c', command ?? 'false'], { stdio: 'ignore' })
      expect(readFileSync(path, 'utf8')).toBe('# first\n')
    })

    test('is refused with accept-new, and with StrictHostKeyChecking no', async () => {
      for (const word of ['accept-new', 'no']) {
        const settings = { config: known(`StrictHostKeyChecking ${word}\n`) }
        expect((await refusal([known(`${name} ${otherKey('ed25519')}\n`)], { settings })).message).toContain('has changed')
      }
    })

    test('of another type than the known one is a changed key too', async () => {
      const own = await startSshd({ hostKeys: ['ed25519'] })
      onTestFinished(() => own.stop())
      const path = known(`[127.0.0.1]:${own.port} ${sshd.hostKey('rsa')}\n`)
      const connecting = sshTransport(own, { settings: { knownHosts: [path] } }).connect(aHost('web-1', own.port), NEVER)
      await expect(connecting).rejects.toMatchObject({ code: 'E_HOST_KEY', message: expect.stringContaining('has changed') })
    })
  })

  test('a revoked key is refused, even when another line, a pin and a person would take it', async () => {
    const path = known(`${name} ${sshd.hostKey('ed25519')}\n@revoked * ${sshd.hostKey('ed25519')}\n`)
    const error = await refusal([path], { ask: somebody({ confirm: true }) }, { hostKey: sshd.fingerprint('ed25519') })
    expect(error.message).toContain('revoked')
    expect(error.message).toContain(`${path}:2`)
  })

  test('a key in RevokedHostKeys is refused: in a list, in a KRL, and when the file cannot be read', async () => {
    const good = known(`${name} ${sshd.hostKey('ed25519')}\n`)
    const list = known(`# bad ones\n${otherKey('rsa')}\n${sshd.hostKey('ed25519')} stolen\n`)
    const krl = `${list}.krl`
    execFileSync('ssh-keygen', ['-q', '-k', '-f', krl, list], { stdio: 'ignore' })
    const harmless = known(`${otherKey('rsa')}\n`)
    const harmlessKrl = `${harmless}.krl`
    execFileSync('ssh-keygen', ['-q', '-k', '-f', harmlessKrl, harmless], { stdio: 'ignore' })
    for (const [file, at] of [
      [list, `${list}:3`],
      [krl, krl],
      ['/nowhere/list', '/nowhere/list'],
    ]) {
      const error = await refusal([good], { settings: { config: known(`RevokedHostKeys ${file}\n`) } })
      expect(error.message).toContain('revoked')
      expect(error.message).toContain(at)
    }
    for (const file of [harmless, harmlessKrl, 'none'])
      expect(await connect([good], { settings: { config: known(`RevokedHostKeys ${file}\n`) } })).toBe('in\n')
  })

  test('a host that only an authority vouches for is refused, and the way out is named', async () => {
    const path = known(`@cert-authority ${name} ${otherKey('ed25519')}\n`)
    const error = await refusal([path], { ask: somebody({ confirm: true }) })
    expect(error.message).toContain('certificate authority')
    expect(error.hints.join('\n')).toContain('host_key')
  })

  describe('a pinned key', () => {
    test.each(['ed25519', 'rsa', 'ecdsa'] as const)(
      'by the fingerprint of its %s key is accepted without any known_hosts',
      async (type) => {
        expect(await connect([file], {}, { hostKey: sshd.fingerprint(type) })).toBe('in\n')
        expect(() => readFileSync(file)).toThrow()
      },
    )

    test.each(['ed25519', 'rsa', 'ecdsa'] as const)('by its whole %s key is accepted', async (type) => {
      expect(await connect([file], {}, { hostKey: sshd.hostKey(type) })).toBe('in\n')
    })

    test('that is another one is refused, although known_hosts knows the shown one', async () => {
      const path = known(`${name} ${sshd.hostKey('ed25519')}\n`)
      const pin = 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
      const error = await refusal([path], {}, { hostKey: pin })
      expect(error.message).toContain('pins')
      expect(error.why).toContain(pin)
      expect((await refusal([path], {}, { hostKey: otherKey('rsa') })).message).toContain('pins')
    })
  })
})
