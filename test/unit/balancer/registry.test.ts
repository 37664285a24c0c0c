// Settings to drivers, and the traps that are read out of HAProxy's file.
import { expect, test } from 'vitest'
import type { BalancerSettings } from '../../../src/domain/config.ts'
import { fileTraps } from '../../../src/drivers/balancer/haproxy/config-traps.ts'
import { createBalancers } from '../../../src/drivers/balancer/registry.ts'

const connectTo = async (): Promise<never> => {
  throw new Error('nobody connects here')
}
const haproxy = (hosts: readonly string[], socket: string, backend?: string): BalancerSettings => ({
  kind: 'haproxy',
  hosts,
  socket,
  drain: { deadlineMs: 1, onDeadline: 'fail' },
  ...(backend === undefined ? {} : { backend }),
})

test('one driver for each host, none for none', () => {
  expect(createBalancers([{ kind: 'none' }], { connectTo })).toEqual([])
  expect(createBalancers([haproxy(['lb-1', 'lb-2'], '/a')], { connectTo }).map(({ id, kind }) => [id, kind])).toEqual([
    ['haproxy:lb-1', 'haproxy'],
    ['haproxy:lb-2', 'haproxy'],
  ])
})

test('two sockets on one host are two balancers, two backends of one are not', () => {
  const both = [haproxy(['lb-1'], '/a'), haproxy(['lb-1', 'lb-2'], '/b')]
  const ids = (settings: readonly BalancerSettings[]) => createBalancers(settings, { connectTo, among: both }).map(({ id }) => id)
  expect(ids(both)).toEqual(['haproxy:lb-1:/a', 'haproxy:lb-1:/b', 'haproxy:lb-2'])
  expect(ids(both.slice(0, 1))).toEqual(['haproxy:lb-1:/a'])
  expect(createBalancers([haproxy(['lb-1'], '/a', 'x'), haproxy(['lb-1'], '/a', 'y')], { connectTo }).map(({ id }) => id)).toEqual([
    'haproxy:lb-1',
    'haproxy:lb-1',
  ])
})

test.each<readonly [string, readonly string[]]>([
  ['', ['reload-idle']],
  ['backend a\n  option idle-close-on-response\n', []],
  ['backend a\n  option idle-close-on-response\n  server s 1:1 check on-marked-down shutdown-sessions\n', ['marked-down']],
  ['defaults\n  option idle-close-on-response\n  default-server on-marked-down shutdown-sessions\n', ['marked-down']],
  ['defaults\n  option idle-close-on-response\n  # server s 1:1 on-marked-down shutdown-sessions\n', []],
  ['global\n server-state-file /s\ndefaults\n option idle-close-on-response\n', []],
  ['global\n server-state-file /s\ndefaults\n option idle-close-on-response\n load-server-state-from-file global\n', ['state-file']],
  ['defaults\n option idle-close-on-response\n load-server-state-from-file none\nglobal\n server-state-file /s\n', []],
  ['defaults\n option idle-close-on-response\n http-reuse always\n default-server pool-purge-delay 30s\n', ['idle']],
  ['defaults\n option idle-close-on-response\n http-reuse safe\n', []],
])('traps in %j', (text, ids) => {
  expect(fileTraps(text).map(({ id }) => id)).toEqual(ids)
})

test('how long an idle connection may be used again is named', () => {
  expect(fileTraps('http-reuse always\nserver s 1:1 pool-purge-delay 30s')[0]?.message).toContain('every 30s')
})
