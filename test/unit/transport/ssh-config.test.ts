import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { expandPath } from '../../../src/drivers/transport/ssh-config.ts'

const tokens = { address: '10.0.0.1', original: 'web', port: 2222, user: 'deploy', alias: null }
const who = { name: 'me', home: '/home/me' }

test.each([
  ['~/.ssh/id', '/home/me/.ssh/id'],
  ['~', '/home/me'],
  ['/a/~/b', '/a/~/b'],
  ['~other/id', '~other/id'],
  ['%d/%h/%n/%p/%r/%u', '/home/me/10.0.0.1/web/2222/deploy/me'],
  ['%%h', '%h'],
  ['%k', 'web'],
  ['%l', hostname()],
  ['%z', '%z'],
  ['a b/$&/%h', 'a b/$&/10.0.0.1'],
])('%s is %s', (path, expected) => {
  expect(expandPath(path, tokens, who)).toBe(expected)
})

test('an alias is what %k means', () => {
  expect(expandPath('%k', { ...tokens, alias: 'the-alias' }, who)).toBe('the-alias')
})

test.each(['%C', '/x/%j', `$\{HOME}/id`])('%s is left to ssh', (path) => {
  expect(expandPath(path, tokens, who)).toBeNull()
})
