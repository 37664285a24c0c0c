// Rate profiles as pieces in which the rate is a straight line, so that every profile is counted and inverted by the
// same two formulae. A sine becomes 64 pieces a period, each with the sine's own integral: its counts stay exact.
import type { LoadSettings, RateProfile } from '../domain/load.ts'

/** Arrivals per millisecond at both ends of a stretch of time. */
export type Piece = { readonly startMs: number; readonly endMs: number; readonly from: number; readonly to: number }

const SINE_PIECES = 64

/** Covers 0..durationMs without a gap, in order. */
export function* pieces(profile: RateProfile, durationMs: number): Generator<Piece> {
  switch (profile.kind) {
    case 'constant':
      yield line(0, durationMs, profile.ratePerSecond, profile.ratePerSecond)
      return
    case 'ramp':
      yield line(0, durationMs, profile.fromPerSecond, profile.toPerSecond)
      return
    case 'steps': {
      let at = 0
      for (const [index, step] of profile.steps.entries()) {
        const end = index === profile.steps.length - 1 ? durationMs : Math.min(durationMs, at + step.forMs)
        if (end > at) yield line(at, end, step.ratePerSecond, step.ratePerSecond)
        at = Math.max(at, end)
      }
      return
    }
    case 'spike': {
      const [start, end] = [Math.min(durationMs, profile.atMs), Math.min(durationMs, profile.atMs + profile.forMs)]
      if (start > 0) yield line(0, start, profile.basePerSecond, profile.basePerSecond)
      if (end > start) yield line(start, end, profile.peakPerSecond, profile.peakPerSecond)
      if (durationMs > end) yield line(end, durationMs, profile.basePerSecond, profile.basePerSecond)
      return
    }
    case 'sine': {
      const width = profile.periodMs / SINE_PIECES
      for (let index = 0; index * width < durationMs; index += 1) {
        const [start, end] = [index * width, Math.min(durationMs, (index + 1) * width)]
        // The mean of the sine over the piece: a flat line with the same count.
        const turn = (ms: number) => (2 * Math.PI * ms) / profile.periodMs
        const mean = (Math.cos(turn(start)) - Math.cos(turn(end))) / (turn(end) - turn(start))
        const rate = profile.meanPerSecond + profile.amplitudePerSecond * mean
        yield line(start, end, rate, rate)
      }
      return
    }
    default:
      profile satisfies never
  }
}

/** Expected arrivals from the start until `ms`. */
export function expectedUntil(profile: RateProfile, ms: number, durationMs: number): number {
  let sum = 0
  for (const piece of pieces(profile, durationMs)) {
    if (piece.startMs >= ms) break
    sum += countIn(piece, Math.min(ms, piece.endMs))
  }
  return sum
}

/** Expected arrivals from the piece's start until `ms`. */
export function countIn(piece: Piece, ms: number): number {
  const length = ms - piece.startMs
  const slope = (piece.to - piece.from) / (piece.endMs - piece.startMs)
  return piece.from * length + (slope * length * length) / 2
}

/** When `count` arrivals have come since the piece's start: the inverse of `countIn`. */
export function timeIn(piece: Piece, count: number): number {
  // Where the rate begins at nothing, the first moment would be nothing divided by nothing.
  if (count <= 0) return piece.startMs
  const slope = (piece.to - piece.from) / (piece.endMs - piece.startMs)
  if (slope === 0) return piece.startMs + count / piece.from
  // This form of the root does not cancel when the slope is nearly flat, and holds for falling lines too.
  const root = Math.sqrt(Math.max(0, piece.from * piece.from + 2 * slope * count))
  return piece.startMs + (2 * count) / (piece.from + root)
}

/** The highest rate asked for, per second: what limits are sized by. */
export function peakOf(profile: RateProfile): number {
  switch (profile.kind) {
    case 'constant':
      return profile.ratePerSecond
    case 'ramp':
      return Math.max(profile.fromPerSecond, profile.toPerSecond)
    case 'steps':
      return Math.max(0, ...profile.steps.map((step) => step.ratePerSecond))
    case 'spike':
      return Math.max(profile.basePerSecond, profile.peakPerSecond)
    case 'sine':
      return profile.meanPerSecond + profile.amplitudePerSecond
    default:
      return profile satisfies never
  }
}

function line(startMs: number, endMs: number, fromPerSecond: number, toPerSecond: number): Piece {
  return { startMs, endMs, from: Math.max(0, fromPerSecond / 1000), to: Math.max(0, toPerSecond / 1000) }
}

/** Requests a second on one target; null for the closed model. A changing rate counts by what it sends in the end. */
export function meanRate({ model }: LoadSettings, durationMs: number): number | null {
  if (model.kind !== 'paced') return null
  if (model.profile.kind === 'constant') return model.profile.ratePerSecond
  return (1000 * expectedUntil(model.profile, durationMs, durationMs)) / durationMs
}
