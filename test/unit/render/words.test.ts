import { describe, expect, it } from 'vitest'
import { createStyle, wantsColor } from '../../../src/render/style.ts'
import { table } from '../../../src/render/table.ts'
import { fitTo, padEnd, padStart, textWidth, wrap } from '../../../src/render/width.ts'
import { bytes, duration, elapsed, many, names, number, oneLine, setting, stepWords, when } from '../../../src/render/words.ts'
import { HOSTILE } from './recorded.ts'

describe('words', () => {
  it.each([
    [0, '0.0 s'],
    [430, '0.4 s'],
    [9_949, '9.9 s'],
    [9_999, '10 s'],
    [59_400, '59 s'],
    [59_600, '1 min'],
    [72_000, '1 min 12 s'],
    [3_599_600, '1 h'],
    [7_500_000, '2 h 5 min'],
    [-1, '0 s'],
    [Number.NaN, '0 s'],
  ])('says %d ms as %s', (ms, text) => expect(duration(ms)).toBe(text))

  it.each([
    [500, '500 ms'],
    [5_000, '5 s'],
    [30_000, '30 s'],
    [300_000, '5 min'],
  ])('says a setting of %d ms as %s', (ms, text) => expect(setting(ms)).toBe(text))

  it.each([
    [0, '0:00.0'],
    [12_345, '0:12.3'],
    [72_000, '1:12.0'],
    [3_732_100, '1:02:12.1'],
  ])('counts %d ms since the start as %s', (ms, text) => expect(elapsed(ms)).toBe(text))

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [3_200_000, '3.2 MB'],
    [999_999, '1.0 MB'],
    [45_000_000_000, '45 GB'],
  ])('says %d bytes as %s', (count, text) => expect(bytes(count)).toBe(text))

  it('groups thousands, counts nouns and shortens lists', () => {
    expect([number(7), number(1_203), number(1_234_567)]).toEqual(['7', '1,203', '1,234,567'])
    expect([many(1, 'host'), many(4, 'host'), many(2, 'batch', 'batches')]).toEqual(['1 host', '4 hosts', '2 batches'])
    expect(names(['a', 'b', 'c'], 2)).toBe('a, b and 1 more')
  })

  it('shows a time in UTC, and what is no time as it is', () => {
    expect(when('2026-11-25T03:18:59.000Z')).toBe('2026-11-25 03:18 UTC')
    expect(when('yesterday')).toBe('yesterday')
  })

  it.each([
    ['web-1/drain', { undo: false, doing: 'draining', did: 'drained' }],
    ['web-1/undo/restart', { undo: true, doing: 'restarting', did: 'restarted' }],
    ['web-1/hook:migrate#2', { undo: false, doing: 'hook migrate', did: 'hook migrate done' }],
    ['before/1:migrate', { undo: false, doing: 'hook migrate', did: 'hook migrate done' }],
    ['something', { undo: false, doing: 'something', did: 'something done' }],
  ])('says the step %s in words', (step, words) => expect(stepWords(step)).toEqual(words))

  it('leaves of hostile text one line without any control character', () => {
    for (const text of HOSTILE) {
      const clean = oneLine(text)
      expect(clean).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
      expect(clean.length).toBeLessThanOrEqual(1_001)
      expect(clean.isWellFormed()).toBe(true)
    }
  })
})

describe('width', () => {
  it.each([
    ['', 0],
    ['web-1', 5],
    ['日本語', 6],
    ['é', 1],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['\x1b[31mred\x1b[39m', 3],
    ['✔', 1],
    ['ｆｕｌｌ', 8],
  ])('%s takes %d columns', (text, width) => expect(textWidth(text)).toBe(width))

  it('cuts to the width, never through a wide letter, and closes colours', () => {
    expect(fitTo('abcdef', 4)).toBe('abc…')
    expect(fitTo('日本語', 4)).toBe('日…')
    expect(fitTo('\x1b[31mabcdef\x1b[39m', 4)).toBe('\x1b[31mabc…\x1b[0m')
    expect([fitTo('abc', 3), fitTo('abc', 0), fitTo('abc', 1)]).toEqual(['abc', '', '…'])
    for (const text of HOSTILE.map((line) => oneLine(line)))
      for (const width of [1, 5, 20]) expect(textWidth(fitTo(text, width))).toBeLessThanOrEqual(width)
  })

  it('pads by columns, not by letters', () => {
    expect(padEnd('日本', 6)).toBe('日本  ')
    expect(padStart('12', 4)).toBe('  12')
  })

  it('wraps at blanks, and a word that is too long hard', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij'])
    expect(wrap('a 日本語日本語', 5)).toEqual(['a', '日本', '語日', '本語'])
    expect(wrap('', 5)).toEqual([''])
  })
})

describe('style', () => {
  it('says nothing in colour where colour is off', () => {
    const style = createStyle(false)
    expect(style.red('x') + style.bold('y')).toBe('xy')
    expect(createStyle(true).red('x')).toBe('\x1b[31mx\x1b[39m')
    expect(createStyle(true).red('')).toBe('')
  })

  it.each([
    [{ noColor: true, env: { FORCE_COLOR: '1' }, isTerminal: true }, false],
    [{ noColor: false, env: { FORCE_COLOR: '1', NO_COLOR: '1' }, isTerminal: false }, true],
    [{ noColor: false, env: { FORCE_COLOR: '0' }, isTerminal: true }, false],
    [{ noColor: false, env: { NO_COLOR: '1' }, isTerminal: true }, false],
    [{ noColor: false, env: { NO_COLOR: '' }, isTerminal: true }, true],
    [{ noColor: false, env: { TERM: 'dumb' }, isTerminal: true }, false],
    [{ noColor: false, env: {}, isTerminal: false }, false],
  ])('decides on colour by flag, environment and terminal: %o is %s', (options, wanted) => expect(wantsColor(options)).toBe(wanted))
})

describe('table', () => {
  it('aligns by columns and leaves empty ones out', () => {
    const rows = [
      ['日本', '', '12'],
      ['web-1', '', '1,203'],
    ]
    expect(table([{ title: 'host' }, { title: 'zone' }, { title: 'n', align: 'right' }], rows, createStyle(false))).toEqual([
      '  host       n',
      '  日本      12',
      '  web-1  1,203',
    ])
  })
})
