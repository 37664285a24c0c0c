// Stops the process after every journal line, resumes, stops again, resumes: every run must end as the uninterrupted
// one, and no invariant may break on the way. The fleet is imaginary, the executor is the real one.
import { describe, expect, it } from 'vitest'
import type { DurableEvent, Stamped } from '../../src/domain/event.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import type { Plan } from '../../src/domain/plan.ts'
import { execute } from '../../src/execute/execute.ts'
import { freshProgress, replay } from '../../src/journal/replay.ts'
import { Crash, makeHarness, type World } from '../helpers/imaginary.ts'
import { final, open, R2, scenarios, stillOpen } from './scenarios.ts'

async function runOnce(
  world: World,
  plan: Plan,
  journal: readonly Stamped<DurableEvent>[],
  crashAfter?: number,
): Promise<{ outcome: Outcome | null; journal: Stamped<DurableEvent>[] }> {
  const harness = makeHarness(world, { journal, ...(crashAfter === undefined ? {} : { crashAfter }) })
  try {
    let progress = replay(harness.journal)
    if (progress === null) {
      await harness.context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
      for (const name of world.hosts.keys()) await open(harness.context, name, plan)
      progress = freshProgress(plan, R2)
    }
    if (progress.outcome !== null) return { outcome: progress.outcome, journal: harness.journal }
    const { outcome } = await execute(progress, harness.context)
    return { outcome, journal: harness.journal }
  } catch (error) {
    if (error instanceof Crash) return { outcome: null, journal: harness.journal }
    throw error
  }
}

// Thousands of rollouts: on a busy machine they take their time, and that is no failure.
const PATIENCE_MS = 600_000

describe('crash and resume', () => {
  let pairs = 0
  for (const scenario of scenarios) {
    it(`${scenario.name}: ends the same from every pair of crashes`, { timeout: PATIENCE_MS }, async () => {
      const reference = scenario.world()
      const whole = await runOnce(reference, scenario.plan, [])
      expect(whole.outcome?.kind).toBe(scenario.ends)
      expect(final(reference).map((host) => host.running)).toEqual(scenario.on)
      expect(final(reference).map((host) => host.admin)).toEqual(['ready', 'ready', 'ready', 'ready'])
      expect(reference.violations).toEqual([])
      const lines = whole.journal.length
      expect(lines).toBeGreaterThan(10)
      for (let first = 1; first < lines; first += 1) {
        for (let second = 1; second <= lines; second += 1) {
          const world = scenario.world()
          const one = await runOnce(world, scenario.plan, [], first)
          const two = one.outcome === null ? await runOnce(world, scenario.plan, one.journal, second) : one
          const three = two.outcome === null ? await runOnce(world, scenario.plan, two.journal) : two
          pairs += 1
          expect(three.outcome?.kind, `crashed after ${first}, then after ${second}: ${JSON.stringify(three.outcome)}`).toBe(
            whole.outcome?.kind,
          )
          expect(final(world), `crashed after ${first}, then after ${second}`).toEqual(final(reference))
          expect(world.violations, `crashed after ${first}, then after ${second}`).toEqual([])
          expect(stillOpen(world), `crashed after ${first}, then after ${second}`).toEqual([])
        }
      }
    })
  }
  it('was tried for at least 5,000 pairs', () => {
    expect(pairs).toBeGreaterThanOrEqual(5_000)
  })
})
