// Where output goes. stdout is data, stderr everything else; a stream whose reader has gone away (a closed pipe, a
// terminal that was shut) must not end a rollout, so errors of both streams are swallowed and what is written is lost.
import { cleanText } from '../app/words.ts'
import type { Renderer } from '../domain/event.ts'
import { wantsColor } from '../render/style.ts'

export type Streams = {
  readonly json: boolean
  readonly verbose: boolean
  /** Text for people on stdout is wanted: not with --events -. */
  readonly stdoutIsFree: boolean
  readonly color: { readonly stdout: boolean; readonly stderr: boolean }
}

export type Screen = {
  readonly renderers: readonly Renderer[]
  /** A line of data on stdout while the command runs. */
  readonly line: (text: string) => void
  /** Makes room on the terminal for a question; call what it returns afterwards. */
  readonly pause: () => () => void
  /** A line for the person at the terminal. */
  readonly tell: (text: string) => void
  end(): Promise<void>
}

type Env = Readonly<Record<string, string | undefined>>

export const isCi = (env: Env): boolean => env.CI !== undefined && env.CI !== '' && env.CI !== 'false' && env.CI !== '0'

export type StreamFlags = {
  readonly json: boolean
  readonly verbose: boolean
  readonly quiet: boolean
  readonly 'no-color': boolean
  readonly events?: string | undefined
}

export function streamsOf(flags: StreamFlags): Streams {
  const color = (stream: NodeJS.WriteStream): boolean =>
    wantsColor({ noColor: flags['no-color'], env: process.env, isTerminal: stream.isTTY === true })
  return {
    json: flags.json,
    verbose: flags.verbose,
    stdoutIsFree: flags.events !== '-',
    color: { stdout: color(process.stdout), stderr: color(process.stderr) },
  }
}

/** @param live false for commands that stream lines of their own: never a live tree */
export async function openScreen(streams: Streams, flags: StreamFlags, live: boolean): Promise<Screen> {
  const { createRenderers, defuse, pauseScreens } = await import('../render/renderers.ts')
  const renderers = createRenderers({
    stderr: process.stderr,
    stdout: process.stdout,
    env: process.env,
    flags: { json: flags.json, quiet: flags.quiet, verbose: flags.verbose, color: streams.color.stderr },
    ...(flags.events === undefined ? {} : { eventsFile: flags.events }),
    isTerminal: process.stderr.isTTY === true,
    columns: () => process.stderr.columns ?? 80,
    rows: () => process.stderr.rows ?? 24,
    live,
  })
  // What comes from hosts may hold anything: on a terminal, or in a CI log that reads commands, it is cleaned.
  const untrusted = process.stdout.isTTY === true || isCi(process.env)
  const to = streams.stdoutIsFree ? process.stdout : process.stderr
  const pause = () => pauseScreens(renderers)
  return {
    renderers,
    pause,
    line(text) {
      const resume = pause()
      const clean = untrusted ? cleanText(text, 1_000_000) : text
      to.write(`${process.env.GITHUB_ACTIONS === 'true' ? defuse(clean) : clean}\n`)
      resume()
    },
    tell(text) {
      const resume = pause()
      process.stderr.write(`${text}\n`)
      resume()
    },
    async end() {
      for (const renderer of renderers) await renderer.end()
    },
  }
}

/** Resolves when the text is handed over, or can never be. */
export function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) return resolve()
    stream.once('close', resolve)
    stream.write(text, () => {
      stream.off('close', resolve)
      resolve()
    })
  })
}

/** A closed pipe or a terminal that went away is not our failure. */
export function tolerateClosedStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    // oclif's own listener throws for everything but EPIPE: a terminal that went away answers EIO.
    stream.removeAllListeners('error')
    stream.on('error', () => undefined)
  }
}
