// Waiting for a condition, the only way in which tests wait. The deadline is for a busy machine: generous, and only
// ever reached when the condition will not come.
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 60_000,
): Promise<T> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > end) throw new Error(`waited ${deadlineMs / 1000} s for: ${what}`)
    await pause(25)
  }
}

/** Between two looks, or between two requests; never instead of a condition. */
export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
