// Builds of the end-to-end app: a folder with the server, something that differs from build to build, and, for a bad
// release, what is wrong with it.
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type Variant = {
  readonly kind: 'good' | 'crash' | 'late-crash' | 'hang' | 'error' | 'old-version' | 'wrong-port' | 'slow-start' | 'slow'
  /** How long a request takes, from and to, in milliseconds. */
  readonly takes?: readonly [number, number]
  readonly startMs?: number
  /** Bad on this host alone. */
  readonly only?: string
  /** Of bytes that cannot be compressed, beside the app. */
  readonly megabytes?: number
}

const server = fileURLToPath(new URL('../app/server.mjs', import.meta.url))

/** Writes a build into `folder`. Another `build` word is another artifact. */
export function writeBuild(folder: string, build: string, variant: Variant = { kind: 'good' }): void {
  mkdirSync(join(folder, 'public'), { recursive: true })
  cpSync(server, join(folder, 'server.mjs'))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name: 'app', version: build, type: 'module' })}\n`)
  writeFileSync(join(folder, 'public', 'index.html'), `<h1>${build}</h1>\n`)
  writeFileSync(join(folder, 'variant.json'), JSON.stringify(variant))
  if (variant.megabytes !== undefined) writeFileSync(join(folder, 'ballast'), randomBytes(variant.megabytes * 1024 * 1024))
}
