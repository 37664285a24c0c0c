// npm's ssh2, wrapped once: the only file of this folder that imports it. What is done here because of what it does or
// does not do (measured in design/ssh.md, section 7):
// - It trusts any host key unless asked: `verify` always decides, before anything of ours is sent. A rekey must show the
//   same key again.
// - Its keep-alive counts only answers to its own pings: on a slow uplink those wait behind our data, and a busy
//   connection would be called dead. Whatever arrives counts here.
// - Both streams of a channel share one window, and reading one opens it for both: a stalled reader of the other would
//   fill memory.
// - It sends no signal once the command's input has ended, which is always the case when one is needed.
// - Its optional addon is never needed.
import type { Duplex, Readable } from 'node:stream'
import ssh2, { type AnyAuthMethod, type ParsedKey, type SignCallback } from 'ssh2'

export type SshChannel = Duplex & {
  readonly stderr: Readable
  /** `open` as long as more may come; a channel that was cut off stays so. */
  readonly incoming: { readonly state: string }
  /** How the command ended, kept from the first moment on. Never settles when the connection goes away before. */
  readonly exited: Promise<Exit>
  close(): void
}

export type Exit = { readonly code: number | null; readonly signal: string | null }

/** A connection that is logged in. */
export type SshClient = {
  readonly alive: boolean
  /** Calls back once when it is gone; returns how to forget about it. */
  onGone(callback: (reason: Error | null) => void): () => void
  /** Rejects with an error that has a `reason` number when the host opens no channel. */
  exec(line: string): Promise<SshChannel>
  forward(to: { readonly host: string; readonly port: number } | { readonly socket: string }): Promise<Duplex>
  signal(channel: SshChannel, name: 'TERM' | 'KILL'): void
  end(): void
}

/** A key that can log in: here, in an agent, or behind a passphrase. */
export type Identity = {
  /** As a person knows it: a path, an agent's comment, a variable. */
  readonly from: string
  readonly blob: Buffer
  sign(data: Buffer, hash: string | undefined): Promise<Buffer>
}

export type OpenOptions = {
  /** Connected; ours to close from now on. */
  readonly socket: Duplex
  readonly user: string
  readonly hostKeyTypes: readonly HostKeyType[]
  /** Rejects when this key must not be trusted. */
  readonly verify: (key: Buffer) => Promise<void>
  /** Asked for more as long as what it gave was refused. */
  readonly identities: AsyncIterator<readonly Identity[], void>
  /** Nothing is left to offer: ways to log in that the host would still take. */
  readonly onRefused: (accepts: readonly string[]) => void
  readonly keepAliveMs: number
}

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
const MACS = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'] as const
export const HOST_KEY_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const
export type HostKeyType = (typeof HOST_KEY_TYPES)[number]

const KEEP_ALIVE_MISSED = 3
/** After our goodbye: how long the other side may take to close. */
const CLOSE_MS = 1_000
/** A host that sends this much more than it was allowed to is not talking SSH with us. */
const FLOOD = 4

/** Logs in. @throws what `verify` and `identities` throw; otherwise ssh2's own error, with `level` and `code` */
export async function openClient(options: OpenOptions): Promise<SshClient> {
  const { socket, identities } = options
  const client = new ssh2.Client()
  const gone = new Set<(reason: Error | null) => void>()
  let alive = false
  let ending = false
  let reason: Error | null = null
  let refusal: unknown = null
  let accepted: Buffer | null = null
  let asked = false

  // Stays for life: some servers reset after the end, and an error without a listener ends the process.
  client.on('error', (error: Error & { level?: string }) => {
    // One key of an agent that cannot sign is not the end of the login.
    if (error.level === 'agent') return
    reason ??= error
    if (alive) socket.destroy()
  })
  client.once('close', () => {
    alive = false
    const callbacks = [...gone]
    gone.clear()
    for (const callback of callbacks) callback(ending ? null : reason)
  })

  try {
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve)
      client.on('error', (error: Error & { level?: string }) => {
        if (error.level !== 'agent') reject(refusal ?? error)
      })
      client.once('close', () => reject(refusal ?? reason ?? new Error('the connection was closed')))
      client.connect({
        sock: socket,
        username: options.user,
        // Ours is in the caller: it stands still while a person is asked.
        readyTimeout: 0,
        keepaliveInterval: options.keepAliveMs,
        keepaliveCountMax: KEEP_ALIVE_MISSED,
        algorithms: {
          kex: [...KEX],
          cipher: [...CIPHERS],
          hmac: [...MACS],
          serverHostKey: [...options.hostKeyTypes],
          compress: ['none'],
        },
        hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
          if (accepted !== null) return verify(accepted.equals(key))
          options.verify(key).then(
            () => {
              accepted = key
              verify(true)
            },
            (error: unknown) => {
              refusal = error
              verify(false)
            },
          )
        },
        authHandler: (accepts, _partial, next) => {
          if (asked) {
            options.onRefused(accepts ?? [])
            next(NOTHING_LEFT)
            return
          }
          identities.next().then(
            ({ value }) => {
              if (value !== undefined) return next({ type: 'agent', username: options.user, agent: new Ring(value) })
              // ssh2 keeps to itself what the host says after an agent's keys; the answer to `none` it passes on.
              asked = true
              next({ type: 'none', username: options.user })
            },
            (error: unknown) => {
              refusal = error
              next(NOTHING_LEFT)
            },
          )
        },
      })
    })
  } catch (error) {
    socket.destroy()
    throw error
  }
  alive = true
  stayAwake(client, socket, options.keepAliveMs)

  return {
    get alive() {
      return alive
    },
    onGone(callback) {
      if (!alive) callback(ending ? null : reason)
      else gone.add(callback)
      return () => gone.delete(callback)
    },
    exec: (line) =>
      new Promise((resolve, reject) => {
        client.exec(line, (error, channel) => {
          if (error !== undefined) return reject(error)
          // Listened to here and now: the exit may have come in the same read as the channel, and would be told before
          // anybody who awaits us can listen.
          const exited = new Promise<Exit>((done) =>
            channel.once('exit', (code: number | null, signal?: string) => done({ code, signal: signal ?? null })),
          )
          // `incoming` is not in the types.
          resolve(holdBack(Object.assign(channel as unknown as SshChannel, { exited }), (flood) => socket.destroy(flood)))
        })
      }),
    forward: (to) =>
      new Promise((resolve, reject) => {
        const done = (error: Error | undefined, channel: Duplex): void => (error === undefined ? resolve(channel) : reject(error))
        if ('socket' in to) client.openssh_forwardOutStreamLocal(to.socket, done)
        else client.forwardOut('127.0.0.1', 0, to.host, to.port, done)
      }),
    signal(channel, name) {
      const inner = channel as unknown as { readonly outgoing: { readonly id: number; readonly state: string } }
      if (!alive || (inner.outgoing.state !== 'open' && inner.outgoing.state !== 'eof')) return
      ;(client as unknown as { _protocol: { signal(id: number, name: string): void } })._protocol.signal(inner.outgoing.id, name)
    },
    end() {
      if (!alive) return
      alive = false
      ending = true
      client.end()
      // A host that does not answer any more must hold up neither us nor the end of the process.
      if ('unref' in socket && typeof socket.unref === 'function') socket.unref()
      setTimeout(() => socket.destroy(), CLOSE_MS).unref()
    },
  }
}

// The types know no way to say it, the documentation does.
const NOTHING_LEFT = false as unknown as AnyAuthMethod

/** ssh2 takes any object with these two methods for an agent, as long as it descends from its class. */
class Ring extends ssh2.BaseAgent<ParsedKey> {
  readonly #keys: readonly { readonly identity: Identity; readonly key: ParsedKey }[]

  constructor(identities: readonly Identity[]) {
    super()
    this.#keys = identities.flatMap((identity) => {
      const key = ssh2.utils.parseKey(identity.blob)
      return key instanceof Error ? [] : [{ identity, key }]
    })
  }

  override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    callback(
      null,
      this.#keys.map(({ key }) => key),
    )
  }

  // ssh2 always calls with options; its types know a second form.
  override sign(key: ParsedKey, data: Buffer, options: unknown, callback?: SignCallback): void {
    const done: SignCallback = callback ?? (options as SignCallback)
    const hash = typeof options === 'object' && options !== null && 'hash' in options ? options.hash : undefined
    const found = this.#keys.find((candidate) => candidate.key === key)
    if (found === undefined) {
      done(new Error('no such key'))
      return
    }
    found.identity.sign(data, typeof hash === 'string' ? hash : undefined).then(
      (signature) => done(null, signature),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    )
  }
}

function stayAwake(client: ssh2.Client, socket: Duplex, keepAliveMs: number): void {
  const { _resetKA: reset } = client as unknown as { _resetKA?: () => void }
  let last = performance.now()
  socket.on('data', () => {
    const now = performance.now()
    if (now - last < keepAliveMs / 4) return
    last = now
    reset?.()
  })
}

function holdBack(channel: SshChannel, onFlood: (error: Error) => void): SshChannel {
  const { stderr } = channel
  const limit = channel.readableHighWaterMark
  for (const [stream, other] of [
    [channel, stderr],
    [stderr, channel],
  ] as const) {
    const otherIsFull = (): boolean => other.readableLength >= limit
    const read = stream._read.bind(stream)
    // ssh2 opens the window when it is asked for more, and when what came was wanted.
    stream._read = (size) => {
      if (!otherIsFull()) read(size)
    }
    const push = stream.push.bind(stream)
    stream.push = (chunk, encoding) => {
      if (stream.readableLength > FLOOD * limit) onFlood(new Error('the host sends more than it was asked for'))
      return push(chunk, encoding) && !otherIsFull()
    }
  }
  return channel
}

export type PrivateKey = { readonly blob: Buffer; sign(data: Buffer, hash: string | undefined): Buffer }

/** A private key that ssh2 can read; null when it cannot, or not with this passphrase. */
export function parsePrivateKey(text: string, passphrase?: string): PrivateKey | null {
  const parsed = ssh2.utils.parseKey(text, passphrase)
  // Not in the types: a file may hold several keys.
  const key: ParsedKey | Error | undefined = Array.isArray(parsed) ? parsed[0] : parsed
  if (key === undefined || key instanceof Error || !key.isPrivateKey()) return null
  return {
    blob: key.getPublicSSH(),
    sign(data, hash) {
      // Without a hash the key's own is taken.
      const signature: Buffer | Error = key.sign(data, hash as string)
      if (signature instanceof Error) throw signature
      return signature
    },
  }
}

/** Of a line as in `id_ed25519.pub`, or an RFC 4716 file; null when it is none that can be used. */
export function parsePublicKey(text: string): Buffer | null {
  const parsed = ssh2.utils.parseKey(text)
  const key: ParsedKey | Error | undefined = Array.isArray(parsed) ? parsed[0] : parsed
  return key === undefined || key instanceof Error || key.isPrivateKey() ? null : key.getPublicSSH()
}

/** The keys that an agent holds; kinds that ssh2 does not know are left out. Rejects when the agent does not answer. */
export function agentIdentities(path: string): Promise<readonly Identity[]> {
  const agent = new ssh2.OpenSSHAgent(path)
  return new Promise((resolve, reject) => {
    agent.getIdentities((error, keys) => {
      if (error !== undefined && error !== null) return reject(error)
      // This agent answers with parsed keys; the type allows more.
      const parsed = (keys ?? []).flatMap((key) => ('getPublicSSH' in key ? [key] : []))
      resolve(
        parsed.map((key) => ({
          from: `${key.comment === '' ? key.type : key.comment} in the agent`,
          blob: key.getPublicSSH(),
          sign: (data, hash) =>
            new Promise((done, fail) => {
              agent.sign(key, data, hash === undefined ? {} : { hash: hash as 'sha256' }, (signError, signature) =>
                signature === undefined ? fail(signError ?? new Error('the agent gave no signature')) : done(signature),
              )
            }),
        })),
      )
    })
  })
}
