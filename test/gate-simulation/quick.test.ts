// The quick form of the simulation (load-and-gates.md, 7.5): 200 seeded runs each, 300 resamples. The full form is
// `node test/gate-simulation/full.ts`; its last result is test/results/gate-simulation.json.
import { expect, test } from 'vitest'
import { ROWS, type Row, type Run, run, seedOf } from './rows.ts'

const RUNS = 200
/** A busy machine is slow; nothing here depends on how slow. */
const PATIENCE_MS = 600_000

function runs(name: string): readonly Run[] {
  const row: Row | undefined = ROWS.find((one) => one.name === name)
  if (row === undefined) throw new Error(`no row ${name}`)
  return Array.from({ length: RUNS }, (_, index) => run(row, seedOf(row, index)))
}
const count = (of: readonly Run[], verdict: Run['verdict']): number => of.filter((one) => one.verdict === verdict).length

test('an equal release is failed at most twice in 200, and nearly always passed', { timeout: PATIENCE_MS }, () => {
  const equal = runs('A/A')
  expect(count(equal, 'fail')).toBeLessThanOrEqual(2)
  expect(count(equal, 'pass')).toBeGreaterThanOrEqual(180)
  expect(count(equal, 'invalid')).toBe(0)
})

test('a release at the margin is passed at most 18 times in 200', { timeout: PATIENCE_MS }, () => {
  const margin = runs('+10 % (the p50 margin)')
  expect(count(margin, 'pass')).toBeLessThanOrEqual(18)
  expect(count(margin, 'invalid')).toBe(0)
})

test('a release that is 20 % slower is found at least 198 times in 200', { timeout: PATIENCE_MS }, () => {
  expect(count(runs('+20 %'), 'fail')).toBeGreaterThanOrEqual(198)
})

test('the same seed gives the same verdict again', { timeout: PATIENCE_MS }, () => {
  for (const row of ROWS.slice(0, 3)) expect(run(row, seedOf(row, 5))).toEqual(run(row, seedOf(row, 5)))
})
