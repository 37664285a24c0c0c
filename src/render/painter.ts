// Puts frames on a terminal, each over the one before it. Every change is one write, and the cursor is hidden only inside
// it: whatever ends this process, and be it kill -9, the terminal is as it was. Lines that did not change are not
// written again, so nothing flickers; terminals that can are asked to show each write at once (mode 2026).
import type { FrameSize } from './frame.ts'
import { textWidth } from './width.ts'

const UP = (lines: number): string => (lines > 0 ? `\x1b[${lines}A` : '')
const CLEAR_LINE = '\x1b[2K'
const CLEAR_BELOW = '\x1b[J'
const BEGIN = '\x1b[?2026h\x1b[?25l'
const END = '\x1b[?25h\x1b[?2026l'

export type Painter = {
  /** Draws the frame where the last one was; `above` are lines that stay, over it. */
  paint(lines: readonly string[], above?: readonly string[]): void
  /** The frame is gone, the cursor stands at the start of an empty line. */
  clear(): void
  /** As paint, but the frame stays for good and the next one begins below it. */
  leave(lines: readonly string[], above: readonly string[]): void
  /** Somebody else has written meanwhile (a shell, after Ctrl-Z): the next frame begins where the cursor is. */
  forget(): void
}

/** @param size asked at each write: a terminal may have been resized since */
export function createPainter(write: (text: string) => void, size: () => FrameSize): Painter {
  let shown: readonly string[] = []
  let columns = size().columns
  /** From the line below the frame, where the cursor rests, to its first line. */
  const toTop = (): string => {
    const now = size().columns
    if (now === columns) return `\r${UP(shown.length)}`
    // Terminals that reflow have broken our lines anew: as many as they take at the new width.
    const height = shown.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / Math.max(1, now))), 0)
    return `\r${UP(height)}${CLEAR_BELOW}`
  }
  const paint: Painter['paint'] = (lines, above = []) => {
    const isFresh = above.length > 0 || size().columns !== columns
    if (!isFresh && lines.length === shown.length && lines.every((line, index) => line === shown[index])) return
    const text = isFresh ? `${CLEAR_BELOW}${[...above, ...lines].map((line) => `${line}\r\n`).join('')}` : patch(shown, lines)
    write(`${BEGIN}${toTop()}${text}${END}`)
    shown = lines
    columns = size().columns
  }
  const forget = (): void => {
    shown = []
    columns = size().columns
  }
  return {
    paint,
    forget,
    leave(lines, above) {
      paint(lines, above)
      forget()
    },
    clear() {
      if (shown.length === 0) return
      write(`${BEGIN}${toTop()}${CLEAR_BELOW}${END}`)
      forget()
    },
  }
}

/** From the first line of the old frame: over every line, writing only what differs, and clearing what is left below. */
function patch(before: readonly string[], after: readonly string[]): string {
  const changed = after.map((line, index) => (line === before[index] ? '\r\n' : `${CLEAR_LINE}${line}\r\n`))
  // Typed letters and ^C are echoed where the cursor rests: that line is always cleared.
  return `${changed.join('')}${CLEAR_BELOW}`
}
