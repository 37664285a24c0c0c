// Names, addresses, paths and units: text that ends up as a word of a command, a line of a unit or a key of a file on a
// host. Quoting keeps every word exact; what is refused here would be taken for an option, or deceive a reader.
import { isIPv6 } from 'node:net'
import type { GateSource } from '../domain/gate.ts'
import type { Kind } from './shape.ts'
import { nearest, showText } from './text.ts'
import { bad, seen, text } from './values.ts'

/** `constructor` as a name would be found in every object. */
const isReserved = (name: string): boolean => name in {}

function nameOf(what: string, atMost: number): Kind<string> {
  const test = (name: string): string | null => {
    if (name.startsWith('-')) return `${showText(name)} begins with "-": it would be taken for an option`
    if (isReserved(name)) return `${showText(name)} is a reserved word`
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name))
      return `${showText(name)} is not ${what}: letters, digits, ".", "_" and "-", beginning with a letter or digit`
    return null
  }
  return text(what, test, { atMost, json: { pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]*$', maxLength: atMost } })
}
export const hostName = nameOf('a host name', 253)
export const appName = nameOf('a name', 63)
export const roleName = nameOf('a role name', 63)
export const environmentName = nameOf('an environment name', 63)
export const hookName = nameOf('a hook name', 63)
export const labelName = nameOf('a label', 63)

export const address = text(
  'an address or name',
  (given) => {
    if (given.startsWith('-')) return `${showText(given)} begins with "-": it would be taken for an option`
    if (/\s/.test(given)) return `${showText(given)} contains a blank`
    if (isIPv6(given.replace(/%[A-Za-z0-9._-]+$/, ''))) return null
    if (/^\[.*\]$/.test(given)) return `${showText(given)}: write an IPv6 address without brackets`
    if (given.includes('@')) return `${showText(given)}: the login name belongs in \`user\``
    if (/^[^:]+:\d+$/.test(given)) return `${showText(given)}: the port belongs in \`port\``
    return /^[\p{L}\p{N}_][\p{L}\p{N}._-]*$/u.test(given) ? null : `${showText(given)} is not an address or host name`
  },
  { atMost: 253 },
)

export const user = text(
  'a login name',
  (given) => {
    if (given.startsWith('-')) return `${showText(given)} begins with "-": it would be taken for an option`
    if (/\s/.test(given)) return `${showText(given)} contains a blank`
    return /^[\p{L}\p{N}_.][\p{L}\p{N}_.@+\\-]*\$?$/u.test(given) ? null : `${showText(given)} is not a login name`
  },
  { atMost: 128 },
)

/** As `ssh -J` takes one: an alias, or `user@host:port`. */
export const destination = text(
  'a host of the inventory or an OpenSSH destination',
  (given) => {
    if (given.startsWith('-')) return `${showText(given)} begins with "-": it would be taken for an option`
    if (given.includes(',')) return `${showText(given)}: one jump; a chain is \`via\` on the host jumped through`
    const match = /^(?:([^@\s]+)@)?(\[[0-9A-Fa-f:.%]+\]|[\p{L}\p{N}_][\p{L}\p{N}._-]*|[0-9A-Fa-f:.]+)(?::(\d{1,5}))?$/u.exec(given)
    if (match === null || match[1]?.startsWith('-')) return `${showText(given)} is not a host or an OpenSSH destination (user@host:port)`
    return match[1] !== undefined && !/^[\p{L}\p{N}_.@+\\-]+$/u.test(match[1]) ? `${showText(given)} is not an OpenSSH destination` : null
  },
  { atMost: 400 },
)

export const hostKey = text(
  'a fingerprint `SHA256:…` or a line `ssh-ed25519 AAAA…`',
  (given) =>
    /^SHA256:[A-Za-z0-9+/]{43}=?$/.test(given) || /^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]+=*( .*)?$/.test(given)
      ? null
      : `${showText(given)} is not a host key: write SHA256:… or the line of the .pub file`,
  { atMost: 4096 },
)

/** What HAProxy allows in the names of backends and servers; anything else would end a command of its socket. */
function balancerWord(what: string): Kind<string> {
  return text(
    what,
    (given) =>
      /^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/.test(given) ? null : `${showText(given)} is not ${what}: letters, digits, "_", ".", ":" and "-"`,
    { atMost: 255, json: { pattern: '^[A-Za-z0-9_][A-Za-z0-9_.:-]*$' } },
  )
}
export const serverName = balancerWord("a balancer's server name")
export const backendName = balancerWord("a balancer's backend name")

/** A path on a host. Slashes at the end and doubled ones go; `.` and `..` are refused because links decide what they mean. */
export function absolutePath(options: { readonly notRoot: boolean; readonly atMost?: number }): Kind<string> {
  const base = text(
    'an absolute path',
    (given) => {
      if (given.startsWith('~')) return `${showText(given)} begins with "~": write the absolute path on the host`
      if (!given.startsWith('/')) return `${showText(given)} is not absolute: it must begin with "/"`
      if (given.split('/').some((part) => part === '.' || part === '..')) return `${showText(given)} contains "." or ".."`
      if (options.notRoot && /^\/+$/.test(given)) return 'is "/": releases need a folder of their own'
      return given.split('/').some((part) => Buffer.byteLength(part) > 255) ? 'has a part longer than 255 bytes' : null
    },
    { json: { pattern: '^(/|\\$\\{)' }, ...(options.atMost === undefined ? {} : { atMost: options.atMost }) },
  )
  return {
    ...base,
    parse: (value) => {
      const parsed = base.parse(value)
      return 'value' in parsed ? { value: parsed.value.replace(/\/+/g, '/').replace(/(.)\/$/, '$1') } : parsed
    },
  }
}

/** Below `shared/` and every release. */
export const sharedPath: Kind<string> = (() => {
  const base = text('a relative path', (given) => {
    if (given.startsWith('/')) return `${showText(given)} is absolute: write it relative to the release`
    const parts = given.replace(/\/+$/, '').split('/')
    if (parts.includes('..')) return `${showText(given)} leaves the release: ".." is not allowed`
    if (parts.some((part) => part === '.' || part === '')) return `${showText(given)} has an empty part or "."`
    if (parts.some((part) => Buffer.byteLength(part) > 255)) return 'has a part longer than 255 bytes'
    return parts[0] === '.rollgate.env' ? '".rollgate.env" is written by rollgate itself' : null
  })
  return {
    ...base,
    parse: (value) => {
      const parsed = base.parse(value)
      return 'value' in parsed ? { value: parsed.value.replace(/\/+$/, '') } : parsed
    },
  }
})()

/** A path on this machine, relative to the config's folder or with `~/`. */
export const localPath = text('a path, relative to this file', (given) =>
  given.startsWith('-') ? `${showText(given)} begins with "-": write ./${given}` : null,
)

/** Kept as it is written: a file, or what would stand in it. */
export const schemaOrFile: Kind<string | Readonly<Record<string, unknown>>> = {
  says: 'a path, relative to this file, or a JSON Schema',
  json: { type: ['string', 'object'] },
  parse(value) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return localPath.parse(value)
    // Whether it can be used: rules-schema.ts.
    return { value: value as Readonly<Record<string, unknown>> }
  },
}

export const unitName = text(
  'a systemd unit',
  (given) => {
    if (given.startsWith('-')) return `${showText(given)} begins with "-": it would be taken for an option`
    if (!/^[A-Za-z0-9:_.\\@-]+$/.test(given)) return `${showText(given)} is not a systemd unit name: letters, digits and : _ . \\ @ -`
    return /@(\.[a-z]+)?$/.test(given) ? `${showText(given)} is a template: name an instance, ${given.replace('@', '@NAME')}` : null
  },
  { atMost: 255, json: { pattern: '^[A-Za-z0-9:_.\\\\@][A-Za-z0-9:_.\\\\@-]*$' } },
)

/** A socket on the balancer's host (at most 107 bytes, as the kernel has it), or `host:port` as seen from it. */
export const socket = text('a path, or `host:port` as seen from the balancer host', (given) => {
  if (given.startsWith('/'))
    return Buffer.byteLength(given) > 107 ? `is ${Buffer.byteLength(given)} bytes long; a socket's path is at most 107` : null
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*):(\d{1,5})$/.exec(given)
  const number = Number(match?.[2])
  return match !== null && number >= 1 && number <= 65_535 ? null : `${showText(given)} is neither an absolute path nor HOST:PORT`
})

function variableOf(what: string, test: (given: string) => string | null = () => null): Kind<string> {
  return text(
    what,
    (given) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(given))
        return `${showText(given)} is not ${what}: letters, digits and "_", not beginning with a digit`
      return isReserved(given) ? `${showText(given)} is a reserved word` : test(given)
    },
    { atMost: 255, json: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' } },
  )
}
export const variableName = variableOf("an environment variable's name")
export const secretName = variableOf("a secret's name")
export const releaseVariable = variableOf("an environment variable's name", (given) =>
  given.startsWith('ROLLGATE_') ? `${showText(given)}: names that begin with ROLLGATE_ are set by rollgate` : null,
)

/** Free text on one line: a zone, a label's value, a question. */
export const words = text('text on one line', undefined, { atMost: 500 })

/** Words that may look like a number: `zone: 1`. */
export const looseWords: Kind<string> = { ...words, json: { type: ['string', 'number', 'boolean'] } }

export const urlPath = text(
  'a path such as `/healthz`',
  (given) => {
    if (!given.startsWith('/')) return `${showText(given)} must begin with "/"`
    return /^[\x21-\x7e]+$/.test(given) ? null : `${showText(given)}: blanks and letters beyond ASCII are written %20 in a URL`
  },
  { json: { pattern: '^(/|\\$\\{)' } },
)

export const url = text('an http or https URL', (given) => {
  if (!/^https?:\/\//i.test(given) || !URL.canParse(given)) return `${showText(given)} is not an http or https URL`
  if (/\s/.test(given)) return `${showText(given)} contains a blank`
  const { username, password } = new URL(given)
  return username === '' && password === '' ? null : 'holds a login: secrets are never written here'
})

export const headerName = text(
  'a header name',
  (given) => (/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(given) && !isReserved(given) ? null : `${showText(given)} is not a header name`),
  { atMost: 255 },
)

export const jsonPath = text('a path such as `$.release`', (given) =>
  /^\$(\.[A-Za-z_][A-Za-z0-9_-]*|\[\d+\])+$/.test(given) ? null : `${showText(given)} is not a path such as $.release or $.build.id`,
)

/** `rollgate gate plan` is a command: a gate of that name could not be asked for. */
function notACommand(what: string, commands: readonly string[]): Kind<string> {
  const base = nameOf(what, 63)
  return {
    ...base,
    parse: (value) => {
      const parsed = base.parse(value)
      return 'value' in parsed && commands.includes(parsed.value)
        ? { problem: `"${parsed.value}" is a word of the command line: choose another name` }
        : parsed
    },
  }
}
export const loadName = notACommand('a name', ['selftest', 'import'])
export const gateName = notACommand('a gate name', ['plan', 'calibrate', 'explain', 'whatif'])

/** Braces in pairs: half an expression would be sent as text. */
export function unclosed(given: string): string | null {
  const rest = given.replace(/\{\{[^{}]*\}\}/g, '')
  return rest.includes('{{') || rest.includes('}}') ? `${showText(given)} has "{{" or "}}" without the other` : null
}

/** Path and query of a request, with `{{ … }}` in it. */
export const requestPath = text(
  'a path such as `/items/{{ items.id }}`',
  (given) => {
    if (!given.startsWith('/')) return `${showText(given)} must begin with "/"`
    const half = unclosed(given)
    if (half !== null) return half
    return /^[\x21-\x7e]+$/.test(given.replace(/\{\{[^{}]*\}\}/g, 'x'))
      ? null
      : `${showText(given)}: blanks and letters beyond ASCII are written %20 in a URL`
  },
  { atMost: 8192, json: { pattern: '^(/|\\$\\{)' } },
)

/** Secrets are named, never written. */
export const hiddenText = text('`{{ secret.NAME }}` or `{{ env.NAME }}`', (given) =>
  /^[^{}]*\{\{\s*(secret|env)\.[A-Za-z_][A-Za-z0-9_]*\s*\}\}[^{}]*$/.test(given)
    ? null
    : 'holds the secret itself: name it, {{ secret.NAME }} or {{ env.NAME }}',
)

/** A line break in a header would begin another one. */
export const headerValue: Kind<string> = text('text on one line', unclosed, { atMost: 8192 })

export const gateTarget: Kind<Extract<GateSource, { readonly kind: 'load' }>['at']> = {
  says: '`canary`, `balancer` or a URL',
  json: { type: 'string', pattern: '^(canary|balancer|https?://.*)$' },
  parse: (value) => {
    if (value === 'canary' || value === 'balancer') return { value: { kind: value } }
    if (typeof value === 'string' && value.includes('://')) {
      const parsed = url.parse(value)
      return 'problem' in parsed ? parsed : { value: { kind: 'url', url: parsed.value } }
    }
    const meant = typeof value === 'string' ? nearest(value, ['canary', 'balancer']) : null
    return { ...bad(`is ${seen(value)}, must be canary, balancer or a URL`), ...(meant === null ? {} : { nearest: meant }) }
  },
}
