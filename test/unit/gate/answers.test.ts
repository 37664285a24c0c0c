// Gates that rest on one answer: a query, a burn rate, a command, a person, a file of another tool.
import { describe, expect, test } from 'vitest'
import type {
  CommandEvidence,
  ImportCapabilities,
  ImportEvidence,
  PrometheusAnswer,
  PrometheusEvidence,
} from '../../../src/domain/evidence.ts'
import { DEFAULT_CONFIDENCE } from '../../../src/domain/gate.ts'
import { whyUnsupported } from '../../../src/gate/imports.ts'
import { judge } from '../../../src/gate/judge.ts'
import { clause, clauses, runSlices } from './helpers.ts'

const NONE = { name: 'gate', pass: [] }

describe('prometheus', () => {
  const series = (...values: readonly (readonly [number, Record<string, string>?, number?])[]): PrometheusAnswer => ({
    kind: 'series',
    series: values.map(([value, labels = {}, ageMs = 1000]) => ({ labels, value, ageMs })),
    warnings: [],
  })
  const of = (answer: PrometheusAnswer | null, more: Partial<PrometheusEvidence> = {}, text = 'value < 1') =>
    judge(
      { name: 'slo', pass: clauses(text) },
      {
        kind: 'prometheus',
        onEmpty: 'invalid',
        staleMs: 300_000,
        burn: null,
        answers: answer === null ? [] : [{ window: null, answer }],
        ...more,
      },
    )

  test('a value within the limit passes, beyond it fails', () => {
    expect(of(series([0.3]))).toMatchObject({
      verdict: 'pass',
      reason: 'value 0.3 (the answer), allowed < 1: PASS',
      clauses: [{ source: 'prometheus', bound: 1 }],
    })
    expect(of(series([1]))).toMatchObject({ verdict: 'fail' })
    expect(of(series([99.95]), {}, 'value >= 99.9')).toMatchObject({ verdict: 'pass' })
    expect(of(series([Number.POSITIVE_INFINITY]))).toMatchObject({ verdict: 'fail', reason: expect.stringContaining('Infinity') })
  })

  test('of several series the worst decides, and is named', () => {
    const report = of(series([0.1, { instance: 'a' }], [7, { instance: 'b' }], [3, { instance: 'c' }]))
    expect(report).toMatchObject({ verdict: 'fail', clauses: [{ estimate: 7 }] })
    expect(report.reason).toContain('{instance="b"}, the worst of 3 values')
    expect(of(series([10, { a: '1' }], [2, { a: '2' }]), {}, 'value > 5')).toMatchObject({ verdict: 'fail', clauses: [{ estimate: 2 }] })
  })

  test('no series, not a number and too old are three reasons, and none passes', () => {
    const reasons = [
      of(series()),
      of(series([Number.NaN, { job: 'x' }])),
      of(series([0.1, { job: 'x' }, 600_000])),
      of({ kind: 'failed', why: 'connection refused' }),
      of(null),
    ]
    expect(reasons.map((report) => report.verdict)).toEqual(['invalid', 'invalid', 'invalid', 'invalid', 'invalid'])
    expect(reasons.map((report) => report.clauses[0]?.note)).toEqual([
      'the query answers no series',
      '{job="x"} is not a number (NaN: nothing to divide by?)',
      '{job="x"} is stale: its last sample is 600 s old',
      'connection refused',
      'the query was never asked',
    ])
  })

  test('what an empty answer means can be said, and never means yes', () => {
    expect(of(series(), { onEmpty: 'fail' }).verdict).toBe('fail')
    expect(of(series(), { onEmpty: 'inconclusive' }).verdict).toBe('inconclusive')
    expect(of(series([Number.NaN]), { onEmpty: 'fail' }).verdict).toBe('invalid')
  })

  test('one series that is not a number spoils the others', () => {
    expect(of(series([0.1], [Number.NaN, { shard: '2' }])).verdict).toBe('invalid')
  })

  test('no clause, or one that a query cannot answer, is invalid', () => {
    const answers = [{ window: null, answer: series([0]) }]
    const evidence: PrometheusEvidence = { kind: 'prometheus', onEmpty: 'invalid', staleMs: 1e6, burn: null, answers }
    expect(judge(NONE, evidence).verdict).toBe('invalid')
    expect(judge({ name: 'g', pass: clauses('p95 < 1s') }, evidence).verdict).toBe('invalid')
  })

  describe('burn rate', () => {
    const burn = (rates: Record<string, number | PrometheusAnswer>, windows: 'fast' | 'all' = 'fast') =>
      judge(NONE, {
        ...{ kind: 'prometheus', onEmpty: 'invalid', staleMs: 300_000, burn: { objective: 0.999, windows } },
        answers: Object.entries(rates).map(([window, rate]) => ({ window, answer: typeof rate === 'number' ? series([rate]) : rate })),
      })

    test('both windows of a pair must burn', () => {
      expect(burn({ '1h': 0.02, '5m': 0.03 })).toMatchObject({
        verdict: 'fail',
        reason: expect.stringMatching(/burn 20 over 1h and 30 over 5m, allowed < 14.4: FAIL/),
      })
      expect(burn({ '1h': 0.02, '5m': 0.001 }).verdict).toBe('pass')
      expect(burn({ '1h': 0.001, '5m': 0.5 }).verdict).toBe('pass')
    })

    test('slow burns are seen by the long pairs', () => {
      const quiet = { '1h': 0.001, '5m': 0.001, '6h': 0.001, '30m': 0.001, '3d': 0.0005 }
      expect(burn(quiet, 'all').verdict).toBe('pass')
      expect(burn({ ...quiet, '6h': 0.007, '30m': 0.0065 }, 'all').verdict).toBe('fail')
      expect(burn({ ...quiet, '3d': 0.0011, '6h': 0.0012 }, 'all')).toMatchObject({
        verdict: 'fail',
        reason: expect.stringContaining('3d'),
      })
    })

    test('a window that was not answered is invalid', () => {
      expect(burn({ '1h': 0.001 })).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('the last 5m were not asked for') })
      expect(burn({ '1h': 0.001, '5m': series() }).verdict).toBe('invalid')
      expect(burn({ '1h': Number.NaN, '5m': 0.1 }).verdict).toBe('invalid')
    })
  })
})

describe('command', () => {
  const of = (more: Partial<CommandEvidence>) =>
    judge(NONE, { kind: 'command', run: 'npm run smoke', exitCode: 0, signal: null, how: 'ended', output: [], ...more })

  test('its exit decides', () => {
    expect(of({})).toMatchObject({
      verdict: 'pass',
      reason: 'npm run smoke: exit 0',
      clauses: [{ source: 'command', unit: 'exit', verdict: 'pass' }],
    })
    expect(of({ exitCode: 3 })).toMatchObject({ verdict: 'fail', reason: 'npm run smoke: exit 3' })
  })

  test.each([
    ['not found', { how: 'not-found', exitCode: null }],
    ['not found by the shell', { exitCode: 127 }],
    ['not executable', { exitCode: 126 }],
    ['killed', { exitCode: null, signal: 'SIGKILL' }],
    ['out of time', { how: 'timeout', exitCode: null }],
    ['lost', { how: 'lost', exitCode: null }],
    ['lost although a zero was seen', { how: 'lost', exitCode: 0 }],
  ] as const)('%s has not answered', (_, more) => {
    expect(of(more).verdict).toBe('invalid')
  })
})

test('a person says yes, no or nothing', () => {
  const of = (answer: 'yes' | 'no' | 'unanswered') =>
    judge(NONE, { kind: 'approval', question: 'Ship to everyone?', answer, by: answer === 'unanswered' ? null : 'ann' })
  expect([of('yes').verdict, of('no').verdict, of('unanswered').verdict]).toEqual(['pass', 'fail', 'inconclusive'])
  expect(of('no').reason).toBe('not approved by ann: Ship to everyone?')
})

describe('results of other tools', () => {
  const ALL: ImportCapabilities = {
    quantiles: null,
    canCountErrors: true,
    canMeasureLatency: true,
    hasArms: true,
    knowsOffered: true,
    isClosedModel: false,
    hidesRetries: false,
  }
  const TOTALS: ImportCapabilities = { ...ALL, quantiles: [0.5, 0.95], hasArms: false, knowsOffered: false }

  test('a clause that the source cannot support is refused with the reason', () => {
    expect(whyUnsupported(clause('p95 <= baseline + 10%'), 'C', TOTALS)).toContain('totals only')
    expect(whyUnsupported(clause('p95 <= baseline + 10%'), 'B', ALL)).toContain('intervals only')
    expect(whyUnsupported(clause('p95 <= baseline + 10%'), 'A', { ...ALL, hasArms: false })).toContain('labelled by host')
    expect(whyUnsupported(clause('p95 <= baseline + 10%'), 'A', ALL)).toBeNull()
    expect(whyUnsupported(clause('p99 < 1s'), 'C', TOTALS)).toContain('it says p50, p95')
    expect(whyUnsupported(clause('slow < 1%'), 'C', TOTALS)).toContain('histogram')
    expect(whyUnsupported(clause('errors < 1%'), 'A', { ...ALL, canCountErrors: false })).toContain('leaves failed requests out')
    expect(whyUnsupported(clause('p95 < 1s'), 'C', { ...TOTALS, canMeasureLatency: false })).toContain('not to be trusted')
    expect(whyUnsupported(clause('rps >= 98% of offered'), 'C', TOTALS)).toContain('offered')
    expect(whyUnsupported(clause('restart.lost = 0'), 'A', ALL)).toContain('not in results')
    expect(whyUnsupported(clause('rps >= 10/s'), 'C', TOTALS)).toContain('second by second')
    expect(whyUnsupported(clause('rps >= 10/s'), 'B', { ...ALL, hasSeconds: false })).toContain('second by second')
    expect(whyUnsupported(clause('rps >= 10/s'), 'B', ALL)).toBeNull()
    expect(whyUnsupported(clause('p95 <= last 5 passes + 10%'), 'A', ALL)).toContain('past passes')
    for (const text of ['p95 < 1s', 'errors < 1%', 'max < 1s']) expect(whyUnsupported(clause(text), 'C', TOTALS)).toBeNull()
  })

  const of = (more: Partial<ImportEvidence>) =>
    judge(NONE, {
      ...{
        kind: 'import',
        format: 'k6',
        level: 'C',
        clauses: clauses('p95 < 300ms', 'errors < 1%'),
        confidence: DEFAULT_CONFIDENCE,
        slices: [],
        capabilities: TOTALS,
      },
      totals: { requests: 5_000, failures: 3, seconds: 50, offered: null, quantilesMs: { '0.5': 20, '0.95': 80 }, maxMs: 900 },
      ...{ distrust: [], warnings: [] },
      ...more,
    })

  test('totals are judged without an interval, and so it is said', () => {
    const report = of({})
    expect(report).toMatchObject({
      verdict: 'pass',
      clauses: [
        { source: 'import', estimate: 80, low: null, high: null, note: 'totals only: no interval' },
        { unit: 'share', verdict: 'pass' },
      ],
    })
    expect(of({ clauses: clauses('p95 < 50ms') }).verdict).toBe('fail')
  })

  test('a quantile that leaves failures out says nothing where many failed', () => {
    const totals = { requests: 1_000, failures: 100, seconds: 10, offered: null, quantilesMs: { '0.95': 5 }, maxMs: 10 }
    expect(of({ totals, clauses: clauses('p95 < 300ms') }).verdict).toBe('inconclusive')
  })

  test('an empty file, a truncated one and one that says less than asked are invalid', () => {
    const none = { requests: 0, failures: 0, seconds: 0, offered: null, quantilesMs: {}, maxMs: null }
    expect(of({ totals: none })).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('holds no request') })
    expect(of({ totals: null, slices: [], level: 'A', capabilities: ALL }).verdict).toBe('invalid')
    expect(of({ distrust: ['the last row is cut'] })).toMatchObject({ verdict: 'invalid', reason: 'the last row is cut' })
    expect(of({ clauses: clauses('p99 < 1s') }).verdict).toBe('invalid')
    expect(of({ clauses: [] }).verdict).toBe('invalid')
  })

  test('every request of both arms gets the whole procedure', () => {
    const relabel = (ms: number) =>
      runSlices({ seconds: 120, rate: 100, canary: { ms }, old: { ms: 20 } }).map((one) => ({
        ...one,
        target: one.target === 'new' ? 'canary' : 'baseline',
      }))
    const compared = (ms: number) =>
      of({
        level: 'A',
        capabilities: ALL,
        totals: null,
        slices: relabel(ms),
        clauses: clauses('p50 <= baseline + 10%'),
        confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' },
      })
    expect(compared(20)).toMatchObject({ verdict: 'pass', clauses: [{ unit: 'ratio', source: 'import' }] })
    expect(compared(25).verdict).toBe('fail')
  })

  test('where both releases were loaded, a fixed limit is about the new one', () => {
    const slices = runSlices({ seconds: 60, rate: 100, canary: { ms: 400 }, old: { ms: 20 } }).map((one) => ({
      ...one,
      target: one.target === 'new' ? 'canary' : 'baseline',
    }))
    const shared = { level: 'A', totals: null, slices, clauses: clauses('p50 < 300ms') } as const
    expect(of({ ...shared, capabilities: ALL })).toMatchObject({ verdict: 'fail', targets: [{ name: 'baseline' }, { name: 'canary' }] })
  })

  test('totals become the line of a target', () => {
    expect(of({}).targets).toEqual([
      expect.objectContaining({
        name: 'target',
        sent: 5_000,
        done: 4_997,
        errors: { other: 3 },
        p95Ms: 80,
        p99Ms: null,
        maxMs: 900,
        rps: 4_997 / 50,
      }),
    ])
  })

  test('what the tool hides is said beside the verdict', () => {
    const report = of({ capabilities: { ...TOTALS, hidesRetries: true, isClosedModel: true }, warnings: ['dropped_iterations: 3'] })
    expect(report.warnings).toEqual([
      'dropped_iterations: 3',
      expect.stringContaining('transport failures may be hidden'),
      expect.stringContaining('closed model'),
    ])
  })
})
