// How many columns a text takes on a terminal, and cutting it to fit. Knows wide letters, emoji, combining marks, and
// the SGR codes of style.ts; every other control character must have been cleaned away before.

const SGR = /\x1b\[[0-9;]*m/g
/** ASCII and the signs that we draw with ourselves: one column each, and the usual case. */
const PLAIN = /^[\x20-\x7e·…→‖─│┌└├✔✖\u2800-\u28ff]*$/
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u
const ASCII = /^[\x20-\x7e]$/
/** Made when it is needed: it takes longer to load than most commands think. */
let segmenter: Intl.Segmenter | undefined

function lettersOf(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return segmenter.segment(text)
}

export function textWidth(text: string): number {
  const bare = text.replace(SGR, '')
  if (PLAIN.test(bare)) return bare.length
  let width = 0
  for (const { segment } of lettersOf(bare)) width += letterWidth(segment)
  return width
}

function letterWidth(letter: string): number {
  if (ASCII.test(letter)) return 1
  if (ZERO.test(letter)) return 0
  if (EMOJI.test(letter)) return 2
  return isWide(letter.codePointAt(0) ?? 0) ? 2 : 1
}

/** East Asian wide and full-width letters; the blocks, not the single holes in them. */
function isWide(code: number): boolean {
  return (
    code >= 0x1100 &&
    (code <= 0x115f ||
      (code >= 0x2e80 && code <= 0x303e) ||
      (code >= 0x3041 && code <= 0x4dbf) ||
      (code >= 0x4e00 && code <= 0xa4cf) ||
      (code >= 0xa960 && code <= 0xa97f) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      (code >= 0x1f300 && code <= 0x1f64f) ||
      (code >= 0x1f900 && code <= 0x1f9ff) ||
      (code >= 0x20000 && code <= 0x3fffd))
  )
}

/** Cut to at most `width` columns, the last one an ellipsis; colours that were open are closed. */
export function fitTo(text: string, width: number): string {
  if (width <= 0) return ''
  if (textWidth(text) <= width) return text
  let cut = ''
  let used = 0
  let styled = false
  // Codes and letters alternate: split keeps both.
  for (const part of text.split(/(\x1b\[[0-9;]*m)/)) {
    if (part.startsWith('\x1b[')) {
      cut += part
      styled = true
      continue
    }
    for (const { segment } of lettersOf(part)) {
      const next = letterWidth(segment)
      if (used + next > width - 1) return `${cut}…${styled ? '\x1b[0m' : ''}`
      cut += segment
      used += next
    }
  }
  return cut
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)))
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - textWidth(text))) + text
}

/** Broken at blanks into lines of at most `width` columns; a word that is longer is cut hard. No styles inside. */
export function wrap(text: string, width: number): readonly string[] {
  const room = Math.max(1, width)
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (textWidth(longer) <= room) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    line = word
    while (textWidth(line) > room) {
      const head = hardCut(line, room)
      lines.push(head)
      line = line.slice(head.length)
    }
  }
  lines.push(line)
  return lines
}

/** The longest beginning that fits, at least one letter. */
function hardCut(text: string, width: number): string {
  let cut = ''
  let used = 0
  for (const { segment } of lettersOf(text)) {
    const next = letterWidth(segment)
    if (cut !== '' && used + next > width) break
    cut += segment
    used += next
  }
  return cut
}
