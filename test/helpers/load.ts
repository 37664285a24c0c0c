// Load plans for tests, and the way to measure on a machine that others use too: counts must be exact every time, times
// are compared up to five times. Bounds are never loosened; when every run was disturbed by this machine the test is skipped,
// with what disturbed it.
import type { TestContext } from 'vitest'
import type { GeneratorSample, LoadSettings } from '../../src/domain/load.ts'
import type { Slice } from '../../src/domain/slice.ts'
import { startPaced } from '../../src/load/paced.ts'
import type { LoadHooks, LoadPlan, LoadResult } from '../../src/load/plan.ts'

export function settings(more: Partial<LoadSettings> = {}): LoadSettings {
  return {
    name: 'test',
    model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 200 }, arrivals: 'poisson' },
    duration: { atLeastMs: 1000, atMostMs: 1000 },
    warmup: { atLeastMs: 0, atMostMs: 0 },
    data: {},
    scenarios: [{ name: 'get', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
    headers: {},
    auth: null,
    timeouts: { connectMs: 10_000, firstByteMs: 20_000, bodyMs: 20_000 },
    safety: { methods: ['GET', 'HEAD', 'OPTIONS'], abortIf: null },
    ...more,
  }
}

export function paced(ratePerSecond: number, more: Partial<LoadSettings> = {}): LoadSettings {
  return settings({ model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond }, arrivals: 'poisson' }, ...more })
}

export function planFor(origin: string, of: LoadSettings, more: Partial<LoadPlan> = {}): LoadPlan {
  return {
    settings: of,
    targets: [{ name: 'target', origin }],
    ...{ runId: 'run-1', seed: 'seed-1', warmupMs: 0, durationMs: 1000 },
    ...more,
  }
}

export type Measured = { readonly result: LoadResult; readonly slices: readonly Slice[]; readonly samples: readonly GeneratorSample[] }

export async function measure(plan: LoadPlan, hooks: Partial<LoadHooks> = {}): Promise<Measured> {
  const slices: Slice[] = []
  const samples: GeneratorSample[] = []
  const run = startPaced(plan, {
    signal: new AbortController().signal,
    ...hooks,
    onSlice(slice) {
      slices.push(slice)
      hooks.onSlice?.(slice)
    },
    onSample: (sample) => void samples.push(sample),
  })
  return { result: await run.done, slices, samples }
}

const TRIES = 5
/** Much less than any bound that is compared. */
const QUIET_LAG_MS = 0.5
const QUIET_LOOP_MS = 15

/** What says that this machine, not the target, was slow. Empty: it was quiet. */
export function disturbances({ result, samples }: Measured, serverLoopDelayMs = 0): readonly string[] {
  const loop = Math.max(0, ...samples.map((sample) => sample.loopDelayMs))
  return [
    ...result.validity.reasons,
    ...((result.validity.sendLagP99Ms ?? 0) > QUIET_LAG_MS ? [`send lag p99 ${result.validity.sendLagP99Ms} ms`] : []),
    ...(loop > QUIET_LOOP_MS ? [`event loop away for ${Math.round(loop)} ms`] : []),
    ...(serverLoopDelayMs > QUIET_LOOP_MS ? [`the server's event loop away for ${Math.round(serverLoopDelayMs)} ms`] : []),
  ]
}

/**
 * Runs until the times hold, at most five times: what is wrong with the driver is wrong each time. When they never held, that
 * is a failure if one of the runs was undisturbed.
 *
 * @param attempt asserts everything that must be exact whatever the machine does, and returns what is compared in time
 */
export async function whenQuiet(
  context: TestContext,
  attempt: () => Promise<{ readonly disturbed: readonly string[]; readonly compare: () => void }>,
): Promise<void> {
  const evidence: string[] = []
  let undisturbed: unknown = null
  for (let turn = 1; turn <= TRIES; turn += 1) {
    const { disturbed, compare } = await attempt()
    try {
      return compare()
    } catch (error) {
      if (disturbed.length === 0) undisturbed = error
      evidence.push(`run ${turn}: ${disturbed.join(', ')} (${error instanceof Error ? error.message.split('\n')[0] : error})`)
    }
  }
  if (undisturbed !== null) throw undisturbed
  context.skip(`this machine was never quiet enough to compare times: ${evidence.join(' · ')}`)
}

/** The nearest rank of an ascending list. */
export function quantileOf(ascending: readonly number[], q: number): number {
  return ascending[Math.max(0, Math.ceil(q * ascending.length) - 1)] ?? Number.NaN
}
