// Stops the process after every journal line, resumes, stops again, resumes: every run must end as the uninterrupted
// one, and no invariant may break on the way. The fleet is imaginary, the executor is the real one.
import { describe, expect, it } from 'vitest'
import type { DurableEvent, Stamped } from '../../src/domain/event.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import type { Plan } from '../../src/domain/plan.ts'
import { execute } from '../../src/execute/execute.ts'
import { freshProgress, replay } from '../../src/journal/replay.ts'
import { buildPlan } from '../../src/plan/build.ts'
import { aConfig, aHost, theFacts } from '../helpers/builders.ts'
import { Crash, makeHarness, makeWorld, type World } from '../helpers/imaginary.ts'

const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'
const NAMES = ['a', 'b', 'c', 'd']

type Scenario = {
  readonly name: string
  readonly ends: Outcome['kind']
  readonly on: readonly (string | null)[]
  readonly world: () => World
  readonly plan: Plan
}

function planFor(
  previous: string | null,
  rollout: Parameters<typeof aConfig>[1],
  intent: 'deploy' | 'rollback' | 'restart' = 'deploy',
): Plan {
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    rollout,
    {
      hooks: {
        before_rollout: [hook('migrate')],
        before_activate: [],
        after_activate: [{ ...hook('warm'), on: 'host' }],
        after_rollout: [hook('bye')],
        on_failure: [hook('page')],
      },
    },
  )
  const facts = theFacts(Object.fromEntries(NAMES.map((name) => [name, { current: previous }])))
  const built = buildPlan({
    config,
    configHash: 'c',
    facts,
    basedOn: 'f',
    intent: intent === 'restart' ? { kind: 'restart' } : { kind: intent, release: R2 },
    only: null,
  })
  expect(built.refusals).toEqual([])
  return built.plan
}
const hook = (name: string) => ({ name, run: name, on: 'local' as const, timeoutMs: 1_000, once: false, irreversible: false })

const scenarios: readonly Scenario[] = [
  { name: 'a good release', ends: 'succeeded', on: [R2, R2, R2, R2], world: () => makeWorld(NAMES, R1, 3), plan: planFor(R1, {}) },
  { name: 'a first deploy', ends: 'succeeded', on: [R2, R2, R2, R2], world: () => makeWorld(NAMES, null, 0), plan: planFor(null, {}) },
  {
    name: 'a release that is bad everywhere',
    ends: 'rolled-back',
    on: [R1, R1, R1, R1],
    world: () => spoiled([R2]),
    plan: planFor(R1, {}),
  },
  {
    name: 'a release that is bad on the last host',
    ends: 'rolled-back',
    on: [R1, R1, R1, R1],
    world: () => spoiled([`d:${R2}`]),
    plan: planFor(R1, {}),
  },
  {
    name: 'bad on the last host, halting',
    ends: 'partial',
    on: [R2, R2, R2, R1],
    world: () => spoiled([`d:${R2}`]),
    plan: planFor(R1, { onFailure: 'halt' }),
  },
  {
    name: 'bad on one host, with a budget of one',
    ends: 'partial',
    on: [R2, R1, R2, R2],
    world: () => spoiled([`b:${R2}`]),
    plan: planFor(R1, { failureBudget: { kind: 'count', count: 1 } }),
  },
  {
    name: 'bad on two hosts, with a budget of one',
    ends: 'rolled-back',
    on: [R1, R1, R1, R1],
    world: () => spoiled([`b:${R2}`, `d:${R2}`]),
    plan: planFor(R1, { failureBudget: { kind: 'count', count: 1 } }),
  },
  {
    name: 'two at once',
    ends: 'succeeded',
    on: [R2, R2, R2, R2],
    world: () => ({ ...makeWorld(NAMES, R1, 2), minReady: 2 }),
    plan: planFor(R1, { atOnce: 2, minReady: { kind: 'count', count: 2 } }),
  },
  {
    name: 'two at once, bad on the third',
    ends: 'rolled-back',
    on: [R1, R1, R1, R1],
    world: () => spoiled([`c:${R2}`], 2),
    plan: planFor(R1, { atOnce: 2, minReady: { kind: 'count', count: 2 } }),
  },
  { name: 'a restart', ends: 'succeeded', on: [R1, R1, R1, R1], world: () => makeWorld(NAMES, R1, 3), plan: planFor(R1, {}, 'restart') },
]

/** A bad release takes one host out of the minimum while it is being undone; the minimum counts the hosts in rotation. */
function spoiled(bad: readonly string[], minReady = 3): World {
  const world = makeWorld(NAMES, R1, minReady)
  for (const release of bad) world.bad.add(release)
  return world
}

const final = (world: World) =>
  [...world.hosts.values()].map((host) => ({ name: host.name, current: host.current, running: host.running, admin: host.admin }))

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

describe('crash and resume', () => {
  let pairs = 0
  for (const scenario of scenarios) {
    it(`${scenario.name}: ends the same from every pair of crashes`, async () => {
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
        }
      }
    })
  }
  it('was tried for at least 5,000 pairs', () => {
    expect(pairs).toBeGreaterThanOrEqual(5_000)
  })
})
