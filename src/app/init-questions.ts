// The wizard's conversation: a flag answers its question beforehand, a person is asked, and without one the defaults
// hold; whatever has no default and no answer is collected and named at once. Between the questions the answers are
// tried on the real machines, and what was found is told.
import type { Ask } from '../domain/ask.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { AppContext } from './context.ts'
import type { InitOptions } from './init.ts'
import { type AnswerFlag, checkFlag, RULES } from './init-answers.ts'
import { type InitAnswers, type InitHost, parseHostList } from './init-file.ts'
import type { Backend, Findings, Probe, Sofar } from './init-probe.ts'

export type Conversation = {
  readonly options: InitOptions
  readonly context: AppContext
  readonly probe: Probe
  /** What the app is called when nobody says: its folder's name. */
  readonly folder: string
  /** A path of this machine as the file will have it. */
  readonly inFile: (path: string) => string
  readonly tell: (line: string) => void
}

/** @throws RollgateError E_ANSWER_NEEDED with every flag that is missing, E_USAGE for a wrong one, E_CANCELLED */
export async function gatherAnswers(talk: Conversation): Promise<InitAnswers> {
  const { options, context, probe, folder } = talk
  const ask = context.flags.yes ? null : context.ask
  const missing: string[] = []
  /** @param initial null: there is no default, an answer is needed */
  const answer = async (flag: AnswerFlag, given: string | undefined, question: string, initial: string | null): Promise<string> => {
    if (given !== undefined) return checkFlag(flag, given)
    if (ask !== null)
      return (await ask.text(question, { validate: validator(flag, initial), ...(initial === null ? {} : { initial }) })).trim()
    if (initial === null) missing.push(flag)
    return initial ?? ''
  }
  const maybe = async (flag: AnswerFlag, given: string | undefined, question: string): Promise<string | undefined> => {
    if (given !== undefined) return checkFlag(flag, given)
    if (ask === null) return undefined
    const said = (await ask.text(`${question} (empty: none)`, { validate: validator(flag, '') })).trim()
    return said === '' ? undefined : said
  }

  const app = await answer('--app', options.app, 'What is the app called?', folder)
  const hosts = parseHostList(
    await answer('--hosts', options.hosts?.join(','), 'Which hosts get it? (NAME=ADDRESS, several with commas)', null),
  )
  const user = await maybe('--user', options.user, 'Which user logs in there, if not the one of your SSH configuration?')
  const sshConfig = options.sshConfig === undefined ? undefined : talk.inFile(checkFlag('--ssh-config', options.sshConfig))
  let sofar: Sofar = { app, hosts, ...optional({ user, sshConfig }) }
  if (ask !== null) await tried(talk, ask, 'hosts', () => probe.hosts(sofar))

  const artifact = await answer('--artifact', options.artifact, 'What is shipped? (a folder, a file or a tarball)', 'dist')
  const build = await maybe('--build', options.build, 'Which command builds it?')
  const root = await answer('--root', options.root, 'Where on the hosts do releases live?', `/srv/${app}`)
  const unit = await answer('--unit', options.unit, 'Which systemd unit runs it?', app)
  const exec = options.exec === undefined ? undefined : checkFlag('--exec', options.exec)
  const port = Number(await answer('--port', options.port?.toString(), 'Which port does it listen on?', '8080'))
  const healthPath = await answer('--health-path', options.healthPath, 'Which path says that it is healthy?', '/healthz')
  const versionHeader = await maybe('--version-header', options.versionHeader, 'Which response header names the release?')
  const service = { artifact, root, unit, port, healthPath, scope: 'system' as const, ...optional({ build, exec, versionHeader }) }
  sofar = { ...sofar, ...service }
  if (ask !== null) await tried(talk, ask, 'service', () => probe.service(sofar))

  const { balancer, servers } = await balancerOf(talk, ask, sofar, missing)
  if (missing.length > 0) {
    throw new RollgateError('E_ANSWER_NEEDED', `these answers are needed, and there is nobody to ask: ${missing.join(', ')}`, {
      now: 'nothing was written',
      hints: [`rollgate init ${missing.map((flag) => `${flag} …`).join(' ')}`],
    })
  }
  return { ...sofar, ...service, hosts: hosts.map((host) => named(host, servers)), balancer }
}

function validator(flag: AnswerFlag, initial: string | null): (value: string) => string | true {
  return (value) => {
    const said = value.trim()
    if (said === '') return initial === null ? 'an answer is needed' : true
    return RULES[flag](said) ?? true
  }
}

function optional<T extends Readonly<Record<string, string | undefined>>>(values: T): { readonly [K in keyof T]?: string } {
  // The cast says what the filter does: absent instead of undefined.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { readonly [K in keyof T]?: string }
}

type BalancerAnswer = { readonly balancer: InitAnswers['balancer']; readonly servers: Backend['members'] }

const NONE: BalancerAnswer = { balancer: { kind: 'none' }, servers: new Map() }

async function balancerOf(talk: Conversation, ask: Ask | null, sofar: Sofar, missing: string[]): Promise<BalancerAnswer> {
  const { options, probe } = talk
  const kind = await kindOf(options, ask)
  if (kind === 'none') return NONE
  const given = options.balancerHost
  if (given === undefined && ask === null) {
    missing.push('--balancer-host')
    return NONE
  }
  const said =
    given === undefined && ask !== null
      ? await ask.text('Which host runs HAProxy? (NAME=ADDRESS)', { validate: validator('--balancer-host', null) })
      : checkFlag('--balancer-host', given ?? '')
  const host = parseHostList(said.trim())[0]
  if (host === undefined) return NONE
  if (sofar.hosts.some((other) => other.name === host.name))
    throw new RollgateError('E_USAGE', `--balancer-host ${host.name} is one of --hosts: give the balancer a name of its own`)
  const socket = options.socket === undefined ? {} : { socket: checkFlag('--socket', options.socket) }
  const balancer = { kind: 'haproxy' as const, host, ...socket }
  const wanted = options.backend === undefined ? undefined : checkFlag('--backend', options.backend)
  // A dry run that has all its answers need not connect anywhere.
  if (ask === null && wanted !== undefined && options.dryRun === true)
    return { balancer: { ...balancer, backend: wanted }, servers: new Map() }
  const look = () => probe.balancer({ ...sofar, balancer })
  const found = ask === null ? await quietly(talk, look) : await tried(talk, ask, 'balancer', look)
  const backend = wanted ?? (await backendOf(found?.backends ?? [], sofar, ask, missing))
  const servers = found?.backends.find((candidate) => candidate.name === backend)?.members ?? new Map()
  return backend === undefined ? NONE : { balancer: { ...balancer, backend }, servers }
}

async function kindOf(options: InitOptions, ask: Ask | null): Promise<'none' | 'haproxy'> {
  const given = options.balancer ?? (options.balancerHost === undefined ? undefined : 'haproxy')
  if (given === 'none' || given === 'haproxy') return given
  if (given !== undefined)
    throw new RollgateError('E_NOT_BUILT', `--balancer ${given} is not built yet in this version of rollgate`, {
      now: 'nothing was written',
      hints: ['--balancer haproxy', '--balancer none'],
    })
  if (ask === null) return 'none'
  return ask.choose('What stands in front of the hosts?', [
    { value: 'haproxy', name: 'HAProxy', description: 'drained through its runtime API, over SSH' },
    { value: 'none', name: 'nothing, or something else', description: 'requests fail during restarts' },
  ])
}

/** The one that holds our hosts, when there is only one; else a person chooses. */
async function backendOf(backends: readonly Backend[], sofar: Sofar, ask: Ask | null, missing: string[]): Promise<string | undefined> {
  const ours = backends.filter((backend) => backend.members.size > 0)
  if (ask === null) {
    if (ours.length !== 1) missing.push('--backend')
    return ours[0]?.name
  }
  if (backends.length === 0)
    return (await ask.text('What is the backend called?', { initial: sofar.app, validate: validator('--backend', sofar.app) })).trim()
  return ask.choose(
    'Which backend do the hosts belong to?',
    backends.map(({ name, members }) => ({
      value: name,
      name,
      description: members.size === 0 ? 'none of the hosts' : `holds ${[...members.keys()].join(', ')}`,
    })),
  )
}

/** Only where the name alone tells: a later change of address must not be hidden by it. */
function named(host: InitHost, servers: Backend['members']): InitHost {
  const member = servers.get(host.name)
  return member?.byName === true ? { ...host, server: member.server } : host
}

/** Tries an answer on the real machines and says what was found; asks whether to go on when something is wrong. */
async function tried<F extends Findings>(talk: Conversation, ask: Ask, what: string, look: () => Promise<F>): Promise<F | null> {
  talk.tell(`looking at the ${what} …`)
  const findings = await quietly(talk, look)
  if (findings !== null && findings.problems === 0) return findings
  const goOn = await ask.confirm(`Something about the ${what} is not right yet. Go on all the same?`, { initial: true })
  if (!goOn) throw new RollgateError('E_CANCELLED', 'stopped: nothing was written', { exitCode: 130 })
  return findings
}

/** What could not be looked at is told, and no reason to stop: the file can be written all the same. */
async function quietly<F extends Findings>(talk: Conversation, look: () => Promise<F>): Promise<F | null> {
  try {
    const findings = await look()
    for (const line of findings.lines) talk.tell(line)
    return findings
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG' || info.code === 'E_CANCELLED') throw error
    for (const line of [info.message, ...(info.hints ?? [])]) talk.tell(`  ✖ ${line}`)
    return null
  }
}
