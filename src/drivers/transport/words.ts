// A command's words to one line for a host's login shell, secrets put in at the last moment. Careful about:
// - Who can read what: an argv is for every user of the host to read, so a line with secrets travels through standard
//   input, and secrets become exported variables of a shell, never words. It runs only when it arrived whole.
// - The login shell may be any (fish and csh read backslashes, `!` and newlines inside quotes in their own way): it sees
//   one quoted word for `sh`, without any of these.
import { randomBytes } from 'node:crypto'
import type { Command, Word } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import { quote, shellCommand } from '../../util/shell.ts'

export type Prepared = {
  /** What the login shell is given. */
  readonly line: string
  /** What goes into standard input before the command's own input; null: nothing. */
  readonly preamble: string | null
}

/** One argument of a program cannot be longer than 128 KiB on Linux. */
const MAX_LINE_BYTES = 96 * 1024

/** @throws RollgateError E_SECRET for a secret that does not exist, or that would become a word of a command */
export async function prepare(command: Command, secret: (name: string) => Promise<string>): Promise<Prepared> {
  const argv = command.argv.map((word) => {
    if (typeof word === 'string') return word
    throw new RollgateError('E_SECRET', `the secret ${word.secret} cannot be a word of a command: every user of the host could read it`, {
      hints: ['hand it over in the environment, or through standard input'],
    })
  })
  const variables = Object.entries(command.env ?? {})
  const open = variables.flatMap(([name, word]): [string, string][] => (typeof word === 'string' ? [[name, word]] : []))
  const hidden = await Promise.all(variables.flatMap(([name, word]) => (typeof word === 'string' ? [] : [readSecret(name, word, secret)])))
  const plain = shellCommand({
    argv: [argv[0] ?? '', ...argv.slice(1)],
    ...(open.length === 0 ? {} : { env: Object.fromEntries(open) }),
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  })
  if (hidden.length === 0 && Buffer.byteLength(plain) <= MAX_LINE_BYTES) return { line: forLoginShell(plain), preamble: null }
  const exported = hidden.map(({ name, value }) => `export ${name}=${quote(value)}\n`).join('')
  const end = `#${randomBytes(16).toString('hex')}`
  return { line: forLoginShell(bootstrap(end)), preamble: `${exported}${plain}\n${end}\n` }
}

async function readSecret(name: string, word: Exclude<Word, string>, secret: (name: string) => Promise<string>) {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name for a variable`)
  return { name, value: await secret(word.secret) }
}

/**
 * Reads a script from standard input up to its last line and runs it; what follows there is the script's own input.
 * `read` takes one byte at a time from a pipe, so that it never takes too much. Exit 97: it did not arrive whole.
 */
function bootstrap(end: string): string {
  return [
    'rg_script= rg_whole=',
    `while IFS= read -r rg_line; do if [ "$rg_line" = '${end}' ]; then rg_whole=1; break; fi; rg_script="$rg_script$rg_line`,
    '"; done',
    '[ -n "$rg_whole" ] || exit 97',
    'eval "unset rg_script rg_line rg_whole; $rg_script"',
  ].join('\n')
}

/**
 * `printf %b` makes of it what was meant: only `sh` reads the escapes. The trap keeps this shell, which leads the
 * command's process group, until the command itself has ended: a group without its leader cannot be signalled any more.
 */
function forLoginShell(script: string): string {
  const kept = `trap : TERM; ${script}`
  if (!/[\\\n!]/.test(kept)) return `exec sh -c ${quote(kept)}`
  const encoded = kept.replace(/[\\\n!'\r]/g, (char) => `\\0${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
  // The dot keeps newlines at the end, which $( ) would take away.
  return `exec sh -c 'rg=$(printf %b. "$0"); eval "unset rg; \${rg%.}"' '${encoded}'`
}
