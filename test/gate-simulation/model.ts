// A service that two hosts run, imagined (load-and-gates.md, 7.3): lognormal body with a heavy tail, a drift both share and
// one of each host, pauses, hosts that differ. Seeded: the same row and run give the same requests on every machine. What
// comes out are slices, as a driver writes them.
import { binOf } from '../../src/domain/histogram.ts'
import type { Slice } from '../../src/domain/slice.ts'

export type Model = {
  readonly ratePerSecond: number
  /** Standard deviation of the log between hosts. */
  readonly hosts: number
  /** Memory of each host's own drift from second to second. */
  readonly ownMemory: number
}

/** What the new release does otherwise than the old one. */
export type Change = { readonly ratio: number; readonly added?: { readonly share: number; readonly ms: number } }

export const SAME: Change = { ratio: 1 }

const BASE_MS = 20
const BODY = 0.45
const TAIL_SHARE = 0.02
const TAIL_LN = Math.log(4)
const SHARED_DRIFT = { deviation: 0.15, memory: 0.9 }
const OWN_DRIFT = 0.05
const PAUSE = { perSecond: 1 / 30, ms: 150 }

/** The seeded draws of one run. */
export type Dice = { readonly uniform: () => number; readonly normal: () => number }

export function createDice(seed: number): Dice {
  // splitmix32 spreads the seed, sfc32 draws.
  let mixed = seed >>> 0
  const spread = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0
    let z = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return z ^ (z >>> 15)
  }
  let [a, b, c, counter] = [spread(), spread(), spread(), 1]
  const uniform = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return ((sum >>> 0) + 0.5) / 4_294_967_296
  }
  let spare: number | null = null
  const normal = (): number => {
    if (spare !== null) {
      const value = spare
      spare = null
      return value
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()))
    const angle = 2 * Math.PI * uniform()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
  for (let round = 0; round < 12; round += 1) uniform()
  return { uniform, normal }
}

/** Host effects of the two, in logs: they stay what they are between calibration and comparison. */
export function drawHosts(model: Model, dice: Dice): readonly [canary: number, old: number] {
  return [model.hosts * dice.normal(), model.hosts * dice.normal()]
}

/** Both arms under the same arrivals, second by second, each made when it is asked for. */
export function* imagine(
  model: Model,
  change: Change,
  hosts: readonly [number, number],
  seconds: number,
  dice: Dice,
): Generator<readonly [Slice, Slice]> {
  const shared = drift(seconds, SHARED_DRIFT.deviation, SHARED_DRIFT.memory, dice)
  const own = [drift(seconds, OWN_DRIFT, model.ownMemory, dice), drift(seconds, OWN_DRIFT, model.ownMemory, dice)]
  for (let second = 0; second < seconds; second += 1) {
    const count = poisson(model.ratePerSecond, dice)
    const arm = (target: 'new' | 'old', index: 0 | 1): Slice => {
      const middle = Math.log(BASE_MS) + hosts[index] + (shared[second] ?? 0) + (own[index]?.[second] ?? 0)
      return slice(target, second, count, middle, target === 'new' ? change : SAME, dice)
    }
    yield [arm('new', 0), arm('old', 1)]
  }
}

function slice(target: string, second: number, count: number, middle: number, change: Change, dice: Dice): Slice {
  const pauses = dice.uniform() < PAUSE.perSecond
  const center = middle + Math.log(change.ratio)
  const bins = new Uint16Array(count)
  for (let request = 0; request < count; request += 1) {
    let ln = center + BODY * dice.normal()
    if (dice.uniform() < TAIL_SHARE) ln -= TAIL_LN * Math.log(dice.uniform())
    let ms = Math.exp(ln)
    if (pauses) ms += Math.max(0, PAUSE.ms - 1000 * dice.uniform())
    if (change.added !== undefined && dice.uniform() < change.added.share) ms += change.added.ms
    bins[request] = binOf(ms)
  }
  const histogram = counted(bins)
  return {
    ...{ version: 1, second, target, scenario: 'imagined', offered: count, sent: count, done: count, failures: {}, bytes: 0 },
    ...{ response: histogram, service: histogram, lag: [[0, count]] },
  }
}

function counted(bins: Uint16Array): readonly (readonly [number, number])[] {
  bins.sort()
  const pairs: [number, number][] = []
  for (const bin of bins) {
    const last = pairs.at(-1)
    if (last !== undefined && last[0] === bin) last[1] += 1
    else pairs.push([bin, 1])
  }
  return pairs
}

function drift(seconds: number, deviation: number, memory: number, dice: Dice): readonly number[] {
  let value = deviation * dice.normal()
  return Array.from({ length: seconds }, () => {
    value = memory * value + deviation * Math.sqrt(1 - memory ** 2) * dice.normal()
    return value
  })
}

/** By the exponential gaps between arrivals: exact at any rate. */
export function poisson(mean: number, dice: Dice): number {
  let count = -1
  let passed = 0
  while (passed < mean) {
    passed -= Math.log(dice.uniform())
    count += 1
  }
  return count
}
