// Words about text: is it safe to show, how is it shown, and which known word did somebody mean. A value of the file
// may be hostile to a terminal, so it reaches a message only through `showText`.

// Marks that turn or hide text: what is read would not be what is run.
const TRICKS: Readonly<Record<string, string>> = {
  '\u00ad': 'a soft hyphen',
  '\u061c': 'an Arabic letter mark',
  '\u200b': 'a zero-width space',
  '\u200e': 'a left-to-right mark',
  '\u200f': 'a right-to-left mark',
  '\u2028': 'a line separator',
  '\u2029': 'a paragraph separator',
  '\u202a': 'a left-to-right embedding',
  '\u202b': 'a right-to-left embedding',
  '\u202c': 'a direction mark',
  '\u202d': 'a left-to-right override',
  '\u202e': 'a right-to-left override',
  '\u2060': 'a word joiner',
  '\u2066': 'a left-to-right isolate',
  '\u2067': 'a right-to-left isolate',
  '\u2068': 'a direction isolate',
  '\u2069': 'a direction mark',
  '\ufeff': 'a byte order mark',
}
const CONTROLS: Readonly<Record<string, string>> = {
  '\0': 'a NUL character',
  '\t': 'a tab',
  '\n': 'a newline',
  '\r': 'a carriage return',
  '\u001b': 'an escape character',
}

/** What in the text must not reach a terminal, in words; null: nothing. `lines`: newlines and tabs are fine. */
export function hostileIn(text: string, options: { readonly lines?: boolean } = {}): string | null {
  for (const character of text) {
    if (options.lines === true && (character === '\n' || character === '\t')) continue
    const code = character.codePointAt(0) ?? 0
    const name = CONTROLS[character] ?? TRICKS[character]
    if (name !== undefined) return `${name} (${codePoint(code)})`
    if (code < 32 || (code >= 127 && code < 160)) return `a control character (${codePoint(code)})`
    if (code >= 0xd800 && code <= 0xdfff) return `half a character (${codePoint(code)})`
  }
  return null
}

/** Quoted, cleaned and cut: fit for a message. */
export function showText(text: string, options: { readonly quotes?: boolean; readonly atMost?: number } = {}): string {
  const atMost = options.atMost ?? 60
  const characters = [...text]
  const cut = characters.length > atMost ? `${characters.slice(0, atMost - 1).join('')}…` : text
  const clean = [...cut].map((character) => (hostileIn(character) === null ? character : `\\u{${hex(character)}}`)).join('')
  return options.quotes === false ? clean : `"${clean}"`
}

/** The known word that is meant, by edit distance; `minReady`, `min-ready` and `min_ready` are the same. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: { readonly word: string; readonly distance: number } | null = null
  for (const candidate of known) {
    const distance = editDistance(plainWord(word), plainWord(candidate))
    if (best === null || distance < best.distance) best = { word: candidate, distance }
  }
  // A third of the letters may be wrong; of three letters one. Beyond that a guess misleads.
  const limit = Math.max(1, Math.floor(Math.max(word.length, best?.word.length ?? 0) / 3))
  return best !== null && best.distance <= limit && word.length <= 100 ? best.word : null
}

function plainWord(word: string): string {
  return word.slice(0, 100).toLowerCase().replace(/[-_ ]/g, '')
}

/** Optimal string alignment: a swap of neighbours counts as one. */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16)
}
function codePoint(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
