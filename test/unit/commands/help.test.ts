// Names, flags and examples are a contract: one snapshot of each command's help, one of all commands and flags. A change
// there is seen in review, never by surprise.
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { CommandClass } from '../../../src/commands/base.ts'
import { COMMANDS, typed } from '../../../src/commands/index.ts'
import { overview } from '../../../src/commands/overview.ts'
import { commandClass, helpText, oclifConfig } from '../../../src/commands/run.ts'
import { commandsPage } from '../../../tools/commands-page.ts'

const root = resolve(import.meta.dirname, '../../..')
const config = await oclifConfig({ root, version: '0.0.0' })
const classes = new Map<string, CommandClass>()
for (const entry of COMMANDS) classes.set(entry.id, await commandClass(entry))

const classOf = (id: string): CommandClass => {
  const found = classes.get(id)
  if (found === undefined) throw new Error(`no class for ${id}`)
  return found
}

describe.each(COMMANDS)('$id --help', (entry) => {
  const text = helpText(classOf(entry.id), entry, config)

  test('is as it was agreed', async () => {
    await expect(text).toMatchFileSnapshot(join(import.meta.dirname, 'help', `${entry.id.replace(':', '-')}.txt`))
  })

  test('has an example that begins with the command itself', () => {
    const examples = classOf(entry.id).examples ?? []
    expect(examples.length).toBeGreaterThan(0)
    expect(
      examples.flatMap((example) => String(example).split('\n')).filter((line) => line.startsWith(`rollgate ${typed(entry.id)}`)),
    ).not.toEqual([])
  })

  test('fits a terminal of a hundred columns', () => {
    expect(text.split('\n').filter((line) => line.length > 100)).toEqual([])
  })
})

test('all commands, arguments and flags are as they were agreed', async () => {
  const lines = COMMANDS.flatMap((entry) => {
    const Class = classOf(entry.id)
    const flags = Object.entries({ ...Class.flags, ...Class.baseFlags }).map(([name, flag]) => {
      const value = flag.type === 'option' ? ` ${flag.helpValue ?? 'VALUE'}` : ''
      return `  ${flag.char === undefined ? '' : `-${flag.char} `}--${name}${value}`
    })
    const args = Object.entries(Class.args ?? {}).map(([name, arg]) => `  ${name}${arg.required === true ? '' : '?'}`)
    return [[typed(entry.id), ...(entry.aliases ?? [])].join(', '), ...args, ...flags.toSorted()]
  })
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(join(import.meta.dirname, 'help', 'all.txt'))
})

test('the overview is as it was agreed', async () => {
  await expect(overview()).toMatchFileSnapshot(join(import.meta.dirname, 'help', 'overview.txt'))
})

test('docs/commands.md is what the commands say: npm run docs', async () => {
  expect(readFileSync(join(root, 'docs/commands.md'), 'utf8')).toBe(await commandsPage(root))
})

test('every file of the commands folder that holds a command is listed', () => {
  const folder = join(root, 'src/commands')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const named = COMMANDS.map((entry) => entry.id.replaceAll(':', '/'))
  const commands = files.filter((file) => named.includes(file.replace(/(\/index)?\.ts$/, '')))
  const shared = [
    'base.ts',
    'find.ts',
    'flags.ts',
    'index.ts',
    'oclif.ts',
    'output.ts',
    'overview.ts',
    'release-flags.ts',
    'report-flags.ts',
    'run.ts',
    'streams.ts',
  ]
  expect(commands).toHaveLength(COMMANDS.length)
  expect(files.filter((file) => !commands.includes(file)).toSorted()).toEqual(shared)
})
