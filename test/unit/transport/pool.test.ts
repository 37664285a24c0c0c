// The pool's patience, with a transport that does what it is told and a clock of the test's own. That real connections
// are kept and opened again is shown in test/contract/transport/pool.test.ts.
import { expect, test } from 'vitest'
import { type ErrorCode, RollgateError } from '../../../src/domain/error.ts'
import type { Host } from '../../../src/domain/host.ts'
import type { Clock } from '../../../src/domain/ports.ts'
import type { Connection, Transport } from '../../../src/domain/transport.ts'
import { createPool, type PoolOptions } from '../../../src/drivers/transport/pool.ts'

const NEVER = new AbortController().signal
const host = (name: string): Host => ({ name, address: name, roles: [], labels: {} })

function aClock(): Clock & { readonly slept: number[]; pass(ms: number): void } {
  let now = 0
  const slept: number[] = []
  return {
    slept,
    now: () => now,
    pass(ms) {
      now += ms
    },
    async sleep(ms, signal) {
      if (signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
      slept.push(ms)
      now += ms
    },
  }
}

type Act = ErrorCode | 'open' | 'wait'

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(new RollgateError('E_CANCELLED', 'interrupted'))
    if (signal.aborted) end()
    signal.addEventListener('abort', end)
  })

/** Does for each connect what its script says next, `open` at its end. */
function scripted(acts: readonly Act[] = []) {
  const left = [...acts]
  const connects: { host: string; timeoutMs: number | undefined; signal: AbortSignal }[] = []
  const closes: string[] = []
  let atOnce = 0
  let most = 0
  const drops: (() => void)[] = []
  const transport: Transport = {
    kind: 'scripted',
    async connect(to, signal, options) {
      connects.push({ host: to.name, timeoutMs: options?.timeoutMs, signal })
      atOnce += 1
      most = Math.max(most, atOnce)
      try {
        await new Promise((done) => setImmediate(done))
        const act = left.shift() ?? 'open'
        if (act === 'wait') await aborted(signal)
        if (act !== 'open' && act !== 'wait') throw new RollgateError(act, act)
        return connection(to)
      } finally {
        atOnce -= 1
      }
    },
    close: async () => undefined,
  }
  function connection(to: Host): Connection {
    let alive = true
    const listeners: ((reason: Error | null) => void)[] = []
    const end = (): void => {
      alive = false
      for (const listener of listeners.splice(0)) listener(null)
    }
    drops.push(end)
    return {
      host: to,
      destination: to.name,
      get alive() {
        return alive
      },
      onClose: (callback) => void listeners.push(callback),
      run: () => Promise.reject(new Error('not here')),
      forward: () => Promise.reject(new Error('not here')),
      async close() {
        closes.push(to.name)
        end()
      },
    }
  }
  return { transport, connects, closes, drops, most: () => most }
}

const poolOf = (transport: Transport, extra: Partial<PoolOptions> = {}) => {
  const clock = aClock()
  return { clock, pool: createPool(transport, { concurrency: 32, attempts: 3, timeoutMs: 10_000, clock, random: () => 0.5, ...extra }) }
}

test('the connection that is there is given again', async () => {
  const { transport, connects } = scripted()
  const { pool } = poolOf(transport)
  const first = await pool.get(host('web-1'), NEVER)
  expect(await pool.get(host('web-1'), NEVER)).toBe(first)
  expect(connects).toHaveLength(1)
  expect(connects[0]?.timeoutMs).toBe(10_000)
})

test('one that is gone is opened again', async () => {
  const { transport, connects, drops } = scripted()
  const { pool } = poolOf(transport)
  const first = await pool.get(host('web-1'), NEVER)
  drops[0]?.()
  expect(await pool.get(host('web-1'), NEVER)).not.toBe(first)
  expect(connects).toHaveLength(2)
})

test('everybody who asks at the same time gets the same one', async () => {
  const { transport, connects } = scripted()
  const { pool } = poolOf(transport)
  const all = await Promise.all(Array.from({ length: 5 }, () => pool.get(host('web-1'), NEVER)))
  expect(new Set(all).size).toBe(1)
  expect(connects).toHaveLength(1)
})

test.each<ErrorCode>(['E_UNREACHABLE', 'E_DNS', 'E_CONNECT_REFUSED', 'E_CONNECT_TIMEOUT'])(
  '%s is tried three times, with growing pauses',
  async (code) => {
    const { transport, connects } = scripted([code, code, code, code])
    const { pool, clock } = poolOf(transport)
    await expect(pool.get(host('web-1'), NEVER)).rejects.toMatchObject({ code })
    expect(connects).toHaveLength(3)
    expect(clock.slept).toEqual([500, 1_000])
  },
)

test('the pauses differ from host to host', async () => {
  const numbers = [0, 0.999]
  const { transport } = scripted(['E_UNREACHABLE', 'E_UNREACHABLE', 'E_UNREACHABLE'])
  const { pool, clock } = poolOf(transport, { random: () => numbers.shift() ?? 0 })
  await expect(pool.get(host('web-1'), NEVER)).rejects.toMatchObject({ code: 'E_UNREACHABLE' })
  expect(clock.slept[0]).toBe(250)
  expect(clock.slept[1]).toBeCloseTo(1_499)
})

test('a host that answers the second time is reached', async () => {
  const { transport } = scripted(['E_CONNECT_REFUSED', 'open'])
  const { pool } = poolOf(transport)
  expect((await pool.get(host('web-1'), NEVER)).alive).toBe(true)
})

test.each<ErrorCode>(['E_HOST_KEY', 'E_KEY', 'E_CONFIG', 'E_SECRET'])('%s is not tried again', async (code) => {
  const { transport, connects } = scripted([code])
  const { pool, clock } = poolOf(transport)
  await expect(pool.get(host('web-1'), NEVER)).rejects.toMatchObject({ code })
  expect(connects).toHaveLength(1)
  expect(clock.slept).toEqual([])
})

test('after a refused login the host is left alone for 15 seconds, and the others are not', async () => {
  const { transport, connects } = scripted(['E_AUTH'])
  const { pool, clock } = poolOf(transport)
  await expect(pool.get(host('web-1'), NEVER)).rejects.toMatchObject({ code: 'E_AUTH' })
  clock.pass(14_999)
  await expect(pool.get(host('web-1'), NEVER)).rejects.toMatchObject({ code: 'E_AUTH' })
  expect(connects).toHaveLength(1)
  await pool.get(host('web-2'), NEVER)
  clock.pass(1)
  expect((await pool.get(host('web-1'), NEVER)).alive).toBe(true)
})

test('connectAll reaches everybody it can and tells each result, at most so many at once', async () => {
  const { transport, most } = scripted(['E_AUTH'])
  const { pool } = poolOf(transport, { concurrency: 4 })
  const told: string[] = []
  const hosts = Array.from({ length: 20 }, (_, index) => host(`web-${index}`))
  const reached = await pool.connectAll(hosts, NEVER, (to, result) =>
    told.push(`${to.name} ${result instanceof RollgateError ? result.code : 'in'}`),
  )
  expect(most()).toBe(4)
  expect([...reached.keys()]).toEqual(hosts.map((each) => each.name))
  expect(told).toHaveLength(20)
  expect(told.filter((line) => line.endsWith('E_AUTH'))).toHaveLength(1)
  expect([...reached.values()].filter((result) => result instanceof RollgateError)).toHaveLength(1)
})

test('an error that nobody expected is a result too', async () => {
  const transport: Transport = { kind: 'odd', connect: () => Promise.reject(new TypeError('odd')), close: async () => undefined }
  const reached = await poolOf(transport).pool.connectAll([host('web-1')], NEVER, () => undefined)
  expect(reached.get('web-1')).toMatchObject({ code: 'E_BUG', message: 'odd' })
})

test('whoever is interrupted gives up alone; the attempt ends when nobody waits for it any more', async () => {
  const { transport, connects } = scripted(['wait'])
  const { pool } = poolOf(transport)
  const [first, second] = [new AbortController(), new AbortController()]
  const one = pool.get(host('web-1'), first.signal)
  const two = pool.get(host('web-1'), second.signal)
  await expect.poll(() => connects.length).toBe(1)
  first.abort()
  await expect(one).rejects.toMatchObject({ code: 'E_CANCELLED' })
  expect(connects[0]?.signal.aborted).toBe(false)
  second.abort()
  await expect(two).rejects.toMatchObject({ code: 'E_CANCELLED' })
  expect(connects[0]?.signal.aborted).toBe(true)
  expect((await pool.get(host('web-1'), NEVER)).alive).toBe(true)
})

test('an interrupted connectAll is an error, and tells nobody any more', async () => {
  const { transport, connects } = scripted(['wait', 'wait'])
  const { pool } = poolOf(transport)
  const abort = new AbortController()
  const told: string[] = []
  const all = pool.connectAll([host('web-1'), host('web-2')], abort.signal, (to) => told.push(to.name))
  await expect.poll(() => connects.length).toBe(2)
  abort.abort()
  await expect(all).rejects.toMatchObject({ code: 'E_CANCELLED' })
  expect(told).toEqual([])
})

test('closing closes what is open, ends what is being opened, and opens nothing any more', async () => {
  const { transport, closes, connects } = scripted(['open', 'wait'])
  const { pool } = poolOf(transport)
  await pool.get(host('web-1'), NEVER)
  const opening = pool.get(host('web-2'), NEVER)
  await expect.poll(() => connects.length).toBe(2)
  const ended = expect(opening).rejects.toMatchObject({ code: 'E_CANCELLED' })
  await pool.closeAll()
  await ended
  expect(closes).toEqual(['web-1'])
  await expect(pool.get(host('web-1'), NEVER)).rejects.toMatchObject({ code: 'E_LOST' })
})
