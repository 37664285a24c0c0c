// Local processes, the only place that starts any (on execa): builds, hooks, `ssh -G`, git, proxy commands. Each runs in
// its own process group, which is ended as a whole; output is bounded; a background child that keeps our pipes open does
// not hold us. Careful about ourselves ending first: a group of its own would outlive us.
import { Duplex } from 'node:stream'
import { execa, type Options } from 'execa'
import type { CommandResult, OutputLine } from '../domain/command.ts'
import { RollgateError } from '../domain/error.ts'
import { cleanText } from '../util/text.ts'
import { collectLines } from './transport/lines.ts'
import { pump } from './transport/pump.ts'

export type LocalOptions = {
  readonly cwd?: string
  /** Instead of our own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly stdin?: string
  /** After `stdin`, where both are given. */
  readonly input?: AsyncIterable<Uint8Array>
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly onLine?: (line: OutputLine) => void | Promise<void>
  readonly maxOutputBytes?: number
}

export type LocalCommand = { readonly argv: readonly string[] } | { readonly shell: string }

/** Between a polite end and a hard one. */
const KILL_AFTER_MS = 5_000
/** After the process has exited, without any output in between: what holds the pipes then is somebody's child. */
const GRACE_MS = 500
const POLL_MS = 25

/**
 * Runs words, or a shell line of the user's. A non-zero exit is a value.
 * @throws RollgateError E_CANCELLED when the signal fires, once the group is gone; E_COMMAND when it cannot be started
 * at all; whatever `input` or `onLine` throws
 */
export async function runLocal(command: LocalCommand, options: LocalOptions = {}): Promise<CommandResult> {
  const began = performance.now()
  if (options.signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
  const { child, exited } = start(command, options)
  let ending: 'timeout' | 'cancelled' | 'failed' | null = null
  let failure: unknown = null
  let killed: Promise<void> | null = null
  const end = (why: typeof ending): void => {
    if (ending !== null) return
    ending = why
    if (why !== 'timeout') output.stop()
    killed = endGroup(child.pid, why === 'failed' ? 0 : KILL_AFTER_MS)
  }
  const fail = (error: unknown): void => {
    if (ending !== null) return
    failure = error
    end('failed')
  }
  const output = collectLines({ onLine: options.onLine, maxBytes: options.maxOutputBytes, onFailure: fail })
  const reading = Promise.all([output.read(child.stdout, 'stdout'), output.read(child.stderr, 'stderr')])
  const { stdin } = child
  stdin.on('error', () => undefined)
  if (options.stdin !== undefined) stdin.write(options.stdin)
  if (options.input === undefined) stdin.end()
  else
    pump(
      options.input,
      stdin,
      exited.then(() => undefined),
    ).catch(fail)

  const onAbort = (): void => end('cancelled')
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => end('timeout'), options.timeoutMs)
  try {
    const exit = await exited
    if ('error' in exit)
      throw new RollgateError('E_COMMAND', `${exit.file} cannot be started: ${exit.error.message}`, { cause: exit.error })
    const idle = startIdle(
      () => output.bytes,
      () => output.waiting || child.stdout.readableLength > 0 || child.stderr.readableLength > 0,
    )
    await Promise.race([reading, idle.over, ...(killed === null ? [] : [killed])])
    idle.stop()
    child.stdout.destroy()
    child.stderr.destroy()
    await killed
    if (ending === 'cancelled') throw new RollgateError('E_CANCELLED', 'interrupted')
    if (ending === 'failed') throw failure
    return {
      exitCode: ending === 'timeout' ? null : exit.code,
      ...(exit.signal === null ? {} : { signal: exit.signal }),
      ...output.result(),
      durationMs: performance.now() - began,
      lost: false,
      timedOut: ending === 'timeout',
    }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

/**
 * A process whose input and output are one byte stream. It ends with the stream, and the stream with it: with an error
 * that tells its last words when it failed.
 */
export function startDuplex(command: LocalCommand, options: Pick<LocalOptions, 'env'> = {}): Duplex {
  const { child, exited } = start(command, options)
  const errors = collectLines({ maxBytes: 4_096 })
  const saidAll = errors.read(child.stderr, 'stderr')
  const stream = new Duplex({
    read() {
      child.stdout.resume()
    },
    write(chunk: Buffer, _encoding, done) {
      if (child.stdin.write(chunk)) done()
      else child.stdin.once('drain', () => done())
    },
    final(done) {
      child.stdin.end()
      done()
    },
    destroy(error, done) {
      void endGroup(child.pid, KILL_AFTER_MS)
      done(error)
    },
  })
  child.stdin.on('error', () => undefined)
  child.stdout.on('data', (chunk: Buffer) => {
    if (!stream.destroyed && !stream.push(chunk)) child.stdout.pause()
  })
  const ended = new Promise<void>((resolve) => child.stdout.once('close', () => resolve()))
  void Promise.all([exited, ended]).then(async ([exit]) => {
    if (stream.destroyed) return
    if (!('error' in exit) && exit.code === 0) {
      stream.push(null)
      return
    }
    await Promise.race([saidAll, new Promise((resolve) => setTimeout(resolve, GRACE_MS).unref())])
    const last = 'error' in exit ? exit.error.message : (errors.result().stderr.trim().split('\n').at(-1) ?? '')
    const how =
      'error' in exit ? 'could not be started' : exit.code === null ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`
    stream.destroy(new RollgateError('E_UNREACHABLE', `the proxy command ${how}${last === '' ? '' : `: ${cleanText(last, 300)}`}`))
  })
  return stream
}

type Exit = { readonly code: number | null; readonly signal: string | null } | { readonly error: Error; readonly file: string }

function start(command: LocalCommand, options: Pick<LocalOptions, 'cwd' | 'env'>) {
  const [file = '', ...words] = 'argv' in command ? command.argv : ['/bin/sh', '-c', command.shell]
  const child = execa(file, words, {
    buffer: false,
    reject: false,
    detached: true,
    stdin: 'pipe',
    stripFinalNewline: false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env }, extendEnv: false }),
  } satisfies Options)
  if (child.pid !== undefined) endWithUs(child.pid)
  const exited = new Promise<Exit>((resolve) => {
    child.nodeChildProcess.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal }))
    // It could not be started: then there is no `exit`.
    child.then(
      (result) => {
        if (child.pid === undefined) resolve({ error: result.cause instanceof Error ? result.cause : new Error('unknown'), file })
      },
      () => undefined,
    )
  })
  void exited.then(() => goneBeforeUs(child.pid))
  return { child, exited }
}

const running = new Set<number>()
const endAll = (): void => {
  for (const pid of running) signalGroup(pid, 'SIGKILL')
}

function endWithUs(pid: number): void {
  if (running.size === 0) process.on('exit', endAll)
  running.add(pid)
}

function goneBeforeUs(pid: number | undefined): void {
  if (pid === undefined || !running.delete(pid)) return
  if (running.size === 0) process.removeListener('exit', endAll)
}

/** Resolves when the group is gone, at the latest after it was killed. */
async function endGroup(pid: number | undefined, graceMs: number): Promise<void> {
  if (graceMs > 0) signalGroup(pid, 'SIGTERM')
  const until = performance.now() + graceMs
  while (groupLives(pid) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  signalGroup(pid, 'SIGKILL')
}

/** `over` resolves when for a while nothing came and nobody was still taking. */
function startIdle(bytes: () => number, busy: () => boolean): { readonly over: Promise<void>; stop(): void } {
  let timer: NodeJS.Timeout | undefined
  let seen = -1
  const over = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (seen === bytes() && !busy()) resolve()
      seen = bytes()
    }, GRACE_MS / 2)
  })
  return { over, stop: () => clearInterval(timer) }
}

function groupLives(pid: number | undefined): boolean {
  if (pid === undefined) return false
  try {
    process.kill(-pid, 0)
    return true
  } catch {
    return false
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
