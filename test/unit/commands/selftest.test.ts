import { expect, test } from 'vitest'
import { plannedRate } from '../../../src/commands/load/selftest.ts'

test.each([
  ['500/s', 500],
  ['500', 500],
  ['600/m', 10],
  [undefined, undefined],
])('load selftest --rate %s is %s a second', (text, perSecond) => {
  expect(plannedRate(text)).toBe(perSecond)
})

test.each(['0', '0/s', '100001/s', '100001', '500/h', 'many', '-5', ''])('load selftest --rate %j is refused', (text) => {
  expect(() => plannedRate(text)).toThrow(expect.objectContaining({ code: 'E_USAGE', exitCode: 2 }))
})
