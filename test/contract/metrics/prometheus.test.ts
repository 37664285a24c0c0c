// The metrics driver against Debian's real Prometheus, which scrapes a page of ours: numbers, emptiness, not-a-number,
// stale series, refused queries, and servers that are no Prometheus or nobody at all.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseClause } from '../../../src/domain/clause-parse.ts'
import type { PrometheusAnswer, PrometheusEvidence } from '../../../src/domain/evidence.ts'
import { askPrometheus } from '../../../src/drivers/metrics/prometheus.ts'
import { judgePrometheus } from '../../../src/gate/prometheus.ts'

const isThere = spawnSync('prometheus', ['--version']).status === 0

function clause(text: string) {
  const parsed = parseClause(text)
  if ('clause' in parsed) return parsed.clause
  throw new Error(parsed.problem)
}

const judged = (text: string, answer: PrometheusAnswer, staleMs = 300_000) => {
  const evidence: PrometheusEvidence = { kind: 'prometheus', onEmpty: 'invalid', staleMs, answers: [{ window: null, answer }], burn: null }
  return judgePrometheus('slo', [clause(text)], evidence)
}

describe.skipIf(!isThere)(`a real Prometheus${isThere ? '' : ' (SKIPPED: prometheus is not installed)'}`, () => {
  let folder: string
  let page: Server
  let process_: ChildProcess
  let url: string
  const ask = (query: string) => askPrometheus({ url, query, signal: AbortSignal.timeout(60_000) })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rollgate-prometheus-'))
    let seen = 0
    page = createServer((_, response) => {
      seen += 1
      // `gone` is there once, and then it is not: Prometheus calls it stale from then on.
      response.end(`up_and_well 0.25\nnothing_yet NaN\nby_code{code="200"} 7\nby_code{code="500"} 2\n${seen === 1 ? 'gone 1\n' : ''}`)
    })
    await new Promise<void>((done) => page.listen(0, '127.0.0.1', done))
    const port = await freePort()
    const target = `127.0.0.1:${(page.address() as AddressInfo).port}`
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 1s, scrape_timeout: 900ms }\nscrape_configs:\n  - job_name: app\n    static_configs: [{ targets: ["${target}"] }]\n`,
    )
    process_ = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    )
    url = `http://127.0.0.1:${port}`
    await until(async () => {
      const answer = await ask('up_and_well')
      return seen > 2 && answer.kind === 'series' && answer.series.length === 1
    })
  }, 120_000)

  afterAll(async () => {
    const ended = new Promise((done) => process_.once('exit', done))
    process_.kill('SIGKILL')
    await ended
    await new Promise((done) => page.close(done))
    rmSync(folder, { recursive: true, force: true })
  })

  test('a number with its labels and the age of its sample', async () => {
    const answer = await ask('up_and_well')
    expect(answer).toMatchObject({ kind: 'series', warnings: [] })
    if (answer.kind !== 'series') return
    expect(answer.series[0]).toMatchObject({ value: 0.25, labels: { __name__: 'up_and_well', job: 'app' } })
    // Scraped every second; whatever this machine does meanwhile, it is a sample and not the moment of asking.
    expect(answer.series[0]?.ageMs).toBeGreaterThanOrEqual(0)
    expect(judged('value < 1', answer)).toMatchObject({ verdict: 'pass' })
    expect(judged('value > 1', answer)).toMatchObject({ verdict: 'fail' })
  })

  test('of several series the worst decides, and is named', async () => {
    const report = judged('value < 5', await ask('by_code'))
    expect(report).toMatchObject({ verdict: 'fail', reason: expect.stringContaining('code="200"') })
  })

  test('scalars and aggregates', async () => {
    expect(judged('value = 2', await ask('scalar(by_code{code="500"})'))).toMatchObject({ verdict: 'pass' })
    expect(judged('value = 9', await ask('sum(by_code)'))).toMatchObject({ verdict: 'pass' })
  })

  test('an empty answer never passes, and `or vector(0)` is how somebody says that nothing is zero', async () => {
    const empty = await ask('no_such_series')
    expect(empty).toMatchObject({ kind: 'series', series: [] })
    expect(judged('value < 1', empty)).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('no series') })
    expect(judged('value < 1', await ask('no_such_series or vector(0)'))).toMatchObject({ verdict: 'pass' })
  })

  test('not a number never passes', async () => {
    expect(judged('value < 1', await ask('nothing_yet'))).toMatchObject({
      verdict: 'invalid',
      reason: expect.stringContaining('not a number'),
    })
    expect(judged('value < 1', await ask('by_code / 0 - by_code / 0'))).toMatchObject({ verdict: 'invalid' })
  })

  test('a series that is gone is gone, and an old sample is stale by our own limit', async () => {
    expect(judged('value < 2', await ask('gone'))).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('no series') })
    // As it was some seconds ago: Prometheus answers it, and we know how old it is.
    await expect
      .poll(async () => ((await ask('up_and_well offset 2s')) as { series?: unknown[] }).series?.length ?? 0, { timeout: 30_000 })
      .toBe(1)
    expect(judged('value < 1', await ask('up_and_well offset 2s'), 1_000)).toMatchObject({
      verdict: 'invalid',
      reason: expect.stringContaining('stale'),
    })
  })

  test.each([
    ['sum(', 'refused the query'],
    ['up_and_well[5m]', 'one number a series is wanted'],
    ['"text"', 'a number is wanted'],
  ])('%s is no answer, and says why', async (query, why) => {
    const answer = await ask(query)
    expect(answer).toMatchObject({ kind: 'failed', why: expect.stringContaining(why) })
    expect(judged('value < 1', answer)).toMatchObject({ verdict: 'invalid' })
  })
})

describe('what is no Prometheus', () => {
  const serve = async (answer: Parameters<typeof createServer>[1]) => {
    const server = createServer(answer)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => new Promise((done) => server.close(done)) }
  }

  test.each([
    ['a web page', '<html>', 200, 'no JSON'],
    ['JSON of somebody else', '{"ok":true}', 200, 'refused the query'],
    ['a list', '[]', 200, 'something else'],
    ['an error page', 'oops', 502, 'HTTP 502'],
    [
      'a value that is no number',
      '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,7]}]}}',
      200,
      'without a value',
    ],
  ])('%s is an answer that says nothing', async (_what, body, status, why) => {
    const server = await serve((_, response) => response.writeHead(status).end(body))
    try {
      expect(await askPrometheus({ url: server.url, query: 'up', signal: AbortSignal.timeout(30_000) })).toMatchObject({
        kind: 'failed',
        why: expect.stringContaining(why),
      })
    } finally {
      await server.close()
    }
  })

  test('an endless answer is cut off', async () => {
    const server = await serve((_, response) => {
      const more = (): void =>
        void (response.destroyed || (response.write('x'.repeat(65_536)) ? setImmediate(more) : response.once('drain', more)))
      more()
    })
    try {
      expect(await askPrometheus({ url: server.url, query: 'up', signal: AbortSignal.timeout(30_000) })).toMatchObject({
        kind: 'failed',
        why: expect.stringContaining('larger than'),
      })
    } finally {
      await server.close()
    }
  })

  test('nobody there, and a redirect to somewhere else, are said; an interrupt is thrown', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect(await askPrometheus({ url, query: 'up', signal: AbortSignal.timeout(30_000) })).toMatchObject({
      kind: 'failed',
      why: expect.stringContaining('cannot be asked'),
    })
    const server = await serve((_, response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end())
    try {
      expect(await askPrometheus({ url: server.url, query: 'up', signal: AbortSignal.timeout(30_000) })).toMatchObject({ kind: 'failed' })
    } finally {
      await server.close()
    }
    await expect(askPrometheus({ url, query: 'up', signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

/** Prometheus takes its time to start; how long is nobody's business. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 100))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}
