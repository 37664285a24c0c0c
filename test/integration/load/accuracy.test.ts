// The asked rate is the rate that is sent, and what this machine can send is known. Against a target that costs nothing.
import { describe, expect, onTestFinished, test } from 'vitest'
import { emptyHistogram, mergeInto, quantile } from '../../../src/domain/histogram.ts'
import type { Slice } from '../../../src/domain/slice.ts'
import { createRandom } from '../../../src/load/random.ts'
import { dueTimes } from '../../../src/load/schedule.ts'
import { selftest, startNullTarget } from '../../../src/load/selftest.ts'
import { disturbances, measure, paced, planFor, whenQuiet } from '../../helpers/load.ts'

const SECONDS = process.env.ROLLGATE_FULL === '1' ? 30 : 2

describe.each([50, 500, 2000, 5000])('asked for %i requests/s', (rate) => {
  test(`exactly ${rate} × ${SECONDS} are offered and sent, each in the second of its schedule; the last within 0.5 % of the time`, {
    timeout: 240_000,
  }, async (context) => {
    const target = await startNullTarget()
    onTestFinished(() => target.stop())
    const durationMs = SECONDS * 1000
    const schedule = { profile: { kind: 'constant' as const, ratePerSecond: rate }, arrivals: 'poisson' as const, durationMs }
    const due = [...dueTimes(schedule, createRandom('seed-1').fork('measured'))]
    await whenQuiet(context, async () => {
      const measured = await measure(planFor(`http://127.0.0.1:${target.port}`, paced(rate), { durationMs }))
      const [summary] = measured.result.targets
      // Whatever the machine does: nothing is dropped, doubled or moved to another second.
      expect(summary).toMatchObject({ offered: rate * SECONDS, sent: rate * SECONDS, done: rate * SECONDS, errors: {} })
      for (let second = 0; second < SECONDS; second += 1) {
        const offered = measured.slices.find((slice) => slice.second === second)?.offered
        expect(offered).toBe(due.filter((at) => Math.floor(at / 1000) === second).length)
      }
      return {
        disturbed: disturbances(measured),
        compare: () => expect(longestLag(measured.slices)).toBeLessThan(durationMs * 0.005),
      }
    })
  })
})

function longestLag(slices: readonly Slice[]): number {
  const lag = emptyHistogram()
  for (const slice of slices) mergeInto(lag, slice.lag)
  return quantile(lag, 1) ?? Number.NaN
}

describe('the self-test', () => {
  const never = new AbortController().signal

  test('tries rising rates until one is not valid; the ceiling is the last that was', async () => {
    const seen: number[] = []
    const { ceilingPerSecond, steps, enough } = await selftest({
      signal: never,
      stepMs: 1000,
      rates: [20, 200_000, 400_000],
      onStep: (step) => void seen.push(step.ratePerSecond),
    })
    expect(steps.map((step) => step.ratePerSecond)).toEqual(seen)
    // Nobody sends 200,000 requests/s from one thread: the search ends there at the latest.
    expect(seen).not.toContain(400_000)
    expect(steps.at(-1)).toMatchObject({ valid: false })
    expect(steps.at(-1)?.reasons.length).toBeGreaterThan(0)
    expect(ceilingPerSecond).toBe(steps.length === 1 ? null : 20)
    expect(enough).toBeNull()
  }, 120_000)

  test('the planned rate comes first, and is enough only when it was valid', async () => {
    const { steps, enough } = await selftest({ signal: never, stepMs: 1000, plannedPerSecond: 300_000, rates: [] })
    expect(steps.map((step) => [step.ratePerSecond, step.valid])).toEqual([[300_000, false]])
    expect(enough).toBe(false)
  }, 120_000)
})
