import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RolloutEvent } from '../../../src/domain/event.ts'
import type { ClauseProgress, MeasureProgress, TargetProgress } from '../../../src/domain/progress.ts'
import { createLive } from '../../../src/render/live.ts'
import { intervalBar, measureLines, measureWords } from '../../../src/render/measure.ts'
import { createPlain } from '../../../src/render/plain.ts'
import { createStyle } from '../../../src/render/style.ts'
import { textWidth } from '../../../src/render/width.ts'
import { collector, HOSTILE } from './recorded.ts'
import { stamped } from './stories.ts'
import { makeTerminal } from './terminal.ts'

const PLAIN = createStyle(false)

const canary: TargetProgress = {
  ...{ name: 'canary', offered: 3_000, sent: 2_998, done: 2_990, errors: { status: 6, reset: 2 }, inFlight: 4 },
  ...{ p50Ms: 12.3, p95Ms: 41.7, slow: 0.0125 },
}
const old: TargetProgress = { ...canary, name: 'baseline', sent: 3_000, done: 3_000, errors: {}, p50Ms: 12, p95Ms: 40, slow: 0.01 }
const p95: ClauseProgress = {
  ...{ id: 'p95', clause: 'p95 <= baseline + 15%', mode: 'gate', unit: 'ratio', verdict: null },
  ...{ estimate: 0.04, low: -0.02, high: 0.1, bound: 0.15 },
}
const progress: MeasureProgress = {
  ...{ phase: 'measuring', seconds: 30, atMostSeconds: 120, targets: [canary, old], clauses: [p95] },
  ...{ look: { at: 1, of: 4, nextSeconds: 60 }, trust: { light: 'good', reason: null } },
}

describe('a measurement while it runs', () => {
  it('is a line for each target and one for each clause, with its interval against the margin', () => {
    expect(`\n${measureLines('gate canary', progress, 80, PLAIN).join('\n')}\n`).toBe(`
  gate canary  30 s of at most 120 s, look 1 of 4, next at 60 s  ● trusted
    target    offered   sent     ok      p50      p95    slow  failed
    canary      3,000  2,998  2,990  12.3 ms  41.7 ms  1.25 %  6 status, 2 reset
    baseline    3,000  3,000  3,000  12.0 ms  40.0 ms     1 %  0
  · p95 <= baseline + 15%  ├─────●─────┤···│····  +4 % (-2 % to +10 %)
`)
  })

  it('counts its looks as people do', () => {
    const look = { at: 0, of: 1, nextSeconds: 120 }
    expect(measureLines('gate canary', { ...progress, look }, 80, PLAIN)[0]).toContain(', 1 look, next at 120 s')
  })

  it('says of a quantile that falls on a failure that it is slower than any answer', () => {
    const failing = { ...canary, p95Ms: Number.POSITIVE_INFINITY }
    const clause: ClauseProgress = { ...p95, unit: 'ms', estimate: null, low: null, high: null, shown: '> timeout' }
    const seen = { ...progress, targets: [failing], clauses: [clause] }
    const [, , target, asked] = measureLines('gate canary', seen, 80, PLAIN)
    expect(target).toContain('12.3 ms  > timeout')
    expect(asked).toMatch(/> timeout$/)
    expect(measureWords(seen)).toContain('p50 12.3 ms, p95 > timeout')
  })

  it('keeps the name, p95 and the errors when the terminal is narrow', () => {
    const lines = measureLines('gate canary', progress, 46, PLAIN)
    expect(lines[2]).toBe('    canary    2,990  12.3 ms  41.7 ms  6 stat…')
    expect(lines.at(-1)).toBe('  · p95 <= baseline + 15%  +4 % (-2 % to +10 …')
  })

  it('says in words and by a sign what colour says', () => {
    const bad = { ...progress, trust: { light: 'bad' as const, reason: 'this machine sent late in 9 of 30 seconds' } }
    expect(measureLines('load', bad, 80, PLAIN)[1]).toBe('  ✖ not trusted: this machine sent late in 9 of 30 seconds')
    const failed = { ...progress, clauses: [{ ...p95, verdict: 'fail' as const }] }
    expect(measureLines('load', failed, 80, PLAIN).at(-1)).toMatch(/^ {2}✖ p95/)
    expect(measureLines('load', failed, 80, createStyle(true)).at(-1)).toContain('\x1b[31m✖')
  })

  it('is one line in a pipe, every five seconds', async () => {
    const output = collector()
    const plain = createPlain(output, { color: false, quiet: false, verbose: false })
    const events = Array.from(
      { length: 12 },
      (_, second): RolloutEvent => ({ type: 'load.progress', load: 'checkout', progress: { ...progress, seconds: second } }),
    )
    for (const event of stamped(events, 1_000)) plain.on(event)
    await plain.end()
    const lines = output.text().trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toBe(
      '[0:05.0] measuring 5 s of at most 120 s, look 1 of 4, next at 60 s; canary 2,998 sent, 2,990 ok, 6 status, 2 reset, p50 12.3 ms, p95 41.7 ms, slow 1.25 %; baseline 3,000 sent, 3,000 ok, 0 failed, p50 12.0 ms, p95 40.0 ms, slow 1 %',
    )
  })

  it('stands below the tree on a terminal, and is gone when the gate has said its word', async () => {
    const terminal = makeTerminal(80, 24)
    let now = 0
    const screen = createLive(terminal, { color: false, verbose: false, columns: terminal.columns, rows: terminal.rows, now: () => now })
    const [measuring, judged] = stamped([
      { type: 'gate.progress', gate: 'canary', progress },
      { type: 'gate.judged', step: 's', gate: 'canary', batch: 'b', verdict: 'pass', summary: 'all hold' },
    ])
    if (measuring === undefined || judged === undefined) throw new Error('two events')
    now = Date.parse(measuring.at)
    screen.on(measuring)
    expect(terminal.lines().join('\n')).toContain('p95 <= baseline + 15%  ├─────●─────┤···│····')
    screen.on(judged)
    screen.suspend()
    expect(terminal.lines().join('\n')).not.toContain('├')
    screen.resume()
    await screen.end()
    expect(terminal.lines().join('\n')).toContain('gate canary (b): PASS: all hold')
  })

  it('never is wider than the terminal nor breaks out of its line, whatever names and numbers come', () => {
    const name = fc.oneof(fc.constantFrom(...HOSTILE), fc.string())
    const value = fc.oneof(fc.constant(null), fc.double({ noNaN: true, min: -1e12, max: 1e12 }))
    const unit = fc.constantFrom('ms', 'share', 'ratio', 'points', 'perSecond', 'count', 'number', 'exit' as const)
    const verdict = fc.constantFrom(null, 'pass', 'fail', 'inconclusive', 'invalid')
    const clause = fc.record({
      id: name,
      clause: name,
      mode: fc.constantFrom('gate', 'warn'),
      unit,
      estimate: value,
      low: value,
      high: value,
      bound: value,
      verdict,
    })
    const count = fc.nat()
    const target = fc.record({
      name,
      offered: count,
      sent: count,
      done: count,
      errors: fc.record({ status: count, shed: count }),
      inFlight: count,
      p50Ms: value,
      p95Ms: value,
      slow: value,
    })
    const input = fc.record({
      phase: fc.constantFrom('calibration', 'warmup', 'measuring', 'draining'),
      seconds: count,
      atMostSeconds: fc.option(count),
      targets: fc.array(target, { maxLength: 8 }),
      clauses: fc.array(clause, { maxLength: 4 }),
      look: fc.option(fc.record({ at: count, of: count, nextSeconds: fc.option(count) })),
      trust: fc.record({ light: fc.constantFrom('good', 'doubtful', 'bad'), reason: fc.option(name) }),
    })
    fc.assert(
      fc.property(input, name, fc.integer({ min: 1, max: 160 }), fc.boolean(), (seen, title, columns, color) => {
        // The generators make what the types say; their unions of words are wider only for the compiler.
        for (const line of measureLines(title, seen as MeasureProgress, columns, createStyle(color))) {
          expect(textWidth(line)).toBeLessThanOrEqual(columns)
          expect(line.replaceAll(/\x1b\[\d+m/g, '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
        }
        expect(measureWords(seen as MeasureProgress)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
      }),
      { numRuns: 60 },
    )
  })
})

describe('a bar', () => {
  it.each([
    ['an interval below the bound', { estimate: 0.04, low: -0.02, high: 0.1, bound: 0.15 }, '├─────●─────┤···│····'],
    ['one that crosses it', { estimate: 0.1, low: 0.02, high: 0.2, bound: 0.15 }, '··├───────●────│────┤'],
    ['one beyond it', { estimate: 0.3, low: 0.2, high: 0.4, bound: 0.1 }, '·····│····├────●────┤'],
    ['an upper limit alone', { estimate: 0.1, low: null, high: 0.2, bound: 0.4 }, '────●───┤·······│····'],
    ['a lower limit alone', { estimate: 0.2, low: 0.1, high: null, bound: 0.1 }, '··········│─────────●'],
    ['an estimate alone', { estimate: 5, low: null, high: null, bound: 10 }, '········●·······│····'],
    ['no bound', { estimate: 5, low: 0, high: 10, bound: null }, '├─────────●─────────┤'],
    ['nothing', { estimate: null, low: null, high: null, bound: null }, '                     '],
    ['all at zero', { estimate: 0, low: 0, high: 0, bound: 0 }, '●····················'],
  ])('shows %s', (_, clause, bar) => {
    expect(intervalBar(clause, 21)).toBe(bar)
  })
})
