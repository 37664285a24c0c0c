// Which request of the closed model has taken too long, and in what. Each phase has a limit of its own, as in the paced
// model; they are only looked at now and then, because a request that is in time must cost nothing for it.
import type { LoadTimeouts } from '../domain/load.ts'
import type { FailureClass } from '../domain/slice.ts'
import type { Phase } from './failures.ts'

/** Of one connection, with one request at a time. */
export type Overdue = {
  sent(nowMs: number): void
  /** @returns what it has failed by; null: it has time left */
  look(nowMs: number, phase: Phase): FailureClass | null
}

export function createOverdue({ connectMs, firstByteMs, bodyMs }: LoadTimeouts): Overdue {
  let seen: Phase | null = null
  let sinceMs = 0
  return {
    sent(nowMs) {
      seen = null
      sinceMs = nowMs
    },
    look(nowMs, phase) {
      // A phase begins when it is first seen; but what is seen first of all began with the request, unless it is a body.
      if (phase !== seen && (seen !== null || phase === 'body')) sinceMs = nowMs
      seen = phase
      const passedMs = nowMs - sinceMs
      switch (phase) {
        case 'connect':
          return passedMs >= connectMs ? 'connect-timeout' : null
        case 'first-byte':
          return passedMs >= firstByteMs ? 'first-byte-timeout' : null
        case 'body':
          return passedMs >= bodyMs ? 'body-timeout' : null
        default:
          return phase satisfies never
      }
    },
  }
}
