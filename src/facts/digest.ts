// A hash over exactly what a plan rests on. Two looks at a fleet that did not change give the same digest, whatever the
// time, the load and the free space are; anything that could make another plan gives another one.
import { createHash } from 'node:crypto'
import type { BalancerHealth, ServerState } from '../domain/balancer.ts'
import type { Facts, HostFacts } from '../domain/facts.ts'
import type { LedgerEntry } from '../domain/ledger.ts'

/** Hex SHA-256. */
export function factsDigest(facts: Facts): string {
  const rests = {
    hosts: sorted(facts.hosts.map(hostPart)),
    balancers: sorted(facts.balancers.map(({ id, error, servers }) => [id, error?.code ?? null, sorted(servers.map(serverPart))])),
    rotation: sorted(Object.entries(facts.rotation).map(([host, servers]) => [host, sorted(servers.map(serverPart))])),
    rotationErrors: sorted(Object.entries(facts.rotationErrors).map(([host, error]) => [host, error.code])),
  }
  return createHash('sha256').update(JSON.stringify(rests)).digest('hex')
}

function hostPart(facts: HostFacts): readonly unknown[] {
  if (!facts.reachable) return [facts.host, 'unreachable']
  return [
    facts.host,
    facts.root.kind,
    facts.current,
    sorted(facts.releases.map(({ id, hash, outcome }) => [id, hash, outcome])),
    sorted(facts.foreignReleases),
    sorted(facts.services.map(({ unit, state }) => [unit, state === 'active'])),
    facts.health === null ? null : [facts.health.healthy, facts.health.release],
    unfinishedRollouts(facts.ledger),
  ]
}

function serverPart(state: ServerState): readonly unknown[] {
  const { ref, admin, health, configuredWeight } = state
  return [ref.balancer, ref.backend, ref.server, admin, healthClass(health), configuredWeight]
}

/** A server between two checks is still what it was. */
function healthClass(health: BalancerHealth): string {
  if (health === 'up' || health === 'falling') return 'up'
  return health === 'down' || health === 'rising' ? 'down' : health
}

/** Opened and not closed, with the last step: a plan made between two steps of another rollout is another plan. */
function unfinishedRollouts(ledger: readonly LedgerEntry[]): readonly unknown[] {
  const open = new Map<string, readonly string[]>()
  for (const { rollout, state, step } of ledger) {
    if (state === 'closed') open.delete(rollout)
    else if (state === 'open' || (open.has(rollout) && state !== 'note')) open.set(rollout, [step, state])
  }
  return sorted([...open])
}

/** By their JSON: the order in which hosts answered means nothing. */
function sorted(items: readonly unknown[]): readonly unknown[] {
  return items.map((item) => JSON.stringify(item)).toSorted()
}
