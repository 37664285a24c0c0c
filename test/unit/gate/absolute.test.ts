// Clauses with a fixed limit: three answers, exact limits, failures slower than anything.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyHistogram, recordLatency } from '../../../src/domain/histogram.ts'
import { fewestFor, judgeAbsolute, lowerRank, type Totals, upperRank } from '../../../src/gate/absolute.ts'
import { clause } from './helpers.ts'

const LEVELS = { alpha: 0.01, beta: 0.05 }

function totals(milliseconds: readonly number[], more: Partial<Totals> = {}): Totals {
  const histogram = emptyHistogram()
  for (const ms of milliseconds) recordLatency(histogram, ms)
  const failures = more.failures ?? 0
  const arrivals = milliseconds.length + failures
  return { arrivals, failures, offered: arrivals, seconds: 30, histogram, blockRates: [], ...more }
}
const many = (count: number, ms: number): readonly number[] => Array.from({ length: count }, () => ms)
const judged = (text: string, of: Totals) => {
  const one = clause(text)
  const bound = one.limit.against === 'bound' ? one.limit.value : one.limit.against === 'offered' ? one.limit.share : Number.NaN
  return judgeAbsolute(one, of, bound, LEVELS)
}

describe('latency', () => {
  test('clearly below the bound passes, clearly above fails, on the bound cannot say', () => {
    const spread = Array.from({ length: 2_000 }, (_, index) => 100 + (index % 100))
    expect(judged('p95 < 300ms', totals(spread)).state).toBe('pass')
    expect(judged('p95 < 150ms', totals(spread)).state).toBe('fail')
    expect(judged('p95 < 194ms', totals(spread)).state).toBe('open')
  })

  test('ten requests must lie beyond the quantile before it can pass', () => {
    expect([fewestFor(0.95), fewestFor(0.99), fewestFor(0.999)]).toEqual([200, 1_000, 10_000])
    expect(judged('p95 < 300ms', totals(many(199, 50)))).toMatchObject({ state: 'open', note: '199 requests; at least 200 are needed' })
    expect(judged('p95 < 300ms', totals(many(200, 50))).state).toBe('pass')
    expect(judged('p99.9 < 300ms', totals(many(9_999, 50))).state).toBe('open')
  })

  test('an upper limit exists only from 29, 59, 299 and 2,995 requests on', () => {
    for (const [q, n] of [
      [0.9, 29],
      [0.95, 59],
      [0.99, 299],
      [0.999, 2_995],
    ] as const) {
      expect(upperRank(q, n, 0.05)).toBeLessThanOrEqual(n)
      expect(upperRank(q, n - 1, 0.05)).toBe(n)
    }
  })

  test('a quantile that lands on a failure is slower than the timeout, however fast the failures were', () => {
    const of = totals(many(900, 5), { failures: 100 })
    expect(judged('p95 < 300ms', of)).toMatchObject({ state: 'fail', estimate: null, shown: '> timeout' })
    expect(judged('p50 < 300ms', of).state).toBe('pass')
    expect(judged('max < 300ms', of)).toMatchObject({ state: 'fail', shown: '> timeout' })
  })

  test('limits are wider than a bin and hold what was measured between them', () => {
    const of = judged('p50 < 300ms', totals(many(1_000, 100)))
    expect(of.low ?? 0).toBeGreaterThan(98)
    expect(of.low ?? 0).toBeLessThanOrEqual(100)
    expect(of.high ?? 0).toBeGreaterThanOrEqual(100)
    expect(of.high ?? 0).toBeLessThan(102)
  })

  test('the longest time is an observation, not an estimate', () => {
    expect(judged('max < 300ms', totals([10, 20, 250])).state).toBe('pass')
    expect(judged('max < 200ms', totals([10, 20, 250])).state).toBe('fail')
    expect(judged('max < 250ms', totals([10, 20, 249])).state).toBe('open')
  })
})

describe('errors', () => {
  test('no error in 3,000 requests is needed to say less than 0.1 %', () => {
    expect(judged('errors < 0.1%', totals(many(2_990, 5)))).toMatchObject({ state: 'open', note: expect.stringContaining('are needed') })
    expect(judged('errors < 0.1%', totals(many(3_000, 5))).state).toBe('pass')
  })

  test('a proven rate fails, a likely one cannot say', () => {
    expect(judged('errors < 1%', totals(many(900, 5), { failures: 100 })).state).toBe('fail')
    expect(judged('errors < 1%', totals(many(985, 5), { failures: 15 })).state).toBe('open')
  })

  test('`errors = 0` asks about this run, and one failure fails it', () => {
    expect(judged('errors = 0', totals([5])).state).toBe('pass')
    expect(judged('errors = 0', totals(many(100_000, 5), { failures: 1 })).state).toBe('fail')
    expect(judged('errors = 0', totals([])).state).toBe('invalid')
  })
})

describe('rate', () => {
  test('what was offered and not answered counts against it', () => {
    expect(judged('rps >= 98% of offered', totals(many(1_000, 5))).state).toBe('pass')
    expect(judged('rps >= 98% of offered', totals(many(1_000, 5), { offered: 1_100 })).state).toBe('fail')
    expect(judged('rps >= 98% of offered', totals(many(1_000, 5), { offered: 1_018 })).state).toBe('open')
    expect(judged('rps >= 100% of offered', totals(many(1_000, 5), { offered: 1_001 })).state).toBe('fail')
  })

  test('a rate is judged by how it varies from block to block', () => {
    const of = totals(many(6_000, 5), { blockRates: [199, 201, 200, 200, 198, 202] })
    expect(judged('rps >= 180/s', of).state).toBe('pass')
    expect(judged('rps >= 220/s', of).state).toBe('fail')
    expect(judged('rps >= 200/s', of).state).toBe('open')
    expect(judged('rps >= 180/s', totals(many(100, 5), { blockRates: [200] })).state).toBe('open')
  })
})

test('a stated slowness counts failures as slow', () => {
  expect(judged('slow < 5%', totals([...many(990, 10), ...many(10, 400)])).state).toBe('pass')
  expect(judged('slow < 5%', totals(many(900, 10), { failures: 100 })).state).toBe('fail')
})

test('nothing measured is invalid, whatever is asked', () => {
  for (const text of ['p95 < 300ms', 'max < 1s', 'errors < 1%', 'errors = 0', 'slow < 1%', 'rps >= 98% of offered', 'rps >= 1/s']) {
    expect({ text, state: judged(text, totals([])).state }).toEqual({ text, state: 'invalid' })
  }
})

describe('whatever was measured', () => {
  const sample = fc.array(fc.double({ min: 1, max: 2_000, noNaN: true }), { minLength: 1, maxLength: 400 })
  const order = { fail: 0, worse: 1, open: 1, invalid: 1, pass: 2 } as const

  test('failures added never turn a FAIL into a PASS, nor anything into a better answer', () => {
    fc.assert(
      fc.property(sample, fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 500 }), (milliseconds, failures, more) => {
        for (const text of ['p50 < 300ms', 'p95 < 300ms', 'errors < 1%', 'slow < 5%', 'max < 1s']) {
          const [before, after] = [
            judged(text, totals(milliseconds, { failures })),
            judged(text, totals(milliseconds, { failures: failures + more })),
          ]
          // Ten requests beyond a quantile may be failures: then it can be said at all.
          if (before.state === 'open' && before.note !== undefined) continue
          expect({ text, worse: order[after.state] <= order[before.state] }).toEqual({ text, worse: true })
        }
      }),
    )
  })

  test('a looser bound never gives a worse answer', () => {
    fc.assert(
      fc.property(sample, fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 0, max: 2_000 }), (milliseconds, bound, more) => {
        const [tight, loose] = [judged(`p95 < ${bound}ms`, totals(milliseconds)), judged(`p95 < ${bound + more}ms`, totals(milliseconds))]
        expect(order[loose.state]).toBeGreaterThanOrEqual(order[tight.state])
      }),
    )
  })

  test('ranks of limits lie on both sides of the quantile', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.double({ min: 0.05, max: 0.999, noNaN: true }), (n, q) => {
        expect(lowerRank(q, n, 0.01)).toBeLessThanOrEqual(Math.ceil(q * n))
        expect(upperRank(q, n, 0.05)).toBeGreaterThanOrEqual(Math.floor(q * n))
      }),
    )
  })
})
