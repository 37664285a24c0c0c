// What went wrong while connecting, as one of our errors: by code, level and number, never by the words of a message.
import { RollgateError } from '../../domain/error.ts'
import { quoteAll } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import type { Destination } from './resolve.ts'

/** What was found out about the login. */
export type LoginStory = {
  /** Keys that the host has refused, as a person knows them. */
  readonly offered: readonly string[]
  /** Keys that were not offered, and why. */
  readonly skipped: readonly RollgateError[]
  /** Methods that the host named. */
  readonly accepts: readonly string[]
}

/** RFC 4253, 11.1; sshd says 2 for "too many authentication failures". */
const PROTOCOL_ERROR = 2
const NO_MORE_METHODS = 14
const DNS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENODATA', 'EAI_NONAME', 'EAI_FAIL'])

export const shownAs = (to: Destination): string => `${to.name} (${to.user}@${to.address}:${to.port})`

export function connectTimeout(to: Destination, ms: number, during: string): RollgateError {
  return new RollgateError('E_CONNECT_TIMEOUT', `${shownAs(to)} did not answer within ${ms / 1000} s${during}`, {
    host: to.name,
    hints: ['is the host up, and the port open in its firewall?'],
  })
}

export function connectError(error: unknown, to: Destination, story: LoginStory): RollgateError {
  if (error instanceof RollgateError) return error
  const { code, level, message } = facts(error)
  const options = { host: to.name, cause: error }
  if (typeof code === 'string' && DNS.has(code))
    return new RollgateError('E_DNS', `${to.name}: the name ${to.address} cannot be resolved`, {
      ...options,
      hints: ['is the address in the config right?'],
    })
  if (code === 'ECONNREFUSED')
    return new RollgateError('E_CONNECT_REFUSED', `${shownAs(to)} refused the connection`, {
      ...options,
      hints: [`is sshd running there on port ${to.port}?`],
    })
  if (code === 'ETIMEDOUT')
    return new RollgateError('E_CONNECT_TIMEOUT', `${shownAs(to)} did not answer in time`, {
      ...options,
      hints: ['is the host up, and the port open in its firewall?'],
    })
  const counted = typeof code === 'number' && (code === PROTOCOL_ERROR || code === NO_MORE_METHODS) && story.offered.length > 0
  if (level === 'client-authentication' || counted) return loginRefused(to, story, options)
  if (level === 'handshake')
    return new RollgateError('E_UNREACHABLE', `${shownAs(to)}: the two sides found no common way to talk: ${message}`, {
      ...options,
      hints: ['which algorithms its sshd offers: ssh -vv shows them; rollgate needs one key exchange and cipher of the last ten years'],
    })
  return new RollgateError('E_UNREACHABLE', `${shownAs(to)} closed the connection before the login was over: ${message}`, {
    ...options,
    ...(typeof code === 'string' ? {} : { hints: [`what sshd on ${to.name} says about it: journalctl -u ssh -n 20`] }),
  })
}

function loginRefused(to: Destination, story: LoginStory, options: { readonly host: string; readonly cause: unknown }): RollgateError {
  const [first, ...others] = story.skipped
  // There was nothing to offer but a key that cannot be used: that is what has to be mended.
  if (story.offered.length === 0 && first !== undefined)
    return new RollgateError('E_KEY', `${to.name}: ${first.message}`, {
      ...options,
      ...(others.length === 0 ? {} : { why: others.map((error) => error.message).join('; ') }),
      hints: first.hints,
    })
  const why = [
    story.offered.length === 0 ? 'there was no key to offer' : `refused: ${story.offered.join(', ')}`,
    ...story.skipped.map((error) => error.message),
    ...(story.accepts.length === 0 || story.accepts.includes('publickey') ? [] : [`the host accepts only ${story.accepts.join(', ')}`]),
  ]
  return new RollgateError('E_AUTH', `${shownAs(to)} refused the login`, {
    ...options,
    why: cleanText(why.join('; ')),
    hints: [
      `ssh-copy-id ${quoteAll([...through(to), '-p', String(to.port), `${to.user}@${to.address}`])}   (installs your key)`,
      'ssh.user and ssh.identity in the config say who logs in, and with which key',
      ...story.skipped.flatMap((error) => error.hints.slice(0, 1)),
    ],
  })
}

const through = (to: Destination): readonly string[] =>
  to.jumps.length === 0 ? [] : ['-o', `ProxyJump=${to.jumps.map((jump) => `${jump.user}@${jump.address}:${jump.port}`).join(',')}`]

function facts(error: unknown): { readonly code: string | number | null; readonly level: string | null; readonly message: string } {
  if (!(error instanceof Error)) return { code: null, level: null, message: String(error) }
  const code = 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? error.code : null
  const level = 'level' in error && typeof error.level === 'string' ? error.level : null
  return { code, level, message: cleanText(error.message === '' ? error.name : error.message, 300) }
}
