// The operator's side fails in the middle of a rollout, under load: his machine dies, he presses Ctrl-C, two start at
// once, one is suspended and wakes up too late. The fleet ends as docs/failures.md says, and no request is lost. Names that
// begin with C are those of the conformance suite (balancers.md, section 9).
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { LockDocument } from '../../src/domain/document.ts'
import { describeOnLab } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { healing } from './helpers/faults.ts'
import { emptyFleet, untilAllReady } from './helpers/fleet.ts'
import { deployed, expectWholeAgain, told, useProject } from './helpers/suite.ts'
import { began, builder, did, killed, LEASE_ONLY, reach, repeat, TIMER_TOO, useTrials } from './helpers/trials.ts'

describeOnLab('the operator fails', (lab) => {
  healing(async () => {
    suite.project.killAll()
    await emptyFleet(lab)
    await deployed(suite.project, 'once more')
  })
  const suite = useProject(lab, 'part3-operator')
  const trials = useTrials(lab)
  let next: (kind: string) => void = () => {}
  /** What an undisturbed rollout writes down: steps, checkpoints, its begin and its end. */
  let moments = 0
  const elsewhere = () => join(suite.project.home, '..', 'elsewhere')
  const durable = /^(step|checkpoint|rollout)\./

  beforeAll(async () => {
    await deployed(suite.project, 'first')
    next = builder(suite.project)
    next('measured')
    const { events, document } = await suite.project.json(['deploy'])
    expect(document).toMatchObject({ outcome: 'succeeded' })
    moments = events.filter((event) => durable.test(event.type)).length
  })

  /** The fleet runs one release, nothing is left to be done, and the last one deployed is told. */
  const expectSettled = () => expectWholeAgain(lab, suite.project, elsewhere())

  /** A deploy that dies at that part of the whole, 0…1. */
  const dies = async (part: number, env: Readonly<Record<string, string>>) => {
    next('killed')
    const started = suite.project.start(['deploy'], { env })
    // From right after the first to right before the last.
    const wanted = 1 + Math.round(part * (moments - 2))
    await reach(started, `event ${wanted} of ${moments}`, (events) => events.filter((each) => durable.test(each.type)).length >= wanted)
    await killed(started)
  }

  describe('C26: kill -9, then `resume` from another machine', () => {
    const runs = repeat(25, 1)
    test.each(runs)('moment %i', async (run) => {
      await trials.run('kill -9 of the tool, then `resume` from another machine', run, async () => {
        await dies((run - 0.5) / runs.length, LEASE_ONLY)
        const resumed = await suite.project.json(['resume'], { home: elsewhere(), env: LEASE_ONLY })
        expect(resumed.exitCode, told(resumed)).toBe(0)
        expect(resumed.document).toMatchObject({ outcome: 'succeeded' })
        await expectSettled()
      })
    })
  })

  describe('C27: kill -9, and nobody resumes', () => {
    const runs = repeat(25, 1)
    test.each(runs)('moment %i: the timer alone brings the healthy host back', async (run) => {
      await trials.run('kill -9 of the tool, nobody resumes: timers alone', run, async () => {
        await dies((run - 0.5) / runs.length, TIMER_TOO)
        await untilAllReady(lab)
      })
      // Not a part of the trial: the next one starts from a whole fleet.
      const resumed = await suite.project.json(['resume'], { home: elsewhere() })
      expect(resumed.exitCode, told(resumed)).toBe(0)
      await expectSettled()
    })
  })

  describe('signals', () => {
    const settle = async () => {
      const resumed = await suite.project.json(['resume'], { home: elsewhere() })
      expect(resumed.exitCode, told(resumed)).toBe(0)
      await expectSettled()
    }
    const signals = [
      ['SIGINT once', ['SIGINT'], 130],
      ['SIGINT twice', ['SIGINT', 'SIGINT'], 130],
      ['SIGTERM', ['SIGTERM'], 143],
    ] as const
    const steps = ['drain', 'restart', 'prove'] as const
    describe.each(repeat(3))('run %i', (run) => {
      test.each(signals)('%s: the host in hand goes back into rotation, and `resume` goes on', async (name, words, exitCode) => {
        await trials.run(`${name} in the middle of a host`, run, async () => {
          next(name)
          const started = suite.project.start(['deploy'])
          const step = steps[(run - 1) % steps.length] ?? 'restart'
          await reach(started, `${step} of the second host began`, began('h2', step))
          const heard = ['no new host is started', 'not waiting any longer']
          for (const [index, word] of words.entries()) {
            started.kill(word)
            await until(`${word} was heard`, () => started.stderr().includes(heard[index] ?? ''))
          }
          const ended = await started.ended
          expect(ended.exitCode, ended.stderr).toBe(exitCode)
          await untilAllReady(lab)
        })
        await settle()
      })
    })
  })

  describe('C28: two operators', () => {
    test.each(repeat(50))('run %i: of two that start together exactly one wins', async (run) => {
      await trials.run('two operators start together', run, async () => {
        next('together')
        const both = await Promise.all([suite.project.json(['deploy']), suite.project.json(['deploy'], { home: elsewhere() })])
        expect(both.map((each) => each.exitCode).sort(), both.map(told).join('\n')).toEqual([0, 10])
        const loser = both.find((each) => each.exitCode === 10)
        expect(loser?.document).toMatchObject({ outcome: 'refused', error: { code: 'E_LOCKED' } })
        await expectSettled()
      })
    })

    test.each(repeat(10))('run %i: one who was suspended stops at his next step when the lock was taken away', async (run) => {
      const steps = ['drain', 'restart', 'prove', 'enable'] as const
      await trials.run('take-over while the first is suspended, who then goes on', run, async () => {
        next('suspended')
        const step = steps[run % steps.length] ?? 'restart'
        const started = suite.project.start(['deploy'], { env: LEASE_ONLY })
        await reach(started, `${step} of the second host began`, began('h2', step))
        started.kill('SIGSTOP')
        const taken = await suite.project.json<LockDocument>(['lock', 'release', '--confirm', 'shop'], { home: elsewhere() })
        expect(taken.exitCode, told(taken)).toBe(0)
        expect(taken.document).toMatchObject({ released: true })
        started.kill('SIGCONT')
        const ended = await started.ended
        expect(ended.exitCode, ended.stderr).toBe(10)
        expect(did('h3', 'drain')(ended.events)).toBe(false)
        next('after it')
        const after = await suite.project.json(['deploy'], { home: elsewhere() })
        expect(after.exitCode, told(after)).toBe(0)
        await expectSettled()
      })
    })
  })
})
