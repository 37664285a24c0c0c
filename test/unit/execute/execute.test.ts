import { describe, expect, it } from 'vitest'
import type { Hook, HookMoment } from '../../../src/domain/config.ts'
import { exitCodeOf, type Outcome } from '../../../src/domain/outcome.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Control } from '../../../src/domain/ports.ts'
import { execute } from '../../../src/execute/execute.ts'
import { freshProgress, replay } from '../../../src/journal/replay.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { aConfig, aHost, theFacts } from '../../helpers/builders.ts'
import { makeHarness, makeWorld, type World } from '../../helpers/imaginary.ts'

const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'
const NAMES = ['a', 'b', 'c', 'd']
const NO_HOOKS = { before_rollout: [], before_activate: [], after_activate: [], after_rollout: [], on_failure: [] }
const hook = (name: string, extra: Partial<Hook> = {}): Hook => ({
  name,
  run: name,
  on: 'local',
  timeoutMs: 1_000,
  once: false,
  irreversible: false,
  ...extra,
})

function planOf(
  rollout: Parameters<typeof aConfig>[1] = {},
  hooks: Partial<Record<HookMoment, readonly Hook[]>> = {},
  previous: string | null = R1,
): Plan {
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    rollout,
    { hooks: { ...NO_HOOKS, ...hooks } },
  )
  const facts = theFacts(Object.fromEntries(NAMES.map((name) => [name, { current: previous }])))
  return buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null }).plan
}

async function go(
  world: World,
  plan: Plan,
  options: Parameters<typeof makeHarness>[1] = {},
): Promise<{ outcome: Outcome; harness: ReturnType<typeof makeHarness> }> {
  const harness = makeHarness(world, options)
  await harness.context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
  const { outcome } = await execute(freshProgress(plan, R2), harness.context)
  return { outcome, harness }
}
const running = (world: World) => [...world.hosts.values()].map((host) => host.running)
const admins = (world: World) => [...world.hosts.values()].map((host) => host.admin)

describe('execute', () => {
  it('brings every host to the release, ready again, and never below min_ready', async () => {
    const world = makeWorld(NAMES, R1, 3)
    const { outcome } = await go(world, planOf())
    expect(outcome).toEqual({ kind: 'succeeded' })
    expect(running(world)).toEqual([R2, R2, R2, R2])
    expect(admins(world)).toEqual(['ready', 'ready', 'ready', 'ready'])
    expect([world.lowestReady, world.violations, world.restarts]).toEqual([3, [], 4])
  })

  it('stops a bad release at the first host and restores that host', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.bad.add(R2)
    const { outcome, harness } = await go(world, planOf())
    expect(outcome).toMatchObject({
      kind: 'rolled-back',
      because: { code: 'E_UNHEALTHY', host: 'a', evidence: ['last answer: HTTP 500', 'imaginary log line'] },
    })
    expect(exitCodeOf(outcome)).toBe(5)
    expect(running(world)).toEqual([R1, R1, R1, R1])
    expect(world.restarts).toBe(2)
    expect(world.violations).toEqual([])
    expect(harness.events.some((event) => event.type === 'undo.opened')).toBe(true)
  })

  it('undoes in reverse order and keeps min_ready on the way back', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.bad.add(`d:${R2}`)
    const { outcome, harness } = await go(world, planOf())
    expect(outcome.kind).toBe('rolled-back')
    expect(running(world)).toEqual([R1, R1, R1, R1])
    const enabled = harness.journal.flatMap((event) =>
      event.type === 'step.succeeded' && event.step.endsWith('/undo/enable') ? [event.host] : [],
    )
    expect(enabled).toEqual(['d', 'c', 'b', 'a'])
    expect(world.violations).toEqual([])
  })

  it('halts where the config says so: good hosts stay on the new release, the bad one goes back', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.bad.add(`c:${R2}`)
    const { outcome } = await go(world, planOf({ onFailure: 'halt' }))
    expect(outcome).toMatchObject({ kind: 'partial', hosts: ['c'] })
    expect(exitCodeOf(outcome)).toBe(6)
    expect(running(world)).toEqual([R2, R2, R1, R1])
  })

  it('goes on within the failure budget, restores the failed host, and ends partial', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.bad.add(`b:${R2}`)
    const { outcome } = await go(world, planOf({ failureBudget: { kind: 'count', count: 1 } }))
    expect(outcome).toMatchObject({ kind: 'partial', hosts: ['b'] })
    expect(running(world)).toEqual([R2, R1, R2, R2])
    expect(admins(world)).toEqual(['ready', 'ready', 'ready', 'ready'])
  })

  it('stops and keeps out of rotation what a failed first deploy left, with exit 5', async () => {
    const world = makeWorld(NAMES, null, 0)
    world.bad.add(R2)
    const { outcome } = await go(world, planOf({}, {}, null))
    expect(exitCodeOf(outcome)).toBe(5)
    expect(world.hosts.get('a')).toMatchObject({ running: null, admin: 'maintenance' })
  })

  it('stops a first deploy that fails on the last host everywhere, with exit 5', async () => {
    const world = makeWorld(NAMES, null, 0)
    world.bad.add(`d:${R2}`)
    const { outcome } = await go(world, planOf({}, {}, null))
    expect(outcome.kind).toBe('rolled-back')
    expect(exitCodeOf(outcome)).toBe(5)
    expect(running(world)).toEqual([null, null, null, null])
  })

  it('is stuck when the way back fails too, and names the host', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.bad.add(R2)
    world.bad.add(`a:${R1}`)
    world.minReady = 0
    const { outcome, harness } = await go(world, planOf())
    expect(outcome).toMatchObject({ kind: 'stuck', hosts: ['a'], because: { code: 'E_UNHEALTHY' } })
    expect(exitCodeOf(outcome)).toBe(6)
    expect(world.hosts.get('a')?.admin).not.toBe('ready')
    expect(world.hosts.get('a')?.finished).toBeNull()
    expect(harness.journal.at(-1)?.type).toBe('rollout.closed')
  })

  it('only enables a host again that failed before its process was touched', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.faults.set('a:hook', 1)
    const { outcome } = await go(world, planOf({}, { before_activate: [] }))
    expect(outcome.kind).toBe('succeeded')
    const drained = makeWorld(NAMES, R1, 3)
    drained.faults.set('a:maintenance', 1)
    const failed = await go(drained, planOf())
    expect(failed.outcome.kind).toBe('rolled-back')
    expect(drained.restarts).toBe(0)
    expect(admins(drained)).toEqual(['ready', 'ready', 'ready', 'ready'])
  })

  it('leaves an operator’s maintenance alone', async () => {
    const world = makeWorld(NAMES, R1, 2)
    const host = world.hosts.get('b')
    if (host !== undefined) host.admin = 'maintenance'
    const config = aConfig(
      NAMES.map((name) => aHost(name)),
      { minReady: { kind: 'count', count: 2 } },
    )
    const facts = theFacts({ a: { current: R1 }, b: { current: R1, admin: 'maintenance' }, c: { current: R1 }, d: { current: R1 } })
    const { plan } = buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null })
    const { outcome } = await go(world, plan)
    expect(outcome.kind).toBe('succeeded')
    expect(admins(world)).toEqual(['ready', 'maintenance', 'ready', 'ready'])
    expect(running(world)).toEqual([R2, R2, R2, R2])
  })

  it('refuses with exit 3 and touches nothing when a before_rollout hook fails', async () => {
    const world = makeWorld(NAMES, R1, 3)
    world.faults.set('local:migrate', 1)
    const { outcome } = await go(world, planOf({}, { before_rollout: [hook('migrate')] }))
    expect(outcome).toMatchObject({ kind: 'refused', because: { code: 'E_HOOK_BEFORE' } })
    expect(exitCodeOf(outcome)).toBe(3)
    expect(world.restarts).toBe(0)
  })

  it('never repeats a once hook whose end is unknown', async () => {
    const world = makeWorld(NAMES, R1, 3)
    const plan = planOf({}, { before_rollout: [hook('migrate', { once: true })] })
    const first = makeHarness(world, {})
    await first.context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
    await first.context.journal.append({ type: 'step.started', step: 'before/1:migrate', attempt: 1 })
    const again = makeHarness(world, { journal: first.journal })
    const progress = replay(again.journal)
    if (progress === null) throw new Error('no progress')
    const { outcome } = await execute(progress, again.context)
    expect(outcome).toMatchObject({ kind: 'refused', because: { message: expect.stringContaining('only once') } })
  })

  it('pauses at an approval nobody answers, goes on with yes, goes back with no', async () => {
    const steps = [
      { kind: 'deploy' as const, to: { kind: 'count' as const, count: 1 } },
      { kind: 'approve' as const, question: 'Ship?' },
      { kind: 'deploy' as const, to: { kind: 'percent' as const, percent: 100 } },
    ]
    const world = makeWorld(NAMES, R1, 3)
    const paused = await go(world, planOf({ steps }))
    expect(paused.outcome).toEqual({ kind: 'paused', at: 'checkpoint/2', question: 'Ship?' })
    expect(exitCodeOf(paused.outcome)).toBe(8)
    expect(running(world)).toEqual([R2, R1, R1, R1])
    expect(world.hosts.get('a')?.finished).toBeNull()
    const yes = makeWorld(NAMES, R1, 3)
    expect((await go(yes, planOf({ steps }), { approve: async () => 'yes' })).outcome.kind).toBe('succeeded')
    const no = makeWorld(NAMES, R1, 3)
    const refused = await go(no, planOf({ steps }), { approve: async () => 'no' })
    expect(exitCodeOf(refused.outcome)).toBe(7)
    expect(running(no)).toEqual([R1, R1, R1, R1])
  })

  it('counts lost probe requests as a failed gate: back, with exit 7', async () => {
    const world = makeWorld(NAMES, R1, 3)
    const probe = () => ({ sent: 100, failed: world.restarts > 1 ? 2 : 0, worstGapMs: 340, maxFailed: 0 })
    const { outcome } = await go(world, planOf(), { probe })
    expect(outcome).toMatchObject({ kind: 'rolled-back', because: { code: 'E_PROBE_FAILED' } })
    expect(exitCodeOf(outcome)).toBe(7)
    expect(running(world)).toEqual([R1, R1, R1, R1])
  })

  it('finishes the host in hand at the first Ctrl-C and starts no other', async () => {
    const world = makeWorld(NAMES, R1, 3)
    let wish: Control['wish'] = null
    const control = {
      get wish() {
        return wish
      },
      because: 'SIGINT' as const,
    }
    const harness = makeHarness(world, {})
    const never = new AbortController().signal
    const plan = planOf()
    const context = {
      ...harness.context,
      control: Object.assign(Object.create(control), { asked: never, hurry: never }) as Control,
      journal: {
        ...harness.context.journal,
        append: async (event: Parameters<typeof harness.context.journal.append>[0]) => {
          if (event.type === 'step.succeeded' && event.step === 'a/activate') wish = 'stop'
          return harness.context.journal.append(event)
        },
      },
    }
    await context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
    const { outcome } = await execute(freshProgress(plan, R2), context)
    expect(outcome).toEqual({ kind: 'cancelled', signal: 'SIGINT' })
    expect(exitCodeOf(outcome)).toBe(130)
    expect(running(world)).toEqual([R2, R1, R1, R1])
    expect(admins(world)).toEqual(['ready', 'ready', 'ready', 'ready'])
  })

  it('does not wait at the second Ctrl-C: what is healthy goes back, the rest stays out', async () => {
    for (const bad of [false, true]) {
      const world = makeWorld(NAMES, R1, 3)
      if (bad) world.bad.add(R2)
      const hurry = new AbortController()
      const harness = makeHarness(world, { control: { wish: 'stop', because: 'SIGINT', hurry: hurry.signal } })
      const plan = planOf()
      const context = {
        ...harness.context,
        control: { ...harness.context.control, wish: null },
        journal: {
          ...harness.context.journal,
          append: async (event: Parameters<typeof harness.context.journal.append>[0]) => {
            if (event.type === 'step.started' && event.step === 'a/prove') hurry.abort()
            return harness.context.journal.append(event)
          },
        },
      }
      await context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
      const { outcome } = await execute(freshProgress(plan, R2), context)
      expect(outcome).toEqual({ kind: 'cancelled', signal: 'SIGINT' })
      expect(world.hosts.get('a')?.admin).toBe(bad ? 'maintenance' : 'ready')
      expect(world.violations).toEqual([])
    }
  })

  it('takes no ready host when another one went down meanwhile, and goes back', async () => {
    const world = makeWorld(NAMES, R1, 3)
    const plan = planOf({ progressDeadlineMs: 5_000 })
    const d = world.hosts.get('d')
    if (d !== undefined) d.running = null
    const { outcome } = await go(world, plan)
    expect(outcome).toMatchObject({ kind: 'rolled-back', because: { code: 'E_MIN_READY' } })
    expect(world.restarts).toBe(0)
    expect(world.lowestReady).toBeGreaterThanOrEqual(3)
  })
})
