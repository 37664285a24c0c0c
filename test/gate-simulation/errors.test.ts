// Gates that compare errors, imagined: how often equal releases are failed, releases at the margin passed, and clearly
// worse ones found, with single failures and with bursts. 100 seeded gates each, through the real watch.
import { expect, test } from 'vitest'
import { parseClause } from '../../src/domain/clause-parse.ts'
import type { GatePlan } from '../../src/domain/gate.ts'
import { binOf } from '../../src/domain/histogram.ts'
import type { Slice } from '../../src/domain/slice.ts'
import { createWatch } from '../../src/gate/watch.ts'
import { createDice, type Dice, poisson } from './model.ts'

type Case = { readonly old: number; readonly canary: number; readonly rate: number; readonly seconds: number; readonly burst: number }

const GATES = 100
const PATIENCE_MS = 300_000
const FACTS = { steady: null, distrust: [], aborted: null, restart: null, capacity: null, passes: [] }

function verdicts(of: Case): Readonly<Record<string, number>> {
  const counts: Record<string, number> = { pass: 0, fail: 0, inconclusive: 0, invalid: 0 }
  for (let gate = 0; gate < GATES; gate += 1) {
    const verdict = run(of, 31 + gate * 7919)
    counts[verdict] = (counts[verdict] ?? 0) + 1
  }
  return counts
}

function run(of: Case, seed: number) {
  const parsed = parseClause('errors <= baseline + 0.1pp')
  if (!('clause' in parsed)) throw new Error(parsed.problem)
  const plan: GatePlan = {
    ...{
      version: 1,
      gate: 'errors',
      clauses: [parsed.clause],
      arms: { canary: ['new'], old: ['old'] },
      ratePerArm: of.rate,
      blockSeconds: 5,
      extend: 0,
    },
    ...{
      atLeastSeconds: of.seconds / 4,
      atMostSeconds: of.seconds,
      resamples: 0,
      seed: String(seed),
      background: 'equal',
      settingsHash: '',
    },
    confidence: { falseAlarm: 0.01, falsePass: 0.05, looks: 4, hostEffect: 'ignore' },
  }
  const dice = createDice(seed)
  const watch = createWatch(plan, null)
  for (let second = 0; second < of.seconds; second += 1) {
    const report = watch.add(
      { slices: [slice('new', second, of, of.canary, dice), slice('old', second, of, of.old, dice)], generator: [] },
      FACTS,
    )
    if (report !== null) return report.verdict
  }
  return watch.end(FACTS).verdict
}

function slice(target: string, second: number, of: Case, share: number, dice: Dice): Slice {
  const failures = Math.min(of.rate, of.burst * poisson((of.rate * share) / of.burst, dice))
  const done = of.rate - failures
  const histogram = [[binOf(20), done]] as const
  return {
    ...{
      version: 1,
      second,
      target,
      scenario: 'imagined',
      offered: of.rate,
      sent: of.rate,
      done,
      failures: { status: failures },
      bytes: 0,
    },
    ...{ response: histogram, service: histogram, lag: [[0, of.rate]] },
  }
}

test('equal releases are hardly ever failed, in bursts or not', { timeout: PATIENCE_MS }, () => {
  const usual = { old: 0.001, canary: 0.001, rate: 200, seconds: 300 }
  expect(verdicts({ ...usual, burst: 1 })).toMatchObject({ fail: 0, invalid: 0 })
  expect(verdicts({ ...usual, burst: 5 }).fail).toBeLessThanOrEqual(2)
  expect(verdicts({ old: 0.01, canary: 0.01, rate: 100, seconds: 300, burst: 1 }).fail).toBeLessThanOrEqual(2)
})

test('a release at the margin is hardly ever passed, however few the failures', { timeout: PATIENCE_MS }, () => {
  expect(verdicts({ old: 0.001, canary: 0.002, rate: 200, seconds: 300, burst: 1 }).pass).toBeLessThanOrEqual(9)
  expect(verdicts({ old: 0, canary: 0.001, rate: 20, seconds: 300, burst: 1 }).pass).toBeLessThanOrEqual(9)
})

test('0.1 % that became 0.5 % is found', { timeout: PATIENCE_MS }, () => {
  expect(verdicts({ old: 0.001, canary: 0.005, rate: 200, seconds: 300, burst: 1 }).fail).toBeGreaterThanOrEqual(98)
  expect(verdicts({ old: 0.001, canary: 0.005, rate: 200, seconds: 300, burst: 5 }).fail).toBeGreaterThanOrEqual(98)
})
