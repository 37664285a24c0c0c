// Sends at a fixed pace whatever the answers do (open model): the n-th request is due at start + n × interval, and
// nothing ever moves that. Careful about time that was lost (a suspended laptop, a blocked event loop): what is late
// by less than a second is sent at once, what is later is skipped and counted, or a minute of sleep would become a
// burst that no user ever made.
import { RollgateError } from '../domain/error.ts'
import type { Clock } from '../domain/ports.ts'

export type Pace = {
  readonly ratePerSecond: number
  /** Called for each request that is due; must not wait. @param dueMs on the clock */
  readonly onDue: (dueMs: number) => void
  readonly onSkipped?: (count: number) => void
}

const LATEST_MS = 1000

/** Runs until the signal fires; returns then. */
export async function keepPace(pace: Pace, clock: Clock, signal: AbortSignal): Promise<void> {
  const intervalMs = 1000 / pace.ratePerSecond
  const startMs = clock.now()
  let next = 0
  while (!signal.aborted) {
    const now = clock.now()
    const due = Math.floor((now - startMs) / intervalMs)
    const first = Math.max(next, Math.ceil((now - LATEST_MS - startMs) / intervalMs))
    if (first > next) pace.onSkipped?.(first - next)
    for (next = first; next <= due; next += 1) pace.onDue(startMs + next * intervalMs)
    try {
      await clock.sleep(Math.max(0, startMs + next * intervalMs - clock.now()), signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** Real time. @throws RollgateError E_CANCELLED from `sleep` when the signal fires */
export const realClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((done, fail) => {
      const cancelled = () => fail(new RollgateError('E_CANCELLED', 'Interrupted while waiting'))
      if (signal?.aborted) return cancelled()
      const onAbort = () => {
        clearTimeout(timer)
        cancelled()
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        done()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
}
