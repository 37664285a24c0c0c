// What `--threshold` cannot ask is refused before anything is sent, in the words of the planner, and with a fix that a command
// line can say.
import { describe, expect, test } from 'vitest'
import { refuseUnanswerable, thresholdOf } from '../../../src/app/thresholds.ts'
import { RollgateError } from '../../../src/domain/error.ts'
import { planning } from '../../../src/gate/planner.ts'
import { settingsOf } from '../gate/helpers.ts'

function refusal(work: () => void): RollgateError {
  try {
    work()
  } catch (error) {
    if (error instanceof RollgateError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const refused = (written: readonly string[], model: 'paced' | 'closed' = 'paced', compares = false) =>
  refusal(() => refuseUnanswerable(written.map(thresholdOf), model, compares))

describe('what no load test answers', () => {
  test.each([
    ['value < 1', 'paced', false, 'what a Prometheus query answers', 'prometheus'],
    ['burn < 14.4', 'paced', false, 'what a Prometheus query answers', 'prometheus'],
    ['capacity >= 95% of baseline', 'paced', true, 'out of rotation', '--find-capacity'],
    ['restart.lost = 0', 'paced', false, 'only a rollout restarts hosts', 'a rollout'],
    ['p95 <= baseline + 15%', 'paced', false, 'compares with the old release, and there is none', '--against URL'],
    ['slow <= baseline + 1pp', 'paced', true, 'needs a calibration', 'p99 < 300ms'],
    ['rps >= 98% of offered', 'closed', false, 'offers nothing at a rate', '--rate 100/s instead of --connections'],
  ] as const)('%s over %s', (written, model, compares, why, fix) => {
    expect(refused([written], model, compares)).toMatchObject({
      ...{ code: 'E_USAGE', exitCode: 2, now: 'nothing was sent' },
      message: expect.stringContaining(why),
      hints: [expect.stringContaining(fix)],
    })
  })

  test('is refused with every reason', () => {
    expect(refused(['value < 1', 'restart.lost = 0', 'p95 < 1s']).evidence).toEqual([expect.stringContaining('restart.lost = 0')])
  })

  test('is refused by the planner in the same words', () => {
    const gate = settingsOf({ pass: [thresholdOf('rps >= 98% of offered')] })
    const [problem] = planning(gate, { kind: 'closed', hasProbe: false }).problems
    const { message } = refused(['rps >= 98% of offered'], 'closed')
    expect(problem?.startsWith(message.replace('--threshold ', ''))).toBe(true)
  })
})

test('what a load test answers is not refused', () => {
  const written = ['p95 < 1s', 'max < 2s', 'errors = 0', 'rps >= 5/s', 'rps >= 98% of offered', 'p95 <= last 5 passes + 10%']
  expect(() => refuseUnanswerable(written.map(thresholdOf), 'paced', false)).not.toThrow()
  expect(() => refuseUnanswerable(['p95 <= baseline + 15%', 'errors <= baseline + 1pp'].map(thresholdOf), 'paced', true)).not.toThrow()
})

test.each([
  ['slow < 1%', '--threshold "p99 < 300ms"'],
  ['slow <= 0.5%', '--threshold "p99.5 < 300ms"'],
  ['p95 < 300', '--threshold "p95 < 300ms"'],
  ['nonsense', '--threshold "p95 < 300ms"'],
])('%s is told what a command line can say instead', (written, hint) => {
  const { code, hints, message } = refusal(() => thresholdOf(written))
  expect(code).toBe('E_USAGE')
  expect(hints[0]).toContain(hint)
  expect(message + hints.join()).not.toContain('above: 300ms')
})
