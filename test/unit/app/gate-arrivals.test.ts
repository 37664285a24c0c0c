// One measurement by load while it runs, with a generator that is made up: what is stopped, when, and what is said of it.
import { expect, test } from 'vitest'
import { measureByLoad } from '../../../src/app/gates/measure-load.ts'
import type { LoadEnd } from '../../../src/domain/load.ts'
import type { Slice } from '../../../src/domain/slice.ts'
import type { LoadHooks, LoadResult } from '../../../src/load/plan.ts'
import { settings } from '../../helpers/load.ts'
import { type Arm, clauses, planOf, runSlices } from '../gate/helpers.ts'

const WARMUP_SECONDS = 15
const gatePlan = planOf({ clauses: clauses('errors < 1%'), atLeastSeconds: 15, atMostSeconds: 60 })

function resultOf(end: LoadEnd, endDetail: string | null, slices: readonly Slice[]): LoadResult {
  const measured = slices.filter((slice) => slice.warmup !== true).length
  return {
    ...{ runId: 'run', seed: 'seed', startedAt: new Date(0).toISOString(), end, endDetail },
    ...{ warmupMs: 1000 * (slices.length - measured), measuredMs: 1000 * measured, targets: [], tainted: false },
    validity: { valid: true, sendLagP99Ms: 0, cpu: 0, reasons: [] },
  }
}

/** Tells second after second until it is stopped, or its brake says so. */
async function measure(canary: Arm, brakeAt = Number.POSITIVE_INFINITY) {
  const told: Slice[] = []
  const start = async (hooks: LoadHooks) => {
    let stopped = false
    const telling = async () => {
      await new Promise((done) => setImmediate(done))
      for (const slice of runSlices({ seconds: WARMUP_SECONDS + 60, rate: 50, canary })) {
        if (stopped) return resultOf('stopped', null, told)
        if (slice.second >= brakeAt) return resultOf('unsafe', 'safety.abort_if', told)
        const one = slice.second < WARMUP_SECONDS ? { ...slice, warmup: true } : slice
        told.push(one)
        hooks.onSlice?.(one)
      }
      return resultOf('finished', null, told)
    }
    const stop = () => {
      stopped = true
    }
    return { stop, endWarmup: () => {}, done: telling() }
  }
  const measured = await measureByLoad({
    gatePlan,
    load: { settings: settings(), targets: [{ name: 'new', origin: 'http://127.0.0.1:1' }], runId: 'run', seed: 'seed' },
    ...{ calibration: null, passes: [], restart: () => null, capacity: null, extend: 0, signal: new AbortController().signal },
    start: (_plan, hooks) => start(hooks),
  })
  return { ...measured, told }
}

test('a release that fails in the warm-up is spared the rest of it', async () => {
  const { report, told } = await measure({ ms: 20, failing: 1 })
  // Ten bad seconds, the one after them that says they are over, and the one in which it is stopped.
  expect(told.length).toBeLessThanOrEqual(12)
  expect(report).toMatchObject({ verdict: 'fail', stoppedBy: 'hard-stop', reason: expect.stringContaining('in the warm-up') })
})

test('a brake in the warm-up is a FAIL that names it', async () => {
  const { report, evidence } = await measure({ ms: 20, failing: 1 }, 2)
  expect(evidence.aborted).toBe('safety.abort_if')
  expect(report).toMatchObject({ verdict: 'fail', reason: 'the load was stopped to protect the service: safety.abort_if' })
})

test('a good release is measured until it is decided', async () => {
  const { report, told } = await measure({ ms: 20 })
  expect(report).toMatchObject({ verdict: 'pass', stoppedBy: 'look' })
  expect(told.length).toBeGreaterThan(WARMUP_SECONDS + 15)
})
