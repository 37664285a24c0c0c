// When requests are due. Pure: tables and properties, no clock.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Arrivals, RateProfile } from '../../../src/domain/load.ts'
import { expectedUntil, peakOf } from '../../../src/load/profile.ts'
import { createRandom } from '../../../src/load/random.ts'
import { countOfArrivals, dueTimes, type Schedule } from '../../../src/load/schedule.ts'

function times(schedule: Schedule, seed: string | number = 1): number[] {
  return [...dueTimes(schedule, createRandom(seed))]
}

function constant(ratePerSecond: number): RateProfile {
  return { kind: 'constant', ratePerSecond }
}

const KINDS: readonly Arrivals[] = ['poisson', 'uniform', 'constant']

const profiles: fc.Arbitrary<RateProfile> = fc.oneof(
  fc.record({ kind: fc.constant('constant' as const), ratePerSecond: fc.double({ min: 0, max: 2000, noNaN: true }) }),
  fc.record({
    kind: fc.constant('ramp' as const),
    fromPerSecond: fc.double({ min: 0, max: 500, noNaN: true }),
    toPerSecond: fc.double({ min: 0, max: 500, noNaN: true }),
  }),
  fc.record({
    kind: fc.constant('steps' as const),
    steps: fc.array(fc.record({ ratePerSecond: fc.integer({ min: 0, max: 500 }), forMs: fc.integer({ min: 0, max: 3000 }) }), {
      minLength: 1,
    }),
  }),
  fc.record({
    kind: fc.constant('spike' as const),
    basePerSecond: fc.integer({ min: 0, max: 200 }),
    peakPerSecond: fc.integer({ min: 0, max: 900 }),
    atMs: fc.integer({ min: 0, max: 9000 }),
    forMs: fc.integer({ min: 0, max: 9000 }),
  }),
  fc.integer({ min: 1, max: 500 }).map((mean) => ({
    kind: 'sine' as const,
    meanPerSecond: mean,
    amplitudePerSecond: mean / 2,
    periodMs: 1700,
  })),
)

test('a metronome that begins at a rate of nothing has a first moment', () => {
  const ramp = { kind: 'ramp', fromPerSecond: 0, toPerSecond: 0.25 } as const
  expect(times({ profile: ramp, arrivals: 'constant', durationMs: 4_000 }, 1)).toEqual([0])
})

describe('any profile, any kind of arrivals', () => {
  test('has exactly its expected count, ascending, inside the duration, and the same again from the same seed', () => {
    fc.assert(
      fc.property(
        profiles,
        fc.constantFrom(...KINDS),
        fc.integer({ min: 1, max: 8000 }),
        fc.integer(),
        (profile, arrivals, durationMs, seed) => {
          const schedule = { profile, arrivals, durationMs }
          const due = times(schedule, seed)
          expect(due).toHaveLength(Math.round(expectedUntil(profile, durationMs, durationMs)))
          expect(due).toHaveLength(countOfArrivals(schedule))
          for (const [index, at] of due.entries()) {
            expect(at).toBeGreaterThanOrEqual(index === 0 ? 0 : (due[index - 1] ?? 0))
            expect(at).toBeLessThan(durationMs)
          }
          expect(times(schedule, seed)).toEqual(due)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('every segment has its own exact count', () => {
    const schedule: Schedule = { profile: constant(40), arrivals: 'poisson', durationMs: 10_000, segmentsMs: [2500, 5000, 7500, 10_000] }
    for (let seed = 0; seed < 20; seed += 1) {
      const due = times(schedule, seed)
      for (const start of [0, 2500, 5000, 7500]) expect(due.filter((at) => at >= start && at < start + 2500)).toHaveLength(100)
    }
  })

  test('many short segments add up to the asked rate', () => {
    const segmentsMs = Array.from({ length: 100 }, (_, index) => (index + 1) * 100)
    expect(times({ profile: constant(3), arrivals: 'poisson', durationMs: 10_000, segmentsMs })).toHaveLength(30)
  })
})

describe('arrivals', () => {
  test('constant: a metronome from the first moment', () => {
    expect(times({ profile: constant(4), arrivals: 'constant', durationMs: 1000 })).toEqual([0, 250, 500, 750])
  })

  test('uniform: one in each interval', () => {
    const due = times({ profile: constant(100), arrivals: 'uniform', durationMs: 5000 })
    for (const [index, at] of due.entries()) expect(Math.floor(at / 10)).toBe(index)
  })

  test('poisson: gaps are exponential and counts of a second scatter as Poisson says', () => {
    const due = times({ profile: constant(200), arrivals: 'poisson', durationMs: 500_000 }, 'poisson')
    const gaps = due.slice(1).map((at, index) => at - (due[index] ?? 0))
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    expect(mean).toBeCloseTo(5, 1)
    // Kolmogorov-Smirnov against 1 - exp(-x/5): 1.63/sqrt(n) is the 1 % limit.
    gaps.sort((left, right) => left - right)
    const worst = Math.max(
      ...sample(gaps.length).map((index) => Math.abs((index + 0.5) / gaps.length - (1 - Math.exp(-(gaps[index] ?? 0) / 5)))),
    )
    expect(worst).toBeLessThan(1.63 / Math.sqrt(gaps.length))
    const seconds = new Array<number>(500).fill(0)
    for (const at of due) seconds[Math.floor(at / 1000)] = (seconds[Math.floor(at / 1000)] ?? 0) + 1
    const variance = seconds.reduce((sum, count) => sum + (count - 200) ** 2, 0) / seconds.length
    expect(variance / 200).toBeGreaterThan(0.8)
    expect(variance / 200).toBeLessThan(1.25)
  })
})

describe('profiles', () => {
  test('a ramp puts three quarters of a rise from zero into its second half', () => {
    const due = times({
      profile: { kind: 'ramp', fromPerSecond: 0, toPerSecond: 200 },
      arrivals: 'poisson',
      durationMs: 10_000,
      segmentsMs: [5000, 10_000],
    })
    expect(due.filter((at) => at < 5000)).toHaveLength(250)
    expect(due).toHaveLength(1000)
  })

  test('a falling ramp mirrors a rising one', () => {
    const profile: RateProfile = { kind: 'ramp', fromPerSecond: 200, toPerSecond: 0 }
    const due = times({ profile, arrivals: 'uniform', durationMs: 10_000, segmentsMs: [5000, 10_000] })
    expect(due.filter((at) => at < 5000).length).toBe(750)
    expect(due).toHaveLength(1000)
  })

  test('steps, the last one until the end; a step of zero sends nothing', () => {
    const steps = [
      { ratePerSecond: 10, forMs: 1000 },
      { ratePerSecond: 0, forMs: 1000 },
      { ratePerSecond: 100, forMs: 1 },
    ]
    const due = times({ profile: { kind: 'steps', steps }, arrivals: 'constant', durationMs: 4000 })
    expect([0, 1, 2, 3].map((second) => due.filter((at) => Math.floor(at / 1000) === second).length)).toEqual([10, 0, 100, 100])
  })

  test('a spike, and back', () => {
    const profile: RateProfile = { kind: 'spike', basePerSecond: 10, peakPerSecond: 300, atMs: 2000, forMs: 1000 }
    const due = times({ profile, arrivals: 'constant', durationMs: 5000 })
    expect([0, 1, 2, 3, 4].map((second) => due.filter((at) => Math.floor(at / 1000) === second).length)).toEqual([10, 10, 300, 10, 10])
    expect(peakOf(profile)).toBe(300)
  })

  test('a sine rises first, and a whole period has its mean', () => {
    const profile: RateProfile = { kind: 'sine', meanPerSecond: 100, amplitudePerSecond: 100, periodMs: 4000 }
    const due = times({ profile, arrivals: 'constant', durationMs: 4000 })
    expect(due).toHaveLength(400)
    // 100·2 s ± 100·4/π/2 arrivals in the two halves.
    expect(due.filter((at) => at < 2000).length).toBeCloseTo(200 + 400 / Math.PI, -0.5)
    expect(peakOf(profile)).toBe(200)
  })
})

test('random numbers differ between seeds and forks, repeat for one, and are even', () => {
  const draw = (seed: string) => Array.from({ length: 5 }, createRandom(seed).next)
  expect(draw('a')).toEqual(draw('a'))
  expect(draw('a')).not.toEqual(draw('b'))
  expect(createRandom('a').fork('x').next()).not.toBe(createRandom('a').fork('y').next())
  const random = createRandom(7)
  const counts = new Array<number>(10).fill(0)
  for (let index = 0; index < 100_000; index += 1) {
    const bin = random.between(0, 9)
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  // Chi-square, 9 degrees of freedom: 27.9 is the 0.1 % limit; the seed is fixed.
  expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(27.9)
})

/** 2,000 places spread over a list. */
function sample(length: number): number[] {
  return Array.from({ length: 2000 }, (_, index) => Math.floor((index * length) / 2000))
}
