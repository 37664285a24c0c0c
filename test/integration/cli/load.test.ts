// `rollgate load` as a script uses it: against a server of the test's own, a port where nobody is, and addresses that are
// somebody else's. A machine that is too busy to send in time says INVALID, and then it is measured again.
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { LoadDocument } from '../../../src/domain/document.ts'
import { noSshd, startSshd } from '../../contract/transport/sshd.ts'
import { certificateFor, noOpenssl } from '../../helpers/certificate.ts'
import { startSerialServer } from '../../helpers/serial-server.ts'
import { aPlace, documentOf, type Place, run } from './cli.ts'

const FULL = process.env.ROLLGATE_FULL === '1'

let place: Place
let port = 0
let failing = 0
let delayMs = 20
let asked = 0
const server = createServer((_request, response) => {
  asked += 1
  setTimeout(() => {
    if (failing > 0 && Math.random() < failing) response.statusCode = 500
    response.end('ok')
  }, delayMs)
})
beforeAll(async () => {
  place = aPlace()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  place.remove()
})

const load = (...words: string[]) => run(['load', '--url', `http://127.0.0.1:${port}/`, '--json', ...words], place)

async function untilValid(...words: string[]) {
  for (let attempt = 1; ; attempt += 1) {
    const result = await load(...words)
    if (result.code !== 11 || attempt === 4) return { result, document: documentOf(result) }
  }
}

describe('load', () => {
  // The closed model asks nothing of this machine's punctuality.
  test('passes what holds, with the numbers', async () => {
    failing = 0
    const result = await load('--connections', '8', '--duration', '3s', '--threshold', 'errors < 5%', '--threshold', 'p90 < 2s')
    const document = documentOf(result)
    expect(result.code, result.stderr).toBe(0)
    expect(document).toMatchObject({ outcome: 'pass', verdict: 'pass', targets: [{ name: 'target', errors: {} }] })
    expect(document.clauses).toMatchObject([
      { clause: 'errors < 5%', verdict: 'pass', estimate: 0, bound: 0.05 },
      { clause: 'p90 < 2s', verdict: 'pass', bound: 2000 },
    ])
  })

  test.skipIf(noOpenssl)('--http2 where the target speaks it; refused by name for http and the closed model', async () => {
    const versions = new Set<string>()
    const { key, cert, ca } = certificateFor('IP:127.0.0.1')
    const secure = createSecureServer({ key, cert }, (request, response) => {
      versions.add(request.httpVersion)
      response.end('ok')
    })
    onTestFinished(() => void secure.close())
    await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done))
    await writeFile(join(place.directory, 'ca.pem'), ca)
    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}/`
    const env = { NODE_EXTRA_CA_CERTS: join(place.directory, 'ca.pem') }
    const result = await run(['load', '--url', url, '--http2', '--rate', '20/s', '--duration', '1s', '--exit-zero', '--json'], place, {
      env,
    })
    // Whether this machine was in time is not what is asked here.
    expect(documentOf(result).targets, result.stderr).toMatchObject([{ offered: 20, done: 20, errors: {} }])
    expect(versions).toEqual(new Set(['2.0']))
    const plain = await load('--http2', '--duration', '1s')
    expect(documentOf(plain)).toMatchObject({ exitCode: 2, error: { code: 'E_LOAD', message: expect.stringContaining('without TLS') } })
    expect(await load('--http2', '--connections', '2')).toMatchObject({ code: 2 })
  })

  test('fails what does not hold, with exit 7', async () => {
    failing = 0.3
    const result = await load('--connections', '8', '--duration', '3s', '--threshold', 'errors < 1%')
    expect(result.code, result.stderr).toBe(7)
    expect(documentOf(result)).toMatchObject({ verdict: 'fail', error: { code: 'E_GATE_FAILED' } })
  })

  test('sends exactly the asked number at a rate; a machine that sends late says INVALID, and never FAIL', async (context) => {
    failing = 0
    const { result, document } = await untilValid('--rate', '100/s', '--duration', '5s', '--threshold', 'errors < 5%')
    expect(document).toMatchObject({ targets: [{ offered: 500 }] })
    if (result.code === 11) {
      expect(document.reason).toMatch(/sent (too )?late|CPU|cpu/)
      context.skip(`this machine is too busy to send in time: ${String(document.reason)}`)
    }
    expect(result.code, result.stderr).toBe(0)
  })

  test('cannot say with too few requests, with exit 8', async () => {
    failing = 0
    const { result, document } = await untilValid('--connections', '1', '--duration', '2s', '--threshold', 'p99 < 300ms')
    expect(result.code, result.stderr).toBe(8)
    expect(document).toMatchObject({ verdict: 'inconclusive' })
  })

  test('needs no threshold: a run that measured something is exit 0, failures are counted', async () => {
    failing = 0.3
    const { result, document } = await untilValid('--connections', '4', '--duration', '2s')
    expect(result.code, result.stderr).toBe(0)
    expect(document.targets).toMatchObject([{ errors: { status: expect.any(Number) } }])
  })

  test('of a dead target is exit 11, with and without a threshold', async () => {
    const dead = ['load', '--url', 'http://127.0.0.1:1/', '--json', '--duration', '1s']
    for (const words of [[], ['--threshold', 'errors < 50%'], ['--threshold', 'p95 < 300ms'], ['--connections', '2']]) {
      const result = await run([...dead, ...words], place)
      expect(result.code, `${words.join(' ')} ${result.stdout}`).toBe(11)
      expect(documentOf(result)).toMatchObject({ verdict: 'invalid', error: { code: 'E_LOAD_INVALID' } })
    }
  })

  test.each([
    [['--threshold', 'p95 < 300'], 'E_USAGE'],
    [['--rate', '100'], 'E_USAGE'],
    [['--duration', '10'], 'E_USAGE'],
    [['--rate', '1/s', '--connections', '2'], 'E_USAGE'],
  ])('refuses %j', async (words, code) => {
    const result = await load(...words)
    expect(result.code).toBe(2)
    expect(documentOf(result)).toMatchObject({ error: { code } })
  })

  test('sends nothing for a threshold that nobody could answer, and says what to ask instead', async () => {
    asked = 0
    const words = ['--connections', '2', '--duration', '2s', '--threshold', 'rps >= 98% of offered', '--threshold', 'restart.lost = 0']
    const result = await load(...words)
    expect(documentOf(result)).toMatchObject({
      exitCode: 2,
      error: {
        ...{ code: 'E_USAGE', message: expect.stringContaining('the closed model (connections) offers nothing at a rate') },
        ...{
          hints: expect.arrayContaining(['--rate 100/s instead of --connections']),
          evidence: [expect.stringContaining('restart.lost')],
        },
      },
    })
    expect(asked).toBe(0)
  })

  test('compares with its own last passes: the first becomes the measure, and a slower one fails', async () => {
    failing = 0
    const past = ['--connections', '6', '--duration', '2s', '--threshold', 'p50 <= last 5 passes + 50%']
    const first = documentOf(await load(...past))
    expect(first).toMatchObject({
      verdict: 'pass',
      reason: expect.stringContaining('no pass is recorded yet; the first becomes the measure'),
    })
    delayMs = 200
    onTestFinished(() => {
      delayMs = 20
    })
    const slower = documentOf(await load(...past))
    expect(slower).toMatchObject({ verdict: 'fail', exitCode: 7, clauses: [{ unit: 'ms', note: '1 of 5 passes recorded' }] })
  })

  test.each(['http://example.test/', 'http://10.0.0.1/', 'http://127.evil.test/', 'ftp://127.0.0.1/', 'http://ada:secret@127.0.0.1/'])(
    'sends nothing to %s unasked',
    async (url) => {
      const result = await run(['load', '--url', url, '--json'], place)
      expect(result.code).toBe(2)
      expect(result.stdout).not.toContain('secret')
    },
  )

  test('sends a load of the configuration, with what the command line says over it', async () => {
    failing = 0
    const folder = join(place.directory, 'project')
    await mkdir(folder)
    await writeFile(
      join(folder, 'rollgate.yml'),
      `app: shop
hosts: { web-1: { address: 10.9.9.9 } }
release: { root: /srv/shop }
service: { unit: shop }
health: { http: { port: 8080 } }
loads:
  checkout:
    connections: 4
    duration: 1s..2s
    warmup: 0s..0s
    requests:
      - { get: /items, weight: 3 }
      - { post: /cart, json: { item: 7 }, expect: { status: 200 }, weight: 1 }
    safety: { methods: [GET, HEAD, POST] }
`,
    )
    const cli = (...words: string[]) => run(['load', '--json', ...words], place, { cwd: folder })
    const result = await cli('checkout', '--url', `http://127.0.0.1:${port}/`, '--threshold', 'errors < 5%')
    expect(result.code, result.stdout + result.stderr).toBe(0)
    expect(documentOf(result)).toMatchObject({ verdict: 'pass', targets: [{ errors: {} }] })

    const unknown = await cli('chekout', '--url', `http://127.0.0.1:${port}/`)
    expect(unknown.code).toBe(2)
    expect(documentOf(unknown)).toMatchObject({ error: { code: 'E_USAGE', hints: ['loads: checkout'] } })
    expect((await cli('checkout')).code).toBe(2)
    expect((await cli()).code).toBe(2)
  })
})

describe.skipIf(noSshd !== null)(`load --at HOST${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  test('reaches the app of a host through its SSH connection, paced but not closed, and asks nobody', async () => {
    failing = 0
    const sshd = await startSshd()
    onTestFinished(() => sshd.stop())
    const folder = join(place.directory, 'at')
    await mkdir(folder)
    await writeFile(
      join(folder, 'rollgate.yml'),
      JSON.stringify({
        app: 'shop',
        ssh: { user: sshd.user, config: '/dev/null', identity: sshd.clientKey, known_hosts: sshd.knownHosts },
        hosts: { 'web-1': { address: '127.0.0.1', port: sshd.port } },
        release: { root: '/srv/shop' },
        service: { unit: 'shop' },
        health: { http: { port } },
      }),
    )
    const cli = (...words: string[]) => run(['load', '--json', ...words], place, { cwd: folder })
    const good = await cli('--at', 'web-1', '--rate', '20/s', '--duration', '2s')
    expect(documentOf(good), good.stderr).toMatchObject({ targets: [{ name: 'target', offered: 40, done: 40, errors: {} }] })
    expect(good.stderr).toContain('web-1, through its SSH connection')
    const closed = await cli('--at', 'web-1', '--connections', '2', '--duration', '1s')
    expect(documentOf(closed)).toMatchObject({ error: { code: 'E_LOAD', hints: ['give the load a rate instead of connections'] } })
    const nobody = await cli('--at', 'web-9', '--duration', '1s')
    expect(documentOf(nobody)).toMatchObject({ error: { code: 'E_USAGE' } })
    expect((await cli('--at', 'web-1', '--against', 'http://127.0.0.1:1/')).code).toBe(2)
  })
})

describe('load --find-capacity', () => {
  const find = (url: string, ...words: string[]) =>
    run(['load', '--url', url, '--json', '--find-capacity', ...words], place, { measures: true })

  test('finds what a server that works on one request at a time can take, step by step', async (context) => {
    const server = await startSerialServer({ costMs: 10 })
    onTestFinished(() => server.close())
    const words = [
      '--rate',
      '40/s',
      '--duration',
      FULL ? '3s' : '1s',
      '--precision',
      FULL ? '5%' : '30%',
      '--threshold',
      'p95 < 250ms',
      '--threshold',
      'errors < 5%',
    ]
    const result = await find(server.url, ...words)
    const { capacity, reason } = documentOf(result) as { capacity: LoadDocument['capacity']; reason: string }
    const steps = capacity?.steps ?? []
    expect(steps[0], result.stderr).toMatchObject({ ratePerSecond: 40, confirm: false })
    // It can serve 100 a second, and nobody can be told that it serves more.
    expect(capacity?.ratePerSecond ?? 0).toBeLessThanOrEqual(115)
    if (/this machine/.test(reason)) context.skip(`this machine is too busy to send in time: ${reason}`)
    expect(result.code, result.stdout).toBe(0)
    expect(capacity).toMatchObject({ atLeast: false, thresholds: ['p95 < 250ms', 'errors < 5%'] })
    // On a busy machine the server is slow as well, and what it takes then is less.
    expect(capacity?.ratePerSecond).toBeGreaterThanOrEqual(40)
    expect(steps.at(-1)).toMatchObject({ outcome: 'holds', confirm: true, ratePerSecond: capacity?.ratePerSecond })
    expect(steps.find(({ outcome }) => outcome === 'breaks')?.reason).toMatch(/p95|errors|answered/)
  })

  test('says "at least" where no more was asked for, and fails where not even the first rate holds', async (context) => {
    failing = 0
    const url = `http://127.0.0.1:${port}/`
    const most = await find(
      url,
      '--rate',
      '20/s',
      '--max',
      '20/s',
      '--duration',
      '1s',
      '--threshold',
      'errors < 5%',
      '--threshold',
      'p95 < 5s',
    )
    const { capacity, reason } = documentOf(most) as { capacity: LoadDocument['capacity']; reason: string }
    if (/this machine/.test(reason)) context.skip('this machine is too busy to send in time')
    expect(most.code, most.stdout).toBe(0)
    expect(capacity).toMatchObject({ ratePerSecond: 20, atLeast: true })
    // Kept as other loads are: its page can be made again.
    const id = String(documentOf(most).run)
    const again = await run(['report', id, '--out', '-'], place)
    expect(again.code, again.stderr).toBe(0)
    expect(again.stdout).toContain('Rates that were tried')
    expect(again.stdout).toContain('Over time')
    failing = 1
    const none = await find(url, '--rate', '20/s', '--duration', '1s')
    failing = 0
    const because = String(documentOf(none).reason)
    if (/this machine/.test(because)) context.skip(`this machine is too busy to send in time: ${because}`)
    expect(none.code, none.stdout).toBe(7)
    expect(documentOf(none)).toMatchObject({ verdict: 'fail', capacity: { ratePerSecond: null, atLeast: false } })
  })

  test.each([
    [['--connections', '2']],
    [['--against', 'http://127.0.0.1:1/']],
    [['--precision', '90%']],
    [['--threshold', 'p95 <= baseline + 10%']],
  ])('refuses %j', async (words) => {
    expect((await find('http://127.0.0.1:1/', ...words)).code).toBe(2)
  })
})
