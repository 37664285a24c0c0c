// What the user's OpenSSH configuration says about a host, asked of `ssh -G`: it alone knows Include, Match and
// canonical names. Careful about: it prints identity files and proxy commands with their tokens (`~`, `%h`), known-hosts
// files without; the home folder is the account's, never $HOME.
import { hostname, userInfo } from 'node:os'
import { RollgateError } from '../../domain/error.ts'
import { quoteAll } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import { runLocal } from '../process.ts'

export type SshSays = {
  one(key: string): string | null
  all(key: string): readonly string[]
}

export type SshQuestion = {
  readonly name: string
  readonly address: string
  readonly user?: string | undefined
  readonly port?: number | undefined
  /** As `ssh -F`. */
  readonly configFile?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

const LIMIT_MS = 10_000

/** null: there is no `ssh` on this machine. @throws RollgateError E_CONFIG when it does not like its configuration */
export async function askSsh(question: SshQuestion, options: readonly string[] = []): Promise<SshSays | null> {
  const words = [
    'ssh',
    '-G',
    ...(question.configFile === undefined ? [] : ['-F', question.configFile]),
    ...(question.user === undefined ? [] : ['-l', question.user]),
    ...(question.port === undefined ? [] : ['-p', String(question.port)]),
    ...options.flatMap((option) => ['-o', option]),
    '--',
    question.address,
  ]
  const lines = new Map<string, string[]>()
  let said: string
  try {
    const result = await runLocal({ argv: words }, { env: question.env, signal: question.signal, timeoutMs: LIMIT_MS })
    if (result.exitCode !== 0)
      throw new RollgateError('E_CONFIG', `ssh -G cannot resolve ${question.name}: ${complaint(result.stderr, result.timedOut)}`, {
        host: question.name,
        hints: [`${quoteAll(words)}   (says the same)`],
      })
    said = result.stdout
  } catch (error) {
    if (error instanceof RollgateError && error.code === 'E_COMMAND') return null
    throw error
  }
  for (const line of said.split('\n')) {
    const space = line.indexOf(' ')
    if (space <= 0) continue
    const key = line.slice(0, space)
    lines.set(key, [...(lines.get(key) ?? []), line.slice(space + 1)])
  }
  return { one: (key) => lines.get(key)?.[0] ?? null, all: (key) => lines.get(key) ?? [] }
}

// The first line says what and where; the last one only counts.
const complaint = (text: string, timedOut: boolean): string =>
  timedOut ? `it did not answer within ${LIMIT_MS / 1000} s` : cleanText(text.trim().split('\n')[0] ?? '', 300)

export type Tokens = {
  readonly address: string
  /** As it was asked for. */
  readonly original: string
  readonly port: number
  readonly user: string
  readonly alias: string | null
}

/** The account as the system knows it; an account without an entry (containers do that) falls back to the environment. */
export function account(env: Readonly<Record<string, string | undefined>>, homeDirectory: string): { name: string; home: string } {
  try {
    const { username, homedir } = userInfo()
    return { name: username, home: homedir }
  } catch {
    return { name: env.USER ?? env.LOGNAME ?? 'root', home: homeDirectory }
  }
}

/** Expands a path of the configuration. null: it has a token that only `ssh` itself can expand. */
export function expandPath(path: string, tokens: Tokens, who: { readonly name: string; readonly home: string }): string | null {
  if (/%[Cj]|\$\{/.test(path)) return null
  const known: Readonly<Record<string, string>> = {
    '%': '%',
    d: who.home,
    h: tokens.address,
    i: String(process.getuid?.() ?? ''),
    k: tokens.alias ?? tokens.original,
    L: hostname().split('.')[0] ?? '',
    l: hostname(),
    n: tokens.original,
    p: String(tokens.port),
    r: tokens.user,
    u: who.name,
  }
  return path.replace(/^~(?=\/|$)/, () => who.home).replace(/%(.)/g, (whole, token: string) => known[token] ?? whole)
}

/** Known-hosts files are printed expanded: a path that we cannot expand is asked for as if it were one. */
export async function expandBySsh(path: string, question: SshQuestion): Promise<string> {
  const said = await askSsh(question, [`UserKnownHostsFile="${path}"`])
  return said?.one('userknownhostsfile') ?? path
}
