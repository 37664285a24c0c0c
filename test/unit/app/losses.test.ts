// Lost requests on the timeline of the steps: the sentence names the step that they lie behind.
import { describe, expect, test } from 'vitest'
import { placeLosses, restartEvidence } from '../../../src/app/losses.ts'
import type { DurableEvent, Stamped } from '../../../src/domain/event.ts'
import type { ProbeFailure } from '../../../src/load/probe.ts'

const START = Date.parse('2026-01-01T00:00:00.000Z')
const at = (ms: number): string => new Date(START + ms).toISOString()
let seq = 0
const began = (ms: number, host: string, step: string): Stamped<DurableEvent> => {
  seq += 1
  return { version: 1, at: at(ms), rollout: 'r', seq, type: 'step.started', step: `${host}/${step}`, host, attempt: 1 }
}
const ended = (ms: number, host: string, step: string): Stamped<DurableEvent> => {
  seq += 1
  return { version: 1, at: at(ms), rollout: 'r', seq, type: 'step.succeeded', step: `${host}/${step}`, host, attempt: 1, changed: true }
}
const lost = (ms: number, kind: ProbeFailure['class'] = 'reset'): ProbeFailure => ({ at: at(ms), class: kind, detail: '' })

const events = [began(0, 'web-1', 'drain'), ended(900, 'web-1', 'drain'), began(1_000, 'web-2', 'restart'), ended(3_000, 'web-2', 'enable')]

describe('placeLosses', () => {
  test('names the step, how long after it, how many and how they failed', () => {
    expect(placeLosses([lost(1_340), lost(1_390, 'closed')], events)).toEqual([
      '2 requests lost (reset, closed) 340 ms after the restart of web-2 began: the drain was too short, or requests reach it past the balancer',
    ])
  })

  test.each([
    [200, '1 request lost (reset) 200 ms after the drain of web-1 began: it was cut off while it drained'],
    [3_100, '1 request lost (reset) 100 ms after the enabling of web-2 ended: it was enabled before it was ready'],
    [-50, '1 request lost (reset) with no step near'],
    [60_000, '1 request lost (reset) with no step near'],
  ])('at %i ms', (ms, sentence) => {
    expect(placeLosses([lost(ms)], events)).toEqual([sentence])
  })

  test('keeps steps apart, and says nothing without a loss', () => {
    expect(placeLosses([lost(200), lost(1_100)], events)).toHaveLength(2)
    expect(placeLosses([], events)).toEqual([])
  })
})

test('what a clause restart.lost rests on: nothing where no probe ran', () => {
  const seen = { sent: 40, failed: 1, worstGapMs: 10, maxFailed: 0 }
  expect(restartEvidence(seen, [lost(1_100)], events)).toMatchObject({ sent: 40, lost: 1, losses: [expect.stringContaining('web-2')] })
  expect(restartEvidence(null, [], events)).toBeNull()
})
