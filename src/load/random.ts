// Random numbers that a seed repeats: a run can be made again, request by request. Small fast counter (sfc32) with its
// 128 bits of state filled from the seed's text; 53 random bits a number. Not for secrets.

export type Random = {
  /** 0 ≤ x < 1. */
  next(): number
  /** A whole number, both ends included. */
  between(least: number, most: number): number
  /** A generator of its own, independent of what is drawn from this one afterwards. */
  fork(name: string): Random
}

export function createRandom(seed: string | number): Random {
  let [a, b, c, counter] = hash(String(seed))
  const word = () => {
    const sum = (a + b + counter) >>> 0
    counter = (counter + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0
    return sum
  }
  for (let round = 0; round < 12; round += 1) word()
  const next = () => (word() * 0x20_0000 + (word() >>> 11)) / 0x20_0000_0000_0000
  return {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    fork: (name) => createRandom(`${seed}/${name}`),
  }
}

/** Four words from a text: each letter stirs all of them (cyrb128). */
function hash(text: string): [number, number, number, number] {
  let [h1, h2, h3, h4] = [1779033703, 3144134277, 1013904242, 2773480762]
  for (let index = 0; index < text.length; index += 1) {
    const letter = text.charCodeAt(index)
    h1 = h2 ^ Math.imul(h1 ^ letter, 597399067)
    h2 = h3 ^ Math.imul(h2 ^ letter, 2869860233)
    h3 = h4 ^ Math.imul(h3 ^ letter, 951274213)
    h4 = h1 ^ Math.imul(h4 ^ letter, 2716044179)
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597399067)
  h2 = Math.imul(h4 ^ (h2 >>> 22), 2869860233)
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951274213)
  h4 = Math.imul(h2 ^ (h4 >>> 19), 2716044179)
  return [(h1 ^ h2 ^ h3 ^ h4) >>> 0, (h2 ^ h1) >>> 0, (h3 ^ h1) >>> 0, (h4 ^ h1) >>> 0]
}
