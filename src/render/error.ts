// An error as people read it: what happened, why, what the state is now, what to do, where to look, and the exit code.
// Everything in it may come from a host and is cleaned; evidence is bounded, because a log can be longer than patience.
import { ERROR_CODES, type ErrorInfo } from '../domain/error.ts'
import { FIXES } from './fixes.ts'
import { createStyle, type Style } from './style.ts'
import { fitTo, padEnd, textWidth, wrap } from './width.ts'
import { oneLine } from './words.ts'

export type ErrorTextOptions = {
  readonly color: boolean
  readonly columns: number
  /** All of the evidence instead of its beginning and end. */
  readonly verbose?: boolean
  /** Where to read more: a command or a path. */
  readonly log?: string
}

const WIDEST = 100
const NARROWEST = 20
const LABEL = 8
/** First lines say what was asked last, the last lines are the newest of a log. */
const EVIDENCE = { first: 3, last: 9, verbose: 200, config: 60 }

export function renderError(info: ErrorInfo, options: ErrorTextOptions): string {
  const style = createStyle(options.color)
  const columns = Math.max(NARROWEST, Math.min(WIDEST, options.columns))
  const isBug = info.code === 'E_BUG'
  const hints = (info.hints ?? []).map((hint) => oneLine(hint, 2_000))
  return [
    ...headline(info, columns, style),
    ...part('Why', [info.why ?? ERROR_CODES[info.code].means], columns, style),
    ...(info.now === undefined ? [] : part('Now', [info.now], columns, style)),
    ...evidence(info, options, columns, style),
    // Commands are not broken: they are there to be copied.
    ...unbroken('Fix', isBug || hints.length === 0 ? [FIXES[info.code] ?? 'rollgate check'] : hints, style),
    ...unbroken('Log', [...(isBug ? hints : []), ...(options.log === undefined ? [] : [oneLine(options.log)])], style),
    ...unbroken('Exit', [String(info.exitCode)], style),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

/** `✖ web-2 did not drain: 14 connections left after 30 s          E_DRAIN_DEADLINE`, the code at the right. */
function headline(info: ErrorInfo, columns: number, style: Style): readonly string[] {
  const message = oneLine(info.message, 2_000)
  const host = info.host === undefined || message.includes(info.host) ? '' : `${oneLine(info.host, 100)}: `
  const room = columns - info.code.length - 4
  const isNarrow = room < 24
  const [first = '', ...rest] = wrap(`${host}${message}`, isNarrow ? columns - 2 : room)
  const sign = style.red('✖')
  const code = style.dim(info.code)
  const others = rest.map((line) => `  ${style.bold(line)}`)
  if (isNarrow) return [`${sign} ${style.bold(first)}`, ...others, `  ${code}`]
  return [`${sign} ${padEnd(style.bold(first), room)}  ${code}`, ...others]
}

function part(label: string, texts: readonly string[], columns: number, style: Style): readonly string[] {
  return unbroken(
    label,
    texts.flatMap((text) => wrap(oneLine(text, 2_000), Math.max(10, columns - LABEL))),
    style,
  )
}

function unbroken(label: string, lines: readonly string[], style: Style): readonly string[] {
  return lines.map((line, index) => `  ${style.dim(padEnd(index === 0 ? label : '', LABEL - 2))}${line}`)
}

function evidence(info: ErrorInfo, options: ErrorTextOptions, columns: number, style: Style): readonly string[] {
  const seen = (info.evidence ?? []).flatMap((entry) => entry.split('\n')).map((line) => oneLine(line, 500))
  const lines = bounded(
    seen.filter((line) => line !== ''),
    options.verbose === true ? EVIDENCE.verbose : info.code === 'E_CONFIG' ? EVIDENCE.config : EVIDENCE.first + EVIDENCE.last,
  )
  const bar = style.dim('│')
  const room = columns - LABEL - 2
  return unbroken(
    'Seen',
    lines.map((line) => `${bar} ${options.verbose === true || textWidth(line) <= room ? line : fitTo(line, room)}`),
    style,
  )
}

function bounded(lines: readonly string[], most: number): readonly string[] {
  if (lines.length <= most) return lines
  const last = most - EVIDENCE.first
  return [...lines.slice(0, EVIDENCE.first), `… ${lines.length - most} more lines (-v shows them) …`, ...lines.slice(-last)]
}
