// The distributions that verdicts rest on, by their tails: Student's t, the binomial with its exact limits, chi-square and
// the normal. Asked for by tail probability and not by level, because 1 − 10⁻⁹ has no digits left.
import { lnBetaTails, lnGammaUpper } from './special.ts'

/** P(T > t) */
export function studentTail(t: number, degrees: number): number {
  const square = t * t
  const { lower } = lnBetaTails(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))
  const half = Math.exp(lower) / 2
  return t >= 0 ? half : 1 - half
}

/** The t that is exceeded with probability `tail`. */
export function studentLimit(tail: number, degrees: number): number {
  if (!(tail > 0)) return Number.POSITIVE_INFINITY
  if (tail >= 1) return Number.NEGATIVE_INFINITY
  if (tail > 0.5) return -studentLimit(1 - tail, degrees)
  if (tail === 0.5) return 0
  const target = Math.log(2 * tail)
  // In the logarithm of t every case looks alike, from one degree of freedom to a million.
  const u = solve((guess) => {
    const square = Math.exp(2 * guess)
    return target - lnBetaTails(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square)).lower
  }, 0)
  return Math.exp(u)
}

/** P(Z > z) */
export function normalTail(z: number): number {
  const half = Math.exp(lnGammaUpper(0.5, (z * z) / 2)) / 2
  return z >= 0 ? half : 1 - half
}

/** The z that is exceeded with probability `tail`. */
export function normalLimit(tail: number): number {
  if (tail > 0.5) return -normalLimit(1 - tail)
  if (tail === 0.5) return 0
  const target = Math.log(2 * tail)
  return Math.exp(solve((guess) => target - lnGammaUpper(0.5, Math.exp(2 * guess) / 2), 0))
}

/** P(X > x) for chi-square. */
export function chiSquareTail(x: number, degrees: number): number {
  return Math.exp(lnGammaUpper(degrees / 2, x / 2))
}

/** P(X ≤ k) of n trials with probability p. */
export function binomialAtMost(k: number, n: number, p: number): number {
  if (k < 0) return 0
  if (k >= n) return 1
  return Math.exp(lnBetaTails(n - k, k + 1, 1 - p, p).lower)
}

/** Clopper and Pearson's exact upper limit of a rate: seeing `x` or fewer of `n` has probability `tail` there. */
export function rateAtMost(x: number, n: number, tail: number): number {
  if (n <= 0 || x >= n) return 1
  if (x <= 0) return -Math.expm1(Math.log(tail) / n)
  return betaLimit(x + 1, n - x, Math.log(tail), 'upper')
}

/** Their lower limit: seeing `x` or more of `n` has probability `tail` there. */
export function rateAtLeast(x: number, n: number, tail: number): number {
  if (n <= 0 || x <= 0) return 0
  if (x >= n) return Math.exp(Math.log(tail) / n)
  return betaLimit(x, n - x + 1, Math.log(tail), 'lower')
}

function betaLimit(a: number, b: number, lnTail: number, side: 'lower' | 'upper'): number {
  const logit = solve(
    (guess) => {
      const small = 1 / (1 + Math.exp(Math.abs(guess)))
      const [x, y] = guess < 0 ? [small, 1 - small] : [1 - small, small]
      const value = lnBetaTails(a, b, x, y)[side] - lnTail
      return side === 'lower' ? value : -value
    },
    Math.log(a / b),
  )
  return 1 / (1 + Math.exp(-logit))
}

/** The root of a growing function: bracketed by doubling steps, then Illinois' false position with bisection behind it. */
function solve(growing: (guess: number) => number, start: number): number {
  let low = start
  let high = start
  let step = 0.5
  let atLow = growing(low)
  let atHigh = atLow
  while (atLow > 0 && step < 1e6) {
    high = low
    atHigh = atLow
    low -= step
    step *= 2
    atLow = growing(low)
  }
  while (atHigh < 0 && step < 1e6) {
    low = high
    atLow = atHigh
    high += step
    step *= 2
    atHigh = growing(high)
  }
  for (let round = 0; round < 200 && high - low > 1e-15 * Math.max(1, Math.abs(low)); round += 1) {
    const straight = (low * atHigh - high * atLow) / (atHigh - atLow)
    const guess = round % 3 === 2 || !(straight > low && straight < high) ? (low + high) / 2 : straight
    const value = growing(guess)
    if (value === 0) return guess
    if (value > 0) {
      high = guess
      atHigh = value
    } else {
      low = guess
      atLow = value
    }
    if (guess === low && guess === high) break
  }
  return (low + high) / 2
}
