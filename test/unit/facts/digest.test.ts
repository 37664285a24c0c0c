// Two looks at a fleet that did not change give the same digest; whatever could make another plan gives another one.
import { expect, test } from 'vitest'
import type { Facts, ReachableHost } from '../../../src/domain/facts.ts'
import { factsDigest } from '../../../src/facts/digest.ts'
import { theFacts } from '../../helpers/builders.ts'

const base = theFacts({ 'web-1': { current: 'r1-aaaaaaaa' }, 'web-2': { current: 'r1-aaaaaaaa' } })
const withHost = (change: Partial<ReachableHost>): Facts => ({
  ...base,
  hosts: base.hosts.map((host, index) => (index === 0 && host.reachable ? { ...host, ...change } : host)),
})
const first = base.hosts[0]
if (first?.reachable !== true) throw new Error('a reachable host')

test.each<[string, Facts]>([
  ['time', withHost({ uptimeMs: 99, clockSkewMs: 5_000 })],
  ['free space', withHost({ disk: { freeBytes: 1, freeInodes: 1, tempFreeBytes: 1 } })],
  ['the order in which hosts answered', { ...base, hosts: base.hosts.toReversed() }],
  ['a process number', withHost({ services: first.services.map((service) => ({ ...service, pid: 8, generation: '8' })) })],
  ['words of a health answer', withHost({ health: first.health === null ? null : { ...first.health, detail: 'HTTP 200 in 9 ms' } })],
])('%s changes nothing', (_name, facts) => expect(factsDigest(facts)).toBe(factsDigest(base)))

test.each<[string, Facts]>([
  ['another current release', withHost({ current: 'r2-bbbbbbbb' })],
  ['a service that stopped', withHost({ services: first.services.map((service) => ({ ...service, state: 'failed' })) })],
  ['a health check that fails', withHost({ health: { healthy: false, release: null, detail: '' } })],
  ['an unfinished rollout', withHost({ ledger: [{ version: 1, rollout: 'x', epoch: 1, step: '-', state: 'open', detail: '-', at: 1 }] })],
  ['a host that is gone', { ...base, hosts: base.hosts.slice(1) }],
  [
    'a drained server',
    { ...base, rotation: { ...base.rotation, 'web-1': (base.rotation['web-1'] ?? []).map((server) => ({ ...server, admin: 'drain' })) } },
  ],
])('%s makes another digest', (_name, facts) => expect(factsDigest(facts)).not.toBe(factsDigest(base)))
