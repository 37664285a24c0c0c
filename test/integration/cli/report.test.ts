// Reports as files: what `load` leaves behind where it was asked to. A run is a second long; all of it is one command.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aPlace, documentOf, type Place, run } from './cli.ts'

let place: Place
let url = ''
const pushed: { readonly to: string; readonly body: string }[] = []
const server = createServer((request, response) => {
  if (request.url?.startsWith('/metrics/') !== true) return void setTimeout(() => response.end('ok'), 10)
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => {
    body += text
  })
  request.on('end', () => {
    pushed.push({ to: `${request.method} ${request.url}`, body })
    response.end()
  })
})
beforeAll(async () => {
  place = aPlace()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // A server that listens on a port has an address with one.
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  place.remove()
})

// The closed model asks nothing of this machine's punctuality.
const load = (words: readonly string[], env: Record<string, string> = {}) =>
  run(['load', '--url', `${url}/?token=s3cr3t`, '--connections', '4', '--duration', '1s', '--json', ...words], place, { env })
const at = (...names: string[]): string => join(place.directory, ...names)
const read = (...names: string[]): string => readFileSync(at(...names), 'utf8')

describe('load --report', () => {
  test('leaves a page, the document, JUnit, Markdown, metrics and slices, and tells others what was measured', async () => {
    writeFileSync(at('summary'), 'before\n')
    writeFileSync(at('rollgate.prom'), 'old\n')
    const asked = ['--threshold', 'errors < 50%', '--threshold', 'p50 < 5s']
    const result = await load([...asked, '--report', 'out/report', '--metrics', 'rollgate.prom', '--push-gateway', `${url}/`], {
      GITHUB_STEP_SUMMARY: at('summary'),
    })
    const document = documentOf(result)
    expect(result.code, result.stderr).toBe(0)
    expect(readdirSync(at('out/report')).sort()).toEqual([
      'junit.xml',
      'metrics.prom',
      'report.html',
      'report.json',
      'response.hgrm',
      'response.hlog',
      'slices.ndjson',
      'summary.md',
    ])
    expect(statSync(at('out/report')).mode & 0o777).toBe(0o755)
    expect(JSON.parse(read('out/report/report.json'))).toEqual(document)
    expect(read('out/report/report.html')).toMatch(/<h1>.*PASS<\/h1>/)
    expect(read('out/report/junit.xml')).toContain('tests="2" failures="0" errors="0" skipped="0"')
    expect(read('out/report/summary.md')).toMatch(/^### ✅ load test: PASS/)
    expect(read('out/report/metrics.prom')).toContain('rollgate_gate_verdict{gate="load",kind="load",verdict="pass"} 1')
    for (const name of readdirSync(at('out/report'))) expect(read('out/report', name), name).not.toContain('s3cr3t')
    expect(read('summary')).toBe(`before\n${read('out/report/summary.md')}\n`)
    expect(read('rollgate.prom')).toBe(read('out/report/metrics.prom'))
    expect(statSync(at('rollgate.prom')).mode & 0o777).toBe(0o644)
    expect(pushed).toEqual([{ to: 'PUT /metrics/job/rollgate/instance/load', body: read('rollgate.prom') }])
  })

  test('refuses a place that is taken before anything is sent', async () => {
    writeFileSync(at('taken'), 'mine')
    const before = readdirSync(at('state/rollgate/loads')).length
    const result = await load(['--report', 'taken'])
    expect(result.code).toBe(2)
    expect(documentOf(result)).toMatchObject({ error: { code: 'E_USAGE' } })
    expect(readdirSync(at('state/rollgate/loads'))).toHaveLength(before)
    expect(existsSync(at('taken/report.html'))).toBe(false)
  })

  test('can be made again later: the last line of an error says how', async () => {
    const failed = await run(['load', '--url', url, '--connections', '2', '--duration', '1s', '--threshold', 'p50 < 1ms'], place)
    const again = /Log {3}rollgate report ([0-9a-f]{8})/.exec(failed.stderr)?.[1] ?? ''
    expect(again, failed.stderr).not.toBe('')
    const made = await run(['report', again.slice(0, 6), '--json'], place)
    expect(made.code, made.stderr).toBe(0)
    expect(documentOf(made)).toMatchObject({ id: again, kind: 'load', file: at(`rollgate-${again}.html`) })
    expect(read(`rollgate-${again}.html`)).toContain('p50 &lt; 1ms')
  })

  test('keeps the exit code of the verdict when nobody takes what it pushes', async () => {
    const result = await load(['--push-gateway', 'http://127.0.0.1:1'])
    expect(result.code).toBe(0)
    expect(result.stderr).toContain('! the push gateway did not take the metrics: ECONNREFUSED')
  })
})
