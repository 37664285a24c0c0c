// The default transport, on npm's ssh2 (see client.ts for how it is held): resolves where a host is, goes through its jump
// hosts (one connection to each, shared by everybody behind it), checks the host's key before anything is sent, logs in.
import type { Ask } from '../../domain/ask.ts'
import type { SshSettings } from '../../domain/config.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import type { Connection, Transport } from '../../domain/transport.ts'
import { HOST_KEY_TYPES, type HostKeyType, openClient, type SshClient } from './client.ts'
import { connectError, connectTimeout } from './connect-error.ts'
import { startDeadline } from './deadline.ts'
import { decideHostKey, hostKeyNames, isPinned } from './host-key.ts'
import { keyType, knownTypes, readKnownHosts } from './known-hosts.ts'
import { identities, type LoginContext, type LoginNotes } from './login.ts'
import { reach } from './reach.ts'
import { createResolver, type Destination } from './resolve.ts'
import { makeConnection } from './ssh-connection.ts'

export type Ssh2Options = {
  readonly settings: SshSettings
  readonly hosts: readonly Host[]
  readonly ask: Ask | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly homeDirectory: string
  readonly secret: (name: string) => Promise<string>
  readonly warn: (message: string) => void
  /** Between two questions whether the host is still there; after three without an answer it is gone [5 s]. */
  readonly keepAliveMs?: number
}

const KEEP_ALIVE_MS = 5_000
const CONNECT_TIMEOUT_MS = 10_000
/** How long a refused login to a jump host counts for everybody behind it. */
const REFUSED_MS = 15_000

export function createSsh2Transport(options: Ssh2Options): Transport {
  const resolve = createResolver(options)
  const bastions = new Map<string, Promise<SshClient>>()
  let asking: Promise<unknown> = Promise.resolve()
  const shared: Shared = {
    ...options,
    unlocked: new Map(),
    inTurn(work) {
      const turn = asking.then(work)
      asking = turn.catch(() => undefined)
      return turn
    },
  }

  async function bastion(key: string, jump: Destination, via: SshClient | null, attempt: Attempt): Promise<SshClient> {
    const known = bastions.get(key)
    if (known !== undefined) return known
    // It outlives whoever came first: nobody's signal but the end of the transport closes it.
    const opening = login(jump, via, shared, { ...attempt, signal: closing.signal })
    bastions.set(key, opening)
    const forget = (): void => {
      if (bastions.get(key) === opening) bastions.delete(key)
    }
    opening.then(
      (client) => client.onGone(forget),
      (error: unknown) => {
        const refused = error instanceof RollgateError && error.code === 'E_AUTH'
        if (refused) setTimeout(forget, REFUSED_MS).unref()
        else forget()
      },
    )
    return opening
  }
  const closing = new AbortController()

  return {
    kind: 'ssh2',
    async connect(host, signal, { timeoutMs = CONNECT_TIMEOUT_MS } = {}): Promise<Connection> {
      if (closing.signal.aborted || signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted')
      const to = await resolve(host, signal)
      const attempt = { signal, timeoutMs }
      let via: SshClient | null = null
      let key = ''
      for (const jump of to.jumps) {
        key += `>${jump.user}@${jump.address}:${jump.port}`
        via = await unlessAborted(bastion(key, jump, via, attempt), signal)
      }
      const client = await login(to, via, shared, attempt)
      return makeConnection(client, {
        host,
        destination: `${to.user}@${to.address}:${to.port}`,
        dialed: to.jumps.length === 0 && to.proxyCommand === null ? to.address : null,
        secret: options.secret,
      })
    },
    async close() {
      closing.abort()
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

type Shared = Ssh2Options & Pick<LoginContext, 'unlocked' | 'inTurn'>
type Attempt = { readonly signal: AbortSignal; readonly timeoutMs: number }

/** Once more with other types where a pinned key was not among those that the host showed first. */
async function login(to: Destination, via: SshClient | null, shared: Shared, attempt: Attempt): Promise<SshClient> {
  const seen = new Set<string>()
  let mismatch: RollgateError | null = null
  for (;;) {
    const types = HOST_KEY_TYPES.filter((type) => !seen.has(plainType(type)))
    if (types.length === 0 && mismatch !== null) throw mismatch
    const before = seen.size
    try {
      return await loginOnce(to, via, shared, { ...attempt, types, seen })
    } catch (error) {
      if (!(error instanceof RollgateError)) throw error
      // Without the types that were seen the two find no common one: what was seen is then what counts.
      if (mismatch !== null && error.code === 'E_UNREACHABLE') throw mismatch
      if (error.code !== 'E_HOST_KEY' || seen.size === before) throw error
      mismatch ??= error
    }
  }
}

type Once = Attempt & {
  readonly types: readonly HostKeyType[]
  /** Types of keys that the host has shown, and that are not the pinned one. */
  readonly seen: Set<string>
}

async function loginOnce(to: Destination, via: SshClient | null, shared: Shared, once: Once): Promise<SshClient> {
  if (once.signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted')
  const timeoutMs = to.connectTimeoutMs ?? once.timeoutMs
  const lines = await readKnownHosts([...to.knownHostsFiles, ...to.globalKnownHostsFiles])
  const deadline = startDeadline(timeoutMs)
  const signal = AbortSignal.any([once.signal, deadline.signal])
  const context = { ...shared, signal: once.signal, paused: deadline.paused }
  const notes: LoginNotes = { offered: [], skipped: [], accepts: [] }
  let during = ''
  try {
    const socket = await reach(to, { via, env: shared.env, signal })
    during = ' while logging in'
    // Aborting is closing: ssh2 then tells whoever waits.
    const onAbort = (): void => {
      socket.destroy()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      return await openClient({
        socket,
        user: to.user,
        hostKeyTypes: ordered(once.types, to.hostKeyPin, knownTypes(lines, hostKeyNames(to))),
        async verify(key) {
          if (to.hostKeyPin?.startsWith('SHA256:') === true && !isPinned(to.hostKeyPin, key)) once.seen.add(keyType(key))
          await decideHostKey(to, key, lines, context)
        },
        identities: identities(to, context, notes),
        onRefused: (accepts) => {
          notes.accepts = accepts
        },
        keepAliveMs: shared.keepAliveMs ?? KEEP_ALIVE_MS,
      })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  } catch (error) {
    if (once.signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted')
    if (deadline.signal.aborted) throw connectTimeout(to, timeoutMs, during)
    throw connectError(error, to, notes)
  } finally {
    deadline.clear()
  }
}

const plainType = (type: string): string => (type.startsWith('rsa-sha2') ? 'ssh-rsa' : type)

/** What is on record comes first: a host that is known by its RSA key only must not look unknown. */
function ordered(types: readonly HostKeyType[], pin: string | null, known: readonly string[]): readonly HostKeyType[] {
  const wanted = pin !== null && !pin.startsWith('SHA256:') ? [pin.trim().split(/\s+/)[0] ?? ''] : pin === null ? known : []
  const isWanted = (type: HostKeyType): boolean => wanted.includes(plainType(type)) || wanted.includes(type)
  return [...types.filter(isWanted), ...types.filter((type) => !isWanted(type))]
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new RollgateError('E_CANCELLED', 'interrupted'))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
