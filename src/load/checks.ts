// Whether an answer is a good one. Compiled once; a failed check is a class of failure with its count, not a log line.
// What is said about it names the check, never what the target sent.
import { RollgateError } from '../domain/error.ts'
import type { LoadExpect } from '../domain/load.ts'
import { atJsonPath, type JsonPath, parseJsonPath } from '../util/json-path.ts'
import type { SchemaCheck } from '../util/json-schema.ts'
import type { Ended } from './lanes.ts'
import type { Schemas } from './schemas.ts'

export type Wrong = { readonly class: 'status' | 'check'; readonly detail: string }

export type Checks = {
  /** The body has to be kept for them. */
  readonly needBody: boolean
  readonly needHeaders: boolean
  /** null: all hold. Only for answers. */
  wrong(ended: Ended, serviceMs: number): Wrong | null
}

/** @throws RollgateError E_LOAD */
export function compileChecks(expect: LoadExpect, where: string, schemas: Schemas): Checks {
  const statusOk = compileStatus(expect.status)
  const paths = Object.entries(expect.json ?? {}).map(([text, value]) => ({ text, path: pathOf(text, where), value }))
  const schema = expect.schema === undefined ? null : schemaOf(expect.schema, where, schemas)
  const rest: readonly ((ended: Ended, serviceMs: number) => string | null)[] = [
    ...Object.entries(expect.headers ?? {}).map(([name, value]) => (ended: Ended) => {
      const found = headerOf(ended, name.toLowerCase())
      return found !== null && (value === null || found === value) ? null : `header ${name}`
    }),
    ...(expect.bodyContains ?? []).map((text) => (ended: Ended) => (ended.body?.includes(text) ? null : `body contains "${text}"`)),
    ...(paths.length === 0 ? [] : [(ended: Ended) => wrongJson(ended, paths)]),
    ...(schema === null ? [] : [(ended: Ended) => wrongBySchema(ended, schema)]),
    (ended) => (ended.bytes < (expect.minBytes ?? 0) ? `at least ${expect.minBytes} bytes` : null),
    (ended) => (ended.bytes > (expect.maxBytes ?? Number.POSITIVE_INFINITY) ? `at most ${expect.maxBytes} bytes` : null),
    (_, serviceMs) => (serviceMs > (expect.withinMs ?? Number.POSITIVE_INFINITY) ? `within ${expect.withinMs} ms` : null),
  ]
  return {
    needHeaders: Object.keys(expect.headers ?? {}).length > 0,
    needBody: paths.length > 0 || schema !== null || (expect.bodyContains ?? []).length > 0,
    wrong(ended, serviceMs) {
      if (!statusOk(ended.status)) return { class: 'status', detail: `HTTP ${ended.status}` }
      for (const check of rest) {
        const detail = check(ended, serviceMs)
        if (detail !== null) return { class: 'check', detail }
      }
      return null
    },
  }
}

/** Repeated ones joined by a comma; null: not there. */
export function headerOf(ended: Ended, name: string): string | null {
  const found = ended.headers?.[name]
  return found === undefined ? null : Array.isArray(found) ? found.join(', ') : found
}

/** @throws RollgateError E_LOAD */
export function pathOf(text: string, where: string): JsonPath {
  const path = parseJsonPath(text)
  if (path === null) throw new RollgateError('E_LOAD', `${where}: "${text}" is not a JSON path`, { hints: ['such as $.items[0].id'] })
  return path
}

/** undefined: no JSON. */
export function jsonOf(ended: Ended): unknown {
  try {
    return JSON.parse(ended.body ?? '')
  } catch {
    return undefined
  }
}

/** @throws RollgateError E_LOAD */
function schemaOf(schema: NonNullable<LoadExpect['schema']>, where: string, schemas: Schemas): SchemaCheck {
  const compiled = schemas.get(schema)
  if (compiled === undefined) throw new RollgateError('E_BUG', `${where}: a schema that nobody has compiled`)
  if ('check' in compiled) return compiled.check
  throw new RollgateError('E_LOAD', `${where}: expect.schema: ${compiled.problem}`)
}

function compileStatus(expected: LoadExpect['status']): (status: number) => boolean {
  if (expected === undefined) return (status) => status >= 200 && status < 400
  const codes = new Set(expected.filter((match) => typeof match === 'number'))
  const classes = new Set(expected.filter((match) => typeof match === 'string').map((match) => Number(match[0])))
  return (status) => codes.has(status) || classes.has(Math.floor(status / 100))
}

function wrongJson(
  ended: Ended,
  paths: readonly { readonly text: string; readonly path: JsonPath; readonly value: unknown }[],
): string | null {
  const value = jsonOf(ended)
  if (value === undefined) return 'body is JSON'
  for (const wanted of paths) if (atJsonPath(value, wanted.path) !== wanted.value) return `json ${wanted.text}`
  return null
}

function wrongBySchema(ended: Ended, check: SchemaCheck): string | null {
  const value = jsonOf(ended)
  if (value === undefined) return 'body is JSON'
  const wrong = check(value)
  return wrong === null ? null : `schema ${wrong}`
}
