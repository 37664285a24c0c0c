// A server in a process of its own that works on one request at a time and takes a fixed time for each: it serves
// 1000 / cost requests a second and no more, whatever is asked. What waits longer than others waits in its queue.
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type SerialOptions = {
  readonly costMs: number
  /** Answers 500. */
  readonly failing?: boolean
  /** [127.0.0.1] */
  readonly host?: string
}

export type SerialServer = {
  readonly port: number
  readonly url: string
  requests(): Promise<number>
  untilRequests(least: number): Promise<void>
  close(): Promise<void>
}

export async function startSerialServer(options: SerialOptions): Promise<SerialServer> {
  const child = fork(import.meta.filename, [JSON.stringify(options)], { execArgv: [] })
  const message = () =>
    new Promise<Record<string, number>>((done) => child.once('message', (value) => done(value as Record<string, number>)))
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  const { port } = await message()
  const requests = async () => {
    const answer = message()
    child.send('count')
    return (await answer).requests ?? 0
  }
  return {
    port: Number(port),
    url: `http://${options.host ?? '127.0.0.1'}:${port}`,
    requests,
    async untilRequests(least) {
      while ((await requests()) < least) await new Promise((done) => setTimeout(done, 20))
    },
    async close() {
      child.disconnect()
      await exited
    },
  }
}

function serve({ costMs, failing = false, host = '127.0.0.1' }: SerialOptions): void {
  let requests = 0
  // By the clock: a timer that is late makes one answer late, and none of those behind it.
  let freeAtMs = 0
  const server = createServer((request, response) => {
    request.resume()
    requests += 1
    const now = performance.now()
    freeAtMs = Math.max(now, freeAtMs) + costMs
    setTimeout(() => response.writeHead(failing ? 500 : 200).end('ok'), freeAtMs - now)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, host, () => process.send?.({ port: (server.address() as AddressInfo).port }))
  process.on('message', () => process.send?.({ requests }))
  process.on('disconnect', () => process.exit())
}

if (process.argv[1] === import.meta.filename && process.send !== undefined) serve(JSON.parse(process.argv[2] ?? '{}'))
