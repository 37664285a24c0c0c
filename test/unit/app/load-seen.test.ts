import { describe, expect, test } from 'vitest'
import { brokenBy, canBeSeen } from '../../../src/app/load-seen.ts'
import type { Clause } from '../../../src/domain/clause.ts'
import { parseClause } from '../../../src/domain/clause-parse.ts'
import { emptyHistogram, recordLatency, toSparse } from '../../../src/domain/histogram.ts'
import type { Slice } from '../../../src/domain/slice.ts'

function clause(text: string): Clause {
  const parsed = parseClause(text)
  if ('clause' in parsed) return parsed.clause
  throw new Error(parsed.problem)
}

/** 90 answers of 10 ms, 6 of 100 ms, 4 failures; a warm-up that was terrible. */
function slices(): readonly Slice[] {
  const good = emptyHistogram()
  recordLatency(good, 10, 90)
  recordLatency(good, 100, 6)
  const response = toSparse(good)
  const base = { version: 1, second: 1, target: 't', scenario: 's', bytes: 0, service: response, lag: [], response } as const
  return [
    { ...base, offered: 100, sent: 100, done: 96, failures: { status: 4 } },
    { ...base, second: 0, offered: 50, sent: 50, done: 0, failures: { refused: 50 }, response: [], warmup: true },
  ]
}

describe('what was seen of a clause', () => {
  test.each<[string, RegExp | null]>([
    ['p50 < 20ms', null],
    ['p50 < 5ms', /^p50 < 5ms: p50 is 10\.\d ms$/],
    ['p95 < 200ms', null],
    ['p95 < 50ms', /p95 is (99|100)\.\d ms$/],
    ['p99 < 10s', /p99 is a request that failed$/],
    ['errors < 5%', null],
    ['errors < 4%', /errors is 4\.00 %$/],
    ['errors <= 4%', null],
    ['rps >= 48/s', null],
    ['rps > 50/s', /rps is 48\.0\/s$/],
  ])('%s', (text, expected) => {
    const found = brokenBy(clause(text), slices(), 2000)
    if (expected === null) expect(found).toBeNull()
    else expect(found).toMatch(expected)
  })

  test('nothing at all breaks what wants little, and what wants much', () => {
    expect(brokenBy(clause('p95 < 59s'), [], 1000)).not.toBeNull()
    expect(brokenBy(clause('errors < 99%'), [], 1000)).not.toBeNull()
    expect(brokenBy(clause('rps > 0.1/s'), [], 1000)).not.toBeNull()
  })

  test('only fixed bounds of requests can be seen', () => {
    expect(['p95 < 300ms', 'errors < 1%', 'max < 1s'].map((text) => canBeSeen(clause(text)))).toEqual([true, true, true])
    expect(['p95 <= baseline + 10%', 'rps >= 98% of offered', 'value < 1'].map((text) => canBeSeen(clause(text)))).toEqual([
      false,
      false,
      false,
    ])
  })
})
