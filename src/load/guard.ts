// The emergency brake: more failures than `abort_if` allows among all that ended in its last so many seconds, on any
// target. Looked at once a second, whatever the statistics say, because it protects what is being loaded.

export type Guard = {
  ended(target: number, nowMs: number, failed: boolean): void
  /** @returns the target that has to be spared, or null */
  tripped(nowMs: number): number | null
}

type Bucket = { readonly second: number; ended: number; failed: number }

export function createGuard(rule: { readonly errorRate: number; readonly forMs: number } | null, targets: number): Guard {
  const buckets: Bucket[][] = Array.from({ length: targets }, () => [])
  return {
    ended(target, nowMs, failed) {
      if (rule === null) return
      const list = buckets[target] ?? []
      const second = Math.floor(nowMs / 1000)
      let bucket = list.at(-1)
      if (bucket === undefined || bucket.second !== second) {
        bucket = { second, ended: 0, failed: 0 }
        list.push(bucket)
      }
      bucket.ended += 1
      if (failed) bucket.failed += 1
    },
    tripped(nowMs) {
      // Not before the rule's own time has passed: the first second of a run says little.
      if (rule === null || nowMs < rule.forMs) return null
      const from = Math.floor((nowMs - rule.forMs) / 1000)
      for (const [target, list] of buckets.entries()) {
        while (list[0] !== undefined && list[0].second < from) list.shift()
        const ended = list.reduce((sum, bucket) => sum + bucket.ended, 0)
        const failed = list.reduce((sum, bucket) => sum + bucket.failed, 0)
        if (ended > 0 && failed > rule.errorRate * ended) return target
      }
      return null
    },
  }
}
