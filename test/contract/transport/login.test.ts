// Logging in, with real keys, a real ssh-agent and a real sshd.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import { makeKey, noSshd, publicKey, type Sshd, startSshd } from './sshd.ts'
import { aHost, type SshOptions, somebody, sshTransport, temporaryFolder } from './targets.ts'

const NEVER = new AbortController().signal
const noAgent = spawnSync('ssh-agent', ['-h']).error === undefined ? null : 'ssh-agent is not installed'

describe.skipIf(noSshd !== null)(`logging in${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd({ config: ['MaxAuthTries 6'] })
  })
  afterAll(() => sshd?.stop())

  function folder(): string {
    const made = temporaryFolder()
    onTestFinished(() => made.remove())
    return made.path
  }

  /** A key of its own, allowed to log in unless said otherwise. */
  function key(type: 'ed25519' | 'rsa' | 'ecdsa', options: Parameters<typeof makeKey>[2] & { readonly stranger?: boolean } = {}): string {
    const path = join(folder(), 'the key')
    makeKey(path, type, options)
    if (options.stranger !== true) sshd.allow(publicKey(path))
    return path
  }

  function file(text: string): string {
    const path = join(folder(), 'file')
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  async function login(options: SshOptions = {}, user = sshd.user): Promise<string> {
    const transport = sshTransport(sshd, options)
    try {
      const connection = await transport.connect(aHost('web-1', sshd.port, { user }), NEVER)
      await connection.close()
      return 'in'
    } finally {
      await transport.close()
    }
  }

  async function refusal(options: SshOptions = {}, user = sshd.user): Promise<RollgateError> {
    const error = await login(options, user).catch((thrown: unknown) => thrown)
    if (!(error instanceof RollgateError)) throw new Error(`not refused: ${String(error)}`)
    expect(error.exitCode).toBe(4)
    expect(error.host ?? 'web-1').toBe('web-1')
    return error
  }

  /** How many keys sshd was shown since then. */
  function counting(): () => number {
    const before = shown()
    return () => shown() - before
  }
  const shown = (): number =>
    sshd
      .log()
      .split('\n')
      .filter((line) => /^(Failed|Accepted) publickey/.test(line)).length

  describe('a key file', () => {
    test.each([
      ['ed25519 in OpenSSH’s format', 'ed25519', {}],
      ['RSA in OpenSSH’s format', 'rsa', {}],
      ['ECDSA in OpenSSH’s format', 'ecdsa', {}],
      ['RSA as PEM', 'rsa', { format: 'PEM' }],
      ['ECDSA as PEM', 'ecdsa', { format: 'PEM' }],
      ['RSA as PKCS#8', 'rsa', { format: 'PKCS8' }],
      ['ECDSA as PKCS#8', 'ecdsa', { format: 'PKCS8' }],
    ] as const)('%s opens the door', async (_name, type, options) => {
      expect(await login({ settings: { identity: { path: key(type, options) } } })).toBe('in')
    })

    test('ed25519 as PKCS#8, as openssl writes it, opens the door', async () => {
      const { generateKeyPairSync } = await import('node:crypto')
      const pair = generateKeyPairSync('ed25519')
      const x = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
      const blob = Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), x])
      sshd.allow(`ssh-ed25519 ${blob.toString('base64')}`)
      const path = file(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
      expect(await login({ settings: { identity: { path } } })).toBe('in')
    })

    test.each([
      ['ed25519 in OpenSSH’s format', 'ed25519', {}],
      ['RSA as PEM', 'rsa', { format: 'PEM' }],
      ['ECDSA as PKCS#8', 'ecdsa', { format: 'PKCS8' }],
    ] as const)('%s with a passphrase is asked about once, for all hosts together', async (_name, type, options) => {
      const path = key(type, { ...options, passphrase: 'open $esame' })
      const ask = somebody({ secrets: ['wrong', 'open $esame'] })
      const transport = sshTransport(sshd, { ask, settings: { identity: { path } } })
      const connections = await Promise.all(
        Array.from({ length: 4 }, (_, index) => transport.connect(aHost(`web-${index}`, sshd.port), NEVER)),
      )
      expect(ask.asked).toEqual([`Passphrase for ${path}:`, `Passphrase for ${path}:`])
      for (const connection of connections) await connection.close()
      await transport.close()
    })

    test('with a passphrase that is wrong three times is not asked about for the next host', async () => {
      const path = key('ed25519', { passphrase: 'right' })
      const ask = somebody({ secrets: ['a', 'b', 'c', 'right'] })
      const transport = sshTransport(sshd, { ask, settings: { identity: { path } } })
      for (const name of ['web-1', 'web-2'])
        await expect(transport.connect(aHost(name, sshd.port), NEVER)).rejects.toMatchObject({
          code: expect.stringMatching(/^E_(AUTH|KEY)$/),
        })
      expect(ask.asked).toHaveLength(3)
      await transport.close()
    })

    test('with a passphrase says what helps where nobody can be asked', async () => {
      const path = key('ed25519', { passphrase: 'right' })
      const error = await refusal({ settings: { identity: { path } } })
      expect(error.code).toBe('E_KEY')
      expect(error.message).toContain('no terminal')
      expect(error.hints.join('\n')).toContain(`ssh-add '${path}'`)
    })

    test('is not asked about when the host would not take it', async () => {
      const path = key('ed25519', { passphrase: 'right', stranger: true })
      const ask = somebody({ secrets: ['right'] })
      expect((await refusal({ ask, settings: { identity: { path } } })).code).toBe('E_AUTH')
      expect(ask.asked).toEqual([])
    })

    test('that does not exist is E_KEY with its path', async () => {
      const error = await refusal({ settings: { identity: { path: '/nowhere/key' } } })
      expect(error).toMatchObject({ code: 'E_KEY', message: expect.stringContaining('/nowhere/key') })
    })

    test('that is no key is E_KEY, and nothing of it is in the error', async () => {
      const path = file('-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LW1hdGVyaWFs\n-----END OPENSSH PRIVATE KEY-----\n')
      const error = await refusal({ settings: { identity: { path } } })
      expect(error.code).toBe('E_KEY')
      expect(JSON.stringify([error.message, error.why, error.hints])).not.toContain('c2VjcmV0')
    })

    test('of a security key is E_KEY, with the way out', async () => {
      const error = await refusal({ settings: { identity: { path: file(securityKey()) } } })
      expect(error).toMatchObject({ code: 'E_KEY', message: expect.stringContaining('security key') })
      expect(error.hints.join('\n')).toContain('ssh-keygen -t ed25519')
    })

    test('that the host does not know is E_AUTH, which names it and what installs it', async () => {
      const path = key('ed25519', { stranger: true })
      const error = await refusal({ settings: { identity: { path } } })
      expect(error.code).toBe('E_AUTH')
      expect(error.why).toContain(path)
      expect(error.hints.join('\n')).toContain(`ssh-copy-id -p ${sshd.port} ${sshd.user}@127.0.0.1`)
    })

    test('opens no door for a user that does not exist', async () => {
      expect((await refusal({}, 'nobody-of-that-name')).code).toBe('E_AUTH')
    })
  })

  describe('a key in a variable', () => {
    const plain = (): string => readFileSync(sshd.clientKey, 'utf8')
    test.each([
      ['as it is', (text: string) => text],
      ['with literal \\n', (text: string) => text.replaceAll('\n', '\\n')],
      ['as base64', (text: string) => Buffer.from(text).toString('base64')],
      ['with Windows’ line ends', (text: string) => text.replaceAll('\n', '\r\n')],
      ['without its last newline', (text: string) => text.trimEnd()],
    ])('%s opens the door', async (_how, written) => {
      const env = { PATH: process.env.PATH, DEPLOY_KEY: written(plain()) }
      expect(await login({ env, settings: { identity: { env: 'DEPLOY_KEY' } } })).toBe('in')
    })

    test.each([
      ['missing', undefined],
      ['empty', ' '],
      ['something else', 'hunter2'],
      ['half a key', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA'],
    ])('that is %s is E_KEY, and its value is nowhere in the error', async (_how, value) => {
      const error = await refusal({ env: { PATH: process.env.PATH, DEPLOY_KEY: value }, settings: { identity: { env: 'DEPLOY_KEY' } } })
      expect(error.code).toBe('E_KEY')
      expect(error.message).toContain('DEPLOY_KEY')
      expect(JSON.stringify([error.message, error.why, error.hints])).not.toMatch(/hunter2|AAAA/)
    })
  })

  describe.skipIf(noAgent !== null)(`an agent${noAgent === null ? '' : ` (skipped: ${noAgent})`}`, () => {
    async function agent(keys: readonly string[]): Promise<string> {
      const socket = join(folder(), 'agent.sock')
      const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
      onTestFinished(() => void child.kill())
      await new Promise((done) => child.stdout.once('data', done))
      for (const path of keys) execFileSync('ssh-add', ['-q', path], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' })
      return socket
    }
    /** With nothing but what the user's own configuration and agent say. */
    const own = (socket: string, config = '') => ({
      env: { PATH: process.env.PATH, SSH_AUTH_SOCK: socket },
      settings: { identity: undefined, config: file(`IdentityFile /nowhere/key\n${config}`) } as never,
    })

    test.each(['ed25519', 'rsa', 'ecdsa'] as const)('with an %s key opens the door', async (type) => {
      expect(await login(own(await agent([key(type)])))).toBe('in')
    })

    test('is asked for the key that the config names, and only for that one', async () => {
      const wanted = key('ed25519', { passphrase: '' })
      const socket = await agent([key('ed25519', { stranger: true }), key('rsa', { stranger: true }), wanted])
      // Its private half is only in the agent.
      const path = file(readFileSync(`${wanted}.pub`, 'utf8'))
      const count = counting()
      expect(await login({ env: { PATH: process.env.PATH, SSH_AUTH_SOCK: socket }, settings: { identity: { path } } })).toBe('in')
      expect(count()).toBe(1)
    })

    test('offers only named keys where IdentitiesOnly says so', async () => {
      const socket = await agent([key('ed25519')])
      expect((await refusal(own(socket, 'IdentitiesOnly yes\n'))).code).toBe('E_AUTH')
    })

    test('is the one that IdentityAgent names', async () => {
      const socket = await agent([key('ed25519')])
      const empty = await agent([])
      expect(await login(own(empty, `IdentityAgent ${socket}\n`))).toBe('in')
      expect((await refusal(own(socket, 'IdentityAgent none\n'))).code).toBe('E_AUTH')
      const named = { ...own(empty, 'IdentityAgent $MY_AGENT\n'), env: { PATH: process.env.PATH, SSH_AUTH_SOCK: empty, MY_AGENT: socket } }
      expect(await login(named)).toBe('in')
    })

    test('with many keys is not offered so often that the host shuts the door', async () => {
      const socket = await agent(Array.from({ length: 8 }, () => key('ed25519', { stranger: true })))
      const count = counting()
      expect((await refusal(own(socket))).code).toBe('E_AUTH')
      expect(count()).toBe(5)
    })

    test('with many keys does not keep the one that the configuration names from its turn', async () => {
      const wanted = key('ed25519')
      const socket = await agent([...Array.from({ length: 8 }, () => key('ed25519', { stranger: true })), wanted])
      expect(await login(own(socket, `IdentityFile "${wanted}"\n`))).toBe('in')
    })

    test('that is gone does not matter where a key file opens the door, and is named where none does', async () => {
      const options = own('/nowhere/agent.sock', `IdentityFile "${sshd.clientKey}"\n`)
      expect(await login(options)).toBe('in')
      const error = await refusal(own('/nowhere/agent.sock'))
      expect(error.message).toContain('/nowhere/agent.sock')
    })

    test('that takes the connection and never answers does not hold us for ever', async () => {
      const socket = join(folder(), 'silent.sock')
      const server = createServer(() => undefined)
      await new Promise<void>((done) => server.listen(socket, done))
      onTestFinished(() => void server.close())
      const transport = sshTransport(sshd, own(socket))
      await expect(transport.connect(aHost('web-1', sshd.port), NEVER, { timeoutMs: 1000 })).rejects.toBeInstanceOf(RollgateError)
      await transport.close()
    })

    test('that only holds a certificate is E_KEY, with the way out', async () => {
      const path = key('ed25519', { stranger: true })
      const authority = key('ed25519', { stranger: true })
      execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'me', '-n', sshd.user, `${path}.pub`], { stdio: 'ignore' })
      const socket = await agent([path])
      const environment = { ...process.env, SSH_AUTH_SOCK: socket }
      // Only the certificate stays.
      execFileSync('ssh-add', ['-q', '-d', '-'], {
        env: environment,
        input: readFileSync(`${path}.pub`),
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      expect(execFileSync('ssh-add', ['-L'], { env: environment, encoding: 'utf8' })).toMatch(/^ssh-ed25519-cert-v01[^\n]+\n$/)
      const error = await refusal(own(socket))
      expect(error).toMatchObject({ code: 'E_KEY', message: expect.stringContaining('certificate') })
      expect(error.hints.join('\n')).toContain('authorized_keys')
    })
  })

  test('keys of the user’s own configuration are tried in its order, those without a passphrase first asked nothing', async () => {
    const good = key('ed25519')
    const config = file(`IdentityFile /nowhere/first\nIdentityFile "${key('rsa', { stranger: true })}"\nIdentityFile "${good}"\n`)
    expect(await login({ settings: { identity: undefined, config } as never })).toBe('in')
  })

  test('a certificate that the configuration names is told where nothing else opens the door', async () => {
    const path = key('ed25519', { stranger: true })
    const config = file(`IdentityFile "${path}"\nCertificateFile "${path}-cert.pub"\n`)
    const error = await refusal({ settings: { identity: undefined, config } as never })
    expect(error.code).toBe('E_AUTH')
    expect(error.why).toContain('certificate')
  })

  test('a host that wants a second factor says so', async () => {
    const own = await startSshd({ config: ['AuthenticationMethods publickey,keyboard-interactive', 'KbdInteractiveAuthentication yes'] })
    onTestFinished(() => own.stop())
    const error = await sshTransport(own)
      .connect(aHost('web-1', own.port), NEVER)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'E_AUTH', why: expect.stringContaining('keyboard-interactive') })
  })

  test('no `none` is tried: the host never sees a login without a key', async () => {
    const before = sshd.log().length
    await login()
    expect(sshd.log().slice(before)).not.toMatch(/Failed none/)
  })
})

/** A private key of OpenSSH's format whose public half says that it lives in a token. */
function securityKey(): string {
  const field = (value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const type = 'sk-ssh-ed25519@openssh.com'
  const blob = Buffer.concat([field(type), field(Buffer.alloc(32, 7)), field('ssh:')])
  const body = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    Buffer.from([0, 0, 0, 1]),
    field(blob),
    field(
      Buffer.concat([
        Buffer.alloc(8),
        field(type),
        field(Buffer.alloc(32, 7)),
        field('ssh:'),
        Buffer.from([1]),
        field('handle'),
        field(''),
        field(''),
      ]),
    ),
  ])
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${body
    .toString('base64')
    .match(/.{1,70}/g)
    ?.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`
}
