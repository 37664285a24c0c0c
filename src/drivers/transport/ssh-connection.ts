// One SSH connection as the Connection port: commands with streamed output and back-pressure, at most four channels at a
// time, forwards, and the truth when the connection goes away in the middle (unknown, never success).
import type { Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command, CommandResult, RunOptions } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import type { Connection, ForwardTarget } from '../../domain/transport.ts'
import { stdinScript } from '../../util/shell.ts'
import { collectLines } from './lines.ts'
import { plainCommand } from './words.ts'

/** What we use of ssh2's channel. `exit` comes with a code, or with null and a signal; `close` with nothing when the connection was lost. */
export type ChannelLike = Duplex & {
  readonly stderr: Readable
  signal(name: string): boolean
  close(): void
}

export type ClientLike = {
  exec(command: string, callback: (error: Error | undefined, channel: ChannelLike) => void): unknown
  forwardOut(
    fromHost: string,
    fromPort: number,
    host: string,
    port: number,
    callback: (error: Error | undefined, channel: Duplex) => void,
  ): unknown
  openssh_forwardOutStreamLocal(socket: string, callback: (error: Error | undefined, channel: Duplex) => void): unknown
  end(): unknown
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** sshd's MaxSessions is 10, and a slot is freed only after its close arrives (ssh.md, section 2). */
const MAX_CHANNELS = 4
const OPEN_ATTEMPTS = 5
/** After `exit`: what keeps the channel open then is a background child of the command's. */
const GRACE_MS = 2_000
/** After our timeout: time for the signal to work before the channel is closed under the command. */
const KILL_MS = 2_000

export function makeConnection(client: ClientLike, host: Host, destination: string, secret: (name: string) => Promise<string>): Connection {
  let alive = true
  let reason: Error | null = null
  const listeners: ((reason: Error | null) => void)[] = []
  client.on('error', (error) => {
    reason ??= error
  })
  client.once('close', () => {
    alive = false
    for (const listener of listeners.splice(0)) listener(reason)
  })
  const lost = (): RollgateError =>
    new RollgateError('E_LOST', `the connection to ${host.name} is gone${reason === null ? '' : `: ${reason.message}`}`, {
      host: host.name,
      ...(reason === null ? {} : { cause: reason }),
    })
  const slots = semaphore(MAX_CHANNELS)

  return {
    host,
    destination,
    get alive() {
      return alive
    },
    onClose(callback) {
      if (alive) listeners.push(callback)
      else callback(reason)
    },
    async run(command, options = {}) {
      const plain = await plainCommand(command, secret)
      const sent = plain.secret ? stdinScript(plain.line) : null
      // The login shell may be anything (fish, csh): it only ever sees one quoted word for sh.
      const line = sent === null ? `exec sh -c ${singleQuoted(plain.line)}` : `exec sh -c ${singleQuoted(sent.argv[2])}`
      const release = await slots(options.signal)
      try {
        if (!alive) throw lost()
        const channel = await openExec(client, line, lost, () => alive)
        return await drive(channel, command, { ...options, ...(sent === null ? {} : { stdin: sent.stdin }) })
      } finally {
        release()
      }
    },
    async forward(to, options) {
      if (!alive) throw lost()
      if (options?.signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
      return open(client, to, host.name)
    },
    async close() {
      if (!alive) return
      client.end()
      alive = false
    },
  }
}

const singleQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

function openExec(client: ClientLike, line: string, lost: () => RollgateError, isAlive: () => boolean): Promise<ChannelLike> {
  const attempt = (left: number): Promise<ChannelLike> =>
    new Promise<ChannelLike>((resolve, reject) => {
      try {
        client.exec(line, (error, channel) => (error === undefined ? resolve(channel) : reject(error)))
      } catch (error) {
        reject(error)
      }
    }).catch(async (error: unknown) => {
      // `open failed`: the slot of a channel that has just closed is not free yet.
      if (!isAlive()) throw lost()
      if (left <= 1)
        throw new RollgateError('E_LOST', `no channel could be opened: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      await new Promise((resolve) => setTimeout(resolve, 50 * (OPEN_ATTEMPTS - left + 1)))
      return attempt(left - 1)
    })
  return attempt(OPEN_ATTEMPTS)
}

async function drive(channel: ChannelLike, command: Command, options: RunOptions & { readonly stdin?: string }): Promise<CommandResult> {
  const began = performance.now()
  const output = collectLines(options.onLine, options.maxOutputBytes)
  let exit: { code: number | null; signal: string | null } | null = null
  let timedOut = false
  let cancelled = false
  let grace: NodeJS.Timeout | undefined

  const closed = new Promise<void>((resolve) => {
    channel.once('close', () => resolve())
  })
  channel.on('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal ?? null }
    grace = setTimeout(() => channel.close(), GRACE_MS)
  })
  channel.on('error', () => undefined)
  channel.stderr.on('error', () => undefined)
  const end = (): void => {
    try {
      channel.signal('TERM')
    } catch {
      // Not every server takes signals; closing the channel is the other way.
    }
    setTimeout(() => channel.close(), KILL_MS).unref()
  }
  const onAbort = (): void => {
    cancelled = true
    end()
  }
  if (options.signal?.aborted === true) onAbort()
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const timer =
    command.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          end()
        }, command.timeoutMs)

  const reading = Promise.all([output.read(channel, 'stdout'), output.read(channel.stderr, 'stderr')])
  const stdin = options.stdin ?? command.stdin
  const writing =
    options.input !== undefined
      ? pipeline(options.input, channel).catch(() => undefined)
      : new Promise<void>((resolve) => {
          channel.end(stdin ?? '', () => resolve())
        })
  try {
    await Promise.race([closed, Promise.all([writing, closed])])
    await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 200).unref())])
    if (cancelled) throw new RollgateError('E_CANCELLED', 'interrupted')
    const ended = exit as { code: number | null; signal: string | null } | null
    return {
      exitCode: timedOut ? null : (ended?.code ?? null),
      ...(ended?.signal == null ? {} : { signal: ended.signal }),
      ...output.result(),
      durationMs: performance.now() - began,
      lost: ended === null && !timedOut,
      timedOut,
    }
  } finally {
    clearTimeout(timer)
    clearTimeout(grace)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

function open(client: ClientLike, to: ForwardTarget, host: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const where = 'socket' in to ? to.socket : `${to.host}:${to.port}`
    const done = (error: Error | undefined, channel: Duplex): void => {
      if (error === undefined) {
        channel.on('error', () => undefined)
        resolve(channel)
      } else
        reject(
          new RollgateError('E_CONNECT_REFUSED', `connection refused on ${where} (seen from ${host}): ${error.message}`, {
            host,
            cause: error,
          }),
        )
    }
    try {
      if ('socket' in to) client.openssh_forwardOutStreamLocal(to.socket, done)
      else client.forwardOut('127.0.0.1', 0, to.host, to.port, done)
    } catch (cause) {
      reject(new RollgateError('E_LOST', `the connection to ${host} is gone`, { host, cause }))
    }
  })
}

/** Hands out at most `limit` places; the returned function gives one back. */
function semaphore(limit: number): (signal?: AbortSignal) => Promise<() => void> {
  let free = limit
  const waiting: (() => void)[] = []
  const release = (): void => {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }
  return async (signal) => {
    if (signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    return release
  }
}
