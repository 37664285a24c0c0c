// The machine that ran the rollout is gone, with its journal: only the hosts' ledgers are left. The process dies before
// any effect (a ledger line, a change of the balancer, the answer of a script), another machine goes on and dies too, a
// third one ends it. Which pairs are tried is drawn with a fixed seed; everything must end as if nothing had happened.
import { describe, expect, it } from 'vitest'
import type { Outcome } from '../../src/domain/outcome.ts'
import { execute } from '../../src/execute/execute.ts'
import { recover } from '../../src/journal/recover.ts'
import { freshProgress, type Progress } from '../../src/journal/replay.ts'
import { Crash, makeHarness, type World } from '../helpers/imaginary.ts'
import { final, open, R2, type Scenario, scenarios, stillOpen } from './scenarios.ts'

const PAIRS_EACH = 550

async function runOnce(
  world: World,
  scenario: Scenario,
  crashBefore?: number,
): Promise<{ readonly outcome: Outcome | null; readonly effects: number }> {
  const harness = makeHarness(world, crashBefore === undefined ? {} : { crashBefore })
  try {
    const progress = progressFromHosts(world, scenario)
    for (const name of world.hosts.keys()) await open(harness.context, name, scenario.plan)
    const { outcome } = await execute(progress, harness.context)
    return { outcome, effects: harness.effects() }
  } catch (error) {
    if (error instanceof Crash) return { outcome: null, effects: harness.effects() }
    throw error
  }
}

function progressFromHosts(world: World, scenario: Scenario): Progress {
  const ledgers = new Map([...world.hosts.values()].map((host) => [host.name, host.ledger]))
  return recover(scenario.plan, 'x', ledgers) ?? freshProgress(scenario.plan, R2)
}

/** Mulberry32: small, seeded, good enough to draw pairs. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

// Thousands of rollouts: on a busy machine they take their time, and that is no failure.
const PATIENCE_MS = 600_000

describe('going on from another machine', () => {
  let pairs = 0
  for (const [index, scenario] of scenarios.entries()) {
    it(`${scenario.name}: ends the same from ${PAIRS_EACH} pairs of crashes`, { timeout: PATIENCE_MS }, async () => {
      const reference = scenario.world()
      const whole = await runOnce(reference, scenario)
      expect(whole.outcome?.kind).toBe(scenario.ends)
      const random = randomFrom(index + 1)
      for (let pair = 0; pair < PAIRS_EACH; pair += 1) {
        const first = 1 + Math.floor(random() * whole.effects)
        const second = 1 + Math.floor(random() * whole.effects)
        const world = scenario.world()
        const where = `died before effect ${first}, then before ${second}`
        const one = await runOnce(world, scenario, first)
        const two = one.outcome === null ? await runOnce(world, scenario, second) : one
        const three = two.outcome === null ? await runOnce(world, scenario) : two
        pairs += 1
        expect(three.outcome?.kind, `${where}: ${JSON.stringify(three.outcome)}`).toBe(whole.outcome?.kind)
        expect(final(world), where).toEqual(final(reference))
        expect(world.violations, where).toEqual([])
        expect(stillOpen(world), where).toEqual([])
      }
    })
  }

  it('was tried for at least 5,000 pairs', () => {
    expect(pairs).toBeGreaterThanOrEqual(5_000)
  })
})
