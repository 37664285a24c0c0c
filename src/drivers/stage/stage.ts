// Puts a release on one host, complete and verified, without touching what runs: look, send, commit. Every step can be
// repeated, so a lost connection means: reconnect and look again. Nothing here knows why it was called or what comes next.
import { setTimeout as wait } from 'node:timers/promises'
import type { CommandResult } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { ToolFacts } from '../../domain/facts.ts'
import type { Layout } from '../../domain/layout.ts'
import type { Artifact, ReleaseId, ReleaseInfo } from '../../domain/release.ts'
import type { Connection } from '../../domain/transport.ts'
import { stdinScript } from '../../util/shell.ts'
import { compressionFor, decompressWords } from './compression.ts'
import { EXIT } from './exits.ts'
import { failed, Retry } from './failed.ts'
import { commitScript, copyScript, lookScript, type ScriptContext, unpackScript } from './scripts.ts'
import type { SharedPath } from './shared.ts'

/** What is sent of a release. */
export type Shipment = {
  /** A stream of the archive in a form that the host can unpack, new at each call. */
  readonly openArchive: (
    compression: Artifact['compression'],
  ) => Promise<{ readonly bytes: number; readonly chunks: AsyncIterable<Uint8Array> }>
  /** Of the manifest, what the archive does not hold (fetch.ts). */
  readonly without: readonly string[]
  /** What is linked into it (shared.ts). */
  readonly shared: readonly SharedPath[]
  /** The environment file (env-file.ts), secrets resolved: it travels by standard input only. */
  readonly envText: string
}

export type StageOptions = {
  readonly connection: Connection
  /** A new connection to the same host after the first is lost; without it a lost connection is final. */
  readonly reconnect?: (signal: AbortSignal) => Promise<Connection>
  readonly layout: Layout
  readonly info: ReleaseInfo
  /** Links that belong to the release beside those into shared/ that are seen there. */
  readonly shared: readonly SharedPath[]
  /** Asked for only where the release has to be sent. */
  readonly shipment: () => Promise<Shipment>
  /** What to do with a damaged copy before the shipment is at hand [false: it goes at once]. */
  readonly keepDamaged?: boolean
  /** Releases on this host that were made of the same artifact. */
  readonly donors?: readonly ReleaseId[]
  readonly tools: ToolFacts
  /** Shell text that ends a script when the lease is no longer ours. */
  readonly guard?: string
  readonly signal: AbortSignal
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void
  /** Pauses before the second and third try, in ms [500, 2000]. */
  readonly retryAfterMs?: readonly number[]
}

/** A look or a commit hashes every file of the release once. */
const SCRIPT_TIMEOUT_MS = 15 * 60_000
/** An upload may be as slow as this, and not slower. */
const SLOWEST_BYTES_PER_MS = 20

export type Staged = { readonly state: 'already' | 'staged'; readonly note: string }

/** @throws RollgateError E_STAGE, E_DISK, E_ROOT, E_CANCELLED */
export async function stageRelease(options: StageOptions): Promise<Staged> {
  const host = options.connection.host.name
  if (options.tools.tar === 'missing') throw new RollgateError('E_STAGE', `${host} has no tar`, { host, hints: ['Install tar there'] })
  const pauses = options.retryAfterMs ?? [500, 2000]
  let connection = options.connection
  for (let tries = 0; ; tries += 1) {
    try {
      if (!connection.alive) connection = await reconnected(options)
      return await stageOnce({ ...options, connection })
    } catch (error) {
      const pauseMs = pauses[tries]
      if (options.signal.aborted || !(error instanceof Retry)) throw error
      if (pauseMs === undefined) throw error.because
      await pause(pauseMs, options.signal)
    }
  }
}

async function stageOnce(options: StageOptions): Promise<Staged> {
  const { layout, info, guard = '', keepDamaged = false } = options
  const context: ScriptContext = { layout, info, without: [], guard }
  let looked = await script(options, lookScript(context, { shared: options.shared, keepDamaged }))
  if (looked.includes('complete')) return { state: 'already', note: 'complete already' }
  const shipment = await options.shipment()
  const { without, shared, envText } = shipment
  // Now that there is something to put in its place.
  if (looked.includes('kept')) looked = await script(options, lookScript({ ...context, without }, { shared, keepDamaged: false }))
  const notes = looked.includes('damaged') ? ['the copy there was damaged and was replaced'] : []
  if (looked.includes('uploaded')) notes.push('found from an interrupted run')
  else notes.push((await copyThere(options, context)) ?? (await upload(options, { ...context, without }, shipment)))
  const told = await script(options, commitScript(context, shared, envText))
  return { state: 'staged', note: [...notes, ...sharedNotes(told, shared)].join('; ') }
}

/** What was copied from, or null where no other release there is of any use. */
async function copyThere(options: StageOptions, context: ScriptContext): Promise<string | null> {
  for (const donor of options.donors ?? []) {
    const { argv, stdin } = stdinScript(copyScript(context, donor))
    const result = await run(options, () =>
      options.connection.run({ argv, stdin, timeoutMs: SCRIPT_TIMEOUT_MS }, { signal: options.signal }),
    )
    if (result.exitCode === 0) return `the same artifact as ${donor}: nothing was sent`
    if (result.exitCode !== EXIT.noCopy) throw failed(result, options)
  }
  return null
}

async function upload(options: StageOptions, context: ScriptContext, shipment: Shipment): Promise<string> {
  const compression = compressionFor(options.tools)
  const { bytes, chunks } = await shipment.openArchive(compression)
  const text = unpackScript(context, decompressWords(compression))
  const timeoutMs = SCRIPT_TIMEOUT_MS + bytes / SLOWEST_BYTES_PER_MS
  const input = counted(chunks, (sent) => options.onProgress?.(sent, bytes))
  const result = await run(options, () =>
    options.connection.run({ argv: ['sh', '-c', text], timeoutMs }, { signal: options.signal, input }),
  )
  if (result.exitCode !== 0) throw failed(result, options)
  const unit = compression === 'none' ? '' : ` (${compression})`
  return `${(bytes / 1e6).toFixed(1)} MB sent${unit}`
}

/** What it printed, line by line. */
async function script(options: StageOptions, text: string): Promise<readonly string[]> {
  const { argv, stdin } = stdinScript(text)
  const result = await run(options, () => options.connection.run({ argv, stdin, timeoutMs: SCRIPT_TIMEOUT_MS }, { signal: options.signal }))
  if (result.exitCode !== 0) throw failed(result, options)
  return result.stdout.split('\n')
}

/** @throws Retry when it is not known what happened */
async function run(options: StageOptions, start: () => Promise<CommandResult>): Promise<CommandResult> {
  const lost = (cause?: unknown) => {
    const host = options.connection.host.name
    const message = `The connection to ${host} was lost while ${options.info.id} was staged`
    return new Retry(
      new RollgateError('E_STAGE', message, {
        host,
        cause,
        now: 'Nothing that runs there was touched',
        hints: ['Run the same command again: it goes on from what is there'],
      }),
    )
  }
  let result: CommandResult
  try {
    result = await start()
  } catch (error) {
    if (error instanceof RollgateError && error.code === 'E_LOST') throw lost(error)
    throw error
  }
  if (result.lost) throw lost()
  return result
}

async function reconnected(options: StageOptions): Promise<Connection> {
  const host = options.connection.host.name
  const because = new RollgateError('E_STAGE', `The connection to ${host} is gone, and ${options.info.id} is not staged there`, {
    host,
    now: 'Nothing that runs there was touched',
  })
  if (options.reconnect === undefined) throw because
  try {
    return await options.reconnect(options.signal)
  } catch (cause) {
    if (options.signal.aborted) throw cause
    throw new Retry(cause instanceof RollgateError ? cause : because)
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, tell: (sent: number) => void): AsyncGenerator<Uint8Array> {
  let sent = 0
  for await (const chunk of chunks) {
    yield chunk
    sent += chunk.length
    tell(sent)
  }
}

function sharedNotes(lines: readonly string[], shared: readonly SharedPath[]): readonly string[] {
  return lines.flatMap((line) => {
    const [, word, index] = /^(missing|replaced) (\d+)$/.exec(line) ?? []
    const path = shared[Number(index)]?.path
    if (word === undefined || path === undefined) return []
    return word === 'missing'
      ? [`shared/${path} does not exist yet`]
      : [`the artifact's own ${path} gave way to the link to shared/${path}`]
  })
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal })
  } catch (cause) {
    throw new RollgateError('E_CANCELLED', 'Interrupted while a release was staged', { cause })
  }
}
