// Texts with `{{ … }}` in requests: a small fixed set of expressions, compiled once, so that a mistake is known before
// anything is sent and a request costs no parsing. Careful about what a value may do: each place says how values are
// written there (percent-encoded in a path, refused with a line break in a header), and a secret is only a name until
// `secret` is asked, after compiling.
import { RollgateError } from '../domain/error.ts'
import type { Random } from './random.ts'

/** What expressions can see while one arrival is served. */
export type Scope = {
  readonly runId: string
  readonly random: Random
  /** The row of this arrival: drawn once, the same for every target. */
  row(source: string): unknown
  /** From earlier steps, of this target alone. */
  readonly captured: ReadonlyMap<string, unknown>
  /** Values that must not differ between the targets of a pair (uuid, randomInt, now), kept by expression. */
  readonly drawn: Map<Expression, unknown>
}

/** What may be named, known when a text is compiled. */
export type Names = {
  /** Their columns; null where rows need not be alike (JSON lines). */
  readonly data: Readonly<Record<string, readonly string[] | null>>
  readonly captured: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called for each secret that is named; its value is asked for while rendering. */
  readonly secret: (name: string) => () => string
}

export type Expression = {
  /** The same for every arrival. */
  readonly fixed: boolean
  evaluate(scope: Scope): unknown
}

export type Text = {
  /** The same for every arrival, once secrets are known. */
  readonly fixed: boolean
  /** @param write how a value is written here; a value marked `| raw` gets the second one */
  render(scope: Scope, write?: (value: string) => string, writeRaw?: (value: string) => string): string
  /** The value itself when the text is one expression and nothing else (a number stays a number), else the text. */
  value(scope: Scope): unknown
}

type Part = string | { readonly expression: Expression; readonly raw: boolean }

/** @param where named in the error: `requests[0].get` @throws RollgateError E_LOAD */
export function compileText(text: string, names: Names, where: string): Text {
  const parts: Part[] = []
  let at = 0
  for (const match of text.matchAll(/\{\{(.*?)\}\}/gs)) {
    if (match.index > at) parts.push(text.slice(at, match.index))
    parts.push(compileExpression((match[1] ?? '').trim(), names, where))
    at = match.index + match[0].length
  }
  if (at < text.length) parts.push(text.slice(at))
  if (parts.some((part) => typeof part === 'string' && part.includes('{{')))
    throw new RollgateError('E_LOAD', `${where}: "{{" without its "}}"`)
  const [only] = parts
  const render: Text['render'] = (scope, write = same, writeRaw = write) => {
    let written = ''
    for (const part of parts) {
      if (typeof part === 'string') written += part
      else written += (part.raw ? writeRaw : write)(show(part.expression.evaluate(scope)))
    }
    return written
  }
  return {
    fixed: parts.every((part) => typeof part === 'string' || part.expression.fixed),
    render,
    value: (scope) => (parts.length === 1 && typeof only === 'object' ? only.expression.evaluate(scope) : render(scope)),
  }
}

const FUNCTIONS = 'run.id, DATA.FIELD, env.NAME, secret.NAME, uuid, randomInt(1, 100), now, now.ms, and names captured by earlier steps'

function compileExpression(text: string, names: Names, where: string): Part {
  const [source = '', ...filters] = text.split('|').map((piece) => piece.trim())
  const raw = filters.length === 1 && filters[0] === 'raw'
  if (filters.length > 0 && !raw) throw new RollgateError('E_LOAD', `${where}: the only filter is "raw", not "${filters.join(' | ')}"`)
  const expression = compileSource(source, names, where)
  if (expression === null)
    throw new RollgateError('E_LOAD', `${where}: nothing is called "${source}" here`, { hints: [`there are: ${FUNCTIONS}`] })
  return { expression, raw }
}

function compileSource(source: string, names: Names, where: string): Expression | null {
  const range = /^randomInt\(\s*(-?\d{1,15})\s*,\s*(-?\d{1,15})\s*\)$/.exec(source)
  if (range !== null) {
    const [least, most] = [Number(range[1]), Number(range[2])]
    if (least > most) throw new RollgateError('E_LOAD', `${where}: randomInt(${least}, ${most}) has no number in it`)
    return once((scope) => scope.random.between(least, most))
  }
  if (source === 'uuid') return once((scope) => uuid(scope.random))
  if (source === 'now') return once(() => new Date().toISOString())
  if (source === 'now.ms') return once(() => Date.now())
  if (source === 'run.id') return { fixed: true, evaluate: (scope) => scope.runId }
  const [head = '', ...path] = source.split('.')
  if (names.captured.includes(head)) return { fixed: false, evaluate: (scope) => at(scope.captured.get(head), path) }
  const columns = Object.hasOwn(names.data, head) ? names.data[head] : undefined
  if (columns !== undefined && path.length > 0) {
    // A CSV column may have a dot in its name.
    const field = path.join('.')
    if (columns !== null && !columns.includes(field))
      throw new RollgateError('E_LOAD', `${where}: "${head}" has no column "${field}"`, { hints: [`there are: ${columns.join(', ')}`] })
    return { fixed: false, evaluate: (scope) => own(scope.row(head), field) ?? at(scope.row(head), path) }
  }
  const name = path.join('.')
  if (head === 'env' && name !== '') {
    const value = names.env[name]
    if (value === undefined) throw new RollgateError('E_LOAD', `${where}: the variable ${name} is not set`)
    return { fixed: true, evaluate: () => value }
  }
  if (head === 'secret' && name !== '') return { fixed: true, evaluate: names.secret(name) }
  return null
}

function once(draw: (scope: Scope) => unknown): Expression {
  const expression: Expression = {
    fixed: false,
    evaluate(scope) {
      if (!scope.drawn.has(expression)) scope.drawn.set(expression, draw(scope))
      return scope.drawn.get(expression)
    },
  }
  return expression
}

/** Version 4, from the run's own seed: the same run sends the same ones. */
function uuid(random: Random): string {
  const hex = (digits: number) => Array.from({ length: digits }, () => random.between(0, 15).toString(16)).join('')
  return `${hex(8)}-${hex(4)}-4${hex(3)}-${'89ab'[random.between(0, 3)]}${hex(3)}-${hex(12)}`
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce(own, value)
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Readonly<Record<string, unknown>>)[name]
}

function show(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function same(value: string): string {
  return value
}
