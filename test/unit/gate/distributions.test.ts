// Against values of scipy and mpmath (test/gate-simulation/golden says how they were made), ten digits relative.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  binomialAtMost,
  chiSquareTail,
  normalLimit,
  normalTail,
  rateAtLeast,
  rateAtMost,
  studentLimit,
  studentTail,
} from '../../../src/gate/distributions.ts'
import { lnBeta, lnBetaTails, lnGamma } from '../../../src/gate/special.ts'
import golden from '../../fixtures/gate/special.json' with { type: 'json' }

const DIGITS = 1e-10

function worst(cases: readonly (readonly number[])[], ours: (...inputs: readonly number[]) => number): number {
  let most = 0
  for (const one of cases) {
    const truth = one.at(-1) ?? Number.NaN
    const error = Math.abs(ours(...one.slice(0, -1)) - truth) / Math.max(Math.abs(truth), 1e-300)
    if (!(error <= most)) most = error
  }
  return most
}

const at = (inputs: readonly number[], index: number): number => inputs[index] ?? Number.NaN

test('Student’s t has the limits of scipy from one degree of freedom to a hundred thousand', () => {
  expect(golden.student.length).toBe(110)
  expect(worst(golden.student, (...i) => studentLimit(at(i, 0), at(i, 1)))).toBeLessThan(DIGITS)
})

test('the normal and the chi-square distribution have the tails of scipy', () => {
  expect(worst(golden.normal, (...i) => normalLimit(at(i, 0)))).toBeLessThan(DIGITS)
  expect(worst(golden.chiSquare, (...i) => chiSquareTail(at(i, 0), at(i, 1)))).toBeLessThan(DIGITS)
})

test('exact limits of a rate agree with scipy from one request to ten million', () => {
  expect(golden.rateAtMost.length).toBeGreaterThan(200)
  expect(worst(golden.rateAtMost, (...i) => rateAtMost(at(i, 0), at(i, 1), at(i, 2)))).toBeLessThan(DIGITS)
  expect(worst(golden.rateAtLeast, (...i) => rateAtLeast(at(i, 0), at(i, 1), at(i, 2)))).toBeLessThan(DIGITS)
})

test('binomial sums, gamma and beta agree with scipy', () => {
  expect(worst(golden.binomial, (...i) => binomialAtMost(at(i, 0), at(i, 1), at(i, 2)))).toBeLessThan(DIGITS)
  expect(worst(golden.lnBeta, (...i) => lnBeta(at(i, 0), at(i, 1)))).toBeLessThan(DIGITS)
  expect(worst(golden.lnGamma, (...i) => lnGamma(at(i, 0)))).toBeLessThan(DIGITS)
})

test('both tails of the incomplete beta function keep their digits when one is tiny', () => {
  for (const [a = 0, b = 0, x = 0, lower = 0, upper = 0] of golden.lnBetaTails) {
    const ours = lnBetaTails(a, b, x, 1 - x)
    expect(Math.abs(Math.expm1(ours.lower - lower))).toBeLessThan(DIGITS)
    expect(Math.abs(Math.expm1(ours.upper - upper))).toBeLessThan(DIGITS)
  }
})

test('no failure in n requests bounds the rate by about 3/n', () => {
  for (const n of [100, 600, 3_000, 30_000]) expect(rateAtMost(0, n, 0.05) * n).toBeCloseTo(3, 0)
  expect(rateAtMost(0, 3_000, 0.05)).toBeLessThan(0.001)
  expect(rateAtMost(0, 2_990, 0.05)).toBeGreaterThan(0.001)
})

test('the edges are exact: nothing seen, everything seen, nobody asked', () => {
  expect([rateAtMost(5, 5, 0.05), rateAtLeast(0, 5, 0.05), rateAtMost(0, 0, 0.05), rateAtLeast(0, 0, 0.05)]).toEqual([1, 0, 1, 0])
  expect(rateAtLeast(5, 5, 0.05)).toBeCloseTo(0.05 ** 0.2, 12)
  expect([binomialAtMost(-1, 5, 0.5), binomialAtMost(5, 5, 0.5)]).toEqual([0, 1])
  expect([studentLimit(0, 3), studentLimit(1, 3), studentLimit(0.5, 3)]).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0])
})

test('tails and limits undo each other, whatever the level', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-9, max: 0.999, noNaN: true }), fc.integer({ min: 1, max: 500 }), (tail, degrees) => {
      expect(Math.abs(studentTail(studentLimit(tail, degrees), degrees) / tail - 1)).toBeLessThan(1e-8)
      expect(Math.abs(normalTail(normalLimit(tail)) / tail - 1)).toBeLessThan(1e-8)
    }),
  )
})

test('a rate’s limits lie on both sides of what was seen, and close in with more requests', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 51, max: 5_000 }), (x, n) => {
      const [low, high] = [rateAtLeast(x, n, 0.05), rateAtMost(x, n, 0.05)]
      expect(low).toBeLessThanOrEqual(x / n)
      expect(high).toBeGreaterThan(x / n)
      expect(rateAtMost(2 * x, 2 * n, 0.05)).toBeLessThan(high)
    }),
  )
})
