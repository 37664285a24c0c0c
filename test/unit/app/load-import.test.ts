// `load import` without a process around it: what is refused, with which words, and that an interrupt is one.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { AppContext } from '../../../src/app/context.ts'
import { load } from '../../../src/app/load.ts'
import { loadImport } from '../../../src/app/load-import.ts'
import { loadScenario, seenIn } from '../../../src/app/load-scenario.ts'
import { report } from '../../../src/app/report.ts'
import { ownFolder } from '../../helpers/folders.ts'
import { strictly } from '../../helpers/schemas.ts'
import { fixture } from '../load/imports/helpers.ts'

const scenario = (name: string): string => join(import.meta.dirname, '../../fixtures/scenarios', name)

const state = mkdtempSync(join(tmpdir(), 'rollgate-import-'))
afterAll(() => rmSync(state, { recursive: true, force: true }))

function context(more: Partial<AppContext> = {}): AppContext {
  const never = new AbortController().signal
  return {
    flags: { json: true, yes: false, input: false, verbose: false, quiet: true },
    ...{ cwd: tmpdir(), env: { XDG_STATE_HOME: state }, version: '0', ask: null, renderers: [], signal: never, stdout: () => undefined },
    control: { wish: null, because: null, asked: never, hurry: never },
    ...more,
  }
}

describe('load import', () => {
  test.each([
    [0, 'pass', ['locust/mix.json', 'locust/mix.stderr.txt'], {}],
    [7, 'fail', ['jmeter/open-stall.jtl.csv'], { plannedMs: 12_000, thresholds: ['p95 < 300ms'] }],
    [8, 'inconclusive', ['jmeter/assert.jtl.xml'], { exitCode: 0, thresholds: ['errors < 4%'] }],
    [11, 'invalid', ['k6/mix.ndjson.gz'], { thresholds: ['p95 < 300ms'] }],
    [11, 'invalid', ['hey/refused.csv'], { plannedMs: 2_000 }],
    [11, 'invalid', ['k6/abort-sigint.ndjson.gz'], { exitCode: 105 }],
  ] as const)('ends with %i, %s, for %j', async (exitCode, verdict, files, more) => {
    const paths = files.map(fixture)
    const document = await loadImport({ files: paths, ...more }, context())
    expect(document).toMatchObject({ exitCode, verdict, outcome: verdict, source: { files: paths } })
    expect(document.error === undefined).toBe(verdict === 'pass')
    expect(strictly('import', document)).toEqual([])
  })

  test('is kept as our own loads are: its report can be made again, in every form', async () => {
    const document = await loadImport({ files: [fixture('k6/mix.ndjson.gz')], exitCode: 0, thresholds: ['p95 < 300ms'] }, context())
    expect(document.evidence).toBe(join(state, 'rollgate/loads', `${document.run}.json`))
    const made = async (name: string): Promise<string> => {
      const out = join(state, name)
      expect(await report({ id: document.run, out }, context())).toMatchObject({ id: document.run, kind: 'load', file: out })
      return readFileSync(out, 'utf8')
    }
    const page = await made('x.html')
    expect(page).toContain('level A: every request with its time')
    expect(page).toContain(`rollgate report ${document.run}   (this page`)
    expect(await made('x.md')).toContain('### ✅ import: PASS')
    expect(await made('x.xml')).toContain('tests="1" failures="0"')
    expect(await made('x.prom')).toContain('rollgate_gate_verdict{gate="import",kind="load",verdict="pass"} 1')
    expect(await made('x.hlog')).toContain('HISTFA')
  })

  test.each([
    ['a clause that totals cannot answer', 'k6/summary-new.json', { exitCode: 0, thresholds: ['p99 < 1s'] }, 'it says p50, p90, p95'],
    [
      'a comparison without labels',
      'k6/mix.ndjson.gz',
      { exitCode: 0, thresholds: ['p95 <= baseline + 10%'] },
      'arm=canary and arm=baseline',
    ],
    ['a clause that is none', 'k6/mix.ndjson.gz', { thresholds: ['p95 < 300'] }, 'without a unit'],
    ['a tool that nobody knows', 'k6/mix.ndjson.gz', { format: 'siege' }, 'known are k6'],
    ['no such file', 'k6/nothing.json', {}, 'there is no such file'],
  ] as const)('%s is a usage error', async (_, file, more, why) => {
    await expect(loadImport({ files: [fixture(file)], ...more }, context())).rejects.toMatchObject({
      ...{ code: 'E_USAGE', exitCode: 2, message: expect.stringContaining(why) },
    })
  })

  test('an interrupt is one', async () => {
    const stop = new AbortController()
    const reading = loadImport({ files: [fixture('k6/mix.ndjson.gz')] }, context({ signal: stop.signal }))
    stop.abort()
    await expect(reading).rejects.toMatchObject({ code: 'E_CANCELLED', exitCode: 130 })
  })
})

describe('load import of requests', () => {
  test('what a file is, is seen by its beginning', async () => {
    const seen = async (path: string) => (await seenIn([path], context()))?.from ?? null
    expect(await seen(scenario('shop.har'))).toBe('HAR')
    expect(await seen(scenario('shop.openapi.yaml'))).toBe('OpenAPI')
    for (const path of [
      'k6/mix.ndjson.gz',
      'k6/summary-new.json',
      'artillery/mix.json',
      'locust/mix.json',
      'jmeter/assert.jtl.xml',
      'nowhere.json',
    ])
      expect(await seen(fixture(path))).toBeNull()
    expect(await seenIn([scenario('shop.har'), scenario('shop.har')], context())).toBeNull()
  })

  test.each([
    ['E_USAGE', { file: 'nothing.har', from: 'HAR' }, 'there is no such file'],
    ['E_USAGE', { file: tmpdir(), from: 'HAR' }, 'it is no file'],
    ['E_USAGE', { file: scenario('shop.har'), from: 'HAR', methods: ['TEAPOT'] }, 'known are GET'],
    ['E_USAGE', { file: scenario('shop.har'), from: 'HAR', origins: ['shop'] }, 'a site such as'],
    ['E_USAGE', { file: fixture('k6/mix.js'), from: 'OpenAPI' }, 'neither JSON nor YAML'],
    ['E_LOAD_DATA', { file: scenario('shop.openapi.yaml'), from: 'HAR' }, 'log.entries is missing'],
    ['E_LOAD_DATA', { file: scenario('shop.har'), from: 'OpenAPI' }, 'no OpenAPI description'],
    ['E_LOAD_DATA', { file: scenario('shop.har'), from: 'HAR', origins: ['https://elsewhere.example'] }, 'is left'],
  ] as const)('%s for %j', async (code, options, why) => {
    await expect(loadScenario(options, context())).rejects.toMatchObject({ code, message: expect.stringContaining(why) })
  })
})

describe('a load that another tool runs', () => {
  const lines = [
    'app: shop',
    'artifact: { path: dist }',
    'hosts: { web-1: { address: 10.0.0.11 } }',
    'release: { root: /srv/shop }',
    'service: { unit: shop }',
    'health: { http: { port: 8080 } }',
    'loads:',
    '  attack: { engine: { vegeta: targets.txt, rate: 40/s }, duration: 3s }',
    '  plan: { engine: { jmeter: plan.jmx, command: no-such-jmeter } }',
    '  swarm: { engine: { locust: swarm.py } }',
    '  script: { engine: { k6: script.js } }',
  ]

  test.each([
    ['a clause that its result cannot answer', { name: 'swarm', thresholds: ['p95 <= baseline + 10%'] }, 'intervals only'],
    ['connections', { name: 'attack', connections: 5 }, 'vegeta decides what is sent'],
    ['a warm-up', { name: 'attack', warmupMs: 5_000 }, 'vegeta decides what is sent'],
    ['a host', { name: 'attack', at: 'web-1' }, 'vegeta decides what is sent'],
    ['a search for its capacity', { name: 'attack', findCapacity: { maxPerSecond: 10 } }, 'vegeta decides what is sent'],
    ['other machines', { name: 'attack', from: ['web-1'] }, 'vegeta decides what is sent'],
    ['a rate for Locust', { name: 'swarm', ratePerSecond: 5 }, 'locust decides what is sent'],
    ['a rate for k6 alone', { name: 'script', ratePerSecond: 5 }, 'k6 decides what is sent'],
    ['two releases for k6 without a rate', { name: 'script', url: 'http://127.0.0.1:1/', against: 'http://127.0.0.1:2/' }, 'needs a rate'],
    [
      'two releases for JMeter',
      { name: 'plan', url: 'http://127.0.0.1:1/', against: 'http://127.0.0.1:2/' },
      'jmeter decides what is sent',
    ],
    ['an old release without a new one', { name: 'attack', against: 'http://127.0.0.1:2/' }, 'needs the new one beside it'],
    ['a program that is not there', { name: 'plan' }, 'no-such-jmeter cannot be started'],
    ['a script that is not there', { name: 'swarm' }, 'swarm.py cannot be read'],
    ['somebody else’s machine, unasked', { name: 'attack', url: 'http://shop.example.com/' }, 'is not this machine'],
  ] as const)('%s is refused before anything is sent', async (_, options, why) => {
    const cwd = await ownFolder()
    await writeFile(join(cwd, 'rollgate.yml'), `${lines.join('\n')}\n`)
    await writeFile(join(cwd, 'plan.jmx'), '')
    await expect(load(options, context({ cwd, env: { HOME: cwd, PATH: process.env.PATH } }))).rejects.toMatchObject({
      ...{ exitCode: 2, message: expect.stringContaining(why) },
    })
  })
})
