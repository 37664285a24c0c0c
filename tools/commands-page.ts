// The page of all commands, made from the list and the classes.
import { stripVTControlCharacters } from 'node:util'
import { COMMANDS, type CommandEntry, typed } from '../src/commands/index.ts'
import { commandClass, helpText, oclifConfig } from '../src/commands/run.ts'

export async function commandsPage(root: string): Promise<string> {
  const config = await oclifConfig({ root, version: '0.0.0' })
  // On a terminal it has colours.
  const helpOf = async (entry: CommandEntry): Promise<string> =>
    stripVTControlCharacters(helpText(await commandClass(entry), entry, config))
  const lines = [
    '# Commands',
    '',
    'Written by `npm run docs` from the commands themselves. What they print for scripts, and their exit codes: [scripting.md](scripting.md).',
    '',
    '| command | does |',
    '|---|---|',
    ...COMMANDS.map((entry) => `| [\`${typed(entry.id)}\`](#${typed(entry.id).replaceAll(' ', '-')}) | ${entry.summary} |`),
    '',
  ]
  for (const entry of COMMANDS) {
    const help = await helpOf(entry)
    // The same for all of them, so it is told once, below.
    const own = help.replace(/\nGLOBAL FLAGS\n(?:.+\n)+/, '')
    lines.push(`## ${typed(entry.id)}`, '', '```', own.trimEnd(), '```', '')
  }
  const first = COMMANDS[0]
  const shared = first === undefined ? '' : (/\nGLOBAL FLAGS\n((?:.+\n)+)/.exec(await helpOf(first))?.[1] ?? '')
  return `${[...lines, '## Flags of all commands', '', '```', shared.trimEnd(), '```'].join('\n')}\n`
}
