// A server in a process of its own that behaves badly on purpose and keeps the truth about it: when each request came,
// when its answer left, and what was done to it. Load tests are compared with what it says, never with each other.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export type Fault =
  | { readonly kind: 'constant'; readonly delayMs: number }
  /** From `atMs` after the first request, for `forMs`, nothing leaves; what came meanwhile is served when it is over. */
  | { readonly kind: 'stall'; readonly delayMs: number; readonly atMs: number; readonly forMs: number }
  /** Three of ten connections are closed, or reset, instead of an answer. */
  | { readonly kind: 'close' | 'reset'; readonly delayMs: number }
  /** Every n-th answer of a connection says `Connection: close`, and it is closed. */
  | { readonly kind: 'close-every'; readonly delayMs: number; readonly every: number }
  | { readonly kind: 'hung' }
  /** The head at once, the body in pieces. */
  | { readonly kind: 'slow-body'; readonly pieces: number; readonly gapMs: number }
  /** Three of ten answers end before their length. */
  | { readonly kind: 'truncated'; readonly delayMs: number }
  | { readonly kind: 'status'; readonly delayMs: number }

export type Truth = {
  readonly requests: number
  /** What was done to them: ok, close, reset, truncated, status, hung. */
  readonly fates: Readonly<Record<string, number>>
  /** From the request to the last byte of a good answer, ascending. */
  readonly servedMs: readonly number[]
  readonly connections: number
  /** Longest time this server itself was away. */
  readonly loopDelayMs: number
}

export type FaultServer = {
  readonly port: number
  readonly url: string
  /** Of all requests but the first so many, which only warmed both sides up. */
  truth(after?: number): Promise<Truth>
  /** As if nothing had been asked yet: a first run warms both sides up, so that the next one measures neither's cold start. */
  forget(): Promise<void>
  close(): Promise<void>
}

const WIRE_WARM = 50
const WIRE_TURNS = 100

export async function startFaultServer(fault: Fault): Promise<FaultServer> {
  const child = fork(import.meta.filename, [JSON.stringify(fault)], { execArgv: [] })
  const message = () =>
    new Promise<Record<string, unknown>>((done) => child.once('message', (value) => done(value as Record<string, unknown>)))
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  const { port } = await message()
  return {
    port: Number(port),
    url: `http://127.0.0.1:${port}`,
    truth(after = 0) {
      const answer = message()
      child.send(after)
      // It came from the function below.
      return answer as unknown as Promise<Truth>
    },
    async forget() {
      const forgotten = message()
      child.send('forget')
      await forgotten
    },
    async close() {
      child.disconnect()
      await exited
    },
  }
}

/**
 * What the way to the server and back takes: the median by which a socket with nothing around it, one request at a time, sees an
 * answer later than the server says that it left. Two processes wake each other, and no client can see less. [ms]
 */
export async function wireMs(): Promise<number> {
  const server = await startFaultServer({ kind: 'constant', delayMs: 20 })
  const socket = connect(server.port, '127.0.0.1')
  socket.setNoDelay(true)
  await once(socket, 'connect')
  const seen: number[] = []
  for (let turn = 0; turn < WIRE_WARM + WIRE_TURNS; turn += 1) {
    const sentMs = performance.now()
    socket.write('GET / HTTP/1.1\r\nhost: target\r\n\r\n')
    await once(socket, 'data')
    if (turn >= WIRE_WARM) seen.push(performance.now() - sentMs)
  }
  socket.destroy()
  const { servedMs } = await server.truth(WIRE_WARM)
  await server.close()
  const middle = (times: readonly number[]) => times.toSorted((left, right) => left - right)[Math.floor(times.length / 2)] ?? 0
  return middle(seen) - middle(servedMs)
}

function serve(fault: Fault): void {
  let ended: { readonly number: number; readonly fate: string; readonly ms: number }[] = []
  const answers = new WeakMap<Socket, number>()
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  let requests = 0
  let connections = 0
  let firstMs: number | null = null

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume()
    const sinceMs = performance.now()
    firstMs ??= sinceMs
    requests += 1
    const number = requests
    const bad = number % 10 < 3
    const done = (fate: string, sinceMs: number) => void ended.push({ number, fate, ms: performance.now() - sinceMs })
    const ok = () => {
      response.end('ok')
      done('ok', sinceMs)
    }
    switch (fault.kind) {
      case 'constant':
        return void setTimeout(ok, fault.delayMs)
      case 'stall': {
        const [from, until] = [firstMs + fault.atMs, firstMs + fault.atMs + fault.forMs]
        const at = sinceMs >= from && sinceMs < until ? until + fault.delayMs : sinceMs + fault.delayMs
        return void setTimeout(ok, (at >= from && at < until ? until : at) - sinceMs)
      }
      case 'close':
      case 'reset':
        return void setTimeout(() => {
          if (!bad) return ok()
          done(fault.kind, sinceMs)
          if (fault.kind === 'close') request.socket.end()
          else request.socket.resetAndDestroy()
        }, fault.delayMs)
      case 'close-every': {
        const count = (answers.get(request.socket) ?? 0) + 1
        answers.set(request.socket, count)
        if (count % fault.every === 0) response.setHeader('connection', 'close')
        return void setTimeout(ok, fault.delayMs)
      }
      case 'hung':
        return done('hung', sinceMs)
      case 'slow-body': {
        response.writeHead(200, { 'content-length': fault.pieces })
        response.flushHeaders()
        const piece = (left: number) => {
          response.write('x')
          if (left > 1) return void setTimeout(piece, fault.gapMs, left - 1)
          response.end()
          done('ok', sinceMs)
        }
        return void setTimeout(piece, fault.gapMs, fault.pieces)
      }
      case 'truncated':
        return void setTimeout(() => {
          if (!bad) return ok()
          done('truncated', sinceMs)
          response.writeHead(200, { 'content-length': 10 }).write('12345', () => request.socket.end())
        }, fault.delayMs)
      case 'status':
        return void setTimeout(() => {
          if (!bad) return ok()
          done('status', sinceMs)
          response.writeHead(503).end('busy')
        }, fault.delayMs)
      default:
        fault satisfies never
    }
  })
  server.keepAliveTimeout = 60_000
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  process.on('message', (wish) => {
    if (wish === 'forget') {
      ;[ended, requests, connections, firstMs] = [[], 0, 0, null]
      delay.reset()
      return void process.send?.({})
    }
    const counted = ended.filter(({ number }) => number > Number(wish))
    const fates: Record<string, number> = {}
    for (const { fate } of counted) fates[fate] = (fates[fate] ?? 0) + 1
    const servedMs = counted.flatMap(({ fate, ms }) => (fate === 'ok' ? [ms] : [])).sort((left, right) => left - right)
    process.send?.({
      requests: requests - Number(wish),
      fates,
      servedMs,
      connections,
      loopDelayMs: Math.max(0, delay.max / 1e6 - 10),
    } satisfies Truth)
  })
  process.on('disconnect', () => process.exit())
}

if (process.argv[1] === import.meta.filename && process.send !== undefined) serve(JSON.parse(process.argv[2] ?? ''))
