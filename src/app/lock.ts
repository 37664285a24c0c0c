// lock: who holds the fleet. lock release: takes it away, after the environment's name was typed: every epoch goes up, so
// that a holder who is alive after all is refused by each host, and unfinished rollouts are closed where they stand.
import type { LockDocument, StatusDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { Facts } from '../domain/facts.ts'
import type { HostName } from '../domain/host.ts'
import type { LeaseRecord } from '../domain/lease.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { look, takeLock } from './rollout.ts'
import type { Session } from './session.ts'
import { createTelling } from './telling.ts'
import { nextForUnfinished, unfinishedIn } from './unfinished.ts'

export async function lock(context: AppContext): Promise<LockDocument> {
  const { emit } = createTelling('lock', context.renderers, () => new Date())
  const session = await openSession(context, { emit })
  try {
    const facts = await look(context, session, emit)
    return await lockDocument('lock', session, facts, context.signal, false)
  } finally {
    await session.close()
  }
}

/** @param options.confirm the typed name, for where there is no terminal */
export async function lockRelease(options: { readonly confirm?: string }, context: AppContext): Promise<LockDocument> {
  const { emit } = createTelling('lock release', context.renderers, () => new Date())
  const session = await openSession(context, { emit })
  try {
    const facts = await look(context, session, emit)
    const before = await lockDocument('lock release', session, facts, context.signal, false)
    if (before.lock === null && before.unfinished === null) return before
    await confirmTyped(session, before, options.confirm, context)
    await takeLock(session, context, emit, { command: 'lock release', rollout: 'release', policy: { kind: 'refuse' }, force: true })
    const open = unfinishedIn(facts)
    if (open !== null)
      await Promise.all(open.hosts.map((host) => session.port(host).note(open.rollout, '-', 'closed', 'released', context.signal)))
    return { ...before, released: true }
  } finally {
    await session.close()
  }
}

async function confirmTyped(session: Session, before: LockDocument, confirm: string | undefined, context: AppContext): Promise<void> {
  const wanted = session.config.environment ?? session.config.app
  const what = before.lock === null ? `rollout ${before.unfinished?.rollout ?? ''}` : `the lock of ${before.lock.holder}`
  let typed = confirm
  if (typed === undefined) {
    if (context.ask === null) {
      throw new RollgateError(
        'E_ANSWER_NEEDED',
        `taking away ${what} wants the name ${wanted} typed, and there is no terminal to type it on`,
        {
          hints: [`--confirm ${wanted}`],
        },
      )
    }
    typed = await context.ask.text(`This takes away ${what}. Type ${wanted} to go on:`, { signal: context.control.asked })
  }
  if (typed.trim() !== wanted) throw new RollgateError('E_REFUSED', `that was not ${wanted}`, { now: 'nothing was changed' })
}

async function lockDocument(
  command: string,
  session: Session,
  facts: Facts,
  signal: AbortSignal,
  released: boolean,
): Promise<LockDocument> {
  const leases = await readLeases(session, facts, signal)
  const found = unfinishedIn(facts)
  return {
    version: 1,
    command,
    exitCode: facts.hosts.some((host) => host.reachable) ? 0 : 4,
    outcome: 'ok',
    lock: liveLock(leases),
    unfinished: found === null ? null : { rollout: found.rollout, phase: found.phase, next: nextForUnfinished(found) },
    hosts: leases.map(({ host, lease }) => ({
      name: host,
      epoch: lease?.epoch ?? 0,
      holder: lease?.holder ?? null,
      rollout: lease?.rollout ?? null,
      command: lease?.command ?? null,
      live: lease?.live === true,
      leftMs: lease?.leftMs ?? 0,
      heartbeatAgeMs: lease?.heartbeatAgeMs ?? null,
    })),
    released,
  }
}

export type HostLease = { readonly host: HostName; readonly lease: LeaseRecord | null }

/** The lease of every host that answers. */
export async function readLeases(session: Session, facts: Facts, signal: AbortSignal): Promise<readonly HostLease[]> {
  const reached = facts.hosts.filter((host) => host.reachable).map((host) => host.host)
  return Promise.all(
    reached.map(async (host) => ({
      host,
      lease: await session
        .lease(host)
        .read(signal)
        .catch(() => null),
    })),
  )
}

/** The live lease, as `status` and `lock` tell it; its times are ages, because no two clocks are compared. */
export function liveLock(leases: readonly HostLease[]): StatusDocument['lock'] {
  const held = leases.find(({ lease }) => lease?.live === true)?.lease
  if (held == null) return null
  return {
    holder: held.holder,
    rollout: held.rollout,
    since: new Date(Date.now() - (held.ageMs ?? 0)).toISOString(),
    heartbeatAgeMs: held.heartbeatAgeMs ?? 0,
  }
}
