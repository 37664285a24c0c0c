// init: asks what the config needs, tries each answer on the real hosts while asking, writes a commented file that
// validates, and ends with `check`. The same from flags without a terminal. Nothing is written before the last answer.
import { access, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve } from 'node:path'
import type { Ask } from '../domain/ask.ts'
import type { BaseDocument, CheckItem } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import { check } from './check.ts'
import { loadText } from './compose.ts'
import type { AppContext } from './context.ts'
import { type InitAnswers, parseHostList, renderConfig } from './init-file.ts'
import { type Findings, tryBalancer, tryHosts, tryService } from './init-probe.ts'

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
  if (options.force !== true && options.dryRun !== true && (await exists(file))) {
    throw new RollgateError('E_USAGE', `${file} exists already`, {
      hints: ['--force overwrites it', '--dry-run prints what would be written'],
    })
  }
  const answers = await gather(options, context, dirname(file))
  const text = renderConfig(answers)
  await loadText(text, context)
  const document = { version: 1 as const, command: 'init', exitCode: 0, outcome: 'ok', file, text }
  if (options.dryRun === true) return { ...document, written: false, items: [] }
  const draft = `${file}.${process.pid}.new`
  try {
    await writeFile(draft, text, { mode: 0o644, flag: 'wx' })
    await rename(draft, file)
  } finally {
    await rm(draft, { force: true })
  }
  // The file is there: whatever check finds is shown, and does not undo it.
  const found = await check({}, { ...context, flags: { ...context.flags, config: file } }).then(
    (checked) => checked.items,
    (error: unknown): readonly CheckItem[] => [{ id: 'check', level: 'problem', message: errorInfo(error).message }],
  )
  return { ...document, written: true, items: found }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Flags first, then questions; with --yes (or no terminal) the defaults, and an error that names every missing flag. */
async function gather(options: InitOptions, context: AppContext, directory: string): Promise<InitAnswers> {
  const ask = context.flags.yes ? null : context.ask
  const missing: string[] = []
  const text = async (flag: string, given: string | undefined, question: string, initial: string | null): Promise<string> => {
    if (given !== undefined) return given
    if (ask !== null)
      return ask.text(
        question,
        initial === null ? { validate: (value) => (value.trim() === '' ? 'an answer is needed' : true) } : { initial },
      )
    if (initial === null) missing.push(flag)
    return initial ?? ''
  }
  const folder =
    basename(directory)
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '') || 'app'

  const app = await text('--app', options.app, 'What is the app called?', folder)
  const hostText = await text('--hosts', options.hosts?.join(','), 'Which hosts get it? (NAME=ADDRESS, several with commas)', null)
  const hosts = parseHostList(hostText)
  const user =
    options.user ??
    (ask === null
      ? undefined
      : emptyIsNone(await ask.text('Which user logs in there? (empty: as your SSH configuration says)', { initial: '' })))
  const sshConfig = options.sshConfig === undefined ? undefined : relativeTo(directory, resolve(context.cwd, options.sshConfig))
  const login = { ...(user === undefined ? {} : { user }), ...(sshConfig === undefined ? {} : { sshConfig }) }
  if (ask !== null) await show(ask, 'hosts', () => tryHosts({ app, hosts, ...login }, context), context)

  const artifact = await text('--artifact', options.artifact, 'What is shipped? (a folder, a file or a tarball)', 'dist')
  const build =
    options.build ?? (ask === null ? undefined : emptyIsNone(await ask.text('Which command builds it? (empty: none)', { initial: '' })))
  const root = await text('--root', options.root, 'Where on the hosts do releases live?', `/srv/${app}`)
  const unit = await text('--unit', options.unit, 'Which systemd unit runs it?', app)
  const port = Number(
    await text('--port', options.port === undefined ? undefined : String(options.port), 'Which port does it listen on?', '8080'),
  )
  const healthPath = await text('--health-path', options.healthPath, 'Which path says that it is healthy?', '/healthz')
  const versionHeader =
    options.versionHeader ??
    (ask === null
      ? undefined
      : emptyIsNone(await ask.text('Which response header names the release? (empty: none)', { initial: 'x-release' })))
  const service = {
    artifact,
    root,
    unit,
    port,
    healthPath,
    scope: 'system' as const,
    ...(options.exec === undefined ? {} : { exec: options.exec }),
    ...(versionHeader === undefined ? {} : { versionHeader }),
    ...(build === undefined ? {} : { build }),
  }
  if (ask !== null) await show(ask, 'service', () => tryService({ app, hosts, ...login, ...service }, context), context)

  const balancer = await gatherBalancer(options, context, ask, { app, hosts, ...login, ...service }, missing)
  if (missing.length > 0) {
    throw new RollgateError('E_ANSWER_NEEDED', `these answers are needed, and there is no terminal to ask on: ${missing.join(', ')}`, {
      hints: [`rollgate init ${missing.map((flag) => `${flag} …`).join(' ')}`],
    })
  }
  return { app, hosts, ...login, ...service, balancer }
}

const emptyIsNone = (value: string): string | undefined => (value.trim() === '' ? undefined : value.trim())

function relativeTo(directory: string, path: string): string {
  const inside = relative(directory, path)
  return inside.startsWith('..') ? path : inside
}

async function gatherBalancer(
  options: InitOptions,
  context: AppContext,
  ask: Ask | null,
  sofar: Omit<InitAnswers, 'balancer'>,
  missing: string[],
): Promise<InitAnswers['balancer']> {
  const given = options.balancer ?? (options.balancerHost === undefined ? undefined : 'haproxy')
  const kind =
    given ??
    (ask === null
      ? 'none'
      : await ask.choose('What stands in front of the hosts?', [
          { value: 'haproxy', name: 'HAProxy', description: 'drained through its runtime API, over SSH' },
          { value: 'none', name: 'nothing, or something else', description: 'requests fail during restarts' },
        ]))
  if (kind === 'none') return { kind: 'none' }
  if (kind !== 'haproxy')
    throw new RollgateError('E_NOT_BUILT', `balancer ${kind} is not built yet in this version of rollgate`, {
      hints: ['--balancer haproxy', '--balancer none'],
    })
  const hostText =
    options.balancerHost ?? (ask === null ? undefined : await ask.text('Which host runs HAProxy? (NAME=ADDRESS)', { initial: 'lb-1=' }))
  const host = parseHostList(hostText ?? '')[0]
  if (host === undefined || host.address === '') {
    missing.push('--balancer-host')
    return { kind: 'none' }
  }
  const socket = options.socket === undefined ? {} : { socket: options.socket }
  if (options.backend !== undefined) return { kind: 'haproxy', host, backend: options.backend, ...socket }
  if (ask === null) {
    missing.push('--backend')
    return { kind: 'none' }
  }
  const found = await show(
    ask,
    'balancer',
    () => tryBalancer({ ...sofar, balancer: { kind: 'haproxy', host, backend: 'unknown', ...socket } }, context),
    context,
  )
  const backends = found?.backends ?? []
  const backend =
    backends.length > 0
      ? await ask.choose(
          'Which backend do the hosts belong to?',
          backends.map((name) => ({ value: name, name })),
        )
      : await ask.text('What is the backend called?', { initial: sofar.app })
  return { kind: 'haproxy', host, backend, ...socket }
}

/** Tries an answer on the real machines and says what was found; asks whether to go on when something is wrong. */
async function show(ask: Ask, what: string, probe: () => Promise<Findings>, context: AppContext): Promise<Findings | null> {
  const tell = (message: string): void => {
    for (const renderer of context.renderers)
      renderer.on({ version: 1, at: new Date().toISOString(), rollout: 'init', seq: 0, type: 'notice', message })
  }
  let findings: Findings
  try {
    findings = await probe()
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_CANCELLED') throw error
    findings = { lines: [info.message], problems: 1, backends: [] }
  }
  for (const line of findings.lines) tell(line)
  if (findings.problems === 0) return findings
  const go = await ask.confirm(`Something about the ${what} is not right yet. Go on all the same?`, { initial: true })
  if (!go) throw new RollgateError('E_CANCELLED', 'stopped: nothing was written', { exitCode: 130 })
  return findings
}
