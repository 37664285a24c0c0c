// Where a load test goes, and whether it may: an address that was given, the site of the configuration, or the app of one
// of its hosts. What is neither loopback nor of the configuration is somebody else's machine, and is asked about.
import { loadConfig } from '../config/load.ts'
import type { Clause } from '../domain/clause.ts'
import type { EngineSettings } from '../domain/engine.ts'
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { HostName } from '../domain/host.ts'
import type { LoadSettings } from '../domain/load.ts'
import type { ReleaseId } from '../domain/release.ts'
import type { LoadTarget } from '../load/plan.ts'
import type { AppContext } from './context.ts'
import { hostTargets } from './host-target.ts'
import type { From } from './load-from.ts'
import { secretReader } from './secrets.ts'
import type { Session } from './session.ts'
import { isStranger, ownAddresses, permit } from './strangers.ts'

export type Wanted = {
  readonly name?: string
  readonly url?: string
  readonly against?: string
  /** A host of the configuration: its own app. */
  readonly at?: string
  /** Hosts of the configuration that send it. */
  readonly from?: readonly string[]
  /** Why what is sent cannot be held to a rate; null: it can. */
  readonly cannotHold: string | null
  /** The app of `at` speaks TLS on its own port. */
  readonly tls?: boolean
}

export type Where = {
  /** What is opened for generators on other hosts; null: this machine sends. */
  readonly from: From | null
  /** All have the same path. */
  readonly url: URL
  /** For a person. */
  readonly shown: string
  readonly targets: readonly [LoadTarget, ...LoadTarget[]]
  /** Neither this machine nor of the configuration. */
  readonly isForeign: boolean
  /** The host of the configuration whose app it is; null: an address. */
  readonly host: LoadedHost | null
  close(): Promise<void>
}

export type LoadedHost = {
  readonly name: HostName
  readonly way: 'direct' | 'tunnel'
  readonly app: string
  readonly environment: string | null
  /** What its `current` points at now. */
  release(): Promise<ReleaseId | null>
}

/** @throws RollgateError E_USAGE, E_ANSWER_NEEDED, E_REFUSED, E_LOAD; whatever reaching a host throws */
export async function whereTo(wanted: Wanted, known: NamedLoad | null, context: AppContext, emit: Emit): Promise<Where> {
  if (wanted.at !== undefined) return atHost(wanted.at, wanted, known, context, emit)
  const from = wanted.from ?? []
  const names = wanted.against === undefined ? (['target'] as const) : (['canary', 'baseline'] as const)
  const site = wanted.url ?? known?.site
  if (site === undefined)
    throw new RollgateError(
      'E_USAGE',
      wanted.name === undefined
        ? 'what shall be loaded? Neither a name nor --url was given'
        : `load ${wanted.name}: where to? There is no rollout.probe.url to take the site from`,
      { hints: ['--url http://127.0.0.1:8080/'] },
    )
  const first = addressOf(site)
  const urls = [first, ...(wanted.against === undefined ? [] : [addressOf(wanted.against)])]
  if (urls.some((url) => url.pathname + url.search !== first.pathname + first.search))
    throw new RollgateError('E_USAGE', 'both addresses must have the same path: they get the same requests')
  const foreign = urls.filter((url) => isStranger(url, known?.addresses ?? null))
  await permit(foreign, wanted.cannotHold, context)
  const [target, ...more] = urls.map((url, index) => ({ name: names[index] ?? 'target', origin: url.origin }))
  if (target === undefined) throw new RollgateError('E_BUG', 'a load without a target')
  const shown = urls.map((url) => url.href).join(' and ')
  const there = { url: first, shown, targets: [target, ...more] as const, isForeign: foreign.length > 0, host: null }
  if (from.length === 0) return { ...there, from: null, close: async () => undefined }
  const { openSession } = await import('./compose.ts')
  const session = await openSession(context, { emit })
  try {
    return { ...there, from: fromHosts(from, session, context), close: () => session.close() }
  } catch (error) {
    await session.close()
    throw error
  }
}

async function atHost(name: string, wanted: Wanted, known: NamedLoad | null, context: AppContext, emit: Emit): Promise<Where> {
  // Only now: a load on an address needs none of what reaches hosts.
  const { openSession } = await import('./compose.ts')
  const session = await openSession(context, { emit, hosts: [name] })
  try {
    const [host] = session.chosen
    if (host === undefined) throw new RollgateError('E_BUG', 'a host without a name')
    const from = wanted.from ?? []
    if (from.includes(name))
      throw new RollgateError('E_USAGE', `${name} is the target: what it sends to itself says nothing`, {
        hints: ['send from another host'],
      })
    const site = wanted.url ?? known?.site ?? session.config.rollout.probe?.url
    const url = site === undefined ? null : addressOf(site)
    const { targets, way } = await hostTargets([{ host: name, name: 'target', health: session.settings(host).health }], {
      connect: session.connect,
      signal: AbortSignal.any([context.signal, context.control.asked]),
      fromElsewhere: from.length > 0,
      tls: wanted.tls === true || known?.settings?.tls === true,
      ...(url === null ? {} : { site: url.href }),
    })
    const [target] = targets
    if (target === undefined) throw new RollgateError('E_BUG', 'a load without a target')
    const path = wanted.url === undefined ? '/' : `${url?.pathname ?? '/'}${url?.search ?? ''}`
    const shown = way === 'tunnel' ? `${name}, through its SSH connection` : `${name}, directly`
    const { app, environment } = session.config
    return {
      ...{ url: new URL(path, target.origin), shown, targets: [target], isForeign: false },
      from: from.length === 0 ? null : fromHosts(from, session, context),
      host: { name, way, app, environment, release: () => session.port(name).current(context.signal) },
      close: () => session.close(),
    }
  } catch (error) {
    await session.close()
    throw error
  }
}

/** @throws RollgateError E_USAGE for a name that is not there */
function fromHosts(hosts: readonly string[], session: Session, context: AppContext): From {
  const known = session.config.hosts.map(({ name }) => name)
  const unknown = hosts.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new RollgateError('E_USAGE', `there is no host called ${unknown} to send from`, { hints: [`hosts: ${known.join(', ')}`] })
  return { hosts: [...new Set(hosts)], session, signal: AbortSignal.any([context.signal, context.control.asked]) }
}

export type NamedLoad = OwnLoad | EngineLoad
/** Our own generator sends it. */
export type OwnLoad = Named & { readonly settings: LoadSettings; readonly engine: null }
/** Another tool runs it. */
export type EngineLoad = Named & { readonly settings: null; readonly engine: EngineSettings }

type Named = {
  readonly site: string | undefined
  /** Hosts of the configuration: nobody needs to be asked about them. */
  readonly addresses: ReadonlySet<string>
  readonly readSecret: (name: string) => Promise<string>
  /** Fixed bounds of the gate that uses it. */
  readonly bounds: readonly Clause[]
}

/** @throws ConfigError; RollgateError E_USAGE for a name that is not there */
export async function namedLoad(name: string, context: AppContext): Promise<NamedLoad> {
  const { flags, cwd, env } = context
  const { config } = await loadConfig({
    cwd,
    env,
    requireEnvironment: true,
    ...(flags.config === undefined ? {} : { file: flags.config }),
    ...(flags.environment === undefined ? {} : { environment: flags.environment }),
  })
  const settings = config.loads[name]
  const engine = config.engines[name]
  if (settings === undefined && engine === undefined) {
    const names = [...Object.keys(config.loads), ...Object.keys(config.engines)]
    throw new RollgateError('E_USAGE', `the configuration has no load called ${name}`, {
      hints: [names.length === 0 ? 'it has none: add loads' : `loads: ${names.join(', ')}`],
    })
  }
  const probe = config.rollout.probe?.url
  const named: Named = {
    site: probe === undefined ? undefined : new URL(probe).origin,
    addresses: ownAddresses(config),
    readSecret: secretReader(config, env),
    bounds: Object.values(config.gates)
      .filter(({ source }) => source.kind === 'load' && source.load === name)
      .flatMap(({ pass }) => pass.filter(({ limit, mode }) => limit.against === 'bound' && mode === 'gate')),
  }
  // One of the two is there: a load has an engine, or it has not.
  return engine === undefined ? { ...named, settings: settings as LoadSettings, engine: null } : { ...named, settings: null, engine }
}

function addressOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '') return url
  // A login in it is a secret: it is not shown.
  const shown = url === null ? JSON.stringify(text) : url.host
  throw new RollgateError('E_USAGE', `${shown}: an http or https address is wanted, without a login in it`)
}
