// Metrics, read by the programs that will read them: Debian's promtool and push gateway, where they are installed.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ReportData } from '../../../src/domain/report.ts'
import { groupUrl, pushMetrics } from '../../../src/drivers/metrics/push-gateway.ts'
import { metricsOf } from '../../../src/render/report/metrics.ts'
import { HOSTILE } from '../render/recorded.ts'
import * as samples from './samples.ts'

function has(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const hasPromtool = has('promtool')
const hasGateway = has('prometheus-pushgateway')
const PATIENCE = { timeout: 20_000, interval: 50 }
const never = new AbortController().signal

/** Everything is called so. */
function named(text: string): ReportData {
  const data = samples.gateFail()
  const measurements = data.measurements.map((measurement) => ({
    ...{ ...measurement, name: `gate ${text}`, where: text },
    clauses: measurement.clauses.map((clause) => ({ ...clause, clause: text })),
    targets: measurement.targets.map((target) => ({ ...target, name: text })),
  }))
  return { ...data, title: text, measurements }
}

const rollout = samples.once(
  (): ReportData =>
    samples.rolloutReport(
      [],
      [
        { record: samples.gateRecord({ canary: { ms: 61 }, old: samples.GOOD, seconds: 60 }), batch: 'canary', startedAt: null },
        { record: samples.gateRecord({ canary: { ms: 61 }, old: samples.GOOD, seconds: 60 }), batch: 'canary', startedAt: null },
        { record: samples.commandRecord(), batch: 'batch 2', startedAt: null },
      ],
    ),
)

describe('metrics', () => {
  it('tell verdict, estimates, margins and requests in base units', () => {
    const text = metricsOf(samples.gateFail())
    expect(text).toContain('rollgate_gate_verdict{gate="canary",kind="gate",verdict="fail"} 1\n')
    expect(text).toContain('rollgate_gate_verdict{gate="canary",kind="gate",verdict="pass"} 0\n')
    expect(text).toMatch(/rollgate_gate_estimate_ratio\{gate="canary",kind="gate",clause="p95 <= baseline \+ 15%",mode="gate"\} 0\.\d+/)
    expect(text).toContain('rollgate_gate_margin_ratio{gate="canary",kind="gate",clause="p95 <= baseline + 15%",mode="gate"} 0.15\n')
    expect(text).toMatch(/rollgate_requests_total\{gate="canary",kind="gate",target="new",outcome="status"\} \d+/)
    expect(text).toContain('rollgate_run_timestamp_seconds{run="gate canary"} 1795576680\n')
  })

  it('count measured answers in buckets that only grow', () => {
    const text = metricsOf(samples.loadReport({ targets: 1, seconds: 20, arm: () => ({ ms: 20, failing: 0.1 }) }))
    const buckets = [...text.matchAll(/_bucket\{[^}]*le="([^"]+)"\} (\d+)/g)].map(([, le, count]) => [le, Number(count)] as const)
    expect(buckets.map(([le]) => le)).toEqual(['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf'])
    for (const [index, [, count]] of buckets.entries()) expect(count).toBeGreaterThanOrEqual(buckets[index - 1]?.[1] ?? 0)
    const done = Number(/outcome="ok"\} (\d+)/.exec(text)?.[1])
    expect(buckets.at(-1)?.[1]).toBe(done)
    expect(text).toContain(`rollgate_response_seconds_count{gate="checkout",kind="load",target="target-1"} ${done}\n`)
    const sum = Number(/_sum\{[^}]*\} ([\d.]+)/.exec(text)?.[1])
    expect(sum / done).toBeGreaterThan(0.015)
    expect(sum / done).toBeLessThan(0.03)
  })

  it.each([
    ['decided before its time was up', samples.gatePass],
    ['stopped between two looks', samples.gateFail],
    [
      'stopped in the warm-up, which is then all there is',
      () => samples.gateReport({ canary: { ms: 50, failing: 0.6 }, old: samples.GOOD, seconds: 5, warmup: 20 }),
    ],
    ['a load', () => samples.loadReport({ targets: 2, seconds: 20, arm: () => ({ ms: 20, failing: 0.1 }) })],
  ])('count one set of requests, whatever was seen after the verdict: %s', (how, make) => {
    const data = make()
    const text = metricsOf(data)
    const value = (series: string, target: string): number =>
      Number(new RegExp(`^rollgate_${series}\\{[^}]*target="${target}"[^}]*\\} (\\d+)$`, 'm').exec(text)?.[1])
    expect(data.measurements[0]?.counted?.isWarmup ?? false).toBe(how.startsWith('stopped in the warm-up'))
    const targets = data.measurements.flatMap((measurement) => measurement.targets)
    expect(targets).toHaveLength(2)
    for (const { name, done } of targets) {
      expect(value('response_seconds_count', name)).toBe(done)
      expect(Number(new RegExp(`requests_total\\{[^}]*target="${name}",outcome="ok"\\} (\\d+)`).exec(text)?.[1])).toBe(done)
    }
  })

  it('tell of the cold start, which is none of what was judged', () => {
    const data = samples.gatePass()
    expect(data.measurements[0]?.cold).toEqual({ firstSuccessSecond: 0, steadySecond: null, failures: 0, arrivals: 2_000 })
    const text = metricsOf(data)
    expect(text).toContain('rollgate_cold_first_success_seconds{gate="canary",kind="gate"} 0\n')
    expect(text).toContain('rollgate_cold_requests{gate="canary",kind="gate"} 2000\n')
    expect(text).not.toContain('rollgate_cold_steady_seconds')
  })

  it('leave out the warm-up', () => {
    const warm = samples.gateReport({ canary: samples.GOOD, old: samples.GOOD, seconds: 30, warmup: 20, rate: 10 })
    const count = Number(/rollgate_response_seconds_count\{[^}]*target="new"\} (\d+)/.exec(metricsOf(warm))?.[1])
    expect(count).toBe(300)
  })

  it.each([
    ['plain names', { job: 'rollgate', instance: 'shop' }, 'http://gw:9091/metrics/job/rollgate/instance/shop'],
    [
      'blanks and signs',
      { job: 'rollgate', instance: 'gate a b?#%' },
      'http://gw:9091/metrics/job/rollgate/instance/gate%20a%20b%3F%23%25',
    ],
    ['a slash', { job: 'rollgate', instance: 'a/b' }, 'http://gw:9091/metrics/job/rollgate/instance@base64/YS9i'],
    ['nothing', { job: 'rollgate', instance: '' }, 'http://gw:9091/metrics/job/rollgate/instance@base64/='],
  ])('are grouped by %s', (_, labels, url) => {
    expect(groupUrl('http://gw:9091/', labels)).toBe(url)
    expect(groupUrl('http://gw:9091/metrics/job/mine/team/web', labels)).toBe('http://gw:9091/metrics/job/mine/team/web')
  })

  it('that nobody takes are told in a sentence, and nothing is thrown', async () => {
    const push = (gateway: string, signal = never) => pushMetrics({ gateway, labels: { job: 'x' }, text: 'x 1\n', signal })
    expect(await push('http://127.0.0.1:1')).toBe('ECONNREFUSED')
    expect(await push('http://127.0.0.1:1', AbortSignal.abort())).toMatch(/abort/i)
    const answers = { status: 400, body: 'text format parsing error\nmore' }
    const server = createServer((_request, response) => {
      response.statusCode = answers.status
      response.end(answers.body)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    // A server that listens on a port has an address with one.
    const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await push(gateway)).toBe('it answered 400: text format parsing error')
    answers.status = 302
    expect(await push(gateway)).toMatch(/^it answered 302/)
    server.close()
  })
})

describe.skipIf(!hasPromtool)(
  `metrics under promtool${hasPromtool ? '' : ' (skipped: promtool is not installed, apt-get install prometheus)'}`,
  () => {
    const check = (text: string): string =>
      execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })

    it.each([
      ['a pass', samples.gatePass],
      ['a fail', samples.gateFail],
      ['an invalid run', samples.gateInvalid],
      ['nothing at all', samples.gateEmpty],
      ['a load', () => samples.loadReport({ targets: 3, seconds: 10 })],
      ['a rollout that judged the same gate twice', rollout],
    ])('are well-formed and well-named for %s', (_, make) => {
      expect(check(metricsOf(make()))).toBe('')
    })

    it.each(HOSTILE.concat('"', '\\', 'a"} 1\nevil 1', '{', '# EOF'))('are well-formed whatever is called %j', (text) => {
      const metrics = metricsOf(named(text))
      expect(check(metrics)).toBe('')
      expect(metrics).not.toMatch(/^evil/m)
    })
  },
)

describe.skipIf(!hasGateway)(
  `metrics under a real push gateway${hasGateway ? '' : ' (skipped: it is not installed, apt-get install prometheus-pushgateway)'}`,
  () => {
    let gateway: ChildProcess
    let url = ''
    const folder = mkdtempSync(join(tmpdir(), 'rollgate-gateway-'))
    beforeAll(async () => {
      gateway = spawn('prometheus-pushgateway', ['--web.listen-address=127.0.0.1:0', '--log.format=json'], {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      url = await new Promise<string>((done, fail) => {
        let seen = ''
        gateway.stderr?.on('data', (chunk: Buffer) => {
          seen += chunk.toString()
          const port = /127\.0\.0\.1:(\d+)/.exec(seen.replaceAll('127.0.0.1:0', ''))?.[1]
          if (port !== undefined) done(`http://127.0.0.1:${port}`)
        })
        gateway.once('exit', () => fail(new Error(`the push gateway ended: ${seen}`)))
      })
    })
    afterAll(() => {
      gateway.removeAllListeners('exit')
      gateway.kill()
      rmSync(folder, { recursive: true, force: true })
    })

    it('are taken, and replaced by the next push of the same group', async () => {
      const push = (data: ReportData) =>
        pushMetrics({ gateway: url, labels: { job: 'rollgate', instance: data.title }, text: metricsOf(data), signal: never })
      expect(await push(samples.gateFail())).toBeNull()
      const scrape = async (): Promise<string> => (await fetch(`${url}/metrics`)).text()
      const seen = /rollgate_gate_verdict\{gate="canary",instance="gate canary",job="rollgate",kind="gate",verdict="fail"\} 1/
      // It takes a push and works on it afterwards.
      await vi.waitFor(async () => expect(await scrape()).toMatch(seen), PATIENCE)
      expect(await push(samples.gateUnsure())).toBeNull()
      const own = async (): Promise<string> =>
        (await scrape())
          .split('\n')
          .filter((line) => line.includes('instance="gate canary"'))
          .join('\n')
      await vi.waitFor(async () => expect(await own()).toMatch(/rollgate_gate_verdict\{[^}]*verdict="inconclusive"\} 1/), PATIENCE)
      // That gate has no clause on errors: what was said of it before is gone.
      expect(await own()).not.toContain('errors <= baseline')
      expect(await push(rollout())).toBeNull()
    })

    it.each(HOSTILE)('are taken whatever is called %j', async (text) => {
      const data = named(text)
      expect(
        await pushMetrics({ gateway: url, labels: { job: 'rollgate', instance: 'hostile' }, text: metricsOf(data), signal: never }),
      ).toBeNull()
    })
  },
)
