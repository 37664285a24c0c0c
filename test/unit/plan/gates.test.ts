// Where gates stand in a plan, and what is refused because nothing could be compared there.
import { describe, expect, it } from 'vitest'
import type { Config, StepSetting } from '../../../src/domain/config.ts'
import type { GateSettings } from '../../../src/domain/gate.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { checkPlan } from '../../../src/plan/check.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { aConfig, aGate, aHost, aLoad, theFacts } from '../../helpers/builders.ts'

const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'
const COMPARES = ['p95 <= baseline + 15%']
const one: StepSetting = { kind: 'deploy', to: { kind: 'count', count: 1 } }
const all: StepSetting = { kind: 'deploy', to: { kind: 'percent', percent: 100 } }
const gate: StepSetting = { kind: 'gate', gate: 'canary' }

function configWith(names: readonly string[], settings: GateSettings, steps: readonly StepSetting[], minReady = 1): Config {
  return aConfig(
    names.map((name) => aHost(name)),
    { steps, minReady: { kind: 'count', count: minReady } },
    { loads: { visits: aLoad('visits') }, gates: { canary: settings } },
  )
}

function planOf(config: Config, current: Readonly<Record<string, string | null>>, skipGates: string | null = null) {
  const facts = theFacts(Object.fromEntries(Object.entries(current).map(([name, release]) => [name, { current: release }])))
  return buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null, skipGates })
}

const kinds = (made: ReturnType<typeof planOf>, host: string) =>
  made.plan.batches
    .flatMap((batch) => batch.tracks)
    .find((track) => track.host === host)
    ?.steps.map((step) => step.kind)
const abc = { a: R1, b: R1, c: R1 }

describe('an isolated gate', () => {
  it('stands in the way of each host of the deploy before it, before it is enabled, and is calibrated before the switch', () => {
    const made = planOf(configWith(['a', 'b', 'c'], aGate('canary', COMPARES), [one, gate, all]), abc)
    expect(made.refusals).toEqual([])
    expect(checkPlan(made.plan)).toEqual([])
    expect(kinds(made, 'a')).toEqual(['drain', 'calibrate', 'activate', 'restart', 'prove', 'gate', 'enable'])
    expect(kinds(made, 'b')).toEqual(['drain', 'activate', 'restart', 'prove', 'enable'])
    expect(made.plan.batches.flatMap((batch) => batch.after)).toEqual([])
    expect(explainPlan(made.plan).join('\n')).toContain('gate canary, an old host out of rotation as its control')
  })

  it('with fixed limits takes nobody else out, and needs no calibration', () => {
    const made = planOf(configWith(['a', 'b', 'c'], aGate('canary', ['p95 < 300ms', 'errors < 1%']), [one, gate, all], 2), abc)
    expect(made.refusals).toEqual([])
    expect(kinds(made, 'a')).toEqual(['drain', 'activate', 'restart', 'prove', 'gate', 'enable'])
  })

  it('is carried on to the next hosts where its own run the release already', () => {
    const made = planOf(configWith(['a', 'b', 'c'], aGate('canary', ['errors < 1%']), [one, gate, all]), { a: R2, b: R1, c: R1 })
    expect(made.plan.unchanged).toEqual(['a'])
    expect(kinds(made, 'b')).toContain('gate')
  })

  it('is refused where its control would undercut min_ready', () => {
    const { refusals } = planOf(configWith(['a', 'b', 'c'], aGate('canary', COMPARES), [one, gate, all], 2), abc)
    expect(refusals).toEqual([
      expect.objectContaining({
        code: 'E_MIN_READY',
        message: expect.stringContaining('that would leave 1 ready of 3, and min_ready is 2'),
      }),
    ])
  })

  it('is refused where no old host is left to compare with', () => {
    const { refusals } = planOf(configWith(['a', 'b', 'c'], aGate('canary', COMPARES), [all, gate]), abc)
    expect(refusals.map((refusal) => refusal.message)).toEqual([
      'gate canary compares with the old release, and in batch 3 no ready host runs it any more',
    ])
  })
})

describe('a gate of hosts that serve', () => {
  const serving = aGate('canary', COMPARES, {
    source: {
      kind: 'load',
      load: 'visits',
      at: { kind: 'canary' },
      when: 'serving',
      baseline: { kind: 'in-rotation', restart: false, insist: false },
    },
  })

  it('stands between two batches, and is calibrated before the first host is touched', () => {
    const made = planOf(configWith(['a', 'b', 'c'], serving, [one, gate, all]), abc)
    expect(made.refusals).toEqual([])
    expect(made.plan.batches.map(({ id, after }) => [id, after.map((point) => point.kind)])).toEqual([
      ['b0', ['calibrate']],
      ['b1', ['gate']],
      ['b2', []],
      ['b3', []],
    ])
    expect(made.plan.batches.map((batch) => batch.title)).toEqual(['before the first host', 'canary', 'batch 2', 'batch 3'])
  })

  it('at the end has nobody to compare with', () => {
    const { refusals } = planOf(configWith(['a', 'b', 'c'], serving, [one, all, gate]), abc)
    expect(refusals).toEqual([expect.objectContaining({ code: 'E_REFUSED', message: expect.stringContaining('after batch 3') })])
  })
})

describe('gates that are left out', () => {
  it('--skip-gates leaves all of them out, and the plan says why', () => {
    const made = planOf(configWith(['a', 'b', 'c'], aGate('canary', COMPARES), [one, gate, all], 2), abc, 'the metrics server is down')
    expect(made.refusals).toEqual([])
    expect(kinds(made, 'a')).not.toContain('gate')
    expect(made.plan.skippedGates).toEqual({ gates: ['canary'], reason: 'the metrics server is down' })
    expect(explainPlan(made.plan).join('\n')).toContain('gates left out: canary (the metrics server is down)')
  })

  it('a first deploy leaves those out that compare, and keeps the others', () => {
    const first = planOf(configWith(['a', 'b'], aGate('canary', COMPARES), [one, gate, all]), { a: null, b: null })
    expect(first.plan.skippedGates).toEqual({ gates: ['canary'], reason: 'a first deploy has no old release to compare with' })
    expect(kinds(first, 'a')).not.toContain('gate')
    const fixed = planOf(configWith(['a', 'b'], aGate('canary', ['errors < 1%']), [one, gate, all]), { a: null, b: null })
    expect(kinds(fixed, 'a')).toContain('gate')
    expect(fixed.plan.skippedGates).toBeUndefined()
  })

  it('a rollback and a restart have none', () => {
    const config = configWith(['a', 'b', 'c'], aGate('canary', ['errors < 1%']), [one, gate, all])
    const facts = theFacts({ a: { current: R1 }, b: { current: R1 }, c: { current: R1 } })
    for (const intent of [{ kind: 'restart' }, { kind: 'rollback', release: R2 }] as const) {
      const { plan } = buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent, only: null })
      expect(JSON.stringify(plan.batches)).not.toContain('"gate"')
    }
  })
})
