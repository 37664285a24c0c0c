// One run of one of our drivers, as a process whose CPU time somebody else takes: `load-one.ts paced URL RATE SECONDS
// [exact|relaxed [IN FLIGHT]]`, `load-one.ts closed URL CONNECTIONS SECONDS|AMOUNTx`. Prints the result as JSON.
import type { LoadModel, LoadSettings } from '../src/domain/load.ts'
import { startLoad } from '../src/load/start.ts'

const [kind, url = '', size = '', length = '', precision = 'exact', cap] = process.argv.slice(2)
const amount = length.endsWith('x') ? Number(length.slice(0, -1)) : undefined
const model: LoadModel =
  kind === 'closed'
    ? { kind: 'closed', connections: Number(size), ...(amount === undefined ? {} : { amount }) }
    : {
        kind: 'paced',
        profile: { kind: 'constant', ratePerSecond: Number(size) },
        arrivals: 'poisson',
        precision: precision === 'relaxed' ? 'relaxed' : 'exact',
        ...(cap === undefined ? {} : { maxInFlight: Number(cap) }),
      }
const durationMs = amount === undefined ? Number(length) * 1000 : 0
const settings: LoadSettings = {
  ...{ name: 'bench', model, data: {}, headers: {}, auth: null },
  duration: { atLeastMs: durationMs, atMostMs: durationMs },
  warmup: { atLeastMs: 0, atMostMs: 0 },
  scenarios: [{ name: 'get', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
  timeouts: { connectMs: 10_000, firstByteMs: 10_000, bodyMs: 10_000 },
  safety: { methods: ['GET'], abortIf: null },
}
const plan = { settings, targets: [{ name: 'target', origin: url }], runId: 'bench', seed: 'bench', warmupMs: 0, durationMs } as const
const run = await startLoad(plan, { signal: new AbortController().signal })
console.log(JSON.stringify(await run.done))
