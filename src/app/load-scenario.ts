// A HAR or an OpenAPI description → a block for `loads`, printed or written to a file that is not there yet. It is a draft for a
// person: what was left out, and which secrets it wants, stands in its head.
import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { readPlainYaml } from '../config/yaml.ts'
import type { ScenarioDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { LoadMethod } from '../domain/load.ts'
import { type Draft, methodOf, NoDraftError } from '../load/scenarios/draft.ts'
import { readHar } from '../load/scenarios/har.ts'
import { readOpenApi } from '../load/scenarios/openapi.ts'
import { writeDraft } from '../load/scenarios/write.ts'
import { cleanText } from '../util/text.ts'
import type { AppContext } from './context.ts'

export type ScenarioOptions = {
  readonly file: string
  readonly from: 'HAR' | 'OpenAPI'
  /** HAR: which sites [that of its first request]. */
  readonly origins?: readonly string[]
  /** Beside the safe ones. */
  readonly methods?: readonly string[]
  /** HAR: static files too. */
  readonly all?: boolean
  readonly out?: string
}

/** Recordings with their answers are large. */
const LARGEST_JSON = 256 * 1024 * 1024
const LARGEST_YAML = 8 * 1024 * 1024

/** @throws RollgateError E_USAGE, E_LOAD_DATA for a file that is no such description */
export async function loadScenario(options: ScenarioOptions, context: AppContext): Promise<ScenarioDocument> {
  const { file, from } = options
  const methods = (options.methods ?? []).map(methodNamed)
  const origins = (options.origins ?? []).map(originNamed)
  const root = await parsed(resolve(context.cwd, file), file)
  const draft = drafted(
    () => (from === 'HAR' ? readHar(root, { origins, methods, all: options.all ?? false }) : readOpenApi(root, { methods })),
    file,
  )
  const scenario = writeDraft(draft, basename(file))
  if (options.out !== undefined) await written(resolve(context.cwd, options.out), options.out, scenario)
  return {
    ...{ version: 1, command: 'load import', exitCode: 0, outcome: 'ok', from, scenario },
    ...{ requests: draft.requests.length, left: draft.left, secrets: draft.secrets, written: options.out ?? null },
  }
}

/** One file that describes requests, seen by its beginning; null: results, or nothing that is known. */
export async function seenIn(files: readonly string[], context: AppContext): Promise<Pick<ScenarioOptions, 'file' | 'from'> | null> {
  const [file, ...others] = files
  if (file === undefined || others.length > 0) return null
  const from = await kindOf(resolve(context.cwd, file))
  return from === null ? null : { file, from }
}

async function kindOf(path: string): Promise<ScenarioOptions['from'] | null> {
  const file = await open(path, 'r').catch(() => null)
  if (file === null) return null
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4_096), 0, 4_096, 0)
    const head = buffer.toString('utf8', 0, bytesRead)
    if (/^\s*\{\s*"log"\s*:\s*\{/.test(head)) return 'HAR'
    return /^\s*\{[^{]*"(openapi|swagger)"\s*:/.test(head) || /^(openapi|swagger)\s*:/m.test(head) ? 'OpenAPI' : null
  } catch {
    return null
  } finally {
    await file.close()
  }
}

async function parsed(path: string, shown: string): Promise<unknown> {
  const say = (why: string): RollgateError => new RollgateError('E_USAGE', `${cleanText(shown, 200)}: ${why}`)
  const about = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw say(error.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${error.code ?? 'unknown'})`)
  })
  if (!about.isFile()) throw say('it is no file')
  if (about.size > LARGEST_JSON) throw say('it is larger than 256 MiB')
  const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
  try {
    return JSON.parse(text)
  } catch {
    if (/^\s*[{[]/.test(text)) throw say('it is no JSON, or not whole')
    if (text.length > LARGEST_YAML) throw say('it is larger than 8 MiB; as JSON it may be')
    const root = readPlainYaml(text)
    if (typeof root !== 'object' || root === null) throw say('it is neither JSON nor YAML')
    return root
  }
}

function drafted(read: () => Draft, shown: string): Draft {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof NoDraftError)) throw error
    throw new RollgateError('E_LOAD_DATA', `${cleanText(shown, 200)}: ${cleanText(error.message, 500)}`, { cause: error })
  }
}

function methodNamed(text: string): LoadMethod {
  const method = methodOf(text)
  if (method !== null) return method
  throw new RollgateError('E_USAGE', `--methods ${JSON.stringify(text)}: known are GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE`)
}

function originNamed(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text).origin
  throw new RollgateError('E_USAGE', `--origin ${JSON.stringify(text)}: a site such as https://shop.example.com is wanted`)
}

/** Never over a file that is there. */
async function written(path: string, shown: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'is there already' : `cannot be written (${error.code ?? 'unknown'})`
    throw new RollgateError('E_USAGE', `--out ${cleanText(shown, 200)}: it ${why}`, { cause: error })
  })
}
