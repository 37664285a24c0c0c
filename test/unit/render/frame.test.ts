import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FrameInput, frameLines, type Row, type RowState } from '../../../src/render/frame.ts'
import { createStyle } from '../../../src/render/style.ts'
import { textWidth } from '../../../src/render/width.ts'

const PLAIN = createStyle(false)
const row = (title: string, state: RowState, extra: Partial<Row> = {}): Row => ({
  title,
  state,
  detail: '',
  ms: 1_200,
  noun: '',
  children: [],
  ...extra,
})
const hosts = (from: number, to: number, state: RowState): readonly Row[] =>
  Array.from({ length: to - from + 1 }, (_, index) =>
    row(`web-${from + index}`, state, { noun: 'host', ...(state === 'working' ? { detail: 'draining  12 in flight, 18 s left' } : {}) }),
  )
const batch = (title: string, state: RowState, children: readonly Row[]): Row => row(title, state, { noun: 'batch', ms: null, children })

function sixty(): FrameInput {
  return {
    head: 'deploy r2-bbbbbbbb to shop (production)',
    ms: 72_000,
    rows: [
      row('connect', 'done', { detail: '60 of 60 hosts' }),
      row('build', 'done', { detail: 'r2-bbbbbbbb, 214 files' }),
      row('stage', 'done', { detail: '60 hosts' }),
      row('roll out', 'working', {
        detail: '17 of 60 hosts',
        children: [
          batch('canary', 'done', hosts(1, 1, 'done')),
          batch('batch 2', 'done', hosts(2, 16, 'done')),
          batch('batch 3', 'working', [...hosts(17, 17, 'done'), ...hosts(18, 21, 'working'), ...hosts(22, 31, 'waiting')]),
          batch('batch 4', 'waiting', hosts(32, 46, 'waiting')),
          batch('batch 5', 'waiting', hosts(47, 60, 'waiting')),
        ],
      }),
    ],
    panel: [],
    foot: ['  probe  1,203 requests, 0 failed, worst gap 12 ms'],
    tail: ['compiled 214 files'],
  }
}

describe('a frame', () => {
  it.each([
    [80, 40],
    [80, 24],
    [80, 16],
    [80, 10],
    [40, 12],
    [20, 10],
    [20, 4],
    [80, 2],
  ])('of sixty hosts at %d×%d', (columns, rows) => expect(frameLines(sixty(), { columns, rows }, PLAIN, 0).join('\n')).toMatchSnapshot())

  it('never hides what failed or moves behind what is done or waits', () => {
    const rows = [
      row('roll out', 'working', {
        children: [
          batch('batch 1', 'working', [
            ...hosts(1, 20, 'done'),
            ...hosts(21, 40, 'waiting'),
            ...hosts(41, 43, 'failed'),
            ...hosts(44, 45, 'working'),
          ]),
        ],
      }),
    ]
    const lines = frameLines({ head: '', ms: 0, rows, panel: [], foot: [], tail: [] }, { columns: 80, rows: 10 }, PLAIN, 0)
    expect(lines).toHaveLength(9)
    for (const name of ['web-41', 'web-42', 'web-43', 'web-44', 'web-45']) expect(lines.join('\n')).toContain(name)
    expect(lines.join('\n')).toMatch(/20 hosts done/)
    expect(lines.join('\n')).toMatch(/20 hosts to go/)
  })

  it('is the same frame for the same input', () => {
    expect(frameLines(sixty(), { columns: 80, rows: 24 }, PLAIN, 3)).toEqual(frameLines(sixty(), { columns: 80, rows: 24 }, PLAIN, 3))
  })

  it('fits every terminal, whatever is in it', () => {
    const state = fc.constantFrom<RowState>('waiting', 'working', 'done', 'failed', 'skipped')
    const title = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/[\x00-\x1f\x7f-\x9f]/g, '')),
      fc.constant('日本語のホスト'),
    )
    const leaf = fc.record({
      state,
      title,
      detail: title,
      ms: fc.option(fc.nat()),
      noun: fc.constantFrom('', 'host', 'batch'),
      children: fc.constant([]),
    })
    const middle = fc.record({
      state,
      title,
      detail: title,
      ms: fc.option(fc.nat()),
      noun: fc.constant('batch'),
      children: fc.array(leaf, { maxLength: 30 }),
    })
    const top = fc.record({
      state,
      title,
      detail: title,
      ms: fc.option(fc.nat()),
      noun: fc.constant(''),
      children: fc.array(middle, { maxLength: 6 }),
    })
    const input = fc.record({
      head: title,
      ms: fc.nat(),
      rows: fc.array(top, { maxLength: 8 }),
      panel: fc.array(title, { maxLength: 12 }),
      foot: fc.array(title, { maxLength: 2 }),
      tail: fc.array(title, { maxLength: 3 }),
    })
    fc.assert(
      fc.property(input, fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 60 }), fc.boolean(), (frame, columns, rows, color) => {
        const lines = frameLines(frame, { columns, rows }, createStyle(color), 7)
        expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
        for (const line of lines) {
          expect(textWidth(line)).toBeLessThanOrEqual(Math.max(1, columns - 1))
          expect(line).not.toContain('\n')
        }
        if (frame.rows.length > 0 && rows > 1) expect(lines.length).toBeGreaterThan(0)
      }),
      { numRuns: 500 },
    )
  })
})
