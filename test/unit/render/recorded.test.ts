// The recorded stories are what src/execute tells: the same kinds of events in the same order for the same fleet.
import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isDurable, type RolloutEvent } from '../../../src/domain/event.ts'
import { createTeller } from '../../../src/render/tell.ts'
import { RECORDED, type Recorded, recorded, recordedFile } from './recorded.ts'
import { aHook, openingOf, R1, R2, type StoryOptions, tellStory } from './stories.ts'

const FOUR = ['web-1', 'web-2', 'web-3', 'web-4']
const PROBE: readonly RolloutEvent[] = [{ type: 'probe.progress', sent: 1203, failed: 0, worstGapMs: 12 }]
const base = { hosts: FOUR, before: openingOf(FOUR) }

const STORIES: Readonly<Record<Recorded, StoryOptions>> = {
  succeeded: { ...base, between: PROBE, hooks: { before_rollout: [aHook('migrate', { once: true })], after_rollout: [aHook('announce')] } },
  'rolled-back': {
    ...base,
    between: PROBE,
    rollout: { atOnce: 2, minReady: { kind: 'count', count: 2 } },
    spoil: (world) => world.bad.add(`web-3:${R2}`),
  },
  stuck: { ...base, rollout: { minReady: { kind: 'count', count: 2 } }, spoil: (world) => world.bad.add(R2).add(`web-1:${R1}`) },
  partial: { ...base, rollout: { failureBudget: { kind: 'count', count: 1 } }, spoil: (world) => world.bad.add(`web-2:${R2}`) },
  'first-failed': {
    hosts: ['web-1'],
    previous: null,
    before: openingOf(['web-1']),
    rollout: { minReady: { kind: 'count', count: 0 } },
    spoil: (world) => world.bad.add(R2),
  },
  paused: {
    ...base,
    rollout: {
      steps: [
        { kind: 'deploy', to: { kind: 'count', count: 1 } },
        { kind: 'approve', question: 'Ship it?' },
        { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
      ],
    },
  },
  refused: { ...base, hooks: { before_rollout: [aHook('migrate')] }, spoil: (world) => world.faults.set('local:migrate', 1) },
  'probe-failed': {
    ...base,
    harness: { probe: () => ({ sent: 900, failed: 2, worstGapMs: 340, maxFailed: 0 }) },
    between: [{ type: 'probe.progress', sent: 900, failed: 2, worstGapMs: 340 }],
  },
}

const EXPECTED: Readonly<Record<Recorded, string>> = {
  succeeded: 'succeeded',
  'rolled-back': 'rolled-back',
  stuck: 'stuck',
  partial: 'partial',
  'first-failed': 'rolled-back',
  paused: 'paused',
  refused: 'refused',
  'probe-failed': 'rolled-back',
}

describe('events of real executions', () => {
  it.each(RECORDED)('%s ends as recorded, and every event of it can be told', async (name) => {
    const story = await tellStory(STORIES[name])
    expect(story.outcome.kind).toBe(EXPECTED[name])
    if (process.env.RECORD === '1') writeFileSync(recordedFile(name), story.events.map((event) => `${JSON.stringify(event)}\n`).join(''))
    // Wording and timing of the executor are its own; which durable events there are must not drift from the recording.
    const durable = (events: readonly RolloutEvent[]): readonly string[] =>
      [...new Set(events.filter(isDurable).map((event) => ('step' in event ? `${event.type} ${event.step}` : event.type)))].toSorted()
    expect(durable(recorded(name))).toEqual(durable(story.events))
    const teller = createTeller()
    for (const event of story.events) {
      const told = teller(event)
      if (told === null) continue
      expect(told.text).not.toBe('')
      expect(told.text).not.toMatch(/\n|undefined|NaN|\[object/)
    }
  })
})
