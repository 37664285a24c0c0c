// Every form of config.md and cli.md, and what people write instead.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit, Metric, Relation } from '../../../src/domain/clause.ts'
import { parseClause } from '../../../src/domain/clause-parse.ts'

const p95: Metric = { kind: 'quantile', q: 0.95 }
const percent = (share: number) => ({ kind: 'percent', share }) as const
const bound = (value: number): Limit => ({ against: 'bound', value })

const VALID: readonly (readonly [string, Metric, Relation, Limit])[] = [
  ['errors < 0.5%', { kind: 'errors' }, '<', bound(0.005)],
  ['errors = 0', { kind: 'errors' }, '=', bound(0)],
  ['errors <= 0%', { kind: 'errors' }, '<=', bound(0)],
  ['p95 < 300ms', p95, '<', bound(300)],
  ['p95<0.3s', p95, '<', bound(300)],
  ['  p95   ≤  300 ms ', p95, '<=', bound(300)],
  ['p99.9 < 2s', { kind: 'quantile', q: 0.999 }, '<', bound(2000)],
  ['p50 < 800us', { kind: 'quantile', q: 0.5 }, '<', bound(0.8)],
  ['max < 2s', { kind: 'max' }, '<', bound(2000)],
  ['rps >= 98% of offered', { kind: 'rps' }, '>=', { against: 'offered', share: 0.98 }],
  ['rps >= 180/s', { kind: 'rps' }, '>=', bound(180)],
  ['rps > 600/m', { kind: 'rps' }, '>', bound(10)],
  ['p50 <= baseline + 10%', { kind: 'quantile', q: 0.5 }, '<=', { against: 'baseline', margins: [percent(0.1)] }],
  ['p95 <= baseline + 15% or + 5ms', p95, '<=', { against: 'baseline', margins: [percent(0.15), { kind: 'ms', ms: 5 }] }],
  ['p95 <= baseline +5ms', p95, '<=', { against: 'baseline', margins: [{ kind: 'ms', ms: 5 }] }],
  ['slow <= baseline + 1pp', { kind: 'slow', aboveMs: null }, '<=', { against: 'baseline', margins: [{ kind: 'points', share: 0.01 }] }],
  ['errors <= baseline + 0.1pp', { kind: 'errors' }, '<=', { against: 'baseline', margins: [{ kind: 'points', share: 0.001 }] }],
  ['value < 1', { kind: 'value' }, '<', bound(1)],
  ['value >= 99.9%', { kind: 'value' }, '>=', bound(0.999)],
  ['value > -2.5', { kind: 'value' }, '>', bound(-2.5)],
  ['burn < 14.4', { kind: 'burn' }, '<', bound(14.4)],
  ['capacity >= 95% of baseline', { kind: 'capacity' }, '>=', { against: 'baseline', margins: [percent(-0.05)] }],
  ['restart.lost = 0', { kind: 'restart.lost' }, '=', bound(0)],
  ['restart.lost <= 3', { kind: 'restart.lost' }, '<=', bound(3)],
  ['p95 <= last 5 passes + 10%', p95, '<=', { against: 'passes', count: 5, margins: [percent(0.1)] }],
  ['errors <= last 1 pass + 0.5pp', { kind: 'errors' }, '<=', { against: 'passes', count: 1, margins: [{ kind: 'points', share: 0.005 }] }],
]

test.each(VALID)('%s is read', (written, metric, is, limit) => {
  const parsed = parseClause(written)
  expect(parsed).toEqual({ clause: { text: written.trim().replace(/\s+/g, ' '), mode: 'gate', metric, is, limit } })
})

test('mode and the meaning of slow come from beside the clause', () => {
  expect(parseClause('slow < 1%', { mode: 'warn', aboveMs: 300 })).toEqual({
    clause: { text: 'slow < 1%', mode: 'warn', metric: { kind: 'slow', aboveMs: 300 }, is: '<', limit: bound(0.01) },
  })
})

const BROKEN: readonly (readonly [string, RegExp, string | undefined])[] = [
  ['p95 < 300', /time 300 without a unit/, 'p95 < 300ms'],
  ['errors < 0.5', /share 0.5 without a unit/, 'errors < 0.5%'],
  ['rps >= 180', /rate 180 without a unit/, 'rps >= 180/s'],
  ['p95 <= baseline + 10', /margin \+ 10 without a unit/, 'p95 <= baseline + 10%'],
  ['slow <= baseline + 1', /margin \+ 1 without a unit/, 'slow <= baseline + 1pp'],
  ['slow <= baseline + 1%', /percentage points/, 'slow <= baseline + 1pp'],
  ['p50 <= baseline + 1pp', /percentage or a time/, 'p50 <= baseline + 1%'],
  ['p95 <= last 5 passes + 10', /without a unit/, 'p95 <= last 5 passes + 10%'],
  ['p50 <= baseline', /no margin/, 'p50 <= baseline + 15%'],
  ['p50 <= baseline + 0%', /margin of nothing/, 'p50 <= baseline + 15%'],
  ['p50 <= baseline - 5%', /where a margin/, 'p50 <= baseline + 15%'],
  ['p95 > 300ms', /would pass when p95 is high/, 'p95 < 300ms'],
  ['errors >= 1%', /would pass when errors is high/, 'errors < 0.5%'],
  ['rps <= 98% of offered', /would pass when rps is low/, 'rps >= 98% of offered'],
  ['errors < 0%', /less than nothing/, 'errors = 0'],
  ['p95 = 300ms', /equality/, 'p95 < 300ms'],
  ['capacity >= 500', /share of what the old release carries/, 'capacity >= 95% of baseline'],
  ['capacity >= 0% of baseline', /above 0%/, undefined],
  ['rps >= 120% of offered', /at most 100%/, undefined],
  ['p95 >= 98% of offered', /share of offered/, 'p95 < 300ms'],
  ['slow < 1%', /above: 300ms/, 'slow <= baseline + 1pp'],
  ['rps <= baseline + 5%', /possible for pNN, errors and slow/, 'rps >= 98% of offered'],
  ['latency < 300ms', /unknown metric/, 'p95 < 300ms'],
  ['http_req_failed < 1%', /unknown metric/, 'errors < 1%'],
  ['P95 < 300ms', /unknown metric/, 'p95 < 300ms'],
  ['p(95) < 300ms', /unknown metric/, 'p95 < 300ms'],
  ['erors < 1%', /unknown metric/, 'errors < 1%'],
  ['quux < 1', /unknown metric/, undefined],
  ['p0 < 1ms', /p0/, 'p50 < 1ms'],
  ['p100 < 1s', /unknown metric/, undefined],
  ['p95', /no comparison/, 'p95 < 300ms'],
  ['', /no comparison/, undefined],
  ['< 300ms', /no metric/, undefined],
  ['p95 <', /no limit/, 'p95 < 300ms'],
  ['p95 => 300ms', /uses "=>"/, 'p95 >= 300ms'],
  ['errors != 0', /uses "!="/, 'errors <= 0'],
  ['p95 < 300kg', /where a time/, 'p95 < 300ms'],
  ['errors < 100%', /below 100%/, 'errors < 0.5%'],
  ['restart.lost = 0.5', /number of requests/, 'restart.lost = 0'],
  ['value < 5ms', /plain number/, 'value < 1'],
  ['p95 <= last 0 passes + 10%', /1 to 50/, 'p95 <= last 5 passes + 10%'],
  ['slow <= last 5 passes + 1pp', /calibrated anew/, 'slow <= baseline + 1pp'],
  ['errors <= baseline + 100pp', /never fail/, undefined],
  [`p95 < ${'9'.repeat(300)}ms`, /characters long/, undefined],
]

test.each(BROKEN)('%s is refused with what was meant', (written, problem, nearest) => {
  const parsed = parseClause(written)
  expect(parsed).not.toHaveProperty('clause')
  if ('clause' in parsed) return
  expect(parsed.problem).toMatch(problem)
  expect(parsed.nearest).toBe(nearest)
})

describe('whatever is written', () => {
  test('reading never throws, and says either a clause or a problem', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (written) => {
        const parsed = parseClause(written)
        return 'clause' in parsed || parsed.problem.length > 0
      }),
      { numRuns: 2000 },
    )
  })

  test('a suggested clause is itself valid, but for the direction that was asked for', () => {
    for (const [written] of BROKEN) {
      const parsed = parseClause(written)
      if ('clause' in parsed || parsed.nearest === undefined || /=>|p0/.test(written)) continue
      expect({ written, again: parseClause(parsed.nearest) }).toHaveProperty('again.clause')
    }
  })
})
