// Which files stay out of a release: `artifact.exclude` and `.rollgateignore`, in the language of .gitignore. A pattern
// with a slash before its end is anchored, one without matches at any depth, the last match wins, and nothing inside an
// excluded folder can be had back. Paths are relative, with `/`, without a leading one. Two differences from git's own:
// `?` is one character and not one byte, and named classes (`[[:alpha:]]`) are not known.

export type Ignore = {
  /** Careful: asks about the parents too, so that the answer is the same for a walk and for a list of paths. */
  ignores(path: string, isDirectory: boolean): boolean
}

type Rule = { readonly matches: RegExp; readonly negated: boolean; readonly directoryOnly: boolean }

/** Patterns in order; later ones win. */
export function ignoreOf(patterns: readonly string[]): Ignore {
  const rules = patterns.flatMap((pattern) => ruleOf(pattern) ?? [])
  const folders = new Map<string, boolean>()
  const own = (path: string, isDirectory: boolean): boolean => {
    const last = rules.findLast((rule) => (isDirectory || !rule.directoryOnly) && rule.matches.test(path))
    return last !== undefined && !last.negated
  }
  const folder = (path: string): boolean => {
    const known = folders.get(path)
    if (known !== undefined) return known
    const answer = inIgnoredFolder(path) || own(path, true)
    folders.set(path, answer)
    return answer
  }
  const inIgnoredFolder = (path: string): boolean => {
    const slash = path.lastIndexOf('/')
    return slash > 0 && folder(path.slice(0, slash))
  }
  return {
    ignores: (path, isDirectory) => rules.length > 0 && (isDirectory ? folder(path) : inIgnoredFolder(path) || own(path, false)),
  }
}

/** The patterns of an ignore file: blank lines and comments left out. */
export function readPatterns(text: string): readonly string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))
}

function ruleOf(line: string): Rule | null {
  // A blank at the end counts only when it is escaped.
  let pattern = line.replace(/(?<!\\)[ \t]+$/, '')
  const negated = pattern.startsWith('!')
  if (negated) pattern = pattern.slice(1)
  const directoryOnly = pattern.endsWith('/')
  if (directoryOnly) pattern = pattern.slice(0, -1)
  const anchored = pattern.includes('/')
  if (pattern.startsWith('/')) pattern = pattern.slice(1)
  if (pattern === '') return null
  return { matches: expression(`^${anchored ? '' : '(?:.*/)?'}${sourceOf(pattern)}$`), negated, directoryOnly }
}

/** A range that runs backwards (`[z-a]`) matches nothing, as in git. */
function expression(source: string): RegExp {
  try {
    return new RegExp(source, 'su')
  } catch {
    return /(?!)/
  }
}

function sourceOf(pattern: string): string {
  let source = ''
  for (let at = 0; at < pattern.length; ) {
    const rest = pattern.slice(at)
    const starts = at === 0 || pattern[at - 1] === '/'
    const [text, length] = starts && rest.startsWith('**/') ? ['(?:.*/)?', 3] : starts && rest === '**' ? ['.+', 2] : pieceOf(rest)
    source += text
    at += length
  }
  return source
}

/** The beginning of a pattern as a piece of a regular expression, and how many characters it took. */
function pieceOf(rest: string): readonly [string, number] {
  const stars = /^\*+/.exec(rest)
  if (stars !== null) return ['[^/]*', stars[0].length]
  if (rest.startsWith('?')) return ['[^/]', 1]
  const set = /^\[([!^]?)(\]?(?:\\.|[^\]\\/])*)\]/su.exec(rest)
  if (set?.[2]) return [`(?!/)[${set[1] ? '^' : ''}${setOf(set[2])}]`, set[0].length]
  const escaped = rest.startsWith('\\') && rest.length > 1 ? 1 : 0
  const character = String.fromCodePoint(rest.codePointAt(escaped) ?? 0)
  return [character === '-' ? '-' : literal(character), escaped + character.length]
}

function setOf(members: string): string {
  return members.replace(/\\(.)|([[\]{}()*+?.,^$|#&\s])/gsu, (_all, escaped?: string, special?: string) =>
    literal(escaped ?? special ?? ''),
  )
}

function literal(character: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(character) ? `\\${character}` : character
}
