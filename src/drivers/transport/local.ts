// Transport `local`: this machine as a host, with the same semantics as over SSH.
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Word } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Connection, ForwardTarget, Transport } from '../../domain/transport.ts'
import { stdinScript } from '../../util/shell.ts'
import { runLocal } from '../process.ts'
import { plainCommand } from './words.ts'

export function createLocalTransport(options: { readonly secret?: (name: string) => Promise<string> } = {}): Transport {
  const secret =
    options.secret ?? (async (name: string) => Promise.reject(new RollgateError('E_SECRET', `there is no secret called ${name}`)))
  return {
    kind: 'local',
    async connect(host): Promise<Connection> {
      let alive = true
      return {
        host,
        destination: 'this machine',
        get alive() {
          return alive
        },
        onClose: () => undefined,
        async run(command, run = {}) {
          if (!alive) throw new RollgateError('E_LOST', `the connection to ${host.name} is closed`, { host: host.name })
          const plain = await plainCommand(command, secret)
          const sent = plain.secret ? stdinScript(plain.line) : { argv: ['/bin/sh', '-c', plain.line] as const, stdin: command.stdin }
          return runLocal(
            { argv: [...sent.argv] as [string, ...string[]] },
            {
              ...(run.input === undefined ? (sent.stdin === undefined ? {} : { stdin: sent.stdin }) : { input: run.input }),
              ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }),
              ...(run.signal === undefined ? {} : { signal: run.signal }),
              ...(run.onLine === undefined ? {} : { onLine: run.onLine }),
              ...(run.maxOutputBytes === undefined ? {} : { maxOutputBytes: run.maxOutputBytes }),
            },
          )
        },
        forward: (to, forward) => dial(to, forward?.signal),
        async close() {
          alive = false
        },
      }
    },
    close: async () => undefined,
  }
}

export type { Word }

function dial(to: ForwardTarget, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const where = 'socket' in to ? to.socket : `${to.host}:${to.port}`
    const socket = 'socket' in to ? connect({ path: to.socket }) : connect({ host: to.host, port: to.port, noDelay: true })
    const abort = (): void => {
      socket.destroy()
      reject(new RollgateError('E_CANCELLED', 'interrupted'))
    }
    signal?.addEventListener('abort', abort, { once: true })
    socket.once('connect', () => {
      signal?.removeEventListener('abort', abort)
      resolve(socket)
    })
    socket.once('error', (cause) => {
      signal?.removeEventListener('abort', abort)
      reject(new RollgateError('E_CONNECT_REFUSED', `connection refused on ${where}: ${cause.message}`, { cause }))
    })
  })
}
