import { describe, expect, test } from 'vitest'
import { binOf } from '../../../../src/domain/histogram.ts'
import { imported, truthOf } from './helpers.ts'

/** What the file says of requests and failures, beside what the server counted, and why they differ. */
type Row = {
  readonly tool: string
  readonly file: string
  readonly name: string
  readonly level: 'A' | 'B' | 'C'
  /** Requests that the server saw and the file does not hold. */
  readonly missing: number
  /** Of those, failures. */
  readonly hidden?: number
}

const RETRIED = { missing: 3, hidden: 3 }
const WHOLE: readonly Row[] = [
  { tool: 'k6', file: 'mix.ndjson.gz', name: 'mix', level: 'A', ...RETRIED },
  { tool: 'k6', file: 'mix.csv.gz', name: 'mix', level: 'A', ...RETRIED },
  { tool: 'k6', file: 'summary-export.json', name: 'mix', level: 'C', ...RETRIED },
  { tool: 'k6', file: 'handlesummary.json', name: 'mix-handlesummary', level: 'C', missing: 1, hidden: 1 },
  { tool: 'k6', file: 'summary-new.json', name: 'mix-new-summary', level: 'C', missing: 1, hidden: 1 },
  { tool: 'k6', file: 'small.ndjson', name: 'small', level: 'A', missing: 0 },
  { tool: 'k6', file: 'small.csv', name: 'small', level: 'A', missing: 0 },
  { tool: 'k6', file: 'noreuse.ndjson.gz', name: 'noreuse', level: 'A', missing: 0 },
  { tool: 'k6', file: 'noreuse.summary-export.json', name: 'noreuse', level: 'C', missing: 0 },
  { tool: 'jmeter', file: 'mix.jtl.csv', name: 'mix', level: 'A', missing: 0 },
  { tool: 'jmeter', file: 'assert.jtl.csv', name: 'assert', level: 'A', missing: 0 },
  { tool: 'jmeter', file: 'assert.jtl.xml', name: 'assert-xml', level: 'A', missing: 0 },
  { tool: 'jmeter', file: 'open-stall.jtl.csv', name: 'open-stall', level: 'A', missing: 0 },
  { tool: 'locust', file: 'mix.json', name: 'mix', level: 'B', missing: 0 },
  { tool: 'locust', file: 'dist.json', name: 'dist', level: 'B', missing: 0 },
  { tool: 'locust', file: 'stall.json', name: 'stall', level: 'B', missing: 0 },
  // Ten were under way when it ended: the server saw their clients go.
  { tool: 'locust', file: 'json-stdout.json', name: 'json-stdout', level: 'B', missing: 10 },
  { tool: 'locust', file: 'mix_stats.csv', name: 'mix', level: 'C', missing: 40, hidden: 1 },
  { tool: 'locust', file: 'mix_stats_history.csv', name: 'mix', level: 'B', missing: 40, hidden: 1 },
  // Go's client sent what two resets lost again; without keep-alive it cannot.
  { tool: 'vegeta', file: 'mix.report.json', name: 'mix', level: 'C', missing: 2, hidden: 2 },
  { tool: 'vegeta', file: 'mix.ndjson', name: 'mix', level: 'A', missing: 2, hidden: 2 },
  { tool: 'vegeta', file: 'mix.csv', name: 'mix', level: 'A', missing: 2, hidden: 2 },
  { tool: 'vegeta', file: 'noreuse.report.json', name: 'noreuse', level: 'C', missing: 0 },
  { tool: 'vegeta', file: 'noreuse.ndjson', name: 'noreuse', level: 'A', missing: 0 },
  { tool: 'vegeta', file: 'stall.csv', name: 'stall', level: 'A', missing: 0 },
  { tool: 'artillery', file: 'mix.json', name: 'mix', level: 'C', missing: 0 },
  { tool: 'artillery', file: 'stall.json', name: 'stall', level: 'C', missing: 0 },
  { tool: 'oha', file: 'mix.json', name: 'mix', level: 'C', missing: 2 },
  { tool: 'oha', file: 'mix.csv', name: 'mix-csv', level: 'A', missing: 3, hidden: 2 },
  { tool: 'fortio', file: 'mix.json', name: 'mix', level: 'B', missing: 13, hidden: 3 },
  { tool: 'wrk', file: 'mix.txt', name: 'mix', level: 'C', missing: 10 },
  { tool: 'wrk', file: 'close.txt', name: 'close', level: 'C', missing: 10 },
  { tool: 'hey', file: 'mix.csv', name: 'mix', level: 'A', missing: 3, hidden: 3 },
  { tool: 'hey', file: 'noreuse.csv', name: 'noreuse', level: 'A', missing: 12, hidden: 12 },
  { tool: 'gatling', file: 'stats.js', name: 'mix', level: 'C', missing: 3, hidden: 3 },
  { tool: 'autocannon', file: 'mix-closed.json', name: 'mix-closed', level: 'C', missing: 2 },
]

describe('counts beside what the server counted', () => {
  test.each(WHOLE)('$tool $file, level $level', async ({ tool, file, name, level, missing, hidden = 0 }) => {
    const { truth } = truthOf(tool, name)
    const { counts, evidence, target } = await imported(`${tool}/${file}`, { exitCode: 0 })
    const failed = truth.answered500 + truth.resets + truth.cleanCloses
    expect(counts).toEqual({ requests: truth.requests - missing, failures: failed - hidden })
    expect(evidence).toMatchObject({ format: tool, level })
    expect(target).toMatchObject({ sent: counts.requests, done: counts.requests - counts.failures })
  })

  test('each failure has its class', async () => {
    const errorsOf = async (path: string) => (await imported(path)).target?.errors
    expect(await errorsOf('k6/noreuse.ndjson.gz')).toEqual({ status: 3, reset: 2 })
    expect(await errorsOf('vegeta/noreuse.ndjson')).toEqual({ status: 1, reset: 1 })
    expect(await errorsOf('jmeter/mix.jtl.csv')).toEqual({ status: 3, reset: 3 })
    // An assertion that does not hold on a 500 is a bad status, on a 200 it would be a check.
    expect(await errorsOf('jmeter/assert.jtl.xml')).toEqual({ status: 4 })
  })
})

describe('times, in milliseconds whatever the file says', () => {
  /** Of the tool's own report where it printed one; else of the rows themselves (a hundredth apart: the histogram's bins). */
  test.each([
    ['k6/summary-export.json', 0.5, 20.999],
    ['k6/mix.ndjson.gz', 0.5, 20.999],
    ['k6/mix.csv.gz', 0.5, 20.999],
    ['k6/handlesummary.json', 0.99, 49.93],
    ['k6/summary-new.json', 0.95, 77.07548945],
    ['locust/mix.json', 0.5, 34],
    ['locust/mix_stats.csv', 0.99, 82],
    ['artillery/mix.json', 0.95, 30.3],
    ['oha/mix.json', 0.95, 44.93],
    ['oha/mix.json', 0.999, 250.85],
    ['fortio/mix.json', 0.5, 22.5],
    ['wrk/mix.txt', 0.99, 227.84],
    ['wrk/mix.txt', 0.5, 20.64],
    ['gatling/stats.js', 0.99, 207],
    ['vegeta/mix.report.json', 0.95, 23.965],
    ['vegeta/mix.ndjson', 0.5, 21.28],
    ['vegeta/mix.csv', 0.5, 21.28],
    ['autocannon/stall-closed.json', 0.99, 26],
  ])('%s at %d is %d', async (path, q, ms) => {
    const { evidence, target } = await imported(path)
    const named: Readonly<Record<number, number | null | undefined>> = { 0.5: target?.p50Ms, 0.95: target?.p95Ms, 0.99: target?.p99Ms }
    const found = evidence.totals === null ? named[q] : evidence.totals.quantilesMs[String(q)]
    expect(Math.abs((found ?? Number.NaN) / ms - 1)).toBeLessThan(0.011)
  })

  test('what was late in the stall is what the server made late, where the tool keeps it', async () => {
    /** Longer than 250 ms: without and with the bin in which 250 ms lies. */
    const lateOf = async (path: string): Promise<readonly [number, number]> => {
      const bins = (await imported(path)).evidence.slices.flatMap((slice) => slice.response)
      const from = (first: number) => bins.reduce((sum, [bin, count]) => sum + (bin >= first ? count : 0), 0)
      return [from(binOf(250) + 1), from(binOf(250))]
    }
    for (const [path, late] of [
      ['k6/stall.ndjson.gz', 89],
      ['vegeta/stall.csv', 89],
      ['jmeter/open-stall.jtl.csv', 91],
      // The closed model hides most of it.
      ['jmeter/closed-stall.jtl.csv', 21],
    ] as const) {
      const [fewest, most] = await lateOf(path)
      expect(fewest).toBeLessThanOrEqual(late)
      expect(most).toBeGreaterThanOrEqual(late)
      expect(most - fewest).toBeLessThanOrEqual(1)
    }
  })
})

describe('how much a source says', () => {
  test('tools that send again what was lost are marked, unless they open a connection each time', async () => {
    const hides = async (path: string) => (await imported(path)).evidence.capabilities.hidesRetries
    expect(await hides('k6/mix.ndjson.gz')).toBe(true)
    expect(await hides('k6/noreuse.ndjson.gz')).toBe(false)
    expect(await hides('k6/summary-export.json')).toBe(true)
    expect(await hides('k6/noreuse.summary-export.json')).toBe(false)
    expect(await hides('hey/mix.csv')).toBe(true)
    expect(await hides('fortio/mix.json')).toBe(true)
    expect(await hides('gatling/stats.js')).toBe(true)
    expect(await hides('vegeta/mix.ndjson')).toBe(true)
    expect(await hides('jmeter/mix.jtl.csv')).toBe(false)
    const { report } = await imported('k6/mix.ndjson.gz', { exitCode: 0, clauses: ['errors < 5%'] })
    expect(report.warnings).toContainEqual(expect.stringContaining('transport failures may be hidden'))
  })

  test('the closed model is told from the open one where the file shows it, and named in the tail', async () => {
    const closed = async (path: string) => (await imported(path)).evidence.capabilities.isClosedModel
    expect(await closed('jmeter/open-stall.jtl.csv')).toBe(false)
    expect(await closed('jmeter/closed-stall.jtl.csv')).toBe(true)
    expect(await closed('artillery/stall.json')).toBe(false)
    expect(await closed('vegeta/stall.csv')).toBe(false)
    expect(await closed('locust/stall.json')).toBe(true)
    const { report } = await imported('jmeter/closed-stall.jtl.csv', { exitCode: 0, clauses: ['p99 < 5s'] })
    expect(report.warnings).toContainEqual(expect.stringContaining('closed model'))
    const k6 = await imported('k6/mix.ndjson.gz')
    expect(k6.evidence.warnings).toContainEqual(expect.stringContaining('loop of virtual users'))
  })

  test.each([
    ['hey/mix.csv', 'errors < 1%', 'leaves failed requests out'],
    ['oha/mix.csv', 'errors < 1%', 'leaves failed requests out'],
    ['k6/summary-new.json', 'p99 < 1s', 'it says p50, p90, p95'],
    ['k6/summary-export.json', 'p95 <= baseline + 10%', 'totals only'],
    ['locust/mix.json', 'p95 <= baseline + 10%', 'intervals only'],
    ['k6/mix.ndjson.gz', 'p95 <= baseline + 10%', 'labelled by host'],
    ['autocannon/mix-rate.json', 'p50 < 1s', 'not to be trusted'],
    ['autocannon/mix-closed.json', 'p50 < 1s', 'not to be trusted'],
    ['locust/mix_stats_history.csv', 'p50 < 1s', 'not to be trusted'],
    ['wrk/mix.txt', 'rps >= 10/s', 'second by second'],
    ['fortio/mix.json', 'rps >= 10/s', 'second by second'],
    ['k6/mix.ndjson.gz', 'rps >= 98% of offered', 'what was offered'],
  ])('%s cannot answer "%s"', async (path, text, why) => {
    const { report } = await imported(path, { exitCode: 0, plannedMs: 5_000, clauses: [text] })
    expect(report.verdict).toBe('invalid')
    expect(report.clauses[0]?.note).toContain(why)
  })

  test('oha’s rows and its JSON together say all', async () => {
    const { counts, evidence, target } = await imported(['oha/mix.json', 'oha/mix.sqlite'], { plannedMs: 15_000, clauses: ['errors < 5%'] })
    expect(evidence).toMatchObject({ level: 'A', capabilities: { canCountErrors: true, quantiles: null }, distrust: [] })
    expect(counts).toEqual({ requests: 749, failures: 6 })
    expect(target?.errors).toEqual({ status: 3, reset: 3 })
    const other = await imported(['oha/mix.json', 'oha/mix.csv'], { plannedMs: 15_000 })
    expect(other.distrust).toContainEqual(expect.stringContaining('not of the same run'))
  })
})
