// Target 17 of performance.md: the memory of the paced driver stays flat however many requests it has sent. Reads the heap
// after a collection at ten points of a run; the last may not be above the second by more than 5 MiB and a tenth. Only a run
// in which nearly all were answered says anything: 999 of 1,000.
//   node --expose-gc bench/load-memory.ts [--requests 200000] [--rate 2000] [--write]      full form: --requests 10000000
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { LoadSettings } from '../src/domain/load.ts'
import { startPaced } from '../src/load/paced.ts'
import { machine, startTarget } from './load-lib.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '200000' },
    rate: { type: 'string', default: '2000' },
    write: { type: 'boolean', default: false },
  },
})
const { gc } = globalThis
if (gc === undefined) throw new Error('start it with node --expose-gc')
const [requests, ratePerSecond] = [Number(values.requests), Number(values.rate)]
const durationMs = (requests / ratePerSecond) * 1000
const target = await startTarget()
const settings: LoadSettings = {
  ...{ name: 'memory', data: {}, headers: {}, auth: null },
  model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond }, arrivals: 'poisson', maxInFlight: 5_000 },
  duration: { atLeastMs: durationMs, atMostMs: durationMs },
  warmup: { atLeastMs: 0, atMostMs: 0 },
  scenarios: [{ name: 'get', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
  timeouts: { connectMs: 10_000, firstByteMs: 10_000, bodyMs: 10_000 },
  safety: { methods: ['GET'], abortIf: null },
}
const points: { readonly offered: number; readonly heapMiB: number; readonly rssMiB: number }[] = []
const MiB = 2 ** 20
const run = startPaced(
  { settings, targets: [{ name: 'target', origin: target.url }], runId: 'memory', seed: 'memory', warmupMs: 0, durationMs },
  {
    signal: new AbortController().signal,
    onProgress({ targets: [progress] }) {
      const offered = progress?.offered ?? 0
      if (offered < ((points.length + 1) * requests) / 10) return
      gc()
      const { heapUsed, rss } = process.memoryUsage()
      points.push({ offered, heapMiB: Math.round((heapUsed / MiB) * 10) / 10, rssMiB: Math.round(rss / MiB) })
      console.log(`${String(offered).padStart(10)} requests   heap ${points.at(-1)?.heapMiB} MiB   process ${points.at(-1)?.rssMiB} MiB`)
    },
  },
)
const { targets } = await run.done
target.close()
const [, second] = points
const last = points.at(-1)
const flat = second !== undefined && last !== undefined && last.heapMiB <= second.heapMiB * 1.1 + 5
const [summary] = targets
const answered = (summary?.done ?? 0) >= 0.999 * requests
console.log(`${flat ? '✔ flat' : '✖ grows'} over ${summary?.offered} requests, ${answered ? '' : 'only '}${summary?.done} of them answered`)
if (values.write) {
  const path = fileURLToPath(new URL('./results/load.json', import.meta.url))
  const memory = { machine: machine(), requests, ratePerSecond, answered: summary?.done, flat, points }
  writeFileSync(path, `${JSON.stringify({ ...read(path), memory }, null, 2)}\n`)
}
process.exitCode = flat && answered ? 0 : 1

function read(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  } catch {
    return {}
  }
}
