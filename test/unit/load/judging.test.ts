// What a run is judged by before any gate looks at it: seconds, samples, limits, brakes. Pure tables.
import { describe, expect, test } from 'vitest'
import { emptyHistogram, recordLatency, toSparse } from '../../../src/domain/histogram.ts'
import type { GeneratorSample } from '../../../src/domain/load.ts'
import type { FailureClass, Slice } from '../../../src/domain/slice.ts'
import type { Phase } from '../../../src/load/failures.ts'
import { brakeSentence, createGuard } from '../../../src/load/guard.ts'
import { mergeSlices } from '../../../src/load/merge.ts'
import { createOverdue } from '../../../src/load/overdue.ts'
import { createRecorder } from '../../../src/load/recorder.ts'
import { fitCap } from '../../../src/load/room.ts'
import { createTally } from '../../../src/load/tally.ts'
import { createJudge, limitsFor } from '../../../src/load/validity.ts'

function histogram(...values: readonly number[]) {
  const made = emptyHistogram()
  for (const value of values) recordLatency(made, value)
  return toSparse(made)
}

function slice(more: Partial<Slice> = {}): Slice {
  const empty = { response: [], service: [], lag: histogram(0.1), bytes: 0, failures: {} }
  return { version: 1, second: 0, target: 'canary', scenario: 'get', offered: 10, sent: 10, done: 10, ...empty, ...more }
}

function sample(cpu: number, second = 0): GeneratorSample {
  return { second, cpu, loopDelayMs: 0, inFlight: 0, connections: 1 }
}

/** @param bad how many of 100 seconds are like that */
function judged(bad: number, like: Partial<Slice>, cpu = 0.1, limits?: Parameters<typeof createJudge>[0]) {
  const judge = createJudge(limits)
  for (let second = 0; second < 100; second += 1) {
    judge.addSecond([slice({ second, ...(second < bad ? like : {}) })])
    judge.addSample(sample(second < bad ? cpu : 0.1, second))
  }
  return judge.validity('finished', 1000)
}

describe('validity', () => {
  test('a quiet run is valid, with its lag and its CPU', () => {
    expect(judged(0, {})).toEqual({ valid: true, sendLagP99Ms: expect.closeTo(0.1, 2), cpu: 0.1, reasons: [] })
  })

  test('five late seconds of a hundred are borne, six are not', () => {
    expect(judged(5, { lag: histogram(6) }).valid).toBe(true)
    expect(judged(6, { lag: histogram(6) }).reasons).toEqual(['this machine sent late: lag p99 over 5 ms in 6 of 100 seconds'])
  })

  test('a wide margin bears more lag: a tenth of it', () => {
    expect(judged(100, { lag: histogram(9) }, 0.1, limitsFor(100)).valid).toBe(true)
    expect(judged(100, { lag: histogram(11) }, 0.1, limitsFor(100)).valid).toBe(false)
    expect(limitsFor(20).lagMs).toBe(5)
  })

  test('a busy core in six seconds of a hundred', () => {
    expect(judged(5, {}, 0.95).valid).toBe(true)
    expect(judged(6, {}, 0.95).reasons).toEqual(['this machine was saturated: over 90 % of a core in 6 of 100 seconds'])
  })

  test('what was shed on time is the fault of the target; shed while late is ours', () => {
    const shed = { sent: 5, done: 5, failures: { shed: 5 } }
    expect(judged(5, shed).valid).toBe(true)
    expect(judged(100, shed).valid).toBe(true)
    expect(judged(100, { ...shed, lag: histogram(50) }).reasons).toContain('500 of 1000 requests were not sent while this machine was late')
  })

  test('requests that are unaccounted for', () => {
    expect(judged(1, { done: 9 }).reasons).toEqual(['requests unaccounted for: 1000 offered, 999 answered well, 0 failed'])
  })

  test('fewer arrivals than the schedule has', () => {
    expect(judged(50, { offered: 9, sent: 9, done: 9 }).reasons).toEqual(['only 950 of 1000 arrivals became due in time'])
  })

  test.each<[FailureClass, boolean]>([
    ['refused', false],
    ['first-byte-timeout', false],
    ['connect-timeout', false],
    ['unfinished', false],
    ['closed', false],
    ['status', true],
    ['check', true],
    ['truncated', true],
  ])('a target that only gives "%s" has %s', (failure, answered) => {
    const { reasons } = judged(100, { done: 0, failures: { [failure]: 10 } })
    expect(reasons.some((reason) => reason.startsWith('canary never answered'))).toBe(!answered)
  })

  test('a target that never answered is told with its own failures, not with those of another', () => {
    const judge = createJudge()
    judge.addSecond([
      slice({ target: 'canary', done: 0, failures: { status: 10 } }),
      slice({ target: 'baseline', done: 0, failures: { refused: 4, reset: 6 } }),
    ])
    expect(judge.validity('finished', 10).reasons).toEqual(['baseline never answered: 6 × reset'])
  })

  test('all shed is no measurement', () => {
    expect(judged(100, { sent: 0, done: 0, lag: [], failures: { shed: 10 } }).reasons).toEqual([
      'canary never answered: all requests were shed',
    ])
  })

  test('nothing at all, interrupted, no login, no data: never valid', () => {
    expect(createJudge().validity('finished', 0).reasons).toEqual(['nothing was sent'])
    expect(createJudge().validity('no-login', null).reasons).toContain('the login did not succeed')
    for (const end of ['cancelled', 'data', 'late'] as const) {
      const judge = createJudge()
      judge.addSecond([slice()])
      expect(judge.validity(end, 10).valid).toBe(false)
    }
  })

  test('the warm-up counts for nothing', () => {
    const judge = createJudge()
    judge.addSecond([slice({ warmup: true, lag: histogram(500), done: 0, failures: { refused: 10 } })])
    judge.addSecond([slice({ second: 1 })])
    expect(judge.validity('finished', 10)).toMatchObject({ valid: true, reasons: [] })
  })
})

describe('the recorder', () => {
  test('tells a second once, in order, only when each of its arrivals has ended', () => {
    const told: [number, number][] = []
    const recorder = createRecorder({
      series: [{ target: 'canary', scenario: 'get' }],
      isWarmup: () => false,
      onSecond: (second, slices) => void told.push([second, slices.reduce((sum, each) => sum + each.offered, 0)]),
    })
    for (const second of [0, 0, 1, 3]) {
      recorder.offered(0, second)
      recorder.sent(0, second, 0.1)
    }
    recorder.good(0, 0, 5, 4, 2, 200)
    recorder.good(0, 1, 5, 4, 2, 200)
    recorder.tell(3)
    expect(told).toEqual([])
    recorder.failed(0, 0, 'reset', 0, 0)
    recorder.tell(3)
    expect(told).toEqual([
      [0, 2],
      [1, 1],
      [2, 0],
    ])
    expect(recorder.open).toBe(1)
    recorder.withdraw(0, 3)
    recorder.tell(Number.MAX_SAFE_INTEGER)
    expect(told.at(-1)).toEqual([3, 0])
    expect(told).toHaveLength(4)
  })

  test('a slice has what became of each arrival', () => {
    let seen: readonly Slice[] = []
    const recorder = createRecorder({
      series: [{ target: 'canary', scenario: 'get' }],
      isWarmup: (second) => second === 0,
      onSecond: (_second, slices) => {
        seen = slices
      },
    })
    for (let turn = 0; turn < 3; turn += 1) recorder.offered(0, 0)
    recorder.sent(0, 0, 0.5)
    recorder.sent(0, 0, 0.5)
    recorder.good(0, 0, 12, 10, 100, 201)
    recorder.failed(0, 0, 'status', 7, 503)
    recorder.failed(0, 0, 'shed', 0, 0)
    recorder.tell(1)
    expect(seen).toEqual([
      {
        ...{ version: 1, second: 0, target: 'canary', scenario: 'get', warmup: true },
        ...{ offered: 3, sent: 2, done: 1, bytes: 107, failures: { status: 1, shed: 1 }, statuses: { '201': 1, '503': 1 } },
        ...{ response: histogram(12), service: histogram(10), lag: histogram(0.5, 0.5) },
      },
    ])
  })
})

test('the tally ranks failures as slowest and leaves the warm-up out', () => {
  const tally = createTally(['canary', 'baseline'])
  tally.add(slice({ warmup: true, done: 1000, offered: 1000 }))
  tally.add(slice({ done: 9, failures: { reset: 1 }, response: histogram(...new Array<number>(9).fill(20)), service: histogram(19) }))
  const [canary, baseline] = tally.summaries(2000)
  expect(canary).toMatchObject({ name: 'canary', offered: 10, done: 9, rps: 4.5, errors: { reset: 1 }, p99Ms: null, p95Ms: null })
  expect(canary?.p50Ms).toBeCloseTo(20, 0)
  expect(canary?.p90Ms).toBeCloseTo(20, 0)
  expect(canary?.maxMs).toBeCloseTo(20, 0)
  expect(baseline).toMatchObject({ name: 'baseline', offered: 0, rps: 0, p50Ms: null, maxMs: null })
})

test('slices of several generators add up', () => {
  const left = slice({ failures: { reset: 1 }, statuses: { '200': 9 }, response: histogram(10), bytes: 5 })
  const right = slice({ failures: { reset: 2, closed: 1 }, statuses: { '200': 7, '500': 1 }, response: histogram(20), bytes: 6 })
  const other = slice({ target: 'baseline' })
  expect(mergeSlices([left, other, right])).toEqual([
    {
      ...left,
      ...{ offered: 20, sent: 20, done: 20, bytes: 11, failures: { reset: 3, closed: 1 }, statuses: { '200': 16, '500': 1 } },
      ...{ response: histogram(10, 20), lag: histogram(0.1, 0.1) },
    },
    other,
  ])
})

describe('the brake', () => {
  const rule = { errorRate: 0.05, forMs: 10_000 }
  const fill = (guard: ReturnType<typeof createGuard>, target: number, seconds: number, failed: (turn: number) => boolean) => {
    for (let turn = 0; turn < seconds * 100; turn += 1) guard.ended(target, turn * 10, failed(turn))
  }

  test('holds at 5 %, trips above, names the target, and not before its time', () => {
    const guard = createGuard(rule, 2)
    fill(guard, 0, 11, (turn) => turn % 20 === 0)
    fill(guard, 1, 11, (turn) => turn % 19 === 0)
    expect(guard.tripped(9_999)).toBeNull()
    const tripped = guard.tripped(11_000)
    expect(tripped).toEqual({ target: 1, second: 11, ended: 1000, failed: 52 })
    expect(brakeSentence(rule, tripped ?? { target: 0, second: 0, ended: 0, failed: 0 }, 'web-2')).toBe(
      'safety.abort_if (errors > 5% for 10s) in second 11: 52 of 1000 requests that ended on web-2 had failed',
    )
    const even = createGuard(rule, 1)
    fill(even, 0, 11, (turn) => turn % 20 === 0)
    expect(even.tripped(11_000)).toBeNull()
  })

  test('forgets what is older than its window; nothing that ended trips nothing', () => {
    const guard = createGuard(rule, 1)
    fill(guard, 0, 5, () => true)
    expect(guard.tripped(10_000)).toMatchObject({ target: 0, ended: 500, failed: 500 })
    expect(guard.tripped(30_000)).toBeNull()
    expect(createGuard(null, 1).tripped(30_000)).toBeNull()
  })

  test('many that ended together count as so many', () => {
    const guard = createGuard(rule, 1)
    guard.endedTogether(0, 9_500, 100, 5)
    expect(guard.tripped(10_000)).toBeNull()
    guard.endedTogether(0, 9_800, 1, 1)
    expect(guard.tripped(10_000)).toMatchObject({ ended: 101, failed: 6 })
  })
})

describe('what takes too long in the closed model', () => {
  const limits = { connectMs: 300, firstByteMs: 500, bodyMs: 400 }

  test.each<[string, readonly (readonly [number, Phase, string | null])[]]>([
    [
      'an old connection',
      [
        [400, 'first-byte', null],
        [500, 'first-byte', 'first-byte-timeout'],
      ],
    ],
    [
      'a new one',
      [
        [200, 'connect', null],
        [300, 'connect', 'connect-timeout'],
      ],
    ],
    [
      'the answer has its own time after connecting',
      [
        [200, 'connect', null],
        [300, 'first-byte', null],
        [700, 'first-byte', null],
        [800, 'first-byte', 'first-byte-timeout'],
      ],
    ],
    [
      'and the body after the head',
      [
        [400, 'first-byte', null],
        [450, 'body', null],
        [800, 'body', null],
        [850, 'body', 'body-timeout'],
      ],
    ],
    [
      'a body that is seen first of all',
      [
        [450, 'body', null],
        [840, 'body', null],
        [850, 'body', 'body-timeout'],
      ],
    ],
  ])('%s', (_what, looks) => {
    const overdue = createOverdue(limits)
    for (const start of [1000, 5000]) {
      overdue.sent(start)
      expect(looks.map(([at, phase]) => overdue.look(start + at, phase))).toEqual(looks.map(([, , found]) => found))
    }
  })
})

describe('room on this machine', () => {
  test('the default cap is lowered to what fits, one that was asked for is refused', () => {
    expect(fitCap(null, 10_000, 1, { descriptors: 1_000_000, ports: 28_000 })).toBe(10_000)
    expect(fitCap(null, 10_000, 2, { descriptors: 1064, ports: 28_000 })).toBe(500)
    expect(fitCap(null, 50_000, 1, { descriptors: null, ports: 28_000 })).toBe(25_200)
    expect(fitCap(null, 10_000, 1, { descriptors: null, ports: null })).toBe(10_000)
    expect(() => fitCap(600, 10_000, 2, { descriptors: 1064, ports: 28_000 })).toThrow('1064 file descriptors left')
    expect(() => fitCap(30_000, 10_000, 1, { descriptors: null, ports: 28_000 })).toThrow('28000 local ports left')
    expect(() => fitCap(null, 10, 1, { descriptors: 64, ports: null })).toThrow('file descriptors')
  })
})
