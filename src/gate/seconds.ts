// Slices in any order → seconds in order, as the watch wants them.
import type { GatePlan } from '../domain/gate.ts'
import type { GeneratorSample } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'
import { secondOf, type Timeline } from './blocks.ts'

export type RawSecond = { readonly slices: readonly Slice[]; readonly generator: readonly GeneratorSample[] }

/** Second by second from the first measured one; seconds in which nothing was offered are there, and empty. */
export function measuredSeconds(slices: readonly Slice[], generator: readonly GeneratorSample[]): readonly RawSecond[] {
  return inOrder(
    slices.filter((slice) => slice.warmup !== true),
    generator,
  )
}

/** The same of the warm-up. */
export function warmupSeconds(slices: readonly Slice[], generator: readonly GeneratorSample[]): readonly RawSecond[] {
  return inOrder(
    slices.filter((slice) => slice.warmup === true),
    generator,
  )
}

function inOrder(slices: readonly Slice[], generator: readonly GeneratorSample[]): readonly RawSecond[] {
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const { second } of slices) {
    first = Math.min(first, second)
    last = Math.max(last, second)
  }
  if (last < first) return []
  const seconds = Array.from({ length: last - first + 1 }, () => ({ slices: [] as Slice[], generator: [] as GeneratorSample[] }))
  for (const slice of slices) seconds[slice.second - first]?.slices.push(slice)
  for (const sample of generator) seconds[sample.second - first]?.generator.push(sample)
  return seconds
}

/** Both arms second by second, warm-up left out (or alone, to see whether it has settled): what calibrations are made of. */
export function timelineOf(slices: readonly Slice[], arms: GatePlan['arms'], of: 'measured' | 'warmup' = 'measured'): Timeline {
  const wanted = of === 'measured' ? slices : slices.filter((slice) => slice.warmup === true).map((slice) => ({ ...slice, warmup: false }))
  return measuredSeconds(wanted, []).map((second) => {
    const arm = (names: readonly string[]) =>
      secondOf(
        second.slices.filter((slice) => names.includes(slice.target)),
        'service',
      )
    return { canary: arm(arms.canary), old: arm(arms.old) }
  })
}
