// Values for parameters and bodies, out of a JSON Schema as OpenAPI has it: an example where one is stated, else a default, a
// word of its list, or the smallest thing of its type. Careful about references: only inside the file, never in circles, and
// no larger than a request should be.
import { at, entriesAt, listAt, textAt } from '../imports/json.ts'

export type Samples = {
  /** What `$ref` leads to, inside this file; undefined: nowhere. */
  resolve(value: unknown): unknown
  /** undefined: cannot be made up */
  parameter(parameter: unknown): unknown
  media(media: unknown): unknown
}

const DEEPEST = 8
const MOST_VALUES = 500
const FORMATS: Readonly<Record<string, string>> = {
  uuid: '00000000-0000-4000-8000-000000000001',
  date: '2024-01-01',
  'date-time': '2024-01-01T00:00:00Z',
  email: 'user@example.com',
  uri: 'https://example.com/',
  ipv4: '192.0.2.1',
}

export function createSamples(root: unknown): Samples {
  const resolve = (value: unknown): unknown => {
    let here = value
    for (let hops = 0; hops < 20; hops += 1) {
      const reference = textAt(here, '$ref')
      if (reference === null) return here
      if (!reference.startsWith('#/')) return undefined
      here = at(
        root,
        ...reference
          .slice(2)
          .split('/')
          .map((step) => decoded(step).replaceAll('~1', '/').replaceAll('~0', '~')),
      )
    }
    return undefined
  }

  const stated = (holder: unknown): unknown => {
    const single = at(holder, 'example')
    if (single !== undefined) return single
    const [first] = entriesAt(holder, 'examples')
    return first === undefined ? undefined : at(resolve(first[1]), 'value')
  }

  let left = 0
  const make = (written: unknown, depth: number): unknown => {
    left -= 1
    if (depth > DEEPEST || left < 0) return undefined
    const schema = resolve(written)
    for (const known of [
      at(schema, 'example'),
      listAt(schema, 'examples')[0],
      at(schema, 'default'),
      at(schema, 'const'),
      listAt(schema, 'enum')[0],
    ])
      if (known !== undefined && known !== null) return known
    const parts = listAt(schema, 'allOf')
    if (parts.length > 0)
      return merged(
        parts.map((part) => make(part, depth + 1)),
        objectOf(schema, depth),
      )
    const choices = [...listAt(schema, 'oneOf'), ...listAt(schema, 'anyOf')]
    for (const choice of choices) {
      const made = make(choice, depth + 1)
      if (made !== undefined) return made
    }
    const type = [at(schema, 'type')].flat().find((word) => typeof word === 'string' && word !== 'null')
    switch (type) {
      case 'integer':
      case 'number':
        return numberOf(schema)
      case 'boolean':
        return true
      case 'string':
        return stringOf(schema)
      case 'array': {
        const item = make(at(schema, 'items'), depth + 1)
        return item === undefined ? [] : [item]
      }
      default:
        return type === 'object' || at(schema, 'properties') !== undefined ? objectOf(schema, depth) : undefined
    }
  }

  /** Only what must be there: the rest is somebody's guess. */
  const objectOf = (schema: unknown, depth: number): Readonly<Record<string, unknown>> => {
    const required = listAt(schema, 'required').filter((name): name is string => typeof name === 'string')
    return Object.fromEntries(
      entriesAt(schema, 'properties')
        .filter(([name]) => required.includes(name) && !(name in {}))
        .map(([name, property]) => [name, make(property, depth + 1) ?? null]),
    )
  }

  const begin = (schema: unknown): unknown => {
    left = MOST_VALUES
    return schema === undefined ? undefined : make(schema, 0)
  }

  return {
    resolve,
    parameter: (parameter) =>
      stated(parameter) ?? begin(at(parameter, 'schema')) ?? begin(at(entriesAt(parameter, 'content')[0]?.[1], 'schema')),
    media: (media) => stated(media) ?? begin(at(media, 'schema')),
  }
}

function merged(parts: readonly unknown[], own: Readonly<Record<string, unknown>>): unknown {
  return Object.assign({}, ...parts.filter((part) => typeof part === 'object' && part !== null), own)
}

function numberOf(schema: unknown): number {
  const bound = (name: string): number | null => {
    const value = at(schema, name)
    return typeof value === 'number' && Number.isFinite(value) ? value : null
  }
  const least = bound('minimum') ?? (bound('exclusiveMinimum') === null ? null : (bound('exclusiveMinimum') ?? 0) + 1)
  const most = bound('maximum')
  return least ?? (most !== null && most < 1 ? most : 1)
}

function stringOf(schema: unknown): string | undefined {
  const format = FORMATS[textAt(schema, 'format') ?? '']
  if (format !== undefined) return format
  // A pattern would have to be solved; half of them would be wrong.
  if (textAt(schema, 'pattern') !== null) return undefined
  const [least, most] = [at(schema, 'minLength'), at(schema, 'maxLength')]
  const word = 'example'
  const long = typeof least === 'number' && least > word.length ? word.padEnd(Math.min(least, 200), 'e') : word
  return typeof most === 'number' && most > 0 && most < long.length ? long.slice(0, most) : long
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
