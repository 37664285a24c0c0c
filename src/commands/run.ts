// Runs the command that is meant, and is the one place where an error becomes output: the same exit code and the same
// facts as text on stderr or as one JSON document on stdout, whatever went wrong and however early.
import { recordBug } from '../app/bug.ts'
import { problemsOf } from '../app/documents.ts'
import { cleanText, nearest, showText } from '../app/words.ts'
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { CommandClass } from './base.ts'
import { type Found, typedNames, wantsJson } from './find.ts'
import { type CommandEntry, typed } from './index.ts'
import { CLIError, CommandHelp, Config } from './oclif.ts'
import { failureDocument, writeError } from './output.ts'
import { streamsOf, tolerateClosedStreams, write } from './streams.ts'

export type Package = { readonly root: string; readonly version: string }

const HELP_WIDTH = 100

export async function run(found: Exclude<Found, { kind: 'root' }>, argv: readonly string[], pack: Package): Promise<void> {
  const command = found.kind === 'command' ? typed(found.entry.id) : found.kind === 'topic' ? found.topic : ''
  tolerateClosedStreams()
  const unexpected = (error: unknown): void => void fail(error, command, argv, pack).finally(() => process.exit(1))
  process.once('uncaughtException', unexpected)
  try {
    if (found.kind === 'unknown') throw unknownCommand(found.words)
    if (found.kind === 'topic')
      throw new RollgateError('E_USAGE', `${found.topic} needs a command`, { hints: [`rollgate ${found.topic} --help`] })
    await runCommand(found, pack)
  } catch (error) {
    await fail(error, command, argv, pack)
  } finally {
    process.off('uncaughtException', unexpected)
  }
}

async function runCommand(found: Extract<Found, { kind: 'command' }>, pack: Package): Promise<void> {
  const Class = await commandClass(found.entry)
  const config = await oclifConfig(pack)
  if (found.help) return write(process.stdout, helpText(Class, found.entry, config, process.stdout.columns))
  try {
    await new Class([...found.rest], config).start()
  } catch (error) {
    throw error instanceof CLIError ? usageError(error, Class, found.entry) : error
  }
}

export async function commandClass(entry: CommandEntry): Promise<CommandClass> {
  // The list's loaders load command files, each of which exports a class by default; a test loads them all.
  const Class = (await entry.load()).default as CommandClass
  Class.id = entry.id
  Class.summary = entry.summary
  return Class
}

/** No plug-ins are looked for and no files read: oclif is told all it needs. */
export function oclifConfig(pack: Package): Promise<Config> {
  const pjson = { name: 'rollgate', version: pack.version, oclif: { bin: 'rollgate', dirname: 'rollgate', topicSeparator: ' ' as const } }
  return Config.load({ root: pack.root, pjson, isRoot: true, ignoreManifest: true, userPlugins: false, devPlugins: false })
}

export function helpText(Class: CommandClass, entry: CommandEntry, config: Config, columns = HELP_WIDTH): string {
  const words = Object.entries(Class.args ?? {}).map(([name, arg]) =>
    arg.required === true ? name.toUpperCase() : `[${name.toUpperCase()}]`,
  )
  const help = new CommandHelp(
    {
      id: typed(entry.id),
      aliases: [...(entry.aliases ?? [])],
      args: Object.fromEntries(Object.entries(Class.args ?? {}).map(([name, arg]) => [name, { ...arg, name }])),
      flags: Object.fromEntries(Object.entries({ ...Class.flags, ...Class.baseFlags }).map(([name, flag]) => [name, { ...flag, name }])),
      examples: Class.examples,
      usage: Class.usage ?? [typed(entry.id), ...words, '[FLAGS]'].join(' '),
      summary: entry.summary,
      ...(Class.description === undefined ? {} : { description: Class.description }),
      strict: Class.strict,
      hidden: false,
      hiddenAliases: [],
      hasDynamicHelp: false,
      load: async () => Class,
    },
    config,
    { maxWidth: Math.min(columns, HELP_WIDTH), hideCommandSummaryInDescription: true, flagSortOrder: 'none' },
  )
  return `${entry.summary}\n\n${help.generate()}\n`
}

function unknownCommand(words: string): RollgateError {
  if (words === '') return new RollgateError('E_USAGE', 'a command is needed', { hints: ['rollgate --help   (lists them)'] })
  const meant = nearest(words, typedNames())
  return new RollgateError('E_USAGE', `there is no command ${showText(words)}`, {
    hints: [...(meant === null ? [] : [`did you mean rollgate ${meant}?`]), 'rollgate --help   (lists them)'],
  })
}

/** oclif's parser speaks of its own; its errors become ours, in one sentence, with the flag that was meant. */
function usageError(error: CLIError, Class: CommandClass, entry: CommandEntry): RollgateError {
  const unknown = 'flags' in error && Array.isArray(error.flags) ? error.flags.map(String) : []
  const known = Object.keys({ ...Class.flags, ...Class.baseFlags })
  const meant = unknown.flatMap((flag) => nearest(flag.replace(/^-+/, ''), known) ?? [])
  const lines = cleanText(error.message.replace(/^Parsing (--[\w-]+)\s+Expected/, '$1: expected'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('See more help') && !line.startsWith('The following error'))
  const message =
    unknown.length > 0
      ? `${typed(entry.id)} has no flag ${unknown.map((flag) => showText(flag, { quotes: false })).join(', ')}`
      : lines.join(' ')
  return new RollgateError('E_USAGE', message, {
    hints: [...meant.map((flag) => `did you mean --${flag}?`), `rollgate ${typed(entry.id)} --help`],
  })
}

async function fail(thrown: unknown, command: string, argv: readonly string[], pack: Package): Promise<void> {
  let info: ErrorInfo = errorInfo(thrown)
  if (info.code === 'E_BUG') {
    const log = await recordBug(thrown, { command, version: pack.version, env: process.env, now: new Date() })
    info = {
      ...info,
      why: `this is a bug in rollgate ${pack.version}`,
      hints: [log === null ? 'the details could not be written to a file' : `the details are in ${log}`],
    }
  }
  process.exitCode = info.exitCode
  const json = wantsJson(argv)
  if (json) {
    await write(process.stdout, `${JSON.stringify(failureDocument(command, info, problemsOf(thrown)), null, 2)}\n`)
    return
  }
  const noColor = argv.includes('--no-color')
  await writeError(info, streamsOf({ json, verbose: argv.includes('-v') || argv.includes('--verbose'), quiet: false, 'no-color': noColor }))
}
