// What a host's facts mean for a plan: whose release is it, and who took the host out of rotation.
import type { ServerState } from '../domain/balancer.ts'
import type { ReachableHost } from '../domain/facts.ts'
import type { LedgerEntry, Unfinished } from '../domain/ledger.ts'
import type { InstalledRelease, ReleaseId } from '../domain/release.ts'

/** A release of ours answers with its id; one adopted from another tool cannot. */
export function isOurs(seen: ReachableHost, release: ReleaseId | null): boolean {
  return release !== null && seen.releases.some((installed) => installed.id === release)
}

/** The rollout that was opened last on a host and never closed. */
export function unfinishedOf(ledger: readonly LedgerEntry[]): Unfinished | null {
  let open: Unfinished | null = null
  for (const entry of ledger) {
    if (entry.state === 'open') open = { rollout: entry.rollout, release: entry.detail, lastStep: '-', lastState: 'open' }
    else if (entry.rollout === open?.rollout) {
      if (entry.state === 'closed') open = null
      else if (entry.state !== 'note') open = { rollout: open.rollout, release: open.release, lastStep: entry.step, lastState: entry.state }
    }
  }
  return open
}

/** Took our own unfinished rollout the host out (and not an operator, whose maintenance is left alone)? */
export function ownWithdrawals(seen: ReachableHost, servers: readonly ServerState[]): boolean {
  if (!servers.some((server) => server.admin === 'drain' || server.admin === 'maintenance')) return false
  const rollout = abandonedOf(seen.ledger)
  if (rollout === null) return false
  const drains = seen.ledger.filter((entry) => entry.rollout === rollout && /\/((undo\/)?drain|control)$/.test(entry.step))
  return drains.some((entry) => entry.state === 'started' && !entry.detail.includes('was-out'))
}

/** The last rollout here, if nobody brought it to its end: unfinished, or its lock was taken away, or it was cut short. */
function abandonedOf(ledger: readonly LedgerEntry[]): string | null {
  const last = ledger.findLast((entry) => entry.step === '-' && (entry.state === 'open' || entry.state === 'closed'))
  if (last === undefined) return null
  return last.state === 'open' || last.detail === 'released' || last.detail === 'cancelled' ? last.rollout : null
}

/** The release that a rollback without a name goes to: the newest that succeeded and is older than the newest that is current anywhere. */
export function rollbackTarget(hosts: readonly ReachableHost[]): ReleaseId | null {
  const known = new Map<ReleaseId, InstalledRelease>()
  for (const host of hosts)
    for (const release of host.releases) {
      const before = known.get(release.id)
      if (before === undefined || before.outcome !== 'succeeded') known.set(release.id, release)
    }
  const currents = hosts.flatMap((host) => (host.current === null ? [] : [host.current]))
  const newest = Math.max(...currents.map((id) => known.get(id)?.counter ?? 0), 0)
  const good = [...known.values()].filter((release) => release.outcome === 'succeeded' && release.counter < newest && release.counter > 0)
  const best = good.toSorted((a, b) => b.counter - a.counter)[0]
  if (best !== undefined) return best.id
  // Adopted from Capistrano: its folders sort by their names.
  const foreign = [...new Set(hosts.flatMap((host) => host.foreignReleases))].filter((name) => !currents.includes(name)).toSorted()
  return foreign.at(-1) ?? null
}
