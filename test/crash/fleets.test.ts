// Fleets, policies and failures that nobody thought of: drawn by fast-check, seeded, over the imaginary world. Whatever is
// drawn, the invariants hold at every step, every run ends, and one that dies on the way and is resumed (from its journal,
// or from the hosts alone) ends as if nothing had happened. A counterexample is shrunk to the smallest fleet that shows it.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StepSetting } from '../../src/domain/config.ts'
import type { DurableEvent, Stamped } from '../../src/domain/event.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import type { Plan } from '../../src/domain/plan.ts'
import { execute } from '../../src/execute/execute.ts'
import { recover } from '../../src/journal/recover.ts'
import { freshProgress, type Progress, replay } from '../../src/journal/replay.ts'
import { buildPlan } from '../../src/plan/build.ts'
import { aConfig, aHost, type HostStory, theFacts } from '../helpers/builders.ts'
import { Crash, isHealthy, makeHarness, makeWorld, type World } from '../helpers/imaginary.ts'
import { final, open, R1, R2, stillOpen } from './scenarios.ts'

const RUNS = process.env.ROLLGATE_FULL === '1' ? 20_000 : 1_000
const SEED = 20_261_125
/** Far beyond what any of these rollouts does. */
const ENDLESS = 20_000
const ROLES = ['web', 'worker'] as const
const FAILS = ['drain', 'maintenance', 'hook', 'activate', 'restart'] as const

type Drawn = {
  readonly hosts: readonly { readonly zone: string | null; readonly role: 0 | 1 | null; readonly state: 'good' | 'gone' | 'out' }[]
  readonly balanced: boolean
  readonly first: boolean
  readonly atOnce: number
  readonly minReady: number | null
  readonly spread: 'none' | 'zone'
  readonly budget: number
  readonly onFailure: 'undo' | 'halt'
  readonly steps: readonly ('pause' | 'approve' | 'hook' | number)[]
  /** Hosts on which the new release never becomes healthy, by index. */
  readonly bad: readonly number[]
  /** Steps that fail on a host, again and again. */
  readonly faults: readonly { readonly host: number; readonly what: (typeof FAILS)[number] }[]
  readonly badHook: boolean
  /** Answers of the balancer before it is gone for good. */
  readonly answers: number | null
  /** How many effects each run has before it dies. */
  readonly deaths: readonly number[]
  /** Where the next one learns how far it came: the same machine's journal, or the ledgers. */
  readonly from: 'journal' | 'hosts'
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  hosts: fc.array(
    fc.record({
      zone: fc.constantFrom(null, 'north', 'south'),
      role: fc.constantFrom<0 | 1 | null>(null, null, 0, 1),
      state: fc.constantFrom<'good' | 'gone' | 'out'>('good', 'good', 'good', 'good', 'good', 'gone', 'out'),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  balanced: fc.constantFrom(true, true, true, false),
  first: fc.constantFrom(false, false, false, true),
  atOnce: fc.integer({ min: 1, max: 4 }),
  minReady: fc.option(fc.integer({ min: 0, max: 6 })),
  spread: fc.constantFrom('none', 'zone'),
  budget: fc.integer({ min: 0, max: 3 }),
  onFailure: fc.constantFrom('undo', 'halt'),
  steps: fc.array(fc.oneof(fc.constantFrom('pause' as const, 'approve' as const, 'hook' as const), fc.integer({ min: 1, max: 100 })), {
    maxLength: 4,
  }),
  bad: fc.array(fc.nat({ max: 11 }), { maxLength: 3 }),
  faults: fc.array(fc.record({ host: fc.nat({ max: 11 }), what: fc.constantFrom(...FAILS) }), { maxLength: 2 }),
  badHook: fc.constantFrom(false, false, false, true),
  answers: fc.option(fc.integer({ min: 1, max: 60 }), { freq: 4 }),
  deaths: fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 3 }),
  from: fc.constantFrom('journal', 'hosts'),
})

const nameOf = (index: number): string => `h${String(index + 1).padStart(2, '0')}`

function planOf(fleet: Drawn): Plan | null {
  const hosts = fleet.hosts.map(({ zone, role }, index) =>
    aHost(nameOf(index), { roles: role === null ? [] : [ROLES[role]], ...(zone === null ? {} : { zone }) }),
  )
  const hook = { name: 'look', run: 'look', on: 'local', timeoutMs: 1_000, once: false, irreversible: false } as const
  const percents = fleet.steps.filter((step) => typeof step === 'number').toSorted((a, b) => a - b)
  const steps = fleet.steps.map((step): StepSetting => {
    if (typeof step === 'number') return { kind: 'deploy', to: { kind: 'percent', percent: percents.shift() ?? 100 } }
    if (step === 'pause') return { kind: 'pause', ms: 2_000 }
    return step === 'approve' ? { kind: 'approve', question: 'On?' } : { kind: 'hook', hook }
  })
  const { defaults } = aConfig([])
  const bare = { ...defaults, balancers: fleet.balanced ? defaults.balancers : [] }
  const config = aConfig(
    hosts,
    {
      steps: [...steps, { kind: 'deploy', to: { kind: 'percent', percent: 100 } }],
      atOnce: fleet.atOnce,
      minReady: fleet.minReady === null ? null : { kind: 'count', count: fleet.minReady },
      spread: fleet.spread,
      failureBudget: { kind: 'count', count: fleet.budget },
      onFailure: fleet.onFailure,
      unreachable: 'skip',
    },
    {
      defaults: bare,
      roles: { web: bare, worker: bare },
      hooks: {
        before_rollout: [{ ...hook, name: 'before' }],
        before_activate: [{ ...hook, name: 'warm', on: 'host' }],
        after_activate: [],
        after_rollout: [{ ...hook, name: 'after' }],
        on_failure: [{ ...hook, name: 'page' }],
      },
    },
  )
  const story = ({ state }: Drawn['hosts'][number]): HostStory | 'unreachable' =>
    state === 'gone'
      ? 'unreachable'
      : { current: fleet.first ? null : R1, admin: state === 'out' && fleet.balanced ? 'maintenance' : 'ready' }
  const facts = theFacts(Object.fromEntries(fleet.hosts.map((host, index) => [nameOf(index), story(host)])))
  const built = buildPlan({
    config,
    configHash: 'c',
    facts: fleet.balanced ? facts : { ...facts, rotation: {} },
    basedOn: 'f',
    intent: { kind: 'deploy', release: R2 },
    only: null,
  })
  return built.refusals.length > 0 ? null : built.plan
}

function worldOf(fleet: Drawn, plan: Plan): World {
  const names = fleet.hosts.map((_, index) => nameOf(index))
  const world = makeWorld(names, fleet.first ? null : R1, 0)
  world.balanced = fleet.balanced
  // What is promised cannot be more than there was in the beginning (a first deploy has nothing to keep).
  world.groups = Object.entries(plan.groups).map(([name, group]) => ({
    hosts: group.hosts,
    minReady: Math.min(plan.policy.minReady[name] ?? 0, group.ready.length),
  }))
  for (const [index, { state }] of fleet.hosts.entries()) {
    const host = world.hosts.get(nameOf(index))
    if (host === undefined) continue
    if (state === 'gone') host.running = null
    if (state === 'out' && fleet.balanced) {
      host.admin = 'maintenance'
      host.adminBefore = 'maintenance'
    }
  }
  for (const index of fleet.bad) world.bad.add(`${nameOf(index)}:${R2}`)
  for (const { host, what } of fleet.faults) world.faults.set(`${nameOf(host)}:${what}`, Number.POSITIVE_INFINITY)
  world.answers = fleet.answers ?? Number.POSITIVE_INFINITY
  if (fleet.badHook) world.faults.set('local:look', Number.POSITIVE_INFINITY)
  return world
}

type Ended = { readonly outcome: Outcome | null; readonly journal: Stamped<DurableEvent>[] }

async function runOnce(
  world: World,
  plan: Plan,
  journal: readonly Stamped<DurableEvent>[],
  from: 'journal' | 'hosts',
  diesAt?: number,
): Promise<Ended> {
  const harness = makeHarness(world, {
    journal: from === 'journal' ? journal : [],
    crashBefore: diesAt ?? ENDLESS,
    approve: async () => 'yes',
    timers: true,
  })
  const { context } = harness
  try {
    const progress = progressOf(world, plan, harness.journal, from)
    if (progress?.outcome != null) return { outcome: progress.outcome, journal: harness.journal }
    if (progress === null || from === 'hosts') {
      await context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
      for (const track of plan.batches.flatMap((batch) => batch.tracks)) await open(context, track.host, plan)
    }
    const { outcome } = await execute(progress ?? freshProgress(plan, R2), context)
    return { outcome, journal: harness.journal }
  } catch (error) {
    if (!(error instanceof Crash)) throw error
    expect(diesAt, 'the run does not end').toBeDefined()
    return { outcome: null, journal: harness.journal }
  }
}

function progressOf(world: World, plan: Plan, journal: readonly Stamped<DurableEvent>[], from: 'journal' | 'hosts'): Progress | null {
  if (from === 'journal') return replay(journal)
  return recover(plan, 'x', new Map([...world.hosts.values()].map((host) => [host.name, host.ledger])))
}

/** Which of several come first is chance, and when the balancer goes away as well: `halt` keeps those that were done, and a first deploy's way back stops those that were begun. */
const isChance = (fleet: Drawn): boolean =>
  (fleet.atOnce > 1 && (fleet.onFailure === 'halt' || fleet.first)) || (fleet.balanced && fleet.answers !== null)

async function check(fleet: Drawn): Promise<void> {
  const plan = planOf(fleet)
  if (plan === null || plan.batches.length === 0) return
  const reference = worldOf(fleet, plan)
  const whole = await runOnce(reference, plan, [], 'journal')
  expect(whole.outcome).not.toBeNull()
  expect(reference.violations).toEqual([])
  expectConsistent(reference, whole.outcome)

  const world = worldOf(fleet, plan)
  let ended: Ended = { outcome: null, journal: [] }
  for (const at of fleet.deaths) {
    if (ended.outcome !== null) break
    ended = await runOnce(world, plan, ended.journal, fleet.from, at)
    if (ended.outcome === null) expect(forgotten(world), 'healthy, out of rotation, and no timer brings it back').toEqual([])
  }
  if (ended.outcome === null) ended = await runOnce(world, plan, ended.journal, fleet.from)
  expect(world.violations).toEqual([])
  expectConsistent(world, ended.outcome)
  if (isChance(fleet)) return
  expect(ended.outcome?.kind, JSON.stringify(ended.outcome)).toBe(whole.outcome?.kind)
  expect(final(world)).toEqual(final(reference))
}

/** Only a stuck rollout leaves anything behind: that is the lock, and a person is told. */
function expectConsistent(world: World, outcome: Outcome | null): void {
  if (outcome?.kind === 'stuck') return
  expect(stillOpen(world)).toEqual([])
  const runs = [...world.hosts.values()].filter((host) => host.running !== null)
  expect(runs.filter((host) => host.running !== host.current)).toEqual([])
}

function forgotten(world: World): readonly string[] {
  return [...world.hosts.values()]
    .filter((host) => host.admin !== host.adminBefore && host.admin !== 'ready' && isHealthy(world, host) && !world.timers.has(host.name))
    .map((host) => host.name)
}

describe('any fleet, any policy, any failure', () => {
  it(`keeps its promises in ${RUNS} rollouts that die up to three times`, { timeout: 600_000 }, async () => {
    await fc.assert(fc.asyncProperty(drawn, check), { numRuns: RUNS, seed: SEED, endOnFailure: false })
  })

  it('is not spared by what is drawn: most are rolled out, and some end in each way', async () => {
    const kinds = new Map<string, number>()
    for (const fleet of fc.sample(drawn, { numRuns: 200, seed: SEED })) {
      const plan = planOf(fleet)
      const outcome = plan === null ? null : (await runOnce(worldOf(fleet, plan), plan, [], 'journal')).outcome
      kinds.set(outcome?.kind ?? 'refused', (kinds.get(outcome?.kind ?? 'refused') ?? 0) + 1)
    }
    for (const kind of ['succeeded', 'rolled-back', 'partial', 'stuck'])
      expect(kinds.get(kind) ?? 0, `${kind} of ${JSON.stringify([...kinds])}`).toBeGreaterThan(3)
  })
})
