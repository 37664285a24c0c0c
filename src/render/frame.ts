// Lays the tree out for one terminal: pure, rows in and lines out. No line is wider than the terminal, and there are
// never more of them than it has; what does not fit is summed up, the finished first, what moves or failed last.
import type { Style } from './style.ts'
import { fitTo, padEnd, padStart, textWidth } from './width.ts'
import { duration, many } from './words.ts'

export type RowState = 'waiting' | 'working' | 'done' | 'failed' | 'skipped'

export type Row = {
  readonly state: RowState
  readonly title: string
  readonly detail: string
  /** How long it takes or took; null: not to be shown. */
  readonly ms: number | null
  /** What its siblings are called when they are counted: `host`, `batch`. */
  readonly noun: string
  readonly children: readonly Row[]
}

export type FrameInput = {
  readonly head: string
  readonly ms: number
  readonly rows: readonly Row[]
  /** Below the tree: what is being measured, already as wide as the terminal allows. */
  readonly panel: readonly string[]
  /** Always below: the probe. */
  readonly foot: readonly string[]
  /** Dropped first when there is no room: the tail of an output. */
  readonly tail: readonly string[]
}

export type FrameSize = { readonly columns: number; readonly rows: number }

type Line = { readonly depth: number; readonly row: Row; readonly width: number }

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const TITLE_MOST = 32
const NEEDED_FOR_TIMES = 40

/** @param tick which picture of the spinner */
export function frameLines(input: FrameInput, size: FrameSize, style: Style, tick: number): readonly string[] {
  // One line is left to the cursor, one column to terminals that wrap when the last one is written.
  const most = Math.max(1, size.rows - 1)
  const columns = Math.max(1, size.columns - 1)
  let room = most
  const foot = input.foot.slice(0, Math.max(0, most - 2))
  room -= foot.length
  const panel = panelLines(input.panel, input.rows.length === 0 ? room : Math.ceil(room / 2), style)
  room -= panel.length
  const wanted = linesOf(input.rows)
  const lines = wanted.length <= room ? wanted : squeezed(input.rows, room)
  room -= lines.length
  const hasHead = input.head !== '' && room >= 1
  if (hasHead) room -= 1
  const tail = input.tail.slice(-Math.min(room, input.tail.length)).slice(0, Math.max(0, room))
  return [
    ...(hasHead ? [headLine(input, columns, style)] : []),
    ...lines.map((line) => rowLine(line, columns, style, tick)),
    ...tail.map((text) => fitTo(style.dim(`  │ ${text}`), columns)),
    ...panel.map((text) => fitTo(text, columns)),
    ...foot.map((text) => fitTo(text, columns)),
  ]
}

function panelLines(lines: readonly string[], room: number, style: Style): readonly string[] {
  if (lines.length <= room) return lines
  if (room <= 0) return []
  const left = lines.length - room + 1
  return room === 1 ? lines.slice(0, 1) : [...lines.slice(0, room - 1), style.dim(`    … ${left} more`)]
}

function headLine(input: FrameInput, columns: number, style: Style): string {
  const time = duration(input.ms)
  const room = columns - time.length - 2
  return room < 20 ? fitTo(style.bold(input.head), columns) : `${padEnd(fitTo(style.bold(input.head), room), room)}  ${style.dim(time)}`
}

/** Everything that is open, expanded: of what failed only the failed parts, of what is done or not begun nothing. */
function linesOf(rows: readonly Row[], depth = 0): readonly Line[] {
  const width = titleWidth(rows)
  return rows.flatMap((row) => [{ depth, row, width }, ...linesOf(openChildren(row), depth + 1)])
}

function openChildren(row: Row): readonly Row[] {
  if (row.state === 'working') return row.children
  return row.state === 'failed' ? row.children.filter((child) => child.state === 'failed') : []
}

const titleWidth = (rows: readonly Row[]): number =>
  Math.min(TITLE_MOST, Math.max(0, ...rows.filter((row) => row.detail !== '').map((row) => textWidth(row.title))))

/** Siblings that are finished or not begun become one line each kind; then the least important lines go. */
function squeezed(rows: readonly Row[], room: number): readonly Line[] {
  const summed = linesOf(rows.map(summedUp))
  if (summed.length <= room) return summed
  const whole = linesOf(mergeSame(rows).map(summedUp))
  if (whole.length <= room) return whole
  if (room <= 1)
    return whole
      .filter((line) => line.row.state === 'working')
      .slice(0, 1)
      .concat(whole.slice(0, 1))
      .slice(0, Math.max(0, room))
  const kept = new Set(
    whole
      .map((line, index) => ({ index, rank: RANK[line.row.state] * 10 + line.depth }))
      .toSorted((a, b) => a.rank - b.rank || a.index - b.index)
      .slice(0, room - 1)
      .map(({ index }) => index),
  )
  const left = whole.length - kept.size
  const more: Row = { state: 'waiting', title: `… ${left} more`, detail: '', ms: null, noun: '', children: [] }
  return [...whole.filter((_, index) => kept.has(index)), { depth: 0, row: more, width: 0 }]
}

const RANK: Readonly<Record<RowState, number>> = { failed: 0, working: 1, waiting: 2, skipped: 3, done: 3 }

const summedUp = (row: Row): Row => ({ ...row, children: mergeSame(row.children).map(summedUp) })

/** Two or more siblings that are done, or that wait, as one; the others stay in their order. */
function mergeSame(rows: readonly Row[]): readonly Row[] {
  const of = (state: RowState): readonly Row[] => rows.filter((row) => row.state === state)
  const merged = new Map<RowState, Row>()
  for (const state of ['done', 'waiting', 'skipped'] as const) {
    const same = of(state)
    const [first] = same
    if (first === undefined || same.length < 2) continue
    const word = state === 'done' ? 'done' : state === 'skipped' ? 'skipped' : 'to go'
    const counted =
      first.noun === ''
        ? same.map((row) => row.title).join(', ')
        : many(same.length, first.noun, first.noun === 'batch' ? 'batches' : undefined)
    const inside = same.reduce((sum, row) => sum + row.children.length, 0)
    merged.set(state, {
      ...first,
      title: first.noun === '' ? counted : `${counted} ${word}`,
      detail: inside === 0 ? '' : many(inside, 'host'),
      ms: null,
      children: [],
    })
  }
  const said = new Set<RowState>()
  return rows.flatMap((row) => {
    const sum = merged.get(row.state)
    if (sum === undefined) return [row]
    if (said.has(row.state)) return []
    said.add(row.state)
    return [sum]
  })
}

function rowLine(line: Line, columns: number, style: Style, tick: number): string {
  const { row, depth, width } = line
  const indent = ' '.repeat(columns < NEEDED_FOR_TIMES ? depth : depth * 2)
  const title = row.detail === '' ? row.title : padEnd(row.title, Math.min(width, Math.floor(columns / 2)))
  const text = `${indent}${sign(row.state, style, tick)} ${paint(row, title, style)}${row.detail === '' ? '' : `  ${row.detail}`}`
  if (row.ms === null || columns < NEEDED_FOR_TIMES) return fitTo(text, columns)
  const time = duration(row.ms)
  const room = columns - Math.max(10, time.length) - 2
  return `${padEnd(fitTo(text, room), room)}  ${style.dim(padStart(time, 10))}`
}

function sign(state: RowState, style: Style, tick: number): string {
  switch (state) {
    case 'done':
      return style.green('✔')
    case 'failed':
      return style.red('✖')
    case 'skipped':
      return style.dim('-')
    case 'waiting':
      return style.dim('·')
    case 'working':
      return style.cyan(SPINNER[tick % SPINNER.length] ?? '*')
    default:
      return state satisfies never
  }
}

function paint(row: Row, title: string, style: Style): string {
  return row.state === 'failed' ? style.red(title) : row.state === 'waiting' || row.state === 'skipped' ? style.dim(title) : title
}
