// The JSON Schemas that answers are held against, read from their files before anything is sent: a file that is not there,
// or that says what we cannot check, must be known before the first request. What was read goes with the settings, so that
// generators on other hosts need no file.
import { readFile, stat } from 'node:fs/promises'
import { RollgateError } from '../domain/error.ts'
import type { LoadExpect, LoadRequest, LoadScenario, LoadSettings } from '../domain/load.ts'
import { type SchemaCompiler, schemaCompiler } from '../util/json-schema.ts'

/** By what stands in the settings. */
export type Schemas = ReadonlyMap<NonNullable<LoadExpect['schema']>, ReturnType<SchemaCompiler>>

const LARGEST_BYTES = 4 * 1024 * 1024

/** @throws RollgateError E_LOAD */
export async function withSchemas(settings: LoadSettings): Promise<LoadSettings> {
  const { auth } = settings
  if (!schemasIn(settings).some((schema) => 'path' in schema)) return settings
  const read = new Map<string, unknown>()
  const ready = async (request: LoadRequest): Promise<LoadRequest> => {
    const schema = request.expect?.schema
    if (schema === undefined || !('path' in schema)) return request
    if (!read.has(schema.path)) read.set(schema.path, await schemaIn(schema.path, settings.name))
    return { ...request, expect: { ...request.expect, schema: { json: read.get(schema.path) } } }
  }
  const scenario = async ({ steps: [first, ...rest], ...more }: LoadScenario): Promise<LoadScenario> => ({
    ...more,
    steps: [await ready(first), ...(await Promise.all(rest.map(ready)))],
  })
  const [first, ...rest] = settings.scenarios
  return {
    ...settings,
    scenarios: [await scenario(first), ...(await Promise.all(rest.map(scenario)))],
    auth: auth?.kind === 'login' ? { ...auth, request: await ready(auth.request) } : auth,
  }
}

/** Of settings whose files are read. What is wrong with one is told where it is used. */
export async function compileSchemas(settings: LoadSettings): Promise<Schemas> {
  const schemas = schemasIn(settings)
  if (schemas.length === 0) return new Map()
  const compile = await schemaCompiler()
  return new Map(schemas.flatMap((schema) => ('json' in schema ? [[schema, compile(schema.json)] as const] : [])))
}

function schemasIn({ scenarios, auth }: LoadSettings): readonly NonNullable<LoadExpect['schema']>[] {
  const requests = [...scenarios.flatMap(({ steps }) => steps), ...(auth?.kind === 'login' ? [auth.request] : [])]
  return requests.flatMap(({ expect }) => expect?.schema ?? [])
}

async function schemaIn(path: string, load: string): Promise<unknown> {
  const failed = (why: string, cause: unknown) => new RollgateError('E_LOAD', `load "${load}": expect.schema: ${path} ${why}`, { cause })
  const text = await stat(path)
    .then(({ size }) => (size > LARGEST_BYTES ? null : readFile(path, 'utf8')))
    .catch((cause: unknown) => {
      throw failed('cannot be read', cause)
    })
  if (text === null) throw failed('is larger than 4 MiB', undefined)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw failed('is not JSON', cause)
  }
}
