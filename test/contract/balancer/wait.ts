// Waiting for conditions, never for a time. The limit is far beyond anything a busy machine needs.
const LIMIT_MS = 60_000

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const began = performance.now()
  while (!(await condition())) {
    if (performance.now() - began > LIMIT_MS) throw new Error(`waited ${LIMIT_MS / 1000} s in vain until ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}
