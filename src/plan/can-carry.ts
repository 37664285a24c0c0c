// Whether the hosts that stay in rotation can carry what the balancers send now, by what each was found to take
// (`load --find-capacity --at HOST`). Pure, and only ever a warning: rates change from minute to minute, and a host that was
// never measured says nothing.
import type { KnownCapacity } from '../domain/capacity.ts'
import type { Facts } from '../domain/facts.ts'
import type { HostName } from '../domain/host.ts'
import type { Plan } from '../domain/plan.ts'

/** Hosts that are out at the same time, and the ready ones of their group that stay. */
export type Absence = { readonly out: readonly HostName[]; readonly stays: readonly HostName[] }

/** One for each group of hosts: the batch in which most is missing. */
export function planWarnings(plan: Plan, facts: Facts, known: readonly KnownCapacity[]): readonly string[] {
  const absences = plan.batches.flatMap((batch) =>
    Object.entries(plan.groups).flatMap(([name, group]): readonly Absence[] => {
      const out = batch.tracks.filter((track) => track.group === name && track.wasReady).map((track) => track.host)
      return out.length === 0 ? [] : [{ out, stays: group.ready.filter((host) => !out.includes(host)) }]
    }),
  )
  const worst = new Map<string, { readonly missing: number; readonly text: string }>()
  for (const absence of absences) {
    const found = shortfall(absence, facts, known)
    if (found === null) continue
    const key = [...absence.out, ...absence.stays].toSorted().join(' ')
    const before = worst.get(key)
    if (before === undefined || found.missing > before.missing) worst.set(key, found)
  }
  return [...worst.values()].map(({ text }) => text)
}

/** For whoever has no plan: as many hosts out as a rollout would take at once, the strongest ones. */
export function checkWarnings(
  groups: readonly (readonly HostName[])[],
  atOnce: number,
  facts: Facts,
  known: readonly KnownCapacity[],
): readonly string[] {
  return groups.flatMap((ready) => {
    const strongest = ready.toSorted((left, right) => (capacityOf(right, facts, known) ?? 0) - (capacityOf(left, facts, known) ?? 0))
    // All of them out is no rollout that min_ready allows.
    const count = Math.min(atOnce, ready.length - 1)
    if (count < 1) return []
    const found = shortfall({ out: strongest.slice(0, count), stays: strongest.slice(count) }, facts, known)
    return found === null ? [] : [found.text]
  })
}

function shortfall(
  absence: Absence,
  facts: Facts,
  known: readonly KnownCapacity[],
): { readonly missing: number; readonly text: string } | null {
  const { out, stays } = absence
  const capacities = stays.map((host) => capacityOf(host, facts, known))
  const rates = [...out, ...stays].map((host) => rateOf(host, facts))
  let carries = 0
  for (const capacity of capacities) {
    if (capacity === null) return null
    carries += capacity
  }
  let comes = 0
  for (const rate of rates) {
    if (rate === null) return null
    comes += rate
  }
  if (comes <= carries) return null
  const who =
    stays.length === 0
      ? 'nobody is left'
      : `${list(stays)} ${stays.length === 1 ? 'carries' : 'carry'} about ${Math.round(carries)} requests/s`
  return {
    missing: comes - carries,
    text: `while ${list(out)} ${out.length === 1 ? 'is' : 'are'} out, ${who}, and ${Math.round(comes)}/s come in now`,
  }
}

/** With what it runs now; else what was measured last of it; else of any host with the same release. */
function capacityOf(host: HostName, facts: Facts, known: readonly KnownCapacity[]): number | null {
  const seen = facts.hosts.find((candidate) => candidate.host === host)
  const current = seen?.reachable === true ? seen.current : null
  const own = known.filter((capacity) => capacity.host === host)
  const found = own.find(({ release }) => release === current) ?? own[0] ?? known.find(({ release }) => release === current)
  return found?.ratePerSecond ?? null
}

/** Over all of its balancers; null where one of them does not say. */
function rateOf(host: HostName, facts: Facts): number | null {
  const servers = facts.rotation[host] ?? []
  let sum = 0
  for (const { ratePerSecond } of servers) {
    if (ratePerSecond === undefined || ratePerSecond === null) return null
    sum += ratePerSecond
  }
  return servers.length === 0 ? null : sum
}

function list(hosts: readonly HostName[]): string {
  if (hosts.length > 4) return `${hosts.slice(0, 3).join(', ')} and ${hosts.length - 3} more`
  return hosts.length < 2 ? hosts.join('') : `${hosts.slice(0, -1).join(', ')} and ${hosts.at(-1)}`
}
