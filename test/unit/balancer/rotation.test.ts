// The rotation's policy over a balancer in memory and a clock that only moves when somebody sleeps: what the real HAProxy
// cannot be made to do at will. The rest is in test/contract/balancer.
import { describe, expect, test } from 'vitest'
import type { AdminState, LoadBalancer, ServerState } from '../../../src/domain/balancer.ts'
import type { DrainPolicy } from '../../../src/domain/config.ts'
import { RollgateError } from '../../../src/domain/error.ts'
import type { Clock } from '../../../src/domain/ports.ts'
import { bringBack } from '../../../src/execute/bring-back.ts'
import { takeOut } from '../../../src/execute/take-out.ts'

type Memory = {
  admin: AdminState
  inFlight: number
  generation: string
  weight: number
  /** Called before each answer: a test's hand on the balancer. */
  beforeAnswer: () => void
  readonly calls: string[]
}

const never = new AbortController().signal
const DRAIN: DrainPolicy = { deadlineMs: 10_000, onDeadline: 'fail' }

function clockOf(onSleep: (now: number) => void = () => undefined): Clock & { readonly at: () => number } {
  let now = 0
  return {
    at: () => now,
    now: () => now,
    sleep: async (ms) => {
      now += ms
      onSleep(now)
    },
  }
}

function memory(): Memory {
  return { admin: 'ready', inFlight: 0, generation: 'g1', weight: 10, beforeAnswer: () => undefined, calls: [] }
}

function balancerOf(state: Memory, options: { readonly maintenance?: boolean; readonly settleMs?: number } = {}): LoadBalancer {
  const ref = { balancer: 'lb', backend: 'app', server: 'web-1' }
  const now = (): ServerState => ({
    ref,
    admin: state.admin,
    detail: state.admin,
    health: 'up',
    inFlight: state.inFlight,
    queued: 0,
    weight: state.weight,
    configuredWeight: 1,
    warmingPercent: null,
    requestsTotal: 0,
    generation: state.generation,
  })
  const set = async (admin: AdminState) => {
    state.calls.push(admin)
    state.beforeAnswer()
    const before = now()
    state.admin = admin
    return { before, after: now(), changed: before.admin !== admin }
  }
  return {
    id: 'lb',
    kind: 'memory',
    preflight: async () => [],
    capabilities: () => ({
      drain: 'runtime',
      maintenance: options.maintenance !== false,
      inFlight: 'exact',
      healthView: 'active',
      verifyBeforeTraffic: false,
      weights: 'none',
      closeSessions: false,
      disturbs: ['none'],
      settleMs: options.settleMs ?? 0,
    }),
    discover: async () => [ref],
    list: async () => [now()],
    read: async () => {
      state.beforeAnswer()
      return [now()]
    },
    drain: () => set('drain'),
    ...(options.maintenance === false ? {} : { maintenance: () => set('maintenance') }),
    ready: () => set('ready'),
    restore: async (before) => {
      const change = await set(before.admin === 'drain' || before.admin === 'maintenance' ? before.admin : 'ready')
      state.weight = before.weight ?? state.weight
      return { ...change, after: now() }
    },
    close: async () => undefined,
  }
}

const serversOf = (balancer: LoadBalancer) => [{ balancer, ref: { balancer: 'lb', backend: 'app', server: 'web-1' } }]

async function recorded(balancer: LoadBalancer): Promise<readonly ServerState[]> {
  return balancer.list(never)
}

async function leave(balancer: LoadBalancer, more: Partial<Parameters<typeof takeOut>[0]> = {}) {
  return takeOut({
    host: 'web-1',
    servers: serversOf(balancer),
    before: await recorded(balancer),
    drain: DRAIN,
    clock: clockOf(),
    signal: never,
    appConnections: async () => null,
    waiting: () => undefined,
    ...more,
  })
}

describe('out', () => {
  test('drain, then maintenance, each seen empty three times', async () => {
    const state = memory()
    const { evidence } = await leave(balancerOf(state), { appConnections: async () => 0 })
    expect(state.calls).toEqual(['drain', 'maintenance'])
    expect(evidence).toBe('nothing in flight in 3 samples on 1 balancer, no connection to the app')
  })

  test('a drain that does not empty goes to maintenance after two seconds, and the rest of the deadline is for that', async () => {
    const state = memory()
    state.inFlight = 1
    const moved: (readonly [string, number])[] = []
    const clock = clockOf((now) => {
      if (state.calls.length === 2 && moved.length === 0) moved.push(['maintenance', now])
      if (now > 6_000) state.inFlight = 0
    })
    await leave(balancerOf(state), { clock })
    expect(state.calls).toEqual(['drain', 'maintenance'])
    expect(moved[0]?.[1]).toBeLessThan(2_500)
    expect(clock.at()).toBeGreaterThan(6_000)
  })

  test('a balancer without maintenance spends the whole deadline in the drain', async () => {
    const state = memory()
    state.inFlight = 1
    const clock = clockOf((now) => {
      if (now > 6_000) state.inFlight = 0
    })
    await leave(balancerOf(state, { maintenance: false }), { clock })
    expect(state.calls).toEqual(['drain'])
  })

  test('a zero just after the command proves nothing for a balancer that needs time to settle', async () => {
    const state = memory()
    const clock = clockOf()
    await leave(balancerOf(state, { settleMs: 4_000 }), { clock })
    expect(clock.at()).toBeGreaterThanOrEqual(4_000)
  })

  test('one request between the samples starts the count again', async () => {
    const state = memory()
    const counts = [0, 0, 3, 0, 0, 0]
    let asked = 0
    const balancer = balancerOf(state)
    state.beforeAnswer = () => {
      if (state.admin === 'maintenance') state.inFlight = counts[Math.min(asked++, 5)] ?? 0
    }
    await leave(balancer)
    expect(asked).toBeGreaterThanOrEqual(6)
  })

  test('a balancer that is reloaded again and again ends in the deadline, not in a loop', async () => {
    const state = memory()
    const balancer = balancerOf(state)
    let reloads = 0
    state.beforeAnswer = () => {
      reloads += 1
      state.generation = `g${reloads}`
    }
    await expect(leave(balancer)).rejects.toMatchObject({ code: 'E_DRAIN_DEADLINE' })
  })

  test('connections that no balancer counts are waited for a little, and named', async () => {
    const clock = clockOf()
    const { evidence } = await leave(balancerOf(memory()), { clock, appConnections: async () => 2 })
    expect(evidence).toBe('nothing in flight in 3 samples on 1 balancer; 2 connections to the app are not theirs')
    expect(clock.at()).toBeLessThan(4_000)
  })

  test('after a reload such connections may be the old process’s: they count as in flight', async () => {
    const state = memory()
    const balancer = balancerOf(state)
    let samples = 0
    state.beforeAnswer = () => {
      samples += 1
      if (samples === 3) Object.assign(state, { generation: 'g2', admin: 'ready' })
    }
    await expect(leave(balancer, { appConnections: async () => 2 })).rejects.toMatchObject({
      code: 'E_DRAIN_DEADLINE',
      message: 'web-1 did not drain: 2 connections left after 10 s',
      why: 'the balancer was reloaded, and its previous process may still work on them',
      now: 'web-1 is back in rotation as it was',
    })
    expect(state.admin).toBe('ready')
  })

  test('a balancer that cannot be talked to is asked for two minutes, then the host is put back', async () => {
    const state = memory()
    const balancer = balancerOf(state)
    const clock = clockOf()
    let deaf = 0
    const reading = { ...balancer, read: async () => Promise.reject(new RollgateError('E_BALANCER_UNREACHABLE', `no answer ${++deaf}`)) }
    await expect(leave(reading, { clock })).rejects.toMatchObject({
      code: 'E_BALANCER_UNREACHABLE',
      now: 'web-1 is back in rotation as it was',
    })
    expect(deaf).toBeGreaterThan(100)
    expect(clock.at()).toBeGreaterThanOrEqual(120_000)
    expect(state.calls).toEqual(['drain', 'ready'])
  })

  test('what an operator had taken out is not touched', async () => {
    const state = memory()
    state.admin = 'maintenance'
    expect((await leave(balancerOf(state))).evidence).toBe('was out of rotation already, by an operator')
    expect(state.calls).toEqual([])
  })
})

describe('back', () => {
  const returning = (state: Memory, before: readonly ServerState[], clock: Clock = clockOf()) => {
    const balancer = balancerOf(state)
    return bringBack({
      host: 'web-1',
      servers: serversOf(balancer),
      before,
      clock,
      signal: never,
      waiting: () => undefined,
      deadlineMs: 5_000,
    })
  }

  test('with the weight it had', async () => {
    const state = memory()
    const before = await recorded(balancerOf(state))
    Object.assign(state, { admin: 'maintenance', weight: 1 })
    expect(await returning(state, before)).toMatchObject([{ admin: 'ready', weight: 10 }])
  })

  test('a reload just then: the weight is set again', async () => {
    const state = memory()
    const before = await recorded(balancerOf(state))
    state.admin = 'maintenance'
    let samples = 0
    state.beforeAnswer = () => {
      samples += 1
      if (samples === 3) Object.assign(state, { generation: 'g2', weight: 1 })
    }
    expect(await returning(state, before)).toMatchObject([{ admin: 'ready', weight: 10, generation: 'g2' }])
  })

  test('somebody who takes it out just then is not overruled', async () => {
    const state = memory()
    const before = await recorded(balancerOf(state))
    state.admin = 'maintenance'
    let samples = 0
    state.beforeAnswer = () => {
      samples += 1
      if (samples === 3) state.admin = 'drain'
    }
    await expect(returning(state, before)).rejects.toMatchObject({ code: 'E_BALANCER_CONFLICT' })
    expect(state.admin).toBe('drain')
  })
})
