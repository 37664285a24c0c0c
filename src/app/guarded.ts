// A balancer as a rollout may use it: before each change the host's lease is confirmed (no script on the host checks what
// is said to the balancer), a dead-man timer is armed before a drain and taken away after the enable.
import type { LoadBalancer, ServerRef } from '../domain/balancer.ts'
import type { Timers } from '../drivers/timer/timers.ts'

export type Guard = {
  /** @throws RollgateError E_LOCKED when the host is no longer ours, E_LOST when that cannot be known */
  readonly confirm: (ref: ServerRef, signal: AbortSignal) => Promise<void>
  readonly timers: Timers
  /** The weight that the server had before the rollout. */
  readonly weightOf: (ref: ServerRef) => number | null
}

export function guardBalancer(balancer: LoadBalancer, guard: Guard): LoadBalancer {
  const { confirm, timers, weightOf } = guard
  const { maintenance, verifyOutOfRotation, closeSessions } = balancer
  // Not waited for: the server is back, and whatever happens to this machine now, nobody needs to bring it back.
  const backAgain = (ref: ServerRef, signal: AbortSignal): void => {
    void timers.disarm(balancer, ref, signal).catch(() => undefined)
  }
  return {
    ...balancer,
    async drain(ref, options) {
      await confirm(ref, options.signal)
      await timers.arm(balancer, ref, weightOf(ref), options.signal)
      return balancer.drain(ref, options)
    },
    async ready(ref, options) {
      await confirm(ref, options.signal)
      const change = await balancer.ready(ref, options)
      backAgain(ref, options.signal)
      return change
    },
    async restore(before, options) {
      await confirm(before.ref, options.signal)
      const change = await balancer.restore(before, options)
      backAgain(before.ref, options.signal)
      return change
    },
    ...(maintenance === undefined
      ? {}
      : {
          async maintenance(ref, options) {
            await confirm(ref, options.signal)
            return maintenance(ref, options)
          },
        }),
    ...(verifyOutOfRotation === undefined
      ? {}
      : {
          async verifyOutOfRotation(ref, options) {
            await confirm(ref, options.signal)
            return verifyOutOfRotation(ref, options)
          },
        }),
    ...(closeSessions === undefined
      ? {}
      : {
          async closeSessions(ref, options) {
            await confirm(ref, options.signal)
            return closeSessions(ref, options)
          },
        }),
  }
}
