// Files to load, in folders of their own.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, expect } from 'vitest'
import { parseDocument } from 'yaml'
import { jsonSchema } from '../../../src/config/json-schema.ts'
import { ConfigError, type LoadedConfig, type LoadOptions, loadConfig } from '../../../src/config/load.ts'
import type { ConfigProblem } from '../../../src/domain/document.ts'

/** The smallest useful file: ten lines. Tests replace lines of it or add some from line 11 on. */
export const SMALLEST = [
  'app: shop',
  'artifact: { path: dist }',
  'hosts:',
  '  web-1: { address: 10.0.0.11 }',
  '  web-2: { address: 10.0.0.12 }',
  'release:',
  '  root: /srv/shop',
  'service:',
  '  unit: shop',
  'health: { http: { port: 8080 } }',
]

/** The smallest file with some lines replaced (1-based; null: taken out) and `more` after line 10. */
export function file(lines: Readonly<Record<number, string | null>>, more = ''): string {
  const all = SMALLEST.map((line, index) => (lines[index + 1] === undefined ? line : lines[index + 1])).filter((line) => line !== null)
  return `${all.join('\n')}\n${more}`
}

export const plus = (more: string): string => file({}, more)

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

/** An empty folder that nothing above it is asked about. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rollgate-config-'))
  folders.push(folder)
  await mkdir(join(folder, '.git'))
  return folder
}

export type Given = { readonly env?: LoadOptions['env']; readonly environment?: string; readonly requireEnvironment?: boolean }

export async function load(text: string | Uint8Array, given: Given = {}): Promise<LoadedConfig & { readonly cwd: string }> {
  const cwd = await emptyFolder()
  await writeFile(join(cwd, 'rollgate.yml'), text)
  const { environment, env = {}, requireEnvironment = true } = given
  const loaded = await loadConfig({
    cwd,
    env: { HOME: '/home/me', ...env },
    requireEnvironment,
    ...(environment === undefined ? {} : { environment }),
  })
  if (typeof text === 'string') expectSchemaAccepts(text)
  return { ...loaded, cwd }
}

const accepts = new Ajv2020({ allowUnionTypes: true, strictRequired: false }).compile(jsonSchema() as object)

/** What the validation accepts, an editor must not mark. */
export function expectSchemaAccepts(text: string): void {
  const document = parseDocument(text)
  // `{ port: ${PORT} }` is our own extension: an editor sees no YAML there.
  if (document.errors.length > 0) return
  expect(accepts(document.toJS()), `${JSON.stringify(accepts.errors)}\n${text}`).toBe(true)
}

export function schemaRefuses(text: string): boolean {
  return !accepts(parseDocument(text).toJS())
}

export async function problemsOf(text: string | Uint8Array, given: Given = {}): Promise<readonly ConfigProblem[]> {
  try {
    await load(text, given)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

/** `LINE:COLUMN key` of each problem. */
export const places = (problems: readonly ConfigProblem[]): readonly string[] =>
  problems.map(({ line, column, key }) => `${line}:${column} ${key}`)
