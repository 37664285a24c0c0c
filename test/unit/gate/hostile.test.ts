// Whatever a driver, a file or a metrics server hands over: a verdict, never an exception, never a pass from nothing.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Calibration, PrometheusAnswer } from '../../../src/domain/evidence.ts'
import type { FailureClass, Slice } from '../../../src/domain/slice.ts'
import { failuresOf } from '../../../src/domain/slice.ts'
import { judge, judgeRequests } from '../../../src/gate/judge.ts'
import { clauses, evidenceOf, histogramOf, planOf } from './helpers.ts'

const CLAUSES = clauses(
  'p50 <= baseline + 10%',
  'p99.9 <= baseline + 15% or + 5ms',
  'slow <= baseline + 1pp',
  'errors <= baseline + 0.1pp',
  'errors < 1%',
  'p95 < 300ms',
  'max < 10s',
  'rps >= 98% of offered',
  'rps >= 1/s',
  'slow < 50%',
  'restart.lost = 0',
  'capacity >= 90% of baseline',
  'p95 <= last 3 passes + 10%',
)

const CLASSES: readonly FailureClass[] = ['refused', 'status', 'shed', 'closed', 'unfinished', 'first-byte-timeout']
const anySlice = fc
  .record({
    second: fc.nat(70),
    target: fc.constantFrom('new', 'old', 'other'),
    latencies: fc.array(fc.constantFrom(0, 0.001, 1, 20, 21, 300, 9_000, 1e9), { maxLength: 8 }),
    failure: fc.option(fc.tuple(fc.constantFrom(...CLASSES), fc.nat(5))),
    lag: fc.constantFrom(0.1, 1, 50, 5_000),
    missing: fc.constantFrom(0, 0, 0, 0, 1),
    warmup: fc.boolean(),
  })
  .map(({ second, target, latencies, failure, lag, missing, warmup }): Slice => {
    const failures = failure === null ? {} : { [failure[0]]: failure[1] }
    const count = latencies.length + (failure?.[1] ?? 0)
    const histogram = histogramOf(latencies)
    return {
      ...{ version: 1, second, target, scenario: 's', offered: count + missing, sent: count, done: latencies.length, failures, bytes: 0 },
      ...{ response: histogram, service: histogram, lag: histogramOf(Array.from({ length: count }, () => lag)), warmup },
    }
  })
const calibration: Calibration = {
  ...{ version: 1, seconds: 60, blockSeconds: 5, ratePerArm: 5, autocorrelation: 0.1, slowAboveMs: 100 },
  ...{ quantiles: { '0.5': { theta: 0.01, se: 0.02, oldMs: 20 } }, slow: { share: 0.01, se: 0.01 }, errors: { share: 0, se: 0.001 } },
}

test('any slices give a verdict that JSON can carry, and a pass only from answers', () => {
  fc.assert(
    fc.property(
      fc.array(anySlice, { maxLength: 120 }),
      fc.subarray([...CLAUSES]),
      fc.constantFrom(null, calibration),
      fc.nat(2),
      fc.constantFrom(1, 5, 20),
      (slices, asked, known, extend, blockSeconds) => {
        const plan = planOf({ clauses: asked, resamples: 20, atLeastSeconds: 10, atMostSeconds: 40, extend, blockSeconds })
        const evidence = evidenceOf({ plan, slices, calibration: known, extensions: extend, restart: { sent: 5, lost: 0, losses: [] } })
        const report = judgeRequests(evidence)
        expect(JSON.parse(JSON.stringify(report))).toEqual(report)
        expect(report.reason).not.toMatch(/NaN|undefined|null|Infinity/)
        for (const clause of report.clauses) expect(clause.sentence).not.toMatch(/NaN|undefined|null|Infinity/)
        if (report.verdict !== 'pass') return
        const measured = slices.filter((one) => one.warmup !== true && one.target === 'new')
        expect(measured.reduce((sum, one) => sum + one.done + failuresOf(one), 0)).toBeGreaterThan(0)
        expect(asked.length).toBeGreaterThan(0)
        expect(report.clauses.filter((one) => one.mode === 'gate').every((one) => one.verdict === 'pass')).toBe(true)
      },
    ),
    { numRuns: 200 },
  )
})

test('the order of slices does not matter, nor how they are split over scenarios', () => {
  fc.assert(
    fc.property(fc.array(anySlice, { minLength: 20, maxLength: 80 }), fc.integer(), (slices, rotate) => {
      const plan = planOf({
        clauses: clauses('p50 <= baseline + 10%', 'errors < 1%'),
        resamples: 20,
        atLeastSeconds: 10,
        atMostSeconds: 40,
      })
      const at = Math.abs(rotate) % slices.length
      const turned = [...slices.slice(at), ...slices.slice(0, at)]
      expect(judgeRequests(evidenceOf({ plan, slices: turned }))).toEqual(judgeRequests(evidenceOf({ plan, slices })))
    }),
    { numRuns: 60 },
  )
})

test('any answer of a metrics server gives a verdict, and a pass only from numbers within the limit', () => {
  const value = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0))
  const series = fc.record({
    labels: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
    value,
    ageMs: fc.double({ min: -1e6, max: 1e9, noNaN: true }),
  })
  const answer: fc.Arbitrary<PrometheusAnswer> = fc.oneof(
    fc.record({ kind: fc.constant('series' as const), series: fc.array(series, { maxLength: 4 }), warnings: fc.constant([]) }),
    fc.record({ kind: fc.constant('failed' as const), why: fc.string() }),
  )
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 3 }), fc.constantFrom('value < 1', 'value >= -5', 'value = 0'), (answers, text) => {
      const report = judge(
        { name: 'g', pass: clauses(text) },
        {
          kind: 'prometheus',
          onEmpty: 'invalid',
          staleMs: 60_000,
          burn: null,
          answers: answers.map((one) => ({ window: null, answer: one })),
        },
      )
      if (report.verdict !== 'pass') return
      expect(answers.length).toBeGreaterThan(0)
      for (const one of answers) {
        if (one.kind === 'failed') throw new Error('a failed answer passed')
        expect(one.series.length).toBeGreaterThan(0)
        for (const { value: seen, ageMs } of one.series) {
          expect(ageMs).toBeLessThanOrEqual(60_000)
          expect(text === 'value < 1' ? seen < 1 : text === 'value >= -5' ? seen >= -5 : seen === 0).toBe(true)
        }
      }
    }),
    { numRuns: 300 },
  )
})
