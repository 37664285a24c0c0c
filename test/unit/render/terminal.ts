// A terminal of letters: just enough of one to see what our escape codes really leave on a screen. It wraps, scrolls,
// reflows when it is resized as most terminals do, and knows whether its cursor is visible. What it does not know it
// refuses, so that a code nobody thought of cannot pass unseen.
import { textWidth } from '../../../src/render/width.ts'

export type Terminal = {
  write(text: string, done?: () => void): boolean
  /** All that was ever shown and not erased, top to bottom, without blank lines at the end. */
  lines(): readonly string[]
  /** The part of it that the screen shows. */
  visible(): readonly string[]
  readonly isCursorVisible: () => boolean
  readonly cursor: () => { readonly row: number; readonly column: number }
  resize(columns: number, rows: number): void
  readonly columns: () => number
  readonly rows: () => number
  /** How often something was written, and how many letters of it were not escape codes. */
  readonly counts: { writes: number; letters: number }
}

/** One entry a column; a wide letter is followed by an empty one. */
type Line = { cells: string[]; isWrapped: boolean }

const segmenter = new Intl.Segmenter('en')

export function makeTerminal(columns: number, rows: number): Terminal {
  let size = { columns, rows }
  let lines: Line[] = [{ cells: [], isWrapped: false }]
  let [row, column] = [0, 0]
  let visible = true
  const counts = { writes: 0, letters: 0 }

  const line = (): Line => {
    while (lines.length <= row) lines.push({ cells: [], isWrapped: false })
    return lines[row] ?? { cells: [], isWrapped: false }
  }
  const put = (letter: string): void => {
    const width = textWidth(letter)
    if (column + width > size.columns) {
      row += 1
      column = 0
      line().isWrapped = true
    }
    const { cells } = line()
    while (cells.length < column) cells.push(' ')
    if (width === 1) cells[column] = letter
    else cells.splice(column, width, letter, ...Array.from({ length: width - 1 }, () => ''))
    column += width
    counts.letters += 1
  }
  const putAll = (text: string): void => {
    if (text.includes('\x1b')) throw new Error(`an escape code that is none of ours: ${JSON.stringify(text)}`)
    for (const { segment } of segmenter.segment(text)) put(segment)
  }
  /** A frame cannot reach what has scrolled out. */
  const top = (): number => Math.max(0, lines.length - size.rows)
  const obey = (letter: string, argument: string): void => {
    if (letter === 'A') row = Math.max(top(), row - Number(argument === '' ? 1 : argument))
    else if (letter === 'K' && argument === '2') line().cells = []
    else if (letter === 'J' && argument === '') {
      line().cells.length = Math.min(line().cells.length, column)
      lines.length = row + 1
    } else if ((letter === 'h' || letter === 'l') && argument === '?25') visible = letter === 'h'
    else if (letter !== 'm' && argument !== '?2026') throw new Error(`an unknown code: ${argument}${letter}`)
  }
  const textOf = ({ cells }: Line): string => cells.join('').trimEnd()

  return {
    counts,
    write(text, done) {
      if (text !== '') counts.writes += 1
      for (const part of text.split(/(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)/)) {
        const code = /^\x1b\[([0-9;?]*)([A-Za-z])$/.exec(part)
        if (code !== null) obey(code[2] ?? '', code[1] ?? '')
        else if (part === '\r') column = 0
        else if (part === '\n') {
          row += 1
          line()
        } else if (part !== '') putAll(part)
      }
      done?.()
      return true
    },
    lines: () => trimmed(lines.map(textOf)),
    visible: () => trimmed(lines.slice(top()).map(textOf)),
    isCursorVisible: () => visible,
    cursor: () => ({ row, column }),
    columns: () => size.columns,
    rows: () => size.rows,
    resize(newColumns, newRows) {
      const below = lines.length - row
      const whole: string[][] = []
      for (const { cells, isWrapped } of lines) {
        if (isWrapped && whole.length > 0) whole[whole.length - 1]?.push(...cells)
        else whole.push([...cells])
      }
      lines = whole.flatMap((cells) => {
        while (cells.at(-1) === ' ') cells.pop()
        const parts: Line[] = []
        for (let at = 0; at === 0 || at < cells.length; at += newColumns)
          parts.push({ cells: cells.slice(at, at + newColumns), isWrapped: at > 0 })
        return parts
      })
      size = { columns: newColumns, rows: newRows }
      row = Math.max(0, lines.length - below)
      column = Math.min(column, newColumns - 1)
    },
  }
}

function trimmed(lines: readonly string[]): readonly string[] {
  return lines.join('\n').replace(/\n+$/, '').split('\n')
}
