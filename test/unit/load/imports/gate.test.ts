// What a gate of kind `import` gets: the same reading, its exit code from a file, and what can be asked before there is a file.
import { describe, expect, test } from 'vitest'
import { DEFAULT_CONFIDENCE } from '../../../../src/domain/gate.ts'
import { judgeImport, whyUnsupported } from '../../../../src/gate/imports.ts'
import { bestOf } from '../../../../src/load/imports/best.ts'
import { readGateImport } from '../../../../src/load/imports/read.ts'
import { IMPORT_TOOLS } from '../../../../src/load/imports/reading.ts'
import { clauses, fileWith, fixture, imported } from './helpers.ts'

const asked = { clauses: clauses('p95 < 300ms', 'errors < 2%'), confidence: DEFAULT_CONFIDENCE }
const source = (
  more: { readonly format?: string; readonly path?: string; readonly plannedMs?: number; readonly exitCodePath?: string } = {},
) => ({ kind: 'import', format: 'k6', path: fixture('k6/mix.ndjson.gz'), ...more }) as const

describe('a gate that imports', () => {
  test('passes a whole run, by its length or by the exit code in a file', async () => {
    for (const more of [{ plannedMs: 15_000 }, { exitCodePath: await fileWith('exit', '0\n') }]) {
      const evidence = await readGateImport(source(more), asked)
      expect(evidence.distrust).toEqual([])
      expect(judgeImport('imported', evidence).verdict).toBe('pass')
    }
  })

  test.each([
    ['another code', '99\n', 'exit code 99'],
    ['no number', 'ok\n', 'holds no exit code'],
    ['nothing', '', 'holds no exit code'],
    ['a long text', `0\n${'x'.repeat(5_000)}`, 'holds no exit code'],
  ])('is invalid with %s in the file', async (_, text, why) => {
    const evidence = await readGateImport(source({ plannedMs: 15_000, exitCodePath: await fileWith('exit', text) }), asked)
    expect(judgeImport('imported', evidence)).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining(why) })
  })

  test('ends with an interrupt, packed file or not', async () => {
    for (const path of ['k6/mix.ndjson.gz', 'k6/small.ndjson']) {
      const stop = new AbortController()
      const reading = readGateImport(source({ path: fixture(path), plannedMs: 15_000 }), { ...asked, signal: stop.signal })
      stop.abort()
      await expect(reading).rejects.toMatchObject({ code: 'E_CANCELLED' })
    }
  })

  test('is invalid without the file, with another tool’s, and without the exit code that was promised', async () => {
    const none = await readGateImport(source({ path: '/nowhere/k6.json', plannedMs: 15_000 }), asked)
    const other = await readGateImport(source({ format: 'jmeter', plannedMs: 15_000 }), asked)
    const unread = await readGateImport(source({ plannedMs: 15_000, exitCodePath: '/nowhere/exit' }), asked)
    for (const evidence of [none, other, unread]) expect(judgeImport('imported', evidence).verdict).toBe('invalid')
  })
})

describe('what the best file of a tool can say', () => {
  test('is known for each of them, and never less than a real file says', async () => {
    const files = [
      'k6/mix.ndjson.gz',
      'jmeter/mix.jtl.csv',
      'vegeta/mix.csv',
      'locust/mix.json',
      'fortio/mix.json',
      'artillery/mix.json',
      'gatling/stats.js',
      'wrk/mix.txt',
      'hey/mix.csv',
      'autocannon/stall-closed.json',
    ]
    const asks = clauses('p50 < 1s', 'p95 < 1s', 'p99 < 1s', 'max < 1s', 'errors < 1%', 'rps >= 10/s')
    for (const file of files) {
      const { evidence } = await imported(file)
      const best = bestOf(evidence.format)
      if (best === null) throw new Error(`${evidence.format} is not known`)
      for (const clause of asks)
        if (whyUnsupported(clause, evidence.level, evidence.capabilities) === null)
          expect(whyUnsupported(clause, best.level, best.capabilities), `${file}: ${clause.text}`).toBeNull()
    }
    expect(IMPORT_TOOLS.map((tool) => bestOf(tool) !== null)).not.toContain(false)
    expect(bestOf('siege')).toBeNull()
  })

  test('refuses before there is a file what no file could answer', () => {
    const [compares, fails, quantile] = clauses('p95 <= baseline + 10%', 'errors < 1%', 'p99.9 < 1s')
    if (compares === undefined || fails === undefined || quantile === undefined) throw new Error('three clauses')
    const why = (tool: string, clause: typeof compares) => {
      const best = bestOf(tool)
      return best === null ? null : whyUnsupported(clause, best.level, best.capabilities)
    }
    expect(why('k6', compares)).toBeNull()
    expect(why('locust', compares)).toContain('intervals only')
    expect(why('artillery', compares)).toContain('totals only')
    expect(why('hey', fails)).toContain('leaves failed requests out')
    expect(why('gatling', quantile)).toContain('it says p50, p75, p95, p99')
  })
})

test('wrk2’s table starts its times when a request was due', async () => {
  const text = `Running 30s test @ http://127.0.0.1:8080/
  2 threads and 100 connections
  Thread calibration: mean lat.: 9.747ms, rate sampling interval: 21ms
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.10ms    4.66ms  80.13ms   73.83%
    Req/Sec     1.06k    98.80     1.42k    77.45%
  Latency Distribution (HdrHistogram - Recorded Latency)
 50.000%    9.20ms
 90.000%   14.10ms
 99.000%   25.00ms
 99.900%    1.02s
100.000%    1.10m

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)
       0.921     0.000000            1         1.00
  60018 requests in 30.00s, 19.81MB read
Requests/sec:   2000.15
`
  const { evidence } = await imported(await fileWith('wrk2.txt', text))
  expect(evidence.totals).toMatchObject({
    requests: 60_018,
    failures: 0,
    seconds: 30,
    quantilesMs: { '0.5': 9.2, '0.9': 14.1, '0.99': 25, '0.999': 1_020 },
  })
  expect(evidence.capabilities.isClosedModel).toBe(false)
  expect(evidence.distrust).toEqual([])
})
