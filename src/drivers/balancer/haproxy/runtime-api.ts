// HAProxy's runtime API as questions and answers: several commands in one round trip, their answers told apart, the route
// found once. Commands are words that were checked before: `;` or a newline in a name would be a command of its own.
import { RollgateError } from '../../../domain/error.ts'
import type { Connection } from '../../../domain/transport.ts'
import { type Route, talkScript, talkStream } from './talk.ts'

export type RuntimeApi = {
  /** The route in use, once something was asked. */
  readonly route: Route | null
  /** One answer for each command, '' where the balancer had nothing to say (which is a yes to a `set`). */
  ask(commands: readonly string[], signal: AbortSignal): Promise<readonly string[]>
}

export type ApiSettings = {
  readonly host: string
  readonly socket: string
  readonly connectTo: (host: string, signal: AbortSignal) => Promise<Connection>
  readonly timeoutMs?: number
  readonly maxBytes?: number
  /** Whether a refused channel is asked about through a program on the host [yes]. */
  readonly mayScript?: () => boolean
}

const TIMEOUT_MS = 10_000
const MAX_BYTES = 10 * 1024 * 1024
/** Of a login these say more than "cannot be talked to", and trying again for minutes would not help. */
const SAY_MORE: ReadonlySet<string> = new Set(['E_CANCELLED', 'E_HOST_KEY', 'E_AUTH', 'E_KEY', 'E_BALANCER', 'E_BALANCER_UNREACHABLE'])

export function createRuntimeApi(settings: ApiSettings): RuntimeApi {
  const { host, socket, connectTo, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES, mayScript = () => true } = settings
  let route: Route | null = null

  const once = async (line: string, signal: AbortSignal): Promise<string> => {
    const connection = await connectTo(host, signal)
    const options = { signal, timeoutMs, maxBytes }
    if (route !== 'script') {
      try {
        const answer = await talkStream(connection, socket, line, options)
        route = 'stream'
        return answer
      } catch (error) {
        // A refused channel does not say why (no socket, no permission, forwarding forbidden): the script does, or works.
        if (!(error instanceof RollgateError) || error.code !== 'E_CONNECT_REFUSED' || !mayScript()) throw error
      }
    }
    const answer = await talkScript(connection, socket, line, options)
    route ??= 'script'
    return answer
  }

  return {
    get route() {
      return route
    },
    async ask(commands, signal) {
      try {
        return split(await once(commands.join(';'), signal), commands, socket)
      } catch (error) {
        if (signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted', { cause: signal.reason })
        if (error instanceof RollgateError && SAY_MORE.has(error.code)) throw error
        const why = error instanceof Error ? error.message : String(error)
        throw new RollgateError('E_BALANCER_UNREACHABLE', `${socket} on ${host} cannot be talked to: ${why}`, { host, cause: error })
      }
    },
  }
}

/**
 * Each answer ends with an empty line, and has none inside; an empty answer is that line alone.
 * @throws RollgateError E_BALANCER_UNREACHABLE when the last ones are missing: the connection broke, or HAProxy went away
 */
export function split(text: string, commands: readonly string[], socket: string): readonly string[] {
  const answers: string[] = []
  let at = 0
  while (at < text.length) {
    if (text[at] === '\n') {
      answers.push('')
      at += 1
      continue
    }
    const end = text.indexOf('\n\n', at)
    if (end === -1) break
    answers.push(text.slice(at, end + 1))
    at = end + 2
  }
  if (answers.length < commands.length)
    throw new RollgateError('E_BALANCER_UNREACHABLE', `${socket} broke off in the middle of an answer (${text.length} bytes of it came)`)
  if (answers.length > commands.length || at < text.length)
    throw new RollgateError('E_BALANCER', `${socket} answered more than it was asked: is this the runtime API of HAProxy?`)
  return answers
}

/** A name that may stand in a command. @throws RollgateError E_BALANCER_SERVER */
export function word(name: string): string {
  if (/^[A-Za-z0-9_.:-]{1,255}$/.test(name)) return name
  throw new RollgateError('E_BALANCER_SERVER', `${JSON.stringify(name)} is no name of HAProxy's: letters, digits, "_", ".", ":" and "-"`)
}
