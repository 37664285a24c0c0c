// Stops outside the statistics (load-and-gates.md, 7.2): they protect users and production while a gate still measures.
// Careful about what a stop proves: a canary that fails together with the old release is no proof against the canary.
import type { Count } from './error-process.ts'

export type SecondSeen = {
  /** `answers`: of whatever kind; a 500 is one, a closed connection is none. */
  readonly canary: Count & { readonly answers: number }
  /** null: nothing is compared. */
  readonly old: Count | null
}

export type HardStop =
  /** The canary fails, or is many times slower. */
  | { readonly kind: 'canary'; readonly reason: string }
  /** The old release fails too (or alone): stop, and blame nobody. */
  | { readonly kind: 'both'; readonly reason: string }
  /** Not one answer since the start, not even a bad one. */
  | { readonly kind: 'dead'; readonly reason: string }

const ERROR_SHARE = 0.05
const ERROR_SECONDS = 10
/** It must last: of the seconds that saw requests so many are bad, or one burst of failures would stop a gate. */
const BAD_SECONDS = 0.8
/** Fewer than this are no reason to stop a production gate: at one request a second a single one is 10 %. */
const FEWEST_FAILURES = 5
const TIMES_SLOWER = 5
const BLOCKS_SLOWER = 3

export function createHardStops() {
  const last: SecondSeen[] = []
  let answers = 0
  let slowBlocks = 0
  return {
    /** One second, of the warm-up too. */
    second(seen: SecondSeen): HardStop | null {
      answers += seen.canary.answers
      last.push(seen)
      if (last.length > ERROR_SECONDS) last.shift()
      if (last.length < ERROR_SECONDS) return null
      const canary = shareOf(last.map((one) => one.canary))
      const old = shareOf(last.map((one) => one.old))
      if (canary.isBad && answers === 0)
        return { kind: 'dead', reason: `the new release has not answered one of ${canary.arrivals} requests in ${ERROR_SECONDS} s` }
      if (canary.isBad && !old.isBad)
        return { kind: 'canary', reason: `${percent(canary.share)} of the new release's requests failed for ${ERROR_SECONDS} s` }
      if (old.isBad) {
        const both = canary.isBad ? `${percent(canary.share)} of the new release's requests and ` : ''
        return {
          kind: 'both',
          reason: `${both}${percent(old.share)} of the old release's requests failed for ${ERROR_SECONDS} s: nothing can be compared`,
        }
      }
      return null
    },
    /** One whole block: the medians of the two. */
    block(canaryMs: number | null, oldMs: number | null): HardStop | null {
      const isSlower = canaryMs !== null && oldMs !== null && canaryMs > TIMES_SLOWER * oldMs
      slowBlocks = isSlower ? slowBlocks + 1 : 0
      if (slowBlocks < BLOCKS_SLOWER || canaryMs === null || oldMs === null) return null
      return {
        kind: 'canary',
        reason: `the new release's median is ${(canaryMs / oldMs).toFixed(1)} times the old one's in ${BLOCKS_SLOWER} blocks in a row`,
      }
    },
  }
}

function shareOf(seconds: readonly (Count | null)[]) {
  const seen = seconds.filter((second) => second !== null && second.arrivals > 0)
  const arrivals = seen.reduce((sum, second) => sum + (second?.arrivals ?? 0), 0)
  const failures = seen.reduce((sum, second) => sum + (second?.failures ?? 0), 0)
  const bad = seen.filter((second) => second !== null && second.failures > ERROR_SHARE * second.arrivals).length
  const share = arrivals > 0 ? failures / arrivals : 0
  return { arrivals, share, isBad: failures >= FEWEST_FAILURES && share > ERROR_SHARE && bad >= BAD_SECONDS * seen.length }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
}
