// How late a generator may send hangs on the smallest margin, by one rule for gates, load tests and the search for a capacity.
import { describe, expect, test } from 'vitest'
import { judgeRequests } from '../../../src/gate/judge.ts'
import { smallestMarginMs } from '../../../src/gate/margin.ts'
import { lagLimit } from '../../../src/gate/validity.ts'
import { limitsFor } from '../../../src/load/validity.ts'
import { clauses, evidenceOf, histogramOf, planOf, runSlices } from './helpers.ts'

describe('the smallest margin', () => {
  test.each([
    [['p95 < 300ms'], 30],
    [['p95 < 2s', 'max < 500ms'], 50],
    [['p95 <= baseline + 10%'], 20],
    [['p95 <= baseline + 10% or + 50ms', 'p50 < 4s'], 50],
    [['errors < 1%', 'rps >= 5/s', 'slow < 1%'], null],
  ] as const)('of %j where the old release takes 200 ms', (texts, ms) => {
    const margin = smallestMarginMs(clauses(...texts), () => 200)
    if (ms === null) expect(margin).toBeNull()
    else expect(margin).toBeCloseTo(ms, 6)
  })

  test('of a comparison is not known while nobody knows the old release', () => {
    expect(smallestMarginMs(clauses('p95 <= baseline + 10%'), () => null)).toBeNull()
  })
})

test('a gate and a load bear the same lag: 5 ms, or a tenth of the margin when that is more', () => {
  for (const margin of [0, 20, 50, 51, 200]) expect(limitsFor(margin).lagMs).toBeCloseTo(lagLimit(margin), 9)
  expect([lagLimit(null), lagLimit(50), lagLimit(200)]).toEqual([5, 5, 20])
})

test('requests that left 9 ms late spoil what is judged at 300 ms, and not what is judged at a second', () => {
  const lag = histogramOf(Array.from({ length: 20 }, () => 9))
  const slices = runSlices({ seconds: 120, rate: 20, canary: { ms: 20 } }).map((slice) => ({ ...slice, lag }))
  const of = (text: string) => judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses(text) }), slices })).verdict
  expect([of('p95 < 300ms'), of('p95 < 1s')]).toEqual(['invalid', 'pass'])
})
