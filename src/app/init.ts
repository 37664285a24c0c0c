// init: asks what the config needs, tries each answer on the real hosts while asking, writes a commented file that
// validates, and ends with `check`. The same from flags without a terminal. Nothing is written before the last answer.
import { access, link, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve } from 'node:path'
import type { BaseDocument, CheckItem } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import { check } from './check.ts'
import { loadDraft } from './compose.ts'
import type { AppContext } from './context.ts'
import { renderConfig } from './init-file.ts'
import { createProbe } from './init-probe.ts'
import { gatherAnswers } from './init-questions.ts'

export type InitOptions = {
  readonly app?: string
  readonly hosts?: readonly string[]
  readonly user?: string
  readonly sshConfig?: string
  readonly artifact?: string
  readonly build?: string
  readonly root?: string
  readonly unit?: string
  readonly exec?: string
  readonly port?: number
  readonly healthPath?: string
  readonly versionHeader?: string
  readonly balancer?: string
  readonly balancerHost?: string
  readonly backend?: string
  readonly socket?: string
  readonly force?: boolean
  readonly dryRun?: boolean
}

export type InitDocument = BaseDocument & {
  readonly file: string
  readonly text: string
  readonly written: boolean
  readonly items: readonly CheckItem[]
}

export async function init(options: InitOptions, context: AppContext): Promise<InitDocument> {
  const file = resolve(context.cwd, context.flags.config ?? 'rollgate.yml')
  const force = options.force === true
  if (!force && options.dryRun !== true && (await exists(file))) throw existsAlready(file)
  const directory = dirname(file)
  const answers = await gatherAnswers({
    options,
    context,
    probe: createProbe(file, context),
    folder: appNameOf(directory),
    inFile: (path) => inFile(directory, resolve(context.cwd, path)),
    tell: (message) => tell(context, message),
  })
  const text = renderConfig(answers)
  await loadDraft({ text, file }, context)
  const document = { version: 1 as const, command: 'init', exitCode: 0, outcome: 'ok', file, text }
  if (options.dryRun === true) return { ...document, written: false, items: [] }
  await writeWhole(file, text, force)
  // The file is there: whatever check finds is shown, and does not undo it.
  const found = await check({}, { ...context, flags: { ...context.flags, config: file } }).then(
    (checked) => checked.items,
    (error: unknown): readonly CheckItem[] => [{ id: 'check', level: 'problem', message: errorInfo(error).message }],
  )
  return { ...document, written: true, items: found }
}

function tell(context: AppContext, message: string): void {
  for (const renderer of context.renderers)
    renderer.on({ version: 1, at: new Date().toISOString(), rollout: 'init', seq: 0, type: 'notice', message })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function existsAlready(file: string): RollgateError {
  return new RollgateError('E_USAGE', `${file} exists already`, {
    now: 'nothing was written',
    hints: ['--force overwrites it', '--dry-run prints what would be written'],
  })
}

/** Whole or not at all; a file that somebody made in the meantime is not replaced unless that was asked for. */
async function writeWhole(file: string, text: string, force: boolean): Promise<void> {
  const draft = `${file}.${process.pid}.new`
  try {
    await writeFile(draft, text, { mode: 0o644, flag: 'wx' })
    if (force) await rename(draft, file)
    else await link(draft, file)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') throw existsAlready(file)
    throw new RollgateError('E_USAGE', `${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  } finally {
    await rm(draft, { force: true })
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

/** The folder's name, as far as it can be an app's. */
function appNameOf(directory: string): string {
  const name = basename(directory)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63)
  return name === '' ? 'app' : name
}

function inFile(directory: string, path: string): string {
  const inside = relative(directory, path)
  return inside.startsWith('..') ? path : inside
}
