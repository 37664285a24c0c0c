// autocannon in the subset that can be believed (load-and-gates.md, 1.5): no rates, no workers of its own, no pipelining,
// none of its latencies. Each connection tells us when it sends and when an answer is complete, so that times are right
// across reconnects, and a request that was dropped without a word is found: the connection sends the next one while we
// still wait. The only file that imports it.
import autocannon from 'autocannon'
import { classify, type Failure } from './failures.ts'
import type { WireRequest } from './http.ts'

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
  readonly timeoutMs: number
  /** The same request every time, built once; else each is asked for. */
  readonly fixed: Shot | null
  /** Bodies and heads are handed on. */
  readonly wantAnswers: boolean
  readonly gunner: () => Gunner
}

export type CannonRun = {
  stop(): void
  readonly done: Promise<{ readonly sent: number; readonly answered: number; readonly errors: number }>
}

/** Timers may come this much early. */
const TIMER_MS = 20

export function fire(options: CannonOptions): CannonRun {
  const timeoutMs = Math.max(1, Math.ceil(options.timeoutMs / 1000)) * 1000
  const endings: (() => void)[] = []
  let stopping = false
  const setupClient = (client: autocannon.Client) => {
    const gunner = options.gunner()
    let waitingSinceMs: number | null = null
    let why: Failure | null = null
    let last: { readonly headers: CannonAnswer['headers']; readonly body: string } | null = null

    let begun = false

    const settle = (nowMs: number) => {
      if (waitingSinceMs === null) return
      // An error has said why, or the time was up (its timer runs from the send, and tells only after the next one), or
      // else the connection was closed without a word.
      const late = nowMs - waitingSinceMs >= timeoutMs - TIMER_MS
      gunner.lost(why ?? { class: late ? 'first-byte-timeout' : 'closed', detail: '' }, waitingSinceMs)
      waitingSinceMs = null
      // It keeps half an answer of the old connection in its parser, and the lost request in its queue: the next
      // answers would be read as the rest of that one.
      client.pipelinedRequests?.clear?.()
      client.parser?.reinitialize?.('RESPONSE')
    }
    client.on('request', () => {
      const nowMs = performance.now()
      // It sends while an answer is due: that one will not come.
      settle(nowMs)
      why = null
      waitingSinceMs = nowMs
      // The next request is built after this, but the first one before.
      if (options.fixed !== null || !begun) gunner.sent(nowMs)
      begun = true
    })
    client.on('done', () => {
      // It had nothing left to send when the last one was lost.
      if (options.amount !== null && !stopping) settle(performance.now())
    })
    client.on('connError', (error: unknown) => {
      why = classify(error, 'first-byte')
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
    timeout: timeoutMs / 1000,
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
