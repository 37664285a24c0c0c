// A recording of a browser (HAR) → a visit: its requests to one site, one after the other. Careful about three things that a
// recording holds and a load must not: other people's servers, secrets, and requests that change something.
import type { LoadBody, LoadMethod, LoadRequest } from '../../domain/load.ts'
import { SAFE_METHODS } from '../../domain/load.ts'
import { at, listAt, numberAt, textAt } from '../imports/json.ts'
import { createLeftOut, type Draft, type LeftOut, methodOf, NoDraftError } from './draft.ts'
import { createHider, type Hider, isSecretName } from './hide.ts'

export type HarOptions = {
  /** Which sites; none given: the one of the first request. */
  readonly origins: readonly string[]
  /** Beside the safe ones. */
  readonly methods: readonly LoadMethod[]
  /** Static files too. */
  readonly all: boolean
}

const MOST_STEPS = 200
const LARGEST_BODY = 64 * 1024
const STATIC_TYPES = new Set(['image', 'stylesheet', 'script', 'font', 'media', 'manifest', 'texttrack'])
const STATIC_NAME = /\.(css|js|mjs|map|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|otf|eot|mp4|webm|mp3|wasm)$/i
/** Code points that are no characters: the file keeps two of them for itself. */
const NO_TEXT = /[\ufdd0-\ufdef\ufffe\uffff]/
/** What the client makes itself, what belongs to the connection, and what names the recorded browser. */
const DROPPED =
  /^(:|sec-|if-|x-forwarded|proxy-|access-control-)|^(cookie2?|host|origin|referer|user-agent|content-length|connection|keep-alive|accept-encoding|transfer-encoding|te|upgrade|upgrade-insecure-requests|priority|dnt|pragma|cache-control|traceparent|tracestate|x-request-id|expect|range)$/

export function readHar(root: unknown, options: HarOptions): Draft {
  const entries = listAt(root, 'log', 'entries')
  if (entries.length === 0)
    throw new NoDraftError(at(root, 'log') === undefined ? 'it is no HAR: log.entries is missing' : 'nothing was recorded in it')
  const left = createLeftOut()
  const hider = createHider('RECORDED')
  const origins = options.origins.length > 0 ? options.origins : [originOf(entries[0]) ?? '']
  const methods = [...SAFE_METHODS, ...options.methods.filter((method) => !SAFE_METHODS.includes(method))]
  const requests: LoadRequest[] = []
  let hasCookies = false
  for (const entry of entries) {
    const request = requestOf(entry, { origins, methods, all: options.all }, left, hider)
    if (request === null) continue
    hasCookies ||= headersAt(entry).some(([name]) => name === 'cookie')
    if (requests.length < MOST_STEPS) requests.push(request)
    else left.add(`after the first ${MOST_STEPS}`)
  }
  if (requests.length === 0)
    throw new NoDraftError(
      `none of its ${entries.length} requests is left: ${left
        .list()
        .map(({ count, why }) => `${count} ${why}`)
        .join(', ')}`,
    )
  return {
    ...{ name: 'recorded', from: 'HAR', kind: 'visit', requests, headers: {}, auth: null, methods, left: left.list() },
    secrets: hider.names(),
    notes: [
      `Of ${origins.join(' and ')}: the site itself is given when it runs (--url)`,
      'Think times are not kept: the rate says how many visits begin in a second',
      ...(hasCookies ? ['Cookies are dropped: auth.login gets fresh ones'] : []),
    ],
  }
}

function originOf(entry: unknown): string | null {
  const url = textAt(entry, 'request', 'url') ?? ''
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? new URL(url).origin : null
}

function headersAt(entry: unknown): readonly (readonly [string, string])[] {
  return listAt(entry, 'request', 'headers').flatMap((header) => {
    const [name, value] = [textAt(header, 'name'), textAt(header, 'value')]
    return name === null || value === null ? [] : [[name.toLowerCase(), value] as const]
  })
}

type Kept = { readonly origins: readonly string[]; readonly methods: readonly LoadMethod[]; readonly all: boolean }

function requestOf(entry: unknown, kept: Kept, left: LeftOut, hider: Hider): LoadRequest | null {
  const origin = originOf(entry)
  if (origin === null || !kept.origins.includes(origin)) {
    left.add('of other sites (--origin)')
    return null
  }
  const url = new URL(textAt(entry, 'request', 'url') ?? '')
  const type = textAt(entry, '_resourceType') ?? ''
  if (!kept.all && (STATIC_TYPES.has(type) || STATIC_NAME.test(url.pathname))) {
    left.add('static files (--all)')
    return null
  }
  const status = numberAt(entry, 'response', 'status') ?? 0
  if (status === 0) {
    left.add('without an answer')
    return null
  }
  const method = methodOf(textAt(entry, 'request', 'method') ?? '')
  if (method === null || !kept.methods.includes(method)) {
    left.add(`${method ?? 'unknown methods'}${method === null ? '' : `, which changes something (--methods ${method})`}`)
    return null
  }
  const body = bodyOf(entry, hider)
  if (typeof body === 'string') {
    left.add(body)
    return null
  }
  const headers = keptHeaders(entry, body, hider)
  // What was fresh in a browser's cache is fetched anew here.
  const wanted = status >= 100 && status < 600 && status !== 304 ? { expect: { status: [status] } } : {}
  return {
    ...{ method, path: pathOf(url, hider) },
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(body === null ? {} : { body }),
    ...wanted,
  }
}

/** Braces are written %7B: ours alone are templates. */
export function pathOf(url: URL, hider: Hider): string {
  const plain = (text: string): string => text.replaceAll('{', '%7B').replaceAll('}', '%7D')
  // Sessions of old servers stand in the path itself.
  const path = url.pathname
    .replace(/;[a-z_]*sess(ion)?_?id=[^/;]*/gi, '')
    .split('/')
    .map((part) => hider.hide('path', decoded(part).length >= 32 ? decoded(part) : '') ?? plain(part))
    .join('/')
  const query = url.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...rest] = pair.split('=')
      const hidden = hider.hide(decoded(name), decoded(rest.join('=')))
      return hidden === null ? plain(pair) : `${plain(name)}=${hidden}`
    })
  return query.length === 0 ? path : `${path}?${query.join('&')}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function keptHeaders(entry: unknown, body: LoadBody | null, hider: Hider): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {}
  for (const [name, value] of headersAt(entry)) {
    if (DROPPED.test(name) || !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || name in {}) continue
    if (name === 'content-type' && body?.kind !== 'text') continue
    if (/[^\x20-\x7e]/.test(value) || value.length > 4_000) continue
    const hidden = hider.hide(name, value)
    if (value.trim() === '' || (hidden === null && /\{\{|\}\}/.test(value))) continue
    kept[name] = hidden ?? value
  }
  if (body?.kind === 'text' && body.contentType !== undefined && kept['content-type'] === undefined) kept['content-type'] = body.contentType
  return kept
}

/** @returns in words why it cannot be kept */
function bodyOf(entry: unknown, hider: Hider): LoadBody | null | string {
  const post = at(entry, 'request', 'postData')
  if (post === undefined || post === null) return null
  const type = (textAt(post, 'mimeType') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  const text = textAt(post, 'text') ?? ''
  if (text.length > LARGEST_BODY) return 'with a body of more than 64 KiB'
  if (type === 'application/x-www-form-urlencoded') return formOf(post, text, hider)
  if (text === '') return null
  if (type === 'application/json' || type.endsWith('+json')) {
    try {
      const recorded: unknown = JSON.parse(text)
      // `json: null` would say nothing in the file.
      if (recorded === null) return { kind: 'text', text: 'null', contentType: type }
      if (holdsTemplate(recorded)) return 'with {{ in the body'
      const value = hiddenIn(recorded, '', hider, 0)
      return NO_TEXT.test(JSON.stringify(value)) ? 'with files or binary data' : { kind: 'json', value }
    } catch {
      return 'with a body that is no JSON'
    }
  }
  if (text.includes('{{')) return 'with {{ in the body'
  if (type.startsWith('multipart/') || NO_TEXT.test(text) || /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]/.test(text))
    return 'with files or binary data'
  // Nobody knows where a secret stands in a text of any kind.
  return /password|secret|token|eyJ[\w-]{8,}\./i.test(text)
    ? 'with what looks like a secret in the body'
    : { kind: 'text', text, ...(/^[\w.+-]+\/[\w.+-]+$/.test(type) ? { contentType: type } : {}) }
}

function formOf(post: unknown, text: string, hider: Hider): LoadBody | null | string {
  const fields: Record<string, string> = {}
  const listed = listAt(post, 'params').map(
    (param) => [decoded(textAt(param, 'name') ?? ''), decoded(textAt(param, 'value') ?? '')] as const,
  )
  for (const [name, value] of text === '' ? listed : new URLSearchParams(text)) {
    if (!/^[A-Za-z0-9_.[\]-]{1,100}$/.test(name) || name in {} || Object.hasOwn(fields, name))
      return 'with a form that cannot be written down'
    const hidden = hider.hide(name, value)
    if (hidden === null && (/\{\{|[\x00-\x1f\x7f]/.test(value) || NO_TEXT.test(value))) return 'with {{ in the body'
    fields[name] = hidden ?? value
  }
  if (Object.keys(fields).length === 0) return null
  if (Object.values(fields).every((value) => value.trim() !== '')) return { kind: 'form', fields }
  // An empty field has no place in the file's `form`: the text has one, as long as nothing in it is a secret.
  if (Object.values(fields).some((value) => value.includes('{{'))) return 'with a form that cannot be written down'
  return { kind: 'text', text: new URLSearchParams(fields).toString(), contentType: 'application/x-www-form-urlencoded' }
}

/** There is no way to write `{{` as text: a request that holds it is left out. @throws RangeError where it is too deep */
export function holdsTemplate(value: unknown): boolean {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).some(([key, inner]) => key.includes('{{') || holdsTemplate(inner))
    : typeof value === 'string' && value.includes('{{')
}

/** Values of JSON by the name of their key. @throws RangeError where it is too deep */
export function hiddenIn(value: unknown, name: string, hider: Hider, depth: number): unknown {
  if (depth > 20) throw new RangeError('too deep')
  if (typeof value === 'string') return hider.hide(name, value) ?? value
  if (typeof value === 'number' && isSecretName(name)) return hider.always(name, String(value))
  if (Array.isArray(value)) return value.map((item) => hiddenIn(item, name, hider, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key in {}) throw new RangeError('a reserved key')
      // What stands inside a secret is one: `{ "token": { "value": … } }`.
      return [key, hiddenIn(inner, isSecretName(name) && !isSecretName(key) ? `${name} ${key}` : key, hider, depth + 1)]
    }),
  )
}
