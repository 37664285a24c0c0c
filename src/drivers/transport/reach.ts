// The byte stream that SSH is spoken over: a TCP connection without Nagle's algorithm (worth 19 times on small commands,
// ssh.md), a channel through a jump host, or the user's ProxyCommand.
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { RollgateError } from '../../domain/error.ts'
import { cleanText } from '../../util/text.ts'
import { startDuplex } from '../process.ts'
import type { SshClient } from './client.ts'
import { forwardStream } from './forward-stream.ts'
import type { Destination } from './resolve.ts'

export type ReachOptions = {
  readonly via: SshClient | null
  readonly env: Readonly<Record<string, string | undefined>>
  /** Fires when it is no longer wanted, or took too long. */
  readonly signal: AbortSignal
}

/** @throws Node's own errors of sockets; RollgateError for the other two ways */
export async function reach(to: Destination, options: ReachOptions): Promise<Duplex> {
  if (options.via !== null) return throughJump(options.via, to)
  // As `ssh` does: a line of the user's, its input and output are the connection.
  if (to.proxyCommand !== null) return startDuplex({ shell: `exec ${to.proxyCommand}` }, { env: options.env })
  return dial(to, options.signal)
}

function dial(to: Destination, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: to.address,
      port: to.port,
      noDelay: true,
      keepAlive: true,
      autoSelectFamily: true,
      ...(to.family === 0 ? {} : { family: to.family }),
      ...(to.bindAddress === null ? {} : { localAddress: to.bindAddress }),
    })
    const onAbort = (): void => {
      socket.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(socket)
    })
    socket.once('error', (error) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      reject(error)
    })
  })
}

async function throughJump(via: SshClient, to: Destination): Promise<Duplex> {
  const lost = (): RollgateError => new RollgateError('E_UNREACHABLE', `the jump host of ${to.name} is gone`, { host: to.name })
  if (!via.alive) throw lost()
  try {
    return forwardStream(await via.forward({ host: to.address, port: to.port }), via, lost)
  } catch (cause) {
    if (!via.alive) throw lost()
    const said = cleanText(cause instanceof Error ? cause.message : String(cause), 300)
    throw new RollgateError('E_UNREACHABLE', `the jump host cannot reach ${to.name} (${to.address}:${to.port}): ${said}`, {
      host: to.name,
      cause,
      hints: ['sshd on the jump host must allow it: AllowTcpForwarding yes'],
    })
  }
}
