// Where a host really is and how to log in: the project's own words first, the rest as the user's OpenSSH configuration
// says. Each hop on the way is resolved by itself, as OpenSSH does. Answers are kept for the run.
import { join } from 'node:path'
import type { SshSettings } from '../../domain/config.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import { account, askSsh, expandBySsh, expandPath, type SshQuestion, type SshSays, type Tokens } from './ssh-config.ts'

export type Destination = {
  /** As the config or the user's OpenSSH configuration calls it. */
  readonly name: string
  /** A host of the config: what an error says about it can be mended there. */
  readonly ours: boolean
  readonly address: string
  readonly port: number
  readonly user: string
  readonly identityFiles: readonly string[]
  readonly identitiesOnly: boolean
  readonly certificateFiles: readonly string[]
  /** Socket path, or null: no agent. */
  readonly agent: string | null
  readonly knownHostsFiles: readonly string[]
  readonly globalKnownHostsFiles: readonly string[]
  readonly hostKeyAlias: string | null
  readonly hashKnownHosts: boolean
  readonly revokedKeysFile: string | null
  readonly strict: 'yes' | 'accept-new' | 'ask'
  readonly hostKeyPin: string | null
  /** null: the configuration does not say. */
  readonly connectTimeoutMs: number | null
  /** 0: any; 4 or 6. */
  readonly family: 0 | 4 | 6
  readonly bindAddress: string | null
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
}

export type Resolve = (host: Host, signal: AbortSignal) => Promise<Destination>

const MAX_JUMPS = 8
const DEFAULT_IDENTITIES = ['id_rsa', 'id_ecdsa', 'id_ed25519']
const NOTHING: SshSays = { one: () => null, all: () => [] }

export function createResolver(options: ResolveOptions): Resolve {
  const known = new Map<string, Promise<Destination>>()
  let warned = false
  const warnOnce = (): void => {
    if (!warned) options.warn('there is no `ssh` on this machine: your OpenSSH configuration is not read, only what the config itself says')
    warned = true
  }
  return (host, signal) => {
    const resolving = known.get(host.name) ?? resolveHost(host, { ...options, signal, warnOnce, inventory: true }, 0)
    known.set(host.name, resolving)
    // What failed or was interrupted is asked again.
    resolving.catch(() => known.delete(host.name))
    return resolving
  }
}

type Context = ResolveOptions & {
  readonly signal: AbortSignal
  readonly warnOnce: () => void
  /** A host of ours: `ssh.user` is meant for it. */
  readonly inventory: boolean
}

async function resolveHost(host: Host, context: Context, depth: number): Promise<Destination> {
  if (depth > MAX_JUMPS)
    throw new RollgateError('E_CONFIG', `${host.name} is behind more than ${MAX_JUMPS} jump hosts, or they jump in a circle`, {
      host: host.name,
    })
  const { settings, env, homeDirectory } = context
  const who = account(env, homeDirectory)
  const question: SshQuestion = {
    name: host.name,
    address: host.address,
    user: host.user ?? (context.inventory ? settings.user : undefined),
    port: host.port,
    configFile: settings.config,
    env,
    signal: context.signal,
  }
  const answer = await askSsh(question)
  if (answer === null) context.warnOnce()
  const said = answer ?? NOTHING
  const tokens: Tokens = {
    address: said.one('hostname') ?? host.address,
    original: host.address,
    port: host.port ?? Number(said.one('port') ?? '22'),
    user: question.user ?? said.one('user') ?? who.name,
    alias: notNone(said.one('hostkeyalias')),
  }
  const expand = async (path: string): Promise<string> => expandPath(path, tokens, who) ?? (await expandBySsh(path, question))
  const expandAll = (paths: readonly string[]): Promise<string[]> => Promise.all(paths.filter((path) => path !== 'none').map(expand))
  const timeout = Number(said.one('connecttimeout') ?? Number.NaN)
  const family = said.one('addressfamily')
  if (said.one('proxyusefdpass') === 'yes')
    throw new RollgateError('E_CONFIG', `${host.name}: ProxyUseFdpass of your OpenSSH configuration cannot be used here`, {
      host: host.name,
      hints: ['hosts.NAME.via says through which host to go instead'],
    })
  return {
    name: host.name,
    ours: context.inventory,
    address: tokens.address,
    port: tokens.port,
    user: tokens.user,
    identityFiles:
      settings.identity !== undefined
        ? 'path' in settings.identity
          ? [settings.identity.path]
          : []
        : answer === null
          ? DEFAULT_IDENTITIES.map((file) => join(who.home, '.ssh', file))
          : await expandAll(said.all('identityfile')),
    identitiesOnly: settings.identity !== undefined || said.one('identitiesonly') === 'yes',
    certificateFiles: settings.identity !== undefined ? [] : await expandAll(said.all('certificatefile')),
    agent: await agentSocket(said.one('identityagent'), env, expand),
    knownHostsFiles: settings.knownHosts ?? files(said, 'userknownhostsfile', [join(who.home, '.ssh', 'known_hosts')]),
    globalKnownHostsFiles: settings.knownHosts !== undefined ? [] : files(said, 'globalknownhostsfile', ['/etc/ssh/ssh_known_hosts']),
    hostKeyAlias: tokens.alias,
    revokedKeysFile: notNone(said.one('revokedhostkeys')),
    hashKnownHosts: said.one('hashknownhosts') === 'yes',
    strict: strictness(said.one('stricthostkeychecking')),
    hostKeyPin: host.hostKey ?? null,
    connectTimeoutMs: Number.isFinite(timeout) && timeout > 0 ? timeout * 1000 : null,
    family: family === 'inet' ? 4 : family === 'inet6' ? 6 : 0,
    bindAddress: notNone(said.one('bindaddress')),
    jumps: await resolveJumps(host, notNone(said.one('proxyjump')), context, depth),
    proxyCommand: host.via === undefined ? proxyCommand(said, tokens) : null,
  }
}

const notNone = (value: string | null): string | null => (value === 'none' || value === '' ? null : value)

/** `yes` and `no` are printed as true and false. With `no` OpenSSH trusts even a changed key; we trust a new one. */
function strictness(said: string | null): Destination['strict'] {
  if (said === 'true' || said === 'yes') return 'yes'
  return said === 'accept-new' || said === 'false' || said === 'off' || said === 'no' ? 'accept-new' : 'ask'
}

function files(said: SshSays, key: string, fallback: readonly string[]): readonly string[] {
  const text = said.one(key)
  if (text === null) return fallback
  return text.split(' ').filter((word) => word !== '' && word !== 'none')
}

async function agentSocket(
  said: string | null,
  env: Readonly<Record<string, string | undefined>>,
  expand: (path: string) => Promise<string>,
): Promise<string | null> {
  if (said === 'none') return null
  const socket =
    said === null || said === 'SSH_AUTH_SOCK'
      ? env.SSH_AUTH_SOCK
      : said.startsWith('$')
        ? env[said.replace(/^\$\{?|\}$/g, '')]
        : await expand(said)
  return socket === undefined || socket === '' ? null : socket
}

function proxyCommand(said: SshSays, tokens: Tokens): string | null {
  const line = notNone(said.one('proxycommand'))
  const known: Readonly<Record<string, string>> = {
    '%': '%',
    h: tokens.address,
    n: tokens.original,
    p: String(tokens.port),
    r: tokens.user,
  }
  return line?.replace(/%(.)/g, (whole, token: string) => known[token] ?? whole) ?? null
}

/** `via` names a host of the inventory or an OpenSSH destination; ProxyJump only the latter, several with commas. */
async function resolveJumps(host: Host, proxyJump: string | null, context: Context, depth: number): Promise<readonly Destination[]> {
  const inventory = host.via === undefined ? undefined : context.hosts.find((candidate) => candidate.name === host.via)
  if (inventory !== undefined) {
    const { jumps, ...last } = await resolveHost(inventory, { ...context, inventory: true }, depth + 1)
    return [...jumps, { ...last, jumps: [] }]
  }
  const words = (host.via ?? proxyJump)?.split(',') ?? []
  const hops = await Promise.all(words.map((word) => resolveHost(parseHop(word), { ...context, inventory: false }, depth + 1)))
  // Only the first one's own way counts: the others are reached through those before them.
  return [...(hops[0]?.jumps ?? []), ...hops.map((hop) => ({ ...hop, jumps: [] }))]
}

/** `[user@]host[:port]`, or `ssh://…` of the same. */
function parseHop(word: string): Host {
  const found = /^(?:ssh:\/\/)?(?:(.+)@)?(\[[^\]]+\]|[^:@]+)(?::(\d+))?\/?$/.exec(word)
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
