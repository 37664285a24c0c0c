// Where a host really is and how to log in: the project's own words first, the rest as the user's OpenSSH configuration
// says. `ssh -G` resolves that exactly (Include, Match, canonical names); each jump host is resolved by itself.
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { SshSettings } from '../../domain/config.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import { runLocal } from '../process.ts'

export type Destination = {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly user: string
  readonly identityFiles: readonly string[]
  readonly identitiesOnly: boolean
  /** Socket path, or null: no agent. */
  readonly agent: string | null
  readonly knownHostsFiles: readonly string[]
  readonly globalKnownHostsFiles: readonly string[]
  readonly hostKeyAlias: string | null
  readonly hashKnownHosts: boolean
  readonly strict: 'yes' | 'accept-new' | 'ask'
  readonly hostKeyPin: string | null
  readonly connectTimeoutMs: number
  /** Destinations to go through, outermost first. */
  readonly jumps: readonly Destination[]
  readonly proxyCommand: string | null
}

export type ResolveOptions = {
  readonly settings: SshSettings
  readonly hosts: readonly Host[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly homeDirectory: string
  readonly warn: (message: string) => void
  readonly signal: AbortSignal
}

const MAX_JUMPS = 8

export async function resolveHost(host: Host, options: ResolveOptions, depth = 0): Promise<Destination> {
  if (depth > MAX_JUMPS)
    throw new RollgateError('E_UNREACHABLE', `${host.name} is behind more than ${MAX_JUMPS} jump hosts, or they jump in a circle`, {
      host: host.name,
    })
  const { settings, env, homeDirectory } = options
  const said = await askSsh(host, options)
  const port = host.port ?? Number(said.one('port') ?? '22')
  const user = host.user ?? settings.user ?? said.one('user') ?? userInfo().username
  const address = said.one('hostname') ?? host.address
  const expand = (path: string): string =>
    path.replace(/^~(?=\/|$)/, homeDirectory).replace(
      /%([%dhinpru])/g,
      (_, token: string) =>
        ({
          '%': '%',
          d: homeDirectory,
          h: address,
          i: String(process.getuid?.() ?? ''),
          n: host.address,
          p: String(port),
          r: user,
          u: userInfo().username,
        })[token] ?? '',
    )
  const files = (key: string, fallback: readonly string[]): readonly string[] => {
    const text = said.one(key)
    if (text === null) return fallback
    return text === 'none'
      ? []
      : text
          .split(' ')
          .filter((word) => word !== '')
          .map(expand)
  }
  const agentSaid = said.one('identityagent')
  const agent =
    agentSaid === 'none'
      ? null
      : agentSaid === null || agentSaid === 'SSH_AUTH_SOCK'
        ? (env.SSH_AUTH_SOCK ?? null)
        : agentSaid.startsWith('$')
          ? (env[agentSaid.replace(/^\$\{?|\}$/g, '')] ?? null)
          : expand(agentSaid)
  const identity =
    settings.identity !== undefined && 'path' in settings.identity ? [settings.identity.path] : said.all('identityfile').map(expand)
  const strict = said.one('stricthostkeychecking')
  const timeout = Number(said.one('connecttimeout') ?? Number.NaN)
  return {
    name: host.name,
    address,
    port,
    user,
    identityFiles: identity,
    identitiesOnly: settings.identity !== undefined || said.one('identitiesonly') === 'yes',
    agent: agent === '' ? null : agent,
    knownHostsFiles: settings.knownHosts ?? files('userknownhostsfile', [join(homeDirectory, '.ssh', 'known_hosts')]),
    globalKnownHostsFiles: settings.knownHosts !== undefined ? [] : files('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts']),
    hostKeyAlias: said.one('hostkeyalias'),
    hashKnownHosts: said.one('hashknownhosts') === 'yes',
    strict: strict === 'true' || strict === 'yes' ? 'yes' : strict === 'accept-new' ? 'accept-new' : 'ask',
    hostKeyPin: host.hostKey ?? null,
    connectTimeoutMs: Number.isFinite(timeout) && timeout > 0 ? timeout * 1000 : 10_000,
    jumps: await resolveJumps(host, said.one('proxyjump'), options, depth),
    proxyCommand:
      host.via === undefined
        ? (said
            .one('proxycommand')
            ?.replace(
              /%([%hnpr])/g,
              (_, token: string) => ({ '%': '%', h: address, n: host.address, p: String(port), r: user })[token] ?? '',
            ) ?? null)
        : null,
  }
}

async function resolveJumps(host: Host, proxyJump: string | null, options: ResolveOptions, depth: number): Promise<readonly Destination[]> {
  const via = host.via ?? (proxyJump === 'none' ? null : proxyJump)
  if (via === null || via === undefined) return []
  const jumps: Destination[] = []
  for (const word of via.split(',')) {
    const inventory = options.hosts.find((candidate) => candidate.name === word)
    const hop = inventory ?? parseHop(word)
    const resolved = await resolveHost(hop, options, depth + 1)
    jumps.push(...resolved.jumps, { ...resolved, jumps: [] })
  }
  return jumps
}

/** `[user@]host[:port]`, or `ssh://…` of the same. */
function parseHop(word: string): Host {
  const found = /^(?:ssh:\/\/)?(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(word)
  const [, user, address = word, port] = found ?? []
  return {
    name: word,
    address: address.replace(/^\[|\]$/g, ''),
    roles: [],
    labels: {},
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  }
}

type Said = { one(key: string): string | null; all(key: string): readonly string[] }

let warnedOfNoSsh = false

async function askSsh(host: Host, options: ResolveOptions): Promise<Said> {
  const { settings, env } = options
  const words = [
    'ssh',
    '-G',
    ...(settings.config === undefined ? [] : ['-F', settings.config]),
    ...(host.user === undefined ? [] : ['-l', host.user]),
    ...(host.port === undefined ? [] : ['-p', String(host.port)]),
    '--',
    host.address,
  ]
  const lines = new Map<string, string[]>()
  try {
    const result = await runLocal({ argv: words }, { env, signal: options.signal, timeoutMs: 10_000 })
    if (result.exitCode !== 0) {
      throw new RollgateError('E_UNREACHABLE', `ssh -G cannot resolve ${host.name}: ${result.stderr.trim().split('\n').at(-1) ?? ''}`, {
        host: host.name,
        hints: [`${words.join(' ')}   (says the same)`],
      })
    }
    for (const line of result.stdout.split('\n')) {
      const space = line.indexOf(' ')
      if (space > 0) lines.set(line.slice(0, space), [...(lines.get(line.slice(0, space)) ?? []), line.slice(space + 1)])
    }
  } catch (error) {
    if (!(error instanceof RollgateError) || error.code !== 'E_COMMAND') throw error
    if (!warnedOfNoSsh) options.warn('there is no `ssh` here: your OpenSSH configuration is not used, only the config file’s own words')
    warnedOfNoSsh = true
  }
  return { one: (key) => lines.get(key)?.[0] ?? null, all: (key) => lines.get(key) ?? [] }
}
