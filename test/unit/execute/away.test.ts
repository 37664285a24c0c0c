// Hosts that go away in the middle of something: how long they are waited for, and what counts once they are back.
import { describe, expect, test } from 'vitest'
import type { LoadBalancer } from '../../../src/domain/balancer.ts'
import { RollgateError } from '../../../src/domain/error.ts'
import type { ProbeAnswer } from '../../../src/domain/health.ts'
import type { HostPort } from '../../../src/domain/ports.ts'
import type { ServiceStatus } from '../../../src/domain/service.ts'
import { tellWhetherItServes, throughOutages } from '../../../src/execute/away.ts'
import { proveHealthy } from '../../../src/execute/healthy.ts'
import { type Run, startRun } from '../../../src/execute/run.ts'
import { freshProgress } from '../../../src/journal/replay.ts'
import { scenarios } from '../../crash/scenarios.ts'
import { HEALTH, makeHarness, makeWorld } from '../../helpers/imaginary.ts'

const good: ProbeAnswer = { healthy: true, release: 'r2-bbbbbbbb', detail: 'HTTP 200', durationMs: 1 }
const refused: ProbeAnswer = { healthy: false, release: null, detail: 'connection refused', durationMs: 1 }
const away: ProbeAnswer = { ...refused, unreachable: true, detail: 'no route' }

function status(generation: string | null, state: ServiceStatus['state'] = 'active'): ServiceStatus {
  return { unit: 'app', state, pid: null, lastExit: null, generation, restarts: 0, workingDirectory: null, detail: state }
}

/** A host that gives these answers one after the other, the last one for ever. */
function proving(answers: readonly ProbeAnswer[], statuses: (asked: number) => ServiceStatus, network?: () => Promise<boolean>) {
  const harness = makeHarness(makeWorld(['a'], 'r2-bbbbbbbb', 0))
  const { clock } = harness.context.ports
  let asked = 0
  const port: HostPort = {
    ...harness.context.ports.host('a'),
    probe: async () => {
      asked += 1
      return answers[Math.min(asked, answers.length) - 1] ?? refused
    },
    serviceStatus: async () => [statuses(asked)],
  }
  const { signal } = harness.context
  const ended = proveHealthy({
    port,
    health: HEALTH,
    release: 'r2-bbbbbbbb',
    clock,
    signal,
    waiting: () => undefined,
    reconnectMs: 60_000,
    ...(network === undefined ? {} : { network }),
  })
  return { ended, clock }
}

describe('a host that is proved healthy', () => {
  test('and booted again meanwhile starts over: its new process is no crash, and its service may not be started yet', async () => {
    const answers = [good, good, away, away, refused, good]
    const { ended } = proving(answers, (asked) => (asked <= 2 ? status('7@1') : asked <= 5 ? status(null, 'inactive') : status('31@2')))
    await expect(ended).resolves.toMatch(/4 good answers/)
  })

  test('and started again without having been away has crashed', async () => {
    const { ended } = proving([good], (asked) => status(asked <= 2 ? '7@1' : '8@2'))
    await expect(ended).rejects.toMatchObject({ code: 'E_SERVICE_EXITED' })
  })

  test('and booted again between two questions is known by its new connection', async () => {
    const back: ProbeAnswer = { ...good, reconnected: true }
    const answers = [good, good, good, good, back, good]
    const { ended } = proving(answers, (asked) => (asked <= 3 ? status('7@1') : status('31@2')))
    await expect(ended).resolves.toMatch(/good answers/)
  })

  test('has a minute to come back, however short its own deadline is', async () => {
    const late = proving([...Array.from({ length: 300 }, () => away), good], () => status('7@1'))
    await expect(late.ended).resolves.toMatch(/good answers/)
    expect(late.clock.now()).toBeGreaterThan(HEALTH.deadlineMs)
    const never = proving([away], () => status('7@1'))
    await expect(never.ended).rejects.toMatchObject({ code: 'E_LOST' })
    expect(never.clock.now()).toBeGreaterThanOrEqual(60_000)
  })

  test('loses nothing by our own network', async () => {
    let left = 5
    const network = async () => {
      left -= 1
      return left >= 0
    }
    const { ended } = proving([away, away, away, away, away, good], () => status('7@1'), network)
    await expect(ended).resolves.toMatch(/4 good answers/)
    expect(left).toBe(0)
  })
})

describe('an outage', () => {
  function running(): Run {
    const [scenario] = scenarios
    if (scenario === undefined) throw new Error('there are scenarios')
    return startRun(freshProgress(scenario.plan, 'r2-bbbbbbbb'), makeHarness(scenario.world()).context)
  }
  const lost = () => new RollgateError('E_CONNECT_TIMEOUT', 'a did not answer')

  test('is waited for, and then the work is done again', async () => {
    const run = running()
    let tries = 0
    const work = async () => {
      tries += 1
      if (tries < 5) throw lost()
      return 'done'
    }
    await expect(throughOutages(run, { host: 'a', what: 'drain' }, work)).resolves.toBe('done')
    expect(run.context.ports.clock.now()).toBe(8_000)
  })

  test('ends after a minute with what was wrong', async () => {
    const run = running()
    const work = async () => {
      throw lost()
    }
    await expect(throughOutages(run, { host: 'a', what: 'drain' }, work)).rejects.toMatchObject({ code: 'E_CONNECT_TIMEOUT' })
    expect(run.context.ports.clock.now()).toBeGreaterThanOrEqual(60_000)
    expect(run.context.ports.clock.now()).toBeLessThan(70_000)
  })

  test('of a host that was given up is not waited for again, and one that is no outage never', async () => {
    const run = running()
    run.failed.set('a', { code: 'E_LOST', message: 'a was lost', exitCode: 5 })
    for (const [host, error] of [
      ['a', lost()],
      ['b', new RollgateError('E_UNHEALTHY', 'b is ill')],
    ] as const) {
      const work = async () => {
        throw error
      }
      await expect(throughOutages(run, { host, what: 'drain' }, work)).rejects.toBe(error)
    }
    expect(run.context.ports.clock.now()).toBe(0)
  })

  test('that a host never came back from is told with what the balancer says of it, which cannot fail', async () => {
    const [scenario] = scenarios
    if (scenario === undefined) throw new Error('there are scenarios')
    const { context, events } = makeHarness(scenario.world())
    const run = startRun(freshProgress(scenario.plan, 'r2-bbbbbbbb'), context)
    const told = async (): Promise<readonly string[]> => {
      const before = events.length
      await tellWhetherItServes(run, 'a')
      return events.slice(before).flatMap((event) => ('message' in event ? [event.message] : []))
    }
    expect(await told()).toEqual([])
    // Neither is a host that was lost.
    for (const code of ['E_UNHEALTHY', 'E_BALANCER_UNREACHABLE'] as const) {
      run.failed.set('a', { code, message: 'a did not come back', exitCode: 5 })
      expect(await told()).toEqual([])
    }
    run.failed.set('a', { code: 'E_LOST', message: 'a was lost', exitCode: 5 })
    expect(await told()).toEqual([expect.stringMatching(/^a is lost, and the balancer still sends requests to it: /)])
    const [server] = context.ports.settings('a').servers
    if (server === undefined) throw new Error('there is a server')
    await server.balancer.drain(server.ref, { signal: context.signal, deadlineMs: 1_000 })
    expect(await told()).toEqual([expect.stringMatching(/^a is lost, and out of rotation: /)])
    const broken: LoadBalancer = { ...server.balancer, read: async () => Promise.reject(new Error('nobody answers')) }
    const settings = { ...context.ports.settings('a'), servers: [{ ...server, balancer: broken }] }
    const blind = startRun(freshProgress(scenario.plan, 'r2-bbbbbbbb'), {
      ...context,
      ports: { ...context.ports, settings: () => settings },
    })
    blind.failed.set('a', { code: 'E_LOST', message: 'a was lost', exitCode: 5 })
    const before = events.length
    await tellWhetherItServes(blind, 'a')
    expect(events.slice(before)).toEqual([
      { type: 'warning', host: 'a', message: 'a is lost, and whether it still serves cannot be asked: nobody answers' },
    ])
  })
})
