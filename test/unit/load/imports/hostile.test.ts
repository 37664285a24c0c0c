import { readFileSync } from 'node:fs'
import { appendFile, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ownFolder } from '../../../helpers/folders.ts'
import { fileWith, fixture, imported } from './helpers.ts'

const JTL = 'timeStamp,elapsed,label,responseCode,responseMessage,threadName,success,bytes\n'
const row = (at: number, ms: number | string = 20, more = '') => `${at},${ms},a,200,OK,t 1-${at},true,10${more}\n`
const point = (metric: string, value: unknown, more = '') =>
  `{"metric":"${metric}","type":"Point","data":{"time":"2026-11-21T12:05:44.321Z","value":${JSON.stringify(value)},"tags":{"status":"200","expected_response":"true"${more}}}}\n`

/** Never a pass, never a crash, and a reason. */
async function refused(name: string, content: string | Uint8Array): Promise<string> {
  const { report, distrust } = await imported(await fileWith(name, content), {
    exitCode: 0,
    plannedMs: 1_000,
    clauses: ['p95 < 10s', 'errors < 50%'],
  })
  expect(report.verdict).toBe('invalid')
  expect(report.reason).not.toBe('')
  return distrust.join('; ')
}

describe('files that are not what they seem', () => {
  test.each([
    ['empty', '', 'it is empty'],
    ['only blanks', '\n\n   \n', 'nobody knows this format'],
    ['nothing but NUL', '\0'.repeat(5_000), 'nobody knows this format'],
    ['a picture', '\x89PNG\r\n\x1a\n\0\0\0', 'nobody knows this format'],
    ['HTML', '<html><body>504</body></html>', 'nobody knows this format'],
    ['UTF-16', Buffer.from('\uFEFFtimeStamp,elapsed', 'utf16le'), 'UTF-16'],
    ['JSON of somebody else', '{"hello":1}', 'nobody knows this format'],
    ['JSON that is cut', '{"metrics":{"http_reqs":{"count":7', 'nobody knows this format'],
    ['very deep JSON', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, 'nobody knows this format'],
    ['very deep lists', `${'['.repeat(200_000)}`, 'nobody knows this format'],
    ['a prototype', '{"__proto__":{"metrics":{"http_reqs":{"count":5000}}},"constructor":{}}', 'nobody knows this format'],
    ['a false gzip', Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6]), 'nobody knows this format'],
  ])('%s', async (_, content, why) => {
    expect(await refused('file', content)).toContain(why)
  })

  test('no file, a folder, and a name that begins with a dash', async () => {
    expect((await imported('/nowhere/at/all.json')).distrust).toEqual(['all.json: there is no such file'])
    expect((await imported(tmpdir())).distrust).toEqual([expect.stringContaining('it is no file')])
    expect((await imported(await fileWith('-rf', JTL + row(1_795_262_994_000)), { exitCode: 0 })).counts.requests).toBe(1)
  })

  test('a wrong type in each place is no number', async () => {
    const wrong = ['"7"', 'null', '-7', '[]', '{}', 'true', '1e999']
    for (const value of wrong) {
      await refused(
        'k6.json',
        `{"metrics":{"http_reqs":{"count":${value},"rate":${value}},"http_req_duration":{"p(95)":${value}}},"state":{"testRunDurationMs":1}}`,
      )
      expect(
        await refused('v.json', `{"latencies":{"95th":${value}},"status_codes":{"200":${value}},"requests":${value},"duration":${value}}`),
      ).toContain('requests is missing')
      expect(await refused('l.json', `[{"num_requests":${value},"num_failures":${value},"response_times":{"20":${value}}}]`)).toContain(
        'missing',
      )
      expect(await refused('f.json', `{"DurationHistogram":{"Count":${value},"Data":[]},"ActualDuration":1}`)).toContain('missing')
      expect(
        await refused(
          'a.json',
          `{"latency":{"p50":1},"non2xx":${value},"requests":{"total":${value}},"errors":0,"connections":1,"duration":1}`,
        ),
      ).toContain('missing')
      await refused(
        'o.json',
        `{"summary":{"total":${value}},"latencyPercentiles":{"p95":${value}},"statusCodeDistribution":{"200":${value}}}`,
      )
      await refused('art.json', `{"aggregate":{"counters":{"http.requests":${value}},"summaries":{"http.response_time":{"p95":${value}}}}}`)
    }
  })
})

describe('rows and lines', () => {
  test('one unreadable line among many makes the file untrusted, and the rest is read', async () => {
    const path = await fileWith(
      'k6.ndjson',
      point('http_req_duration', 20).repeat(50) +
        '{"metric":"http_req_duration","type":"Point","data":{"ti\n' +
        point('http_req_duration', 20).repeat(50),
    )
    const { counts, distrust, report } = await imported(path, { exitCode: 0 })
    expect(counts.requests).toBe(100)
    expect(distrust).toEqual(['1 lines of it cannot be read'])
    expect(report.verdict).toBe('invalid')
  })

  test.each([
    ['text for a number', row(1_795_262_994_000, 'soon')],
    ['a negative time', row(1_795_262_994_000, -5)],
    ['hexadecimal', row(1_795_262_994_000, '0x10')],
    ['infinity', row(1_795_262_994_000, '1e999')],
    ['a column too many', row(1_795_262_994_000, 20, ',x')],
    ['a success that is neither', row(1_795_262_994_000).replace('true', 'TRUE')],
    ['a year later', row(1_795_262_994_000 + 365 * 24 * 3600 * 1000)],
    ['before the epoch', row(-1e15)],
  ])('%s is a row that cannot be read', async (_, bad) => {
    expect(await refused('jtl.csv', JTL + row(1_795_262_994_001) + bad + row(1_795_262_994_002))).toContain('1 rows of it cannot be read')
  })

  test('a column that is missing is said by name', async () => {
    expect(await refused('jtl.csv', `timeStamp,elapsed_ms,elapsed2,elapsed\n`)).not.toContain('undefined')
    expect(await refused('k6.csv', 'metric_name,timestamp,metric_value2\nhttp_req_duration,1,2\n')).toContain(
      'column metric_value is missing',
    )
    expect(await refused('oha.csv', 'request-start,DNS\n1,2\n')).toContain('a column of it is missing')
    const { report } = await imported(await fileWith('jtl.csv', `timeStamp,elapsed\n${'1795262994000,20\n'.repeat(300)}`), {
      exitCode: 0,
      clauses: ['errors < 50%'],
    })
    expect(report.clauses[0]?.note).toContain('leaves failed requests out')
  })

  test('quoted fields may hold delimiters, quotes and line ends', async () => {
    const path = await fileWith('jtl.csv', `${JTL}1795262994000,20,"a, ""b""\nc",200,"O\nK",t,true,10\n${row(1_795_262_994_001)}`)
    expect((await imported(path, { exitCode: 0 })).counts).toEqual({ requests: 2, failures: 0 })
  })

  test('a quote that is never closed takes no more than a row', async () => {
    expect(
      await refused('jtl.csv', `${JTL}${row(1_795_262_994_000)}1795262994000,20,"a\n${row(1_795_262_994_001).repeat(60_000)}`),
    ).toContain('has no end')
    expect(await refused('jtl.csv', `${JTL}${row(1_795_262_994_000)}1795262994000,20,"a\n`)).toContain('truncated')
  })

  test('other delimiters, line ends of Windows and a byte order mark', async () => {
    const semicolons = `\uFEFF${JTL}${row(1_795_262_994_000).repeat(5)}`.replaceAll(',', ';').replaceAll('\n', '\r\n')
    expect((await imported(await fileWith('jtl.csv', semicolons), { exitCode: 0 })).counts).toEqual({ requests: 5, failures: 0 })
  })

  test('rows of transaction controllers are not counted twice', async () => {
    const parent = row(1_795_262_994_000).replace(',OK,', ',"Number of samples in transaction : 2, number of failing samples : 0",')
    const both = await imported(await fileWith('jtl.csv', JTL + row(1_795_262_994_000).repeat(2) + parent), { exitCode: 0 })
    expect(both.counts.requests).toBe(2)
    expect(both.evidence.warnings).toContainEqual(expect.stringContaining('1 rows of transaction controllers'))
    expect((await imported(await fileWith('jtl.csv', JTL + parent), { exitCode: 0 })).counts.requests).toBe(1)
  })

  test('a line without an end, and a lone huge one', async () => {
    expect(await refused('k6.ndjson', point('http_req_duration', 20).repeat(3).trimEnd())).toContain('the last line is cut')
    expect(await refused('k6.ndjson', `${point('http_req_duration', 20)}${'x'.repeat(3 * 1024 * 1024)}`)).toContain('longer than 1 MiB')
    expect(await refused('k6.ndjson', `${point('http_req_duration', 20)}${'x'.repeat(3 * 1024 * 1024)}\n`)).toContain('longer than 1 MiB')
  })

  test('an XML that is cut, has entities, and samples inside samples', async () => {
    const sample = (inner = '') =>
      `<httpSample t="20" ts="1795263015047" s="true" lb="a &lt;b&gt; &amp;" rc="200" rm="OK" tn="u 1-1" by="1">${inner}</httpSample>\n`
    const whole = `<?xml version="1.0"?>\n<testResults version="1.2">\n<!-- <httpSample t="1" ts="1" s="true"/> -->\n${sample(sample())}<sample t="7" ts="1795263015050" s="false" rc="500"/>\n</testResults>\n`
    expect((await imported(await fileWith('jtl.xml', whole), { exitCode: 0 })).counts).toEqual({ requests: 2, failures: 1 })
    expect(await refused('jtl.xml', whole.replace('</testResults>', ''))).toContain('</testResults> is missing')
    expect(await refused('jtl.xml', `<testResults>\n<httpSample t="${'9'.repeat(2 * 1024 * 1024)}`)).toContain('1 MiB')
    expect(await refused('jtl.xml', '<testResults>\n<httpSample t="x" ts="1" s="true"/>\n</testResults>')).toContain('cannot be read')
  })

  test('requests of setup and teardown are not part of the load', async () => {
    const path = await fileWith('k6.ndjson', point('http_req_duration', 5, ',"group":"::setup"') + point('http_req_duration', 20).repeat(3))
    expect((await imported(path, { exitCode: 0 })).counts.requests).toBe(3)
  })

  test('a check that does not hold on good answers makes them failures, and no check counts twice', async () => {
    const check = (name: string, value: 0 | 1) => point('checks', value, `,"check":"${name}"`)
    const good = point('http_req_duration', 20)
    const path = await fileWith('k6.ndjson', (good + check('status', 1) + check('body', 0) + check('size', 0)).repeat(5) + good.repeat(15))
    const { counts, target, evidence } = await imported(path, { exitCode: 0 })
    expect(counts).toEqual({ requests: 20, failures: 5 })
    expect(target?.errors).toEqual({ check: 5 })
    expect(evidence.warnings).toContainEqual(expect.stringContaining('5 good answers'))
  })
})

describe('packed files', () => {
  test('a gzip that ends in the middle is read as far as it goes', async () => {
    const packed = readFileSync(fixture('k6/mix.ndjson.gz'))
    for (const share of [0.3, 0.9, 0.999]) {
      const { counts, distrust, report } = await imported(await fileWith('k6.gz', packed.subarray(0, Math.floor(packed.length * share))), {
        exitCode: 0,
      })
      expect(counts.requests).toBeGreaterThan(150)
      expect(counts.requests).toBeLessThanOrEqual(724)
      expect(distrust.join()).toContain('the gzip ends in the middle')
      expect(report.verdict).toBe('invalid')
    }
  })

  test('a gzip that is damaged is not believed', async () => {
    const packed = Buffer.from(readFileSync(fixture('k6/mix.ndjson.gz')))
    packed.fill(0x55, 60_000, 60_400)
    expect(await refused('k6.gz', packed)).toMatch(/damaged|cannot be read/)
  })

  test('a gzip that unpacks without end is given up', async () => {
    // A bomb of 400 MB: members of the same packed line again and again.
    const member = gzipSync(Buffer.alloc(20 * 1024 * 1024, `${'x'.repeat(1000)}\n`), { level: 9 })
    const first = gzipSync(point('http_req_duration', 20))
    expect(await refused('bomb.gz', Buffer.concat([first, ...Array.from({ length: 20 }, () => member)]))).toContain(
      'unpacks to more than 200 times its size',
    )
  })
})

test('a long file needs no more memory than a short one', { timeout: 60_000 }, async () => {
  const folder = await ownFolder()
  const path = join(folder, 'long.jtl.csv')
  await (await open(path, 'w')).close()
  await appendFile(path, JTL)
  for (let part = 0; part < 10; part += 1) {
    const at = 1_795_262_994_000 + part * 1000
    await appendFile(path, Array.from({ length: 20_000 }, (_, index) => row(at + (index % 1000), 5 + (index % 50))).join(''))
  }
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const { counts, evidence } = await imported(path, { exitCode: 0 })
  expect(counts).toEqual({ requests: 200_000, failures: 0 })
  expect(evidence.slices).toHaveLength(10)
  // What is kept of it are ten slices.
  expect(JSON.stringify(evidence.slices).length).toBeLessThan(100_000)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(150 * 1024 * 1024)
})
