// An unexpected error is a bug of ours: the whole of it goes to a file that only its owner can read, and the person gets
// the path. Command lines are not in it: the words of `exec` may hold what nobody should find in a log.
import { mkdir, writeFile } from 'node:fs/promises'
import { arch, platform, release } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { stateDirectory } from './home.ts'

/** @returns the file's path; null when it could not be written, which must not hide the error itself */
export async function recordBug(
  error: unknown,
  about: {
    readonly command: string
    readonly version: string
    readonly env: Readonly<Record<string, string | undefined>>
    readonly now: Date
  },
): Promise<string | null> {
  const folder = join(stateDirectory(about.env), 'bugs')
  const file = join(folder, `${about.now.toISOString().replace(/[:.]/g, '-')}-${process.pid}.log`)
  const text = [
    `rollgate ${about.version}, node ${process.versions.node}, ${platform()} ${release()} ${arch()}`,
    `command: ${about.command}`,
    `at: ${about.now.toISOString()}`,
    '',
    inspect(error, { depth: 4 }),
    '',
  ].join('\n')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(file, text, { mode: 0o600, flag: 'wx' })
    return file
  } catch {
    return null
  }
}
