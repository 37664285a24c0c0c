// Which hosts move when: hosts that do not serve come first (taking them costs nothing), then the inventory's order;
// groups of at most `atOnce`, of one zone where the config asks for it, never taking more ready hosts than a group can spare.
import type { HostName } from '../domain/host.ts'

export type Candidate = { readonly host: HostName; readonly group: string; readonly ready: boolean; readonly zone: string | undefined }

export type Capacity = { readonly ready: number; readonly min: number }

/** Not ready first; stable otherwise. With `spread: zone` hosts of one zone stay together, the zone with a waiting host first. */
export function orderHosts(candidates: readonly Candidate[], spread: 'none' | 'zone'): readonly Candidate[] {
  const ordered = [...candidates].sort((a, b) => Number(a.ready) - Number(b.ready))
  if (spread === 'none') return ordered
  const zones = [...new Set(ordered.map((candidate) => candidate.zone))]
  return zones.flatMap((zone) => ordered.filter((candidate) => candidate.zone === zone))
}

/**
 * Cuts ordered hosts into batches.
 *
 * @param capacity ready hosts and the minimum per group; changed as batches complete (their hosts are ready afterwards)
 * @returns batches, and the first host that could not be taken because its group has nothing to spare
 */
export function cutBatches(
  hosts: readonly Candidate[],
  limits: { readonly atOnce: number; readonly spread: 'none' | 'zone' },
  capacity: Map<string, Capacity>,
): { readonly batches: readonly (readonly Candidate[])[]; readonly blocked: Candidate | null } {
  const batches: Candidate[][] = []
  let rest = [...hosts]
  while (rest.length > 0) {
    const batch: Candidate[] = []
    const taken = new Map<string, number>()
    const zone = rest[0]?.zone
    for (const candidate of rest) {
      if (batch.length === limits.atOnce) break
      if (limits.spread === 'zone' && candidate.zone !== zone) continue
      const group = capacity.get(candidate.group) ?? { ready: 0, min: 0 }
      const inHand = taken.get(candidate.group) ?? 0
      if (candidate.ready && group.ready - inHand - 1 < group.min) continue
      batch.push(candidate)
      if (candidate.ready) taken.set(candidate.group, inHand + 1)
    }
    if (batch.length === 0) return { batches, blocked: rest[0] ?? null }
    for (const candidate of batch) {
      const group = capacity.get(candidate.group)
      if (group !== undefined && !candidate.ready) capacity.set(candidate.group, { ...group, ready: group.ready + 1 })
    }
    batches.push(batch)
    rest = rest.filter((candidate) => !batch.includes(candidate))
  }
  return { batches, blocked: null }
}
