import { describe, expect, test } from 'vitest'
import type { KnownCapacity } from '../../../src/domain/capacity.ts'
import type { Facts } from '../../../src/domain/facts.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { checkWarnings, planWarnings } from '../../../src/plan/can-carry.ts'
import { aConfig, aHost, theFacts } from '../../helpers/builders.ts'

const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'
const NAMES = ['a', 'b', 'c']

const takes = (host: string, ratePerSecond: number, release = R1): KnownCapacity => ({
  ...{ host, release, ratePerSecond, atLeast: false, load: 'load', thresholds: [], at: '2026-01-01T00:00:00Z' },
})
/** Every server gets so many a second. */
function sending(ratePerSecond: number | null, names = NAMES): Facts {
  const facts = theFacts(Object.fromEntries(names.map((name) => [name, { current: R1 }])))
  const rotation = Object.fromEntries(
    Object.entries(facts.rotation).map(([host, servers]) => [host, servers.map((server) => ({ ...server, ratePerSecond }))]),
  )
  return { ...facts, rotation }
}
function planOf(facts: Facts, atOnce = 1) {
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    { atOnce, minReady: { kind: 'count', count: 1 }, steps: [{ kind: 'deploy', to: { kind: 'percent', percent: 100 } }] },
  )
  const built = buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null })
  expect(built.refusals).toEqual([])
  return built.plan
}
const all = (rate: number) => NAMES.map((name) => takes(name, rate))

describe('the warning of a plan', () => {
  test('says who is out, what the others carry and what comes in, once for a group: where most is missing', () => {
    const facts = sending(100)
    expect(planWarnings(planOf(facts), facts, all(120))).toEqual([
      'while a is out, b and c carry about 240 requests/s, and 300/s come in now',
    ])
    const known = [takes('a', 120), takes('b', 120), takes('c', 170)]
    expect(planWarnings(planOf(facts), facts, known)).toEqual(['while c is out, a and b carry about 240 requests/s, and 300/s come in now'])
  })

  test('is not there when they carry it, exactly enough too', () => {
    const facts = sending(100)
    expect(planWarnings(planOf(facts), facts, all(150))).toEqual([])
  })

  test('says nothing where a host was never measured, or the balancer does not say what it sends', () => {
    const facts = sending(100)
    // Other releases of other hosts say nothing either.
    expect(planWarnings(planOf(facts), facts, [takes('a', 1, R2), takes('b', 1, R2)])).not.toEqual([])
    expect(planWarnings(planOf(facts), facts, [takes('z', 1, R2)])).toEqual([])
    const silent = sending(null)
    expect(planWarnings(planOf(silent), silent, all(1))).toEqual([])
  })

  test('takes what was measured with the running release before anything older, and another host with it before nothing', () => {
    const facts = sending(100)
    const known = [takes('a', 10, R2), takes('a', 1000), takes('b', 1000)]
    expect(planWarnings(planOf(facts), facts, known)).toEqual([])
  })

  test('knows how many are out at once', () => {
    const facts = sending(100)
    const [first] = planWarnings(planOf(facts, 2), facts, all(200))
    expect(first).toBe('while a and b are out, c carries about 200 requests/s, and 300/s come in now')
  })
})

describe('the warning of check', () => {
  test('takes the strongest hosts out, as many as a rollout would', () => {
    const facts = sending(100)
    const known = [takes('a', 100), takes('b', 500), takes('c', 150)]
    expect(checkWarnings([NAMES], 1, facts, known)).toEqual(['while b is out, c and a carry about 250 requests/s, and 300/s come in now'])
    expect(checkWarnings([NAMES], 5, facts, all(1000))).toEqual([])
    expect(checkWarnings([['a']], 1, facts, all(1))).toEqual([])
    expect(checkWarnings([[]], 1, facts, all(1))).toEqual([])
  })
})
