// A terminal of letters: just enough of one to see what our escape codes really leave on a screen. It wraps, scrolls,
// reflows when it is resized as most terminals do, and knows whether its cursor is visible. What it does not know it
// refuses, so that a code nobody thought of cannot pass unseen.
import { textWidth } from '../../../src/render/width.ts'

export type Terminal = {
  write(text: string): boolean
  /** All that was ever shown and not erased, top to bottom, without blank lines at the end. */
  lines(): readonly string[]
  readonly isCursorVisible: () => boolean
  readonly cursor: () => { readonly row: number; readonly column: number }
  resize(columns: number, rows: number): void
  readonly columns: () => number
  readonly rows: () => number
  /** How often something was written, and how many letters of it were not escape codes. */
  readonly counts: { writes: number; letters: number }
}

type Line = { text: string; isWrapped: boolean }

export function makeTerminal(columns: number, rows: number): Terminal {
  let size = { columns, rows }
  let lines: Line[] = [{ text: '', isWrapped: false }]
  let [row, column] = [0, 0]
  let visible = true
  const counts = { writes: 0, letters: 0 }

  const line = (): Line => {
    while (lines.length <= row) lines.push({ text: '', isWrapped: false })
    return lines[row] ?? { text: '', isWrapped: false }
  }
  const put = (letter: string): void => {
    const width = textWidth(letter)
    if (column + width > size.columns) {
      row += 1
      column = 0
      line().isWrapped = true
    }
    const now = line()
    // Letters are kept by column: wide ones are followed by an empty string.
    const cells = cellsOf(now.text)
    while (cells.length < column) cells.push(' ')
    cells.splice(column, width, letter, ...Array.from({ length: width - 1 }, () => ''))
    now.text = cells.join('')
    column += width
    counts.letters += 1
  }
  /** A frame cannot reach what has scrolled out. */
  const top = (): number => Math.max(0, lines.length - size.rows)

  return {
    counts,
    write(text) {
      counts.writes += 1
      for (const part of text.split(/(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)/)) {
        if (part === '') continue
        const code = /^\x1b\[([0-9;?]*)([A-Za-z])$/.exec(part)
        if (part === '\r') column = 0
        else if (part === '\n') {
          row += 1
          line()
        } else if (code === null) {
          if (part.includes('\x1b')) throw new Error(`an escape code that is none of ours: ${JSON.stringify(part)}`)
          for (const { segment } of new Intl.Segmenter('en').segment(part)) put(segment)
        } else {
          const [, argument = '', letter = ''] = code
          if (letter === 'A') row = Math.max(top(), row - Number(argument === '' ? 1 : argument))
          else if (letter === 'K' && argument === '2') line().text = ''
          else if (letter === 'J' && argument === '') {
            line().text = cellsOf(line().text).slice(0, column).join('')
            lines = lines.slice(0, row + 1)
          } else if (letter === 'h' || letter === 'l') {
            if (argument === '?25') visible = letter === 'h'
            else if (argument !== '?2026') throw new Error(`an unknown mode: ${argument}`)
          } else if (letter !== 'm') throw new Error(`an unknown code: ${JSON.stringify(part)}`)
        }
      }
      return true
    },
    lines: () =>
      lines
        .map((now) => now.text.trimEnd())
        .join('\n')
        .replace(/\n+$/, '')
        .split('\n'),
    isCursorVisible: () => visible,
    cursor: () => ({ row, column }),
    columns: () => size.columns,
    rows: () => size.rows,
    resize(newColumns, newRows) {
      const whole: string[] = []
      for (const now of lines) {
        if (now.isWrapped && whole.length > 0) whole[whole.length - 1] += now.text
        else whole.push(now.text)
      }
      const below = lines.length - row
      lines = whole.flatMap((text) => {
        const cells = cellsOf(text.trimEnd())
        const parts: Line[] = []
        for (let at = 0; at === 0 || at < cells.length; at += newColumns)
          parts.push({ text: cells.slice(at, at + newColumns).join(''), isWrapped: at > 0 })
        return parts
      })
      size = { columns: newColumns, rows: newRows }
      row = Math.max(0, lines.length - below)
      column = Math.min(column, newColumns - 1)
    },
  }
}

function cellsOf(text: string): string[] {
  return [...new Intl.Segmenter('en').segment(text)].flatMap(({ segment }) => (textWidth(segment) === 2 ? [segment, ''] : [segment]))
}
