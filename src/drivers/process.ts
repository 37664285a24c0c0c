// Local processes, the only place that starts any (on execa): builds, hooks, `ssh -G`, git. Each runs in its own process
// group, which is ended as a whole; output is bounded; a background child that keeps our pipes open does not hold us.
import { Readable } from 'node:stream'
import { execa, type Options } from 'execa'
import type { CommandResult, OutputLine } from '../domain/command.ts'
import { RollgateError } from '../domain/error.ts'
import { collectLines } from './transport/lines.ts'

export type LocalOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly stdin?: string
  readonly input?: AsyncIterable<Uint8Array>
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly onLine?: (line: OutputLine) => void | Promise<void>
  readonly maxOutputBytes?: number
}

/** Between a polite end and a hard one. */
const KILL_AFTER_MS = 5_000
/** How long output may still come after the process itself has exited: what holds the pipes then is somebody's child. */
const GRACE_MS = 500

/**
 * Runs words, or a shell line of the user's. A non-zero exit is a value.
 * @throws RollgateError E_CANCELLED when the signal fires; E_COMMAND when it cannot be started at all
 */
export async function runLocal(
  command: { readonly argv: readonly string[] } | { readonly shell: string },
  options: LocalOptions = {},
): Promise<CommandResult> {
  const began = performance.now()
  if (options.signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
  const [file = '', ...words] = 'argv' in command ? command.argv : ['/bin/sh', '-c', command.shell]
  const settings = {
    buffer: false,
    reject: false,
    detached: true,
    cleanup: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env }, extendEnv: false }),
    ...(options.input === undefined
      ? options.stdin === undefined
        ? { stdin: 'ignore' }
        : { input: options.stdin }
      : { input: Readable.from(options.input, { objectMode: false }) }),
  } satisfies Options
  const child = execa(file, words, settings)
  const output = collectLines(options.onLine, options.maxOutputBytes)
  const streams = [output.read(child.stdout, 'stdout'), output.read(child.stderr, 'stderr')]

  let timedOut = false
  let cancelled = false
  const endGroup = (): void => {
    signalGroup(child.pid, 'SIGTERM')
    setTimeout(() => signalGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS).unref()
  }
  const onAbort = (): void => {
    cancelled = true
    endGroup()
  }
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          endGroup()
        }, options.timeoutMs)
  try {
    const exit = await new Promise<{ code: number | null; signal: string | null; error: Error | null }>((resolve) => {
      child.nodeChildProcess.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal, error: null }))
      child.nodeChildProcess.once('error', (error: Error) => resolve({ code: null, signal: null, error }))
      child.catch((error: unknown) =>
        resolve({ code: null, signal: null, error: error instanceof Error ? error : new Error(String(error)) }),
      )
    })
    if (exit.error !== null && exit.code === null && exit.signal === null && child.pid === undefined) {
      throw new RollgateError('E_COMMAND', `${file} cannot be started: ${exit.error.message}`, { cause: exit.error })
    }
    const drained = await Promise.race([
      Promise.all(streams).then(() => true),
      new Promise<false>((resolve) => setTimeout(() => resolve(false), GRACE_MS)),
    ])
    if (!drained) {
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    if (cancelled) throw new RollgateError('E_CANCELLED', 'interrupted')
    return {
      exitCode: timedOut ? null : exit.code,
      ...(exit.signal === null ? {} : { signal: exit.signal }),
      ...output.result(),
      durationMs: performance.now() - began,
      lost: false,
      timedOut,
    }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

function signalGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone: that is what was wanted.
  }
}
