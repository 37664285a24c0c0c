// Documents against their schemas: as a script would check them, and strictly, so that no field goes undescribed.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { type DocumentName, documents } from '../../tools/documents.ts'

const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, strictTypes: false, allowUnionTypes: true })
const compiled = new Map<string, ValidateFunction>()

/** What is wrong, in words; none: it fits. */
export function valid(name: DocumentName, document: unknown): readonly string[] {
  return problems(name, documents[name].json, document)
}

/** The same, and every field of it is described. */
export function strictly(name: DocumentName, document: unknown): readonly string[] {
  return problems(`${name} strictly`, closed(documents[name].json), document)
}

export function schemaOf(command: string): DocumentName {
  if (command.startsWith('config')) return 'config'
  const same: Readonly<Record<string, DocumentName>> = {
    deploy: 'rollout',
    rollback: 'rollout',
    restart: 'rollout',
    resume: 'rollout',
    abort: 'rollout',
    promote: 'rollout',
    'lock release': 'lock',
    logs: 'exec',
    drain: 'hand',
    enable: 'hand',
    'load selftest': 'selftest',
    'gate plan': 'gatePlan',
    'gate explain': 'gateExplain',
    'gate whatif': 'gateExplain',
    'gate calibrate': 'gateCalibrate',
    'load import': 'import',
  }
  const name = same[command] ?? command
  if (!isName(name)) throw new Error(`no schema for ${command}`)
  return name
}

const isName = (name: string): name is DocumentName => Object.hasOwn(documents, name)

function problems(id: string, schema: object, document: unknown): readonly string[] {
  const validate = compiled.get(id) ?? ajv.compile(schema)
  compiled.set(id, validate)
  if (validate(document)) return []
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''} ${JSON.stringify(error.params)}`)
}

function closed(schema: unknown): object {
  const close = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(close)
    if (typeof value !== 'object' || value === null) return value
    const inner = Object.fromEntries(Object.entries(value).map(([key, child]) => [key, close(child)]))
    return 'properties' in inner && 'type' in inner ? { ...inner, additionalProperties: false } : inner
  }
  const result = close(schema)
  if (typeof result !== 'object' || result === null) throw new Error('a schema is an object')
  return result
}
