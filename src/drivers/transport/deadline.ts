// A clock for one attempt to connect. It stands still while a person is asked: typing a passphrase is no slow host.
export type Deadline = {
  paused<T>(work: () => Promise<T>): Promise<T>
  /** Fires when the time is over. */
  readonly signal: AbortSignal
  clear(): void
}

export function startDeadline(ms: number): Deadline {
  const over = new AbortController()
  let leftMs = ms
  let since = performance.now()
  let pauses = 0
  let timer: NodeJS.Timeout | undefined
  const run = (): void => {
    since = performance.now()
    timer = setTimeout(() => over.abort(), Math.max(0, leftMs))
  }
  run()
  let cleared = false
  return {
    signal: over.signal,
    async paused(work) {
      if (pauses === 0) {
        clearTimeout(timer)
        leftMs -= performance.now() - since
      }
      pauses += 1
      try {
        return await work()
      } finally {
        pauses -= 1
        if (pauses === 0 && !cleared) run()
      }
    },
    clear() {
      cleared = true
      clearTimeout(timer)
    },
  }
}
