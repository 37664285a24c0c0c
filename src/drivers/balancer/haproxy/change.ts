// Changes to a server, each read back in the same round trip: an empty answer of HAProxy's is a yes, but only the state
// that follows it counts. A server that tracks another is changed through the other. What the balancer's own machinery decides (DNS, an agent) is never overruled.
import type { AdminState, Change, ServerRef, ServerState } from '../../../domain/balancer.ts'
import { RollgateError } from '../../../domain/error.ts'
import { cleanText } from '../../../util/text.ts'
import { decider, type Look, look, serverNamed } from './look.ts'
import type { Previous } from './previous.ts'
import { type RuntimeApi, word } from './runtime-api.ts'
import { isIn, MASK, type Server, stateOf } from './servers.ts'

export type Balancer = {
  readonly id: string
  /** The balancer host. */
  readonly host: string
  readonly api: RuntimeApi
  readonly previous: Previous
}

const STATES = { ready: 'ready', drain: 'drain', maintenance: 'maint' } as const

/** @throws RollgateError E_BALANCER_SERVER when it is gone, E_BALANCER_MISMATCH when its slot has moved to another address */
export function serverOf(seen: Look, ref: ServerRef): Server {
  const server = serverNamed(seen, `${ref.backend}/${ref.server}`)
  if (server === undefined)
    throw new RollgateError('E_BALANCER_SERVER', `${ref.balancer} no longer knows ${ref.backend}/${ref.server}`, {
      hints: ['was its configuration changed meanwhile?'],
    })
  if (ref.address !== undefined && server.address !== null && server.address !== ref.address)
    throw new RollgateError(
      'E_BALANCER_MISMATCH',
      `${ref.backend}/${ref.server} of ${ref.balancer} is now at ${cleanText(server.address, 80)}, not at ${ref.address} any more`,
    )
  return server
}

export function stateIn(seen: Look, server: Server, balancer: string): ServerState {
  return stateOf(server, {
    balancer,
    checked: decider(seen, server).hasCheck,
    generation: seen.generation,
    previousInFlight: seen.previous.get(`${server.backend}/${server.name}`) ?? null,
  })
}

/** Puts a server into a state (and to a weight); does nothing where it is so already. */
export async function change(
  balancer: Balancer,
  ref: ServerRef,
  wanted: { readonly admin: AdminState; readonly weight: number | null },
  signal: AbortSignal,
): Promise<Change> {
  const { api, previous, id } = balancer
  const first = (await look(api, previous, signal)).look
  const server = serverOf(first, ref)
  const before = stateIn(first, server, id)
  refuse(first, server, wanted.admin, ref)
  const sets = [...weightCommands(server, wanted.weight), ...stateCommands(first, server, wanted.admin)]
  if (sets.length === 0) return { before, after: before, changed: false }
  const after = await set(balancer, ref, sets, signal)
  const now = serverOf(after, ref)
  if (!isIn(now.mask, wanted.admin)) throw notApplied(ref, wanted.admin, now)
  if (wanted.weight !== null && now.weight !== wanted.weight)
    throw new RollgateError('E_BALANCER', `${ref.backend}/${ref.server} on ${id} has weight ${now.weight}, not ${wanted.weight}`)
  return { before, after: stateIn(after, now, id), changed: true }
}

/** Sends `set`s and looks. @throws RollgateError E_BALANCER_DENIED, E_BALANCER when one is answered */
export async function set(balancer: Balancer, ref: ServerRef, sets: readonly string[], signal: AbortSignal): Promise<Look> {
  const { api, previous, id } = balancer
  const { look: seen, said } = await look(api, previous, signal, sets)
  const answer = said.find((each) => each.trim() !== '')
  if (answer !== undefined) {
    // Whether it is about permission is asked, not read out of the words.
    const [level = ''] = await api.ask(['show cli level'], signal)
    if (level.trim() !== 'admin') throw denied(balancer, level)
    throw new RollgateError('E_BALANCER', `${id} refused to change ${ref.backend}/${ref.server}: ${cleanText(answer.trim(), 300)}`)
  }
  return seen
}

export function denied(balancer: Balancer, level: string): RollgateError {
  return new RollgateError(
    'E_BALANCER_DENIED',
    `${balancer.id} lets this login look, but change nothing: its socket is at level ${cleanText(level.trim(), 40) || 'unknown'}`,
    { host: balancer.host, hints: ['write `level admin` on the `stats socket` line of HAProxy’s configuration'] },
  )
}

function refuse(seen: Look, server: Server, wanted: AdminState, ref: ServerRef): void {
  const path = `${ref.backend}/${ref.server}`
  const deciding = decider(seen, server)
  if (wanted === 'ready' && ((server.mask | deciding.mask) & MASK.unresolved) !== 0)
    throw new RollgateError(
      'E_BALANCER',
      `${path} on ${ref.balancer} is not resolved: HAProxy itself keeps it out, and only DNS brings it back`,
    )
  if (wanted !== 'ready' && deciding.hasAgent)
    throw new RollgateError('E_BALANCER', `${path} on ${ref.balancer} has an agent-check, which may cancel a drain at any moment`, {
      hints: [`disable it for the deploy: \`disable agent ${deciding.backend}/${deciding.name}\` on HAProxy's runtime API`],
    })
}

const OWN = MASK.forcedDrain | MASK.forcedMaintenance

function stateCommands(seen: Look, server: Server, wanted: AdminState): readonly string[] {
  if (isIn(server.mask, wanted)) return []
  const deciding = decider(seen, server)
  const commands = [stateCommand(deciding, wanted)]
  // Somebody set the follower itself: as long as that stands, what the tracked one says does not reach it.
  if (deciding !== server && (server.mask & OWN) !== 0 && wanted !== 'maintenance') commands.push(stateCommand(server, 'ready'))
  return commands
}

export function stateCommand(server: Server, wanted: AdminState): string {
  return `set server ${pathOf(server)} state ${STATES[wanted]}`
}

function weightCommands(server: Server, weight: number | null): readonly string[] {
  if (weight === null || server.weight === weight) return []
  return [`set server ${pathOf(server)} weight ${weight}`]
}

export function pathOf(server: Server): string {
  return `${word(server.backend)}/${word(server.name)}`
}

function notApplied(ref: ServerRef, wanted: AdminState, now: Server): RollgateError {
  return new RollgateError(
    'E_BALANCER',
    `${ref.backend}/${ref.server} on ${ref.balancer} did not become ${wanted}: HAProxy said yes, and shows ${now.status || 'nothing'} (admin state ${now.mask})`,
  )
}
