// The report command, on what a machine keeps: journals of real executions, records of load tests, and damaged ones.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppContext } from '../../../src/app/context.ts'
import { openKept } from '../../../src/app/gates/kept.ts'
import { keepLoad } from '../../../src/app/load-record.ts'
import { report } from '../../../src/app/report.ts'
import { findRollout, keepRollout, readRollout } from '../../../src/app/rollout-record.ts'
import { withReport } from '../../../src/app/rollout-report.ts'
import { type DurableEvent, isDurable, type Stamped } from '../../../src/domain/event.ts'
import { runSlices } from '../gate/helpers.ts'
import { type Recorded, recorded } from '../render/recorded.ts'
import * as samples from '../report/samples.ts'

// autocannon brings it: another implementation than ours, by HdrHistogram's own people.
const hdr = createRequire(createRequire(import.meta.url).resolve('autocannon'))('hdr-histogram-js') as {
  readonly HistogramLogReader: new (
    text: string,
  ) => {
    nextIntervalHistogram(): {
      readonly tag: string
      readonly totalCount: number
      readonly startTimeStampMsec: number
      getValueAtPercentile(percentile: number): number
    } | null
  }
}

let home: string
let printed: string[]
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'rollgate-report-'))
  printed = []
})
afterEach(() => rmSync(home, { recursive: true, force: true }))
const context = (): AppContext =>
  // Only the parts of the context that reports read.
  ({
    ...{ cwd: home, env: { XDG_STATE_HOME: join(home, 'state') }, version: '0.1.0', renderers: [] },
    ...{ signal: new AbortController().signal, stdout: (line: string) => printed.push(line) },
  }) as unknown as AppContext

const rollouts = (): string => join(home, 'state/rollgate/shop/rollouts')
const loads = (): string => join(home, 'state/rollgate/loads')

function journal(id: string, name: Recorded, options: { readonly upTo?: number; readonly atMs?: number } = {}): void {
  mkdirSync(rollouts(), { recursive: true })
  // isDurable has looked at the type; the filter cannot carry that through the stamp.
  const events = (recorded(name).filter((event) => isDurable(event)) as readonly Stamped<DurableEvent>[]).map((event) => ({
    ...event,
    rollout: id,
  }))
  const path = join(rollouts(), `${id}.jsonl`)
  writeFileSync(
    path,
    events
      .slice(0, options.upTo)
      .map((event) => `${JSON.stringify(event)}\n`)
      .join(''),
  )
  if (options.atMs !== undefined) utimesSync(path, options.atMs / 1_000, options.atMs / 1_000)
}

async function load(id: string, atMs?: number): Promise<void> {
  mkdirSync(loads(), { recursive: true })
  const slices = runSlices({ seconds: 5, rate: 20, canary: { ms: 20 } }).map((slice) => ({ ...slice, target: 'target-1' }))
  const head = {
    type: 'run',
    version: 1,
    runId: id,
    seed: id,
    load: 'checkout',
    targets: ['target-1'],
    model: samples.loadAbout().model,
    warmupMs: 0,
    durationMs: 5_000,
    at: samples.AT,
  }
  const lines = [head, ...slices.map((slice) => ({ type: 'slice', slice }))]
  writeFileSync(join(loads(), `${id}.ndjson`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const document = { ...samples.loadDocument(slices, 5), run: id }
  await keepLoad(join(loads(), `${id}.ndjson`), { version: 1, document, about: samples.loadAbout() })
  if (atMs !== undefined) utimesSync(join(loads(), `${id}.json`), atMs / 1_000, atMs / 1_000)
}

describe('report', () => {
  it('makes the page of a rollout from its journal alone', async () => {
    journal('46430f00', 'rolled-back')
    const document = await report({ id: '46430f00' }, context())
    expect(document).toMatchObject({
      command: 'report',
      exitCode: 0,
      outcome: 'ok',
      kind: 'rollout',
      verdict: 'fail',
      file: join(home, 'rollgate-46430f00.html'),
    })
    const page = readFileSync(join(home, 'rollgate-46430f00.html'), 'utf8')
    expect(page).toMatch(/<h1>.*ROLLED BACK<\/h1>/)
    expect(page).toContain('web-3 did not become healthy')
    expect(page).toContain('back: enabled')
  })

  it('says of a rollout without an end that it has none here', async () => {
    journal('46430f00', 'succeeded', { upTo: 12 })
    const document = await report({}, context())
    expect(document).toMatchObject({ verdict: 'inconclusive' })
    expect(document.sentence).toContain('it has no end in the journal of this machine')
    expect(readFileSync(join(home, 'rollgate-46430f00.html'), 'utf8')).toContain('rollgate resume')
  })

  it.each(['succeeded', 'stuck', 'partial', 'first-failed', 'paused', 'probe-failed'] as const)(
    'makes a page of what ended as %s',
    async (name) => {
      journal('46430f00', name)
      await report({ out: 'x.html' }, context())
      expect(readFileSync(join(home, 'x.html'), 'utf8')).not.toMatch(/NaN|undefined|Infinity/)
    },
  )

  it('makes the page of a load test from what is kept of it, without queries of addresses', async () => {
    await load('6240c5cf')
    expect(await report({ id: '6240' }, context())).toMatchObject({ kind: 'load', title: 'load checkout', verdict: 'pass' })
    const page = readFileSync(join(home, 'rollgate-6240c5cf.html'), 'utf8')
    expect(page).toContain('Over time')
    expect(page + readFileSync(join(loads(), '6240c5cf.json'), 'utf8')).not.toContain('s3cret')
  })

  it('takes the newest of both when nothing is named', async () => {
    journal('46430f00', 'succeeded', { atMs: 2_000_000 })
    await load('6240c5cf', 1_000_000)
    expect(await report({}, context())).toMatchObject({ id: '46430f00' })
    await load('7777c5cf', 3_000_000)
    expect(await report({}, context())).toMatchObject({ id: '7777c5cf' })
  })

  it('prints the page to stdout for --out -', async () => {
    await load('6240c5cf')
    expect(await report({ out: '-' }, context())).toMatchObject({ file: null })
    expect(printed.join('\n')).toMatch(/^<!doctype html>[\s\S]*<\/html>$/)
    expect(readdirSync(home)).toEqual(['state'])
  })

  it('writes histograms that HdrHistogram reads: as many answers as the metrics say, with their quantiles', async () => {
    await load('6240c5cf')
    const made = async (out: string): Promise<string> => {
      expect(await report({ out }, context())).toMatchObject({ file: join(home, out), files: [join(home, out)] })
      return readFileSync(join(home, out), 'utf8')
    }
    const done = Number(/_count\{[^}]*\} (\d+)/.exec(await made('x.prom'))?.[1])
    const reader = new hdr.HistogramLogReader(await made('x.hlog'))
    let [answers, seconds] = [0, 0]
    for (let one = reader.nextIntervalHistogram(); one !== null; one = reader.nextIntervalHistogram()) {
      expect(one).toMatchObject({ tag: 'target-1', startTimeStampMsec: Date.parse(samples.AT) + 1_000 * seconds })
      expect(one.getValueAtPercentile(50)).toBeGreaterThan(10_000)
      expect(one.getValueAtPercentile(50)).toBeLessThan(40_000)
      answers += one.totalCount
      seconds += 1
    }
    expect({ answers, seconds }).toEqual({ answers: done, seconds: 5 })
    const table = await made('x.hgrm')
    expect(table).toMatch(/^ +Value +Percentile TotalCount 1\/\(1-Percentile\)\n/)
    expect(table).toMatch(new RegExp(`#\\[Total count = +${done}\\]\n$`))
  })

  it('shows of a search for the capacity every rate that was tried', async () => {
    await load('6240c5cf')
    const path = join(loads(), '6240c5cf.json')
    const record = JSON.parse(readFileSync(path, 'utf8'))
    const step = { outcome: 'holds', confirm: false, offered: 60, failed: 0, p50Ms: 5, p95Ms: 9, reason: '' }
    const steps = [
      { ...step, ratePerSecond: 20 },
      { ...step, ratePerSecond: 40, p95Ms: 11 },
      { ...step, ratePerSecond: 80, outcome: 'breaks', p95Ms: null, failed: 12, reason: 'errors 20 %' },
    ]
    const capacity = { ratePerSecond: 40, atLeast: false, thresholds: ['errors < 1%', 'p95 <= 18ms'], steps }
    writeFileSync(path, JSON.stringify({ ...record, document: { ...record.document, capacity } }))
    const made = async (out: string): Promise<string> => {
      await report({ out }, context())
      return readFileSync(join(home, out), 'utf8')
    }
    const page = await made('x.html')
    expect(page).toContain('Rates that were tried')
    expect(page).toMatch(/<figcaption>p95 at each rate/)
    expect(page).toContain('takes 40/s, as long as errors &lt; 1%, p95 &lt;= 18ms')
    expect(page).toContain('<td class="n">80/s</td><td>✖ breaks</td>')
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
    expect(await made('x.md')).toMatch(/\| 80\/s \| ✖ breaks \| 60 \| 12 \| 5\.0 ms \| - \| errors 20 % \|/)
    expect(await made('x.xml')).toContain('<property name="capacity" value="takes 40/s, as long as')
    expect(await made('x.prom')).toContain('rollgate_capacity_requests_per_second{gate="checkout",kind="load"} 40\n')
  })

  it('has no histograms where nothing was timed, and says so', async () => {
    const kept = openKept(context().env, { app: 'shop', environment: null })
    await kept.record('46430f00', samples.commandRecord())
    await expect(report({ out: 'x.hlog' }, context())).rejects.toMatchObject({
      code: 'E_USAGE',
      message: 'gate smoke has no times of single seconds: there is nothing for HdrHistogram',
    })
  })

  it('lists what there is when a name is wrong or could be several', async () => {
    journal('46430f00', 'succeeded', { atMs: 1_000_000 })
    journal('46431f00', 'succeeded', { atMs: 2_000_000 })
    await expect(report({ id: 'nothing\x1b[2J' }, context())).rejects.toMatchObject({
      code: 'E_USAGE',
      message: 'nothing is no load test, gate or rollout that this machine keeps',
      hints: [expect.stringContaining('rollgate report 46431f00   (rollout'), expect.stringContaining('46430f00')],
    })
    await expect(report({ id: '4643' }, context())).rejects.toMatchObject({ code: 'E_USAGE', message: '4643 may be one of 2' })
    // Too short to be meant.
    await expect(report({ id: '46' }, context())).rejects.toMatchObject({ code: 'E_USAGE' })
    expect(await report({ id: '46430' }, context())).toMatchObject({ id: '46430f00' })
  })

  it('says what to do where nothing is kept yet, and names a file that cannot be written', async () => {
    await expect(report({}, context())).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('there is nothing to report'),
    })
    await load('6240c5cf')
    await expect(report({ out: 'no/such/folder.html' }, context())).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('--out no/such/folder.html'),
    })
  })

  it('refuses what a newer version wrote, and what is no record', async () => {
    await load('6240c5cf')
    writeFileSync(join(loads(), '6240c5cf.json'), '{"version":9}')
    await expect(report({}, context())).rejects.toMatchObject({ code: 'E_STATE_VERSION' })
    writeFileSync(join(loads(), '6240c5cf.json'), 'half a rec')
    await expect(report({}, context())).rejects.toMatchObject({ code: 'E_LOAD_DATA' })
    rmSync(join(loads(), '6240c5cf.json'))
    journal('46430f00', 'succeeded', { upTo: 0 })
    await expect(report({}, context())).rejects.toMatchObject({ exitCode: 3, message: expect.stringContaining('journal') })
  })
})

describe('what was measured by gates', () => {
  const record = samples.gateRecord({ canary: { ms: 61 }, old: samples.GOOD, seconds: 60 })

  it('is in the page of its rollout, each beside the batch that it judged, with the steps of that time as marks', async () => {
    journal('46430f00', 'rolled-back')
    const [opened] = recorded('rolled-back')
    const kept = openKept(context().env, { app: 'shop', environment: 'production' })
    await kept.record('46430f00', { ...record, startedAt: opened?.at ?? '' })
    await kept.record('46430f00', samples.commandRecord())
    const judged = (gate: string, batch: string) => ({
      ...opened,
      seq: 900,
      type: 'gate.judged',
      step: `${batch}/gate`,
      gate,
      batch,
      verdict: 'fail',
      summary: 'no',
    })
    const path = join(rollouts(), '46430f00.jsonl')
    const lines = [judged('canary', 'first one, judged elsewhere'), judged('canary', 'canary'), judged('smoke', 'batch 2')]
    writeFileSync(path, readFileSync(path, 'utf8') + lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    await report({ out: 'x.html' }, context())
    const page = readFileSync(join(home, 'x.html'), 'utf8')
    expect(page).toContain('gate canary (canary)')
    expect(page).toContain('gate smoke (batch 2)')
    expect(page).toMatch(/<li>\d+ s: web-1 restarted<\/li>/)
    // Of the gate that was judged elsewhere there is its verdict.
    expect(page).toContain('gate canary (first one, judged elsewhere)')
    expect(page).toContain('its evidence is not on this machine')
  })

  it('has a page of its own where it was no rollout', async () => {
    journal('46430f00', 'succeeded', { atMs: 1_000_000 })
    const kept = openKept(context().env, { app: 'shop', environment: null })
    await kept.record('46430f00', record)
    await kept.record('9999aaaa', { ...record, startedAt: samples.AT })
    expect(await report({}, context())).toMatchObject({ id: '9999aaaa', kind: 'gate', title: 'gate canary', verdict: 'fail' })
    expect(readFileSync(join(home, 'rollgate-9999aaaa.html'), 'utf8')).toContain('rollgate gate explain 9999aaaa')
    expect(await report({ id: '46430f00' }, context())).toMatchObject({ kind: 'rollout' })
  })
})

describe('a rollout with its report', () => {
  const document = samples.rolloutDocument([])

  it('is kept beside its journal: what was printed wins over what the journal says', async () => {
    journal('46430f00', 'rolled-back')
    const done = await withReport({}, context(), async () => document)
    expect(done).toBe(document)
    const kept = await findRollout(context().env, '46430f00')
    if (kept === null) throw new Error('it is kept')
    expect((await readRollout(kept, context())).document).toEqual(document)
    expect(readdirSync(home)).toEqual(['state'])
  })

  it('is told from its journal when what was kept is damaged', async () => {
    journal('46430f00', 'succeeded')
    const kept = await findRollout(context().env, '46430f00')
    if (kept === null) throw new Error('it is kept')
    writeFileSync(join(kept.folder, '46430f00.json'), 'half a rec')
    expect((await readRollout(kept, context())).document.outcome).toBe('succeeded')
    await keepRollout({ ...kept, folder: join(home, 'nowhere') }, document)
  })

  it('is written where it was asked for, and nothing is begun where it could not be', async () => {
    journal('46430f00', 'rolled-back')
    await withReport({ report: 'out' }, context(), async () => document)
    expect(readFileSync(join(home, 'out/report.html'), 'utf8')).toContain('back: enabled')
    expect(JSON.parse(readFileSync(join(home, 'out/report.json'), 'utf8'))).toEqual(document)
    let begun = false
    writeFileSync(join(home, 'taken'), '')
    const work = async () => {
      begun = true
      return document
    }
    await expect(withReport({ report: 'taken' }, context(), work)).rejects.toMatchObject({ code: 'E_USAGE' })
    expect(begun).toBe(false)
  })

  it('that was refused has a report too, though there is no journal', async () => {
    const refused = { ...document, outcome: 'refused', rollout: null, hosts: [] } as const
    await withReport({ report: 'out' }, context(), async () => refused)
    expect(readFileSync(join(home, 'out/report.html'), 'utf8')).toMatch(/<h1>.*REFUSED<\/h1>/)
  })
})
