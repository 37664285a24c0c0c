import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { type InterruptOptions, listenForInterrupts, type Signal } from '../../../src/app/interrupt.ts'
import type { Ask } from '../../../src/domain/ask.ts'
import { RollgateError } from '../../../src/domain/error.ts'
import type { DurableEvent, EphemeralEvent } from '../../../src/domain/event.ts'
import type { Plan, Step } from '../../../src/domain/plan.ts'

class Source extends EventEmitter {
  readonly exits: number[] = []
  exit(code: number): void {
    this.exits.push(code)
  }
  send(signal: Signal): void {
    this.emit(signal, signal)
  }
}

const steps: readonly Step[] = [{ id: 'web-1/drain', host: 'web-1', kind: 'drain', deadlineMs: 30_000, onDeadline: 'fail' }]

function planWith(onInterrupt: Plan['policy']['onInterrupt']): Plan {
  return {
    version: 1,
    id: 'p',
    app: 'shop',
    environment: null,
    intent: 'deploy',
    release: 'r2-0000',
    basedOn: 'f',
    configHash: 'c',
    before: [],
    batches: [
      {
        id: 'b1',
        title: 'canary',
        after: [],
        tracks: [{ host: 'web-1', from: 'r1-0000', to: 'r2-0000', steps, undo: [], wasReady: true, rotation: [], group: '' }],
      },
    ],
    finally: [],
    onFailureHooks: [],
    unchanged: [],
    groups: {},
    skipped: [],
    keep: 5,
    policy: { onFailure: 'undo', onInterrupt, failureBudget: 0, minReady: {}, progressDeadlineMs: 600_000 },
  }
}

type Answer = 'stop' | 'undo' | 'continue'

/** Somebody who answers when the test says so, and notices when the question is taken back. */
function person() {
  const asked: string[] = []
  let answer: (value: Answer) => void = () => undefined
  const ask: Pick<Ask, 'choose'> = {
    choose: (question, choices, options) =>
      new Promise((resolve, reject) => {
        asked.push(question)
        options?.signal?.addEventListener('abort', () => reject(new RollgateError('E_CANCELLED', 'taken back')))
        answer = (value) => {
          const found = choices.find((choice) => choice.value === value)
          if (found !== undefined) resolve(found.value)
        }
      }),
  }
  const never = () => Promise.reject(new Error('not asked here'))
  return { asked, answer: (value: Answer) => answer(value), ask: { ...ask, confirm: never, text: never, secret: never } as Ask }
}

function start(options: Partial<InterruptOptions> = {}) {
  const source = new Source()
  const told: string[] = []
  const interrupts = listenForInterrupts({ kind: 'rollout', ask: null, tell: (line) => told.push(line), process: source, ...options })
  let seq = 0
  const event = (what: DurableEvent | EphemeralEvent): void => {
    seq += 1
    interrupts.watcher.on({ version: 1, at: '2026-01-01T00:00:00.000Z', rollout: 'x', seq, ...what })
  }
  const open = (onInterrupt: Plan['policy']['onInterrupt'] = 'stop'): void => {
    event({ type: 'rollout.opened', plan: planWith(onInterrupt), by: 'ada', release: 'r2-0000' })
    event({ type: 'step.started', step: 'web-1/drain', host: 'web-1', attempt: 1 })
  }
  return { source, told, interrupts, control: interrupts.control, event, open }
}

describe('a rollout that is interrupted', () => {
  test('once: finishes the hosts in hand, says which and how long at most, and starts no new one', () => {
    const { source, told, control, interrupts, open } = start()
    open()
    source.send('SIGTERM')
    expect(control.wish).toBe('stop')
    expect(control.because).toBe('SIGTERM')
    expect(control.asked.aborted).toBe(true)
    expect(control.hurry.aborted).toBe(false)
    expect(interrupts.signal.aborted).toBe(false)
    expect(told.join('\n')).toContain('finishing web-1, at most 630 s')
    expect(source.exits).toEqual([])
  })

  test('twice: stops waiting; three times: exits at once with the code of the first signal', () => {
    const { source, told, control, interrupts, open } = start()
    open()
    source.send('SIGTERM')
    source.send('SIGTERM')
    expect(control.hurry.aborted).toBe(true)
    expect(interrupts.signal.aborted).toBe(false)
    expect(told.at(-1)).toContain('at most 10 s')
    source.send('SIGTERM')
    expect(interrupts.signal.aborted).toBe(true)
    expect(source.exits).toEqual([143])
  })

  test.each(['stop', 'undo', 'continue'] as const)('with nobody to ask follows rollout.on_interrupt: %s', (policy) => {
    const { source, control, told, open } = start()
    open(policy)
    source.send('SIGINT')
    expect(control.wish).toBe(policy)
    expect(told.join('\n')).toContain(`on_interrupt: ${policy}`)
  })

  test.each(['stop', 'undo'] as const)('asks the person at the terminal, who says %s', async (answer) => {
    const ada = person()
    const { source, control, open } = start({ ask: ada.ask })
    open('continue')
    source.send('SIGINT')
    expect(ada.asked).toHaveLength(1)
    // Until there is an answer no new host is started.
    expect(control.wish).toBe('stop')
    ada.answer(answer)
    await control.decided?.()
    expect(control.wish).toBe(answer)
  })

  test('goes on as if nothing had been, when the person says so', async () => {
    const ada = person()
    const { source, control, open } = start({ ask: ada.ask })
    open()
    source.send('SIGINT')
    ada.answer('continue')
    await control.decided?.()
    expect(control.wish).toBeNull()
    expect(control.because).toBeNull()
    source.send('SIGINT')
    expect(control.hurry.aborted).toBe(false)
    expect(ada.asked).toHaveLength(2)
  })

  test('takes the question back at the second Ctrl-C, typed at the question or sent', async () => {
    const ada = person()
    const { source, control, interrupts, open } = start({ ask: ada.ask })
    open()
    source.send('SIGINT')
    interrupts.typed()
    await control.decided?.()
    expect(control.hurry.aborted).toBe(true)
    expect(control.wish).toBe('stop')
    expect(source.exits).toEqual([])
  })

  test('is not asked about when the terminal is what went away', () => {
    const ada = person()
    const { source, control, open } = start({ ask: ada.ask })
    open('undo')
    source.send('SIGHUP')
    expect(ada.asked).toEqual([])
    expect(control.wish).toBe('undo')
  })

  test('before anything that serves was changed: stops at once, and exits at the second', () => {
    const { source, control, told } = start()
    source.send('SIGINT')
    expect(control.asked.aborted).toBe(true)
    expect(control.wish).toBe('stop')
    expect(told.join('\n')).toContain('nothing that serves was changed')
    source.send('SIGINT')
    expect(source.exits).toEqual([130])
  })

  test('after it was closed is no rollout any more', () => {
    const { source, event, told, open } = start()
    open()
    event({ type: 'rollout.closed', outcome: { kind: 'succeeded' } })
    source.send('SIGINT')
    expect(told.join('\n')).toContain('nothing that serves was changed')
  })

  test('between two hosts names none', () => {
    const { source, event, told, open } = start()
    open()
    event({ type: 'step.succeeded', step: 'web-1/drain', host: 'web-1', attempt: 1, changed: true })
    source.send('SIGTERM')
    expect(told[0]).toContain('between two hosts')
  })
})

describe('any other command that is interrupted', () => {
  test('ends at the first', () => {
    const { source, control, interrupts } = start({ kind: 'plain' })
    source.send('SIGINT')
    expect(interrupts.signal.aborted).toBe(true)
    expect(control.asked.aborted).toBe(true)
    expect(control.because).toBe('SIGINT')
    expect(source.exits).toEqual([])
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('exits at the second %s with %i', (signal, code) => {
    const { source } = start({ kind: 'plain' })
    source.send(signal)
    source.send(signal)
    expect(source.exits).toEqual([code])
  })

  test('listens no more once it is over', () => {
    const { source, interrupts } = start({ kind: 'plain' })
    interrupts.dispose()
    expect(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM') + source.listenerCount('SIGHUP')).toBe(0)
  })
})
