// Places: at most so many at a time, and fewer once somebody says so. For channels on one connection (sshd's MaxSessions),
// and for connections that are being opened.
import { RollgateError } from '../../domain/error.ts'

export type Slots = {
  /** @throws RollgateError E_CANCELLED while it waits */
  enter(signal?: AbortSignal): Promise<void>
  leave(): void
  readonly busy: number
  /** Never more than this from now on. */
  shrink(limit: number): void
}

export function createSlots(most: number): Slots {
  let limit = most
  let busy = 0
  const waiting = new Set<() => void>()
  const next = (): void => {
    const [first] = waiting
    if (first === undefined || busy >= limit) return
    waiting.delete(first)
    busy += 1
    first()
  }
  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(new RollgateError('E_CANCELLED', 'interrupted'))
        const go = (): void => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        }
        const onAbort = (): void => {
          waiting.delete(go)
          reject(new RollgateError('E_CANCELLED', 'interrupted'))
        }
        waiting.add(go)
        signal?.addEventListener('abort', onAbort, { once: true })
        next()
      }),
    leave() {
      busy -= 1
      next()
    },
    get busy() {
      return busy
    },
    shrink(to) {
      limit = Math.max(1, Math.min(limit, to))
    },
  }
}
