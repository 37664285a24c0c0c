// Words to shell text: the only place in Rollgate that quotes. Everything is single-quoted for a POSIX shell, so that
// spaces, `$()`, backticks, newlines and leading dashes arrive as they are; only NUL cannot exist in a word.

/** @throws TypeError for a word with a NUL byte, which no argument can hold */
export function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a word cannot hold a NUL byte')
  if (word !== '' && /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !/^[=~]/.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}

export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ')
}

/** A command line of words, in a folder, with an environment. */
export function shellCommand(command: {
  readonly argv: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}): string {
  const parts: string[] = []
  if (command.cwd !== undefined) parts.push(`cd -- ${quote(command.cwd)} &&`)
  const variables = Object.entries(command.env ?? {})
  for (const [name] of variables)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name for a variable`)
  if (variables.length > 0) parts.push('env', ...variables.map(([name, value]) => quote(`${name}=${value}`)))
  parts.push(quoteAll(command.argv))
  return parts.join(' ')
}

const END = '#rollgate-end'

/**
 * A script that travels through standard input and is executed only when it arrived whole: a connection that breaks in
 * the middle must not run half a script. What runs inside finds its standard input at its end. The argv is fixed, so it
 * shows nothing of the script to `ps`.
 */
export function stdinScript(script: string): { readonly argv: readonly [string, string, string]; readonly stdin: string } {
  const bootstrap = `s=$(cat); case $s in *${quote(END)}) eval "$s";; *) exit 97;; esac`
  return { argv: ['sh', '-c', bootstrap], stdin: `${script}\n${END}\n` }
}
