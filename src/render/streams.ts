// Where text goes. A reader that went away (EPIPE) or a terminal that was closed must never take the rollout with it:
// writing after a failure is a silent no-op.

/** What we need of process.stdout and process.stderr. */
export type Output = {
  write(text: string, done?: (error?: Error | null) => void): boolean
  on?(event: 'error', listener: (error: Error) => void): unknown
  off?(event: 'error', listener: (error: Error) => void): unknown
}

export type Sink = {
  write(text: string): void
  /** Resolves when all is written or nobody reads any more; never rejects, and waits at most `limitMs`. */
  end(): Promise<void>
  readonly isBroken: () => boolean
}

const END_LIMIT_MS = 2_000

export function sinkTo(output: Output): Sink {
  let broken = false
  const onError = (): void => {
    broken = true
  }
  output.on?.('error', onError)
  return {
    isBroken: () => broken,
    write(text) {
      if (broken) return
      try {
        output.write(text)
      } catch {
        broken = true
      }
    },
    async end() {
      if (!broken) await drained(output)
      // The listener stays on the process's own streams: an error that comes late must still not be uncaught.
    },
  }
}

function drained(output: Output): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, END_LIMIT_MS)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    output.on?.('error', done)
    try {
      output.write('', done)
    } catch {
      done()
    }
  })
}
