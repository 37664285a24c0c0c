// autocannon in the subset that can be believed (load-and-gates.md, 1.5): no rates, no workers of its own, no pipelining,
// none of its latencies, no reconnects of its own (the answer before one is not counted), and none of its timeouts, which
// are whole seconds over everything. Each connection tells us when it sends and when an answer is complete, so that times
// are right across reconnects, and a request that was dropped without a word is found: the connection sends the next one
// while we still wait. The only file that imports it.
import autocannon from 'autocannon'
import type { LoadTimeouts } from '../domain/load.ts'
import { classify, type Failure } from './failures.ts'
import type { WireRequest } from './http.ts'
import { createOverdue } from './overdue.ts'

export type Shot = WireRequest

export type CannonAnswer = {
  readonly status: number
  /** Head and body. */
  readonly bytes: number
  readonly headers: Readonly<Record<string, string | string[]>> | null
  readonly body: string | null
  readonly sentMs: number
}

/** One connection's side of the story. `next` is asked before each send; then exactly one of the others follows `sent`. */
export interface Gunner {
  next(): Shot
  sent(nowMs: number): void
  answered(answer: CannonAnswer, nowMs: number): void
  lost(failure: Failure, sentMs: number): void
  /** At the end: still waiting. */
  abandoned(sentMs: number): void
}

export type CannonOptions = {
  readonly url: string
  readonly servername?: string
  readonly connections: number
  readonly durationMs: number | null
  readonly amount: number | null
  /** Kept by `sweep`. */
  readonly timeouts: LoadTimeouts
  /** The same request every time, built once; else each is asked for. */
  readonly fixed: Shot | null
  /** Bodies and heads are handed on. */
  readonly wantAnswers: boolean
  readonly gunner: () => Gunner
}

export type CannonRun = {
  stop(): void
  /** Ends what has taken too long. To be called often: a limit is kept to the time between two calls. */
  sweep(nowMs: number): void
  readonly done: Promise<{ readonly sent: number; readonly answered: number; readonly errors: number }>
}

/** Longer than the last sweep can be late. */
const SPARE_S = 5

export function fire(options: CannonOptions): CannonRun {
  const { connectMs, firstByteMs, bodyMs } = options.timeouts
  const sweeps: ((nowMs: number) => void)[] = []
  const endings: (() => void)[] = []
  let stopping = false
  const setupClient = (client: autocannon.Client) => {
    const gunner = options.gunner()
    let waitingSinceMs: number | null = null
    let why: Failure | null = null
    let hasHead = false
    const overdue = createOverdue(options.timeouts)
    let last: { readonly headers: CannonAnswer['headers']; readonly body: string } | null = null

    let begun = false

    const settle = () => {
      if (waitingSinceMs === null) return
      // The sweep or an error has said why, or else the connection was closed without a word.
      gunner.lost(why ?? { class: 'closed', detail: '' }, waitingSinceMs)
      waitingSinceMs = null
      // It keeps half an answer of the old connection in its parser, and the lost request in its queue: the next
      // answers would be read as the rest of that one.
      client.pipelinedRequests?.clear?.()
      client.parser?.reinitialize?.('RESPONSE')
    }
    client.on('request', () => {
      const nowMs = performance.now()
      // It sends while an answer is due: that one will not come.
      settle()
      why = null
      hasHead = false
      overdue.sent(nowMs)
      waitingSinceMs = nowMs
      // The next request is built after this, but the first one before.
      if (options.fixed !== null || !begun) gunner.sent(nowMs)
      begun = true
    })
    client.on('done', () => {
      // It had nothing left to send when the last one was lost.
      if (options.amount !== null && !stopping) settle()
    })
    client.on('connError', (error: unknown) => {
      // Not where we broke the connection ourselves.
      why ??= classify(error, 'first-byte')
    })
    client.on('headers', () => {
      hasHead = true
    })
    sweeps.push((nowMs) => {
      const { conn } = client
      if (waitingSinceMs === null || why !== null || conn === undefined) return
      const isConnecting = conn.connecting || conn.secureConnecting === true
      const late = overdue.look(nowMs, isConnecting ? 'connect' : hasHead ? 'body' : 'first-byte')
      if (late === null) return
      why = { class: late, detail: '' }
      // With an error, so that it opens another connection at once.
      conn.destroy(new Error(late))
    })
    client.on('response', (status: number, bytes: number) => {
      // After a broken connection autocannon may read an answer that it no longer waits for: it belongs to no request.
      if (waitingSinceMs === null) return
      const sentMs = waitingSinceMs
      waitingSinceMs = null
      gunner.answered({ status, bytes, headers: last?.headers ?? null, body: last?.body ?? null, sentMs }, performance.now())
      last = null
    })
    endings.push(() => {
      if (waitingSinceMs !== null) gunner.abandoned(waitingSinceMs)
    })
    const setupRequest = (built: autocannon.Request) => {
      const shot = gunner.next()
      if (begun && waitingSinceMs !== null) gunner.sent(waitingSinceMs)
      return { ...built, ...asRequest(shot) }
    }
    const onResponse = (_status: number, body: string, _context: object, headers: Record<string, string | string[]>) => {
      last = { headers: lowerCased(headers), body }
    }
    if (options.fixed === null) client.setRequests([{ setupRequest, ...(options.wantAnswers ? { onResponse } : {}) }])
    else if (options.wantAnswers) client.setRequests([{ ...asRequest(options.fixed), onResponse }])
    spare(client, options)
  }
  const run = autocannon({
    url: options.url,
    ...(options.servername === undefined ? {} : { servername: options.servername }),
    connections: options.connections,
    pipelining: 1,
    ...(options.amount === null ? { duration: (options.durationMs ?? 0) / 1000 } : { amount: options.amount }),
    // Never first: ours tell the phases apart.
    timeout: Math.ceil((connectMs + firstByteMs + bodyMs) / 1000) + SPARE_S,
    // How often it looks whether it is over.
    sampleInt: 100,
    setupClient,
    requests: options.fixed === null ? [{}] : [asRequest(options.fixed)],
  })
  const finished = async () => {
    const result = await run
    for (const end of endings) end()
    return { sent: result.requests.sent, answered: result.requests.total, errors: result.errors }
  }
  return {
    stop() {
      stopping = true
      run.stop()
    },
    sweep(nowMs) {
      for (const sweep of sweeps) sweep(nowMs)
    },
    done: finished(),
  }
}

/** What it does for each request and nobody looks at: a body put together, a deep copy of an empty context. */
function spare(client: autocannon.Client, { fixed, wantAnswers }: CannonOptions): void {
  const { pipelinedRequests: queue, requestIterator: requests } = client
  if (!wantAnswers && queue?.addBody !== undefined) queue.addBody = () => {}
  if (fixed !== null && requests?.currentRequest !== undefined) requests.nextRequest = () => requests.currentRequest
}

function asRequest({ method, path, headers, body }: Shot): autocannon.Request {
  const pairs: Record<string, string> = {}
  for (let index = 0; index + 1 < headers.length; index += 2) pairs[headers[index] ?? ''] = headers[index + 1] ?? ''
  return { method, path, headers: pairs, ...(body === null ? {} : { body }) }
}

function lowerCased(headers: Readonly<Record<string, string | string[]>>): Readonly<Record<string, string | string[]>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
