// Pages of what other tools measured, from files that those tools wrote.
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { judgedImport } from '../../../src/app/load-import.ts'
import { DEFAULT_CONFIDENCE } from '../../../src/domain/gate.ts'
import type { ReportData } from '../../../src/domain/report.ts'
import { readImports } from '../../../src/load/imports/read.ts'
import { reportOfImport } from '../../../src/render/report/from-import.ts'
import { junitOf } from '../../../src/render/report/junit.ts'
import { metricsOf } from '../../../src/render/report/metrics.ts'
import { reportPage } from '../../../src/render/report/page.ts'
import { summaryOf } from '../../../src/render/report/summary.ts'
import { clauses } from '../gate/helpers.ts'
import { AT } from './samples.ts'

async function imported(file: string, ...asked: string[]): Promise<ReportData> {
  const path = join(import.meta.dirname, '../../fixtures/load-results', file)
  const { evidence, reading } = await readImports(
    { paths: [path], exitCode: 0 },
    {
      clauses: clauses(...asked),
      confidence: { ...DEFAULT_CONFIDENCE, looks: 1, hostEffect: 'ignore' },
      signal: new AbortController().signal,
    },
  )
  const document = { ...judgedImport('load import', evidence, reading), measuredMs: reading.measuredMs, evidence: null }
  return reportOfImport(document, evidence, { title: 'import', id: 'k6', at: AT, rollgate: '0.1.0', words: ['load', 'import', file] })
}

describe('the report of another tool', () => {
  it('has charts where the file has every request, and does not claim that its schedule was kept', async () => {
    const data = await imported('k6/mix.ndjson.gz', 'p95 < 300ms')
    const html = reportPage(data)
    expect(html).toContain('as the tool measured it')
    expect(html).toContain('How well it kept its schedule is not known')
    expect(html).not.toContain('It kept its schedule: the numbers can be trusted')
    expect(html).toContain('level A: every request with its time')
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('is a table where the file has totals only: there is no time to draw', async () => {
    const html = reportPage(await imported('k6/summary-new.json'))
    expect(html).toContain('<td class="n">243</td>')
    expect(html).not.toContain('Over time')
    expect(html).not.toContain('<figure')
  })

  it('goes everywhere where others go', async () => {
    const data = await imported('k6/mix.ndjson.gz', 'p95 < 300ms')
    expect(junitOf(data, { inconclusiveAs: 'skipped' })).toContain('tests="1" failures="0"')
    expect(summaryOf(data)).toContain('### ✅ import: PASS')
    expect(metricsOf(data)).toContain('rollgate_gate_verdict{gate="import",kind="load",verdict="pass"} 1')
  })
})
