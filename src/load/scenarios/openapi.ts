// An OpenAPI description (3.0, 3.1) → requests: each operation that changes nothing, with parameters from the examples,
// defaults and types that it states, and the statuses it promises. Careful about references in circles, and about what is
// not in the file: an operation whose path cannot be filled in is left out, not guessed.
import type { LoadAuth, LoadBody, LoadExpect, LoadMethod, LoadRequest } from '../../domain/load.ts'
import { at, entriesAt, listAt, textAt } from '../imports/json.ts'
import { createLeftOut, type Draft, methodOf, NoDraftError } from './draft.ts'
import { holdsTemplate } from './har.ts'
import { createHider, type Hider } from './hide.ts'
import { createSamples, type Samples } from './sample.ts'

export type OpenApiOptions = { readonly methods: readonly LoadMethod[] }

const MOST_REQUESTS = 500
/** OPTIONS changes nothing either, and says nothing. */
const USUAL: readonly LoadMethod[] = ['GET', 'HEAD']

export function readOpenApi(root: unknown, options: OpenApiOptions): Draft {
  const version = textAt(root, 'openapi')
  if (version === null)
    throw new NoDraftError(
      at(root, 'swagger') === undefined ? 'it is no OpenAPI description' : 'it is Swagger 2.0: convert it to OpenAPI 3',
    )
  if (!/^3\.[012](\.|$)/.test(version)) throw new NoDraftError(`it is OpenAPI ${version.slice(0, 20)}; 3.0 and 3.1 are known`)
  const left = createLeftOut()
  const hider = createHider('API')
  const samples = createSamples(root)
  const methods = [...USUAL, ...options.methods.filter((method) => !USUAL.includes(method))]
  const base = basePath(root)
  const login = loginOf(root, samples, hider)
  const requests: LoadRequest[] = []
  for (const [path, written] of entriesAt(root, 'paths')) {
    const item = samples.resolve(written)
    for (const [word, operation] of entriesAt(item)) {
      const method = methodOf(word)
      if (method === null || word !== word.toLowerCase()) continue
      if (!methods.includes(method)) left.add(`${method}, which changes something (--methods ${method})`)
      else if (at(operation, 'deprecated') === true) left.add('deprecated')
      else {
        const made = requestOf({ base, path, method, item, operation, query: login.query }, samples, hider)
        if (typeof made === 'string') left.add(made)
        else if (requests.length < MOST_REQUESTS) requests.push(made)
        else left.add(`after the first ${MOST_REQUESTS}`)
      }
    }
  }
  if (requests.length === 0)
    throw new NoDraftError(
      `no operation of it is left${left
        .list()
        .map(({ count, why }) => `; ${count} ${why}`)
        .join('')}`,
    )
  return {
    ...{ name: 'api', from: 'OpenAPI', kind: 'single', requests, headers: login.headers, auth: login.auth, methods, left: left.list() },
    secrets: hider.names(),
    notes: [
      `Its servers are ignored: the site is given when it runs (--url)${base === '' ? '' : `; their path ${base} is kept`}`,
      'Parameters are examples, defaults or made up by their type: better rows go into `data`',
    ],
  }
}

/** Of the first server: the path alone, its host is never asked. */
function basePath(root: unknown): string {
  const written = textAt(listAt(root, 'servers')[0], 'url') ?? ''
  const filled = written.replace(
    /\{([^{}]*)\}/g,
    (_, name: string) => textAt(listAt(root, 'servers')[0], 'variables', name, 'default') ?? '',
  )
  if (!URL.canParse(filled, 'http://site.invalid/')) return ''
  const path = new URL(filled, 'http://site.invalid/').pathname.replace(/\/+$/, '')
  return /[{}]/.test(path) ? '' : path
}

type Login = { readonly auth: LoadAuth | null; readonly headers: Readonly<Record<string, string>>; readonly query: readonly string[] }

/** The first way to log in that is asked for everywhere. */
function loginOf(root: unknown, samples: Samples, hider: Hider): Login {
  const headers: Record<string, string> = {}
  const query: string[] = []
  let auth: LoadAuth | null = null
  for (const [name] of entriesAt(listAt(root, 'security')[0])) {
    const scheme = samples.resolve(at(root, 'components', 'securitySchemes', name))
    const [type, how] = [textAt(scheme, 'type'), textAt(scheme, 'scheme')?.toLowerCase()]
    if (type === 'http' && how === 'basic') auth = { kind: 'basic', user: 'USER', password: hider.always('PASSWORD', '') }
    else if (type === 'http' || type === 'oauth2' || type === 'openIdConnect') auth = { kind: 'bearer', token: hider.always('TOKEN', '') }
    else if (type === 'apiKey') {
      const key = textAt(scheme, 'name') ?? ''
      if (textAt(scheme, 'in') === 'header' && /^[A-Za-z0-9-]{1,100}$/.test(key) && !(key in {}))
        headers[key.toLowerCase()] = hider.always('KEY', '')
      else if (textAt(scheme, 'in') === 'query') query.push(`${encodeURIComponent(key)}=${hider.always('KEY', '')}`)
    }
  }
  return { auth, headers, query }
}

type Operation = {
  readonly base: string
  readonly path: string
  readonly method: LoadMethod
  readonly item: unknown
  readonly operation: unknown
  readonly query: readonly string[]
}

/** @returns in words why it cannot be made */
function requestOf({ base, path, method, item, operation, query: keys }: Operation, samples: Samples, hider: Hider): LoadRequest | string {
  if (!path.startsWith('/')) return 'without a path'
  // An operation's own parameter replaces that of its path.
  const parameters = new Map<string, unknown>()
  for (const written of [...listAt(item, 'parameters'), ...listAt(operation, 'parameters')]) {
    const parameter = samples.resolve(written)
    parameters.set(`${textAt(parameter, 'in')} ${textAt(parameter, 'name')}`, parameter)
  }
  const headers: Record<string, string> = {}
  const query: string[] = []
  let filled = path
  for (const parameter of parameters.values()) {
    const [name, place] = [textAt(parameter, 'name') ?? '', textAt(parameter, 'in')]
    const isAsked = place === 'path' || at(parameter, 'required') === true
    if (!isAsked) continue
    const text = textOf(samples.parameter(parameter))
    if (text === null) return `with a parameter that cannot be made up (${place === 'path' ? 'path' : 'query'})`
    const hidden = hider.hide(name, text)
    const value = hidden ?? encodeURIComponent(text).replaceAll(/[{}]/g, encodeURIComponent)
    if (place === 'path') filled = filled.replaceAll(`{${name}}`, () => value)
    else if (place === 'query') query.push(`${encodeURIComponent(name)}=${value}`)
    else if (
      place === 'header' &&
      /^[A-Za-z0-9-]{1,100}$/.test(name) &&
      !(name in {}) &&
      !/^(accept|content-type|authorization|cookie|host)$/i.test(name)
    )
      headers[name.toLowerCase()] = hidden ?? text.replace(/[^\x20-\x7e]/g, '').replaceAll('{{', '')
  }
  const written = filled.replace(/\{\{ secret\.\w+ \}\}/g, '')
  if (/[{}]/.test(written)) return 'with a path that is not described'
  const all = [...query, ...keys]
  const body = method === 'GET' || method === 'HEAD' ? null : bodyOf(samples.resolve(at(operation, 'requestBody')), samples, hider)
  if (typeof body === 'string') return body
  const whole = encoded(`${base}${filled}${all.length === 0 ? '' : `?${all.join('&')}`}`)
  const expect = expectOf(at(operation, 'responses'))
  return {
    ...{ method, path: whole },
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(body === null ? {} : { body }),
    ...(expect === null ? {} : { expect }),
  }
}

/** Paths of people may hold blanks and letters beyond ASCII; our own templates stay. */
function encoded(path: string): string {
  return path
    .split(/(\{\{ secret\.\w+ \}\})/)
    .map((part) => (part.startsWith('{{ secret.') ? part : part.replace(/[^\x21-\x7e]+/g, encodeURIComponentSafely)))
    .join('')
}

function encodeURIComponentSafely(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value.toWellFormed()
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value))
    return value.length === 0
      ? null
      : value
          .map(textOf)
          .filter((text) => text !== null)
          .join(',') || null
  return null
}

function bodyOf(described: unknown, samples: Samples, hider: Hider): LoadBody | null | string {
  const content = entriesAt(described, 'content')
  if (content.length === 0) return null
  const json = content.find(([type]) => /^application\/([\w.-]+\+)?json\b/.test(type))
  const form = content.find(([type]) => type === 'application/x-www-form-urlencoded')
  const value = samples.media((json ?? form)?.[1])
  if (value === undefined || value === null) return 'with a body that cannot be made up'
  if (holdsTemplate(value)) return 'with {{ in the body'
  const hidden = hideAll(value, '', hider)
  if (json !== undefined) return { kind: 'json', value: hidden }
  const fields = Object.entries(typeof hidden === 'object' && hidden !== null ? hidden : {}).flatMap(([name, field]) => {
    const text = textOf(field)
    return text === null || !/^[A-Za-z0-9_.[\]-]{1,100}$/.test(name) ? [] : [[name, text] as const]
  })
  return fields.length === 0 ? 'with a body that cannot be made up' : { kind: 'form', fields: Object.fromEntries(fields) }
}

function hideAll(value: unknown, name: string, hider: Hider): unknown {
  if (typeof value === 'string') return hider.hide(name, value) ?? value.toWellFormed()
  if (Array.isArray(value)) return value.map((item) => hideAll(item, name, hider))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !(key in {}))
      .map(([key, inner]) => [key, hideAll(inner, key, hider)]),
  )
}

/** What it promises when it goes well; nothing: our own rule, 200 to 399. */
function expectOf(responses: unknown): LoadExpect | null {
  const good = entriesAt(responses).flatMap(([code]): (number | `${number}xx`)[] => {
    if (/^[23]\d\d$/.test(code)) return [Number(code)]
    const family = /^([23])XX$/i.exec(code)?.[1]
    return family === undefined ? [] : [`${Number(family)}xx`]
  })
  return good.length === 0 ? null : { status: good }
}
