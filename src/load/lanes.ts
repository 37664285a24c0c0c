// The connections to one target. A lane carries one request at a time; a free one is taken last-in first-out, so that a
// low rate keeps few connections warm and a slow target gets new ones, up to the cap, and never a queue. The lane is its
// own handler and is used again and again: nothing but the answer is made for each request. Timeouts are looked at by
// `sweep`, a few times a second, because a timer for each request costs more than the request.
import type { FailureClass } from '../domain/slice.ts'
import { classify, type Phase } from './failures.ts'
import { openWire, type Wire, type WireHandler, type WireOptions, type WireRequest } from './http.ts'

/** How an exchange ended. */
export type Ended = {
  /** null: an answer, whatever its status. */
  readonly failure: FailureClass | null
  /** Codes, never words of the target. */
  readonly detail: string
  readonly status: number
  /** Of the body. */
  readonly bytes: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>> | null
  /** Only when it was asked for; cut at the limit. */
  readonly body: string | null
  readonly endedMs: number
}

export interface Lanes {
  /** False: every lane is busy, nothing was sent. `done` is called exactly once, never before `send` has returned true. */
  send(request: WireRequest, nowMs: number, keepBody: boolean, done: (ended: Ended) => void): boolean
  /** Ends what is over its time. */
  sweep(nowMs: number): void
  readonly inFlight: number
  /** Lanes that were ever needed at once. */
  readonly lanes: number
  /** Everything in flight ends as `unfinished`, at once; connections are closed. */
  destroy(): Promise<void>
}

export type LanesOptions = WireOptions & {
  readonly maxInFlight: number
  readonly firstByteTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly newConnectionEvery?: number
}

/** Of a body that checks look at; what is longer is still read and counted. */
const BODY_LIMIT = 1024 * 1024
/** Servers allow at least so many requests at once on one HTTP/2 connection. */
const STREAMS_A_CONNECTION = 100

type Lane = WireHandler & {
  start(request: WireRequest, nowMs: number, keepBody: boolean, done: (ended: Ended) => void): void
  overdue(nowMs: number): void
  abandon(): void
}

export function openLanes(options: LanesOptions): Lanes {
  const wires: Wire[] = []
  const free: Lane[] = []
  const busy = new Set<Lane>()
  let lanes = 0
  let closed = false

  const wireFor = (lane: number): Wire => {
    const place = options.http2 === true ? Math.floor(lane / STREAMS_A_CONNECTION) : lane
    const wire = wires[place] ?? openWire(options)
    wires[place] = wire
    return wire
  }

  const newLane = (): Lane => {
    const wire = wireFor(lanes)
    lanes += 1
    let phase: Phase = 'connect'
    let sinceMs = 0
    let status = 0
    let bytes = 0
    let headers: Ended['headers'] = null
    let chunks: Uint8Array[] | null = null
    let kept = 0
    let used = 0
    let controller: { abort(reason: Error): void } | null = null
    let timedOut: FailureClass | null = null
    let done: ((ended: Ended) => void) | null = null

    const end = (failure: FailureClass | null, detail: string) => {
      if (done === null) return
      const tell = done
      const body = chunks === null ? null : Buffer.concat(chunks).toString('utf8')
      const ended = { failure, detail, status, bytes, headers, body, endedMs: performance.now() }
      done = null
      controller = null
      headers = null
      chunks = null
      busy.delete(lane)
      if (!closed) free.push(lane)
      tell(ended)
    }
    const lane: Lane = {
      start(request, nowMs, keepBody, tell) {
        phase = 'connect'
        sinceMs = nowMs
        status = 0
        bytes = 0
        kept = 0
        chunks = keepBody ? [] : null
        timedOut = null
        done = tell
        used += 1
        busy.add(lane)
        const every = options.newConnectionEvery
        try {
          wire.dispatch(request, every !== undefined && used % every === 0, lane)
        } catch (error) {
          // A request that cannot be written; told later, as everything else is.
          queueMicrotask(() => end('other', classify(error, 'connect').detail))
        }
      },
      onRequestStart(handle) {
        controller = handle
        phase = 'first-byte'
        sinceMs = performance.now()
      },
      onResponseStart(_controller, code, found) {
        // An early hint or a 100 is not the answer.
        if (code < 200) return
        phase = 'body'
        sinceMs = performance.now()
        status = code
        headers = found
      },
      onResponseData(_controller, chunk) {
        bytes += chunk.byteLength
        if (chunks === null || kept >= BODY_LIMIT) return
        // Copied: the parser's memory is used again.
        const part = Buffer.from(chunk.subarray(0, BODY_LIMIT - kept))
        chunks.push(part)
        kept += part.byteLength
      },
      onResponseEnd: () => end(null, ''),
      onResponseError(_controller, error) {
        if (timedOut !== null) return end(timedOut, '')
        const failure = classify(error, phase)
        end(failure.class, failure.detail)
      },
      overdue(nowMs) {
        const limit = phase === 'first-byte' ? options.firstByteTimeoutMs : options.bodyTimeoutMs
        // Connecting has its own timer, in the connector.
        if (controller === null || phase === 'connect' || nowMs - sinceMs < limit) return
        timedOut = phase === 'first-byte' ? 'first-byte-timeout' : 'body-timeout'
        controller.abort(new Error(timedOut))
      },
      abandon: () => end('unfinished', ''),
    }
    return lane
  }

  return {
    send(request, nowMs, keepBody, done) {
      const lane = free.pop() ?? (lanes < options.maxInFlight ? newLane() : null)
      if (lane === null || closed) return false
      lane.start(request, nowMs, keepBody, done)
      return true
    },
    sweep(nowMs) {
      for (const lane of busy) lane.overdue(nowMs)
    },
    get inFlight() {
      return busy.size
    },
    get lanes() {
      return lanes
    },
    async destroy() {
      closed = true
      for (const lane of busy) lane.abandon()
      await Promise.all(wires.map((wire) => wire.destroy()))
    },
  }
}
