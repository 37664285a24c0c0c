// Runs a load tool and reads what it wrote. Its processes are ended as groups, all of them, when somebody asks or when it takes
// far longer than planned; its exit code is carried along, and Locust's workers are counted, because its exit code is 0 with
// every one of them dead. What it wrote lies in a folder that is gone afterwards.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandResult } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { ImportEvidence } from '../../domain/evidence.ts'
import { type ImportAsked, type ImportRead, readImports } from '../../load/imports/read.ts'
import { cleanText } from '../../util/text.ts'
import { runLocal } from '../process.ts'
import { canCompare } from './capabilities.ts'
import { type EngineAsked, type EngineProcess, jmeterWords, k6Pair, k6Words, locustWords, vegetaEncode, vegetaWords } from './words.ts'

export type EngineOptions = Omit<EngineAsked, 'folder'> &
  ImportAsked & {
    readonly signal: AbortSignal
    /** Instead of our own environment. */
    readonly env: Readonly<Record<string, string | undefined>>
    /** Lines of the tool: untrusted. */
    readonly onLine?: (name: string, text: string) => void
  }

export type EngineRun = ImportRead & { readonly exitCode: number | null; readonly durationMs: number }

/** Beyond the longest that was planned: JMeter ends a minute after its last request. */
const GRACE_MS = 120_000
const LAST_WORDS = 20

/** @throws RollgateError E_LOAD when the tool or its script is not there, E_CANCELLED */
export async function runEngine(options: EngineOptions): Promise<EngineRun> {
  const { settings } = options
  const began = performance.now()
  await readFile(settings.path).catch((error: NodeJS.ErrnoException) => {
    throw new RollgateError('E_LOAD', `load ${settings.name}: ${settings.path} cannot be read (${error.code ?? 'unknown'})`, {
      cause: error,
    })
  })
  if (options.against !== null && !canCompare(settings.tool))
    throw new RollgateError('E_LOAD', `load ${settings.name}: ${settings.tool} cannot load two releases at once`, {
      hints: ['k6 and vegeta can, and our own generator'],
    })
  const folder = await mkdtemp(join(tmpdir(), 'rollgate-engine-'))
  try {
    const asked: EngineAsked = { ...options, folder }
    const processes = await processesOf(asked)
    const ended = await runAll(processes, options)
    const failed = ended.find(({ process, result }) => process.role === 'main' && result.exitCode !== 0)
    const main = failed ?? ended.find(({ process }) => process.role === 'main')
    const exitCode = main?.result.exitCode ?? null
    const files = await resultsOf(asked, options)
    const read = await readImports(
      {
        ...{ paths: files, format: settings.tool, exitCode },
        ...(settings.tool === 'vegeta' || settings.tool === 'locust' ? { plannedMs: settings.duration.atLeastMs } : {}),
        ...(options.against !== null && settings.tool === 'k6' ? { isOpenModel: true } : {}),
      },
      options,
    )
    const distrust = [...against(ended, settings.tool, exitCode, read.reading.requests), ...read.evidence.distrust]
    const evidence: ImportEvidence = { ...read.evidence, distrust: [...new Set(distrust)] }
    return { ...read, evidence, exitCode, durationMs: performance.now() - began }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function processesOf(asked: EngineAsked): Promise<readonly EngineProcess[]> {
  const { settings, folder } = asked
  switch (settings.tool) {
    case 'k6': {
      if (asked.against === null) return [k6Words(asked, settings.path)]
      const script = join(folder, 'pair.js')
      await writeFile(script, k6Pair(asked), { mode: 0o600 })
      return [k6Words(asked, script)]
    }
    case 'jmeter':
      return [jmeterWords(asked)]
    case 'locust':
      return locustWords(asked, settings.workers === 0 ? 0 : await freePort())
    case 'vegeta':
      return vegetaWords(asked, await readFile(settings.path, 'utf8'))
    default:
      return settings.tool satisfies never
  }
}

type Ended = {
  readonly process: EngineProcess
  readonly result: CommandResult
  readonly lines: readonly string[]
}

/** All at once; when the main ones have ended, the workers may not outlive them. */
async function runAll(processes: readonly EngineProcess[], options: EngineOptions): Promise<readonly Ended[]> {
  const { settings, signal } = options
  const over = new AbortController()
  let mainsLeft = processes.filter((process) => process.role === 'main').length
  const run = async (process: EngineProcess): Promise<Ended> => {
    const lines: string[] = []
    const ends = process.role === 'main' ? signal : AbortSignal.any([signal, over.signal])
    try {
      const result = await runLocal(
        { argv: process.argv },
        {
          env: { ...options.env, ...process.env },
          ...(process.stdin === undefined ? {} : { stdin: process.stdin }),
          timeoutMs: settings.duration.atMostMs + GRACE_MS,
          signal: ends,
          onLine({ text }) {
            const line = cleanText(text, 400)
            if (lines.push(line) > LAST_WORDS) lines.shift()
            options.onLine?.(process.name, line)
          },
        },
      )
      return { process, result, lines }
    } catch (error) {
      // A worker that was ended because the run is over has done its work.
      if (!signal.aborted && over.signal.aborted && process.role === 'worker') return { process, result: QUIET, lines }
      if (error instanceof RollgateError && error.code === 'E_COMMAND')
        throw new RollgateError('E_LOAD', `load ${settings.name}: ${process.argv[0]} cannot be started`, {
          hints: [`is ${settings.tool} installed? engine.command names another program`],
          cause: error,
        })
      throw error
    } finally {
      if (process.role === 'main') {
        mainsLeft -= 1
        if (mainsLeft === 0) over.abort()
      }
    }
  }
  const ended = await Promise.allSettled(processes.map(run))
  const [broken] = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  if (broken !== undefined) throw broken
  return ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

const QUIET: CommandResult = {
  ...{ exitCode: 0, stdout: '', stderr: '', truncated: false },
  ...{ durationMs: 0, lost: false, timedOut: false },
}

/** What the processes themselves say against the result. */
function against(ended: readonly Ended[], tool: string, exitCode: number | null, requests: number): readonly string[] {
  // A worker goes home before its master does; one that was killed was lost. The others are in the log.
  const lost = ended.filter(({ process, result }) => process.role === 'worker' && result.exitCode === null && !result.timedOut)
  const workers = ended.filter(({ process }) => process.role === 'worker').length
  const late = ended.some(({ result }) => result.timedOut)
  // Without one request the tool's own last words are the only reason there is.
  const words = requests === 0 ? ended.flatMap(({ process, lines }) => (process.role === 'main' ? lines.slice(-3) : [])) : []
  return [
    ...(late ? [`${tool} did not end in time, and was ended`] : []),
    ...(lost.length > 0 ? [`${lost.length} of ${workers} workers of ${tool} were killed: what they sent last is in no number`] : []),
    ...(words.length > 0 && exitCode !== 0 ? [`${tool} said: ${words.join(' / ')}`] : []),
  ]
}

async function resultsOf({ settings, folder, against }: EngineAsked, options: EngineOptions): Promise<readonly string[]> {
  const at = (name: string): string => join(folder, name)
  switch (settings.tool) {
    case 'k6':
      return [at('points.json.gz'), ...(await thereOf([at('summary.json')]))]
    case 'jmeter':
      return [at('results.jtl')]
    case 'locust':
      return [at('result.json'), ...(await thereOf([at('locust.log'), at('result_stats_history.csv'), at('result_exceptions.csv')]))]
    case 'vegeta': {
      const arms = against === null ? (['canary'] as const) : (['canary', 'baseline'] as const)
      for (const arm of arms)
        await runLocal(
          { argv: vegetaEncode(settings.command, folder, arm) },
          { env: options.env, signal: options.signal, timeoutMs: GRACE_MS },
        )
      return arms.map((arm) => at(`${arm}.csv`))
    }
    default:
      return settings.tool satisfies never
  }
}

/** Files that only some runs write; an aborted k6 has no summary. */
async function thereOf(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const path of paths) {
    const text = await readFile(path).catch(() => null)
    if (text !== null && text.length > 0) found.push(path)
  }
  return found
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
