// The probe against real servers. Which requests fail is decided by the server's own count, so the numbers are exact.
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { ProbeSettings } from '../../../src/domain/config.ts'
import { type ProbeSeen, startProbe } from '../../../src/load/probe.ts'
import { listen, manualClock, serve, until } from './helpers.ts'

const never = new AbortController().signal

function settings(url: string, more: Partial<ProbeSettings> = {}): ProbeSettings {
  return { url, ratePerSecond: 200, maxFailed: 0, timeoutMs: 10_000, ...more }
}

/** Does `bad` with each request whose number is divisible by `every`; a number is a request, counted as it arrives. */
async function faulty(every: number, bad: (socket: import('node:net').Socket, answer: import('node:http').ServerResponse) => void) {
  let count = 0
  const server = await serve((request, response) => {
    count += 1
    if (count % every === 0) bad(request.socket, response)
    else response.end('ok')
  })
  return { ...server, count: () => count }
}

describe('counts', () => {
  test('a healthy entry: everything is answered, over few connections', async () => {
    const server = await faulty(Number.MAX_SAFE_INTEGER, () => {})
    const probe = startProbe(settings(server.url), { signal: never })
    // Many enough that a moment in which this machine stood still (all that was due then goes at once) does not decide.
    await until(() => server.count() >= 400)
    const report = await probe.stop()
    expect(report).toMatchObject({ failed: 0, sent: server.count(), ok: server.count(), verdict: 'pass', failures: [], byClass: {} })
    expect(server.connections()).toBeLessThan(server.count() / 2)
    expect(report.p50Ms).not.toBeNull()
    expect(report.p99Ms).toBeGreaterThanOrEqual(report.p50Ms ?? Number.POSITIVE_INFINITY)
  })

  test.each([
    { name: 'closed', bad: (socket: import('node:net').Socket) => void socket.end() },
    { name: 'reset', bad: (socket: import('node:net').Socket) => void socket.resetAndDestroy() },
    { name: 'status', bad: (_: unknown, answer: import('node:http').ServerResponse) => void answer.writeHead(500).end('boom') },
    {
      name: 'truncated',
      bad: (socket: import('node:net').Socket, answer: import('node:http').ServerResponse) => {
        answer.writeHead(200, { 'content-length': 10 }).write('123', () => socket.end())
      },
    },
  ])('every seventh request is $name: exactly those are counted, none is repeated', async ({ name, bad }) => {
    const server = await faulty(7, bad)
    const probe = startProbe(settings(server.url), { signal: never })
    await until(() => server.count() >= 140)
    const report = await probe.stop()
    const expected = Math.floor(server.count() / 7)
    expect(report.sent).toBe(server.count())
    expect(report.byClass).toEqual({ [name]: expected })
    expect(report).toMatchObject({ failed: expected, ok: server.count() - expected, verdict: 'fail' })
    expect(report.failures.every((failure) => failure.class === name && !Number.isNaN(Date.parse(failure.at)))).toBe(true)
  })

  test('a hung server: each request times out, and none is left behind', async () => {
    let open = 0
    const server = await serve((request) => {
      open += 1
      request.socket.on('close', () => {
        open -= 1
      })
    })
    const probe = startProbe(settings(server.url, { timeoutMs: 100, ratePerSecond: 50 }), { signal: never })
    await until(() => probe.seen().failed >= 5)
    const report = await probe.stop()
    expect(report.byClass).toEqual({ timeout: report.sent })
    expect(report).toMatchObject({ ok: 0, p50Ms: null, p99Ms: null })
    await until(() => open === 0)
  })

  test('a closed port: each request is refused', async () => {
    const server = await listen(createServer())
    await server.close()
    const probe = startProbe(settings(server.url), { signal: never })
    await until(() => probe.seen().failed >= 30)
    const report = await probe.stop()
    expect(report.byClass).toEqual({ refused: report.sent })
  })

  test('the list of failures is bounded, the count is not', async () => {
    const server = await faulty(1, (_, answer) => void answer.writeHead(503).end())
    const probe = startProbe(settings(server.url), { signal: never })
    await until(() => probe.seen().failed > 60)
    const report = await probe.stop()
    expect(report.failures.length).toBe(50)
    expect(report.failed).toBe(report.sent)
    expect(report.failures[0]?.detail).toBe('HTTP 503')
  })

  test('4xx is an answer: somebody is there', async () => {
    const server = await faulty(1, (_, answer) => void answer.writeHead(404).end())
    const probe = startProbe(settings(server.url), { signal: never })
    await until(() => server.count() >= 5)
    expect(await probe.stop()).toMatchObject({ failed: 0, verdict: 'pass' })
  })

  test('as many failures as allowed still pass', async () => {
    let failedOnce = false
    const server = await faulty(1, (_, answer) => {
      answer.writeHead(failedOnce ? 200 : 500).end()
      failedOnce = true
    })
    const probe = startProbe(settings(server.url, { maxFailed: 1 }), { signal: never })
    await until(() => server.count() >= 5)
    expect(await probe.stop()).toMatchObject({ failed: 1, maxFailed: 1, verdict: 'pass' })
  })
})

describe('pace', () => {
  test('a slow answer does not delay the next request; beyond the cap they are shed and count as failed', async () => {
    const waiting: (() => void)[] = []
    const server = await serve((_request, response) => void waiting.push(() => response.end()))
    const clock = manualClock()
    // 2/s × 10 s, and a second's worth more: 22 may wait.
    const probe = startProbe(settings(server.url, { ratePerSecond: 2, timeoutMs: 10_000 }), { signal: never, clock })
    for (let step = 0; step < 26; step += 1) await clock.advance(500)
    expect(probe.seen()).toMatchObject({ sent: 27, failed: 5 })
    await until(() => waiting.length === 22)
    for (const answer of waiting) answer()
    expect(await probe.stop()).toMatchObject({ sent: 27, ok: 22, byClass: { shed: 5 } })
  })

  test('the worst gap is the longest silence between two good answers, less the pace', async () => {
    let answered = 0
    let broken = false
    const server = await serve((_request, response) => {
      response.writeHead(broken ? 500 : 200).end()
      answered += 1
    })
    const clock = manualClock()
    let seen: ProbeSeen | null = null
    const onProgress = (now: ProbeSeen) => {
      seen = now
    }
    const probe = startProbe(settings(server.url, { ratePerSecond: 10 }), { signal: never, clock, onProgress })
    const step = async () => {
      const before = answered
      await clock.advance(100)
      await until(() => answered === before + 1 && (seen?.sent ?? 0) === before + 1 && seen?.failed === probe.seen().failed)
    }
    await until(() => seen?.sent === 1)
    for (let turn = 0; turn < 5; turn += 1) await step()
    expect(probe.seen().worstGapMs).toBe(0)
    broken = true
    for (let turn = 0; turn < 4; turn += 1) await step()
    expect(probe.seen().worstGapMs).toBe(300)
    broken = false
    for (let turn = 0; turn < 3; turn += 1) await step()
    expect(await probe.stop()).toMatchObject({ sent: 13, failed: 4, worstGapMs: 400 })
  })
})

describe('end', () => {
  test('stop waits for what is on its way and gives the same report each time', async () => {
    const answers: (() => void)[] = []
    const server = await serve((_request, response) => void answers.push(() => response.end()))
    const probe = startProbe(settings(server.url), { signal: never })
    await until(() => answers.length >= 5)
    const stopping = probe.stop()
    const again = probe.stop()
    let ended = false
    void stopping.then(() => {
      ended = true
    })
    while (!ended) {
      for (const answer of answers.splice(0)) answer()
      await new Promise((done) => setImmediate(done))
    }
    const report = await stopping
    expect(report.failed).toBe(0)
    expect(report.ok).toBe(report.sent)
    expect(await again).toBe(report)
  })

  test('the signal stops the stream; the report is still there', async () => {
    const server = await faulty(Number.MAX_SAFE_INTEGER, () => {})
    const stop = new AbortController()
    const probe = startProbe(settings(server.url), { signal: stop.signal })
    await until(() => server.count() >= 3)
    stop.abort()
    const report = await probe.stop()
    expect(report).toMatchObject({ failed: 0, sent: server.count() })
  })

  test('a probe that sent nothing proves nothing', async () => {
    const server = await faulty(1, () => {})
    const report = await startProbe(settings(server.url), { signal: AbortSignal.abort() }).stop()
    expect(report).toMatchObject({ sent: 0, failed: 0, verdict: 'fail' })
  })
})
