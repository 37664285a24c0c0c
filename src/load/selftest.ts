// What this machine can do before a target is blamed: the paced driver against a target that costs nothing, at rising
// rates, until the run is no longer valid. The ceiling is the highest rate at which it was; the planned rate is tried
// first when there is one. Short by design (seconds), and said as such: a quiet machine now may be busy later.
import { Worker } from 'node:worker_threads'
import type { LoadSettings } from '../domain/load.ts'
import { threadFile } from '../domain/shipped.ts'
import { startPaced } from './paced.ts'
import type { LoadResult } from './plan.ts'

export type SelftestStep = {
  readonly ratePerSecond: number
  readonly valid: boolean
  readonly sendLagP99Ms: number | null
  readonly cpu: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly reasons: readonly string[]
}

export type Selftest = {
  /** Highest rate that was measured validly; null: none was. */
  readonly ceilingPerSecond: number | null
  /** The planned rate is under it; null: none was given. */
  readonly enough: boolean | null
  readonly steps: readonly SelftestStep[]
}

export type SelftestOptions = {
  readonly plannedPerSecond?: number
  readonly stepMs?: number
  readonly rates?: readonly number[]
  readonly signal: AbortSignal
  readonly onStep?: (step: SelftestStep) => void
}

const RATES = [100, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000]
const STEP_MS = 3000
/** The first second of a run is the compiler's. */
const WARMUP_MS = 1000

export async function selftest({ plannedPerSecond, stepMs = STEP_MS, rates = RATES, signal, onStep }: SelftestOptions): Promise<Selftest> {
  const target = await startNullTarget()
  const steps: SelftestStep[] = []
  const tried = plannedPerSecond === undefined ? rates : [plannedPerSecond, ...rates.filter((rate) => rate > plannedPerSecond)]
  try {
    for (const ratePerSecond of tried) {
      const step = stepOf(ratePerSecond, await measure(target.port, ratePerSecond, stepMs, signal))
      steps.push(step)
      onStep?.(step)
      if (!step.valid || signal.aborted) break
    }
  } finally {
    await target.stop()
  }
  const ceilingPerSecond = steps.findLast((step) => step.valid)?.ratePerSecond ?? null
  const enough = plannedPerSecond === undefined ? null : ceilingPerSecond !== null && ceilingPerSecond >= plannedPerSecond
  return { ceilingPerSecond, enough, steps }
}

/** Answers everything with `ok`, on loopback. */
export async function startNullTarget(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const thread = new Worker(threadFile(new URL('./null-target.ts', import.meta.url)))
  const port = await new Promise<number>((resolve, reject) => {
    thread.once('message', resolve)
    thread.once('error', reject)
  })
  return { port, stop: async () => void (await thread.terminate()) }
}

async function measure(port: number, ratePerSecond: number, durationMs: number, signal: AbortSignal): Promise<LoadResult> {
  const settings: LoadSettings = {
    name: 'selftest',
    model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond }, arrivals: 'poisson' },
    duration: { atLeastMs: durationMs, atMostMs: durationMs },
    warmup: { atLeastMs: WARMUP_MS, atMostMs: WARMUP_MS },
    data: {},
    scenarios: [{ name: 'null', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
    headers: {},
    auth: null,
    timeouts: { connectMs: 2000, firstByteMs: 2000, bodyMs: 2000 },
    safety: { methods: ['GET'], abortIf: null },
  }
  const targets = [{ name: 'null', origin: `http://127.0.0.1:${port}` }] as const
  // A rate far above what this machine can do would be worked off for minutes.
  const patience = AbortSignal.timeout(2 * (WARMUP_MS + durationMs))
  const plan = { settings, targets, runId: 'selftest', seed: 'selftest', warmupMs: WARMUP_MS, durationMs } as const
  return startPaced(plan, { signal: AbortSignal.any([signal, patience]) }).done
}

function stepOf(ratePerSecond: number, { targets, validity }: LoadResult): SelftestStep {
  const [target] = targets
  const failed = target === undefined || Object.keys(target.errors).length > 0
  return {
    ratePerSecond,
    valid: validity.valid && !failed,
    ...{ sendLagP99Ms: validity.sendLagP99Ms, cpu: validity.cpu },
    ...{ p50Ms: target?.service.p50Ms ?? null, p99Ms: target?.service.p99Ms ?? null },
    reasons: [...validity.reasons, ...Object.entries(target?.errors ?? {}).map(([name, count]) => `${count} × ${name}`)],
  }
}
