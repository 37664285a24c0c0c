// Runs the command line as a person or a script does: a process of its own, with its own home, and looks only at what
// comes out of it. Every JSON document that passes here is held strictly against its schema.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, vi } from 'vitest'
import { BIN } from '../../helpers/bin.ts'
import { punctually } from '../../helpers/punctual.ts'
import { schemaOf, strictly } from '../../helpers/schemas.ts'

export const root = resolve(import.meta.dirname, '../../..')

/** Compiled code is kept from run to run: it is not what is tested. */
const cache = join(root, 'node_modules/.cache/rollgate-cli')

// A command takes a second, and many seconds on a machine that has much else to do.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

export type Run = { readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string }

export type Place = {
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
  remove(): void
}

/** A folder to work in, and a home that nobody else has. */
export function aPlace(): Place {
  const home = mkdtempSync(join(tmpdir(), 'rollgate-cli-'))
  return {
    directory: home,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      XDG_STATE_HOME: join(home, 'state'),
      XDG_CACHE_HOME: cache,
      LANG: 'C.UTF-8',
      USER: 'ada',
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  }
}

export type Started = { readonly child: ChildProcess; readonly ended: Promise<Run>; stdout(): string; stderr(): string }

export function start(
  args: readonly string[],
  place: Place,
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly node?: string
    readonly bin?: string
    readonly cwd?: string
    readonly measures?: true
  } = {},
): Started {
  const node = options.node ?? process.execPath
  const words = [options.bin ?? BIN, ...args]
  const [program, rest] = options.measures === true ? punctually(node, words) : [node, words]
  const child = spawn(program, rest, {
    cwd: options.cwd ?? place.directory,
    env: { ...place.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Run>((done, failed) => {
    child.once('error', failed)
    child.once('close', (code, signal) => done({ code, signal, stdout, stderr }))
  })
  return { child, ended, stdout: () => stdout, stderr: () => stderr }
}

export const run = (...args: Parameters<typeof start>): Promise<Run> => start(...args).ended

export type Json = { readonly [key: string]: unknown }

/** The one document on stdout, after it was held against its schema. */
export function documentOf(result: Run): Json & { readonly error?: Json & { readonly code: string; readonly message: string } } {
  const document: unknown = JSON.parse(result.stdout)
  if (typeof document !== 'object' || document === null || !('command' in document)) throw new Error(`no document: ${result.stdout}`)
  const command = String(document.command)
  if (command !== '') expect(strictly(schemaOf(command), document)).toEqual([])
  expect(document).toMatchObject({ version: 1, exitCode: result.code })
  // The schema has just been asked.
  return document as ReturnType<typeof documentOf>
}

/** Runs it as text and with --json; both must end with this code, and the document says the same. */
export async function bothWays(
  args: readonly string[],
  place: Place,
  expected: { readonly code: number; readonly error?: string; readonly outcome?: string },
  options: Parameters<typeof start>[2] = {},
): Promise<{ readonly text: Run; readonly json: Run; readonly document: ReturnType<typeof documentOf> }> {
  const text = await run(args, place, options)
  const end = args.indexOf('--')
  const withJson = end === -1 ? [...args, '--json'] : args.toSpliced(end, 0, '--json')
  const json = await run(withJson, place, options)
  expect([text.code, text.signal], `text mode: ${text.stderr}`).toEqual([expected.code, null])
  expect([json.code, json.signal], `json mode: ${json.stderr} ${json.stdout}`).toEqual([expected.code, null])
  const document = documentOf(json)
  if (expected.outcome !== undefined) expect(document.outcome).toBe(expected.outcome)
  expect(document.error?.code).toBe(expected.error)
  if (expected.error !== undefined) expect(text.stderr).toContain(expected.error)
  return { text, json, document }
}

/** The URL of every module that a run which succeeds loaded. */
export async function filesLoaded(bin: string, place: Place, args: readonly string[]): Promise<readonly string[]> {
  const list = join(place.directory, 'loaded.json')
  const spy = join(place.directory, 'spy.mjs')
  writeFileSync(
    spy,
    `import { registerHooks } from 'node:module'
import { writeFileSync } from 'node:fs'
const seen = []
registerHooks({ load(url, context, next) { seen.push(url); return next(url, context) } })
process.on('exit', () => writeFileSync(${JSON.stringify(list)}, JSON.stringify(seen)))
`,
  )
  const { code } = await run(args, place, { bin, env: { NODE_OPTIONS: `--import ${JSON.stringify(spy)}` } })
  expect(code).toBe(0)
  const urls: unknown = JSON.parse(readFileSync(list, 'utf8'))
  return Array.isArray(urls) ? urls.map(String) : []
}
