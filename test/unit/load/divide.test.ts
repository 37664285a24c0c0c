import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RateProfile } from '../../../src/domain/load.ts'
import { divide, divideSettings, rowsFor } from '../../../src/load/divide.ts'
import { countOfArrivals } from '../../../src/load/schedule.ts'
import { settings } from '../../helpers/load.ts'

const profile: fc.Arbitrary<RateProfile> = fc.oneof(
  fc.record({ kind: fc.constant('constant' as const), ratePerSecond: fc.double({ min: 0.1, max: 5000, noNaN: true }) }),
  fc.record({
    kind: fc.constant('ramp' as const),
    fromPerSecond: fc.double({ min: 0, max: 500, noNaN: true }),
    toPerSecond: fc.double({ min: 1, max: 500, noNaN: true }),
  }),
  fc.record({
    kind: fc.constant('steps' as const),
    steps: fc.array(fc.record({ ratePerSecond: fc.integer({ min: 1, max: 300 }), forMs: fc.integer({ min: 100, max: 5000 }) }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
)

describe('one load for several generators', () => {
  test('parts are integers, add up to the whole, and differ by one at most', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 40 }), (whole, parts) => {
        const shares = divide(whole, parts)
        expect(shares).toHaveLength(parts)
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(whole)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('together they have exactly the arrivals of the whole, whatever the profile', () => {
    fc.assert(
      fc.property(profile, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 60 }), (of, parts, seconds) => {
        const durationMs = seconds * 1000
        const count = (rate: RateProfile) => countOfArrivals({ profile: rate, arrivals: 'poisson', durationMs })
        const shares = divideSettings(settings({ model: { kind: 'paced', profile: of, arrivals: 'poisson' } }), durationMs, parts)
        const counts = shares.map(({ model }) => (model.kind === 'paced' ? count(model.profile) : Number.NaN))
        expect(counts.reduce((sum, share) => sum + share, 0)).toBe(count(of))
      }),
    )
  })

  test('a cap is shared as well, and rows that only one may have are dealt out', () => {
    const load = settings({
      model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 10 }, arrivals: 'poisson', maxInFlight: 7 },
    })
    const caps = divideSettings(load, 1000, 3).map(({ model }) => (model.kind === 'paced' ? model.maxInFlight : null))
    expect(caps).toEqual([3, 2, 2])
    const rows = Array.from({ length: 5 }, (_, id) => ({ id }))
    expect([0, 1].map((part) => rowsFor(rows, 'once', part, 2).map(({ id }) => id))).toEqual([
      [0, 2, 4],
      [1, 3],
    ])
    expect([0, 1].map((part) => rowsFor(rows, 'partition', part, 2).map(({ id }) => id))).toEqual([
      [0, 2, 4],
      [1, 3],
    ])
    expect(rowsFor(rows, 'random', 1, 2)).toHaveLength(5)
  })
})
