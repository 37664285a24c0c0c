// Bursts in turns against real servers that take so long for each request, one at a time: their capacity is known.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { parseClause } from '../../../src/domain/clause-parse.ts'
import type { CapacityEvidence } from '../../../src/domain/evidence.ts'
import { judgeCapacity } from '../../../src/gate/other-clauses.ts'
import { measureCapacityRatio } from '../../../src/load/capacity-ratio.ts'
import { paced } from '../../helpers/load.ts'
import { type SerialServer, startSerialServer } from '../../helpers/serial-server.ts'

const FULL = process.env.ROLLGATE_FULL === '1'
const PAIRS = FULL ? 8 : 3

// Seconds, and many more on a machine that has much else to do.
vi.setConfig({ testTimeout: 240_000 })

let servers: SerialServer[] = []
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
})
const serial = async (costMs: number, failing = false) => {
  const server = await startSerialServer({ costMs, failing })
  servers.push(server)
  return server
}

const measure = (canary: string, old: string, pairs = PAIRS, signal = new AbortController().signal) =>
  measureCapacityRatio({
    settings: paced(10),
    canary: { name: 'canary', origin: canary },
    old: { name: 'baseline', origin: old },
    ...{ runId: 'ratio', seed: 'ratio', pairs, burstMs: 1000, connections: 4, signal },
  })

function verdict(evidence: CapacityEvidence): string {
  const parsed = parseClause('capacity >= 95% of baseline')
  if (!('clause' in parsed)) throw new Error('the clause')
  return judgeCapacity(parsed.clause, evidence, { alpha: 0.01, beta: 0.05 }).state
}

describe('capacity of a new host against an old one', () => {
  test('is the ratio of what they serve, whichever comes first, and a release that takes half fails', async () => {
    const [slow, fast] = [await serial(20), await serial(10)]
    const evidence = await measure(slow.url, fast.url)
    expect(evidence.bursts).toHaveLength(PAIRS)
    expect(evidence.distrust).toEqual([])
    for (const { canary, old } of evidence.bursts) {
      expect(canary / old).toBeGreaterThan(0.4)
      expect(canary / old).toBeLessThan(0.6)
    }
    expect(verdict(evidence)).toBe('fail')
  })

  test.runIf(FULL)('a host that only fails has none, and is no fault of the generator', async () => {
    const [broken, good] = [await serial(10, true), await serial(10)]
    const evidence = await measure(broken.url, good.url, 1)
    expect(evidence.bursts.every(({ canary, old }) => canary === 0 && old > 0)).toBe(true)
    expect(evidence.distrust).toEqual([])
    expect(verdict(evidence)).toBe('fail')
  })

  test('an interrupt leaves what there is, which nobody believes', async () => {
    const [one, two] = [await serial(10), await serial(10)]
    const abort = new AbortController()
    const measuring = measure(one.url, two.url, PAIRS, abort.signal)
    await one.untilRequests(1)
    abort.abort()
    const evidence = await measuring
    expect(evidence.bursts).toEqual([])
    expect(evidence.distrust).toEqual([expect.stringMatching(/^interrupted/)])
    expect(verdict(evidence)).toBe('invalid')
  })

  test('a brake that is pulled ends them: no further burst goes to what has to be spared', async () => {
    const [broken, good] = [await serial(10, true), await serial(10)]
    const evidence = await measureCapacityRatio({
      settings: paced(10, { safety: { methods: ['GET'], abortIf: { errorRate: 0.05, forMs: 1000 } } }),
      canary: { name: 'canary', origin: broken.url },
      old: { name: 'baseline', origin: good.url },
      ...{ runId: 'ratio', seed: 'ratio', burstMs: 60_000, connections: 4, signal: new AbortController().signal },
    })
    expect(evidence).toMatchObject({ bursts: [], aborted: expect.stringContaining('ended on canary had failed') })
  })

  test('a tunnel is refused: the closed model cannot go through it', async () => {
    const connect = () => Promise.reject(new Error('unused'))
    const measuring = measureCapacityRatio({
      settings: paced(10),
      canary: { name: 'canary', origin: 'http://web-1', connect },
      old: { name: 'baseline', origin: 'http://web-2', connect },
      ...{ runId: 'ratio', seed: 'ratio', signal: new AbortController().signal },
    })
    await expect(measuring).rejects.toMatchObject({ code: 'E_LOAD' })
  })
})
