import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { checkedEntries, fileMode, type SourceEntry } from '../../../src/drivers/artifact/entries.ts'

const file = (path: string): SourceEntry => ({ kind: 'file', path, mode: 0o644, bytes: 0, open: () => Readable.from([]) })
const link = (path: string, target: string): SourceEntry => ({ kind: 'link', path, target })
const folder = (path: string): SourceEntry => ({ kind: 'directory', path })
const paths = (entries: readonly SourceEntry[]) => entries.map((entry) => entry.path)

describe('names', () => {
  test('entries are in the order of their bytes, with the folders that nobody listed', () => {
    expect(paths(checkedEntries([file('b/c/d'), file('a'), file('Z'), file('ü'), file('b.x')], 's'))).toEqual([
      'Z',
      'a',
      'b',
      'b.x',
      'b/c',
      'b/c/d',
      'ü',
    ])
  })

  test.each(['.rollgate', '.rollgate/x', '.rollgate.env'])('%s at the top is ours', (path) => {
    expect(() => checkedEntries([file(path)], 's')).toThrow('Rollgate uses itself')
  })

  test.each(['sub/.rollgate', '.rollgate.envx', '.rollgaterc', 'sub/.rollgate.env'])('%s is not ours', (path) => {
    expect(paths(checkedEntries([file(path)], 's'))).toContain(path)
  })

  test.each([`a\u0001b`, `a\u0002`, '../a', 'a/../b', './a', '', 'n'.repeat(256), 'ü'.repeat(128)])('%j cannot be shipped', (path) => {
    expect(() => checkedEntries([file(path)], 's')).toThrow(expect.objectContaining({ code: 'E_ARTIFACT' }))
  })

  test('an artifact with nothing in it is refused', () => {
    expect(() => checkedEntries([], 'dist')).toThrow('dist is empty')
  })

  test('a refused name is shown without its control characters', () => {
    expect(() => checkedEntries([file('\u001b[2J\u0001')], 's')).toThrow('"\\u001b[2J\\u0001"')
  })
})

describe('links', () => {
  test.each([
    ['a', 'b', 'dangling inside'],
    ['a/b/c', '../../d', 'up, and still inside'],
    ['a/b', '..', 'to the top'],
    ['a', './/b/./c', 'with what means nothing'],
    ['loop', 'loop', 'to itself'],
    ['a', 'x/../b', 'down and up'],
  ])('%s → %s is fine: %s', (path, target) => {
    expect(paths(checkedEntries([link(path, target)], 's'))).toContain(path)
  })

  test.each([
    ['a', '/etc/passwd'],
    ['a', '..'],
    ['a/b', '../../x'],
    ['a', 'b/../../x'],
    ['a', ''],
    ['a', 'x\u0001'],
  ])('%s → %j is refused', (path, target) => {
    expect(() => checkedEntries([link(path, target)], 's')).toThrow(expect.objectContaining({ code: 'E_ARTIFACT' }))
  })

  test('a link that leads out only by way of another link is refused', () => {
    // Read as text, here/.. is the top; followed, it is the folder above the release.
    expect(() => checkedEntries([link('here', '.'), link('out', 'here/..')], 's')).toThrow('leads out of the artifact')
    expect(() => checkedEntries([folder('deep/er'), link('deep/er/up', '../..'), link('out', 'deep/er/up/../x')], 's')).toThrow(
      'leads out of the artifact',
    )
  })

  test('links may lead through links as long as they stay inside', () => {
    expect(paths(checkedEntries([folder('deep/er'), link('short', 'deep/er'), link('x', 'short/../y')], 's'))).toContain('x')
  })
})

test('any executable bit makes an executable, and nothing else of the mode counts', () => {
  expect([0o600, 0o666, 0o4644].map(fileMode)).toEqual([0o644, 0o644, 0o644])
  expect([0o700, 0o655, 0o654, 0o4755].map(fileMode)).toEqual([0o755, 0o755, 0o755, 0o755])
})
