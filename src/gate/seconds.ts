// Slices in any order → seconds in order, as the watch wants them.
import type { GeneratorSample } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'

/** Second by second from the first measured one; seconds in which nothing was offered are there, and empty. */
export function measuredSeconds(
  slices: readonly Slice[],
  generator: readonly GeneratorSample[],
): readonly { readonly slices: readonly Slice[]; readonly generator: readonly GeneratorSample[] }[] {
  const measured = slices.filter((slice) => slice.warmup !== true)
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const { second } of measured) {
    first = Math.min(first, second)
    last = Math.max(last, second)
  }
  if (last < first) return []
  const seconds = Array.from({ length: last - first + 1 }, () => ({ slices: [] as Slice[], generator: [] as GeneratorSample[] }))
  for (const slice of measured) seconds[slice.second - first]?.slices.push(slice)
  for (const sample of generator) seconds[sample.second - first]?.generator.push(sample)
  return seconds
}
