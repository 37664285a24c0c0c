// A gate that measured nothing can never pass, whatever it rests on and whatever the modes of its clauses: every kind of
// evidence that holds nothing, under clauses that count, that warn, that are shadows. And its counterpart: what was
// measured well passes when nothing counts, and says so.
import { describe, expect, test } from 'vitest'
import type { ClauseMode } from '../../../src/domain/clause.ts'
import type { Evidence, PrometheusEvidence, RequestEvidence } from '../../../src/domain/evidence.ts'
import { DEFAULT_CONFIDENCE } from '../../../src/domain/gate.ts'
import { judge } from '../../../src/gate/judge.ts'
import { EVERY_REQUEST } from '../../../src/load/imports/reading.ts'
import { clauses, evidenceOf, planOf, runSlices } from './helpers.ts'

const MODES: readonly (readonly ClauseMode[])[] = [['gate'], ['warn'], ['shadow'], ['warn', 'shadow'], ['gate', 'warn']]

const asked = (text: string, modes: readonly ClauseMode[]) => clauses(...modes.map((mode) => [text, mode] as const))

const load = (text: string, more: Partial<RequestEvidence> = {}) => ({
  text,
  evidence: (modes: readonly ClauseMode[]): Evidence => evidenceOf({ plan: planOf({ clauses: asked(text, modes) }), slices: [], ...more }),
})

const prometheus = (text: string, more: Partial<PrometheusEvidence> = {}) => ({
  text,
  evidence: (): Evidence => ({ kind: 'prometheus', onEmpty: 'invalid', staleMs: 300_000, burn: null, answers: [], ...more }),
})

const answer = (value: number, ageMs = 0): PrometheusEvidence['answers'] => [
  { window: null, answer: { kind: 'series', series: [{ labels: {}, value, ageMs }], warnings: [] } },
]

const imported = (text: string, level: 'A' | 'C', hasArms: boolean, distrust: readonly string[] = []) => ({
  text,
  evidence: (modes: readonly ClauseMode[]): Evidence => ({
    ...{ kind: 'import', format: 'k6', level, clauses: asked(text, modes), confidence: DEFAULT_CONFIDENCE, slices: [], totals: null },
    ...{ capabilities: { ...EVERY_REQUEST, hasArms }, distrust, warnings: [] },
  }),
})

/** Nothing answers: refused, or all shed. */
const silent = (as: 'refused' | 'shed', old = false) =>
  runSlices({
    ...{ seconds: 120, rate: 20, canary: { ms: 20, failing: old ? 0 : 1, as } },
    ...(old ? { old: { ms: 20, failing: 1, as } } : {}),
  })

describe.each([
  ['a load that sent nothing', load('p95 < 300ms')],
  ['a load of which every request was refused', load('errors < 99%', { slices: silent('refused') })],
  ['a load of which every request was shed', load('rps >= 1/s', { slices: silent('shed') })],
  ['a comparison without the old release', load('p50 <= baseline + 10%', { slices: silent('refused', true) })],
  ['a comparison that sent nothing', load('errors <= baseline + 1pp')],
  ['a load that could not be started', load('p95 < 300ms', { distrust: ['no file descriptors'] })],
  ['restarts without a probe', load('restart.lost = 0', { slices: runSlices({ seconds: 120, rate: 20, canary: { ms: 20 } }) })],
  [
    'capacity without a burst',
    load('capacity >= 95% of baseline', { slices: runSlices({ seconds: 120, rate: 20, canary: { ms: 20 }, old: { ms: 20 } }) }),
  ],
  ['a past that is not there and a run that fails', load('p95 <= last 5 passes + 10%', { slices: failing() })],
  ['a query that was never asked', prometheus('value < 1')],
  ['a query that could not be asked', prometheus('value < 1', { answers: [{ window: null, answer: { kind: 'failed', why: 'refused' } }] })],
  [
    'a query without a series',
    prometheus('value < 1', { answers: [{ window: null, answer: { kind: 'series', series: [], warnings: [] } }] }),
  ],
  ['a query that answers NaN', prometheus('value < 1', { answers: answer(Number.NaN) })],
  ['a query that answers an old value', prometheus('value < 1', { answers: answer(0, 600_000) })],
  ['an import without a request', imported('p95 < 300ms', 'C', false)],
  ['an import of requests without one', imported('errors < 1%', 'A', false)],
  ['an import that compares and is empty', imported('p95 <= baseline + 15%', 'A', true)],
  ['an import that is cut', imported('p95 < 300ms', 'A', false, ['the last row is cut'])],
] as const)('%s', (_what, { text, evidence }) => {
  test.each(MODES)('is INVALID under %s', (...modes) => {
    const report = judge({ name: 'gate', pass: asked(text, modes) }, evidence(modes))
    expect(report, report.reason).toMatchObject({ verdict: 'invalid' })
    expect(report.reason).not.toMatch(/nothing counts|no clause counts/)
  })
})

function failing() {
  return runSlices({ seconds: 9, rate: 20, canary: { ms: 20, failing: 0.5 } })
}

describe('kinds that have no clauses', () => {
  test.each<[string, Evidence, 'invalid' | 'inconclusive']>([
    ['a burn rate nobody asked for', burn([]), 'invalid'],
    ['a burn rate that could not be asked', burn([{ window: '1h', answer: { kind: 'failed', why: 'refused' } }]), 'invalid'],
    ['a command that was not found', { kind: 'command', run: 'x', exitCode: null, signal: null, how: 'not-found', output: [] }, 'invalid'],
    ['a person who did not answer', { kind: 'approval', question: 'Ship it?', answer: 'unanswered', by: null }, 'inconclusive'],
  ])('%s', (_what, evidence, verdict) => {
    expect(judge({ name: 'gate', pass: [] }, evidence).verdict).toBe(verdict)
  })
})

function burn(answers: PrometheusEvidence['answers']): Evidence {
  return { kind: 'prometheus', onEmpty: 'invalid', staleMs: 300_000, burn: { objective: 0.999, windows: 'fast' }, answers }
}

test('a comparison by a tool that could not be started says so', () => {
  const { text, evidence } = imported('p50 <= baseline + 20%', 'A', true, ['vegeta cannot be started'])
  expect(judge({ name: 'gate', pass: asked(text, ['gate']) }, evidence(['gate'])).reason).toContain('vegeta cannot be started')
})

test.each(['inconclusive', 'fail'] as const)('what an empty answer means (%s) holds where nothing counts', (onEmpty) => {
  const { evidence } = prometheus('value < 1', {
    onEmpty,
    answers: [{ window: null, answer: { kind: 'series', series: [], warnings: [] } }],
  })
  expect(judge({ name: 'gate', pass: asked('value < 1', ['warn']) }, evidence()).verdict).toBe(onEmpty)
})

describe('what was measured well and does not count passes, and says so', () => {
  const slices = runSlices({ seconds: 120, rate: 20, canary: { ms: 20 } })
  test.each([
    ['a load', load('p95 < 1ms', { slices })],
    ['a query', prometheus('value < 1', { answers: answer(3) })],
  ] as const)('%s', (_what, { text, evidence }) => {
    for (const modes of MODES.filter((some) => !some.includes('gate')))
      expect(judge({ name: 'gate', pass: asked(text, modes) }, evidence(modes))).toMatchObject({
        verdict: 'pass',
        reason: expect.stringContaining('no clause counts: all only warn or are shadows'),
      })
  })

  test('a first pass, which becomes the measure', () => {
    const { evidence } = load('p95 <= last 5 passes + 10%', { slices })
    expect(judge({ name: 'gate', pass: [] }, evidence(['gate']))).toMatchObject({
      verdict: 'pass',
      reason: expect.stringContaining('p95: no pass is recorded yet'),
    })
  })
})
