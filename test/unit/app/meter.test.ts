import { describe, expect, it } from 'vitest'
import { createMeter } from '../../../src/app/meter.ts'
import { clauses, histogramOf, slice } from '../gate/helpers.ts'

/** One second of ten answers of so many milliseconds each. */
function second(number: number, target: string, ms: number, failed = 0) {
  const histogram = histogramOf(Array.from({ length: 10 - failed }, () => ms))
  const failures = failed === 0 ? {} : { status: failed }
  return slice({ second: number, target, done: 10 - failed, failures, response: histogram, service: histogram })
}

describe('the meter of a measurement', () => {
  it('counts since the phase began, and times the last ten seconds', () => {
    const meter = createMeter({ targets: ['canary', 'baseline'], slowAboveMs: 100 })
    for (let at = 0; at < 20; at += 1) meter.addSlice(second(at, 'canary', at < 10 ? 500 : 50, at === 0 ? 2 : 0))
    const [canary, old] = meter.targets({ canary: 3 })
    expect(canary).toMatchObject({ name: 'canary', offered: 200, sent: 200, done: 198, errors: { status: 2 }, inFlight: 3 })
    expect(canary?.p50Ms).toBeCloseTo(50, 0)
    expect(canary?.p95Ms).toBeCloseTo(50, 0)
    // Failures are slow too.
    expect(canary?.slow).toBe(0.5)
    expect(old).toMatchObject({ name: 'baseline', offered: 0, p50Ms: null, slow: null })
    meter.begin()
    expect(meter.targets({})[0]).toMatchObject({ offered: 0, errors: {}, p95Ms: null })
  })

  it('tells a time that falls on a failure from one that is not known', () => {
    const meter = createMeter({ targets: ['target'] })
    meter.addSlice(second(0, 'target', 20, 4))
    expect(meter.targets({})[0]).toMatchObject({ p95Ms: Number.POSITIVE_INFINITY, slow: null })
    expect(meter.targets({})[0]?.p50Ms).toBeCloseTo(20, 0)
  })

  it('estimates each clause, with its bound and without a verdict', () => {
    const meter = createMeter({
      targets: ['new', 'old'],
      arms: { canary: ['new'], old: ['old'] },
      clauses: clauses(
        'p95 <= baseline + 15%',
        'errors <= baseline + 0.1pp',
        'errors < 50%',
        'p50 < 300ms',
        'max < 2s',
        'slow < 1%',
        'rps >= 98% of offered',
        'rps >= 5/s',
        'restart.lost = 0',
      ),
    })
    for (let at = 0; at < 5; at += 1) {
      meter.addSlice(second(at, 'new', 220, at === 0 ? 1 : 0))
      meter.addSlice(second(at, 'old', 200))
    }
    const seen = meter.clauses()
    expect(seen.map(({ verdict, low, high }) => [verdict, low, high])).toEqual(seen.map(() => [null, null, null]))
    expect(seen.map(({ unit, bound }) => [unit, bound])).toEqual([
      ['ratio', 0.15],
      ['points', 0.001],
      ['share', 0.5],
      ['ms', 300],
      ['ms', 2_000],
      ['share', 0.01],
      ['share', 0.98],
      ['perSecond', 5],
      ['number', 0],
    ])
    const [p95, errors, share, p50, max, slow, offered, rps, lost] = seen.map(({ estimate }) => estimate)
    expect(p95).toBeCloseTo(0.1, 1)
    expect(errors).toBeCloseTo(0.02)
    expect(share).toBeCloseTo(0.02)
    expect(p50).toBeCloseTo(220, -1)
    expect(max).toBeCloseTo(220, -1)
    expect(slow).toBeCloseTo(0.02)
    expect(offered).toBeCloseTo(0.98)
    expect(rps).toBeCloseTo(9.8)
    expect(lost).toBeNull()
  })

  it('trusts itself less when requests were sent late', () => {
    const meter = createMeter({ targets: ['target'] })
    const late = (at: number) => ({ ...second(at, 'target', 20), lag: histogramOf([20, 20, 20]) })
    for (let at = 0; at < 30; at += 1) meter.addSlice(second(at, 'target', 20))
    expect(meter.trust()).toEqual({ light: 'good', reason: null })
    meter.addSlice(late(30))
    expect(meter.trust().light).toBe('doubtful')
    meter.addSlice(late(31))
    expect(meter.trust()).toEqual({ light: 'bad', reason: 'this machine sent late in 2 of 32 seconds' })
    for (let at = 32; at < 100; at += 1) meter.addSlice(second(at, 'target', 20))
    expect(meter.trust().light).toBe('good')
    meter.addSample({ second: 100, cpu: 0.97, loopDelayMs: 1, inFlight: 0, connections: 1 })
    expect(meter.trust()).toEqual({ light: 'doubtful', reason: 'this machine is busy' })
  })
})
