// A command's words to one shell line, secrets put in at the last moment. The caller sends a line with secrets through
// standard input: a remote argv is for everybody to read.
import type { Command, Word } from '../../domain/command.ts'
import { shellCommand } from '../../util/shell.ts'

export async function plainCommand(
  command: Command,
  secret: (name: string) => Promise<string>,
): Promise<{ readonly line: string; readonly secret: boolean }> {
  let secrets = false
  const plain = async (word: Word): Promise<string> => {
    if (typeof word === 'string') return word
    secrets = true
    return secret(word.secret)
  }
  const argv = await Promise.all(command.argv.map(plain))
  const env = Object.fromEntries(
    await Promise.all(Object.entries(command.env ?? {}).map(async ([name, word]): Promise<[string, string]> => [name, await plain(word)])),
  )
  return { line: shellCommand({ argv, env, ...(command.cwd === undefined ? {} : { cwd: command.cwd }) }), secret: secrets }
}
