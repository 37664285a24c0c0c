// The JSON Schema for editors, from the same shape as the validation. It accepts whatever the validation accepts; rules
// between keys and the finer forms of values are the validation's alone. What is not built yet is left out.
import { environmentName } from './names.ts'
import { merged } from './schema.ts'
import { toJsonSchema } from './shape.ts'

type Schema = Record<string, unknown>

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value)

/** JSON Schema, draft 2020-12, of rollgate.yml. */
export function jsonSchema(): unknown {
  const { $schema, properties, required, ...rest } = toJsonSchema(merged)
  const sections = isSchema(properties) ? properties : {}
  const partial = mapOf(sections, (section, name) => (name === 'hosts' ? section : withoutRequired(section)))
  return {
    $schema,
    title: 'rollgate.yml',
    description: 'Configuration of rollgate: docs/configuration.md',
    ...rest,
    properties: {
      ...partial,
      environments: {
        description: 'Named sets of settings, merged over the top level: maps merge, lists and values replace, `hosts` replaces all hosts',
        type: 'object',
        propertyNames: environmentName.json,
        additionalProperties: { anyOf: [{ $ref: '#/$defs/environment' }, { type: 'null' }] },
      },
    },
    // An environment may bring what the top level leaves out.
    anyOf: [{ required: ['environments'] }, { required }],
    $defs: {
      variable: { type: 'string', pattern: '\\$\\{', description: 'Filled in from an environment variable' },
      environment: { type: 'object', properties: mapOf(partial, referTo), additionalProperties: false },
    },
  }
}

/** templates/rollgate.schema.json, formatted as the repository's formatter would. */
export function schemaText(): string {
  return `${pretty(jsonSchema(), '', 0)}\n`
}

const WIDTH = 140

function pretty(value: unknown, indent: string, used: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  if (!Array.isArray(value)) {
    const lines = Object.entries(value).map(([key, item]) => {
      const start = `${inner}${JSON.stringify(key)}: `
      return start + pretty(item, inner, start.length + 1)
    })
    return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${indent}}`
  }
  const flat = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`
  if (value.every((item) => typeof item !== 'object') && used + flat.length <= WIDTH) return flat
  return `[\n${value.map((item) => inner + pretty(item, inner, inner.length + 1)).join(',\n')}\n${indent}]`
}

/** An environment has the sections of the top level. */
function referTo(_: unknown, name: string): Schema {
  return { $ref: `#/properties/${name}` }
}

function mapOf(map: Schema, change: (value: unknown, name: string) => unknown): Schema {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value, name)]))
}

/** Maps merge, so a layer may leave anything out; the items of lists are whole. */
function withoutRequired(value: unknown): unknown {
  if (!isSchema(value)) return value
  const { required: _, ...rest } = value
  if (isSchema(rest.properties)) rest.properties = mapOf(rest.properties, withoutRequired)
  if (isSchema(rest.additionalProperties)) rest.additionalProperties = withoutRequired(rest.additionalProperties)
  if (Array.isArray(rest.anyOf)) rest.anyOf = rest.anyOf.map(withoutRequired)
  return rest
}
