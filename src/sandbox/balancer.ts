// The sandbox's load balancer: a real reverse proxy on one loopback port, and HAProxy's runtime API on another, so
// that a rollout in the sandbox runs through the very HAProxy driver that a real one runs through.
import { createServer, type Socket } from 'node:net'
import { createServer as createBalanced, isSettled } from './balanced-server.ts'
import { startProxy } from './proxy.ts'
import { answerLine, type RuntimeState } from './runtime-api.ts'

export type SandboxBalancer = {
  readonly backend: string
  /** Where clients come in. */
  readonly entryPort: number
  /** The runtime API: no login, loopback only. */
  readonly apiPort: number
  close(): Promise<void>
}

export type BalancerOptions = {
  readonly backend: string
  readonly servers: readonly { readonly name: string; readonly port: number }[]
  readonly checkPath: string
  /** The port that the API shows for every server; what hosts of the sandbox call their app's port. */
  readonly shownPort: number
  readonly checkEveryMs?: number
}

/**
 * Both ports are on 127.0.0.1 and of the system's choice. Servers start as HAProxy starts them, up and unverified; this
 * returns when the checks have found out (two checks at most), so that nobody takes an empty fleet for a serving one.
 */
export async function startBalancer(options: BalancerOptions): Promise<SandboxBalancer> {
  const startedAt = performance.now()
  const servers = options.servers.map(({ name, port }, index) => createBalanced(name, index + 1, port, startedAt))
  const proxy = await startProxy(servers, {
    checkPath: options.checkPath,
    checkEveryMs: options.checkEveryMs ?? 200,
    checkTimeoutMs: 1000,
  })
  while (!servers.every(isSettled)) await new Promise((done) => setTimeout(done, 10))
  const api = await startRuntimeApi({
    backend: options.backend,
    servers,
    shownPort: options.shownPort,
    startedAt,
    startedEpoch: Math.round(Date.now() / 1000),
  })
  return {
    backend: options.backend,
    entryPort: proxy.port,
    apiPort: api.port,
    close: async () => {
      await Promise.all([api.close(), proxy.close()])
    },
  }
}

const LONGEST_LINE = 16_384

async function startRuntimeApi(state: RuntimeState): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let text = ''
    const answer = (line: string) => {
      socket.off('data', read)
      socket.resume()
      socket.end(answerLine(state, line))
    }
    const read = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\n')
      if (end !== -1) answer(text.slice(0, end))
      else if (text.length > LONGEST_LINE) socket.destroy()
    }
    socket.on('data', read)
    // A last line without its newline counts, as in HAProxy.
    socket.on('end', () => {
      if (!socket.writableEnded) answer(text)
    })
  })
  await new Promise<void>((done, fail) => listener.once('error', fail).listen(0, '127.0.0.1', done))
  const address = listener.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((done) => {
        listener.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
