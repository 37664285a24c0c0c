// Errors watched every second without peeking (load-and-gates.md, 7.2): with N failures so far, x of them on the canary,
// the evidence E against "the canary fails no more than the old release" may be looked at as often as one likes, because
// under that claim it is a supermartingale (Ville). Failures come in bursts, so counts are divided by how much more they
// vary than independent ones would.
import { lnBeta, lnBetaTails } from './special.ts'

export type ErrorProcess = {
  /** @returns true when the canary is proven to fail more, and by more than the margin */
  add(second: { readonly canary: Count; readonly old: Count }): boolean
  readonly seen: () => {
    readonly lnE: number
    readonly seconds: number
    readonly canary: Count
    readonly old: Count
    readonly overdispersion: number
  }
}
export type Count = { readonly arrivals: number; readonly failures: number }

const NOT_BEFORE_SECONDS = 10

export function createErrorProcess(options: { readonly alpha: number; readonly margin: number }): ErrorProcess {
  const arms = { canary: createTally(), old: createTally() }
  let seconds = 0
  let lnE = 0
  return {
    add(second) {
      seconds += 1
      arms.canary.add(second.canary)
      arms.old.add(second.old)
      const { canary, old } = { canary: arms.canary.total(), old: arms.old.total() }
      if (canary.arrivals === 0 || old.arrivals === 0) return false
      const phi = overdispersion()
      const share = canary.arrivals / (canary.arrivals + old.arrivals)
      lnE = lnEvidence(canary.failures / phi, (canary.failures + old.failures) / phi, share)
      const difference = canary.failures / canary.arrivals - old.failures / old.arrivals
      return seconds >= NOT_BEFORE_SECONDS && lnE >= -Math.log(options.alpha) && difference > options.margin
    },
    seen: () => ({ lnE, seconds, canary: arms.canary.total(), old: arms.old.total(), overdispersion: overdispersion() }),
  }
  function overdispersion(): number {
    return Math.max(1, arms.canary.dispersion(), arms.old.dispersion())
  }
}

/**
 * ln E for `x` of `n` failures on the canary, whose share of the requests is `w`: a mixture over all larger shares of the
 * failures, Beta(4w, 4(1 − w)) truncated to (w, 1), against `w` itself.
 */
export function lnEvidence(x: number, n: number, w: number): number {
  const [a, b] = [4 * w, 4 * (1 - w)]
  const after = lnBeta(x + a, n - x + b) + lnBetaTails(x + a, n - x + b, w, 1 - w).upper
  const before = lnBeta(a, b) + lnBetaTails(a, b, w, 1 - w).upper
  return after - before - (x * Math.log(w) + (n - x) * Math.log1p(-w))
}

function createTally() {
  let seconds = 0
  let arrivals = 0
  let failures = 0
  let squares = 0
  return {
    add(count: Count) {
      seconds += 1
      arrivals += count.arrivals
      failures += count.failures
      squares += count.failures ** 2
    },
    total: (): Count => ({ arrivals, failures }),
    /** Variance over mean of the failures per second: 1 for independent ones. */
    dispersion(): number {
      if (seconds < 2 || failures === 0) return 1
      const mean = failures / seconds
      return (squares - seconds * mean ** 2) / (seconds - 1) / mean
    },
  }
}
