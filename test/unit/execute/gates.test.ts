// What a gate does to a rollout: it stops one, it makes one wait, it borrows a host and gives it back.
import { describe, expect, it } from 'vitest'
import type { StepSetting } from '../../../src/domain/config.ts'
import { exitCodeOf } from '../../../src/domain/outcome.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { execute } from '../../../src/execute/execute.ts'
import { simulate } from '../../../src/execute/simulate.ts'
import { recover } from '../../../src/journal/recover.ts'
import { freshProgress, replay } from '../../../src/journal/replay.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { aConfig, aGate, aHost, aLoad, theFacts } from '../../helpers/builders.ts'
import { makeHarness, makeWorld, type World } from '../../helpers/imaginary.ts'

const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'
const NAMES = ['a', 'b', 'c', 'd']
const STEPS: readonly StepSetting[] = [
  { kind: 'deploy', to: { kind: 'count', count: 1 } },
  { kind: 'gate', gate: 'canary' },
  { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
]

function planWith(clauses: readonly string[], rollout: Parameters<typeof aConfig>[1] = {}): Plan {
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    { steps: STEPS, minReady: { kind: 'count', count: 2 }, ...rollout },
    { loads: { visits: aLoad('visits') }, gates: { canary: aGate('canary', clauses) } },
  )
  const facts = theFacts(Object.fromEntries(NAMES.map((name) => [name, { current: R1 }])))
  const built = buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null })
  expect(built.refusals).toEqual([])
  return built.plan
}

const COMPARING = ['p95 <= baseline + 15%']

function aWorld(gateSays: World['gateSays'] = () => 'pass'): World {
  return { ...makeWorld(NAMES, R1, 2), minReady: 2, gateSays }
}

async function go(world: World, plan: Plan, options: Parameters<typeof makeHarness>[1] = {}) {
  const harness = makeHarness(world, options)
  await harness.context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
  const { outcome } = await execute(freshProgress(plan, R2), harness.context)
  return { outcome, harness }
}

const running = (world: World) => [...world.hosts.values()].map((host) => host.running)
const admins = (world: World) => [...world.hosts.values()].map((host) => host.admin)

describe('a gate that says no', () => {
  it('stops the rollout at the canary, which is never enabled with the new release, and ends with exit 7', async () => {
    const world = aWorld(() => 'fail')
    const { outcome } = await go(world, planWith(COMPARING))
    expect(outcome).toMatchObject({ kind: 'rolled-back', because: { code: 'E_GATE_FAILED', host: 'a' } })
    expect(exitCodeOf(outcome)).toBe(7)
    expect(running(world)).toEqual([R1, R1, R1, R1])
    expect(admins(world)).toEqual(['ready', 'ready', 'ready', 'ready'])
    // The canary twice (there and back), and nobody else.
    expect([world.restarts, world.violations]).toEqual([2, []])
  })

  it('speaks of the release: no budget for failed hosts lets it go on', async () => {
    const world = aWorld(() => 'fail')
    const { outcome } = await go(world, planWith(COMPARING, { failureBudget: { kind: 'count', count: 3 } }))
    expect(outcome.kind).toBe('rolled-back')
    expect(running(world)).toEqual([R1, R1, R1, R1])
  })

  it('is the same where it could not be measured', async () => {
    const { outcome } = await go(
      aWorld(() => 'invalid'),
      planWith(COMPARING),
    )
    expect(outcome).toMatchObject({ kind: 'rolled-back', because: { code: 'E_GATE_FAILED', message: 'gate canary: canary says invalid' } })
  })
})

describe('a control', () => {
  it('is the host that is moved last, is out while the gate is calibrated and measured, and back in between', async () => {
    const seen: string[] = []
    const world = aWorld()
    world.gateSays = () => {
      seen.push(admins(world).join(' '))
      return 'pass'
    }
    const { outcome, harness } = await go(world, planWith(COMPARING))
    expect(outcome.kind).toBe('succeeded')
    expect(seen).toEqual(['maintenance ready ready maintenance'])
    expect(world.lowestReady).toBe(2)
    const control = harness.journal.flatMap((event) => ('step' in event && event.step === 'd/control' ? [event.type] : []))
    expect(control).toEqual(['step.started', 'step.succeeded', 'step.started', 'step.succeeded'])
  })

  it('is given back before anything else by whoever takes the rollout up, and by whoever takes it back', async () => {
    const plan = planWith(COMPARING)
    const world = aWorld()
    const started = makeHarness(world, {})
    await started.context.journal.append({ type: 'rollout.opened', plan, by: 'test', release: R2 })
    // Dies while the control is out.
    world.gateSays = () => {
      throw new Error('killed')
    }
    await expect(execute(freshProgress(plan, R2), started.context)).rejects.toThrow('killed')
    const ledgers = new Map([...world.hosts.values()].map((host) => [host.name, host.ledger]))
    // What the dying process still did (an error is not a kill) is taken back: the control is out.
    const own = world.hosts.get('d')
    if (own === undefined) throw new Error('no d')
    own.admin = 'maintenance'
    own.ledger.push({
      version: 1,
      rollout: started.context.rollout,
      epoch: 0,
      step: 'd/control',
      state: 'started',
      detail: 'was-in',
      at: 0,
    })
    const progress = recover(plan, started.context.rollout, ledgers)
    expect(progress?.inDoubt).toContain('d/control')
    if (progress === null) throw new Error('nothing to recover')
    world.gateSays = () => 'fail'
    const resumed = makeHarness(world, {})
    const { outcome } = await execute(
      { ...progress, direction: 'undo', because: { code: 'E_CANCELLED', message: 'aborted', exitCode: 0 } },
      resumed.context,
    )
    expect(outcome.kind).toBe('rolled-back')
    expect(admins(world)).toEqual(['ready', 'ready', 'ready', 'ready'])
    expect(running(world)).toEqual([R1, R1, R1, R1])
  })
})

describe('a gate that cannot say', () => {
  it('lets the rollout wait, the canary out of rotation; promote is a yes, and nothing is measured again', async () => {
    const plan = planWith(COMPARING)
    const world = aWorld(() => 'inconclusive')
    const { outcome, harness } = await go(world, plan)
    expect(outcome).toMatchObject({ kind: 'paused', at: 'a/gate', question: expect.stringContaining('gate canary is inconclusive') })
    expect(admins(world)).toEqual(['maintenance', 'ready', 'ready', 'ready'])
    expect(running(world)).toEqual([R2, R1, R1, R1])
    const progress = replay(harness.journal)
    if (progress === null) throw new Error('nothing to go on with')
    world.gateSays = () => {
      throw new Error('measured again')
    }
    const promoted = await execute({ ...progress, done: new Set([...progress.done, 'a/gate']) }, makeHarness(world, {}).context)
    expect(promoted.outcome.kind).toBe('succeeded')
    expect(running(world)).toEqual([R2, R2, R2, R2])
  })

  it('is asked again by resume, and takes everything back on a no', async () => {
    const world = aWorld(() => 'inconclusive')
    const { harness } = await go(world, planWith(COMPARING))
    const progress = replay(harness.journal)
    if (progress === null) throw new Error('nothing to go on with')
    world.gateSays = () => 'fail'
    const { outcome } = await execute(progress, makeHarness(world, {}).context)
    expect(outcome).toMatchObject({ kind: 'rolled-back', because: { code: 'E_GATE_FAILED' } })
    expect(admins(world)).toEqual(['ready', 'ready', 'ready', 'ready'])
  })
})

describe('plan --fail', () => {
  it('shows what a gate that says no would do', async () => {
    const simulated = await simulate(planWith(COMPARING), [{ host: 'a', at: 'gate' }])
    expect(simulated).toMatchObject({ outcome: 'rolled-back', exitCode: 7 })
    expect(simulated.hosts).toEqual(NAMES.map((name) => ({ name, release: R1, inRotation: true })))
  })
})
