// What to do about a gate that did not pass fits what the gate rests on.
import { describe, expect, test } from 'vitest'
import { adviceFor } from '../../../src/app/gates/advice.ts'
import type { Evidence } from '../../../src/domain/evidence.ts'
import type { GateSource } from '../../../src/domain/gate.ts'
import { judge } from '../../../src/gate/judge.ts'
import { EVERY_REQUEST } from '../../../src/load/imports/reading.ts'
import { clauses, evidenceOf, planOf, runSlices, settingsOf } from '../gate/helpers.ts'

function advised(source: GateSource, evidence: Evidence) {
  const gate = settingsOf({ name: 'g', source, pass: clauses('value < 1') })
  const report = judge(gate, evidence)
  return { verdict: report.verdict, ...adviceFor(gate, { version: 1, gate: 'g', settingsHash: '', discarded: [], evidence, report }) }
}

const command = (more: Partial<Extract<Evidence, { kind: 'command' }>>) =>
  advised(
    { kind: 'command', run: 'npm run smoke', timeoutMs: 1 },
    { kind: 'command', run: 'npm run smoke', exitCode: null, signal: null, how: 'ended', output: [], ...more },
  )

const prometheus = (onEmpty: 'invalid' | 'inconclusive') =>
  advised(
    { kind: 'prometheus', url: 'http://prom:9090/?token=s3cret', query: 'up', onEmpty, burn: null, staleMs: 1 },
    {
      ...{ kind: 'prometheus', onEmpty, staleMs: 1, burn: null },
      answers: [{ window: null, answer: { kind: 'series', series: [], warnings: [] } }],
    },
  )

const load = (more: Partial<Extract<Evidence, { kind: 'requests' }>>) =>
  advised(settingsOf().source, evidenceOf({ plan: planOf({ clauses: clauses('errors < 1%') }), slices: [], ...more }))

describe('a gate that is INVALID', () => {
  test.each([
    ['a missing command', () => command({ how: 'not-found' }), /PATH of this shell\? npm run smoke/],
    ['a command that took too long', () => command({ how: 'timeout' }), /timeout: 20m/],
    ['a command that was killed', () => command({ signal: 'SIGKILL' }), /run it by hand: npm run smoke/],
    ['a query without an answer', () => prometheus('invalid'), /ask the query by hand at http:\/\/prom:9090: /],
    [
      'a target that never answers',
      () => load({ slices: runSlices({ seconds: 30, rate: 20, canary: { ms: 1, failing: 1, as: 'refused' } }) }),
      /is the app of new up/,
    ],
    ['hosts that could not be loaded', () => load({ distrust: ['min_ready'] }), /rollgate check/],
  ])('%s', (_what, of, hint) => {
    const { verdict, hints } = of()
    expect(verdict).toBe('invalid')
    expect(hints.join()).toMatch(hint)
    expect(hints.join()).not.toMatch(/selftest|s3cret/)
  })

  test('a generator that was too slow is sent to the self-test, and nobody else', () => {
    const late = runSlices({ seconds: 30, rate: 20, canary: { ms: 20 } }).map((slice) => ({ ...slice, lag: [[1000, 20]] as const }))
    expect(load({ slices: late })).toMatchObject({ verdict: 'invalid', hints: [expect.stringContaining('rollgate load selftest')] })
  })

  test('an import is told how to show that it is whole, and how to look into its file', () => {
    const source = { kind: 'import', format: 'k6', path: '/a b/k6.json' } as const
    const evidence: Evidence = {
      ...{ kind: 'import', format: 'k6', level: 'A', clauses: clauses('p95 < 1s'), confidence: settingsOf().confidence },
      ...{ slices: [], totals: null, capabilities: EVERY_REQUEST, distrust: ['whether it ran to its end is not known'], warnings: [] },
    }
    const { hints, why } = advised(source, evidence)
    expect(why).toContain('whole')
    expect(hints).toEqual([
      expect.stringContaining('exit_code: FILE'),
      expect.stringContaining("rollgate load import '/a b/k6.json' --format k6"),
    ])
  })
})

describe('a gate that cannot say', () => {
  test('nobody answered: a person is wanted, not data', () => {
    const { verdict, why, hints } = advised(
      { kind: 'approval', question: 'Ship it?' },
      { kind: 'approval', question: 'Ship it?', answer: 'unanswered', by: null },
    )
    expect({ verdict, why }).toEqual({ verdict: 'inconclusive', why: 'nobody said yes or no' })
    expect(hints.join()).toContain('rollgate promote')
  })

  test('an empty query that may be empty', () => {
    expect(prometheus('inconclusive')).toMatchObject({ verdict: 'inconclusive', hints: [expect.stringContaining('vector(0)')] })
  })

  test('too few requests: the planner says how many', () => {
    const slices = runSlices({ seconds: 120, rate: 1, canary: { ms: 1 } })
    expect(load({ slices })).toMatchObject({ verdict: 'inconclusive', hints: [expect.stringContaining('rollgate gate plan g')] })
  })
})
