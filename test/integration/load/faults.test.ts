// The fault table of load-and-gates.md (1.3) against real servers: counts exact, quantiles within 3 % of what the server
// itself recorded. What autocannon says to the same faults is in docs/load-faults.md, made by bench/load-faults.ts.
import { createServer } from 'node:net'
import { beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { type FailureClass, failuresOf, type Slice } from '../../../src/domain/slice.ts'
import { createRandom } from '../../../src/load/random.ts'
import { dueTimes } from '../../../src/load/schedule.ts'
import { type Fault, startFaultServer, type Truth, wireMs } from '../../helpers/fault-server.ts'
import { disturbances, type Measured, measure, paced, planFor, quantileOf, whenQuiet } from '../../helpers/load.ts'

const RATE = 200
/** Until both sides are compiled and connected: what a load's own warm-up is for. */
const WARM_UP_MS = 2_000
const SECONDS = process.env.ROLLGATE_FULL === '1' ? 20 : 3

let wire = 0
beforeAll(async () => {
  wire = await wireMs()
  // A way that takes longer than what is measured would excuse everything.
  expect(wire).toBeLessThan(2)
})

type Seen = Measured & {
  /** Of all requests. */
  readonly truth: Truth
  /** Of those that came after as many as the warm-up sent: one on a new connection may be overtaken, so its count is not exact. */
  readonly measuredTruth: Truth
  readonly warm: number
}

async function under(fault: Fault, seconds = SECONDS, more: Parameters<typeof paced>[1] = {}, warmupMs = 0): Promise<Seen> {
  const server = await startFaultServer(fault)
  try {
    const measured = await measure(planFor(server.url, paced(RATE, more), { warmupMs, durationMs: seconds * 1000 }))
    const warm = measured.slices.reduce((sum, slice) => sum + (slice.warmup === true ? slice.offered : 0), 0)
    return { ...measured, truth: await server.truth(), measuredTruth: await server.truth(warm), warm }
  } finally {
    await server.close()
  }
}

/** Everything that must hold whatever the machine does. @param failures of all requests, those of the warm-up too */
function expectExact(
  { result, slices, truth, warm }: Omit<Seen, 'measuredTruth'>,
  asked: number,
  failures: Partial<Record<FailureClass, number>>,
) {
  const [target] = result.targets
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0)
  const sum = (pick: (slice: Slice) => number): number => slices.reduce((total, slice) => total + pick(slice), 0)
  expect(target).toMatchObject({ offered: asked, sent: asked })
  expect({ sent: sum((slice) => slice.sent), done: sum((slice) => slice.done) }).toEqual({
    sent: warm + asked,
    done: warm + asked - failed,
  })
  for (const [name, count] of Object.entries(failures))
    expect([name, sum((slice) => slice.failures[name as FailureClass] ?? 0)]).toEqual([name, count])
  expect(truth.requests).toBe(warm + asked)
  expect(truth.fates.ok ?? 0).toBe(warm + asked - failed)
  for (const slice of slices) expect(slice.offered).toBe(slice.done + failuresOf(slice))
  expect(sum((slice) => (slice.warmup === true ? 0 : slice.offered))).toBe(asked)
}

function expectTimes({ result, measuredTruth }: Seen) {
  const [target] = result.targets
  const real = (q: number) => quantileOf(measuredTruth.servedMs, q)
  within(target?.service.p50Ms, real(0.5))
  within(target?.service.p95Ms, real(0.95))
  within(target?.service.p99Ms, real(0.99))
}

/** 3 % of the truth: what the server recorded, and the way there and back. */
function within(ours: number | null | undefined, real: number) {
  expect(Math.abs((ours ?? Number.NaN) - (real + wire)) / real).toBeLessThan(0.03)
}

/** @param failures of so many requests, from the first one */
async function row(context: TestContext, fault: Fault, failures: (requests: number) => Partial<Record<FailureClass, number>>) {
  const asked = RATE * SECONDS
  await whenQuiet(context, async () => {
    const measured = await under(fault, SECONDS, {}, WARM_UP_MS)
    expectExact(measured, asked, failures(measured.warm + asked))
    return { disturbed: disturbances(measured, measured.truth.loopDelayMs), compare: () => expectTimes(measured) }
  })
}

/** Of requests 1..n, those whose last digit is 0, 1 or 2. */
function threeOfTen(requests: number): number {
  return Array.from({ length: requests }, (_, index) => index + 1).filter((number) => number % 10 < 3).length
}

for (const delayMs of [20, 100]) {
  test(`a server that always takes ${delayMs} ms: all is counted, and the times are real`, { timeout: 120_000 }, async (context) => {
    await row(context, { kind: 'constant', delayMs }, () => ({}))
  })
}

test('a stall: response times are the arithmetic of the schedule, from the moment each request was due', {
  timeout: 240_000,
}, async (context) => {
  // 3 s in 20 s, or a fifth of it.
  const scale = SECONDS / 20
  const fault: Fault = { kind: 'stall', delayMs: 20, atMs: 5000 * scale, forMs: 3000 * scale }
  const asked = RATE * SECONDS
  const schedule = { profile: { kind: 'constant' as const, ratePerSecond: RATE }, arrivals: 'poisson' as const, durationMs: SECONDS * 1000 }
  const due = [...dueTimes(schedule, createRandom('seed-1').fork('measured'))]
  // The stall is counted from the first request.
  const [from, until] = [(due[0] ?? 0) + fault.atMs, (due[0] ?? 0) + fault.atMs + fault.forMs]
  const expected = due
    .map((at) => (at >= from && at < until ? until - at + 20 : at < from && at + 20 >= from ? until - at : 20))
    .sort((left, right) => left - right)
  await whenQuiet(context, async () => {
    // The stall is counted from the first request: nothing goes before it.
    const measured = await under(fault)
    expectExact(measured, asked, {})
    return {
      disturbed: disturbances(measured, measured.truth.loopDelayMs),
      compare() {
        const [target] = measured.result.targets
        // The median is 20 ms of a timer that rounds up by as much as one: the server's own record is its truth.
        within(target?.p50Ms, quantileOf(measured.truth.servedMs, 0.5))
        for (const [ours, q] of [
          [target?.p90Ms, 0.9],
          [target?.p95Ms, 0.95],
          [target?.p99Ms, 0.99],
        ] as const)
          within(ours, quantileOf(expected, q))
      },
    }
  })
})

// A new connection is part of what a client sees, and in no server's record: of 100 ms it is little.
describe('lost requests', { timeout: 120_000 }, () => {
  test('closed without an answer: each is counted as closed, and the others keep their time', async (context) => {
    await row(context, { kind: 'close', delayMs: 100 }, (requests) => ({ closed: threeOfTen(requests) }))
  })

  test('reset: each is counted as reset', async (context) => {
    await row(context, { kind: 'reset', delayMs: 100 }, (requests) => ({ reset: threeOfTen(requests) }))
  })

  test('truncated bodies: each is counted as truncated', async (context) => {
    await row(context, { kind: 'truncated', delayMs: 100 }, (requests) => ({ truncated: threeOfTen(requests) }))
  })

  test('answers with a bad status: each is counted as status', async (context) => {
    await row(context, { kind: 'status', delayMs: 100 }, (requests) => ({ status: threeOfTen(requests) }))
  })

  test('Connection: close after every 50th answer loses nothing and slows nothing', async (context) => {
    await row(context, { kind: 'close-every', delayMs: 100, every: 50 }, () => ({}))
  })

  test('a slow body is part of the time', async (context) => {
    await row(context, { kind: 'slow-body', pieces: 4, gapMs: 20 }, () => ({}))
  })
})

describe('nothing comes back', { timeout: 60_000 }, () => {
  const short = { timeouts: { connectMs: 1000, firstByteMs: 300, bodyMs: 300 } }

  test('a hung server: every request is a first-byte timeout, and the run is invalid', async () => {
    const measured = await under({ kind: 'hung' }, 1, short)
    expectExact({ ...measured, truth: { ...measured.truth, fates: {} } }, RATE, { 'first-byte-timeout': RATE })
    expect(measured.truth.fates).toEqual({ hung: RATE })
    expect(measured.result.validity.valid).toBe(false)
    expect(measured.result.validity.reasons.join()).toContain('target never answered')
    expect(measured.result.targets[0]).toMatchObject({ p50Ms: null, p99Ms: null, maxMs: null, rps: 0 })
  })

  test('a body that never ends: every request is a body timeout', async () => {
    const measured = await under({ kind: 'slow-body', pieces: 3, gapMs: 600_000 }, 1, short)
    expect(measured.result.targets[0]).toMatchObject({ offered: RATE, sent: RATE, done: 0, errors: { 'body-timeout': RATE } })
  })

  test('a body that trickles for longer than its time is a body timeout too', async () => {
    const measured = await under({ kind: 'slow-body', pieces: 50, gapMs: 50 }, 1, short)
    expect(measured.result.targets[0]).toMatchObject({ offered: RATE, done: 0, errors: { 'body-timeout': RATE } })
  })

  test('a closed port: every request is refused, once, without turning in circles; the run is invalid', async () => {
    const server = createServer()
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await new Promise((done) => server.close(done))
    const before = process.cpuUsage()
    const { result } = await measure(planFor(`http://127.0.0.1:${port}`, paced(RATE)))
    const usedMs = process.cpuUsage(before)
    expect(result.targets[0]).toMatchObject({ offered: RATE, sent: RATE, done: 0, errors: { refused: RATE } })
    expect(result.validity).toMatchObject({ valid: false })
    expect(result.validity.reasons.join()).toContain('target never answered: 200 × refused')
    // 10 ms each would be a machine a thousand times slower; autocannon makes 16,000 attempts a second here.
    expect((usedMs.user + usedMs.system) / 1000 / RATE).toBeLessThan(10)
  })
})
