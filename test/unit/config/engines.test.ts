// `loads.NAME.engine` and the import of a gate: what they become, and what is refused at its place.

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { planGates } from '../../../src/app/gates/planning.ts'
import { resultsThere } from '../../../src/app/gates/planning-results.ts'
import { load, plus, problemsOf } from './helpers.ts'

const engine = (inner: string, more = ''): string => plus(`loads: { l: { engine: { ${inner} }${more} } }\n`)

describe('a load that another tool runs', () => {
  test('stands beside our own, by the same names', async () => {
    const { config, cwd } = await load(
      plus(
        'loads: { ours: { rate: 1/s, requests: [{ get: / }] }, big: { engine: { locust: load/shop.py, workers: 4, args: [-u, "50"] }, duration: 2m } }\ngates: { g: { load: big, at: balancer, pass: [errors < 1%] } }',
      ),
    )
    expect(Object.keys(config.loads)).toEqual(['ours'])
    expect(config.engines.big).toEqual({
      ...{ name: 'big', tool: 'locust', path: `${cwd}/load/shop.py`, command: 'locust', args: ['-u', '50'] },
      ...{ workers: 4, ratePerSecond: null, duration: { atLeastMs: 120_000, atMostMs: 120_000 } },
    })
  })

  test('a program with a slash is a file, one without is looked for', async () => {
    const programOf = async (command: string) => (await load(engine(`k6: a.js, command: ${command}`))).config.engines.l?.command
    expect(await programOf('k6-beta')).toBe('k6-beta')
    expect(await programOf('./bin/k6')).toMatch(/^\/.*\/bin\/k6$/)
  })

  test('an environment may have another tool, or none', async () => {
    const text = `${engine('k6: a.js')}environments: { staging: { loads: { l: { engine: { vegeta: t.txt, rate: 5/s } } } }, dev: { loads: { l: { rate: 1/s, requests: [{ get: / }] } } } }`
    expect((await load(text, { environment: 'staging' })).config.engines.l).toMatchObject({ tool: 'vegeta', ratePerSecond: 5 })
    const dev = (await load(text, { environment: 'dev' })).config
    expect([Object.keys(dev.engines), Object.keys(dev.loads)]).toEqual([[], ['l']])
  })

  test.each([
    ['no tool', engine('rate: 5/s'), 'needs one of k6, locust, jmeter, vegeta'],
    ['two tools', engine('k6: a.js, locust: b.py'), 'only one of k6'],
    ['vegeta without a rate', engine('vegeta: t.txt'), 'needs `rate`'],
    ['a rate for JMeter', engine('jmeter: p.jmx, rate: 5/s'), 'its plan decides'],
    ['workers of k6', engine('k6: a.js, workers: 3'), 'belongs to Locust'],
    ['requests beside it', engine('k6: a.js', ', requests: [{ get: / }]'), 'no place beside `engine`'],
    ['a rate beside it', engine('k6: a.js', ', rate: 5/s'), 'no place beside `engine`'],
    ['HTTP/2 beside it', engine('k6: a.js', ', http2: true'), 'no place beside `engine`'],
    ['a script like an option', engine('k6: -x.js'), 'begins with "-"'],
    [
      'a comparison with Locust',
      plus(
        'loads: { l: { engine: { locust: a.py } } }\ngates: { g: { load: l, against: { baseline: drained-peer }, pass: [p95 <= baseline + 10%] } }',
      ),
      'cannot load two at once',
    ],
    ['a misspelt key', engine('k6: a.js, worker: 3'), 'worker'],
  ])('%s is a problem', async (_, text, says) => {
    expect(JSON.stringify(await problemsOf(text))).toContain(says.replaceAll('"', '\\"'))
  })
})

test('HTTP/2 is refused when a gate is planned, where nothing speaks TLS or the closed model would send', async () => {
  const { config } = await load(
    plus(
      [
        'rollout: { probe: { url: "http://shop.example.com/", rate: 1/s } }',
        'loads:',
        '  plain: { rate: 100/s, http2: true, requests: [{ get: / }] }',
        '  secure: { rate: 100/s, http2: true, tls: true, requests: [{ get: / }] }',
        'gates:',
        '  hosts: { load: plain, pass: [errors < 5%] }',
        '  entry: { load: plain, at: balancer, pass: [errors < 5%] }',
        '  url: { load: plain, at: "https://127.0.0.1:1", pass: [errors < 5%] }',
        '  own: { load: secure, pass: [errors < 5%] }',
        '  bursts: { load: secure, against: { baseline: drained-peer }, pass: [capacity >= 95% of baseline] }',
        '',
      ].join('\n'),
    ),
  )
  const problems = Object.fromEntries(
    planGates(config, Object.keys(config.gates), new Map()).map((gate) => [gate.gate, gate.problems.join('; ')]),
  )
  expect(problems).toEqual({
    hosts: expect.stringContaining('a host’s own port is reached without TLS'),
    entry: expect.stringContaining('http://shop.example.com is reached without TLS'),
    url: '',
    own: '',
    bursts: expect.stringContaining('bursts for capacity'),
  })
})

test('a gate says what shows that an imported run came to its end', async () => {
  const { config, cwd } = await load(
    plus('gates: { i: { import: { format: fortio, path: r/f.json, planned: 5m, exit_code: r/exit }, pass: [errors < 1%] } }'),
  )
  expect(config.gates.i?.source).toEqual({
    ...{ kind: 'import', format: 'fortio', path: `${cwd}/r/f.json`, plannedMs: 300_000, exitCodePath: `${cwd}/r/exit` },
  })
})

test('a clause that no result of the tool could answer is refused when the gate is planned', async () => {
  const { config } = await load(
    plus(
      [
        'loads: { swarm: { engine: { locust: a.py } }, attack: { engine: { vegeta: t.txt, rate: 5/s } } }',
        'gates:',
        '  compares: { import: { format: locust, path: l.json }, pass: [p95 <= baseline + 10%] }',
        '  hides: { import: { format: hey, path: h.csv }, pass: [errors < 1%] }',
        '  alone: { load: swarm, at: http://127.0.0.1:1/, pass: [rps >= 90% of offered] }',
        '  past: { load: attack, at: http://127.0.0.1:1/, pass: [p95 <= last 5 passes + 10%] }',
        '  hosts: { load: attack, against: { baseline: in-rotation }, pass: [p95 <= baseline + 10%, errors < 1%] }',
        '  fine: { load: attack, against: { baseline: in-rotation }, confidence: { host_effect: ignore }, pass: [p95 <= baseline + 10%, errors < 1%] }',
        '',
      ].join('\n'),
    ),
  )
  const problems = Object.fromEntries(
    planGates(config, Object.keys(config.gates), new Map()).map((gate) => [gate.gate, gate.problems.join('; ')]),
  )
  expect(problems).toEqual({
    compares: expect.stringContaining('intervals only'),
    hides: expect.stringContaining('leaves failed requests out'),
    alone: expect.stringContaining('what was offered'),
    past: expect.stringContaining('past passes'),
    hosts: expect.stringContaining('no calibration'),
    fine: '',
  })
})

test('where the file of an import is there, what it can answer counts, and not what its tool could', async () => {
  const results = join(import.meta.dirname, '../../fixtures/load-results')
  const { config } = await load(
    plus(
      [
        'gates:',
        `  summary: { import: { format: k6, path: "${results}/k6/summary-export.json" }, pass: [{ clause: slow < 1%, above: 300ms }] }`,
        `  points: { import: { format: k6, path: "${results}/k6/mix.ndjson.gz" }, pass: [{ clause: slow < 1%, above: 300ms }] }`,
        `  unlabelled: { import: { format: jmeter, path: "${results}/jmeter/mix.jtl.csv" }, pass: [p95 <= baseline + 20%] }`,
        '  absent: { import: { format: k6, path: none.json }, pass: [{ clause: slow < 1%, above: 300ms }] }',
        `  other: { import: { format: jmeter, path: "${results}/k6/summary-export.json" }, pass: [{ clause: slow < 1%, above: 300ms }] }`,
        '',
      ].join('\n'),
    ),
  )
  const names = Object.keys(config.gates)
  const planned = planGates(config, names, await resultsThere(config, names, new AbortController().signal))
  expect(Object.fromEntries(planned.map((gate) => [gate.gate, gate.problems.join('; ')]))).toEqual({
    summary: expect.stringContaining('needs a histogram or every request'),
    points: '',
    unlabelled: expect.stringContaining('labelled by host'),
    ...{ absent: '', other: '' },
  })
})
