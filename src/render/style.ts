// Colour: eight SGR codes and nothing else. A style without colour returns its text, so callers never ask twice; what
// colour says is always said by a sign or a word too.

export type Style = Readonly<Record<'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', (text: string) => string>>

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const

export function createStyle(color: boolean): Style {
  const paint =
    (name: keyof typeof CODES) =>
    (text: string): string =>
      color && text !== '' ? `\x1b[${CODES[name][0]}m${text}\x1b[${CODES[name][1]}m` : text
  return { bold: paint('bold'), dim: paint('dim'), red: paint('red'), green: paint('green'), yellow: paint('yellow'), cyan: paint('cyan') }
}

/** `--no-color`, then FORCE_COLOR, then NO_COLOR, then what the stream is. Empty variables say nothing. */
export function wantsColor(options: {
  readonly noColor: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTerminal: boolean
}): boolean {
  const { noColor, env, isTerminal } = options
  if (noColor) return false
  const forced = env.FORCE_COLOR ?? ''
  if (forced !== '') return forced !== '0' && forced !== 'false'
  if ((env.NO_COLOR ?? '') !== '') return false
  return isTerminal && env.TERM !== 'dumb'
}
