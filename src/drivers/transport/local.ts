// Transport `local`: this machine as a host, with the same semantics as over SSH.
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { RollgateError } from '../../domain/error.ts'
import type { Connection, ForwardTarget, Transport } from '../../domain/transport.ts'
import { runLocal } from '../process.ts'
import { prepare } from './words.ts'

export function createLocalTransport(options: { readonly secret?: (name: string) => Promise<string> } = {}): Transport {
  const secret =
    options.secret ?? (async (name: string) => Promise.reject(new RollgateError('E_SECRET', `there is no secret called ${name}`)))
  return {
    kind: 'local',
    async connect(host): Promise<Connection> {
      let alive = true
      const listeners: ((reason: Error | null) => void)[] = []
      const lost = (): RollgateError => new RollgateError('E_LOST', `the connection to ${host.name} is closed`, { host: host.name })
      return {
        host,
        destination: 'this machine',
        get alive() {
          return alive
        },
        onClose(callback) {
          if (alive) listeners.push(callback)
          else callback(null)
        },
        async run(command, run = {}) {
          if (!alive) throw lost()
          const prepared = await prepare(command, secret)
          const stdin = `${prepared.preamble ?? ''}${run.input === undefined ? (command.stdin ?? '') : ''}`
          return runLocal(
            { shell: prepared.line },
            {
              ...run,
              ...(stdin === '' ? {} : { stdin }),
              ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }),
            },
          )
        },
        async forward(to, forward) {
          if (!alive) throw lost()
          return dial(to, forward?.signal)
        },
        async close() {
          alive = false
          for (const listener of listeners.splice(0)) listener(null)
        },
      }
    },
    close: async () => undefined,
  }
}

function dial(to: ForwardTarget, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const where = 'socket' in to ? to.socket : `${to.host}:${to.port}`
    const socket =
      'socket' in to
        ? connect({ path: to.socket, allowHalfOpen: true })
        : connect({ host: to.host, port: to.port, noDelay: true, allowHalfOpen: true })
    const abort = (): void => {
      socket.destroy()
      reject(new RollgateError('E_CANCELLED', 'interrupted'))
    }
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted === true) abort()
    socket.once('connect', () => {
      signal?.removeEventListener('abort', abort)
      socket.removeListener('error', onError)
      resolve(socket)
    })
    const onError = (cause: Error): void => {
      signal?.removeEventListener('abort', abort)
      reject(new RollgateError('E_CONNECT_REFUSED', `no connection to ${where}: ${cause.message}`, { cause }))
    }
    socket.once('error', onError)
    // A reset later on is an error of whoever reads; without any listener it would end the process.
    socket.on('error', () => undefined)
  })
}
