// A network that misbehaves on purpose: a TCP proxy on loopback that can go silent, be cut, or be slow one way.
import { connect, createServer, type Socket } from 'node:net'

export type Proxy = {
  readonly port: number
  /** Connections that were accepted so far. */
  readonly accepted: number
  /** From now on nothing passes, and nothing is said about it. */
  silence(): void
  /** Resets every connection. */
  cut(): void
  close(): Promise<void>
}

export type ProxyOptions = {
  /** Bytes a second from the client to the server; the rest waits. */
  readonly upBytesPerSecond?: number
}

const TICK_MS = 20

export async function startProxy(targetPort: number, options: ProxyOptions = {}): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let silent = false
  let accepted = 0
  const server = createServer({ noDelay: true }, (client) => {
    accepted += 1
    const target = connect({ host: '127.0.0.1', port: targetPort, noDelay: true })
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        if (!silent) {
          client.destroy()
          target.destroy()
        }
      })
    }
    target.on('data', (chunk) => {
      if (!silent) client.write(chunk)
    })
    let allowance = Number.POSITIVE_INFINITY
    const queue: Buffer[] = []
    const pass = (): void => {
      for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) {
        if (allowance <= 0) {
          queue.unshift(chunk)
          return
        }
        const now = chunk.subarray(0, Math.min(chunk.length, allowance))
        if (now.length < chunk.length) queue.unshift(chunk.subarray(now.length))
        allowance -= now.length
        if (!silent) target.write(now)
      }
      client.resume()
    }
    if (options.upBytesPerSecond !== undefined) {
      const each = (options.upBytesPerSecond * TICK_MS) / 1000
      allowance = each
      const timer = setInterval(() => {
        allowance = each
        pass()
      }, TICK_MS)
      client.on('close', () => clearInterval(timer))
    }
    client.on('data', (chunk) => {
      queue.push(chunk)
      client.pause()
      pass()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get accepted() {
      return accepted
    },
    silence() {
      silent = true
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
