// A gate that measured nothing can never pass, whatever it rests on; and each says why. The real command, on a configuration
// whose hosts are never reached: only the gates' own sources are.

import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { certificateFor, noOpenssl } from '../../helpers/certificate.ts'
import { aPlace, documentOf, type Place, run } from '../cli/cli.ts'

let place: Place
let empty: { readonly url: string; close(): Promise<unknown> }
let secure: Http2SecureServer | null = null
let hung: { readonly url: string; close(): Promise<unknown> }

async function serve(answer: Parameters<typeof createServer>[1]) {
  const server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((done) => server.close(done))
    },
  }
}

async function deadUrl(): Promise<string> {
  const server = await serve(() => undefined)
  await server.close()
  return server.url
}

const FILE = (gates: string): string => `app: shop
artifact: { path: dist }
hosts: { web-1: { address: 127.0.0.1 } }
release: { root: /srv/shop }
service: { kind: systemd, unit: shop }
health: { http: { port: 8080 } }
loads:
  visits: { rate: 50/s, duration: 3s, warmup: 0s, requests: [{ get: / }] }
  few: { connections: 2, duration: 3s, warmup: 0s, requests: [{ get: / }] }
  secure: { rate: 50/s, duration: 3s, warmup: 0s, http2: true, ca: ca.pem, requests: [{ get: / }] }
  flood: { rate: 50/s, duration: 3s, warmup: 0s, max_in_flight: 1, requests: [{ get: / }] }
gates:
${gates}
`

/** Speaks HTTP/2 and 1.1, with a certificate of the test's own authority. */
let secureUrl = ''
const versions: string[] = []

beforeAll(async () => {
  place = aPlace()
  if (!noOpenssl) {
    const { key, cert, ca } = certificateFor('IP:127.0.0.1')
    writeFileSync(join(place.directory, 'ca.pem'), ca)
    secure = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
      versions.push(request.httpVersion)
      response.end('ok')
    })
    await new Promise<void>((done) => secure?.listen(0, '127.0.0.1', done))
    secureUrl = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`
  }
  empty = await serve((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end('{"status":"success","data":{"resultType":"vector","result":[]}}')
  })
  // Takes the request and never answers.
  hung = await serve((request) => void request.resume())
})

afterAll(async () => {
  secure?.close()
  await Promise.all([empty.close(), hung.close()])
  place.remove()
})

describe('a gate that measured nothing', () => {
  const once = 'on_invalid: { retry: 0 }'
  test.each<
    [string, (urls: { readonly dead: string; readonly empty: string; readonly hung: string; readonly secure: string }) => string, string]
  >([
    ['a dead target', ({ dead }) => `load: visits, at: "${dead}", pass: [errors < 99%], ${once}`, 'has not answered one of'],
    [
      'a target that never answers',
      ({ hung: url }) => `load: visits, at: "${url}", pass: ["rps >= 1% of offered"], ${once}`,
      'has not answered one of',
    ],
    [
      'requests that were all shed',
      ({ hung: url }) => `load: flood, at: "${url}", pass: [errors < 99%], ${once}`,
      'has not answered one of',
    ],
    ...(noOpenssl
      ? []
      : [
          [
            'a target whose certificate nobody vouches for',
            ({ secure: url }: { readonly secure: string }) => `load: visits, at: "${url}", pass: [errors < 99%], ${once}`,
            'has not answered one of',
          ] as [string, (urls: { readonly secure: string }) => string, string],
        ]),
    ['an empty Prometheus', ({ empty: url }) => `prometheus: { url: "${url}", query: up }, pass: [value < 1], ${once}`, 'no series'],
    [
      'a Prometheus that is not there',
      ({ dead }) => `prometheus: { url: "${dead}", query: up }, pass: [value < 1], ${once}`,
      'cannot be asked',
    ],
    [
      'a Prometheus that is not there, where the clause only warns',
      ({ dead }) => `prometheus: { url: "${dead}", query: up }, pass: [{ clause: value < 1, mode: warn }], ${once}`,
      'cannot be asked',
    ],
    ['a command that is not there', () => `command: no-such-command-anywhere, ${once}`, 'not found'],
    ['a command that does not end', () => `command: { run: "sleep 60", timeout: 1s }, ${once}`, 'did not end in time'],
    ['a command that is killed', () => `command: "kill -9 $$", ${once}`, 'ended by'],
    ['an import without a sample', () => `import: { format: hey, path: empty.csv }, pass: [p95 < 1s], ${once}`, ''],
    ['an import of a file that is not there', () => `import: { format: k6, path: missing.json }, pass: [p95 < 1s], ${once}`, ''],
  ])('%s: INVALID, exit 11', { timeout: 60_000 }, async (_what, gate, why) => {
    writeFileSync(
      join(place.directory, 'empty.csv'),
      'response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n',
    )
    writeFileSync(
      join(place.directory, 'rollgate.yml'),
      FILE(`  g: { ${gate({ dead: await deadUrl(), empty: empty.url, hung: hung.url, secure: secureUrl })} }`),
    )
    const result = await run(['gate', 'g', '--json'], place, { measures: true })
    const document = documentOf(result)
    expect(document, result.stderr).toMatchObject({ verdict: 'invalid', exitCode: 11, decision: 'stop', error: { code: 'E_LOAD_INVALID' } })
    expect(String(document.reason)).toContain(why)
    expect(result.code).toBe(11)
  })

  test('an approval that nobody answers: INCONCLUSIVE, exit 8, whatever --yes says', async () => {
    writeFileSync(join(place.directory, 'rollgate.yml'), FILE('  g: { approval: Ship it? }'))
    const result = await run(['gate', 'g', '--json', '--yes'], place)
    expect(documentOf(result)).toMatchObject({ verdict: 'inconclusive', exitCode: 8, decision: 'pause' })
  })
})

describe('a gate that measured something', () => {
  test('passes, is kept, explained, and judged under other limits', { timeout: 120_000 }, async () => {
    writeFileSync(
      join(place.directory, 'rollgate.yml'),
      FILE(`  g: { load: visits, at: "${empty.url}", pass: [errors < 10%, p50 < 2s], on_invalid: { retry: 3 } }`),
    )
    const result = await run(['gate', '--json'], place, { measures: true })
    const document = documentOf(result)
    expect(document, result.stderr).toMatchObject({ verdict: 'pass', exitCode: 0, gate: 'g', decision: 'promote' })
    // Whichever look decided: until then exactly the rate.
    const { seconds } = document.look as { readonly seconds: number }
    expect(document.targets).toMatchObject([{ offered: 50 * seconds }])
    const id = String(document.run)
    const explained = await run(['gate', 'explain', id, '--json'], place)
    expect(documentOf(explained)).toMatchObject({ exitCode: 0, gates: [{ gate: 'g', verdict: 'pass', kept: 'pass', differences: [] }] })
    const other = await run(['gate', 'whatif', id, '--margin', 'p50=0.01ms', '--json'], place)
    expect(documentOf(other)).toMatchObject({ exitCode: 0, gates: [{ gate: 'g', verdict: 'fail', kept: 'pass' }] })
    expect(await run(['gate', 'explain', 'nosuchrun'], place)).toMatchObject({ code: 2 })
    expect(await run(['gate', 'whatif', id, '--margin', 'nonsense'], place)).toMatchObject({ code: 2 })
  })

  test.skipIf(noOpenssl)('over HTTP/2, by a certificate of an authority in a file; refused where nothing speaks TLS', async () => {
    const asked = (at: string): string => `load: secure, at: "${at}", pass: [errors < 10%], on_invalid: { retry: 3 }`
    writeFileSync(join(place.directory, 'rollgate.yml'), FILE(`  g: { ${asked(secureUrl)} }\n  h: { ${asked(empty.url)} }`))
    versions.length = 0
    const result = await run(['gate', 'g', '--json'], place, { measures: true })
    const document = documentOf(result)
    expect(document, result.stderr).toMatchObject({ verdict: 'pass', exitCode: 0, targets: [{ errors: {} }] })
    expect(new Set(versions)).toEqual(new Set(['2.0']))
    const planned = documentOf(await run(['gate', 'plan', 'h', '--json'], place))
    expect(planned).toMatchObject({ exitCode: 3, gates: [{ problems: [expect.stringContaining('is reached without TLS')] }] })
  })

  test('says no with its numbers, exit 7; --exit-zero for a shadow job', { timeout: 120_000 }, async () => {
    writeFileSync(join(place.directory, 'rollgate.yml'), FILE('  g: { command: "echo broken; exit 3" }'))
    const result = await run(['gate', 'g'], place)
    expect(result).toMatchObject({ code: 7 })
    expect(result.stdout + result.stderr).toContain('exit 3')
    expect(await run(['gate', 'g', '--exit-zero'], place)).toMatchObject({ code: 0 })
  })

  test('names what it does not know', async () => {
    writeFileSync(join(place.directory, 'rollgate.yml'), FILE('  g: { command: "true" }\n  h: { command: "true" }'))
    expect(await run(['gate', 'x'], place)).toMatchObject({ code: 2, stderr: expect.stringContaining('gates: g, h') })
    expect(await run(['gate'], place)).toMatchObject({ code: 2, stderr: expect.stringContaining('which gate?') })
    const planned = await run(['gate', 'plan', '--json'], place)
    expect(documentOf(planned)).toMatchObject({
      exitCode: 0,
      gates: [
        { gate: 'g', problems: [] },
        { gate: 'h', problems: [] },
      ],
    })
  })
})

test('what could never be decided is refused before anything is sent, as a rollout would refuse it', async () => {
  const closed = 'load: few, pass: ["rps >= 98% of offered"]'
  const alone = 'load: visits, pass: [errors < 10%, restart.lost = 0]'
  writeFileSync(
    join(place.directory, 'rollgate.yml'),
    FILE(`  closed: { at: "${empty.url}", ${closed} }\n  alone: { at: "${empty.url}", ${alone} }`),
  )
  for (const [name, why] of [
    ['closed', 'rps >= 98% of offered: the closed model (connections) offers nothing at a rate'],
    ['alone', 'restart.lost = 0: only a rollout restarts hosts'],
  ] as const) {
    const result = await run(['gate', name, '--json'], place)
    expect(documentOf(result), result.stderr).toMatchObject({
      exitCode: 3,
      error: { code: 'E_REFUSED', message: expect.stringContaining(why), now: 'nothing was sent' },
    })
  }
  expect(documentOf(await run(['gate', 'plan', 'closed', '--json'], place))).toMatchObject({ exitCode: 3 })
})

test('gate plan refuses what cannot be decided, and says what would suffice', async () => {
  writeFileSync(
    join(place.directory, 'rollgate.yml'),
    FILE('  g: { load: visits, against: { baseline: drained-peer }, pass: [errors < 0.01%, p99 <= baseline + 5%] }') +
      // Says nothing but whom it is compared with.
      '  usual: { load: visits, against: { baseline: drained-peer } }\n',
  )
  const result = await run(['gate', 'plan', '--json'], place)
  const document = documentOf(result)
  expect(document).toMatchObject({ exitCode: 3, error: { code: 'E_REFUSED' } })
  const [gate, usual] = document.gates as readonly {
    readonly problems: readonly string[]
    readonly clauses: readonly { readonly clause: string }[]
  }[]
  expect(usual?.clauses.map(({ clause }) => clause)).toEqual([
    'p50 <= baseline + 10%',
    'p95 <= baseline + 15%',
    'slow <= baseline + 1pp',
    'errors <= baseline + 0.1pp',
  ])
  expect(gate?.problems.join('\n')).toMatch(/errors < 0\.01% cannot be decided in 3 s at 50\/s: plan about [\d.]+ min, or [\d,]+\/s/)
})
