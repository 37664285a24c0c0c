// What can be decided in the time given, before anything is touched (load-and-gates.md, 7.4).
import { describe, expect, test } from 'vitest'
import type { ClauseMode } from '../../../src/domain/clause.ts'
import type { Calibration } from '../../../src/domain/evidence.ts'
import type { GateSettings } from '../../../src/domain/gate.ts'
import { DEFAULT_CONFIDENCE } from '../../../src/domain/gate.ts'
import { errorSampleSize, type NeedContext, needOf } from '../../../src/gate/needs.ts'
import { type PlanningContext, planning, unanswerable } from '../../../src/gate/planner.ts'
import { clause, clauses, settingsOf } from './helpers.ts'

const GIVEN: NeedContext = {
  confidence: DEFAULT_CONFIDENCE,
  extend: 0,
  atLeastSeconds: 75,
  atMostSeconds: 300,
  ratePerArm: 100,
  calibration: { plannedSeconds: 120 },
}
const load = (more: Partial<NeedContext> & { readonly hasProbe?: boolean } = {}): PlanningContext => ({
  kind: 'load',
  hasProbe: true,
  ...GIVEN,
  ...more,
})
const CLOSED: PlanningContext = { kind: 'closed', hasProbe: true }
const smallest = (text: string, more: Partial<NeedContext> = {}) =>
  needOf(clause(text), { ...GIVEN, ...more })?.smallestMargin ?? Number.NaN

describe('the table of the design', () => {
  test('requests per arm to tell two error rates apart', () => {
    const rows = [
      [0.001, 0.002, 39_000],
      [0.001, 0.003, 13_000],
      [0.001, 0.005, 4_900],
      [0.001, 0.01, 1_800],
      [0.01, 0.02, 3_900],
      [0.0001, 0.001, 17_700],
    ] as const
    for (const [before, after, requests] of rows) expect(Math.abs(errorSampleSize(before, after) / requests - 1)).toBeLessThan(0.03)
  })

  test('at 100/s for 300 s p50 needs about 5 %, p95 about 10 %, p99 almost 50 %', () => {
    expect(smallest('p50 <= baseline + 10%')).toBeCloseTo(0.05, 2)
    expect(smallest('p95 <= baseline + 15%')).toBeGreaterThan(0.08)
    expect(smallest('p95 <= baseline + 15%')).toBeLessThan(0.11)
    expect(smallest('p99 <= baseline + 25%')).toBeGreaterThan(0.4)
    expect(smallest('p99 <= baseline + 25%')).toBeLessThan(0.55)
  })

  test('without a calibration +10 % can never be decided at the usual difference between hosts', () => {
    const need = needOf(clause('p50 <= baseline + 10%'), { ...GIVEN, calibration: null })
    expect(need).toMatchObject({ seconds: Number.POSITIVE_INFINITY, isHostBound: true })
    const ignoring = { ...GIVEN, calibration: null, confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' as const } }
    expect(needOf(clause('p50 <= baseline + 10%'), ignoring)?.seconds).toBeLessThan(120)
  })
})

test('a larger margin, a higher rate and a longer calibration never need more time', () => {
  for (const q of ['p50', 'p90', 'p95', 'p99', 'p99.9']) {
    const seconds = (margin: number, more: Partial<NeedContext> = {}) =>
      needOf(clause(`${q} <= baseline + ${margin}%`), { ...GIVEN, ...more })?.seconds ?? Number.NaN
    expect(seconds(40)).toBeLessThanOrEqual(seconds(20))
    expect(seconds(40, { ratePerArm: 400 })).toBeLessThanOrEqual(seconds(40))
    expect(seconds(40, { calibration: { plannedSeconds: 600 } })).toBeLessThanOrEqual(seconds(40))
  }
})

test('a calibration of this very service replaces the model', () => {
  const calibration: Calibration = {
    ...{ version: 1, seconds: 120, blockSeconds: 5, ratePerArm: 100, autocorrelation: 0, slowAboveMs: 100 },
    quantiles: { '0.99': { theta: 0.01, se: 0.02, oldMs: 90 }, '0.5': { theta: 0, se: 0.3, oldMs: 20 } },
    ...{ slow: { share: 0.01, se: 0.0005 }, errors: { share: 0.001, se: 0.0003 } },
  }
  expect(needOf(clause('p99 <= baseline + 15%'), { ...GIVEN, calibration })).toMatchObject({ guess: null })
  expect(needOf(clause('p99 <= baseline + 15%'), { ...GIVEN, calibration })?.seconds).toBeLessThan(300)
  expect(needOf(clause('p50 <= baseline + 10%'), { ...GIVEN, calibration })?.seconds).toBeGreaterThan(300)
  expect(needOf(clause('p99 <= baseline + 20ms'), { ...GIVEN, calibration })).not.toBeNull()
  expect(needOf(clause('p99 <= baseline + 20ms'), GIVEN)).toBeNull()
})

describe('absolute clauses', () => {
  const single = { ...GIVEN, atLeastSeconds: 30, atMostSeconds: 30 }
  test('no error in 3,000 requests says less than 0.1 %, ten requests must lie beyond p99.9', () => {
    expect(needOf(clause('errors < 0.1%'), single)?.requests).toBe(2995)
    expect(needOf(clause('p99.9 < 1s'), single)).toMatchObject({ requests: 10_000, seconds: 100 })
    expect(needOf(clause('p95 < 300ms'), single)?.requests).toBe(200)
  })
})

describe('what is said', () => {
  const said = (settings: Partial<GateSettings>, context: PlanningContext) => planning(settingsOf(settings), context)

  test('the defaults are decidable in five minutes at 100/s', () => {
    const { problems, clauses: planned } = said(
      {
        pass: clauses(
          'errors < 0.5%',
          'p95 < 300ms',
          'rps >= 98% of offered',
          'p50 <= baseline + 10%',
          'p95 <= baseline + 15% or + 5ms',
          'slow <= baseline + 1pp',
          'errors <= baseline + 0.1pp',
        ),
      },
      load(),
    )
    expect(problems).toEqual([])
    expect(planned).toHaveLength(7)
    expect(planned.every((one) => one.isDecidable)).toBe(true)
  })

  test('an undecidable clause is refused with what would suffice', () => {
    const { problems } = said({ pass: clauses('p99 <= baseline + 35%') }, load())
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(
      /^p99 <= baseline \+ 35% cannot be decided in 5 min at 100\/s: plan about \d+(\.\d)? (min|h), or allow \+ \d+%, or use the slow share/,
    )
    expect(said({ pass: clauses('p99 <= baseline + 5%') }, load()).problems[0]).toContain('calibrate for longer')
    expect(said({ pass: clauses('errors < 0.001%') }, load()).problems[0]).toMatch(/plan about \d+(\.\d)? min, or \d+\/s/)
  })

  test('one that only warns is warned of', () => {
    const { problems, warnings } = said({ pass: clauses('p50 <= baseline + 10%', ['p99.9 <= baseline + 10%', 'warn']) }, load())
    expect(problems).toEqual([])
    expect(warnings.join()).toContain('p99.9')
  })

  test.each([
    [
      'a comparison without a baseline',
      {
        source: { kind: 'load', load: 'x', at: { kind: 'canary' }, when: 'isolated', baseline: null },
        pass: clauses('p50 <= baseline + 10%'),
      },
      load(),
      /has no `against/,
    ],
    ['a comparison in the closed model', { pass: clauses('p50 <= baseline + 10%') }, CLOSED, /pairs of arrivals/],
    ['a share of what was offered in the closed model', { pass: clauses('rps >= 98% of offered') }, CLOSED, /offers nothing/],
    ['slow without a calibration', { pass: clauses('slow <= baseline + 1pp') }, load({ calibration: null }), /needs a calibration/],
    ['a margin finer than the histogram', { pass: clauses('p50 <= baseline + 1%') }, load(), /steps of 1 %/],
    ['a query in a load gate', { pass: clauses('value < 1') }, load(), /Prometheus query/],
    ['nothing asked of a load', { pass: [] }, load(), /nothing is asked/],
    [
      'latency of a query',
      {
        source: { kind: 'prometheus', url: 'http://p', query: 'up', onEmpty: 'invalid', burn: null, staleMs: 1 },
        pass: clauses('p95 < 1s'),
      },
      { kind: 'other' },
      /judged by `value/,
    ],
    [
      'nothing asked of a query',
      { source: { kind: 'prometheus', url: 'http://p', query: 'up', onEmpty: 'invalid', burn: null, staleMs: 1 }, pass: [] },
      { kind: 'other' },
      /nothing is asked/,
    ],
    [
      'clauses of a command',
      { source: { kind: 'command', run: 'x', timeoutMs: 1 }, pass: clauses('errors = 0') },
      { kind: 'other' },
      /exit code decides/,
    ],
  ] as const satisfies readonly (readonly [string, Partial<GateSettings>, PlanningContext, RegExp])[])(
    '%s is refused',
    (_, settings, context, problem) => {
      expect(said(settings, context).problems.join()).toMatch(problem)
    },
  )

  const source = { kind: 'load', load: 'x', at: { kind: 'canary' }, when: 'isolated' } as const
  const PEER = { ...source, baseline: { kind: 'drained-peer', restart: false, insist: false } } as const

  test('requests lost in restarts need a probe that sees them', () => {
    expect(said({ pass: clauses('restart.lost = 0') }, load({ hasProbe: false })).problems).toEqual([
      'restart.lost = 0: no probe watches the restarts; set `rollout.probe`',
    ])
    expect(said({ pass: clauses('restart.lost = 0') }, load()).problems).toEqual([])
  })

  test('bursts go to a pair that serves nobody, and to no other', () => {
    const capacity = clauses('capacity >= 95% of baseline')
    const serving = { ...source, when: 'serving', baseline: { ...PEER.baseline, kind: 'in-rotation' } } as const
    expect(said({ source: PEER, pass: capacity }, load()).problems).toEqual([])
    for (const other of [serving, { ...PEER, when: 'serving' }, { ...PEER, baseline: null }] as const)
      expect(said({ source: other, pass: capacity }, load()).problems.join()).toMatch(/both hosts must be out of rotation/)
  })

  test('by hand nothing is restarted and nobody taken out of rotation: what only a rollout can answer is refused, what warns is not', () => {
    const alone = (...texts: readonly (string | readonly [string, ClauseMode])[]) =>
      unanswerable(settingsOf({ source: PEER, pass: clauses(...texts) }), load(), 'alone')
    expect(alone('restart.lost = 0').join()).toContain('only a rollout restarts hosts')
    expect(alone('capacity >= 95% of baseline').join()).toContain('only a rollout takes them out')
    expect(alone(['restart.lost = 0', 'warn'], ['capacity >= 95% of baseline', 'shadow'], 'errors < 1%')).toEqual([])
    // It may be decided or not: that is for the data to say.
    expect(alone('p99 <= baseline + 5%')).toEqual([])
  })

  test('where only time lacks, nobody is told to allow less than is allowed', () => {
    const [problem] = said({ pass: clauses('p95 <= baseline + 50%') }, load({ atLeastSeconds: 20, atMostSeconds: 20 })).problems
    expect(problem).toMatch(/^p95 <= baseline \+ 50% cannot be decided in 20 s at 100\/s: plan about 60 s( \(|$)/)
  })

  test('compared errors without a calibration: enough where nothing fails, and how many it takes where the old release fails a little', () => {
    const settings = { source: PEER, pass: clauses('errors <= baseline + 0.1pp') }
    const { problems, warnings } = said(settings, load({ calibration: null }))
    expect(problems).toEqual([])
    expect(warnings).toEqual([
      expect.stringMatching(
        /^errors <= baseline \+ 0\.1pp: where the old release fails in 0\.1 % of its requests about 39\d00 requests for each/,
      ),
    ])
    expect(said(settings, load({ calibration: null, ratePerArm: 200 })).warnings).toEqual([])
    expect(said(settings, load({ calibration: null, ratePerArm: 10 })).problems).toHaveLength(1)
  })

  test('the result of another tool has no calibration: what hosts differ by anyway cannot be compared', () => {
    const imported = { source: { kind: 'import', format: 'k6', path: 'k6.json' }, pass: clauses('p50 <= baseline + 10%') } as const
    const every = {
      ...{ quantiles: null, canCountErrors: true, canMeasureLatency: true, hasArms: true, knowsOffered: true },
      ...{ isClosedModel: false, hidesRetries: false },
    }
    const context: PlanningContext = { kind: 'import', level: 'A', capabilities: every }
    expect(said(imported, context).problems).toEqual([
      expect.stringMatching(
        /^p50 <= baseline \+ 10% cannot be decided: hosts differ by about 5 %.*host_effect with evidence, or allow \+ 16%$/,
      ),
    ])
    expect(said({ ...imported, pass: clauses('p50 <= baseline + 20%', 'errors <= baseline + 1pp') }, context).problems).toEqual([])
    const alike = { ...imported, confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' as const } }
    expect(said(alike, context).problems).toEqual([])
  })

  test('what an import cannot support is refused before anything runs', () => {
    const capabilities = {
      quantiles: [0.5],
      canCountErrors: true,
      canMeasureLatency: true,
      hasArms: false,
      knowsOffered: false,
      isClosedModel: false,
      hidesRetries: false,
    }
    const source = { kind: 'import', format: 'k6', path: 'k6.json' } as const
    expect(said({ source, pass: clauses('p95 < 1s', 'errors < 1%') }, { kind: 'import', level: 'C', capabilities }).problems).toEqual([
      expect.stringContaining('does not say p95'),
    ])
  })
})
