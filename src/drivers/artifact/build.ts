// Runs the build line, and remembers what the folder looked like afterwards so that the next deploy can leave it out
// (src/decisions/20-build-skip.md). When in doubt it builds: a lost record, a folder that cannot be read, a source that
// was edited while the build ran.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { OutputLine } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import { runLocal } from '../process.ts'
import { changedBetween, fingerprintOf, type Snapshot, snapshotOf } from './fingerprint.ts'
import { trackedFiles } from './git.ts'

export type BuildOptions = {
  readonly build: string
  /** Where it runs: the configuration's folder. */
  readonly directory: string
  readonly configFile: string
  readonly cacheDirectory: string
  /** Absolute path of what the build makes. */
  readonly output: string
  readonly environment: string | null
  readonly signal: AbortSignal
  readonly onLine: (line: OutputLine) => void
  readonly env: NodeJS.ProcessEnv
}

type BuildRecord = { readonly version: 1; readonly fingerprint: string; readonly artifact: string }

const SHOWN_LINES = 20

/** Hash of the artifact the last build made, if nothing changed since; null: build. */
export async function unchangedSince(options: BuildOptions): Promise<string | null> {
  const record = await readRecord(recordPath(options))
  if (record === null) return null
  const snapshot = await look(options)
  return snapshot !== null && fingerprintFor(snapshot, options) === record.fingerprint ? record.artifact : null
}

/** @returns a function that keeps the record once the artifact's hash is known. @throws RollgateError E_BUILD */
export async function runBuild(options: BuildOptions): Promise<(artifact: string) => Promise<void>> {
  const before = await look(options)
  const tail: string[] = []
  const result = await runLocal(
    { shell: options.build },
    {
      cwd: options.directory,
      env: options.env,
      signal: options.signal,
      onLine: (line) => {
        tail.push(line.text)
        if (tail.length > SHOWN_LINES) tail.shift()
        options.onLine(line)
      },
    },
  )
  if (result.exitCode !== 0) {
    const ended = result.exitCode === null ? `was ended by ${result.signal ?? 'a signal'}` : `ended with exit code ${result.exitCode}`
    throw new RollgateError('E_BUILD', `The build ${ended}: ${options.build}`, {
      evidence: tail,
      now: 'No host was touched',
      hints: [`Run it by itself in ${options.directory}`],
    })
  }
  return async (artifact) => {
    const after = await look(options)
    if (before === null || after === null || (await editedMeanwhile(before, after, options))) return
    await writeRecord(recordPath(options), { version: 1, fingerprint: fingerprintFor(after, options), artifact })
  }
}

function look(options: BuildOptions): Promise<Snapshot | null> {
  return snapshotOf(options.directory, [options.configFile, options.cacheDirectory], options.signal)
}

function fingerprintFor(snapshot: Snapshot, options: BuildOptions): string {
  return fingerprintOf(snapshot, [options.build, options.environment, options.output])
}

/**
 * A source saved while the build ran may have been read before: the build must not count as being of it. Sources and
 * side products can only be told apart where git knows the sources; elsewhere a build's own writes are believed.
 */
async function editedMeanwhile(before: Snapshot, after: Snapshot, options: BuildOptions): Promise<boolean> {
  const tracked = await trackedFiles(options.directory, options.signal)
  const output = relative(options.directory, options.output)
  const sources = (tracked ?? []).filter((name) => name !== output && !name.startsWith(output + sep))
  return changedBetween(before, after, sources).length > 0
}

function recordPath(options: BuildOptions): string {
  const key = createHash('sha256')
    .update(JSON.stringify([options.directory, options.output, options.environment]))
    .digest('hex')
  return join(options.cacheDirectory, 'builds', `${key.slice(0, 32)}.json`)
}

async function readRecord(path: string): Promise<BuildRecord | null> {
  try {
    const record: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isRecord(record) ? record : null
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is BuildRecord {
  if (typeof value !== 'object' || value === null) return false
  const { version, fingerprint, artifact } = value as { version?: unknown; fingerprint?: unknown; artifact?: unknown }
  return version === 1 && typeof fingerprint === 'string' && typeof artifact === 'string'
}

/** A record that cannot be kept costs one more build, not the deploy. */
async function writeRecord(path: string, record: BuildRecord): Promise<void> {
  const part = `${path}.${process.pid}.part`
  try {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    await writeFile(part, JSON.stringify(record))
    await rename(part, path)
  } catch {
    return
  }
}
