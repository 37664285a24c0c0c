// A load that was made from somebody else's description, before it is written down. What was left out is counted with its
// reason: nobody should believe that everything is in it.
import type { LoadAuth, LoadMethod, LoadRequest } from '../../domain/load.ts'

export type Draft = {
  /** Its name under `loads`. */
  readonly name: string
  /** What it was made from, for the head of the block. */
  readonly from: 'HAR' | 'OpenAPI'
  /** visit: one after the other; single: each by itself. */
  readonly kind: 'visit' | 'single'
  readonly requests: readonly LoadRequest[]
  readonly headers: Readonly<Record<string, string>>
  readonly auth: LoadAuth | null
  readonly methods: readonly LoadMethod[]
  readonly left: readonly Left[]
  /** Names under `secrets` that the block wants. */
  readonly secrets: readonly string[]
  readonly notes: readonly string[]
}

export type Left = { readonly count: number; readonly why: string }

/** The file is no such description, or another version of it. */
export class NoDraftError extends Error {
  override readonly name = 'NoDraftError'
}

export type LeftOut = { add(why: string): void; list(): readonly Left[] }

export function createLeftOut(): LeftOut {
  const counts = new Map<string, number>()
  return {
    add(why) {
      counts.set(why, (counts.get(why) ?? 0) + 1)
    },
    list: () => [...counts].sort(([, left], [, right]) => right - left).map(([why, count]) => ({ count, why })),
  }
}

const METHODS: readonly LoadMethod[] = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']

export function methodOf(text: string): LoadMethod | null {
  return METHODS.find((method) => method === text.toUpperCase()) ?? null
}
