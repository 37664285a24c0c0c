// Whose machine may be loaded, and how hard (cli.md). What is neither loopback nor of the configuration belongs to somebody
// else: it is asked about, and held to a low rate unless the command line gave one; what cannot be held to a rate is
// refused. Everything that sends load to an address goes through here, whoever sends it.
import type { Config } from '../domain/config.ts'
import type { EngineSettings } from '../domain/engine.ts'
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { GateSettings } from '../domain/gate.ts'
import type { LoadModel, LoadSettings } from '../domain/load.ts'
import { peakOf } from '../load/profile.ts'
import type { AppContext } from './context.ts'

/** Requests per second. */
export const STRANGER_RATE = 50

export const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)

/** Hosts of the configuration, and its public entry: nobody needs to be asked about them. */
export function ownAddresses(config: Pick<Config, 'hosts' | 'rollout'>): ReadonlySet<string> {
  const probe = config.rollout.probe?.url
  return new Set([...config.hosts.map(({ address }) => plain(address)), ...(probe === undefined ? [] : [plain(new URL(probe).hostname)])])
}

/** @param own null: no configuration was read */
export function isStranger(url: URL, own: ReadonlySet<string> | null): boolean {
  return !isLoopback(url) && own?.has(plain(url.hostname)) !== true
}

const plain = (address: string): string => address.toLowerCase().replace(/^\[|\]$/g, '')

/** Why it cannot be held to a rate; null: it can. */
export function unheld(model: Pick<LoadModel, 'kind'>): string | null {
  return model.kind === 'closed' ? 'connections send as fast as they are answered' : null
}

/** @param compares two releases at once */
export function unheldEngine({ tool }: Pick<EngineSettings, 'tool'>, compares: boolean): string | null {
  return tool === 'vegeta' || (tool === 'k6' && compares) ? null : `how fast it sends is for ${tool} to say`
}

/**
 * Load on somebody else's machine is an attack unless he asked for it.
 * @param cannotHold why what is sent has no rate; null: it has
 * @throws RollgateError E_USAGE where it has none, E_ANSWER_NEEDED, E_REFUSED
 */
export async function permit(
  strangers: readonly URL[],
  cannotHold: string | null,
  context: Pick<AppContext, 'ask' | 'control'> & { readonly flags: Pick<AppContext['flags'], 'yes'> },
): Promise<void> {
  const foreign = [...new Set(strangers.map((url) => url.host))].join(' and ')
  if (foreign === '') return
  if (cannotHold !== null) throw unbounded(foreign, cannotHold)
  if (context.flags.yes) return
  const what = `${foreign} is not this machine`
  if (context.ask === null)
    throw new RollgateError('E_ANSWER_NEEDED', `${what}, and there is nobody to ask whether load may be sent there`, {
      hints: ['--yes answers it'],
    })
  if (await context.ask.confirm(`${what}. May load be sent there?`, { initial: false, signal: context.control.asked })) return
  throw new RollgateError('E_REFUSED', `no load is sent to ${foreign}`, { now: 'nothing was sent' })
}

function unbounded(foreign: string, why: string): RollgateError {
  return new RollgateError('E_USAGE', unboundedWords(foreign, why), { now: 'nothing was sent', hints: UNBOUNDED_HINTS })
}

const unboundedWords = (foreign: string, why: string): string =>
  `${foreign} is not of this configuration, so it is held to ${STRANGER_RATE}/s, and ${why}`

const UNBOUNDED_HINTS = [`send at a rate: --rate ${STRANGER_RATE}/s, or rate: ${STRANGER_RATE}/s`, 'or name its address under hosts']

/** What a stranger may bear. @returns the very same where that is asked for anyway */
export function heldLoad(settings: LoadSettings): LoadSettings {
  const { model } = settings
  if (model.kind !== 'paced' || peakOf(model.profile) <= STRANGER_RATE) return settings
  return { ...settings, model: { ...model, profile: { kind: 'constant', ratePerSecond: STRANGER_RATE } } }
}

export function heldEngine(settings: EngineSettings): EngineSettings {
  if (settings.ratePerSecond === null || settings.ratePerSecond <= STRANGER_RATE) return settings
  return { ...settings, ratePerSecond: STRANGER_RATE }
}

/** `rateGiven`: by `--rate`; null: nothing has such a flag. */
type Bearing = { readonly isForeign: boolean; readonly rateGiven: boolean | null }

/** As asked on one's own machines, and where `--rate` says so; else held. */
export function spared<T>(asked: T, hold: (asked: T) => T, { isForeign, rateGiven }: Bearing, emit: Emit): T {
  if (!isForeign || rateGiven === true) return asked
  const held = hold(asked)
  const why = `the target is not of this configuration${rateGiven === null ? '' : ', and no --rate was given'}`
  if (held !== asked) emit({ type: 'warning', message: `held to ${STRANGER_RATE}/s: ${why}` })
  return held
}

/** Of a gate: the stranger that it loads, and why that cannot be held to a rate. null: it loads nobody else's machine. */
export function strangerOf(config: Config, { source }: GateSettings): { readonly url: URL; readonly cannotHold: string | null } | null {
  if (source.kind !== 'load' || source.at.kind !== 'url') return null
  const url = new URL(source.at.url)
  if (!isStranger(url, ownAddresses(config))) return null
  const [load, engine] = [config.loads[source.load], config.engines[source.load]]
  const cannotHold = load !== undefined ? unheld(load.model) : engine !== undefined ? unheldEngine(engine, source.baseline !== null) : null
  return { url, cannotHold }
}

/** For `plan` and `gate plan`. */
export function strangerWords(config: Config, gate: GateSettings): { readonly problem: string | null; readonly warning: string | null } {
  const stranger = strangerOf(config, gate)
  if (stranger === null) return { problem: null, warning: null }
  const { url, cannotHold } = stranger
  if (cannotHold !== null) return { problem: `${unboundedWords(url.host, cannotHold)}: ${UNBOUNDED_HINTS.join(', ')}`, warning: null }
  return {
    problem: null,
    warning: `${url.host} is not of this configuration: it is asked about (--yes answers), and held to ${STRANGER_RATE}/s`,
  }
}

/** Of all these gates, before any of them is measured and before a host is touched. @throws as `permit` */
export async function permitGates(config: Config, names: readonly string[], context: Parameters<typeof permit>[2]): Promise<void> {
  const found = names.flatMap((name) => {
    const gate = config.gates[name]
    return (gate === undefined ? null : strangerOf(config, gate)) ?? []
  })
  const wild = found.find(({ cannotHold }) => cannotHold !== null)
  if (wild !== undefined) throw unbounded(wild.url.host, wild.cannotHold ?? '')
  await permit(
    found.map(({ url }) => url),
    null,
    context,
  )
}
