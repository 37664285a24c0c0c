// Chooses who shows what happens: the live tree on a terminal, one line per event anywhere else, the forms that GitHub
// and GitLab understand, and the event file. What is printed to stdout at the end is made by document.ts and error.ts.
import type { Renderer } from '../domain/event.ts'
import { createGithub } from './github.ts'
import { createGitlab } from './gitlab.ts'
import { createLive, type Screen } from './live.ts'
import { createEventFile, createEventStream } from './ndjson.ts'
import { createPlain } from './plain.ts'
import type { Output } from './streams.ts'

export { renderDocument } from './document.ts'
export { renderError } from './error.ts'
export { defuse } from './github.ts'

export type RendererOptions = {
  readonly stderr: Output
  readonly stdout: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags: {
    readonly json: boolean
    readonly quiet: boolean
    readonly verbose: boolean
    /** Colour on stderr: `wantsColor` of style.ts decides. */
    readonly color: boolean
  }
  /** `-` for stdout, null for none. */
  readonly eventsFile?: string | null
  /** Is stderr a terminal? */
  readonly isTerminal: boolean
  /** Of that terminal, now; asked again and again. */
  readonly columns: () => number
  readonly rows: () => number
  /** false for commands that stream their own lines (logs, exec): never a tree. */
  readonly live?: boolean
}

/** @throws RollgateError E_USAGE when the event file cannot be written */
export function createRenderers(options: RendererOptions): Renderer[] {
  const { stdout, eventsFile } = options
  const renderers: Renderer[] = [screenFor(options)]
  if (eventsFile != null) renderers.push(eventsFile === '-' ? createEventStream(stdout) : createEventFile(eventsFile))
  return renderers
}

function screenFor(options: RendererOptions): Renderer {
  const { stderr, env, flags, isTerminal, columns, rows } = options
  const isCi = (env.CI ?? '') !== '' && env.CI !== 'false' && env.CI !== '0'
  const isLive = options.live !== false && isTerminal && !isCi && env.TERM !== 'dumb' && !flags.quiet
  if (isLive) return createLive(stderr, { ...flags, columns, rows, now: Date.now })
  if (env.GITHUB_ACTIONS === 'true') return createGithub(stderr, flags, env.GITHUB_STEP_SUMMARY ?? null)
  if (env.GITLAB_CI === 'true') return createGitlab(stderr, flags)
  return createPlain(stderr, flags)
}

/**
 * Clears the terminal for a question, or for lines of somebody else's.
 *
 * @returns to be called afterwards; calling it twice does no harm
 */
export function pauseScreens(renderers: readonly Renderer[]): () => void {
  const screens = renderers.filter(isScreen)
  for (const screen of screens) screen.suspend()
  let resumed = false
  return () => {
    if (resumed) return
    resumed = true
    for (const screen of screens) screen.resume()
  }
}

function isScreen(renderer: Renderer): renderer is Screen {
  return 'suspend' in renderer && 'resume' in renderer
}
