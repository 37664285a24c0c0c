// What the stages of a rollout say together: from gates that the real engine judged.
import { describe, expect, test } from 'vitest'
import { openKept } from '../../../src/app/gates/kept.ts'
import { openStages } from '../../../src/app/gates/stages.ts'
import type { ClauseEffects, GateRecord } from '../../../src/domain/gate.ts'
import type { Slice } from '../../../src/domain/slice.ts'
import { studentLimit } from '../../../src/gate/distributions.ts'
import { judgeRequests } from '../../../src/gate/judge.ts'
import { planLooks } from '../../../src/gate/looks.ts'
import { effectsOf, poolStages, stageWords } from '../../../src/gate/stages.ts'
import { ownFolder } from '../../helpers/folders.ts'
import { type Arm, clauses, evidenceOf, planOf, runSlices } from './helpers.ts'

const CLAUSE = 'p50 <= baseline + 50%'
const OLD: Arm = { ms: 50 }

/** One gate: each of its new hosts against an old one of its own, for a minute. */
function stage(hosts: Readonly<Record<string, Arm>>, seed = 1): GateRecord {
  const names = Object.keys(hosts)
  const slices = Object.entries(hosts).flatMap(([host, canary], index): readonly Slice[] =>
    runSlices({ seconds: 60, rate: 20, canary, old: OLD, seed: seed * 100 + index }).map((slice) => ({
      ...slice,
      target: slice.target === 'new' ? host : `old-${host}`,
    })),
  )
  const arms = { canary: names, old: names.map((host) => `old-${host}`) }
  const plan = planOf({ clauses: clauses(CLAUSE), arms, ratePerArm: 20 * names.length, atLeastSeconds: 60, atMostSeconds: 60 })
  const evidence = evidenceOf({ plan, slices })
  return { version: 1, gate: 'canary', settingsHash: '', discarded: [], evidence, report: judgeRequests(evidence) }
}

const effects = ({ report, evidence }: GateRecord): readonly ClauseEffects[] =>
  evidence.kind === 'requests' ? effectsOf(report, evidence) : []

describe('what one stage showed', () => {
  test('has the standard error that its limit was made with, at the level of that look', () => {
    const record = stage({ 'web-1': { ms: 53 } })
    const [clause] = record.report.clauses
    const [found] = effects(record)
    const { theta = Number.NaN, se = Number.NaN } = found?.hosts[0] ?? {}
    const { looks } = planLooks({ atLeastSeconds: 60, atMostSeconds: 60, blockSeconds: 5, looks: 4, extend: 0, compares: true })
    const beta = 0.05 * (looks[0]?.share ?? Number.NaN)
    // The same road in the other direction: limit, level, twelve blocks.
    expect((Math.log1p(clause?.high ?? Number.NaN) - theta) / studentLimit(beta, 11)).toBeCloseTo(se, 9)
    expect(theta).toBeCloseTo(Math.log(53 / 50), 1)
  })

  test('is known of each host where several are new', () => {
    const [found] = effects(stage({ 'web-1': { ms: 50 }, 'web-2': { ms: 80 } }))
    expect(found?.hosts.map(({ host }) => host)).toEqual(['web-1', 'web-2'])
    const [good, bad] = found?.hosts.map(({ theta }) => theta) ?? []
    expect(good).toBeCloseTo(0, 1)
    expect(bad).toBeCloseTo(Math.log(80 / 50), 1)
  })

  test('is nothing where no times were compared', () => {
    const plan = planOf({ clauses: clauses('errors < 5%') })
    const evidence = evidenceOf({ plan, slices: runSlices({ seconds: 30, rate: 20, canary: OLD }) })
    expect(effectsOf(judgeRequests(evidence), evidence)).toEqual([])
  })
})

describe('stages together', () => {
  test('tell a bad host from a bad release', () => {
    const good: Arm = { ms: 50 }
    const first = effects(stage({ 'web-1': good }, 1))
    const second = effects(stage({ 'web-2': good, 'web-3': { ms: 90 } }, 2))
    const third = effects(stage({ 'web-4': good, 'web-5': good }, 3))
    const [badHost] = poolStages([first, second, third])
    expect(badHost).toMatchObject({ clause: CLAUSE, stages: 3, hosts: 5, oddHosts: ['web-3'] })
    expect(badHost && stageWords(badHost)).toMatch(
      /^over 3 stages and 5 hosts, p50 <= baseline \+ 50%: .* %\); web-3 differs from the others: look at that host$/,
    )
    const slow: Arm = { ms: 60 }
    const [badRelease] = poolStages([effects(stage({ 'web-1': slow }, 4)), effects(stage({ 'web-2': slow, 'web-3': slow }, 5))])
    expect(badRelease).toMatchObject({ stages: 2, hosts: 3, oddHosts: [] })
    expect(badRelease?.low).toBeGreaterThan(0.1)
    expect(badRelease?.high).toBeLessThan(0.3)
  })

  test('are surer than one of them, and count a host that was measured again as it was seen last', () => {
    const host = (name: string, theta: number): ClauseEffects => ({ clause: CLAUSE, hosts: [{ host: name, theta, se: 0.02 }] })
    const width = (count: number): number => {
      const [pooled] = poolStages(Array.from({ length: count }, (_, index) => [host(`web-${index}`, 0)]))
      return (pooled?.high ?? Number.NaN) - (pooled?.low ?? Number.NaN)
    }
    expect(width(4)).toBeLessThan(width(2) * 0.8)
    expect(poolStages([[host('web-1', 0.9)], [host('web-2', 0)], [host('web-1', 0)]])[0]).toMatchObject({
      ...{ stages: 3, hosts: 2, estimate: expect.closeTo(0, 9) },
    })
    expect(poolStages([[host('web-1', 0.9)], [host('web-1', 0)]])).toEqual([])
  })
})

test('whoever resumes a rollout goes on with what its stages showed before', async () => {
  const kept = openKept({ XDG_STATE_HOME: await ownFolder() }, { app: 'shop', environment: null })
  const first = await openStages(kept, '46430f00').add(stage({ 'web-1': { ms: 52 } }, 1))
  expect(first).toMatchObject({ stages: [], report: { warnings: expect.not.arrayContaining([expect.stringContaining('stages')]) } })
  await kept.record('46430f00', first)
  // Another rollout, and another gate of this one, say nothing about it.
  await kept.record('99990f00', { ...first, effects: [{ clause: CLAUSE, hosts: [{ host: 'web-9', theta: 3, se: 0.01 }] }] })
  await kept.record('46430f00', { ...first, gate: 'other', effects: [{ clause: CLAUSE, hosts: [{ host: 'web-9', theta: 3, se: 0.01 }] }] })
  // As another process would: nothing is known but what is on disk.
  const second = await openStages(kept, '46430f00').add(stage({ 'web-2': { ms: 52 } }, 2))
  expect(second.stages).toEqual([expect.objectContaining({ clause: CLAUSE, stages: 2, hosts: 2 })])
  expect(second.stages?.[0]?.estimate).toBeCloseTo(0.04, 1)
  expect(second.report.warnings.at(-1)).toMatch(/^over 2 stages and 2 hosts, p50 <= baseline \+ 50%: \+/)
})
