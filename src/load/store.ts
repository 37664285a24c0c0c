// The evidence of a run in one file: a first line that says what was run, a line for each slice and each sample of the
// generator, a last line with the result. One JSON object a line, written as they come, so that a killed run leaves what
// it had; reading tells whether the last line is there. Holds no secret, no header and no body.

import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { RollgateError } from '../domain/error.ts'
import type { GeneratorSample } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'
import type { LoadPlan, LoadResult } from './plan.ts'

export type StoredHead = {
  readonly type: 'run'
  readonly version: 1
  readonly runId: string
  readonly seed: string
  readonly load: string
  readonly targets: readonly string[]
  readonly model: LoadPlan['settings']['model']
  readonly warmupMs: number
  readonly durationMs: number
  readonly at: string
}

export type StoredLine =
  | StoredHead
  | { readonly type: 'slice'; readonly slice: Slice }
  | { readonly type: 'sample'; readonly sample: GeneratorSample }
  | { readonly type: 'result'; readonly result: LoadResult }

export type Stored = {
  readonly head: StoredHead
  readonly slices: readonly Slice[]
  readonly samples: readonly GeneratorSample[]
  /** null: the run was cut off, and what is here is no measurement. */
  readonly result: LoadResult | null
}

export type Store = {
  addSlice(slice: Slice): void
  addSample(sample: GeneratorSample): void
  /** @throws whatever went wrong with the file at any time (a full disk) */
  close(result: LoadResult): Promise<void>
}

/** Readable by its owner only: names and numbers of a service are nobody else's. */
const MODE = 0o600

export async function openStore(path: string, plan: LoadPlan): Promise<Store> {
  const stream = createWriteStream(path, { mode: MODE })
  let problem: Error | null = null
  stream.on('error', (error) => {
    problem = error
  })
  await Promise.race([once(stream, 'open'), once(stream, 'close')])
  if (problem !== null) throw problem
  // Slices are small and few: what waits for a slow disk fits in memory.
  const write = (line: StoredLine) => void stream.write(`${JSON.stringify(line)}\n`)
  const { settings, runId, seed, warmupMs, durationMs } = plan
  const targets = plan.targets.map((target) => target.name)
  const at = new Date().toISOString()
  write({ type: 'run', version: 1, runId, seed, load: settings.name, targets, model: settings.model, warmupMs, durationMs, at })
  return {
    addSlice: (slice) => write({ type: 'slice', slice }),
    addSample: (sample) => write({ type: 'sample', sample }),
    async close(result) {
      if (problem !== null) throw problem
      write({ type: 'result', result })
      stream.end()
      await finished(stream)
    },
  }
}

/** A last line that is cut is left out. @throws RollgateError E_LOAD_DATA when it is no such file, E_STATE_VERSION when it is a newer one */
export async function readStore(path: string): Promise<Stored> {
  let head: StoredHead | null = null
  const slices: Slice[] = []
  const samples: GeneratorSample[] = []
  let result: LoadResult | null = null
  let broken = 0
  let number = 0
  const input = createReadStream(path, 'utf8')
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1
    if (broken > 0) throw new RollgateError('E_LOAD_DATA', `${path}: line ${broken} is not JSON`)
    const line = parse(text)
    if (line === null) broken = number
    else if (line.type === 'run') head = line
    else if (line.type === 'slice') slices.push(line.slice)
    else if (line.type === 'sample') samples.push(line.sample)
    else if (line.type === 'result') result = line.result
  }
  if (head === null) throw new RollgateError('E_LOAD_DATA', `${path} is not the record of a load test`)
  if (head.version !== 1) throw new RollgateError('E_STATE_VERSION', `${path} was written by a newer version`)
  return { head, slices, samples, result }
}

function parse(text: string): StoredLine | null {
  try {
    const value: unknown = JSON.parse(text)
    // Written by `openStore`: the type says which of its lines it is.
    return typeof value === 'object' && value !== null && 'type' in value ? (value as StoredLine) : null
  } catch {
    return null
  }
}
