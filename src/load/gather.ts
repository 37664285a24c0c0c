// Seconds that several senders tell, each for itself: a second is handed on when all of them have told it, in whatever
// order they do; at the end what is left.

export type Gatherer<T> = {
  add(second: number, all: readonly T[]): void
  finish(): void
}

export function createGatherer<T>(senders: number, onSecond: (second: number, all: readonly T[]) => void): Gatherer<T> {
  const told = new Map<number, { senders: number; readonly all: T[] }>()
  return {
    add(second, all) {
      const so = told.get(second) ?? { senders: 0, all: [] }
      told.set(second, so)
      so.senders += 1
      so.all.push(...all)
      if (so.senders < senders) return
      told.delete(second)
      onSecond(second, so.all)
    },
    finish() {
      for (const [second, so] of [...told].sort(([left], [right]) => left - right)) onSecond(second, so.all)
      told.clear()
    },
  }
}
