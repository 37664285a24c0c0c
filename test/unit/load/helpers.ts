// Small real servers and a clock that a test moves by hand.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../../src/domain/ports.ts'

export type Running = { readonly url: string; readonly port: number; readonly connections: () => number; close(): Promise<void> }

/** Listens on loopback until the test has finished. */
export async function listen(server: NetServer, scheme = 'http'): Promise<Running> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>((done) => {
      server.close(() => done())
      for (const socket of sockets) socket.destroy()
    })
  onTestFinished(close)
  return { url: `${scheme}://127.0.0.1:${port}/`, port, connections: () => connections, close }
}

export function serve(handler: RequestListener): Promise<Running> {
  const server: Server = createServer(handler)
  return listen(server)
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5))
}

/** Time moves only by `advance`; sleepers wake in their order. */
export function manualClock(): Clock & { advance(ms: number): Promise<void>; readonly sleepers: () => number } {
  let now = 1000
  const sleeping = new Set<{ readonly at: number; readonly wake: () => void }>()
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((done, fail) => {
        const sleeper = { at: now + ms, wake: done }
        sleeping.add(sleeper)
        signal?.addEventListener('abort', () => fail(new Error('aborted')), { once: true })
      }),
    async advance(ms) {
      now += ms
      for (const sleeper of [...sleeping].sort((left, right) => left.at - right.at)) {
        if (sleeper.at > now) continue
        sleeping.delete(sleeper)
        sleeper.wake()
      }
      // Everything that was woken runs before the test goes on.
      await new Promise((done) => setImmediate(done))
    },
    sleepers: () => sleeping.size,
  }
}
