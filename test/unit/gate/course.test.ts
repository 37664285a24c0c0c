// What follows from a verdict: measured again only when it could not be trusted, longer only when it could not say.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { GateVerdict } from '../../../src/domain/event.ts'
import { type Course, nextOf, STARTED } from '../../../src/gate/course.ts'
import { settingsOf } from './helpers.ts'

const SETTINGS = settingsOf({ onInconclusive: { extend: 1, otherwise: 'pause' }, onInvalid: { retry: 1, otherwise: 'fail' } })
const said = (verdict: GateVerdict) => ({ verdict, reason: `because ${verdict}` })

test('an invalid measurement is made afresh once, and the old one is reported', () => {
  const first = nextOf(SETTINGS, { ...STARTED, extensions: 1 }, said('invalid'))
  expect(first).toMatchObject({ kind: 'afresh', course: { extensions: 0, discarded: [{ verdict: 'invalid', reason: 'because invalid' }] } })
  if (first.kind !== 'afresh') return
  expect(nextOf(SETTINGS, first.course, said('invalid')).kind).toBe('stop')
  expect(nextOf(settingsOf({ onInvalid: { retry: 0, otherwise: 'pause' } }), STARTED, said('invalid')).kind).toBe('pause')
})

test('what a brake stopped is not loaded again, however little is sure of it', () => {
  expect(nextOf(SETTINGS, STARTED, { ...said('invalid'), isBraked: true }).kind).toBe('stop')
})

test('an inconclusive one is given more time once, then the policy decides', () => {
  const first = nextOf(SETTINGS, STARTED, said('inconclusive'))
  expect(first).toMatchObject({ kind: 'longer', course: { extensions: 1 } })
  if (first.kind !== 'longer') return
  expect(nextOf(SETTINGS, first.course, said('inconclusive')).kind).toBe('pause')
  const policy = (otherwise: 'fail' | 'pass') =>
    nextOf(settingsOf({ onInconclusive: { extend: 0, otherwise } }), STARTED, said('inconclusive'))
  expect(policy('fail').kind).toBe('stop')
  expect(policy('pass')).toMatchObject({ kind: 'promote' })
})

test('a question, a query and a file do not accumulate, and a file is not read twice', () => {
  const approval = settingsOf({ source: { kind: 'approval', question: '?' } })
  const file = settingsOf({ source: { kind: 'import', format: 'k6', path: 'x' } })
  expect(nextOf(approval, STARTED, said('inconclusive')).kind).toBe('pause')
  expect(nextOf(file, STARTED, said('invalid')).kind).toBe('stop')
})

test('whatever is said, it ends; a FAIL ends it at once and is never promoted', () => {
  const verdicts = fc.array(fc.constantFrom<GateVerdict>('pass', 'fail', 'inconclusive', 'invalid'), { minLength: 20, maxLength: 20 })
  fc.assert(
    fc.property(verdicts, fc.nat(3), fc.nat(3), (answers, extend, retry) => {
      const settings = settingsOf({ onInconclusive: { extend, otherwise: 'pass' }, onInvalid: { retry, otherwise: 'fail' } })
      let course: Course = STARTED
      let steps = 0
      for (const verdict of answers) {
        steps += 1
        const next = nextOf(settings, course, said(verdict))
        if (verdict === 'fail') expect(next.kind).toBe('stop')
        if (verdict === 'invalid') expect(next.kind).not.toBe('promote')
        if (next.kind !== 'afresh' && next.kind !== 'longer') break
        course = next.course
      }
      expect(steps).toBeLessThanOrEqual((extend + 1) * (retry + 1) + 1)
    }),
  )
})
