// Evidence judged again, as it was and with other margins, through the JSON in which it is kept.
import { describe, expect, test } from 'vitest'
import type { GateRecord } from '../../../src/domain/gate.ts'
import { calibrate } from '../../../src/gate/calibration.ts'
import { judge } from '../../../src/gate/judge.ts'
import { pastPassOf } from '../../../src/gate/past-pass.ts'
import { planGate } from '../../../src/gate/plan.ts'
import { createDraw } from '../../../src/gate/random.ts'
import { timelineOf } from '../../../src/gate/seconds.ts'
import { findSteady } from '../../../src/gate/steady.ts'
import { clausesOf, explain, whatIf, withMargins } from '../../../src/gate/what-if.ts'
import { clauses, evidenceOf, planOf, runSlices, settingsOf } from './helpers.ts'

const CLAUSES = clauses('p50 <= baseline + 10%', 'p95 <= baseline + 15%', 'errors < 1%', 'rps >= 98% of offered')
const ARMS = { canary: ['new'], old: ['old'] }

function record(ms: number): GateRecord {
  const slices = runSlices({ seconds: 120, rate: 100, canary: { ms }, old: { ms: 20 } })
  const evidence = evidenceOf({ plan: planOf({ clauses: CLAUSES, arms: ARMS }), slices })
  return {
    version: 1,
    gate: 'canary',
    settingsHash: '',
    discarded: [],
    evidence,
    report: judge({ name: 'canary', pass: CLAUSES }, evidence),
  }
}
const stored = (of: GateRecord): GateRecord => JSON.parse(JSON.stringify(of))

test('what was kept gives the same verdict and the same numbers again', () => {
  for (const ms of [20, 21.5, 25]) {
    const kept = stored(record(ms))
    const { report, differences } = explain(kept, clausesOf(kept.evidence) ?? [])
    expect(differences).toEqual([])
    expect(JSON.parse(JSON.stringify(report))).toEqual(kept.report)
  }
})

test('evidence that was changed afterwards does not explain its verdict', () => {
  const kept = stored(record(25))
  const changed = {
    ...kept,
    evidence: {
      ...kept.evidence,
      slices: runSlices({ seconds: 120, rate: 100, canary: { ms: 20 }, old: { ms: 20 } }),
    } as typeof kept.evidence,
  }
  expect(explain(changed, CLAUSES).differences.join()).toMatch(/the verdict was fail, and is pass now/)
})

describe('with other margins', () => {
  const kept = stored(record(23.5))
  const under = (...changes: readonly string[]) => {
    const changed = withMargins(clausesOf(kept.evidence) ?? [], changes)
    if ('problem' in changed) throw new Error(changed.problem)
    return whatIf('canary', kept.evidence, changed.clauses)
  }

  test('the same run is judged anew', () => {
    expect(kept.report.verdict).toBe('fail')
    expect(under('p50=+30%', 'p95=+30%').verdict).toBe('pass')
    expect(under('p50=+30%').verdict).toBe('fail')
    expect(under('p50=+30%', 'p95=+30%', 'errors=0%').verdict).toBe('pass')
    expect(under('p50=+30%', 'p95=+30%', 'rps=100%').clauses.at(-1)?.clause).toBe('rps >= 100% of offered')
  })

  test.each([
    ['p50', /not METRIC=LIMIT/],
    ['p99=+10%', /no clause compares p99; there are p50 \(margin/],
    ['p50=300ms', /no clause limits p50/],
    ['p50=+10', /without a unit/],
    ['errors=+1pp', /no clause compares errors/],
    ['=+10%', /not METRIC=LIMIT/],
  ])('%s is refused', (change, problem) => {
    expect(withMargins(CLAUSES, [change])).toHaveProperty('problem', expect.stringMatching(problem))
  })
})

test('only a pass becomes a measure for later ones, and it is what the new release took', () => {
  const kept = record(20)
  if (kept.evidence.kind !== 'requests') throw new Error('not requests')
  const pass = pastPassOf(kept.report, kept.evidence, '2024-05-01T00:00:00Z')
  expect(pass?.quantilesMs['0.5']).toBeCloseTo(20, 0)
  expect(Object.keys(pass?.quantilesMs ?? {})).toEqual(['0.5', '0.9', '0.95', '0.99'])
  for (const verdict of ['fail', 'inconclusive', 'invalid'] as const) expect(pastPassOf({ verdict }, kept.evidence, '')).toBeNull()
  expect(pastPassOf({ verdict: 'pass' }, { ...kept.evidence, slices: [] }, '')).toBeNull()
})

test('a plan is made from settings and a load, and names the settings by their hash', () => {
  const run = { duration: { atLeastMs: 75_000, atMostMs: 300_000 }, ratePerArm: 100, arms: ARMS, seed: 's' }
  const plan = planGate(settingsOf({ pass: CLAUSES }), run)
  expect(plan).toMatchObject({
    gate: 'canary',
    atLeastSeconds: 75,
    atMostSeconds: 300,
    extend: 1,
    background: 'equal',
    resamples: 1000,
    clauses: CLAUSES,
  })
  expect(planGate(settingsOf({ pass: CLAUSES.slice(1) }), run).settingsHash).not.toBe(plan.settingsHash)
  const mixed = (insist: boolean) =>
    settingsOf({
      source: { kind: 'load', load: 'x', at: { kind: 'canary' }, when: 'serving', baseline: { kind: 'mixed', restart: false, insist } },
    })
  expect([planGate(mixed(false), run).background, planGate(mixed(true), run).background]).toEqual(['mixed', 'mixed-insisted'])
})

test('slices of a calibration and of a warm-up are cut into both arms', () => {
  const slices = runSlices({ seconds: 60, rate: 50, canary: { ms: 20 }, old: { ms: 20 } }).map((one) => ({
    ...one,
    warmup: one.second < 35,
  }))
  expect(timelineOf(slices, ARMS)).toHaveLength(25)
  expect(timelineOf(slices, ARMS, 'warmup')).toHaveLength(35)
  expect(findSteady(timelineOf(slices, ARMS, 'warmup'), 0.5).isSteady).toBe(true)
  expect(calibrate(timelineOf(slices, ARMS), { quantiles: [], resamples: 50, draw: createDraw('x') })).toHaveProperty(
    'calibration.seconds',
    25,
  )
})
