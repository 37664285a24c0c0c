// One request ready to be sent again and again: its texts compiled, its checks and captures with it. Careful about what a
// value from a data file or an answer may do: percent-encoded in a path, without line breaks in a header, inside its own
// string in JSON. A request that is always the same is made once.
import { RollgateError } from '../domain/error.ts'
import type { LoadBody, LoadCapture, LoadRequest, LoadSettings } from '../domain/load.ts'
import { atJsonPath } from '../util/json-path.ts'
import { type Checks, compileChecks, headerOf, jsonOf, pathOf } from './checks.ts'
import type { WireRequest } from './http.ts'
import type { Ended } from './lanes.ts'
import type { Schemas } from './schemas.ts'
import { compileText, type Names, type Scope, type Text } from './template.ts'

/** One target's way through a scenario. */
export type Visit = Scope & { readonly captured: Map<string, unknown> }

export type Step = {
  /** As it is known in slices: the scenario's name, with the step's number where there are several. */
  readonly name: string
  readonly checks: Checks
  readonly keepBody: boolean
  /** Every arrival sends the same and keeps nothing. */
  readonly fixed: boolean
  /** @param cookies of the login, for this target */
  request(visit: Visit, cookies: string | null): WireRequest
  /** Keeps what later steps need. @returns what could not be found, or null */
  capture(visit: Visit, ended: Ended): string | null
}

/** @param name as it is known in slices @throws RollgateError E_LOAD */
export function compileRequest(
  name: string,
  request: LoadRequest,
  settings: LoadSettings,
  names: Names,
  where: string,
  schemas: Schemas,
): Step {
  if (!request.path.startsWith('/') && !request.path.startsWith('{{'))
    throw new RollgateError('E_LOAD', `${where}: "${request.path}" is not a path`, { hints: ['begin it with a slash'] })
  const path = compileText(request.path, names, where)
  const body = request.body === undefined ? null : compileBody(request.body, names, where)
  const given = lowerCased({
    'user-agent': 'rollgate-load/{{ run.id }}',
    ...lowerCased(settings.headers),
    ...lowerCased(request.headers ?? {}),
  })
  const type = body?.contentType ?? null
  const texts = { ...(type === null ? {} : { 'content-type': type }), ...given }
  const headers: readonly Header[] = [
    ...Object.entries(texts).flatMap(([header, text]) =>
      header === 'authorization' && settings.auth !== null ? [] : [compileHeader(header, text, names, where)],
    ),
    ...compileAuth(settings, names, where),
  ]
  const checks = compileChecks(request.expect ?? {}, where, schemas)
  const captures = Object.entries(request.capture ?? {}).map(([as, from]) => ({ as, take: compileCapture(from, where) }))
  const build = (visit: Visit, cookies: string | null) => ({
    method: request.method,
    path: renderPath(path, visit),
    headers: headerList(headers, visit, cookies),
    body: body === null ? null : body.render(visit),
  })
  const fixed = path.fixed && (body === null || body.fixed) && headers.every((header) => header.fixed)
  // Most load is one request again and again: made once, for each cookie it is sent with.
  const made = new Map<string | null, WireRequest>()
  return {
    name,
    checks,
    fixed: fixed && captures.length === 0,
    keepBody: checks.needBody || Object.values(request.capture ?? {}).some((from) => 'json' in from),
    request(visit, cookies) {
      if (!fixed) return build(visit, cookies)
      const again = made.get(cookies) ?? build(visit, cookies)
      made.set(cookies, again)
      return again
    },
    capture(visit, ended) {
      for (const { as, take } of captures) {
        const value = take(ended)
        if (value === undefined || value === null) return `nothing to capture as ${as}`
        visit.captured.set(as, value)
      }
      return null
    },
  }
}

type Header = { readonly header: string; readonly fixed: boolean; render(visit: Visit): string }

function compileHeader(header: string, text: string, names: Names, where: string): Header {
  const value = compileText(text, names, `${where}, header ${header}`)
  return { header, fixed: value.fixed, render: (visit) => value.render(visit, headerValue) }
}

function compileAuth({ auth }: LoadSettings, names: Names, where: string): readonly Header[] {
  if (auth?.kind === 'bearer') return [compileHeader('authorization', `Bearer ${auth.token}`, names, where)]
  if (auth?.kind !== 'basic') return []
  const pair = compileText(`${auth.user}:${auth.password}`, names, `${where}, auth`)
  const render = (visit: Visit) => `Basic ${Buffer.from(pair.render(visit)).toString('base64')}`
  return [{ header: 'authorization', fixed: pair.fixed, render }]
}

function headerList(headers: readonly Header[], visit: Visit, cookies: string | null): string[] {
  const list: string[] = []
  let withCookies = cookies
  for (const { header, render } of headers) {
    let value = render(visit)
    if (header === 'cookie' && cookies !== null) {
      value = `${value}; ${cookies}`
      withCookies = null
    }
    list.push(header, value)
  }
  if (withCookies !== null) list.push('cookie', withCookies)
  return list
}

/** A value may not end the header it stands in. What else is not a header's business undici refuses. */
function headerValue(value: string): string {
  return value.replace(/[\r\n\0]+/g, ' ')
}

/** `| raw` values keep their slashes and question marks; nothing keeps what would end the request line. */
function renderPath(path: Text, visit: Visit): string {
  const written = path.render(visit, encodeValue, encodePath)
  return written.startsWith('/') ? written : `/${written}`
}

function encodeValue(value: string): string {
  return encodeURIComponent(value.toWellFormed())
}

function encodePath(value: string): string {
  // What is percent-encoded in the data already stays as it is.
  return encodeURI(value.toWellFormed()).replaceAll('%25', '%').replaceAll('#', '%23')
}

type Body = { readonly fixed: boolean; readonly contentType: string | null; render(visit: Visit): string }

function compileBody(body: LoadBody, names: Names, where: string): Body {
  switch (body.kind) {
    case 'text': {
      const text = compileText(body.text, names, `${where}, body`)
      return { fixed: text.fixed, contentType: body.contentType ?? null, render: (visit) => text.render(visit) }
    }
    case 'json': {
      const value = compileJson(body.value, names, `${where}, json`)
      return { fixed: value.fixed, contentType: 'application/json', render: (visit) => JSON.stringify(value.make(visit)) }
    }
    case 'form': {
      const fields = Object.entries(body.fields).map(([name, text]) => ({ name, text: compileText(text, names, `${where}, form.${name}`) }))
      return {
        fixed: fields.every(({ text }) => text.fixed),
        contentType: 'application/x-www-form-urlencoded',
        render: (visit) => new URLSearchParams(fields.map(({ name, text }): [string, string] => [name, text.render(visit)])).toString(),
      }
    }
    default:
      return body satisfies never
  }
}

type Json = { readonly fixed: boolean; make(visit: Visit): unknown }

function compileJson(value: unknown, names: Names, where: string): Json {
  if (typeof value === 'string') {
    const text = compileText(value, names, where)
    return { fixed: text.fixed, make: (visit) => text.value(visit) ?? null }
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => compileJson(item, names, where))
    return { fixed: items.every((item) => item.fixed), make: (visit) => items.map((item) => item.make(visit)) }
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([name, item]) => ({ name, item: compileJson(item, names, where) }))
    return {
      fixed: fields.every(({ item }) => item.fixed),
      make: (visit) => Object.fromEntries(fields.map(({ name, item }) => [name, item.make(visit)])),
    }
  }
  return { fixed: true, make: () => value }
}

function compileCapture(from: LoadCapture, where: string): (ended: Ended) => unknown {
  if ('json' in from) {
    const path = pathOf(from.json, where)
    return (ended) => atJsonPath(jsonOf(ended), path)
  }
  if ('header' in from) return (ended) => headerOf(ended, from.header.toLowerCase())
  return (ended) => cookiesOf(ended).get(from.cookie)
}

/** Name → value of what an answer sets. */
export function cookiesOf(ended: Ended): ReadonlyMap<string, string> {
  const set = ended.headers?.['set-cookie'] ?? []
  return new Map(
    (Array.isArray(set) ? set : [set]).flatMap((line) => {
      const match = /^([^=;\s]+)=([^;]*)/.exec(line)
      return match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']]
    }),
  )
}

function lowerCased(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
