// The emergency brake: more failures than `abort_if` allows among all that ended in its last so many seconds, on any
// target. Looked at once a second, warm-up included, whatever the statistics say, because it protects what is being loaded.
import type { LoadSafety } from '../domain/load.ts'

export type BrakeRule = NonNullable<LoadSafety['abortIf']>

export type Tripped = {
  /** Which one has to be spared. */
  readonly target: number
  /** Of the run, counted from one. */
  readonly second: number
  /** Within the rule's time. */
  readonly ended: number
  readonly failed: number
}

export type Guard = {
  ended(target: number, nowMs: number, failed: boolean): void
  /** Many at once, of which so many failed. */
  endedTogether(target: number, nowMs: number, ended: number, failed: number): void
  /** @returns null: go on */
  tripped(nowMs: number): Tripped | null
}

type Bucket = { readonly second: number; ended: number; failed: number }

export function createGuard(rule: BrakeRule | null, targets: number): Guard {
  const buckets: Bucket[][] = Array.from({ length: targets }, () => [])
  const endedTogether = (target: number, nowMs: number, ended: number, failed: number) => {
    if (rule === null) return
    const list = buckets[target] ?? []
    const second = Math.floor(nowMs / 1000)
    let bucket = list.at(-1)
    if (bucket === undefined || bucket.second !== second) {
      bucket = { second, ended: 0, failed: 0 }
      list.push(bucket)
    }
    bucket.ended += ended
    bucket.failed += failed
  }
  return {
    ended: (target, nowMs, failed) => endedTogether(target, nowMs, 1, failed ? 1 : 0),
    endedTogether,
    tripped(nowMs) {
      // Not before the rule's own time has passed: the first second of a run says little.
      if (rule === null || nowMs < rule.forMs) return null
      const from = Math.floor((nowMs - rule.forMs) / 1000)
      for (const [target, list] of buckets.entries()) {
        while (list[0] !== undefined && list[0].second < from) list.shift()
        const ended = list.reduce((sum, bucket) => sum + bucket.ended, 0)
        const failed = list.reduce((sum, bucket) => sum + bucket.failed, 0)
        if (ended > 0 && failed > rule.errorRate * ended) return { target, second: Math.max(1, Math.floor(nowMs / 1000)), ended, failed }
      }
      return null
    },
  }
}

/** `safety.abort_if (errors > 5% for 10s) in second 12: 53 of 100 requests that ended on web-1 had failed` */
export function brakeSentence(rule: BrakeRule, { second, ended, failed }: Tripped, target: string): string {
  const condition = `errors > ${Number((100 * rule.errorRate).toPrecision(6))}% for ${rule.forMs / 1000}s`
  return `safety.abort_if (${condition}) in second ${second}: ${failed} of ${ended} requests that ended on ${target} had failed`
}
