// One second of load on one target: what every driver, import, report and gate shares (load-and-gates.md, 5.1).
import type { SparseHistogram } from './histogram.ts'

/** Every way in which an arrival ends without a good answer. All of them count in `errors`. */
export type FailureClass =
  | 'dns'
  | 'refused'
  | 'connect-timeout'
  | 'tls'
  /** Connection reset. */
  | 'reset'
  /** Closed cleanly without an answer. */
  | 'closed'
  /** What answers does not speak HTTP. */
  | 'protocol'
  /** The answer ended before its length. */
  | 'truncated'
  | 'first-byte-timeout'
  | 'body-timeout'
  /** A status outside the expected set. */
  | 'status'
  /** A check of the scenario did not hold. */
  | 'check'
  /** Over the cap on requests in flight: never sent. */
  | 'shed'
  /** Still in flight when the run ended. */
  | 'unfinished'
  | 'other'

export type Slice = {
  readonly version: 1
  /** Whole seconds since the start of the run; an arrival belongs to the second of its *intended* time. */
  readonly second: number
  readonly target: string
  readonly scenario: string
  /** Which generator made it (distributed runs); [`local`]. */
  readonly generator?: string
  readonly offered: number
  readonly sent: number
  /** Answered well. offered = done + all failures, once the run is over. */
  readonly done: number
  readonly failures: Readonly<Partial<Record<FailureClass, number>>>
  /** By status code, answers only. */
  readonly statuses?: Readonly<Record<string, number>>
  readonly bytes: number
  /** Milliseconds from the intended time: what a user would have felt. Successes only. */
  readonly response: SparseHistogram
  /** Milliseconds from the send. Successes only. */
  readonly service: SparseHistogram
  /** Milliseconds between intended and real send. */
  readonly lag: SparseHistogram
  /** Part of the warm-up: out of the statistics. */
  readonly warmup?: boolean
}

export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'invalid'

export function failuresOf(slice: Pick<Slice, 'failures'>): number {
  return Object.values(slice.failures).reduce((sum, count) => sum + count, 0)
}

/** Answers of whatever kind: a 500 is one, a closed connection is none. None at all means that nobody is there. */
export function answersOf(slice: Pick<Slice, 'done' | 'failures'>): number {
  const { status = 0, check = 0, truncated = 0, 'body-timeout': stuck = 0 } = slice.failures
  return slice.done + status + check + truncated + stuck
}

const OF_LATENESS: readonly FailureClass[] = ['shed', 'connect-timeout', 'first-byte-timeout', 'body-timeout', 'unfinished']

/** Most of these may come from a generator that was late itself; a status, a refusal or a reset is the target's own. */
export function mayBeLateness(of: readonly Pick<Slice, 'failures'>[]): boolean {
  const all = of.reduce((sum, one) => sum + failuresOf(one), 0)
  const late = of.reduce((sum, { failures }) => sum + OF_LATENESS.reduce((own, kind) => own + (failures[kind] ?? 0), 0), 0)
  return late > all / 2
}
