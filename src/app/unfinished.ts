// Rollouts that are not over: found in the ledgers of the hosts, whoever began them and wherever. They are the lock of the
// fleet, and each comes with the commands that end it.
import type { Facts } from '../domain/facts.ts'
import { LEASE_TTL_MS } from '../domain/lease.ts'
import type { LedgerEntry } from '../domain/ledger.ts'

export type UnfinishedRollout = {
  readonly rollout: string
  /** `paused` waits for an answer; `orphaned`: nobody works on it; `interrupted`: stopped between two hosts, keeps nobody out. */
  readonly kind: 'paused' | 'orphaned' | 'stuck' | 'interrupted'
  /** In words, for people. */
  readonly phase: string
  readonly hosts: readonly string[]
}

/** The rollout that keeps others out; null when there is none. */
export function unfinishedIn(facts: Facts): UnfinishedRollout | null {
  const found = newestRollout(facts, (entries) => openRollout(entries))
  return found
}

/** What `resume` and `abort` are about: the unfinished one, else one that was interrupted and nobody has begun another since. */
export function resumableIn(facts: Facts): UnfinishedRollout | null {
  return unfinishedIn(facts) ?? newestRollout(facts, interruptedRollout)
}

type Open = { readonly rollout: string; readonly kind: UnfinishedRollout['kind']; readonly last: LedgerEntry }

function newestRollout(facts: Facts, find: (ledger: readonly LedgerEntry[]) => Open | null): UnfinishedRollout | null {
  const found: { readonly host: string; readonly open: Open }[] = []
  for (const host of facts.hosts) {
    const open = host.reachable ? find(host.ledger) : null
    if (open !== null) found.push({ host: host.host, open })
  }
  // A host that was away when an older rollout was closed still calls that one open: the one that most hosts know is meant.
  const counts = new Map<string, number>()
  for (const { open } of found) counts.set(open.rollout, (counts.get(open.rollout) ?? 0) + 1)
  const rollout = [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0]
  if (rollout === undefined) return null
  const own = found.filter(({ open }) => open.rollout === rollout)
  const kind =
    (['stuck', 'paused', 'orphaned', 'interrupted'] as const).find((candidate) => own.some(({ open }) => open.kind === candidate)) ??
    'orphaned'
  const furthest = own.toSorted((a, b) => b.open.last.at - a.open.last.at)[0]
  const where =
    furthest === undefined || furthest.open.last.step === '-' ? 'just begun' : `${furthest.open.last.step} ${furthest.open.last.state}`
  return { rollout, kind, phase: `${kind}, ${where}`, hosts: own.map(({ host }) => host) }
}

function openRollout(ledger: readonly LedgerEntry[]): Open | null {
  let open: Open | null = null
  for (const entry of ledger) {
    if (entry.state === 'open') open = { rollout: entry.rollout, kind: 'orphaned', last: entry }
    else if (open !== null && entry.rollout === open.rollout) {
      if (entry.state === 'closed') open = null
      else open = { rollout: open.rollout, kind: kindAfter(entry, open.kind), last: entry.state === 'note' ? open.last : entry }
    }
  }
  return open
}

function kindAfter(entry: LedgerEntry, before: UnfinishedRollout['kind']): UnfinishedRollout['kind'] {
  if (entry.state === 'started' && entry.detail === 'paused') return 'paused'
  if (entry.state === 'note' && entry.detail === 'stuck') return 'stuck'
  return entry.state === 'note' ? before : 'orphaned'
}

function interruptedRollout(ledger: readonly LedgerEntry[]): Open | null {
  const last = ledger.findLast((entry) => entry.step === '-' && (entry.state === 'open' || entry.state === 'closed'))
  return last?.state === 'closed' && last.detail === 'cancelled' ? { rollout: last.rollout, kind: 'interrupted', last } : null
}

/** The commands that end it, the likeliest first. */
export function nextForUnfinished(found: UnfinishedRollout): readonly string[] {
  switch (found.kind) {
    case 'paused':
      return ['rollgate promote   (yes, go on)', 'rollgate resume   (asks again)', 'rollgate abort   (no, take it back)']
    case 'stuck':
      return [
        'rollgate status   (which host needs a person)',
        'rollgate resume   (tries the way back again, once the cause is gone)',
        'rollgate lock release   (leaves it as it is)',
      ]
    case 'orphaned':
    case 'interrupted':
      return ['rollgate resume   (goes on)', 'rollgate abort   (takes it back)']
    default:
      return found.kind satisfies never
  }
}

/** `ROLLGATE_LEASE_SECONDS` shortens a lease for tests of what happens when it runs out. */
export function leaseTtlMs(env: Readonly<Record<string, string | undefined>>): number {
  const seconds = Number(env.ROLLGATE_LEASE_SECONDS)
  return Number.isInteger(seconds) && seconds >= 4 && seconds <= 3600 ? seconds * 1000 : LEASE_TTL_MS
}
