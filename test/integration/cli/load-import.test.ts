// `rollgate load import` as a script uses it, on files that the real tools wrote.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aPlace, documentOf, type Place, root, run } from './cli.ts'

let place: Place
beforeAll(() => {
  place = aPlace()
})
afterAll(() => place.remove())

const fixture = (path: string): string => join(root, 'test/fixtures/load-results', path)
const imported = (...words: string[]) => run(['load', 'import', '--json', ...words], place)

// All verdicts and refusals are in test/unit/app/load-import.test.ts.
test.each([
  [0, 'pass', ['k6/mix.ndjson.gz'], ['--exit-code', '0', '--threshold', 'p95 < 300ms', '--threshold', 'errors < 2%']],
  [7, 'fail', ['jmeter/open-stall.jtl.csv'], ['--planned', '12s', '--threshold', 'p95 < 300ms']],
  [0, 'invalid', ['k6/abort-sigint.ndjson.gz'], ['--exit-code', '105', '--exit-zero']],
] as const)('exits %i with the verdict %s for %j', async (code, verdict, files, words) => {
  const result = await imported(...files.map(fixture), ...words)
  expect(result.code, result.stderr).toBe(code)
  expect(documentOf(result)).toMatchObject({
    command: 'load import',
    verdict,
    outcome: verdict,
    exitCode: code,
    source: { files: files.map(fixture) },
  })
})

test.each([
  ['a clause that totals cannot answer', ['k6/summary-new.json'], ['--exit-code', '0', '--threshold', 'p99 < 1s'], 'it says p50, p90, p95'],
  ['a duration without a unit', ['k6/mix.ndjson.gz'], ['--planned', '15'], '--planned 5m'],
  ['no file at all', [], [], 'which file?'],
] as const)('%s is a usage error, exit 2', async (_, files, words, why) => {
  const result = await imported(...files.map(fixture), ...words)
  expect(result.code).toBe(2)
  expect(JSON.stringify(documentOf(result).error)).toContain(why)
})

test('people read targets, clauses, and how much the file says', async () => {
  const { stdout, code } = await run(['load', 'import', fixture('oha/mix.json'), '--planned', '15s', '--threshold', 'errors < 3%'], place)
  expect(code).toBe(0)
  expect(stdout).toContain('✔ PASS')
  expect(stdout).toContain('oha, level C (totals only) over 15.0 s')
})
