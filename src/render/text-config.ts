// The configuration: its problems with their places, or its values with where each came from, or its schema.
import type { BaseDocument, ConfigDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { padEnd, textWidth } from './width.ts'
import { many, oneLine } from './words.ts'

export type ConfigText = BaseDocument & Partial<Pick<ConfigDocument, 'problems' | 'config' | 'origins' | 'schema'>>

export function configText(document: ConfigText, style: Style): readonly string[] {
  if (document.schema !== undefined) return JSON.stringify(document.schema, null, 2).split('\n')
  if (document.config !== undefined) return valueLines(document.config, document.origins ?? {}, style)
  const { problems } = document
  if (problems === undefined) return document.outcome === 'ok' ? [style.green('✔ no problems')] : []
  if (problems.length === 0) return [`${style.green('✔')} no problems`]
  const lines = problems.map((problem) => {
    const place = `${oneLine(problem.file, 300)}:${problem.line}:${problem.column}`
    const key = problem.key === '' ? '' : `${style.bold(oneLine(problem.key, 200))}: `
    const nearest = problem.nearest === undefined ? '' : ` (did you mean ${oneLine(problem.nearest, 100)}?)`
    return `${style.red('✖')} ${place}  ${key}${oneLine(problem.message)}${nearest}`
  })
  return [...lines, '', style.red(`✖ ${many(problems.length, 'problem')}`)]
}

type Value = { readonly key: string; readonly text: string }

/** One line a value, `key: value`, and at the right where it was written. */
function valueLines(config: unknown, origins: Readonly<Record<string, string>>, style: Style): readonly string[] {
  const values = [...leaves(config, '')]
  const rows = values.map(({ key, text }) => ({ left: `${oneLine(key, 300)}: ${text}`, origin: originOf(key, origins) }))
  const width = Math.min(60, Math.max(0, ...rows.map(({ left }) => textWidth(left))))
  return rows.map(({ left, origin }) => (origin === null ? left : `${padEnd(left, width)}  ${style.dim(`# ${oneLine(origin, 400)}`)}`))
}

function* leaves(value: unknown, key: string): Generator<Value> {
  const join = (name: string | number): string => (typeof name === 'number' ? `${key}[${name}]` : key === '' ? name : `${key}.${name}`)
  if (Array.isArray(value)) {
    if (value.length === 0) yield { key, text: '[]' }
    for (const [index, item] of value.entries()) yield* leaves(item, join(index))
    return
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    if (entries.length === 0) yield { key, text: '{}' }
    for (const [name, item] of entries) yield* leaves(item, join(name))
    return
  }
  yield { key, text: scalar(value) }
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return String(value)
  const clean = oneLine(value, 2_000)
  return clean === value && value !== '' ? value : JSON.stringify(clean)
}

/** A default of a whole list or map has one origin, under the key of the whole. */
function originOf(key: string, origins: Readonly<Record<string, string>>): string | null {
  for (let at = key; at !== ''; at = at.replace(/(\.[^.[\]]+|\[\d+\]|^[^.[\]]+)$/, '')) {
    const origin = origins[at]
    if (origin !== undefined) return origin
    if (!/[.[]/.test(at)) return null
  }
  return null
}
