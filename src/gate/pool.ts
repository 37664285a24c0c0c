// Evidence of several hosts, from one stage or from all so far (load-and-gates.md, 8.4), put together with random effects:
// the release's own effect is told apart from what single hosts add to it. Careful about a bad host: it must not make the
// release look bad, and a bad release must not hide as one bad host.
import type { HostEffect } from '../domain/gate.ts'
import { chiSquareTail, normalLimit } from './distributions.ts'

export type Pooled = {
  /** Of the release, over all hosts. */
  readonly theta: number
  readonly se: number
  /** Standard deviation between hosts beyond noise. */
  readonly tau: number
  /** Chance of so much difference between hosts if there were none. */
  readonly sameHosts: number
  /** Hosts that differ from all others together by more than chance allows. */
  readonly oddHosts: readonly string[]
}

/** DerSimonian and Laird's estimate; hosts that were measured better weigh more. */
export function pool(effects: readonly HostEffect[]): Pooled | null {
  const known = effects.filter(({ theta, se }) => Number.isFinite(theta) && se > 0 && Number.isFinite(se))
  if (known.length === 0) return null
  const { heterogeneity, variance } = spreadOf(known)
  return {
    ...weigh(known, variance),
    tau: Math.sqrt(variance),
    sameHosts: known.length < 2 ? 1 : chiSquareTail(heterogeneity, known.length - 1),
    oddHosts: known.filter((host) => isOdd(host, known)).map(({ host }) => host),
  }
}

/** Compared with the rest alone, or one very odd host would widen the spread it is judged by. One in a hundred over all. */
function isOdd(host: HostEffect, all: readonly HostEffect[]): boolean {
  const others = all.filter((one) => one !== host)
  // Of two hosts that differ nobody can say which is the odd one.
  if (others.length < 2) return false
  const { variance } = spreadOf(others)
  const rest = weigh(others, variance)
  const se = Math.sqrt(host.se ** 2 + rest.se ** 2 + variance)
  return Math.abs(host.theta - rest.theta) > normalLimit(0.005 / all.length) * se
}

function spreadOf(effects: readonly HostEffect[]): { readonly heterogeneity: number; readonly variance: number } {
  const fixed = weigh(effects, 0)
  const weights = effects.map(({ se }) => 1 / se ** 2)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const scale = total - weights.reduce((sum, weight) => sum + weight ** 2, 0) / total
  const heterogeneity = effects.reduce((sum, { theta, se }) => sum + ((theta - fixed.theta) / se) ** 2, 0)
  return { heterogeneity, variance: scale > 0 ? Math.max(0, (heterogeneity - (effects.length - 1)) / scale) : 0 }
}

function weigh(effects: readonly HostEffect[], between: number): { readonly theta: number; readonly se: number } {
  const weights = effects.map(({ se }) => 1 / (se ** 2 + between))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return { theta: effects.reduce((sum, { theta }, index) => sum + theta * (weights[index] ?? 0), 0) / total, se: Math.sqrt(1 / total) }
}
