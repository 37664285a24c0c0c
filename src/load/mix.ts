// Draws from a weighted mix in constant time (Walker's alias method, as Vose builds it).
import type { Random } from './random.ts'

/** @param weights not negative, at least one above zero @returns draws an index */
export function createMix(weights: readonly number[]): (random: Random) => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const scaled = weights.map((weight) => (weight * weights.length) / total)
  const alias = weights.map((_, index) => index)
  const [small, large]: [number[], number[]] = [[], []]
  for (const [index, weight] of scaled.entries()) (weight < 1 ? small : large).push(index)
  while (small.length > 0 && large.length > 0) {
    const [less, more] = [small.pop() ?? 0, large.pop() ?? 0]
    alias[less] = more
    scaled[more] = (scaled[more] ?? 0) + (scaled[less] ?? 0) - 1
    ;((scaled[more] ?? 0) < 1 ? small : large).push(more)
  }
  // What is left over differs from one only by rounding.
  for (const index of [...small, ...large]) scaled[index] = 1
  return (random) => {
    if (weights.length === 1) return 0
    const place = random.next() * weights.length
    const index = Math.floor(place)
    return place - index < (scaled[index] ?? 1) ? index : (alias[index] ?? index)
  }
}
