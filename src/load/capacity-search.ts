// The search for the highest rate that still holds, after Nighthawk's adaptive load controller: doubling until something
// breaks, then halving the gap, then one longer look at what was found. Pure: it says which rate to try and is told what
// came of it. Careful about what a step can mean: a generator that could not keep up says nothing about the target, so it
// is tried again, and then the answer is "at least", never a number that this machine made up.

/** saturated: this machine could not send it in time. */
export type RateOutcome = 'holds' | 'breaks' | 'saturated'

export type Attempt = { readonly ratePerSecond: number; readonly confirm: boolean }

export type CapacityFound =
  | { readonly kind: 'found'; readonly ratePerSecond: number }
  /** generator: this machine cannot send more; asked: nobody wanted more. */
  | { readonly kind: 'at-least'; readonly ratePerSecond: number; readonly limit: 'generator' | 'asked' }
  /** Not even the first rate. */
  | { readonly kind: 'nothing-holds'; readonly ratePerSecond: number }
  /** This machine was not even able to try the first rate, or to confirm what it had found. */
  | { readonly kind: 'cannot-send'; readonly ratePerSecond: number }
  /** What had held did not hold again: the target is not the same from one minute to the next. */
  | { readonly kind: 'unsteady'; readonly ratePerSecond: number }

export type CapacitySearch = {
  /** null: it is over. The same until it is told what came of it. */
  next(): Attempt | null
  tell(outcome: RateOutcome): void
  /** @throws Error before the end */
  found(): CapacityFound
}

export type SearchLimits = {
  readonly startPerSecond: number
  readonly maxPerSecond: number
  /** How far apart a rate that holds and one that breaks may be, as a share of the latter. */
  readonly precision: number
}

const CONFIRMATIONS = 3
/** Of a step that this machine spoiled: what else runs here passes, a ceiling does not. */
const REPEATS = 2

export function createCapacitySearch({ startPerSecond, maxPerSecond, precision }: SearchLimits): CapacitySearch {
  let good: number | null = null
  let bad: { readonly rate: number; readonly because: 'breaks' | 'saturated' } | null = null
  let again = 0
  let confirmations = 0
  let over: CapacityFound | null = null

  const attempt = (): Attempt => {
    if (good === null) return { ratePerSecond: Math.min(startPerSecond, maxPerSecond), confirm: false }
    if (bad === null && good < maxPerSecond) return { ratePerSecond: Math.min(rounded(good * 2), maxPerSecond), confirm: false }
    if (bad !== null && confirmations === 0 && bad.rate - good > precision * bad.rate) {
      const middle = rounded(Math.sqrt(good * bad.rate))
      // Small rates have no number between them.
      if (middle > good && middle < bad.rate) return { ratePerSecond: middle, confirm: false }
    }
    return { ratePerSecond: good, confirm: true }
  }
  return {
    next: () => (over === null ? attempt() : null),
    tell(outcome) {
      if (over !== null) return
      const { ratePerSecond, confirm } = attempt()
      if (outcome === 'saturated' && again < REPEATS) {
        again += 1
        return
      }
      again = 0
      if (outcome === 'holds') {
        if (!confirm) good = ratePerSecond
        else if (bad === null) over = { kind: 'at-least', ratePerSecond, limit: 'asked' }
        else if (bad.because === 'saturated') over = { kind: 'at-least', ratePerSecond, limit: 'generator' }
        else over = { kind: 'found', ratePerSecond }
        return
      }
      if (good === null) {
        over = { kind: outcome === 'saturated' ? 'cannot-send' : 'nothing-holds', ratePerSecond }
        return
      }
      bad = { rate: ratePerSecond, because: outcome }
      if (!confirm) return
      // It held once, and this machine cannot look again: that is no word about the target.
      if (outcome === 'saturated') {
        over = { kind: 'cannot-send', ratePerSecond }
        return
      }
      confirmations += 1
      const lower = rounded(ratePerSecond * (1 - precision))
      if (confirmations === CONFIRMATIONS || lower >= ratePerSecond || lower < 1) over = { kind: 'unsteady', ratePerSecond }
      else good = lower
    },
    found() {
      if (over === null) throw new Error('the search is not over')
      return over
    },
  }
}

/** Three digits say all that a search can know. */
function rounded(rate: number): number {
  return Math.max(1, Math.round(Number(rate.toPrecision(3))))
}
