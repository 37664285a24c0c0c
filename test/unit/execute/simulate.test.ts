// `plan --fail`: the executor's real rules over imaginary hosts.
import { describe, expect, it } from 'vitest'
import type { RolloutSettings } from '../../../src/domain/config.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { parseFault, simulate } from '../../../src/execute/simulate.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { aConfig, aHost, theFacts } from '../../helpers/builders.ts'

const NAMES = ['a', 'b', 'c', 'd']
const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'

function planOf(rollout: Partial<RolloutSettings> = {}, previous: string | null = R1): Plan {
  const facts = theFacts(Object.fromEntries(NAMES.map((name) => [name, { current: previous }])))
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    rollout,
  )
  return buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null }).plan
}

async function whatIf(plan: Plan, ...fail: string[]) {
  return simulate(
    plan,
    fail.map((text) => parseFault(text, plan)),
  )
}

const releases = (simulation: Awaited<ReturnType<typeof simulate>>) => simulation.hosts.map((host) => host.release)

describe('what would happen', () => {
  it('without a fault every host moves, and min_ready is never undercut', async () => {
    const simulation = await whatIf(planOf())
    expect(simulation).toMatchObject({ outcome: 'succeeded', exitCode: 0, because: null, minReadySeen: 3 })
    expect(releases(simulation)).toEqual([R2, R2, R2, R2])
    expect(simulation.moves[0]).toBe('-- canary: a')
    expect(simulation.moves.filter((move) => move.endsWith(' enable'))).toEqual(['a enable', 'b enable', 'c enable', 'd enable'])
  })

  it('a restart that fails on the second host takes both back, last first', async () => {
    const simulation = await whatIf(planOf(), 'b:restart')
    expect(simulation).toMatchObject({ outcome: 'rolled-back', exitCode: 5, because: { code: 'E_SERVICE' } })
    expect(releases(simulation)).toEqual([R1, R1, R1, R1])
    expect(simulation.hosts.every((host) => host.inRotation)).toBe(true)
    const undone = simulation.moves.slice(simulation.moves.findIndex((move) => move.startsWith('-- undo')))
    expect(undone.filter((move) => move.endsWith('undo/enable'))).toEqual(['b undo/enable', 'a undo/enable'])
  })

  it('the same with halt leaves the first host on the new release', async () => {
    const simulation = await whatIf(planOf({ onFailure: 'halt' }), 'b:prove')
    expect(simulation).toMatchObject({ outcome: 'partial', exitCode: 6, because: { code: 'E_UNHEALTHY' } })
    expect(releases(simulation)).toEqual([R2, R1, R1, R1])
  })

  it('within the failure budget the rollout goes on past the bad host', async () => {
    const simulation = await whatIf(planOf({ failureBudget: { kind: 'count', count: 1 } }), 'b:prove')
    expect(simulation).toMatchObject({ outcome: 'partial', exitCode: 6 })
    expect(releases(simulation)).toEqual([R2, R1, R2, R2])
  })

  it('a way back that fails too is stuck, and the host stays out', async () => {
    const simulation = await whatIf(planOf(), 'a:prove', 'a:undo/restart')
    expect(simulation).toMatchObject({ outcome: 'stuck', exitCode: 6 })
    expect(simulation.hosts.find((host) => host.name === 'a')).toMatchObject({ inRotation: false })
  })

  it('refuses hosts and steps that the plan does not have', () => {
    expect(() => parseFault('x:restart', planOf())).toThrow(/no host called "x"/)
    expect(() => parseFault('a:explode', planOf())).toThrow(/no step "explode"/)
    expect(() => parseFault('a', planOf())).toThrow(/no host/)
  })
})
