import { describe, expect, test } from 'vitest'
import { imported, truthOf } from './helpers.ts'

describe('a run that did not come to its end is invalid', () => {
  test.each([
    ['k6', 'abort-sigint.ndjson.gz', 'abort-sigint', 'interrupted'],
    ['k6', 'abort-sigint.summary-export.json', 'abort-sigint', 'interrupted'],
    ['k6', 'abort-script.ndjson.gz', 'abort-script', 'its script ended the test'],
    ['k6', 'abort-fail.ndjson.gz', 'abort-fail', 'marked the test as failed'],
    ['k6', 'abort-threshold.ndjson.gz', 'abort-threshold', 'thresholds was crossed'],
    ['k6', 'threshold-fail.summary-export.json', 'threshold-fail', 'http_req_duration{scenario:slow}: p(99)<100'],
    ['k6', 'threshold-fail.summary-new.json', 'threshold-fail-new', 'exit code 99'],
    ['k6', 'abort-sigkill.ndjson.gz', 'abort-sigkill', 'ends in the middle'],
    ['jmeter', 'abort-sigint.jtl.csv', 'abort-sigint', 'interrupted'],
    ['jmeter', 'abort-sigkill.jtl.csv', 'abort-sigkill', 'the last line is cut'],
    ['artillery', 'ensure-fail.json', 'ensure-fail', '`ensure`'],
    ['gatling', 'stats.js', 'mix', 'assertions'],
    ['locust', 'gate_stats.csv', 'gate', 'exit code 3'],
  ])('%s %s, by its exit code or its file', async (tool, file, name, why) => {
    const { report, distrust } = await imported(`${tool}/${file}`, { exitCode: truthOf(tool, name).exitCode })
    expect(report.verdict).toBe('invalid')
    expect(distrust.join('; ')).toContain(why)
  })

  test.each([
    ['hey/abort-sigint.csv', 10_000],
    ['vegeta/abort-sigint.report.json', 10_000],
    ['vegeta/abort-sigint.ndjson', 10_000],
    ['oha/abort-sigint.json', 12_000],
    ['locust/abort-sigint-ok.json', 15_000],
    ['locust/abort-sigterm-ok.json', 15_000],
    ['locust/abort-sigint-ok_stats.csv', 15_000],
    ['locust/dist-all-lost.json', 14_000],
    ['k6/abort-sigint.ndjson.gz', 15_000],
  ])('%s, by its length, although a zero was seen', async (path, plannedMs) => {
    const { report, distrust } = await imported(path, { exitCode: 0, plannedMs })
    expect(report.verdict).toBe('invalid')
    expect(distrust).toEqual([expect.stringMatching(/^it ended after [\d.]+ s of \d+ s that were planned$/)])
  })

  test('fortio and wrk say themselves how long they were to run', async () => {
    expect((await imported('fortio/abort-sigint.json')).distrust).toEqual(['it ended after 4 s of 12 s that were planned'])
    expect((await imported('wrk/abort-sigint.txt')).distrust).toEqual(['it ended after 3 s of 10 s that were planned'])
    expect((await imported('fortio/mix.json')).distrust).toEqual([])
    expect((await imported('wrk/mix.txt')).distrust).toEqual([])
  })
})

describe('without evidence of its end nobody knows', () => {
  test.each(['k6/mix.ndjson.gz', 'jmeter/mix.jtl.csv', 'locust/mix.json', 'oha/mix.json', 'hey/mix.csv', 'gatling/stats.js'])(
    '%s',
    async (path) => {
      const { report, distrust } = await imported(path)
      expect(report.verdict).toBe('invalid')
      expect(distrust).toEqual([expect.stringContaining('whether it ran to its end is not known')])
    },
  )

  test.each(['hey/mix.csv', 'oha/mix.json', 'locust/stall.json', 'vegeta/mix.csv'])(
    'a zero of %s is no evidence: it exits 0 after an interrupt too',
    async (path) => {
      expect((await imported(path, { exitCode: 0 })).distrust).toEqual([expect.stringContaining('exits 0 after an interrupt too')])
    },
  )

  test.each([
    ['k6/mix.ndjson.gz', { exitCode: 0 }],
    ['k6/mix.ndjson.gz', { plannedMs: 15_000 }],
    ['jmeter/mix.jtl.csv', { exitCode: 0 }],
    ['locust/mix.json', { plannedMs: 15_000 }],
    ['locust/mix.json', { plannedMs: 15_000, exitCode: 1 }],
    ['oha/mix.json', { plannedMs: 15_000 }],
    ['artillery/mix.json', {}],
    ['autocannon/stall-closed.json', {}],
  ])('%s with %o is whole', async (path, given) => {
    expect((await imported(path, given)).distrust).toEqual([])
  })
})

describe('what a tool says against its own result', () => {
  test('dropped iterations are failures, and many of them no measurement', async () => {
    const points = await imported('k6/dropped.ndjson.gz', { exitCode: 0 })
    expect(points.target?.errors).toEqual({ shed: 666 })
    expect(points.distrust).toEqual([expect.stringContaining('dropped 666 of 1001 iterations')])
    expect((await imported('k6/dropped.summary-export.json', { exitCode: 0 })).counts).toEqual({ requests: 1001, failures: 666 })
    expect((await imported('k6/stall-20vus.ndjson.gz', { exitCode: 0 })).report.verdict).toBe('invalid')
  })

  test('k6’s summary beside its points tells that a threshold was crossed', async () => {
    const { distrust, evidence } = await imported(['k6/threshold-fail.ndjson.gz', 'k6/threshold-fail.summary-export.json'], {
      plannedMs: 5_000,
    })
    expect(evidence.level).toBe('A')
    expect(distrust).toEqual([expect.stringContaining('threshold was crossed')])
  })

  test('Locust’s log tells of lost workers, of an interrupt, and that the time was reached', async () => {
    const of = async (name: string, log = `locust/${name}.stderr.txt`) =>
      (await imported([`locust/${name}.json`, log], { exitCode: 0 })).distrust
    expect(await of('mix')).toEqual([])
    expect(await of('stall')).toEqual([])
    expect((await of('dist-lost-ok')).join()).toContain('lost 1 of its workers')
    expect((await of('dist-all-lost')).join()).toContain('lost 2 of its workers')
    expect((await of('dist-quit')).join()).toContain('lost 1 of its workers')
    expect((await of('abort-sigint-ok')).join()).toContain('interrupted')
    expect((await of('abort-sigterm-ok')).join()).toContain('interrupted')
    expect(await of('dist')).toEqual([])
  })

  test('Locust’s history shows the lost worker by its users', async () => {
    const of = async (name: string) =>
      (await imported([`locust/${name}.json`, `locust/${name}_stats_history.csv`], { plannedMs: 14_000 })).distrust
    expect(await of('dist')).toEqual([])
    expect((await of('dist-lost-ok')).join()).toContain('users fell from 20 to 10')
    expect((await of('dist-lost')).join()).toContain('users fell from 20 to 10')
  })

  test('mistakes in Locust’s script are in its exceptions only', async () => {
    const { report, distrust } = await imported(
      ['locust/exception_stats.csv', 'locust/exception_exceptions.csv', 'locust/exception_failures.csv'],
      { plannedMs: 6_000 },
    )
    expect(distrust).toEqual(['Locust’s script failed 18 times (a mistake in the script): what it did not send is in no number'])
    expect(report.verdict).toBe('invalid')
    expect((await imported('locust/exception_stats.csv', { plannedMs: 6_000, exitCode: 1 })).distrust).toEqual([
      expect.stringContaining('its script failed somewhere'),
    ])
  })

  test('a target that hangs or refuses has no error in the file, and no verdict', async () => {
    expect((await imported('wrk/hang.txt', { exitCode: 0 })).report).toMatchObject({ verdict: 'invalid' })
    expect((await imported('hey/refused.csv', { exitCode: 0 })).report).toMatchObject({
      verdict: 'invalid',
      reason: expect.stringContaining('nothing was measured'),
    })
  })

  test('the script that k6 copies into its summary is in nothing that we keep', async () => {
    const found = await imported('k6/summary-new.json', { exitCode: 0 })
    expect(JSON.stringify(found)).not.toContain('import http')
    expect(JSON.stringify(await imported('fortio/mix.json'))).not.toContain('loadhost')
  })
})

test('files that cannot be added up are refused', async () => {
  expect((await imported(['k6/summary-export.json', 'k6/handlesummary.json'])).distrust.join()).toContain('quantiles cannot be added up')
  expect((await imported(['locust/mix.json', 'locust/dist.json'])).distrust.join()).toContain('quantiles cannot be added up')
  expect((await imported(['k6/mix.ndjson.gz', 'k6/mix.csv.gz'])).distrust.join()).toContain('the same twice')
  expect((await imported(['k6/mix.ndjson.gz', 'jmeter/mix.jtl.csv'])).distrust.join()).toContain('several tools')
  expect((await imported('jmeter/mix.jtl.csv', { format: 'k6' })).distrust.join()).toContain('looks like a file of jmeter')
  // Requests can: two machines of one run.
  const both = await imported(['k6/mix.ndjson.gz', 'k6/noreuse.ndjson.gz'])
  expect(both.counts).toEqual({ requests: 724 + 604, failures: 3 + 5 })
})
