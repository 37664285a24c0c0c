// One command on a channel, from its input to its end. Careful about the endings: output may follow the exit status; a
// background child keeps a channel open for ever; a connection that goes away looks like an ordinary end of output; a
// command that does not listen to its end must not hold us.
import type { CommandResult, RunOptions } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Exit, SshChannel, SshClient } from './client.ts'
import { collectLines } from './lines.ts'
import { pump } from './pump.ts'

/** After the exit status, without any output in between: what holds the channel then is a child in the background. */
const GRACE_MS = 2_000
/** From TERM to KILL; then the channel is closed under the command; then we go without its goodbye. */
const KILL_MS = 2_000
const CLOSE_MS = 3_000
const LEAVE_MS = 4_000

export type ChannelRun = RunOptions & { readonly stdin?: string | undefined; readonly timeoutMs?: number | undefined }

/** Without `stdin` and `input` the command is expected to have an empty input of its own. @throws RollgateError E_CANCELLED; whatever `input` or `onLine` throws */
export async function runOn(client: SshClient, channel: SshChannel, options: ChannelRun): Promise<CommandResult> {
  const began = performance.now()
  let exit: Exit | null = null
  let ending: 'timeout' | 'cancelled' | 'failed' | null = null
  let failure: unknown = null
  let cutOff = false
  let done = false
  const leave = Promise.withResolvers<void>()
  const timers: NodeJS.Timeout[] = []

  const end = (why: typeof ending): void => {
    if (ending !== null) return
    ending = why
    if (why !== 'timeout') output.stop()
    if (exit !== null) left()
    client.signal(channel, why === 'failed' ? 'KILL' : 'TERM')
    timers.push(
      setTimeout(() => client.signal(channel, 'KILL'), KILL_MS),
      setTimeout(() => channel.close(), CLOSE_MS),
      setTimeout(() => leave.resolve(), LEAVE_MS),
    )
  }
  // Nobody wants the output of a command that was interrupted: a reader that is stuck must not hold us.
  const left = (): void => {
    if (ending === 'timeout') return
    channel.close()
    leave.resolve()
  }
  const fail = (error: unknown): void => {
    if (ending !== null) return
    failure = error
    end('failed')
  }
  const output = collectLines({ onLine: options.onLine, maxBytes: options.maxOutputBytes, onFailure: fail })

  channel.on('error', () => undefined)
  channel.stderr.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => channel.once('close', () => resolve()))
  void channel.exited.then((how) => {
    exit = how
    if (done) return
    if (ending !== null) left()
    let seen = -1
    timers.push(
      setInterval(() => {
        const idle = seen === output.bytes && !output.waiting && channel.readableLength === 0 && channel.stderr.readableLength === 0
        seen = output.bytes
        if (idle) channel.close()
      }, GRACE_MS / 2),
    )
  })
  const forget = client.onGone(() => {
    // `eof` and `closed`: all that there was has come.
    if (channel.incoming.state === 'open') cutOff = true
  })
  const onAbort = (): void => end('cancelled')
  if (options.signal?.aborted === true) onAbort()
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.timeoutMs !== undefined) timers.push(setTimeout(() => end('timeout'), options.timeoutMs))

  try {
    const reading = Promise.all([output.read(channel, 'stdout'), output.read(channel.stderr, 'stderr')])
    feed(channel, options, closed, fail)
    await Promise.race([Promise.all([reading, closed]), leave.promise])
    if (ending === 'cancelled') throw new RollgateError('E_CANCELLED', 'interrupted')
    if (ending === 'failed') throw failure
    const ended = exit as Exit | null
    const lost = cutOff || (ended === null && ending === null)
    const known = !lost && ending === null && ended !== null
    return {
      exitCode: known ? ended.code : null,
      ...(known && ended.signal !== null ? { signal: ended.signal } : {}),
      ...output.result(),
      durationMs: performance.now() - began,
      lost,
      timedOut: ending === 'timeout',
    }
  } finally {
    done = true
    for (const timer of timers) clearInterval(timer)
    options.signal?.removeEventListener('abort', onAbort)
    forget()
  }
}

function feed(channel: SshChannel, options: ChannelRun, closed: Promise<void>, fail: (error: unknown) => void): void {
  if (options.input === undefined) {
    if (options.stdin !== undefined) channel.end(options.stdin)
    return
  }
  if (options.stdin !== undefined) channel.write(options.stdin)
  pump(options.input, channel, closed).catch(fail)
}
