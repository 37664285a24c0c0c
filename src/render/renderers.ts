// Chooses who shows what happens: the live tree on a terminal, one line per event anywhere else, the forms that GitHub
// and GitLab understand, and the event file. What is printed to stdout at the end is made by document.ts and error.ts.
import type { Renderer } from '../domain/event.ts'
import { createEventFile, createEventStream } from './ndjson.ts'
import { createPlain } from './plain.ts'
import type { Output } from './streams.ts'

export { renderDocument } from './document.ts'
export { renderError } from './error.ts'

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

/** A renderer that draws over itself: it must step aside while somebody else writes to the terminal. */
export interface Screen extends Renderer {
  /** At once and synchronously: the frame is gone, the cursor is at the start of an empty line. */
  suspend(): void
  resume(): void
}

/** @throws RollgateError E_USAGE when the event file cannot be written */
export function createRenderers(options: RendererOptions): Renderer[] {
  const { stderr, stdout, flags, eventsFile } = options
  const renderers: Renderer[] = [createPlain(stderr, flags)]
  if (eventsFile != null) renderers.push(eventsFile === '-' ? createEventStream(stdout) : createEventFile(eventsFile))
  return renderers
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
