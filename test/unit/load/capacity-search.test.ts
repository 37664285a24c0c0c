import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Attempt,
  type CapacityFound,
  createCapacitySearch,
  type RateOutcome,
  type SearchLimits,
} from '../../../src/load/capacity-search.ts'

const LIMITS: SearchLimits = { startPerSecond: 20, maxPerSecond: 20_000, precision: 0.05 }

function search(answer: (attempt: Attempt, turn: number) => RateOutcome, limits: Partial<SearchLimits> = {}) {
  const made = createCapacitySearch({ ...LIMITS, ...limits })
  const tried: number[] = []
  for (let next = made.next(); next !== null; next = made.next()) {
    if (tried.length > 200) throw new Error('it does not end')
    made.tell(answer(next, tried.length))
    tried.push(next.ratePerSecond)
  }
  return { tried, found: made.found() }
}

const upTo = (capacity: number) => (attempt: Attempt) => (attempt.ratePerSecond <= capacity ? 'holds' : 'breaks') as RateOutcome

describe('the search for the capacity', () => {
  test('doubles until it breaks, then halves the gap, then looks at it once more', () => {
    const { tried, found } = search(upTo(300))
    expect(tried.slice(0, 5)).toEqual([20, 40, 80, 160, 320])
    expect(found.kind).toBe('found')
    expect(tried.at(-1)).toBe(found.ratePerSecond)
    expect(tried.at(-2) === found.ratePerSecond || tried.slice(0, -1).includes(found.ratePerSecond)).toBe(true)
  })

  test('is right within its precision, never above what holds, and quick, whatever the capacity', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 15_000 }), (capacity) => {
        const { tried, found } = search(upTo(capacity))
        expect(found.kind).toBe('found')
        expect(found.ratePerSecond).toBeLessThanOrEqual(capacity)
        // Rates are whole numbers of three digits: the gap may be one more of them.
        expect(found.ratePerSecond).toBeGreaterThanOrEqual(capacity * 0.94 - 1)
        expect(tried.length).toBeLessThan(20)
      }),
    )
  })

  test('a generator that cannot keep up is tried again, and then makes it "at least"', () => {
    const { tried, found } = search(({ ratePerSecond }) => (ratePerSecond <= 1000 ? 'holds' : 'saturated'))
    expect(found).toMatchObject({ kind: 'at-least', limit: 'generator' })
    expect(found.ratePerSecond).toBeGreaterThan(940)
    expect(tried.filter((rate) => rate === 1280)).toHaveLength(3)
  })

  test('one late second is no ceiling: the step that is repeated counts', () => {
    let late = true
    const { found } = search((attempt) => {
      if (attempt.ratePerSecond !== 80 || !late) return upTo(300)(attempt)
      late = false
      return 'saturated'
    })
    expect(found.kind).toBe('found')
    expect(found.ratePerSecond).toBeGreaterThan(280)
  })

  test.each<[string, (attempt: Attempt) => RateOutcome, Partial<SearchLimits>, CapacityFound]>([
    ['nobody wanted more', () => 'holds', { maxPerSecond: 100 }, { kind: 'at-least', ratePerSecond: 100, limit: 'asked' }],
    ['the first rate breaks', () => 'breaks', {}, { kind: 'nothing-holds', ratePerSecond: 20 }],
    ['not even the first rate can be sent', () => 'saturated', {}, { kind: 'cannot-send', ratePerSecond: 20 }],
    [
      'the most that is wanted is less than the first rate',
      () => 'holds',
      { maxPerSecond: 5 },
      { kind: 'at-least', ratePerSecond: 5, limit: 'asked' },
    ],
  ])('%s', (_name, answer, limits, expected) => {
    expect(search(answer, limits).found).toEqual(expected)
  })

  test('what does not hold when it is looked at again is lowered, and given up after three looks', () => {
    const { tried, found } = search((attempt) => (attempt.confirm ? 'breaks' : upTo(300)(attempt)))
    expect(found.kind).toBe('unsteady')
    const confirmed = tried.slice(-3)
    expect(confirmed).toEqual(confirmed.toSorted((left, right) => right - left))
    const once = { left: 1 }
    const lowered = search((attempt) => {
      if (!attempt.confirm || once.left === 0) return upTo(300)(attempt)
      once.left -= 1
      return 'breaks'
    })
    expect(lowered.found.kind).toBe('found')
    expect(lowered.found.ratePerSecond).toBeLessThan(290)
  })

  test('what cannot be looked at again is no capacity, and no fault of the target', () => {
    const { found } = search((attempt) => (attempt.confirm ? 'saturated' : upTo(300)(attempt)))
    expect(found.kind).toBe('cannot-send')
  })

  test('ends for any target whatsoever', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.constantFrom<RateOutcome>('holds', 'breaks', 'saturated')), (outcomes) => {
        const { tried } = search(() => outcomes.next().value)
        expect(tried.length).toBeLessThan(100)
      }),
    )
  })
})
