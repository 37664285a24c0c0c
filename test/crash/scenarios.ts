// The rollouts that are crashed: each with its plan, its imaginary world, and how it ends when nobody interrupts it.
import type { Config, Hook } from '../../src/domain/config.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import type { Plan } from '../../src/domain/plan.ts'
import type { ExecuteContext } from '../../src/domain/ports.ts'
import { buildPlan } from '../../src/plan/build.ts'
import { unfinishedOf } from '../../src/plan/situation.ts'
import { aConfig, aGate, aHost, aLoad, theFacts } from '../helpers/builders.ts'
import { makeWorld, type World } from '../helpers/imaginary.ts'

export const R1 = 'r1-aaaaaaaa'
export const R2 = 'r2-bbbbbbbb'
export const NAMES = ['a', 'b', 'c', 'd']

export type Scenario = {
  readonly name: string
  readonly ends: Outcome['kind']
  readonly on: readonly (string | null)[]
  readonly world: () => World
  readonly plan: Plan
}

function planFor(
  previous: string | null,
  rollout: Parameters<typeof aConfig>[1],
  intent: 'deploy' | 'restart' = 'deploy',
  measured: Pick<Config, 'gates' | 'loads'> = { gates: {}, loads: {} },
): Plan {
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    rollout,
    {
      ...measured,
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
  if (built.refusals.length > 0) throw new Error(JSON.stringify(built.refusals))
  return built.plan
}

const hook = (name: string): Hook => ({ name, run: name, on: 'local', timeoutMs: 1_000, once: false, irreversible: false })

/** A bad release takes one host out of the minimum while it is being undone; the minimum counts the hosts in rotation. */
function spoiled(bad: readonly string[], minReady = 3): World {
  const world = makeWorld(NAMES, R1, minReady)
  for (const release of bad) world.bad.add(release)
  return world
}

/** A gate that compares at the canary, out of rotation, after it was calibrated. */
const GATED: Parameters<typeof aConfig>[1] = {
  minReady: { kind: 'count', count: 2 },
  steps: [
    { kind: 'deploy', to: { kind: 'count', count: 1 } },
    { kind: 'gate', gate: 'canary' },
    { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
  ],
}

function measured(): Pick<Config, 'gates' | 'loads'> {
  return { loads: { visits: aLoad('visits') }, gates: { canary: aGate('canary', ['p95 <= baseline + 15%']) } }
}

export const scenarios: readonly Scenario[] = [
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
  {
    name: 'a gate at the canary, with an old host out as its control',
    ends: 'succeeded',
    on: [R2, R2, R2, R2],
    world: () => ({ ...makeWorld(NAMES, R1, 2), minReady: 2 }),
    plan: planFor(R1, GATED, 'deploy', measured()),
  },
  {
    name: 'a gate that says no, with a budget that is for hosts',
    ends: 'rolled-back',
    on: [R1, R1, R1, R1],
    world: () => ({ ...makeWorld(NAMES, R1, 2), minReady: 2, gateSays: () => 'fail' }),
    plan: planFor(R1, { ...GATED, failureBudget: { kind: 'count', count: 2 } }, 'deploy', measured()),
  },
  { name: 'a restart', ends: 'succeeded', on: [R1, R1, R1, R1], world: () => makeWorld(NAMES, R1, 3), plan: planFor(R1, {}, 'restart') },
]

/** What must be the same in the end, whatever happened on the way. */
export const final = (world: World) =>
  [...world.hosts.values()].map((host) => ({ name: host.name, current: host.current, running: host.running, admin: host.admin }))

/** Hosts whose ledger would keep everybody out: nothing but a stuck rollout may leave one. */
export const stillOpen = (world: World): readonly string[] =>
  [...world.hosts.values()].filter((host) => unfinishedOf(host.ledger) !== null).map((host) => host.name)

const { hosts, defaults, roles, rollout, hooks } = aConfig([])

/** The `open` entry on a host, as a rollout's first act. */
export function open(context: ExecuteContext, host: string, plan: Plan): Promise<void> {
  return context.ports
    .host(host)
    .open(
      { version: 1, rollout: 'x', by: 'test', command: 'deploy', plan, settings: { hosts, defaults, roles, rollout, hooks } },
      context.signal,
    )
}
