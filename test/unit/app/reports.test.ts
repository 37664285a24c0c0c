// Where reports go: what is refused before anything is measured, and what only warns afterwards.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppContext } from '../../../src/app/context.ts'
import { checkReports, type ReportOptions, replace, writeReports } from '../../../src/app/reports.ts'
import type { RolloutEvent } from '../../../src/domain/event.ts'
import * as samples from '../report/samples.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollgate-reports-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const at = (...names: string[]): string => join(folder, ...names)
const isRoot = process.getuid?.() === 0

async function write(options: ReportOptions, env: AppContext['env'] = {}): Promise<readonly string[]> {
  const events: RolloutEvent[] = []
  const data = samples.gatePass()
  const document = { version: 1, command: 'gate', exitCode: 0, outcome: 'pass' } as const
  // Only the parts of the context that reports read.
  const context = { cwd: folder, env, signal: new AbortController().signal } as unknown as AppContext
  await writeReports({ data, document, options }, context, (event) => events.push(event))
  return events.map((event) => (event.type === 'warning' ? event.message : event.type))
}

describe('before anything is measured', () => {
  it.each<readonly [ReportOptions, string]>([
    [{ report: 'taken' }, '--report taken: there is something else than a folder'],
    [{ report: 'taken/below/it' }, 'taken is no folder'],
    [{ metrics: 'made' }, '--metrics made: there is something else than a file'],
    [{ metrics: 'nowhere/x.prom' }, 'there is no folder'],
    [{ pushGateway: 'ftp://127.0.0.1/' }, 'wants an http or https address'],
    [{ pushGateway: 'nonsense' }, 'wants an http or https address'],
    [{ pushGateway: 'http://ada:hunter2@127.0.0.1/' }, 'without a login or a query'],
    [{ pushGateway: 'http://127.0.0.1/?token=hunter2' }, 'without a login or a query'],
  ])('%j is refused', async (options, message) => {
    writeFileSync(at('taken'), 'mine')
    mkdirSync(at('made'))
    const refused = await checkReports(options, { cwd: folder }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'E_USAGE', exitCode: 2, message: expect.stringContaining(message) })
    expect(String(refused)).not.toContain('hunter2')
  })

  it('what can be written is not, and nothing is made', async () => {
    mkdirSync(at('made'))
    await checkReports({ report: 'a/b/c', metrics: 'made/x.prom', pushGateway: 'https://gw.test/base/' }, { cwd: folder })
    await checkReports({ report: 'made' }, { cwd: folder })
    await checkReports({}, { cwd: folder })
    expect(readdirSync(folder)).toEqual(['made'])
  })

  it.skipIf(isRoot)(
    `a folder that may not be written into is refused${isRoot ? ' (skipped: root may write everywhere)' : ''}`,
    async () => {
      mkdirSync(at('shut'))
      chmodSync(at('shut'), 0o555)
      await expect(checkReports({ report: 'shut/report' }, { cwd: folder })).rejects.toThrow('nothing can be written into')
      await expect(checkReports({ metrics: 'shut/x.prom' }, { cwd: folder })).rejects.toThrow('nothing can be written into')
    },
  )
})

describe('afterwards', () => {
  it('other files in the folder are left alone, and a link is replaced and never followed', async () => {
    mkdirSync(at('report'))
    writeFileSync(at('precious'), 'somebody else')
    writeFileSync(at('report/notes.txt'), 'mine')
    symlinkSync(at('precious'), at('report/report.html'))
    expect(await write({ report: 'report' })).toEqual([])
    expect(readFileSync(at('precious'), 'utf8')).toBe('somebody else')
    expect(readFileSync(at('report/notes.txt'), 'utf8')).toBe('mine')
    expect(readFileSync(at('report/report.html'), 'utf8')).toContain('<!doctype html>')
    expect(readdirSync(at('report')).filter((name) => name.startsWith('.'))).toEqual([])
    expect(statSync(at('report/report.html')).mode & 0o777).toBe(0o644)
  })

  it('every slice is a line, with the measurement that it belongs to', async () => {
    await write({ report: 'report' })
    const lines = readFileSync(at('report/slices.ndjson'), 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(280)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ measurement: 'gate canary', where: null, version: 1, second: 0, target: 'new' })
  })

  it('new and old release have a percentile table each, and one of another run does not stay', async () => {
    mkdirSync(at('report'))
    for (const name of ['response-2.hgrm', 'response-2-baseline.hgrm', 'mine.hgrm']) writeFileSync(at('report', name), 'old')
    expect(await write({ report: 'report' })).toEqual([])
    const tables = readdirSync(at('report')).filter((name) => name.endsWith('.hgrm'))
    expect(tables.sort()).toEqual(['mine.hgrm', 'response-baseline.hgrm', 'response.hgrm'])
    // What was seen after the verdict is in none of them.
    const done = /requests_total\{[^}]*target="new",outcome="ok"\} (\d+)/.exec(readFileSync(at('report/metrics.prom'), 'utf8'))?.[1]
    expect(readFileSync(at('report/response.hgrm'), 'utf8')).toMatch(new RegExp(`Total count = +${done}\\]`))
  })

  it('what cannot be written is a warning for each place, and nothing is thrown', async () => {
    mkdirSync(at('report/report.html/in-the-way'), { recursive: true })
    mkdirSync(at('summary'))
    const warnings = await write(
      { report: 'report', metrics: 'nowhere/x.prom', pushGateway: 'http://127.0.0.1:1' },
      { GITHUB_STEP_SUMMARY: at('summary') },
    )
    expect(warnings.map((text) => text.replace(/:.*/, ''))).toEqual([
      'the report was not written',
      'the metrics were not written',
      'the push gateway did not take the metrics',
      'the summary of the job was not written',
    ])
    // Nothing half-made is left behind.
    expect(readdirSync(at('report'))).toEqual(['report.html'])
  })

  it('who reads a file while it is replaced sees the old one or the new one', async () => {
    writeFileSync(at('x'), 'old')
    const seen: string[] = []
    function* slowly(): Generator<string> {
      yield 'new '
      seen.push(readFileSync(at('x'), 'utf8'))
      yield 'text'
    }
    await replace(at('x'), slowly())
    expect([...seen, readFileSync(at('x'), 'utf8')]).toEqual(['old', 'new text'])
    function* broken(): Generator<string> {
      yield 'half'
      throw new Error('the disk is gone')
    }
    await expect(replace(at('x'), broken())).rejects.toThrow('the disk is gone')
    expect(readdirSync(folder)).toEqual(['x'])
    expect(readFileSync(at('x'), 'utf8')).toBe('new text')
  })
})
