// Gamma and beta functions, right to about ten digits relative also in the far tails and for counts in the millions.
// Careful about cancellation: ln Γ(10⁷) is 1.5·10⁸, so differences of such logarithms lose half their digits. The binomial
// term is therefore built from Loader's deviance and Stirling's error, which are small numbers to begin with, and tails
// are worked with as logarithms.

const HALF_LN_TWO_PI = 0.5 * Math.log(2 * Math.PI)
/** From here on Stirling's series is exact to the last digit. */
const SERIES_FROM = 15
const TINY = 1e-300

/** ln Γ(x) − [(x − ½) ln x − x + ½ ln 2π] */
function stirlingSeries(x: number): number {
  const s = 1 / (x * x)
  return (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - (s * 691) / 360_360))))) / x
}

export function lnGamma(x: number): number {
  let shifted = x
  let product = 1
  while (shifted < SERIES_FROM) {
    product *= shifted
    shifted += 1
  }
  return (shifted - 0.5) * Math.log(shifted) - shifted + HALF_LN_TWO_PI + stirlingSeries(shifted) - Math.log(product)
}

/** ln Γ(x + 1) − [(x + ½) ln x − x + ½ ln 2π] */
function stirlingError(x: number): number {
  return x >= SERIES_FROM ? stirlingSeries(x) : lnGamma(x + 1) - (x + 0.5) * Math.log(x) + x - HALF_LN_TWO_PI
}

/** x ln(x / mean) + mean − x, without the cancellation where x is near the mean. */
function deviance(x: number, mean: number): number {
  if (Math.abs(x - mean) >= 0.1 * (x + mean)) return x * Math.log(x / mean) + mean - x
  const v = (x - mean) / (x + mean)
  let sum = (x - mean) * v
  let term = 2 * x * v
  for (let j = 1; j < 1000; j += 1) {
    term *= v * v
    const next = sum + term / (2 * j + 1)
    if (next === sum) return sum
    sum = next
  }
  return sum
}

/** ln [ xᵃ yᵇ / B(a, b) ] where y = 1 − x. */
function lnBetaTerm(a: number, b: number, x: number, y: number): number {
  const n = a + b
  const binomial =
    stirlingError(n) -
    stirlingError(a) -
    stirlingError(b) -
    deviance(a, n * x) -
    deviance(b, n * y) -
    0.5 * Math.log((2 * Math.PI * a * b) / n)
  return Math.log((a * b) / n) + binomial
}

/** ln B(a, b) */
export function lnBeta(a: number, b: number): number {
  const n = a + b
  return a * Math.log(a / n) + b * Math.log(b / n) - lnBetaTerm(a, b, a / n, b / n)
}

/** Logarithms of I_x(a, b) and of its complement. `y` is 1 − x, given apart so that a small one keeps its digits. */
export function lnBetaTails(a: number, b: number, x: number, y: number): { readonly lower: number; readonly upper: number } {
  if (x <= 0) return { lower: Number.NEGATIVE_INFINITY, upper: 0 }
  if (y <= 0) return { lower: 0, upper: Number.NEGATIVE_INFINITY }
  const term = lnBetaTerm(a, b, x, y)
  if (x < (a + 1) / (a + b + 2)) {
    const lower = term + Math.log(betaFraction(a, b, x) / a)
    return { lower, upper: lnComplement(lower) }
  }
  const upper = term + Math.log(betaFraction(b, a, y) / b)
  return { lower: lnComplement(upper), upper }
}

/** ln(1 − eˡ) for l ≤ 0. */
export function lnComplement(l: number): number {
  if (l >= 0) return Number.NEGATIVE_INFINITY
  return l > -Math.LN2 ? Math.log(-Math.expm1(l)) : Math.log1p(-Math.exp(l))
}

/** Lentz's continued fraction of the incomplete beta function. */
function betaFraction(a: number, b: number, x: number): number {
  let c = 1
  let d = 1 / notZero(1 - ((a + b) * x) / (a + 1))
  let h = d
  // About √max(a, b) rounds are needed; the limit is for millions of requests.
  for (let m = 1; m < 100_000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / notZero(1 + even * d)
    c = notZero(1 + even / c)
    h *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / notZero(1 + odd * d)
    c = notZero(1 + odd / c)
    const step = d * c
    h *= step
    if (Math.abs(step - 1) < 1e-16) break
  }
  return h
}

/** ln Q(a, x), the upper tail of the gamma distribution. */
export function lnGammaUpper(a: number, x: number): number {
  if (x <= 0) return 0
  const term = -stirlingError(a) - deviance(a, x) - 0.5 * Math.log(2 * Math.PI * a)
  if (x < a + 1) {
    let sum = 1
    let next = 1
    for (let n = 1; n < 100_000 && next > sum * 1e-17; n += 1) {
      next *= x / (a + n)
      sum += next
    }
    return lnComplement(term + Math.log(sum))
  }
  let b = x + 1 - a
  let c = 1 / TINY
  let d = 1 / b
  let h = d
  for (let n = 1; n < 100_000; n += 1) {
    const an = -n * (n - a)
    b += 2
    d = 1 / notZero(an * d + b)
    c = notZero(b + an / c)
    const step = d * c
    h *= step
    if (Math.abs(step - 1) < 1e-16) break
  }
  return term + Math.log(a * h)
}

function notZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value
}
