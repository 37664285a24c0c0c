// The fixed plan of looks (load-and-gates.md, 7.2): when the data are judged, and how much of the two error budgets each
// look may spend. Increments add up to the whole, so the union bound holds whatever the dependence between looks. An
// extension is planned from the start: a fifth of both budgets waits for it, because data that accumulate beyond a budget
// already spent would be peeking (src/decisions/75).

export type Look = {
  /** From 1; extension looks count on. */
  readonly index: number
  /** Looks up to the end that is planned now: with those of an extension once it is in one. */
  readonly of: number
  /** Of measured time. */
  readonly second: number
  /** Spent here of the chance of a false alarm, and of the chance of a false pass: both follow the same rule. */
  readonly share: number
  /** 0: in the planned time; n: in the n-th extension. */
  readonly extension: number
  /** Nothing more is planned after it, unless the end is moved. */
  readonly isLast: boolean
}

export type LookPlan = {
  readonly looks: readonly Look[]
  readonly blockSeconds: number
  /** Too few blocks fit into all the time there is, extensions included: nothing can be decided by comparison. */
  readonly isTooShort: boolean
}

const EXTENSION_SHARE = 0.2
/** Fewer blocks than this and their spread is not known well enough. */
export const FEWEST_BLOCKS = 12

export function planLooks(settings: {
  readonly atLeastSeconds: number
  readonly atMostSeconds: number
  readonly blockSeconds: number
  readonly looks: number
  readonly extend: number
  /** Absolute clauses alone do not need blocks. */
  readonly compares: boolean
}): LookPlan {
  const { blockSeconds } = settings
  // Long blocks need a long test: the time of an extension is taken for it where there is one.
  const needed = settings.compares ? FEWEST_BLOCKS * blockSeconds : 0
  const missing = Math.max(0, Math.ceil(needed / settings.atMostSeconds) - 1)
  const isTooShort = missing > settings.extend
  const end = isTooShort ? settings.atMostSeconds : Math.max(settings.atMostSeconds, needed)
  const extend = isTooShort ? settings.extend : settings.extend - missing
  const reserved = extend > 0 ? EXTENSION_SHARE : 0
  const usable = fractions(settings.looks).filter((t) => Math.round(t * end) >= Math.min(settings.atLeastSeconds, end))
  const planned = spend(usable).map((look, index) => ({
    ...{ index: index + 1, of: usable.length, second: Math.round(look.at * end), extension: 0 },
    share: (1 - reserved) * look.share,
    isLast: index + 1 === usable.length,
  }))
  const count = settings.looks * extend
  const later = spend(fractions(count)).map((look, index) => ({
    ...{
      index: usable.length + index + 1,
      of: usable.length + settings.looks * (Math.floor(index / settings.looks) + 1),
      second: Math.round(end + look.at * extend * settings.atMostSeconds),
    },
    ...{ extension: Math.floor(index / settings.looks) + 1, isLast: (index + 1) % settings.looks === 0 },
    share: reserved * look.share,
  }))
  return { looks: [...planned, ...later], blockSeconds, isTooShort }
}

function fractions(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => (index + 1) / count)
}

/** The power family t² of Kim and DeMets; what skipped looks would have spent goes to the first that is taken. */
function spend(at: readonly number[]): readonly { readonly at: number; readonly share: number }[] {
  return at.map((t, index) => ({ at: t, share: t ** 2 - (at[index - 1] ?? 0) ** 2 }))
}
