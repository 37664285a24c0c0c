import { expect, test } from 'vitest'
import { atJsonPath, parseJsonPath } from '../../../src/util/json-path.ts'

test.each([
  ['$.a.b[0]', ['a', 'b', 0]],
  ["$['odd key'].x", ['odd key', 'x']],
  ['$["a.b"]', ['a.b']],
  ['a.b', ['a', 'b']],
  ['$', []],
])('%j is a path', (text, steps) => expect(parseJsonPath(text)).toEqual(steps))

test.each(['', '[1]', '$..a', '$.a[', '$.a[x]', '$.', 'a b', '$[-1]', '$.a[0'])('%j is none', (text) =>
  expect(parseJsonPath(text)).toBeNull(),
)

test('only own members count, and lists are no maps', () => {
  expect(atJsonPath({ a: [{ b: 'x' }] }, ['a', 0, 'b'])).toBe('x')
  for (const path of [['constructor'], ['__proto__'], ['a', 'length'], ['a', 5], ['b', 'c']])
    expect(atJsonPath({ a: [1] }, path)).toBeUndefined()
})
