// How a gate asks for its load: whichever look decides, until then exactly as many requests were due as the rate says.
import { expect, test } from 'vitest'
import { type LoadMeasuring, measureByLoad } from '../../../src/app/gates/measure-load.ts'
import { planGate } from '../../../src/gate/plan.ts'
import { divideSegments, divideSettings } from '../../../src/load/divide.ts'
import { createDues } from '../../../src/load/dues.ts'
import type { LoadPlan } from '../../../src/load/plan.ts'
import { createRandom } from '../../../src/load/random.ts'
import { paced } from '../../helpers/load.ts'
import { clauses, settingsOf } from '../gate/helpers.ts'

const ASKED = new Error('only the plan was wanted')

/** The plan that a gate of 50/s for 4 s hands to the driver. */
async function planOf(extend: number): Promise<LoadPlan> {
  const settings = paced(50, { duration: { atLeastMs: 1_000, atMostMs: 4_000 } })
  let plan: LoadPlan | null = null
  const measuring: LoadMeasuring = {
    gatePlan: planGate(settingsOf({ pass: clauses('p95 < 300ms', 'errors < 5%'), onInconclusive: { extend, otherwise: 'pause' } }), {
      duration: settings.duration,
      ratePerArm: 50,
      arms: { canary: ['new'], old: [] },
      seed: 'seed',
    }),
    load: { settings, targets: [{ name: 'new', origin: 'http://127.0.0.1:1' }], runId: 'run', seed: 'seed' },
    ...{ calibration: null, passes: [], restart: () => null, capacity: null, extend, signal: new AbortController().signal },
    async start(asked) {
      plan = asked
      throw ASKED
    },
  }
  await expect(measureByLoad(measuring)).rejects.toBe(ASKED)
  if (plan === null) throw new Error('nothing was asked for')
  return plan
}

/** In each second. */
function arrivals(plan: LoadPlan): readonly number[] {
  const dues = createDues(plan, createRandom(plan.seed), () => 0)
  const counts = Array.from({ length: plan.durationMs / 1_000 }, () => 0)
  for (let due = dues.peek(); due !== null; due = dues.peek()) {
    counts[Math.floor(due / 1_000)] = (counts[Math.floor(due / 1_000)] ?? 0) + 1
    dues.take()
  }
  return counts
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)

test('50/s for 4 s are 200 requests at its end, and exactly the rate at each look of an extension', async () => {
  const plan = await planOf(1)
  expect(plan.segmentsMs).toEqual([1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000])
  expect(arrivals(plan)).toEqual([50, 50, 50, 50, 50, 50, 50, 50])
  expect(sum(arrivals(await planOf(0)))).toBe(200)
})

test('from several generators: together as many at each look as one would send, and each its share', async () => {
  const plan = await planOf(1)
  const { durationMs, segmentsMs = [] } = plan
  const counts = divideSegments(plan.settings, { durationMs, segmentsMs }, 3)
  const parts = divideSettings(plan.settings, durationMs, 3).map((settings, part) =>
    arrivals({ ...plan, settings, seed: `${plan.seed}/${part}`, segmentCounts: counts[part] ?? [] }),
  )
  for (const second of segmentsMs.keys()) expect(sum(parts.map((part) => part[second] ?? 0))).toBe(50)
  expect(parts.map(sum)).toEqual([134, 133, 133])
})
