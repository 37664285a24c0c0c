// Repeatable randomness from a text: the same seed draws the same resamples on every machine, so that a verdict can be
// worked out again from its evidence. (Chris Doty-Humphrey's sfc32; the seed is spread with a 32-bit mix.)

/** Whole numbers from 0 to below `limit`. */
export type Draw = (limit: number) => number

export function createDraw(seed: string): Draw {
  const spread = createSpread(seed)
  let a = spread()
  let b = spread()
  let c = spread()
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 12; round += 1) next()
  return (limit) => Math.floor((next() / 4_294_967_296) * limit)
}

function createSpread(seed: string): () => number {
  let hash = 1_779_033_703 ^ seed.length
  for (let index = 0; index < seed.length; index += 1) {
    hash = Math.imul(hash ^ seed.charCodeAt(index), 3_432_918_353)
    hash = (hash << 13) | (hash >>> 19)
  }
  return () => {
    hash = Math.imul(hash ^ (hash >>> 16), 2_246_822_507)
    hash = Math.imul(hash ^ (hash >>> 13), 3_266_489_909)
    hash ^= hash >>> 16
    return hash
  }
}
