// When requests are due: made ahead from a seed, before anything is sent, and never moved by an answer. Careful about
// the count: each segment (a whole run, or the time between two looks of a gate) has exactly as many arrivals as its
// rate says. Poisson arrivals are drawn given that count, so they are n sorted uniform moments; they are drawn one
// after the other (the smallest of the n that are left), so a run of a million needs no list.
import type { Arrivals, RateProfile } from '../domain/load.ts'
import { countIn, expectedUntil, type Piece, pieces, timeIn } from './profile.ts'
import type { Random } from './random.ts'

export type Schedule = {
  readonly profile: RateProfile
  readonly arrivals: Arrivals
  readonly durationMs: number
  /** Ends of the segments, ascending; the last one is the duration [the duration alone]. */
  readonly segmentsMs?: readonly number[]
  /** How many arrivals each segment has [what the profile says]: a share of a divided load. */
  readonly counts?: readonly number[]
}

/** Ascending milliseconds from the start, each below the duration. */
export function* dueTimes(schedule: Schedule, random: Random): Generator<number, undefined> {
  const { profile, durationMs } = schedule
  const walk = createWalk(pieces(profile, durationMs))
  let before = 0
  let sent = 0
  for (const [index, end] of (schedule.segmentsMs ?? [durationMs]).entries()) {
    const until = expectedUntil(profile, end, durationMs)
    // Rounded over the whole run, not per segment: many short segments may not add up to another rate.
    const count = schedule.counts?.[index] ?? Math.round(until) - sent
    for (const share of shares(schedule.arrivals, count, random)) yield Math.min(walk(before + share * (until - before)), lastBefore(end))
    sent += count
    before = until
  }
}

/** How many arrivals a schedule has. */
export function countOfArrivals(schedule: Schedule): number {
  if (schedule.counts !== undefined) return schedule.counts.reduce((sum, count) => sum + count, 0)
  return Math.round(expectedUntil(schedule.profile, schedule.durationMs, schedule.durationMs))
}

/** `count` ascending places in 0..1. */
function* shares(arrivals: Arrivals, count: number, random: Random): Generator<number> {
  let at = 0
  for (let index = 0; index < count; index += 1) {
    // The smallest of the uniform moments that are left lies at 1 - u^(1/left) of the rest.
    if (arrivals === 'poisson') at += (1 - at) * (1 - random.next() ** (1 / (count - index)))
    else at = (index + (arrivals === 'uniform' ? random.next() : 0)) / count
    yield at
  }
}

/** From arrivals since the start to milliseconds; asked with ascending counts. */
function createWalk(source: Generator<Piece>): (count: number) => number {
  let piece = source.next().value as Piece | undefined
  let before = 0
  return (count) => {
    while (piece !== undefined) {
      const inside = countIn(piece, piece.endMs)
      if (count < before + inside) return timeIn(piece, count - before)
      const next = source.next().value as Piece | undefined
      // Rounding may ask for a hair more than there is: the end of the last piece.
      if (next === undefined) return piece.endMs
      before += inside
      piece = next
    }
    return 0
  }
}

/** The last moment that still belongs to what ends at `ms`. */
function lastBefore(ms: number): number {
  return ms - 1e-6
}
