import { describe, expect, it } from 'vitest'
import type { ReportData } from '../../../src/domain/report.ts'
import { gatesSummary, summaryOf } from '../../../src/render/report/summary.ts'
import { HOSTILE } from '../render/recorded.ts'
import * as samples from './samples.ts'

describe('the summary of a report in Markdown', () => {
  it('begins with verdict, reason and clauses; p95 over time is a line of blocks, details are folded', () => {
    const text = summaryOf(samples.gatePass())
    const [title, , reason] = text.split('\n')
    expect(title).toBe('### ✅ gate canary: PASS')
    expect(reason).toMatch(/^4 clauses hold at look 2 of 4, 60 s/)
    expect(text).toMatch(/\| p95 &lt;= baseline \\\+ 15% \| ✅ PASS \| \\\+[\d.]+ % \| -[\d.]+ % to \\\+[\d.]+ % \| \\\+15 % \|/)
    expect(text).toMatch(/p95 new: new `[▁▂▃▄▅▆▇█]{20,40}` [\d.]+ ms to [\d.]+ ms/)
    expect(text.match(/<details>/g)).toHaveLength(2)
    expect(text.match(/<\/details>/g)).toHaveLength(2)
    expect(text).toContain('rollgate gate explain 46430f00')
  })

  it('draws both arms on one scale, and a failure as what it is', () => {
    const text = summaryOf(samples.gateReport({ canary: { ms: 200, failing: 0.5 }, old: samples.GOOD, rate: 20, seconds: 40 }))
    const [canary = '', old = ''] = [...text.matchAll(/p95 \w+: \w+ `([^`]*)`/g)].map(([, drawn]) => drawn)
    expect(canary + old).toMatch(/✖/)
    expect(old).toMatch(/^[▁▂▃▄▅▆▇█]+$/)
  })

  it('says of a quantile that falls on a failure that it is slower than any answer, and what the cold start was', () => {
    const text = summaryOf(
      samples.gateReport({ canary: { ms: 20, failing: 0.3 }, seconds: 30, warmup: 5, rate: 20, asked: ['p95 < 300ms', 'p50 < 300ms'] }),
    )
    expect(text).toMatch(/\| new \| \d+ \| \d+ \| \d+ \([\d.]+ %\) \| [\d.]+ ms \| &gt; timeout \| &gt; timeout \|/)
    expect(text).toMatch(/\| p95 &lt; 300ms \| ❌ FAIL \| &gt; timeout \|/)
    expect(text).toMatch(/- cold start: answered well from second 0 on; \d+ of 100 requests failed during the warm-up/)
  })

  it('names the failed hosts of a rollout first', () => {
    const text = summaryOf(samples.rolloutReport([], [{ record: samples.commandRecord(), batch: 'batch 2', startedAt: null }]))
    expect(text).toContain('### ❌ deploy r2-bbbbbbbb to shop \\(production\\): rolled-back')
    expect(text.indexOf('| web-3 |')).toBeLessThan(text.indexOf('| web-1 |'))
    expect(text).toContain('#### ❌ gate smoke \\(batch 2\\): FAIL')
  })

  it('tells only of the gates where the rollout has a page already', () => {
    expect(gatesSummary(samples.rolloutReport([], []))).toBe('')
    const text = gatesSummary(samples.rolloutReport([], [{ record: samples.commandRecord(), batch: 'batch 2', startedAt: null }]))
    expect(text).not.toContain('| web-1 |')
    expect(text).toMatch(/gate smoke .*: FAIL\n\nexit 1\n/)
  })

  it('stays below 64 KiB however much there is, and says what it left out', () => {
    const base = samples.rolloutReport(
      [],
      [{ record: samples.gateRecord({ canary: samples.GOOD, old: samples.GOOD, seconds: 30 }), batch: 'b', startedAt: null }],
    )
    const [gate] = base.measurements
    const [host] = base.rollout?.hosts ?? []
    const [target] = gate?.targets ?? []
    if (gate === undefined || host === undefined || target === undefined || base.rollout === null) throw new Error('a rollout with a gate')
    const targets = Array.from({ length: 300 }, (_, index) => ({ ...target, name: `${'x'.repeat(200)}${index}` }))
    const hosts = Array.from({ length: 1_000 }, (_, index) => ({ ...host, name: `web-${index}`, error: '<'.repeat(400) }))
    const data: ReportData = {
      ...base,
      measurements: Array.from({ length: 30 }, () => ({ ...gate, targets })),
      rollout: { ...base.rollout, hosts },
    }
    const text = summaryOf(data)
    expect(Buffer.byteLength(text)).toBeLessThan(64 * 1_024)
    expect(text).toMatch(/and \d+ more/)
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length)
  })

  it.each(HOSTILE.concat('| a | b |', '```\n# title', '</details>', '@everyone #1'))('has no markup of %j', (text) => {
    const data = samples.gatePass()
    const [measurement] = data.measurements
    if (measurement === undefined) throw new Error('one measurement')
    const [target] = measurement.targets
    const hostile: ReportData = {
      ...{ ...data, title: text, sentence: text, id: text, reproduce: [text] },
      measurements: [
        {
          ...{ ...measurement, warnings: [text], discarded: [{ verdict: 'invalid', reason: text }] },
          clauses: measurement.clauses.map((clause) => ({ ...clause, clause: text })),
          targets: target === undefined ? [] : [{ ...target, name: text }],
        },
      ],
    }
    const page = summaryOf(hostile)
    const outside = page.replace(/```\n[\s\S]*?\n```/g, '')
    // Only tags of ours, as many as there always are; no bars, links or code that a name could bring.
    expect(outside.match(/<(?!\/?(?:details|summary|sub)>)/)).toBeNull()
    expect(outside.match(/<\/?details>/g)).toHaveLength(4)
    expect(outside).not.toMatch(/(?<!\\)(?:!\[|\]\()/)
    for (const row of outside.split('\n').filter((line) => line.startsWith('| ') && line.includes('PASS')))
      expect(row.match(/(?<!\\)\|/g)).toHaveLength(6)
    expect(page.match(/^```$/gm)).toHaveLength(2)
    expect(page).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
  })
})
