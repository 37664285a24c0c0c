// A whole gate over requests: what passes, what fails, what cannot say, what cannot be trusted, and when it stops.
import { describe, expect, test } from 'vitest'
import { failuresOf, type Slice } from '../../../src/domain/slice.ts'
import { secondOf } from '../../../src/gate/blocks.ts'
import { calibrate } from '../../../src/gate/calibration.ts'
import { judge, judgeRequests } from '../../../src/gate/judge.ts'
import { createDraw } from '../../../src/gate/random.ts'
import { measuredSeconds } from '../../../src/gate/seconds.ts'
import { createWatch } from '../../../src/gate/watch.ts'
import { type Arm, clauses, evidenceOf, planOf, runSlices, slice } from './helpers.ts'

const RELATIVE = clauses('p50 <= baseline + 10%', 'p95 <= baseline + 15%', 'errors <= baseline + 0.5pp')
const fast = { ms: 20 }

describe('new against old', () => {
  test('an equal release passes early, and says so with its interval', () => {
    const report = judgeRequests(
      evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices: runSlices({ seconds: 120, rate: 100, canary: fast, old: fast }) }),
    )
    expect(report).toMatchObject({ verdict: 'pass', stoppedBy: 'look', look: { of: 4 } })
    expect(report.look?.seconds).toBeLessThan(120)
    expect(report.clauses.map((one) => one.verdict)).toEqual(['pass', 'pass', 'pass'])
    expect(report.clauses[1]?.sentence).toMatch(
      /^canary p95 [+-]\d+(\.\d)? % \([+-]?[\d.]+ to [+-]?[\d.]+\), allowed \+15 %: PASS at look \d of 4, \d+ s$/,
    )
    expect(report.targets.map((target) => target.name)).toEqual(['new', 'old'])
  })

  test('a release that is 20 % slower fails at the first look', () => {
    const report = judgeRequests(
      evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices: runSlices({ seconds: 120, rate: 100, canary: { ms: 24 }, old: fast }) }),
    )
    expect(report).toMatchObject({ verdict: 'fail', stoppedBy: 'look', look: { at: 1, seconds: 30 } })
    expect(report.reason).toMatch(/^canary p50 \+\d/)
    expect(report.reason).toMatch(/allowed \+10 %: FAIL at look 1 of 4, 30 s/)
  })

  test('a release that is measurably slower within the margin passes, and the report says so', () => {
    const slices = runSlices({ seconds: 300, rate: 200, canary: { ms: 20.8 }, old: fast })
    const report = judgeRequests(
      evidenceOf({
        plan: planOf({ clauses: clauses('p50 <= baseline + 10%', 'errors < 1%'), arms: { canary: ['new'], old: ['old'] } }),
        slices,
      }),
    )
    expect(report.verdict).toBe('pass')
    expect(report.clauses[0]?.sentence).toMatch(/^canary p50 slower by \d(\.\d)? % \([\d.]+ to [\d.]+\), allowed \+10 %: PASS/)
    expect(report.reason).toContain('slower by')
  })

  test('too few requests cannot say', () => {
    const slices = runSlices({ seconds: 120, rate: 1, canary: fast, old: fast })
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices }))
    expect(report).toMatchObject({ verdict: 'inconclusive', stoppedBy: 'look' })
    expect(report.reason).toMatch(/INCONCLUSIVE/)
  })

  test('no failure on either side is no proof while requests are few', () => {
    const slices = runSlices({ seconds: 120, rate: 5, canary: fast, old: fast })
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('errors <= baseline + 0.1pp') }), slices }))
    expect(report.verdict).toBe('inconclusive')
    expect(report.clauses[0]?.high ?? 0).toBeGreaterThan(0.001)
  })

  test('3 % of slow requests are found by the share of slow ones', () => {
    const arms = { rate: 100, old: fast }
    const timeline = measuredSeconds(runSlices({ ...arms, seconds: 60, canary: fast, seed: 5 }), []).map(({ slices: [canary, old] }) => ({
      canary: secondOf(canary === undefined ? [] : [canary], 'service'),
      old: secondOf(old === undefined ? [] : [old], 'service'),
    }))
    const calibrated = calibrate(timeline, { quantiles: [], resamples: 300, draw: createDraw('c') })
    if ('problem' in calibrated) throw new Error(calibrated.problem)
    const slices = runSlices({ ...arms, seconds: 120, canary: { ms: 20, slow: 0.03 } })
    const plan = planOf({ clauses: clauses('p50 <= baseline + 10%', 'slow <= baseline + 1pp') })
    const report = judgeRequests(evidenceOf({ plan, slices, calibration: calibrated.calibration }))
    expect(report.verdict).toBe('fail')
    expect(report.reason).toMatch(/^canary slow \+\d/)
    expect(report.clauses.map((one) => one.verdict)).toEqual(['pass', 'fail'])
  })

  test('the looser of two margins counts', () => {
    const slices = runSlices({ seconds: 120, rate: 100, canary: { ms: 3 }, old: { ms: 2 } })
    expect(judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p95 <= baseline + 15%') }), slices })).verdict).toBe('fail')
    expect(judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p95 <= baseline + 15% or + 5ms') }), slices })).verdict).toBe('pass')
  })

  test('a canary that fails fast does not look faster', () => {
    const slices = runSlices({ seconds: 120, rate: 100, canary: { ms: 5, failing: 0.04 }, old: fast })
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p99 <= baseline + 50%') }), slices }))
    expect(report).toMatchObject({ verdict: 'fail', clauses: [{ estimate: expect.any(Number) }] })
    expect(report.reason).toContain('> timeout')
  })

  test('two releases that are equally broken are no reason to pass', () => {
    const broken = { ms: 20, failing: 0.03 }
    const slices = runSlices({ seconds: 120, rate: 100, canary: broken, old: broken })
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p99 <= baseline + 50%') }), slices }))
    expect(report.verdict).toBe('invalid')
    expect(report.reason).toContain('the old release fails too')
  })

  test('a release that did not settle is not failed for its latency, but may pass', () => {
    const steady = { isSteady: false, afterSeconds: null }
    const of = (ms: number, slices = runSlices({ seconds: 120, rate: 100, canary: { ms }, old: fast })) =>
      judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p50 <= baseline + 10%') }), slices, steady }))
    expect(of(30)).toMatchObject({ verdict: 'inconclusive', reason: expect.stringContaining('did not settle') })
    expect(of(20).verdict).toBe('pass')
  })

  test('under another background load latency only warns, unless somebody insists', () => {
    const slices = runSlices({ seconds: 120, rate: 100, canary: { ms: 26 }, old: fast })
    const of = (background: 'mixed' | 'mixed-insisted') =>
      judgeRequests(
        evidenceOf({
          plan: planOf({ clauses: clauses('p50 <= baseline + 10%', 'errors < 5%'), arms: { canary: ['new'], old: ['old'] }, background }),
          slices,
        }),
      )
    const report = of('mixed')
    expect(report).toMatchObject({
      verdict: 'pass',
      clauses: [
        { mode: 'warn', verdict: 'fail' },
        { mode: 'gate', verdict: 'pass' },
      ],
    })
    expect(report.warnings.join()).toContain('FAIL')
    expect(of('mixed-insisted').verdict).toBe('fail')
  })

  test('swapped arms give the opposite estimate', () => {
    const slices = runSlices({ seconds: 60, rate: 100, canary: { ms: 22 }, old: fast })
    const of = (arms: { readonly canary: readonly string[]; readonly old: readonly string[] }) =>
      judgeRequests(
        evidenceOf({ plan: planOf({ clauses: clauses('p50 <= baseline + 50%'), arms, atLeastSeconds: 60, atMostSeconds: 60 }), slices }),
      ).clauses[0]?.estimate ?? Number.NaN
    const [there, back] = [of({ canary: ['new'], old: ['old'] }), of({ canary: ['old'], old: ['new'] })]
    expect((1 + there) * (1 + back)).toBeCloseTo(1, 9)
  })
})

describe('warn and shadow', () => {
  test('a clause that only warns never stops a rollout, and is reported', () => {
    const slices = runSlices({ seconds: 30, rate: 100, canary: fast })
    const plan = planOf({
      clauses: clauses('p95 < 300ms', ['p50 < 1ms', 'warn'], ['p50 < 2ms', 'shadow']),
      atLeastSeconds: 30,
      atMostSeconds: 30,
    })
    const report = judgeRequests(evidenceOf({ plan, slices }))
    expect(report.verdict).toBe('pass')
    expect(report.clauses.map((one) => one.verdict)).toEqual(['pass', 'fail', 'fail'])
    expect(report.warnings).toHaveLength(1)
    expect(report.warnings[0]).toMatch(/^p50 .*allowed < 1 ms: FAIL/)
  })

  test('where everything is shadow it measures to the end, and passes only what was measured', () => {
    const plan = planOf({ clauses: clauses(['p50 < 1ms', 'shadow']) })
    expect(judgeRequests(evidenceOf({ plan, slices: runSlices({ seconds: 120, rate: 10, canary: fast }) }))).toMatchObject({
      verdict: 'pass',
      look: { seconds: 120 },
    })
    expect(judgeRequests(evidenceOf({ plan, slices: [] })).verdict).toBe('invalid')
  })
})

describe('stops before the end', () => {
  test('errors over 5 % for 10 s fail at once', () => {
    const slices = runSlices({ seconds: 120, rate: 20, canary: { ms: 20, failing: 0.3 }, old: fast })
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p50 <= baseline + 10%') }), slices }))
    expect(report).toMatchObject({ verdict: 'fail', stoppedBy: 'hard-stop', look: null })
    expect(report.reason).toMatch(/% of the new release's requests failed for 10 s/)
  })

  test('a burst of errors in one second is not errors for ten seconds', () => {
    const slices = runSlices({ seconds: 120, rate: 20, canary: fast }).map((one) => {
      if (one.second % 40 !== 20) return one
      return slice({ second: one.second, target: 'new', failures: { status: 20 } })
    })
    expect(judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p50 < 300ms'), atLeastSeconds: 120 }), slices }))).toMatchObject({
      verdict: 'pass',
      stoppedBy: 'look',
    })
  })

  test('a dead target is stopped at a low rate too', () => {
    const slices = Array.from({ length: 60 }, (_, index) => slice({ second: 2 * index, target: 'new', failures: { refused: 1 } }))
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses('p50 < 300ms'), ratePerArm: 0.5 }), slices }))
    expect(report).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('has not answered one of') })
    expect(report.targets[0]?.offered ?? 0).toBeLessThan(10)
  })

  test('a median five times the old one in three blocks fails at once', () => {
    const slices = runSlices({ seconds: 120, rate: 20, canary: { ms: 200 }, old: fast })
    const plan = planOf({ clauses: clauses('errors <= baseline + 1pp'), atLeastSeconds: 120 })
    expect(judgeRequests(evidenceOf({ plan, slices }))).toMatchObject({
      verdict: 'fail',
      stoppedBy: 'hard-stop',
      reason: expect.stringMatching(/times the old one's in 3 blocks/),
    })
  })

  test('where the old release fails as well, it stops and blames nobody', () => {
    const broken = { ms: 20, failing: 0.3 }
    const slices = runSlices({ seconds: 120, rate: 20, canary: broken, old: broken })
    expect(judgeRequests(evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices }))).toMatchObject({
      verdict: 'invalid',
      reason: expect.stringContaining('nothing can be compared'),
    })
  })

  test('a small excess of errors is proven between the looks', () => {
    const slices = runSlices({ seconds: 120, rate: 200, canary: { ms: 20, failing: 0.02 }, old: { ms: 20, failing: 0.001 } })
    const plan = planOf({ clauses: clauses('errors <= baseline + 0.1pp'), atLeastSeconds: 120, atMostSeconds: 120 })
    const report = judgeRequests(evidenceOf({ plan, slices }))
    expect(report).toMatchObject({ verdict: 'fail', stoppedBy: 'errors' })
    expect(report.reason).toMatch(/proven after \d\d s/)
  })

  test('a load that was stopped to protect the service fails', () => {
    const slices = runSlices({ seconds: 20, rate: 100, canary: fast })
    const plan = planOf({ clauses: clauses('p95 < 300ms') })
    expect(judgeRequests(evidenceOf({ plan, slices, aborted: 'errors above 5 % for 10 s' }))).toMatchObject({
      verdict: 'fail',
      stoppedBy: 'hard-stop',
    })
  })

  describe('the brake', () => {
    const brake = 'safety.abort_if (errors > 5% for 10s) in second 12: 40 of 100 requests that ended on new had failed'
    const plan = planOf({ clauses: clauses('p95 < 300ms') })
    const warmup = (slices: readonly Slice[]) => slices.map((one) => ({ ...one, warmup: true }))

    test('in the warm-up, or before anything was told, fails and is named', () => {
      const failing = warmup(runSlices({ seconds: 2, rate: 100, canary: { ms: 20, failing: 0.4, as: 'refused' } }))
      for (const slices of [[], failing]) {
        const report = judgeRequests(evidenceOf({ plan, slices, aborted: brake, distrust: ['new never answered'] }))
        expect(report).toMatchObject({ verdict: 'fail', stoppedBy: 'hard-stop', reason: expect.stringContaining(brake) })
      }
    })

    test('is not passed over by a look of the same second', () => {
      const slices = runSlices({ seconds: 120, rate: 100, canary: fast })
      expect(judgeRequests(evidenceOf({ plan, slices })).verdict).toBe('pass')
      expect(judgeRequests(evidenceOf({ plan, slices, aborted: brake }))).toMatchObject({ verdict: 'fail' })
    })

    test('that a late generator may have pulled is invalid; its lateness is no excuse for a status', () => {
      const of = (as: 'status' | 'first-byte-timeout') => {
        const slices = runSlices({ seconds: 20, rate: 100, canary: { ms: 60, failing: 0.4, as } })
        return judgeRequests(
          evidenceOf({ plan, slices: slices.map((one) => ({ ...one, lag: [[930, one.offered]] as const })), aborted: brake }),
        )
      }
      expect(of('first-byte-timeout')).toMatchObject({
        verdict: 'invalid',
        reason: expect.stringMatching(/abort_if .*; but the generator sent too late/),
      })
      expect(of('status')).toMatchObject({ verdict: 'fail' })
    })
  })

  describe('the warm-up', () => {
    const plan = planOf({ clauses: RELATIVE })
    const of = (failingSeconds: number, canary: Arm, old: Arm = fast) => {
      const bad = runSlices({ seconds: failingSeconds, rate: 20, canary, old })
      const good = runSlices({ seconds: 15 - failingSeconds, rate: 20, canary: fast, old: fast, from: failingSeconds })
      const measured = runSlices({ seconds: 120, rate: 100, canary: fast, old: fast, from: 15 })
      return judgeRequests(evidenceOf({ plan, slices: [...[...bad, ...good].map((one) => ({ ...one, warmup: true })), ...measured] }))
    }

    test('is watched by the hard stop on errors, with the numbers of the warm-up', () => {
      const report = of(12, { ms: 20, failing: 1 })
      expect(report).toMatchObject({
        verdict: 'fail',
        stoppedBy: 'hard-stop',
        reason: expect.stringMatching(/failed for 10 s, in the warm-up$/),
      })
      expect(report.targets[0]).toMatchObject({ name: 'new', offered: 200, errors: { status: 200 } })
    })

    test('where the old release fails too, or nothing answers, blames nobody', () => {
      expect(of(12, { ms: 20, failing: 1 }, { ms: 20, failing: 1 })).toMatchObject({ verdict: 'invalid' })
      expect(of(12, { ms: 20, failing: 1, as: 'refused' })).toMatchObject({
        verdict: 'invalid',
        reason: expect.stringContaining('has not answered'),
      })
    })

    test('may be bad for a moment, and slow: it is out of the statistics', () => {
      expect(of(5, { ms: 20, failing: 1 })).toMatchObject({ verdict: 'pass' })
      expect(of(15, { ms: 2_000 })).toMatchObject({ verdict: 'pass' })
    })
  })

  test('a release that answers 500 to everything fails; one that answers nothing was not measured', () => {
    const plan = planOf({ clauses: clauses('p95 < 300ms') })
    const of = (as: 'status' | 'refused') =>
      judgeRequests(evidenceOf({ plan, slices: runSlices({ seconds: 120, rate: 20, canary: { ms: 1, failing: 1, as } }) }))
    expect(of('status').verdict).toBe('fail')
    expect(of('refused')).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('has not answered') })
  })
})

describe('a generator that is too slow', () => {
  const late = (slices: readonly Slice[], every: number): readonly Slice[] =>
    slices.map((one) => (one.second % every === 0 ? { ...one, lag: [[930, one.offered]] as const } : one))

  test('makes the gate invalid and never a fail, whatever was measured', () => {
    const slices = late(runSlices({ seconds: 120, rate: 100, canary: { ms: 60, failing: 0.3 }, old: fast }), 2)
    expect(judgeRequests(evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices }))).toMatchObject({
      verdict: 'invalid',
      reason: expect.stringContaining('sent too late'),
    })
  })

  test('a few late seconds are left out for both arms', () => {
    const slices = late(runSlices({ seconds: 120, rate: 100, canary: fast, old: fast }), 30)
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices }))
    expect(report.verdict).toBe('pass')
    expect(report.validity.maskedSeconds).toBeGreaterThan(0)
  })

  test('a busy processor, requests not sent, requests unaccounted for and unequal arms are each a reason', () => {
    const good = runSlices({ seconds: 60, rate: 100, canary: fast, old: fast })
    const plan = planOf({ clauses: clauses('p95 <= baseline + 50%'), atMostSeconds: 60 })
    const reason = (of: Partial<Parameters<typeof evidenceOf>[0]>) => judgeRequests(evidenceOf({ plan, slices: good, ...of }))
    const generator = Array.from({ length: 60 }, (_, second) => ({ second, cpu: 0.97, loopDelayMs: 1, inFlight: 1, connections: 1 }))
    expect(reason({ generator })).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('of a core') })
    const unsent = good.map((one) => ({ ...one, sent: Math.floor(one.sent * 0.9) }))
    expect(reason({ slices: unsent })).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('fewer than 98 %') })
    const lost = good.map((one) => ({ ...one, offered: one.offered + 1, sent: one.sent + 1 }))
    expect(reason({ slices: lost })).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('not accounted for') })
    const unequal = good.filter((one) => one.target === 'old' || one.second % 10 !== 0)
    expect(reason({ slices: unequal })).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('unequal numbers') })
    expect(reason({ distrust: ['generator gen-2 was lost'] })).toMatchObject({ verdict: 'invalid', reason: 'generator gen-2 was lost' })
  })
})

describe('nothing measured can never pass', () => {
  const loose = clauses('p95 < 10s', 'errors < 99%', 'rps >= 1% of offered', ['p50 < 1s', 'warn'])
  const plan = planOf({ clauses: loose })
  const dead: readonly (readonly [string, Parameters<typeof evidenceOf>[0]])[] = [
    ['no slices', { plan, slices: [] }],
    ['only warm-up', { plan, slices: runSlices({ seconds: 60, rate: 50, canary: fast }).map((one) => ({ ...one, warmup: true })) }],
    ['another target', { plan, slices: runSlices({ seconds: 120, rate: 50, canary: fast }).map((one) => ({ ...one, target: 'other' })) }],
    ['a closed port', { plan, slices: runSlices({ seconds: 120, rate: 50, canary: { ms: 1, failing: 1, as: 'refused' } }) }],
    ['a hung server', { plan, slices: runSlices({ seconds: 120, rate: 50, canary: { ms: 1, failing: 1, as: 'first-byte-timeout' } }) }],
    ['all shed', { plan, slices: runSlices({ seconds: 120, rate: 50, canary: { ms: 1, failing: 1, as: 'shed' } }) }],
    ['an empty second after another', { plan, slices: Array.from({ length: 120 }, (_, second) => slice({ second, target: 'new' })) }],
    [
      'an old release that is not there',
      { plan: planOf({ clauses: RELATIVE }), slices: runSlices({ seconds: 120, rate: 50, canary: fast }) },
    ],
    [
      'an old release that is dead',
      {
        plan: planOf({ clauses: RELATIVE }),
        slices: runSlices({ seconds: 120, rate: 50, canary: fast, old: { ms: 1, failing: 1, as: 'refused' } }),
      },
    ],
    ['no clause', { plan: planOf({ clauses: [] }), slices: [] }],
    [
      'no probe at the restart',
      { plan: planOf({ clauses: clauses('restart.lost = 0') }), slices: runSlices({ seconds: 120, rate: 50, canary: fast }) },
    ],
    [
      'a probe that sent nothing',
      {
        plan: planOf({ clauses: clauses('restart.lost = 0') }),
        slices: runSlices({ seconds: 120, rate: 50, canary: fast }),
        restart: { sent: 0, lost: 0, losses: [] },
      },
    ],
    [
      'no burst',
      {
        plan: planOf({ clauses: clauses('capacity >= 95% of baseline'), arms: { canary: ['new'], old: [] } }),
        slices: runSlices({ seconds: 120, rate: 50, canary: fast }),
        capacity: { bursts: [], distrust: [] },
      },
    ],
    [
      'only a comparison with passes that do not exist',
      { plan: planOf({ clauses: clauses(['p95 <= last 5 passes + 10%', 'gate']) }), slices: [] },
    ],
  ]
  test.each(dead)('%s', (_, evidence) => {
    const report = judge({ name: 'canary', pass: [] }, evidenceOf(evidence))
    expect(report.verdict).toBe('invalid')
    expect(report.reason.length).toBeGreaterThan(10)
  })
})

describe('what else a load gate may ask', () => {
  const slices = runSlices({ seconds: 120, rate: 50, canary: fast })
  const of = (text: string, more: Partial<Parameters<typeof evidenceOf>[0]>) =>
    judgeRequests(evidenceOf({ plan: planOf({ clauses: clauses(text), arms: { canary: ['new'], old: [] } }), slices, ...more }))

  test('requests lost around the restarts', () => {
    expect(of('restart.lost = 0', { restart: { sent: 812, lost: 0, losses: [] } })).toMatchObject({
      verdict: 'pass',
      clauses: [{ source: 'probe', estimate: 0 }],
    })
    const losses = ['2 requests lost 340 ms after SIGTERM on web-2: drain too short']
    expect(of('restart.lost = 0', { restart: { sent: 812, lost: 2, losses } })).toMatchObject({
      verdict: 'fail',
      reason: expect.stringContaining('340 ms after SIGTERM'),
    })
  })

  test('how much the new release carries', () => {
    const bursts = (share: number) =>
      [1000, 1020, 990, 1005].map((old, index) => ({ old, canary: old * share * (1 + (index % 2 === 0 ? 0.002 : -0.002)) }))
    const capacity = (share: number) => ({ capacity: { bursts: bursts(share), distrust: [] } })
    expect(of('capacity >= 95% of baseline', capacity(1))).toMatchObject({ verdict: 'pass', clauses: [{ bound: 0.95, unit: 'ratio' }] })
    expect(of('capacity >= 95% of baseline', capacity(0.8)).verdict).toBe('fail')
    expect(of('capacity >= 95% of baseline', { capacity: { bursts: bursts(1).slice(0, 2), distrust: [] } }).verdict).toBe('inconclusive')
    expect(of('capacity >= 95% of baseline', { capacity: { bursts: bursts(1), distrust: ['a burst lost 3 requests'] } }).verdict).toBe(
      'invalid',
    )
  })

  test('what the last passes measured', () => {
    const passes = [20, 22, 21, 90, 20].map((p50) => ({ at: '2024-01-01T00:00:00Z', quantilesMs: { '0.5': p50 }, errors: 0 }))
    expect(of('p50 <= last 5 passes + 20%', { passes })).toMatchObject({ verdict: 'pass', clauses: [{ bound: 25.2 }] })
    expect(of('p50 <= last 5 passes + 20%', { passes: passes.map((pass) => ({ ...pass, quantilesMs: { '0.5': 10 } })) }).verdict).toBe(
      'fail',
    )
  })

  test('a first pass can be recorded: without any the comparison is only shown', () => {
    const plan = planOf({ clauses: clauses('p50 <= last 5 passes + 20%', 'p95 < 300ms') })
    const report = judgeRequests(evidenceOf({ plan, slices }))
    expect(report).toMatchObject({ verdict: 'pass', clauses: [{ mode: 'warn', verdict: 'inconclusive' }, { verdict: 'pass' }] })
    expect(report.warnings.join()).toContain('the first becomes the measure')
  })
})

describe('live and afterwards', () => {
  const plan = planOf({ clauses: RELATIVE, extend: 1 })
  const slices = runSlices({ seconds: 240, rate: 100, canary: { ms: 21.9 }, old: fast, seed: 3 })
  const facts = evidenceOf({ plan, slices })

  test('stored evidence gives the verdict that was given live, to the last digit', () => {
    const watch = createWatch(plan, null)
    let live = null
    for (const second of measuredSeconds(slices, [])) {
      live = watch.add(second, facts)
      if (live !== null) break
    }
    expect(live).not.toBeNull()
    expect(judgeRequests(evidenceOf({ plan, slices: slices.filter((one) => one.second < (live?.look?.seconds ?? 0)) }))).toEqual(live)
    // Slices come in any order from disk, and more may have been sent before the load stopped.
    expect(judgeRequests(evidenceOf({ plan, slices: [...slices].reverse() }))).toEqual(live)
  })

  test('an extension goes on with what was measured', () => {
    const scarce = runSlices({ seconds: 240, rate: 30, canary: { ms: 21.2 }, old: fast, seed: 5 })
    const tight = planOf({ clauses: clauses('p50 <= baseline + 7%'), extend: 1, atLeastSeconds: 120 })
    const first = judgeRequests(evidenceOf({ plan: tight, slices: scarce }))
    expect(first).toMatchObject({ verdict: 'inconclusive', look: { seconds: 120 } })
    const longer = judgeRequests(evidenceOf({ plan: tight, slices: scarce, extensions: 1 }))
    expect(longer.look?.seconds ?? 0).toBeGreaterThan(120)
    // Never look 2 of 1: the looks of the extension count once it is in one.
    expect(longer.look?.at ?? 0).toBeGreaterThan(first.look?.of ?? 0)
    expect(longer.look?.of ?? 0).toBeGreaterThanOrEqual(longer.look?.at ?? Number.POSITIVE_INFINITY)
    expect(longer.clauses[0]?.sentence).toMatch(/ at look \d+ of \d+ \(extended\), \d+ s/)
    expect(longer.targets[0]?.offered ?? 0).toBeGreaterThan(first.targets[0]?.offered ?? 0)
  })

  test('a run that ends before its first look is judged by what there is', () => {
    const report = judgeRequests(
      evidenceOf({
        plan: planOf({ clauses: clauses('p95 < 300ms', 'errors < 5%') }),
        slices: runSlices({ seconds: 12, rate: 100, canary: fast }),
      }),
    )
    expect(report).toMatchObject({ verdict: 'pass', look: { seconds: 12 } })
  })

  test('warm-up is out of the statistics', () => {
    const cold = runSlices({ seconds: 30, rate: 100, canary: { ms: 900 }, old: fast }).map((one) => ({ ...one, warmup: true }))
    const warm = runSlices({ seconds: 120, rate: 100, canary: fast, old: fast, from: 30 })
    const report = judgeRequests(evidenceOf({ plan: planOf({ clauses: RELATIVE }), slices: [...cold, ...warm] }))
    expect(report.verdict).toBe('pass')
    expect(report.targets[0]?.offered).toBe(
      warm
        .filter((one) => one.target === 'new' && one.second < 30 + (report.look?.seconds ?? 0))
        .reduce((sum, one) => sum + one.done + failuresOf(one), 0),
    )
  })
})
