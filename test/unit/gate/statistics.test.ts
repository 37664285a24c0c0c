// The parts of the procedure one by one: looks, blocks, calibration, the error process, steadiness, pooling.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cutBlocks, secondOf, type Timeline } from '../../../src/gate/blocks.ts'
import { lnQuantile, logRatios } from '../../../src/gate/bootstrap.ts'
import { autocorrelation, calibrate, chooseBlock, learnTau, shrink } from '../../../src/gate/calibration.ts'
import { judgeEstimate } from '../../../src/gate/decide.ts'
import { createErrorProcess, lnEvidence } from '../../../src/gate/error-process.ts'
import { hashOf } from '../../../src/gate/hash.ts'
import { planLooks } from '../../../src/gate/looks.ts'
import { pool } from '../../../src/gate/pool.ts'
import { createDraw } from '../../../src/gate/random.ts'
import { measuredSeconds } from '../../../src/gate/seconds.ts'
import { coldPhase, findSteady, isSteady, theilSen } from '../../../src/gate/steady.ts'
import { createDice, imagine, SAME } from '../../gate-simulation/model.ts'
import { type Arm, histogramOf, runSlices } from './helpers.ts'

function timelineOf(canary: Arm, old: Arm, seconds = 60, rate = 50, seed = 1): Timeline {
  return measuredSeconds(runSlices({ seconds, rate, canary, old, seed }), []).map(({ slices: [a, b] }) => ({
    canary: secondOf(a === undefined ? [] : [a], 'service'),
    old: secondOf(b === undefined ? [] : [b], 'service'),
  }))
}

describe('looks', () => {
  const of = (more: Partial<Parameters<typeof planLooks>[0]> = {}) =>
    planLooks({ atLeastSeconds: 75, atMostSeconds: 300, blockSeconds: 5, looks: 4, extend: 0, compares: true, ...more })

  test('four of them, spending a budget that grows with the square of time', () => {
    expect(of().looks.map((look) => [look.second, look.share])).toEqual([
      [75, 1 / 16],
      [150, 3 / 16],
      [225, 5 / 16],
      [300, 7 / 16],
    ])
    expect(of().looks.at(-1)?.isLast).toBe(true)
  })

  test('looks before the least time are left out, and their budget is not lost', () => {
    expect(of({ atLeastSeconds: 100 }).looks.map((look) => [look.second, look.share, look.of])).toEqual([
      [150, 1 / 4, 3],
      [225, 5 / 16, 3],
      [300, 7 / 16, 3],
    ])
    expect(of({ atLeastSeconds: 300 }).looks).toMatchObject([{ second: 300, share: 1, of: 1 }])
    expect(of({ atLeastSeconds: 900 }).looks).toMatchObject([{ second: 300, share: 1 }])
  })

  test('an extension is planned from the start, and all looks together spend exactly the budget', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(3),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 60, max: 600 }),
        (looks, extend, atLeastSeconds, atMostSeconds) => {
          const plan = of({ looks, extend, atLeastSeconds, atMostSeconds })
          expect(plan.looks.reduce((sum, look) => sum + look.share, 0)).toBeCloseTo(1, 12)
          expect(
            plan.looks.every((look, index) => look.share > 0 && (index === 0 || look.second >= (plan.looks[index - 1]?.second ?? 0))),
          ).toBe(true)
          expect(plan.looks.at(-1)?.second).toBe(Math.round(atMostSeconds * (1 + extend)))
        },
      ),
    )
    expect(
      of({ extend: 1 })
        .looks.filter((look) => look.extension === 1)
        .reduce((sum, look) => sum + look.share, 0),
    ).toBeCloseTo(0.2, 12)
  })

  test('long blocks take the time of an extension, and where there is none it is too short', () => {
    expect(of({ blockSeconds: 20, atMostSeconds: 120 })).toMatchObject({ isTooShort: true })
    expect(of({ blockSeconds: 20, atMostSeconds: 120, extend: 1 })).toMatchObject({ isTooShort: false })
    expect(of({ blockSeconds: 20, atMostSeconds: 120, extend: 1 }).looks.at(-1)?.second).toBe(240)
    expect(of({ blockSeconds: 5, atMostSeconds: 30, compares: false })).toMatchObject({ isTooShort: false })
  })
})

describe('blocks and quantiles', () => {
  test('a masked second is missing in both arms, a masked block is no block', () => {
    const timeline = timelineOf({ ms: 20 }, { ms: 20 }, 15)
    const masked = timeline.map((second, index) => (index === 2 || (index >= 5 && index < 10) ? null : second))
    const blocks = cutBlocks(masked, 5)
    expect([...blocks.canary.arrivals]).toEqual([200, 250])
    expect([...blocks.old.arrivals]).toEqual([200, 250])
  })

  test('a quantile lies between the neighbours of its rank, failures above everything', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.02, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 60 }),
        fc.nat(20),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (milliseconds, failures, q) => {
          const second = { arrivals: milliseconds.length + failures, failures, histograms: [histogramOf(milliseconds)] }
          const { canary } = cutBlocks([{ canary: second, old: second }], 1)
          const ms = Math.exp(lnQuantile(canary, new Float64Array([1]), q))
          const sorted = [...milliseconds].sort((left, right) => left - right)
          const rank = Math.max(1, Math.ceil(q * (milliseconds.length + failures) - 1e-9))
          const truth = sorted[rank - 1] ?? 600_000
          expect(Math.abs(Math.log(ms / truth))).toBeLessThan(0.0101)
        },
      ),
    )
  })

  test('the same blocks against themselves differ by nothing, in every draw', () => {
    const timeline = timelineOf({ ms: 20 }, { ms: 20 }).map((second) => (second === null ? null : { canary: second.old, old: second.old }))
    for (const ratio of logRatios(cutBlocks(timeline, 5), [0.5, 0.99], { resamples: 50, draw: createDraw('x') })) {
      expect(ratio.theta).toBe(0)
      expect(ratio.se).toBe(0)
    }
  })

  test('slower by a factor moves the log ratio by its logarithm', () => {
    const [plain, slower] = [1, 1.3].map((factor) => {
      const timeline = timelineOf({ ms: 20 * factor }, { ms: 20 })
      return logRatios(cutBlocks(timeline, 5), [0.5], { resamples: 10, draw: createDraw('x') })[0]?.theta ?? Number.NaN
    })
    expect((slower ?? 0) - (plain ?? 0)).toBeCloseTo(Math.log(1.3), 2)
  })
})

describe('calibration', () => {
  test('the host effect is taken off as far as it is known', () => {
    const of = (se: number) => shrink({ theta: 0.1, se: 0.01 }, { theta: 0.08, se }, 0.05)
    expect(of(1e-9)).toMatchObject({ theta: expect.closeTo(0.02, 6), se: expect.closeTo(0.01, 6) })
    expect(of(10)).toMatchObject({ theta: expect.closeTo(0.1, 3), se: expect.closeTo(Math.hypot(0.01, 0.05), 5) })
    expect(shrink({ theta: 0.1, se: 0.01 }, null, 0.05)).toMatchObject({ theta: 0.1, se: Math.hypot(0.01, 0.05), lambda: 0 })
    expect(shrink({ theta: 0.1, se: 0.01 }, { theta: 0.08, se: 0.01 }, 0)).toEqual({ theta: 0.1, se: 0.01, lambda: 0 })
  })

  test('it says what slow is, how the hosts differ, and how errors lie', () => {
    const calibrated = calibrate(timelineOf({ ms: 22 }, { ms: 20, failing: 0.004 }, 120), {
      quantiles: [0.75],
      resamples: 200,
      draw: createDraw('x'),
    })
    if ('problem' in calibrated) throw new Error(calibrated.problem)
    const { calibration } = calibrated
    expect(Object.keys(calibration.quantiles)).toEqual(['0.5', '0.75', '0.9', '0.95', '0.99'])
    expect(calibration.quantiles['0.5']?.theta).toBeCloseTo(Math.log(1.1), 1)
    expect(calibration.slowAboveMs).toBeGreaterThan(35)
    expect(calibration.errors.share).toBeCloseTo(0.004, 2)
    expect(calibration).toMatchObject({ seconds: 120, blockSeconds: 5, ratePerArm: 50 })
    // Stored as JSON, and the same when it comes back.
    expect(JSON.parse(JSON.stringify(calibration))).toEqual(calibration)
  })

  test('silence, failures and too little time are no calibration', () => {
    const of = (timeline: Timeline) => calibrate(timeline, { quantiles: [], resamples: 50, draw: createDraw('x') })
    expect(of([])).toHaveProperty('problem')
    expect(of(timelineOf({ ms: 20 }, { ms: 20 }, 9))).toHaveProperty('problem', expect.stringContaining('at least 3'))
    expect(of(timelineOf({ ms: 20, failing: 1 }, { ms: 20, failing: 1 }))).toHaveProperty('problem')
    expect(of(timelineOf({ ms: 20 }, { ms: 20, failing: 0.2 }))).toHaveProperty('problem', expect.stringContaining('failures'))
  })

  test('blocks grow where neighbours resemble each other', () => {
    const of = (ownMemory: number, seconds = 600) => {
      const dice = createDice(11)
      const model = { ratePerSecond: 60, hosts: 0, ownMemory }
      const timeline = [...imagine(model, SAME, [0, 0], seconds, dice)].map(([a, b]) => ({
        canary: secondOf([a], 'service'),
        old: secondOf([b], 'service'),
      }))
      return chooseBlock(timeline)
    }
    expect(of(0)).toBe(5)
    expect(of(0.98)).toBe(20)
    expect(of(0.98, 20)).toBe(5)
  })

  test('autocorrelation knows a trend from a saw', () => {
    expect(autocorrelation([1, 2, 3, 4, 5, 6, 7, 8])).toBeGreaterThan(0.5)
    expect(autocorrelation([1, -1, 1, -1, 1, -1, 1, -1])).toBeLessThan(-0.5)
    expect(autocorrelation([3, 3, 3])).toBe(0)
    expect(autocorrelation([1, 2, Number.NaN, 4, 5])).not.toBeNaN()
  })

  test('how much hosts differ is learned from enough calibrations, and never below 2 %', () => {
    expect(learnTau([{ theta: 0.3, se: 0.01 }])).toBe(0.05)
    expect(learnTau(Array.from({ length: 10 }, () => ({ theta: 0, se: 0.01 })))).toBe(0.02)
    expect(learnTau(Array.from({ length: 10 }, (_, index) => ({ theta: index % 2 === 0 ? 0.1 : -0.1, se: 0.01 })))).toBeCloseTo(0.1, 2)
  })
})

describe('deciding', () => {
  const estimate = fc.record({
    estimate: fc.double({ min: -1, max: 1, noNaN: true }),
    se: fc.double({ min: 1e-4, max: 1, noNaN: true }),
    degrees: fc.integer({ min: 2, max: 200 }),
    margin: fc.double({ min: 0.001, max: 1, noNaN: true }),
  })
  const levels = { alpha: 0.0014, beta: 0.02 }
  const order = { fail: 0, worse: 1, open: 2, pass: 3 } as const

  test('a worse estimate never gets a better answer', () => {
    fc.assert(
      fc.property(estimate, fc.double({ min: 0, max: 1, noNaN: true }), (of, more) => {
        expect(order[judgeEstimate({ ...of, estimate: of.estimate + more }, levels).state]).toBeLessThanOrEqual(
          order[judgeEstimate(of, levels).state],
        )
      }),
    )
  })

  test('a wider margin never gets a worse answer', () => {
    fc.assert(
      fc.property(estimate, fc.double({ min: 0, max: 1, noNaN: true }), (of, more) => {
        const [tight, wide] = [judgeEstimate(of, levels).state, judgeEstimate({ ...of, margin: of.margin + more }, levels).state]
        // From FAIL a wider margin leads to "worse, size unresolved" and on.
        expect(order[wide]).toBeGreaterThanOrEqual(order[tight])
      }),
    )
  })

  test('the limits lie on both sides of the estimate', () => {
    fc.assert(
      fc.property(estimate, (of) => {
        const { low, high } = judgeEstimate(of, levels)
        expect(low).toBeLessThan(of.estimate)
        expect(high).toBeGreaterThan(of.estimate)
      }),
    )
  })
})

describe('the error process', () => {
  const run = (perSecond: (second: number) => readonly [number, number], options = { alpha: 0.005, margin: 0.001 }, seconds = 300) => {
    const process = createErrorProcess(options)
    for (let second = 0; second < seconds; second += 1) {
      const [canary, old] = perSecond(second)
      if (process.add({ canary: { arrivals: 200, failures: canary }, old: { arrivals: 200, failures: old } })) return second + 1
    }
    return null
  }

  test('no failures are no evidence', () => {
    expect(lnEvidence(0, 0, 0.5)).toBeCloseTo(0, 12)
    expect(run(() => [0, 0])).toBeNull()
  })

  test('more failures on the canary are proven, on the old release never', () => {
    expect(run(() => [2, 0])).toBeLessThan(20)
    expect(run(() => [0, 2])).toBeNull()
    expect(run(() => [2, 2])).toBeNull()
  })

  test('never before ten seconds, and never within the margin', () => {
    expect(run(() => [9, 0])).toBe(10)
    expect(run(() => [2, 0], { alpha: 0.005, margin: 0.02 })).toBeNull()
  })

  test('bursts need more proof than single failures', () => {
    const bursts = run((second) => [second % 20 === 0 ? 20 : 0, 0])
    const single = run(() => [1, 0])
    expect(single).not.toBeNull()
    expect(bursts === null || bursts > (single ?? 0)).toBe(true)
  })

  test('looking every second at equal releases raises at most the promised share of alarms', () => {
    const dice = createDice(77)
    let alarms = 0
    const draw = () => {
      let count = 0
      for (let request = 0; request < 20; request += 1) if (dice.uniform() < 0.02) count += 1
      return count
    }
    for (let gate = 0; gate < 400; gate += 1) if (run(() => [draw(), draw()], { alpha: 0.01, margin: 0 }, 100) !== null) alarms += 1
    expect(alarms).toBeLessThanOrEqual(8)
  })
})

describe('steady state', () => {
  test('a trend, a step and a gap are not steady; noise within the margin is', () => {
    expect(isSteady([0.4, 0.3, 0.2, 0.1, 0.05, 0], 0.1)).toBe(false)
    expect(isSteady([0.2, 0.2, 0.2, 0, 0, 0], 0.1)).toBe(false)
    expect(isSteady([0, 0.01, Number.NaN, 0, 0.01, 0], 0.1)).toBe(false)
    expect(isSteady([0, 0.01, 0], 0.1)).toBe(false)
    expect(isSteady([0.01, 0, 0.02, 0.01, 0, 0.015], 0.1)).toBe(true)
    expect(isSteady([9, 9, 9, 0.01, 0, 0.02, 0.01, 0, 0.015], 0.1)).toBe(true)
  })

  test('one odd block does not move the slope', () => {
    expect(theilSen([0, 1, 2, 30, 4, 5])).toBeCloseTo(1, 6)
  })

  test('a process that warms up is found steady once it is, one that never settles never', () => {
    const cold = (second: number) => ({ ms: 20 * (1 + 3 * Math.exp(-second / 8)) })
    const timeline = (of: (second: number) => Arm): Timeline =>
      Array.from({ length: 120 }, (_, second) => timelineOf(of(second), { ms: 20 }, 1, 100, second + 1)[0] ?? null)
    const found = findSteady(timeline(cold), 0.1)
    expect(found.isSteady).toBe(true)
    expect(found.afterSeconds ?? 0).toBeGreaterThan(35)
    expect(
      findSteady(
        timeline((second) => ({ ms: 20 * 1.03 ** second })),
        0.1,
      ),
    ).toEqual({ isSteady: false, afterSeconds: null })
  })

  test('the cold phase has numbers of its own', () => {
    const seconds = [
      { arrivals: 10, failures: 10 },
      { arrivals: 10, failures: 4 },
      { arrivals: 10, failures: 0 },
    ]
    expect(coldPhase(seconds, 3, 2)).toEqual({ firstSuccessSecond: 1, steadySecond: 2, failures: 14, arrivals: 20 })
    // Without a moment of steadiness it is the warm-up, and what was measured afterwards is none of it.
    expect(coldPhase(seconds, 1, null)).toEqual({ firstSuccessSecond: 1, steadySecond: null, failures: 10, arrivals: 10 })
    expect(coldPhase([{ arrivals: 5, failures: 5 }], 1, null)).toMatchObject({ firstSuccessSecond: null, failures: 5 })
  })
})

describe('hosts of several stages together', () => {
  const host = (name: string, theta: number, se = 0.02) => ({ host: name, theta, se })

  test('a bad host is told apart from a bad release', () => {
    const badHost = pool([host('a', 0.01), host('b', 0), host('c', -0.01), host('d', 0.4), host('e', 0.005)])
    expect(badHost?.oddHosts).toEqual(['d'])
    const badRelease = pool([host('a', 0.21), host('b', 0.2), host('c', 0.19), host('d', 0.2)])
    expect(badRelease).toMatchObject({ oddHosts: [], theta: expect.closeTo(0.2, 6), tau: 0 })
  })

  test('more hosts make it surer, of two nobody can say which is odd, of none nothing', () => {
    const of = (count: number) => pool(Array.from({ length: count }, (_, index) => host(`h${index}`, 0.05)))?.se ?? Number.NaN
    expect(of(4)).toBeLessThan(of(2))
    expect(pool([host('a', 0), host('b', 1)])).toMatchObject({ oddHosts: [], sameHosts: expect.closeTo(0, 6) })
    expect(pool([])).toBeNull()
    expect(pool([host('a', Number.NaN), host('b', 0, Number.POSITIVE_INFINITY)])).toBeNull()
  })
})

test('draws are the same for the same seed, and spread evenly', () => {
  const [first, second, other] = [createDraw('seed'), createDraw('seed'), createDraw('seed2')]
  const list = Array.from({ length: 6_000 }, () => first(6))
  expect(Array.from({ length: 6_000 }, () => second(6))).toEqual(list)
  expect(Array.from({ length: 50 }, () => other(1_000))).not.toEqual(Array.from({ length: 50 }, () => createDraw('seed')(1_000)))
  for (let face = 0; face < 6; face += 1) expect(Math.abs(list.filter((one) => one === face).length - 1000)).toBeLessThan(120)
})

test('the hash of settings does not depend on the order of keys, and on everything else', () => {
  expect(hashOf({ a: 1, b: [1, { c: 2, d: undefined }] })).toBe(hashOf({ b: [1, { c: 2 }], a: 1 }))
  expect(hashOf({ a: [1, 2] })).not.toBe(hashOf({ a: [2, 1] }))
  expect(hashOf({ a: '1' })).not.toBe(hashOf({ a: 1 }))
})
