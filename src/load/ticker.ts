// Calls at given moments, as exactly as a JavaScript process can: a timer until one millisecond before, then turn after
// turn of the event loop. Everything that is due is sent, and nothing that happens to a request moves the next one.
// Careful about two things: a long list of late ones must not keep answers from being read (so it is cut into turns),
// and turning costs CPU that is not work (so it is counted, and left out of what the generator is judged by).

export type Ticker = {
  /** No more calls. */
  stop(): void
  /** What is next has changed. */
  again(): void
  /** Milliseconds spent in turns that found nothing to do, so far. */
  readonly waitedMs: number
}

export type TickerOptions = {
  /** The next moment, on performance.now(); null: no more. The same until it is fired, or `again`. */
  readonly peek: () => number | null
  readonly fire: (dueMs: number) => void
  readonly onEnd: () => void
  readonly precision: 'exact' | 'relaxed'
  /** Grows whenever something else happened in this process (an answer): such a turn was work. */
  readonly activity: () => number
}

const AT_ONCE = 256
/** A turn of an idle loop takes microseconds; what took longer was spent elsewhere. */
const LONGEST_TURN_MS = 0.2

export function startTicker({ peek, fire, onEnd, precision, activity }: TickerOptions): Ticker {
  let stopped = false
  let waitedMs = 0
  let turnedAt: number | null = null
  let active = 0
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined

  const turn = () => {
    if (stopped) return
    let now = performance.now()
    if (turnedAt !== null && activity() === active) waitedMs += Math.min(LONGEST_TURN_MS, now - turnedAt)
    turnedAt = null
    let dueMs = peek()
    for (let sent = 0; dueMs !== null && dueMs <= now; sent += 1) {
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
    } else if (precision === 'relaxed') {
      timer = setTimeout(turn, Math.max(1, dueMs - now))
    } else if (dueMs - now > 2) {
      timer = setTimeout(turn, Math.floor(dueMs - now - 1))
    } else {
      active = activity()
      turnedAt = performance.now()
      immediate = setImmediate(turn)
    }
  }
  const clear = () => {
    clearTimeout(timer)
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
      turnedAt = null
      if (!stopped) immediate = setImmediate(turn)
    },
    get waitedMs() {
      return waitedMs
    },
  }
}
