// C23: the last server is never taken, as HAProxy itself counts them: neither by a plan, nor when an operator takes the
// other one out after the plan was made. C32: what is not as it was at the end is told. The balancer is real, the hosts' processes are imaginary.
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KnownCapacity } from '../../../src/domain/capacity.ts'
import { exitCodeOf } from '../../../src/domain/outcome.ts'
import { execute } from '../../../src/execute/execute.ts'
import { freshProgress } from '../../../src/journal/replay.ts'
import { realClock } from '../../../src/load/pace.ts'
import { startTraffic } from '../../../src/load/traffic.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { planWarnings } from '../../../src/plan/can-carry.ts'
import { aConfig, aHost, theFacts } from '../../helpers/builders.ts'
import { makeHarness, makeWorld } from '../../helpers/imaginary.ts'
import { haproxyRig, missing } from './haproxy-rig.ts'
import { type Running, serversOf, signal } from './rig.ts'
import { until } from './wait.ts'

const NAMES = ['web-1', 'web-2']
const R1 = 'r1-aaaaaaaa'
const R2 = 'r2-bbbbbbbb'

async function started(): Promise<Running> {
  const running = await haproxyRig('haproxy').start({ count: 2 })
  onTestFinished(() => running.close())
  return running
}

/** What the plan would rest on: imaginary hosts, and HAProxy's own words. */
async function planOf(running: Running) {
  const facts = theFacts(Object.fromEntries(NAMES.map((name) => [name, { current: R1 }])))
  const states = await running.balancers[0].driver.list(signal)
  const rotation = Object.fromEntries(NAMES.map((name) => [name, states.filter(({ ref }) => ref.server === name)]))
  const config = aConfig(
    NAMES.map((name) => aHost(name)),
    { minReady: { kind: 'count', count: 1 }, progressDeadlineMs: 1_000 },
  )
  return buildPlan({
    config,
    configHash: 'c',
    facts: { ...facts, rotation },
    basedOn: 'f',
    intent: { kind: 'deploy', release: R2 },
    only: new Set(['web-1']),
  })
}

describe.skipIf(missing !== null)(`capacity behind haproxy${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  test('C23 a plan that would take the last server is refused', async () => {
    const running = await started()
    expect((await planOf(running)).refusals).toEqual([])
    await running.balancers[0].set('web-2', 'maintenance')
    expect((await planOf(running)).refusals).toEqual([expect.objectContaining({ code: 'E_MIN_READY' })])
  })

  test('C23 a server that goes out after the plan was made keeps the last one in', async () => {
    const running = await started()
    const { plan } = await planOf(running)
    const servers = new Map(await Promise.all(running.apps.map(async (app) => [app.name, await serversOf(running, app)] as const)))
    const { context } = makeHarness(makeWorld(NAMES, R1, 1))
    const settings: typeof context.ports.settings = (name) => ({ ...context.ports.settings(name), servers: servers.get(name) ?? [] })
    await running.balancers[0].set('web-2', 'maintenance')
    const before = await running.balancers[0].driver.list(signal)
    const { outcome } = await execute(freshProgress(plan, R2), { ...context, ports: { ...context.ports, clock: realClock, settings } })
    expect(outcome).toMatchObject({ kind: 'rolled-back', because: { code: 'E_MIN_READY' } })
    expect((await running.balancers[0].driver.list(signal)).map(({ admin }) => admin)).toEqual(before.map(({ admin }) => admin))
    await until(async () => (await running.balancers[0].driver.list(signal))[0]?.health === 'up', 'the last one serves')
  })

  test('C32 a weight that somebody changed before the end is reported, with an exit code', async () => {
    const running = await started()
    const { plan } = await planOf(running)
    const servers = new Map(await Promise.all(running.apps.map(async (app) => [app.name, await serversOf(running, app)] as const)))
    const { context } = makeHarness(makeWorld(NAMES, R1, 1))
    const settings: typeof context.ports.settings = (name) => ({ ...context.ports.settings(name), servers: servers.get(name) ?? [] })
    const ended = async (tamper: boolean) => {
      const journal: typeof context.journal = {
        ...context.journal,
        append: async (event) => {
          // The host is back, the rollout not yet over.
          if (tamper && event.type === 'step.succeeded' && event.step.endsWith('/enable'))
            await running.balancers[0].set('web-1', { weight: 3 })
          return context.journal.append(event)
        },
      }
      const ports = { ...context.ports, clock: realClock, settings }
      return (await execute(freshProgress(plan, R2), { ...context, journal, ports })).outcome
    }
    expect(await ended(false)).toEqual({ kind: 'succeeded' })
    const tampered = await ended(true)
    expect(tampered).toMatchObject({
      kind: 'partial',
      hosts: ['web-1'],
      because: { code: 'E_BALANCER_CONFLICT', message: 'app/web-1 on haproxy:lb-1 has weight 3, and had 1' },
    })
    expect(exitCodeOf(tampered)).toBe(6)
  })

  test('what it sends now is read with the states, and hosts that cannot carry it are a warning', async () => {
    const running = await started()
    const capacity = (host: string, ratePerSecond: number): KnownCapacity => ({
      ...{ host, release: R1, ratePerSecond, atLeast: false, load: 'load', thresholds: [], at: '2026-01-01T00:00:00Z' },
    })
    const warnings = async (perHost: number) => {
      const { plan } = await planOf(running)
      const states = await running.balancers[0].driver.list(signal)
      const rotation = Object.fromEntries(NAMES.map((name) => [name, states.filter(({ ref }) => ref.server === name)]))
      const facts = { ...theFacts(Object.fromEntries(NAMES.map((name) => [name, { current: R1 }]))), rotation }
      return planWarnings(
        plan,
        facts,
        NAMES.map((name) => capacity(name, perHost)),
      )
    }
    expect(await warnings(5)).toEqual([])
    const { url } = running.balancers[0]
    const traffic = startTraffic({ url, users: 4, timeoutMs: 5_000 }, { signal })
    try {
      await until(async () => (await warnings(5)).length === 1, 'the warning is there')
      expect((await warnings(5))[0]).toMatch(/^while web-1 is out, web-2 carries about 5 requests\/s, and \d+\/s come in now$/)
      expect(await warnings(1_000_000)).toEqual([])
    } finally {
      await traffic.stop()
    }
  })
})
