// Calls at given moments. Everything that is due is sent, and nothing that happens to a request moves the next one. With
// an alarm (alarm.ts) it is woken a tenth of a millisecond after the moment, without one by a timer, up to two later.
// Careful that a long list of late ones must not keep answers from being read: it is cut into turns.
import type { Alarm } from './alarm.ts'

export type Ticker = {
  /** No more calls. */
  stop(): void
  /** What is next has changed. */
  again(): void
}

export type TickerOptions = {
  /** The next moment, on performance.now(); null: no more. The same until it is fired, or `again`. */
  readonly peek: () => number | null
  readonly fire: (dueMs: number) => void
  readonly onEnd: () => void
  readonly alarm: Alarm | null
}

const AT_ONCE = 256
/** Closer moments share a turn: waking costs more than a request, and a fifth of a millisecond is nobody's latency. */
const GRAIN_MS = 0.2
/** At rates where so many shared the last one (from about 5,000/s) it is more: most of the generator's cost there is waking. */
const MANY = 2
const COARSE_MS = 0.4

export function startTicker({ peek, fire, onEnd, alarm }: TickerOptions): Ticker {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined

  const turn = () => {
    if (stopped) return
    let now = performance.now()
    let dueMs = peek()
    let sent = 0
    for (; dueMs !== null && dueMs <= now; sent += 1) {
      if (sent === AT_ONCE) {
        immediate = setImmediate(turn)
        return
      }
      fire(dueMs)
      if (stopped) return
      dueMs = peek()
      // Sending took time: the next one may have become due meanwhile.
      if (dueMs !== null && dueMs > now) now = performance.now()
    }
    if (dueMs === null) {
      stopped = true
      onEnd()
    } else if (alarm === null) timer = setTimeout(turn, Math.max(1, dueMs - now))
    else if (sent < MANY) alarm.at(Math.max(dueMs, now + GRAIN_MS), turn)
    else alarm.at(Math.max(dueMs, now + COARSE_MS), turn, COARSE_MS)
  }
  const clear = () => {
    clearTimeout(timer)
    alarm?.cancel()
    if (immediate !== undefined) clearImmediate(immediate)
  }
  immediate = setImmediate(turn)
  return {
    stop() {
      stopped = true
      clear()
    },
    again() {
      clear()
      if (!stopped) immediate = setImmediate(turn)
    },
  }
}
