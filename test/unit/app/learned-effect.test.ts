// How much hosts differ, learned from the calibrations that are kept: what a gate then allows for, what it says, and when
// nothing is learned.
import { expect, test } from 'vitest'
import { calibrationHash, learnedEffect, withLearned } from '../../../src/app/gates/calibrate.ts'
import type { KeptCalibration } from '../../../src/app/gates/kept.ts'
import { planGates } from '../../../src/app/gates/planning.ts'
import { judgeRequests } from '../../../src/gate/judge.ts'
import { planGate } from '../../../src/gate/plan.ts'
import { paced } from '../../helpers/load.ts'
import { load as configOf, plus } from '../config/helpers.ts'
import { clauses, evidenceOf, runSlices, settingsOf } from '../gate/helpers.ts'

const load = paced(100, { duration: { atLeastMs: 30_000, atMostMs: 300_000 } })
const gate = settingsOf({ pass: clauses('p50 <= baseline + 10%'), learnsHostEffect: true })

function kept(host: string, against: string, theta: number, more: Partial<KeptCalibration> = {}): KeptCalibration {
  return {
    ...{ at: '2026-01-01T00:00:00.000Z', host, against, settingsHash: calibrationHash('isolated', load) },
    calibration: {
      ...{ version: 1, seconds: 60, blockSeconds: 5, ratePerArm: 100, autocorrelation: 0, slowAboveMs: 100 },
      quantiles: { '0.5': { theta, se: 0.001, oldMs: 20 } },
      ...{ slow: { share: 0.01, se: 0.001 }, errors: { share: 0, se: 0 } },
    },
    ...more,
  }
}

const FIVE = ['b', 'c', 'd', 'e', 'f'].map((host, index) => kept(host, 'a', index % 2 === 0 ? 0.03 : -0.03))

const learned = (all: readonly KeptCalibration[], of: Partial<Parameters<typeof learnedEffect>[1]> = {}) =>
  learnedEffect({ calibrations: async () => all }, { gate, way: 'isolated', load, ...of })

test('five pairs of hosts say how much they differ; each pair counts once, as it was seen last', async () => {
  expect(await learned(FIVE)).toEqual({ pairs: 5, tau: expect.closeTo(0.03, 3) })
  // The same pair again, from both sides and long ago, adds nothing.
  expect(await learned([...FIVE, kept('a', 'b', -0.5), kept('b', 'a', 0.5)])).toEqual({ pairs: 5, tau: expect.closeTo(0.03, 3) })
})

test('nothing is learned of few pairs, of groups, of another load or way, or where a number is configured', async () => {
  expect(await learned(FIVE.slice(1))).toBeNull()
  expect(await learned([...FIVE.slice(1), kept('b+g', 'a+h', 0.03)])).toBeNull()
  expect(await learned(FIVE, { way: 'serving' })).toBeNull()
  expect(await learned(FIVE, { load: { ...load, headers: { 'x-other': 'load' } } })).toBeNull()
  expect(await learned(FIVE, { gate: { ...gate, learnsHostEffect: false } })).toBeNull()
})

test('a gate allows for what was learned, decides by it, and says so', async () => {
  const slices = runSlices({ seconds: 300, rate: 100, canary: { ms: 20 }, old: { ms: 20 } })
  const verdictWith = (effect: Awaited<ReturnType<typeof learned>>) =>
    judgeRequests(
      evidenceOf({
        plan: planGate(gate, {
          ...{ duration: load.duration, ratePerArm: 100, seed: 'seed', learned: effect },
          arms: { canary: ['new'], old: ['old'] },
        }),
        slices,
      }),
    )
  // Nobody knows: 5 % is allowed for, and + 10 % cannot be decided.
  expect(verdictWith(null)).toMatchObject({ verdict: 'inconclusive' })
  expect(verdictWith(null).clauses[0]?.sentence).not.toContain('learned')
  const alike = FIVE.map((one) => kept(one.host, one.against, 0))
  const report = verdictWith(await learned(alike))
  expect(report.verdict).toBe('pass')
  expect(report.clauses[0]?.sentence).toMatch(/: PASS at look \d of 4, \d+ s \(hosts differ by 2 %, learned from 5 pairs\)$/)
})

test('what a gate can decide is planned with what was learned', async () => {
  const { config } = await configOf(
    plus(
      [
        'loads: { l: { rate: 100/s, duration: 30s..300s, warmup: 0s, requests: [{ get: / }] } }',
        'gates: { g: { load: l, against: { baseline: drained-peer }, calibrate: 15s, pass: [p50 <= baseline + 8%] } }',
        '',
      ].join('\n'),
    ),
  )
  const { l } = config.loads
  if (l === undefined) throw new Error('no load')
  const alike = FIVE.map((one) => kept(one.host, one.against, 0, { settingsHash: calibrationHash('isolated', l) }))
  const smallest = async (all: readonly KeptCalibration[]) =>
    planGates(await withLearned(config, { calibrations: async () => all }), ['g'], new Map())[0]?.clauses[0]?.smallestMargin ?? Number.NaN
  expect(await smallest(alike)).toBeLessThan(await smallest([]))
})
