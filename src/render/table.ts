// Aligned columns. Nothing is ever cut: a cell holds an id or a name that somebody will copy or grep for, and a row that
// is too long for a terminal is better wrapped by it than shortened by us.
import type { Style } from './style.ts'
import { padEnd, padStart, textWidth } from './width.ts'

export type Column = { readonly title: string; readonly align?: 'right' }

/** Columns in which every cell is empty are left out. Cells may be styled, and must be cleaned already. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], style: Style, indent = 2): readonly string[] {
  const used = columns.map((column, index) => ({ ...column, index })).filter(({ index }) => rows.some((row) => (row[index] ?? '') !== ''))
  const widths = used.map(({ title, index }) => Math.max(textWidth(title), ...rows.map((row) => textWidth(row[index] ?? ''))))
  const line = (cells: readonly string[]): string => {
    const padded = used.map(({ align, index }, place) => {
      const width = widths[place] ?? 0
      return align === 'right' ? padStart(cells[index] ?? '', width) : padEnd(cells[index] ?? '', width)
    })
    return `${' '.repeat(indent)}${padded.join('  ')}`.trimEnd()
  }
  return [style.dim(line(columns.map((column) => column.title))), ...rows.map(line)]
}
