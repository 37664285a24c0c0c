// One SSH connection as the Connection port: commands, at most four channels at a time (fewer where the host wants
// fewer), forwards, and the truth when the connection goes away in the middle (unknown, never success).

import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import type { Connection, ForwardTarget } from '../../domain/transport.ts'
import { quote } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import { runOn } from './channel.ts'
import type { SshChannel, SshClient } from './client.ts'
import { forwardStream } from './forward-stream.ts'
import { createSlots, type Slots } from './slots.ts'
import { prepare } from './words.ts'

/** sshd's MaxSessions is 10, and a slot is freed only after its close arrives (ssh.md, section 2). */
const MAX_CHANNELS = 4
const OPEN_ATTEMPTS = 6
/** RFC 4254, 5.1: not allowed, and no use to ask again. */
const PROHIBITED = 1

export type ConnectionOptions = {
  readonly host: Host
  readonly destination: string
  readonly dialed: string | null
  readonly secret: (name: string) => Promise<string>
}

export function makeConnection(client: SshClient, options: ConnectionOptions): Connection {
  const { host, destination, dialed, secret } = options
  let reason: Error | null = null
  client.onGone((error) => {
    reason = error
  })
  const lost = (): RollgateError =>
    new RollgateError('E_LOST', `the connection to ${host.name} is gone${reason === null ? '' : `: ${cleanText(reason.message)}`}`, {
      host: host.name,
      ...(reason === null ? {} : { cause: reason }),
    })
  const slots = createSlots(MAX_CHANNELS)

  return {
    host,
    destination,
    dialed,
    get alive() {
      return client.alive
    },
    onClose(callback) {
      client.onGone(callback)
    },
    async run(command, run = {}) {
      const prepared = await prepare(command, secret)
      const stdin = `${prepared.preamble ?? ''}${run.input === undefined ? (command.stdin ?? '') : ''}`
      // Without an input of ours the command's is empty, and the channel's stays open: not every server takes signals after its end.
      const empty = stdin === '' && run.input === undefined
      const channel = await enter(client, slots, empty ? `${prepared.line} </dev/null` : prepared.line, {
        lost,
        host: host.name,
        signal: run.signal,
      })
      try {
        return await runOn(client, channel, {
          ...run,
          ...(stdin === '' ? {} : { stdin }),
          ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }),
        })
      } finally {
        slots.leave()
      }
    },
    forward: (to, forward) => openForward(client, to, { host: host.name, lost, signal: forward?.signal }),
    async close() {
      client.end()
    },
  }
}

type Opening = { readonly host: string; readonly lost: () => RollgateError; readonly signal: AbortSignal | undefined }

/** A channel, and a place among the channels that the caller gives back. */
async function enter(client: SshClient, slots: Slots, line: string, opening: Opening): Promise<SshChannel> {
  for (let tried = 1; ; ) {
    await slots.enter(opening.signal)
    try {
      if (!client.alive) throw opening.lost()
      return await unlessAborted(client.exec(line), opening.signal, (channel) => {
        channel.on('error', () => undefined)
        client.signal(channel, 'KILL')
        channel.close()
        channel.resume()
        channel.stderr.resume()
      })
    } catch (error) {
      slots.leave()
      if (error instanceof RollgateError) throw error
      if (!client.alive) throw opening.lost()
      const refusal = openRefusal(error)
      if (refusal === null || refusal === PROHIBITED)
        throw new RollgateError('E_COMMAND', `${opening.host} lets nobody run a command: ${saidBy(error)}`, {
          host: opening.host,
          cause: error,
        })
      // Another command of ours holds the place: it is waited for, however long it takes.
      if (slots.busy > 0) {
        slots.shrink(slots.busy)
        continue
      }
      if (tried >= OPEN_ATTEMPTS)
        throw new RollgateError('E_LOST', `${opening.host} opens no channel: ${saidBy(error)}`, { host: opening.host, cause: error })
      await sleep(50 * tried, undefined, opening.signal === undefined ? {} : { signal: opening.signal }).catch(() => {
        throw new RollgateError('E_CANCELLED', 'interrupted')
      })
      tried += 1
    }
  }
}

async function openForward(client: SshClient, to: ForwardTarget, opening: Opening): Promise<Duplex> {
  const where = 'socket' in to ? to.socket : `${to.host}:${to.port}`
  if (!client.alive) throw opening.lost()
  try {
    const channel = await unlessAborted(client.forward(to), opening.signal, (late) => {
      late.on('error', () => undefined)
      late.destroy()
      late.resume()
    })
    return forwardStream(channel, client, opening.lost)
  } catch (error) {
    if (error instanceof RollgateError) throw error
    if (!client.alive) throw opening.lost()
    throw new RollgateError('E_CONNECT_REFUSED', `no connection to ${where}, seen from ${opening.host}: ${saidBy(error)}`, {
      host: opening.host,
      cause: error,
      hints: forwardHints(to, opening.host, openRefusal(error) === PROHIBITED),
    })
  }
}

/** sshd gives one reason for a socket that it must not forward and for one that is not there. */
function forwardHints(to: ForwardTarget, host: string, prohibited: boolean): readonly string[] {
  if ('socket' in to)
    return [
      `is it there, and may the login use it?   ls -l ${quote(to.socket)}   (on ${host})`,
      `sshd on ${host} must allow it: AllowStreamLocalForwarding yes`,
    ]
  return prohibited ? [`sshd on ${host} must allow it: AllowTcpForwarding yes`] : []
}

function unlessAborted<T>(opening: Promise<T>, signal: AbortSignal | undefined, tooLate: (opened: T) => void): Promise<T> {
  if (signal === undefined) return opening
  return new Promise((resolve, reject) => {
    let aborted = false
    const onAbort = (): void => {
      aborted = true
      reject(new RollgateError('E_CANCELLED', 'interrupted'))
    }
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    opening
      .then((opened) => (aborted ? tooLate(opened) : resolve(opened)), reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** The host's reason for opening no channel; null: that is not what went wrong. */
function openRefusal(error: unknown): number | null {
  return error instanceof Error && 'reason' in error && typeof error.reason === 'number' ? error.reason : null
}

const saidBy = (error: unknown): string => cleanText(error instanceof Error ? error.message : String(error), 300)
