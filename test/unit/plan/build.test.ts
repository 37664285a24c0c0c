import { describe, expect, it } from 'vitest'
import type { Config } from '../../../src/domain/config.ts'
import type { Facts } from '../../../src/domain/facts.ts'
import type { Intent, Plan, Refusal } from '../../../src/domain/plan.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { checkPlan } from '../../../src/plan/check.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { aConfig, aHost, anInstalled, theFacts } from '../../helpers/builders.ts'

const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'
const fleet = (...names: string[]) => names.map((name) => aHost(name))
const allOn = (release: string | null, ...names: string[]) =>
  theFacts(Object.fromEntries(names.map((name) => [name, { current: release }])))

function planOf(
  config: Config,
  facts: Facts,
  intent: Intent = { kind: 'deploy', release: R2 },
  only: readonly string[] | null = null,
): { plan: Plan; refusals: readonly Refusal[] } {
  const built = buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent, only: only === null ? null : new Set(only) })
  if (built.refusals.length === 0) expect(checkPlan(built.plan)).toEqual([])
  return built
}
const shape = (plan: Plan) => plan.batches.map((batch) => batch.tracks.map((track) => track.host).join('+')).join(' | ')

describe('buildPlan', () => {
  it('takes one canary, then half, then all, one at a time by default', () => {
    const { plan, refusals } = planOf(aConfig(fleet('a', 'b', 'c', 'd')), allOn(R1, 'a', 'b', 'c', 'd'))
    expect(refusals).toEqual([])
    expect(shape(plan)).toBe('a | b | c | d')
    expect(plan.batches.map((batch) => batch.title)).toEqual(['canary', 'batch 2', 'batch 3', 'batch 4'])
    expect(plan.policy.minReady).toEqual({ app: 3 })
  })

  it('makes batches no larger than at_once, and lowers that for min_ready', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const config = aConfig(fleet(...names), {
      atOnce: 3,
      minReady: { kind: 'percent', percent: 50 },
      steps: [{ kind: 'deploy', to: { kind: 'percent', percent: 100 } }],
    })
    expect(shape(planOf(config, allOn(R1, ...names)).plan)).toBe('a+b+c | d+e+f')
    const strict = aConfig(fleet(...names), { atOnce: 3, minReady: { kind: 'count', count: 5 }, steps: config.rollout.steps })
    expect(shape(planOf(strict, allOn(R1, ...names)).plan)).toBe('a | b | c | d | e | f')
  })

  it('counts `deploy: 25%` cumulatively and rounds up', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const config = aConfig(fleet(...names), {
      atOnce: 5,
      minReady: { kind: 'count', count: 0 },
      steps: [
        { kind: 'deploy', to: { kind: 'percent', percent: 25 } },
        { kind: 'pause', ms: 1000 },
        { kind: 'deploy', to: { kind: 'percent', percent: 50 } },
        { kind: 'deploy', to: { kind: 'percent', percent: 100 } },
      ],
    })
    const { plan } = planOf(config, allOn(R1, ...names))
    expect(shape(plan)).toBe('a+b | c | d+e')
    expect(plan.batches[0]?.after).toEqual([{ id: 'checkpoint/2', kind: 'pause', ms: 1000 }])
  })

  it('moves hosts that do not serve first, and never refuses them', () => {
    const facts = theFacts({ a: { current: R1 }, b: { current: R1 }, c: { current: R1, healthy: false } })
    expect(shape(planOf(aConfig(fleet('a', 'b', 'c')), facts).plan)).toBe('c | a | b')
  })

  it('never refuses a first deploy, where no host is ready', () => {
    const { plan, refusals } = planOf(aConfig(fleet('a', 'b')), allOn(null, 'a', 'b'))
    expect(refusals).toEqual([])
    expect(plan.batches[0]?.tracks[0]?.undo.map((step) => step.kind)).toEqual(['drain', 'stop'])
  })

  it('refuses when no ready host may be taken', () => {
    const { refusals } = planOf(aConfig(fleet('a', 'b'), { minReady: { kind: 'percent', percent: 100 } }), allOn(R1, 'a', 'b'))
    expect(refusals).toMatchObject([{ code: 'E_MIN_READY', host: 'a' }])
  })

  it('puts never two zones in one batch with spread: zone', () => {
    const hosts = [aHost('a1', { zone: 'a' }), aHost('b1', { zone: 'b' }), aHost('a2', { zone: 'a' }), aHost('b2', { zone: 'b' })]
    const config = aConfig(hosts, {
      atOnce: 4,
      spread: 'zone',
      minReady: { kind: 'count', count: 1 },
      steps: [{ kind: 'deploy', to: { kind: 'percent', percent: 100 } }],
    })
    expect(shape(planOf(config, allOn(R1, 'a1', 'b1', 'a2', 'b2')).plan)).toBe('a1+a2 | b1+b2')
  })

  it('leaves hosts alone that run the release already, and counts them as deployed', () => {
    const facts = theFacts({ a: { current: R2, releases: [anInstalled(R2)] }, b: { current: R1 }, c: { current: R1 } })
    const { plan } = planOf(aConfig(fleet('a', 'b', 'c')), facts)
    expect(plan.unchanged).toEqual(['a'])
    expect(shape(plan)).toBe('b | c')
  })

  it('restarts a host whose link is right but whose process is dead', () => {
    const facts = theFacts({ a: { current: R2, healthy: false, releases: [anInstalled(R1), anInstalled(R2)] } })
    const { plan } = planOf(aConfig(fleet('a')), facts)
    expect(plan.batches[0]?.tracks[0]?.steps.map((step) => step.kind)).toEqual(['drain', 'activate', 'restart', 'prove', 'enable'])
    expect(plan.batches[0]?.tracks[0]?.from).toBe(R1)
  })

  it('only enables a healthy host that our own killed rollout left drained', () => {
    const ledger = [
      { version: 1 as const, rollout: 'dead', epoch: 0, step: '-', state: 'open' as const, detail: R2, at: 0 },
      { version: 1 as const, rollout: 'dead', epoch: 0, step: 'a/drain', state: 'started' as const, detail: 'was-in', at: 0 },
    ]
    const facts = theFacts({
      a: { current: R2, releases: [anInstalled(R2)], admin: 'maintenance', extra: { ledger } },
      b: { current: R2, releases: [anInstalled(R2)] },
    })
    const { plan } = planOf(aConfig(fleet('a', 'b')), facts)
    expect(plan.batches[0]?.tracks[0]?.steps.map((step) => step.kind)).toEqual(['prove', 'enable'])
    expect(plan.batches[0]?.tracks[0]?.rotation[0]?.admin).toBe('ready')
  })

  it('records an operator’s maintenance and leaves it as it is', () => {
    const facts = theFacts({ a: { current: R1, admin: 'maintenance' }, b: { current: R1 } })
    const { plan } = planOf(aConfig(fleet('a', 'b')), facts)
    expect(plan.batches.flatMap((batch) => batch.tracks).find((track) => track.host === 'a')?.rotation[0]?.admin).toBe('maintenance')
  })

  it('names every unreachable host at once, and skips them only within the budget', () => {
    const facts = theFacts({ a: 'unreachable', b: 'unreachable', c: { current: R1 }, d: { current: R1 } })
    const { refusals } = planOf(aConfig(fleet('a', 'b', 'c', 'd')), facts)
    expect(refusals.filter((refusal) => refusal.code === 'E_CONNECT_TIMEOUT').map((refusal) => refusal.host)).toEqual(['a', 'b'])
    const skip = aConfig(fleet('a', 'b', 'c', 'd'), {
      unreachable: 'skip',
      failureBudget: { kind: 'count', count: 2 },
      minReady: { kind: 'count', count: 1 },
    })
    const built = planOf(skip, facts)
    expect(built.refusals).toEqual([])
    expect(built.plan.skipped).toEqual(['a', 'b'])
  })

  it('refuses a root whose current is a real folder, and says the way out', () => {
    const facts = theFacts({ a: { current: null, extra: { root: { kind: 'current-is-folder' } } } })
    expect(planOf(aConfig(fleet('a')), facts).refusals).toMatchObject([
      { code: 'E_ROOT', hints: [expect.stringContaining('setup --adopt')] },
    ])
  })

  it('refuses a unit that nothing can start, before anything is touched', () => {
    const service = {
      unit: 'shop-typo',
      state: 'unknown' as const,
      pid: null,
      lastExit: null,
      generation: null,
      restarts: null,
      workingDirectory: null,
      detail: 'there is no such unit',
    }
    const facts = (cannotStart: boolean) =>
      theFacts({ a: { current: R1, extra: { services: [{ ...service, ...(cannotStart ? { cannotStart: true as const } : {}) }] } } })
    expect(planOf(aConfig(fleet('a')), facts(true)).refusals).toMatchObject([
      { code: 'E_SETUP', host: 'a', message: expect.stringContaining('there is no such unit') },
    ])
    // What could not be asked is not known to be missing.
    expect(planOf(aConfig(fleet('a')), facts(false)).refusals).toEqual([])
  })

  it('counts hosts that are not chosen for min_ready', () => {
    const facts = theFacts({ a: { current: R1 }, b: { current: R1, healthy: false }, c: { current: R1 } })
    const config = aConfig(fleet('a', 'b', 'c'), { minReady: { kind: 'count', count: 2 } })
    expect(planOf(config, facts, { kind: 'deploy', release: R2 }, ['a']).refusals).toMatchObject([{ code: 'E_MIN_READY', host: 'a' }])
  })

  it('guards the hosts of each role apart', () => {
    const hosts = [aHost('w1', { roles: ['worker'] }), aHost('w2', { roles: ['worker'] }), aHost('a'), aHost('b')]
    const config = aConfig(hosts, { atOnce: 2, steps: [{ kind: 'deploy', to: { kind: 'percent', percent: 100 } }] })
    const roles = { worker: { ...config.defaults, balancers: [] } }
    const facts = theFacts({ w1: { current: R1 }, w2: { current: R1 }, a: { current: R1 }, b: { current: R1 } })
    const { plan } = planOf({ ...config, roles }, { ...facts, rotation: { ...facts.rotation, w1: [], w2: [] } })
    expect(plan.policy.minReady).toEqual({ worker: 1, app: 1 })
    expect(shape(plan)).toBe('w1+a | w2+b')
  })

  it('gives the same plan the same id, and another one another', () => {
    const config = aConfig(fleet('a', 'b'))
    const facts = allOn(R1, 'a', 'b')
    expect(planOf(config, facts).plan.id).toBe(planOf(config, facts).plan.id)
    expect(planOf(config, facts).plan.id).not.toBe(planOf(config, facts, { kind: 'deploy', release: 'r3-cccccccc' }).plan.id)
  })

  it('goes back to a release that proved itself, not to what a killed rollout left', () => {
    const facts = theFacts({ a: { current: R2, releases: [anInstalled(R1), anInstalled(R2, 'staged')] } })
    const { plan } = planOf(aConfig(fleet('a')), facts, { kind: 'deploy', release: 'r3-cccccccc' })
    expect(plan.batches[0]?.tracks[0]?.from).toBe(R1)
  })

  it('restarts with the release that runs, in batches of at_once', () => {
    const { plan } = planOf(aConfig(fleet('a', 'b')), allOn(R1, 'a', 'b'), { kind: 'restart' })
    expect(shape(plan)).toBe('a | b')
    expect(plan.batches[0]?.tracks[0]?.steps.map((step) => step.kind)).toEqual(['drain', 'restart', 'prove', 'enable'])
  })

  it('explains itself in words a person can check', () => {
    const hook = { name: 'warm', run: 'bin/warm', on: 'host' as const, timeoutMs: 1000, once: false, irreversible: false }
    const config = aConfig(
      fleet('a', 'b'),
      {},
      {
        hooks: {
          before_rollout: [{ ...hook, name: 'migrate', on: 'local', once: true }],
          before_activate: [],
          after_activate: [hook],
          after_rollout: [],
          on_failure: [],
        },
      },
    )
    expect(explainPlan(planOf(config, allOn(R1, 'a', 'b')).plan).slice(1)).toMatchInlineSnapshot(`
      [
        "  before: migrate (once): bin/warm",
        "  canary: a",
        "    a: r1-aaaaaaaa → r2-bbbbbbbb",
        "      drain, wait up to 30 s",
        "      activate r2-bbbbbbbb",
        "      restart",
        "      hook warm",
        "      prove r2-bbbbbbbb healthy",
        "      enable",
        "      undo: drain, wait up to 30 s, then cut, activate r1-aaaaaaaa, restart, prove r1-aaaaaaaa healthy, enable",
        "  batch 2: b",
        "    b: r1-aaaaaaaa → r2-bbbbbbbb",
        "      drain, wait up to 30 s",
        "      activate r2-bbbbbbbb",
        "      restart",
        "      hook warm",
        "      prove r2-bbbbbbbb healthy",
        "      enable",
        "      undo: drain, wait up to 30 s, then cut, activate r1-aaaaaaaa, restart, prove r1-aaaaaaaa healthy, enable",
      ]
    `)
  })
})

describe('checkPlan', () => {
  const good = () => planOf(aConfig(fleet('a', 'b')), allOn(R1, 'a', 'b')).plan
  const first = (
    plan: Plan,
    change: (track: Plan['batches'][number]['tracks'][number]) => Plan['batches'][number]['tracks'][number],
  ): Plan => ({
    ...plan,
    batches: plan.batches.map((batch, index) => (index === 0 ? { ...batch, tracks: batch.tracks.map(change) } : batch)),
  })

  it('refuses a restart of a host in rotation', () => {
    expect(checkPlan(first(good(), (track) => ({ ...track, steps: track.steps.filter((step) => step.kind !== 'drain') })))).toMatchObject([
      { code: 'E_PLAN_UNSAFE', host: 'a' },
    ])
  })
  it('refuses a track without a way back, or without an end', () => {
    expect(checkPlan(first(good(), (track) => ({ ...track, undo: [] })))).toHaveLength(1)
    expect(checkPlan(first(good(), (track) => ({ ...track, steps: track.steps.slice(0, -1) })))).toHaveLength(1)
  })
  it('refuses a batch that would leave too few ready', () => {
    expect(checkPlan({ ...good(), policy: { ...good().policy, minReady: { app: 2 } } }).length).toBeGreaterThan(0)
  })
})
