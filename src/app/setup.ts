// setup: what a deploy needs on a host and may not do itself: the release root for the login, shared folders, the systemd
// unit from the template, lingering for user units. Idempotent: it says what it did, and the second time nothing.
import { readFile } from 'node:fs/promises'
import type { SetupDocument } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { HostFacts, ReachableHost } from '../domain/facts.ts'
import type { Host } from '../domain/host.ts'
import { inPackage } from '../domain/shipped.ts'
import { SETUP_EXIT, type SetupUnit, setupScript } from '../drivers/host/setup-script.ts'
import { sudoersLines } from '../drivers/service/systemd.ts'
import { renderUnit, unitFile } from '../drivers/service/unit.ts'
import { ADOPT_EXIT, adoptCurrent } from '../drivers/stage/adopt.ts'
import { sharedPaths } from '../drivers/stage/shared.ts'
import { limited } from '../util/limit.ts'
import { stdinScript } from '../util/shell.ts'
import { cleanText } from '../util/text.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { documentError } from './documents.ts'
import { look, type Selection, type Work } from './rollout.ts'
import { askSudoPassword } from './sudo.ts'
import { createTelling } from './telling.ts'

type HostResult = SetupDocument['hosts'][number]

const AT_ONCE = 16
const TIMEOUT_MS = 120_000

export async function setup(options: Selection & { readonly adopt?: boolean }, context: AppContext): Promise<SetupDocument> {
  const { emit } = createTelling('setup', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const facts = await look(context, session, emit)
    const work: Work = { context, session, facts, emit, rollout: 'setup' }
    const template = await readFile(inPackage('templates/systemd.service'), 'utf8')
    const seen = new Map(facts.hosts.map((host) => [host.host, host]))
    // Asked for at most once, however many hosts want it.
    let password: Promise<string> | null = null
    const ask = (hosts: readonly ReachableHost[]): Promise<string> => {
      password ??= askSudoPassword(context, hosts)
      return password
    }
    const hosts = await limited(session.chosen, AT_ONCE, (host) =>
      setUp({ work, host, seen: seen.get(host.name), template, adopt: options.adopt === true, ask }),
    )
    return documentOf(hosts)
  } finally {
    await session.close()
  }
}

type Request = {
  readonly work: Work
  readonly host: Host
  readonly seen: HostFacts | undefined
  readonly template: string
  readonly adopt: boolean
  readonly ask: (hosts: readonly ReachableHost[]) => Promise<string>
}

async function setUp(request: Request): Promise<HostResult> {
  const { work, host, seen, adopt } = request
  const changes: string[] = []
  const notes: string[] = []
  try {
    if (seen === undefined) throw new RollgateError('E_UNREACHABLE', `${host.name} was not looked at`)
    if (!seen.reachable) return { name: host.name, changes, notes, error: { code: seen.error.code, message: seen.error.message } }
    if (adopt) changes.push(...(await adoptOn(work, host)))
    let said = await runScript(request, seen, null)
    changes.push(...said.did)
    if (said.root.length > 0 && work.context.ask !== null) {
      said = await runScript(request, seen, await request.ask([seen]))
      changes.push(...said.did)
    }
    notes.push(...said.notes, ...sudoNotes(work, host, seen))
    if (said.root.length > 0)
      throw new RollgateError('E_SUDO', `${seen.system.user} on ${host.name} may not do what needs root: ${said.root.join('; ')}`)
    return { name: host.name, changes, notes }
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG' || info.code === 'E_CANCELLED') throw error
    return { name: host.name, changes, notes, error: { code: info.code, message: info.message } }
  }
}

async function adoptOn(work: Work, host: Host): Promise<readonly string[]> {
  const { session, context } = work
  const { argv, stdin } = stdinScript(adoptCurrent(session.layout))
  const connection = await session.connect(host.name, context.signal)
  const { exitCode, stdout } = await connection.run({ argv, stdin, timeoutMs: TIMEOUT_MS }, { signal: context.signal })
  const { current } = session.layout
  if (exitCode === ADOPT_EXIT.otherFileSystem)
    throw new RollgateError('E_ROOT', `${current} on ${host.name} is a disk of its own: it cannot be moved. Move what is in it by hand`)
  if (exitCode !== 0) throw new RollgateError('E_ROOT', `${current} on ${host.name} could not be moved into releases/`)
  const name = /^adopted (\S+)$/m.exec(stdout)?.[1]
  return name === undefined ? [] : [`${current} was a folder: it is releases/${name} now, and current links to it`]
}

type Said = { readonly did: readonly string[]; readonly notes: readonly string[]; readonly root: readonly string[] }

async function runScript(request: Request, seen: ReachableHost, password: string | null): Promise<Said> {
  const { work, host } = request
  const { session, context } = work
  const { service } = session.settings(host)
  const script = setupScript({
    layout: session.layout,
    shared: sharedPaths(session.config.release.shared, []),
    units: unitsOf(request, seen),
    scope: service.kind === 'systemd' ? service.scope : 'system',
    password,
  })
  const { argv, stdin } = stdinScript(script)
  const connection = await session.connect(host.name, context.signal)
  const result = await connection.run({ argv, stdin, timeoutMs: TIMEOUT_MS }, { signal: context.signal })
  const lines = result.stdout.split('\n').map((line) => cleanText(line, 500))
  const those = (word: string): readonly string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
  const said = { did: those('did'), notes: those('note'), root: those('root') }
  if (result.exitCode === 0) return said
  const why = result.lost
    ? 'the connection was lost'
    : result.timedOut
      ? 'it did not end in time'
      : `exit code ${result.exitCode ?? 'none'}`
  const last = cleanText(`${result.stderr}\n${said.notes.at(-1) ?? ''}`.trim().split('\n').at(-1) ?? '', 300)
  throw new RollgateError(
    'E_SETUP',
    `${host.name} could not be set up: ${result.exitCode === SETUP_EXIT && last !== '' ? last : `${why} ${last}`.trim()}`,
  )
}

function unitsOf(request: Request, seen: ReachableHost): readonly SetupUnit[] {
  const { work, host, template } = request
  const { session } = work
  const { service } = session.settings(host)
  if (service.kind !== 'systemd') return []
  const { units, scope, exec } = service
  const folder = scope === 'system' ? '/etc/systemd/system' : '~/.config/systemd/user'
  return units.map((unit) => ({
    unit,
    file: `${folder}/${unitFile(unit)}`,
    // One command line describes one unit: which of several would it be?
    text:
      exec === undefined || units.length !== 1
        ? null
        : renderUnit(template, { app: session.config.app, layout: session.layout, exec, scope, user: seen.system.user }),
  }))
}

/** What deploys will need, for a person with the rights: rules of who may do what are not ours to write. */
function sudoNotes(work: Work, host: Host, seen: ReachableHost): readonly string[] {
  const { service } = work.session.settings(host)
  if (service.kind !== 'systemd' || service.scope !== 'system' || seen.sudo === 'ok' || seen.sudo === 'unneeded') return []
  return sudoersLines(seen.system.user, service.units).map((line) => `deploys need this line in /etc/sudoers.d/rollgate: ${line}`)
}

function documentOf(hosts: readonly HostResult[]): SetupDocument {
  const bad = hosts.filter((host) => host.error !== undefined)
  const reached = hosts.filter((host) => host.error === undefined || !isAboutReaching(host.error.code))
  const exitCode = bad.length === 0 ? 0 : bad.some((host) => host.error !== undefined && !isAboutReaching(host.error.code)) ? 3 : 4
  const first = bad[0]?.error
  return {
    version: 1,
    command: 'setup',
    exitCode,
    outcome: exitCode === 0 ? 'ok' : 'failed',
    ...(first === undefined
      ? {}
      : {
          error: documentError(
            errorInfo(
              new RollgateError(exitCode === 4 ? 'E_UNREACHABLE' : 'E_SETUP', bad.map((host) => host.error?.message ?? '').join('; '), {
                exitCode,
                now: reached.length === 0 ? 'nothing was changed' : 'what could be done was done; running it again goes on from there',
                hints: ['rollgate check   (what is missing, host by host)', 'run it on a terminal, where sudo can ask for its password'],
              }),
            ),
          ),
        }),
    hosts,
  }
}

function isAboutReaching(code: string): boolean {
  return ['E_UNREACHABLE', 'E_DNS', 'E_CONNECT_REFUSED', 'E_CONNECT_TIMEOUT', 'E_HOST_KEY', 'E_AUTH', 'E_KEY', 'E_LOST'].includes(code)
}
