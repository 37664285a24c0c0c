import { describe, expect, it } from 'vitest'
import type { ClauseResult } from '../../../src/domain/gate.ts'
import type { ReportData, ReportMeasurement } from '../../../src/domain/report.ts'
import { junitOf } from '../../../src/render/report/junit.ts'
import { HOSTILE } from '../render/recorded.ts'
import * as samples from './samples.ts'

const SKIPPED = { inconclusiveAs: 'skipped' } as const

const clause: ClauseResult = {
  ...{ id: 'p95', clause: 'p95 < 300ms', mode: 'gate', source: 'load', unit: 'ms', estimate: 412, low: 390, high: 440, bound: 300 },
  ...{ verdict: 'fail', look: 1, sentence: 'p95 412 ms (390 to 440), allowed < 300 ms: FAIL after 60 s' },
}

/** A gate with these clauses. */
function withClauses(verdict: ReportMeasurement['verdict'], clauses: readonly ClauseResult[], reason = 'because'): ReportData {
  const data = samples.loadReport({ targets: 1, seconds: 5 })
  const [measurement] = data.measurements
  if (measurement === undefined) throw new Error('one measurement')
  return { ...data, verdict, sentence: reason, measurements: [{ ...measurement, name: 'gate canary', verdict, reason, clauses }] }
}

describe('a JUnit file', () => {
  it('has a suite for each gate and a case for each clause, with its numbers', () => {
    const xml = junitOf(withClauses('fail', [clause, { ...clause, clause: 'errors < 1%', verdict: 'pass' }]), SKIPPED)
    expect(xml).toContain(
      '<testsuite name="gate canary" id="0" tests="2" failures="1" errors="0" skipped="0" time="5" timestamp="2026-11-25T03:18:00">',
    )
    expect(xml).toContain('<testcase name="errors &lt; 1%" classname="rollgate.gate canary" time="0"/>')
    expect(xml).toContain(
      '<failure message="p95 412 ms (390 to 440), allowed &lt; 300 ms: FAIL after 60 s" type="FAIL">p95 412 ms (390 to 440), allowed &lt; 300 ms: FAIL after 60 s\nestimate 412, from 390 to 440, limit 300 (ms)</failure>',
    )
    expect(xml).toContain('<testsuites name="load checkout" tests="2" failures="1" errors="0" time="5">')
  })

  it('skips what cannot say, with a property that tells; or fails it where that is wanted', () => {
    const data = withClauses('inconclusive', [{ ...clause, verdict: 'inconclusive' }])
    const skipped = junitOf(data, SKIPPED)
    expect(skipped).toMatch(/<skipped message="p95 412 ms/)
    expect(skipped).toContain('<property name="inconclusive" value="p95 &lt; 300ms"/>')
    expect(skipped).toContain('failures="0" errors="0" skipped="1"')
    const failed = junitOf(data, { inconclusiveAs: 'failure' })
    expect(failed).toMatch(/<failure message="p95 412 ms.*type="INCONCLUSIVE">/)
    expect(failed).toContain('failures="1" errors="0" skipped="0"')
  })

  it('makes an error of a run that is not trusted, and passes none of its clauses', () => {
    const xml = junitOf(withClauses('invalid', [{ ...clause, verdict: 'pass' }], 'the generator sent too late'), SKIPPED)
    expect(xml).toContain('tests="2" failures="0" errors="1" skipped="1"')
    expect(xml).toContain('<error message="the generator sent too late" type="INVALID">')
    expect(xml).toContain('<skipped message="not trusted: p95 412 ms')
  })

  it('never fails for a clause that only warns or is recorded', () => {
    const xml = junitOf(
      withClauses('pass', [
        { ...clause, mode: 'warn' },
        { ...clause, mode: 'shadow', verdict: 'invalid' },
      ]),
      SKIPPED,
    )
    expect(xml).toContain('failures="0" errors="0" skipped="2"')
    expect(xml).toContain('message="only warns: p95 412 ms')
  })

  it('has a case of its own for a verdict that no clause explains', () => {
    const proven = junitOf(withClauses('fail', [{ ...clause, verdict: 'inconclusive' }], 'canary errors 2 % against 0 %: proven'), SKIPPED)
    expect(proven).toContain('<testcase name="verdict"')
    expect(proven).toContain('<failure message="canary errors 2 % against 0 %: proven" type="FAIL">')
    const nothing = junitOf(withClauses('pass', []), SKIPPED)
    expect(nothing).toContain('tests="1" failures="0"')
    const only = junitOf(withClauses('pass', [{ ...clause, mode: 'warn' }]), SKIPPED)
    expect(only).toContain('<testcase name="verdict" classname="rollgate.gate canary" time="0"/>')
  })

  it('tells of a rollout host by host, and of what no host explains', () => {
    const failed = junitOf(samples.rolloutReport([], []), SKIPPED)
    expect(failed).toContain('<failure message="web-3 did not become healthy within 5.0 s: HTTP 500 (E_UNHEALTHY)" type="FAIL">')
    const hosts = [{ name: 'web-1', from: 'r1', to: 'r1', phase: 'serving' as const, durationMs: 5 }]
    const paused = junitOf(samples.rolloutReport([], [], { hosts, outcome: 'paused' }), SKIPPED)
    expect(paused).toMatch(/<testcase name="outcome".*\n\s+<skipped/)
    const refused = junitOf(samples.rolloutReport([], [], { hosts: [], outcome: 'refused' }), SKIPPED)
    expect(refused).toContain('tests="1" failures="1"')
  })

  it.each(HOSTILE.concat(']]>', '"/><evil/>', '\u0000\u0001\ufffe'))('stays one well-formed file when everything is called %j', (text) => {
    const data = withClauses(
      'fail',
      [
        { ...clause, clause: text, sentence: text, note: text },
        { ...clause, verdict: 'invalid', sentence: text },
      ],
      text,
    )
    const xml = junitOf({ ...data, title: text, id: text }, SKIPPED)
    const tame = junitOf(
      {
        ...withClauses('fail', [
          { ...clause, note: 'x' },
          { ...clause, verdict: 'invalid' },
        ]),
        title: 'x',
      },
      SKIPPED,
    )
    const tags = (from: string): readonly string[] => [...from.matchAll(/<[/?]?[a-z]+/g)].map(([tag]) => tag)
    expect(tags(xml)).toEqual(tags(tame))
    expect(xml).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)/)
    expect(xml).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\u202a-\u202e]/)
    // Every quote is one of ours.
    expect(xml.match(/"/g)?.length).toBe(tame.match(/"/g)?.length)
  })
})
