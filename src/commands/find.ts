// Which command a line means: the first word or the first two, with the global flags allowed before them. Imports only
// the list, so that `--help` loads nothing else.
import { COMMANDS, type CommandEntry, typed } from './index.ts'

export type Found =
  | { readonly kind: 'command'; readonly entry: CommandEntry; readonly rest: readonly string[]; readonly help: boolean }
  /** No word at all, or `help`. */
  | { readonly kind: 'root' }
  | { readonly kind: 'topic'; readonly topic: string; readonly help: boolean }
  | { readonly kind: 'unknown'; readonly words: string }

/** Global flags that take a value: their value is no command. */
const WITH_VALUE: ReadonlySet<string> = new Set(['-c', '--config', '-e', '--environment'])
const HELP: ReadonlySet<string> = new Set(['-h', '--help'])

export function findCommand(argv: readonly string[]): Found {
  const leading: string[] = []
  let at = 0
  while (at < argv.length && argv[at]?.startsWith('-') && argv[at] !== '--') {
    const flag = argv[at] ?? ''
    const words = WITH_VALUE.has(flag) ? 2 : 1
    leading.push(...argv.slice(at, at + words))
    at += words
  }
  const [first, ...others] = argv.slice(at)
  if (first === undefined || first === '--') return { kind: 'root' }
  if (first === 'help') {
    const found = findCommand(others)
    return found.kind === 'command' || found.kind === 'topic' ? { ...found, help: true } : found
  }
  const after = [...leading, ...others]
  const whole = entryOf(first)
  const second = isTopic(first) ? others.findIndex((word) => !word.startsWith('-')) : -1
  const name = others[second]
  // The longer name first: `lock release` is not `lock` with an argument.
  const longer = name === undefined ? undefined : entryOf(`${first}:${name}`)
  if (longer !== undefined) {
    const rest = [...leading, ...others.toSpliced(second, 1)]
    return { kind: 'command', entry: longer, rest, help: asksForHelp(rest) }
  }
  if (whole !== undefined) return { kind: 'command', entry: whole, rest: after, help: asksForHelp(after) }
  if (isTopic(first) && name === undefined) return { kind: 'topic', topic: first, help: asksForHelp(after) }
  return { kind: 'unknown', words: name === undefined ? first : `${first} ${name}` }
}

const entryOf = (id: string): CommandEntry | undefined => COMMANDS.find((entry) => entry.id === id || entry.aliases?.includes(id) === true)

const isTopic = (word: string): boolean => COMMANDS.some((entry) => entry.id.startsWith(`${word}:`))

/** Before `--`: what follows is somebody else's. */
function asksForHelp(argv: readonly string[]): boolean {
  return own(argv).some((word) => HELP.has(word))
}

export const wantsJson = (argv: readonly string[]): boolean => own(argv).includes('--json')

function own(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end === -1 ? argv : argv.slice(0, end)
}

/** Every way a command can be typed, for "did you mean". */
export const typedNames = (): readonly string[] => COMMANDS.flatMap((entry) => [typed(entry.id), ...(entry.aliases ?? [])])
