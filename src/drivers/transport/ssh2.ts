// The default transport, on npm's ssh2, wrapped once: own socket without Nagle, no `none` probe, host keys always checked
// before anything is sent, keep-alive, typed errors. Nothing here needs ssh2's native addon.

import { spawn } from 'node:child_process'
import { connect as dial } from 'node:net'
import { Duplex } from 'node:stream'
import ssh2, { type AuthenticationType, type ParsedKey } from 'ssh2'
import type { Ask } from '../../domain/ask.ts'
import type { SshSettings } from '../../domain/config.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import type { Connection, Transport } from '../../domain/transport.ts'
import { decideHostKey, hostKeyNames } from './host-key.ts'
import { knownTypes, readKnownHosts } from './known-hosts.ts'
import { type Destination, resolveHost } from './resolve.ts'
import { type ClientLike, makeConnection } from './ssh-connection.ts'
import { isEncryptedPkcs8, type KeyText, keyFromEnvironment, readable, readKeyFile } from './ssh-keys.ts'

export type Ssh2Options = {
  readonly settings: SshSettings
  readonly hosts: readonly Host[]
  readonly ask: Ask | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly homeDirectory: string
  readonly secret: (name: string) => Promise<string>
  readonly warn: (message: string) => void
}

/** sshd counts every key that is offered (MaxAuthTries 6, PerSourcePenalties). */
const MAX_KEYS = 5
const KEEPALIVE_MS = 5_000
const KEEPALIVE_MISSED = 3

// group-exchange costs ssh2 1.6 s of blocking CPU (ssh.md, section 2); the rest is what every sshd since 2014 offers.
const KEX = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
] as const
const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
] as const
const HOST_KEYS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const
type HostKeyAlgorithm = (typeof HOST_KEYS)[number]

export function createSsh2Transport(options: Ssh2Options): Transport {
  /** One connection a bastion, shared by everybody behind it. */
  const bastions = new Map<string, Promise<InstanceType<typeof ssh2.Client>>>()
  const passphrases = new Map<string, string>()
  let asking: Promise<unknown> = Promise.resolve()
  // Questions of several hosts come one after the other, never two on one line.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = asking.then(work)
    asking = turn.catch(() => undefined)
    return turn
  }
  const login = (destination: Destination, via: InstanceType<typeof ssh2.Client> | null, signal: AbortSignal) =>
    open(destination, via, { ...options, passphrases, inTurn, signal })

  async function through(jumps: readonly Destination[], signal: AbortSignal): Promise<InstanceType<typeof ssh2.Client> | null> {
    let last: InstanceType<typeof ssh2.Client> | null = null
    let key = ''
    for (const jump of jumps) {
      key += `>${jump.user}@${jump.address}:${jump.port}`
      const before = last
      const known = bastions.get(key)
      const opening: Promise<InstanceType<typeof ssh2.Client>> = known ?? login(jump, before, signal)
      if (known === undefined) {
        bastions.set(key, opening)
        const own = key
        const forget = (): boolean => bastions.delete(own)
        opening.then((client) => client.once('close', forget), forget)
      }
      last = await opening
    }
    return last
  }

  return {
    kind: 'ssh2',
    async connect(host, signal): Promise<Connection> {
      const destination = await resolveHost(host, { ...options, signal })
      const via = await through(destination.jumps, signal)
      const client = await login(destination, via, signal)
      const shown = `${destination.user}@${destination.address}:${destination.port}`
      return makeConnection(client as unknown as ClientLike, host, shown, options.secret)
    },
    async close() {
      for (const opening of bastions.values()) {
        await opening.then(
          (client) => client.end(),
          () => undefined,
        )
      }
      bastions.clear()
    },
  }
}

type Login = Ssh2Options & {
  readonly passphrases: Map<string, string>
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
  readonly signal: AbortSignal
}

async function open(
  to: Destination,
  via: InstanceType<typeof ssh2.Client> | null,
  login: Login,
): Promise<InstanceType<typeof ssh2.Client>> {
  if (login.signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted')
  const lines = await readKnownHosts([...to.knownHostsFiles, ...to.globalKnownHostsFiles])
  const socket =
    via !== null ? await forwarded(via, to) : to.proxyCommand !== null ? proxied(to.proxyCommand) : await dialled(to, login.signal)
  const tried: string[] = []
  let refusal: RollgateError | null = null
  const client = new ssh2.Client()
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(new RollgateError('E_CANCELLED', 'interrupted'))
      login.signal.addEventListener('abort', abort, { once: true })
      client.once('ready', () => {
        login.signal.removeEventListener('abort', abort)
        resolve()
      })
      // Stays for life: some servers reset after the end, and an error without a listener ends the process.
      client.on('error', (error) => reject(refusal ?? typed(error, to, tried)))
      client.once('close', () =>
        reject(
          refusal ?? new RollgateError('E_UNREACHABLE', `${to.name} closed the connection before the login was over`, { host: to.name }),
        ),
      )
      const methods = authentication(to, login, tried)
      client.connect({
        sock: socket,
        username: to.user,
        readyTimeout: to.connectTimeoutMs + (login.ask === null ? 0 : 120_000),
        keepaliveInterval: KEEPALIVE_MS,
        keepaliveCountMax: KEEPALIVE_MISSED,
        algorithms: {
          kex: [...KEX],
          cipher: [...CIPHERS],
          serverHostKey: orderedHostKeys(knownTypes(lines, hostKeyNames(to))),
          compress: ['none'],
        },
        hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
          login
            .inTurn(() => decideHostKey(to, key, lines, login))
            .then(
              () => verify(true),
              (error: unknown) => {
                refusal = error instanceof RollgateError ? error : new RollgateError('E_HOST_KEY', String(error), { host: to.name })
                verify(false)
              },
            )
        },
        authHandler: (_left, _partial, next) => {
          methods.next().then(
            // false: nothing left to try.
            ({ value, done }) => next(done === true || value === undefined ? (false as unknown as AuthenticationType) : value),
            (error: unknown) => {
              refusal = error instanceof RollgateError ? error : new RollgateError('E_KEY', String(error), { host: to.name })
              next(false as unknown as AuthenticationType)
            },
          )
        },
      })
    })
    return client
  } catch (error) {
    client.destroy()
    socket.destroy()
    throw error
  }
}

function orderedHostKeys(known: readonly string[]): HostKeyAlgorithm[] {
  const isKnown = (algorithm: string): boolean =>
    known.includes(algorithm) || (algorithm.startsWith('rsa-sha2') && known.includes('ssh-rsa'))
  return [...HOST_KEYS.filter(isKnown), ...HOST_KEYS.filter((algorithm) => !isKnown(algorithm))]
}

type Auth = Exclude<
  Parameters<
    Parameters<
      Extract<NonNullable<Parameters<InstanceType<typeof ssh2.Client>['connect']>[0]['authHandler']>, (...args: never[]) => unknown>
    >[2]
  >[0],
  string
>

/** Agent first (it asks nothing), then keys without a passphrase, then those that want one. */
async function* authentication(to: Destination, login: Login, tried: string[]): AsyncGenerator<Auth> {
  const { identity } = login.settings
  const fromEnv = identity !== undefined && 'env' in identity
  const keys: KeyText[] = []
  if (fromEnv) keys.push(keyFromEnvironment(identity.env, login.env))
  else
    for (const path of to.identityFiles)
      keys.push(...[await readKeyFile(path, identity !== undefined)].flatMap((key) => (key === null ? [] : [key])))
  let offered = 0
  if (to.agent !== null && !fromEnv) {
    const wanted = to.identitiesOnly ? await publicKeys(to.identityFiles) : null
    if (wanted === null || wanted.length > 0) {
      tried.push(`agent ${to.agent}`)
      yield { type: 'agent', username: to.user, agent: limitedAgent(to.agent, wanted) }
      offered += 1
    }
  }
  const locked: KeyText[] = []
  for (const key of keys) {
    if (offered >= MAX_KEYS) return
    const parsed = parse(key, undefined)
    if (parsed === 'locked') locked.push(key)
    else if (parsed !== null) {
      tried.push(key.from)
      offered += 1
      yield { type: 'publickey', username: to.user, key: parsed }
    }
  }
  for (const key of locked) {
    if (offered >= MAX_KEYS) return
    tried.push(key.from)
    offered += 1
    yield { type: 'publickey', username: to.user, key: await unlocked(key, login) }
  }
}

/** null: not a key that we can read, and nobody named it. @throws RollgateError E_KEY for formats with a way out */
function parse(key: KeyText, passphrase: string | undefined): ParsedKey | 'locked' | null {
  if (isEncryptedPkcs8(key.text) && passphrase === undefined) return 'locked'
  const plain = readable(key, passphrase)
  const parsed = ssh2.utils.parseKey(plain.text, passphrase)
  if (!(parsed instanceof Error)) return parsed
  if (/no passphrase given/i.test(parsed.message)) return 'locked'
  if (passphrase !== undefined) return null
  throw new RollgateError('E_KEY', `the private key ${key.from} cannot be used: ${parsed.message}`, {
    hints: [`ssh-keygen -p -f ${key.from}   (writes it in a format that can be read)`, 'or put it into your SSH agent: ssh-add'],
  })
}

async function unlocked(key: KeyText, login: Login): Promise<ParsedKey> {
  const { ask, passphrases } = login
  if (ask === null && !passphrases.has(key.from)) {
    throw new RollgateError('E_KEY', `the private key ${key.from} wants a passphrase, and there is no terminal to ask on`, {
      hints: [`ssh-add ${key.from}   (your agent then answers)`, 'or ssh.identity: { env: NAME } with a key without a passphrase'],
    })
  }
  return login.inTurn(async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const passphrase =
        passphrases.get(key.from) ?? (ask === null ? '' : await ask.secret(`Passphrase for ${key.from}:`, { signal: login.signal }))
      const parsed = parse(key, passphrase)
      if (parsed !== null && parsed !== 'locked') {
        passphrases.set(key.from, passphrase)
        return parsed
      }
      passphrases.delete(key.from)
    }
    throw new RollgateError('E_KEY', `the passphrase for ${key.from} was wrong three times`)
  })
}

async function publicKeys(files: readonly string[]): Promise<readonly Buffer[]> {
  const found: Buffer[] = []
  for (const file of files) {
    const text = (await readKeyFile(`${file}.pub`, false))?.text
    const blob = text?.split(/\s+/)[1]
    if (blob !== undefined) found.push(Buffer.from(blob, 'base64'))
  }
  return found
}

function publicBlob(key: ParsedKey | ssh2.PublicKeyEntry): Buffer {
  if ('getPublicSSH' in key) return key.getPublicSSH()
  const inner = 'pubKey' in key.pubKey ? key.pubKey.pubKey : key.pubKey
  return typeof inner === 'string' ? Buffer.from(inner, 'base64') : 'getPublicSSH' in inner ? inner.getPublicSSH() : inner
}

/** The agent's keys, at most five, and with IdentitiesOnly only those that were named. */
function limitedAgent(path: string, wanted: readonly Buffer[] | null): InstanceType<typeof ssh2.OpenSSHAgent> {
  const agent = new ssh2.OpenSSHAgent(path)
  const list = agent.getIdentities.bind(agent)
  agent.getIdentities = (callback) => {
    list((error, keys) => {
      if (error != null) {
        callback(error)
        return
      }
      const all = keys ?? []
      callback(undefined, all.filter((key) => wanted === null || wanted.some((blob) => blob.equals(publicBlob(key)))).slice(0, MAX_KEYS))
    })
  }
  return agent
}

function dialled(to: Destination, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = dial({ host: to.address, port: to.port, noDelay: true, autoSelectFamily: true })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(
      () =>
        fail(
          new RollgateError(
            'E_CONNECT_TIMEOUT',
            `${to.name} (${to.address}:${to.port}) did not answer within ${to.connectTimeoutMs / 1000} s`,
            { host: to.name, hints: ['is the host up, and the port open in its firewall?'] },
          ),
        ),
      to.connectTimeoutMs,
    )
    const abort = (): void => fail(new RollgateError('E_CANCELLED', 'interrupted'))
    signal.addEventListener('abort', abort, { once: true })
    socket.once('connect', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      resolve(socket)
    })
    socket.once('error', (error) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      fail(typed(error, to, []))
    })
  })
}

function forwarded(via: InstanceType<typeof ssh2.Client>, to: Destination): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    via.forwardOut('127.0.0.1', 0, to.address, to.port, (error, channel) => {
      if (error === undefined) resolve(channel)
      else
        reject(
          new RollgateError('E_UNREACHABLE', `the jump host cannot reach ${to.name} (${to.address}:${to.port}): ${error.message}`, {
            host: to.name,
            cause: error,
          }),
        )
    })
  })
}

/** As ssh does: the user's own shell line, its stdin and stdout are the connection. */
function proxied(line: string): Duplex {
  const child = spawn('/bin/sh', ['-c', `exec ${line}`], { stdio: ['pipe', 'pipe', 'inherit'] })
  return childDuplex(child)
}

function typed(error: Error & { code?: string; level?: string }, to: Destination, tried: readonly string[]): RollgateError {
  const where = `${to.name} (${to.user}@${to.address}:${to.port})`
  const options = { host: to.name, cause: error }
  if (error instanceof RollgateError) return error
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN' || error.code === 'ENODATA')
    return new RollgateError('E_DNS', `${to.name}: the name ${to.address} cannot be resolved`, {
      ...options,
      hints: ['is the address in the config right?'],
    })
  if (error.code === 'ECONNREFUSED')
    return new RollgateError('E_CONNECT_REFUSED', `${where} refused the connection`, {
      ...options,
      hints: [`is sshd running there on port ${to.port}?`],
    })
  if (error.code === 'ETIMEDOUT' || error.level === 'client-timeout')
    return new RollgateError('E_CONNECT_TIMEOUT', `${where} did not answer in time`, {
      ...options,
      hints: ['is the host up, and the port open in its firewall?'],
    })
  if (error.level === 'client-authentication') {
    return new RollgateError('E_AUTH', `${where} refused the login`, {
      ...options,
      why: tried.length === 0 ? 'there was no key to offer' : `offered: ${tried.join(', ')}`,
      hints: [
        `ssh-copy-id -p ${to.port} ${to.user}@${to.address}   (installs your key)`,
        'ssh.user and ssh.identity say who logs in with which key',
      ],
    })
  }
  if (error.level === 'handshake' || /handshake|key exchange|host key/i.test(error.message))
    return new RollgateError('E_UNREACHABLE', `${where}: the SSH handshake failed: ${error.message}`, options)
  return new RollgateError('E_UNREACHABLE', `${where} cannot be reached: ${error.message}`, options)
}

function childDuplex(child: ReturnType<typeof spawn>): Duplex {
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new RollgateError('E_BUG', 'a proxy command without pipes')
  return Duplex.from({ writable: stdin, readable: stdout })
}
