// Plain lines: one self-contained line per event, with the time since the start and the host before it. For pipes, for
// logs, for a terminal without cursor movement, and for --quiet.
import type { Renderer, Stamped } from '../domain/event.ts'
import { type Output, sinkTo } from './streams.ts'
import { createStyle, type Style } from './style.ts'
import { createTeller, type Told } from './tell.ts'
import { elapsed } from './words.ts'

export type PlainOptions = { readonly color: boolean; readonly quiet: boolean; readonly verbose: boolean }

export const SIGNS: Readonly<Record<Told['level'], string>> = { detail: '', info: '', warning: '! ', error: '✖ ' }

export function isShown(level: Told['level'], options: Pick<PlainOptions, 'quiet' | 'verbose'>): boolean {
  if (options.quiet) return level === 'warning' || level === 'error'
  return level !== 'detail' || options.verbose
}

export function createPlain(output: Output, options: PlainOptions): Renderer {
  const sink = sinkTo(output)
  const clock = createClock()
  const teller = createTeller()
  const style = createStyle(options.color)
  return {
    on(event) {
      const told = teller(event)
      const ms = clock(event)
      if (told !== null && isShown(told.level, options)) sink.write(`${plainLine(told, ms, style)}\n`)
    },
    end: () => sink.end(),
  }
}

/** Milliseconds since the first event it saw. */
export function createClock(): (event: Stamped) => number {
  let began: number | null = null
  return (event) => {
    const at = Date.parse(event.at)
    began ??= at
    return Math.max(0, at - began)
  }
}

/** `[0:12.3] web-1 | drained: nothing in flight`. */
export function plainLine(told: Told, ms: number, style: Style): string {
  const text = `${SIGNS[told.level]}${told.text}`
  const painted = told.level === 'error' ? style.red(text) : told.level === 'warning' ? style.yellow(text) : text
  return `${style.dim(`[${elapsed(ms)}]`)} ${told.host === null ? '' : `${style.bold(told.host)} | `}${painted}`
}
