// releases: what is installed where. history: past rollouts as the hosts remember them. Both only read.
import type { HistoryDocument, ReleasesDocument } from '../domain/document.ts'
import type { Host } from '../domain/host.ts'
import { cleanText } from '../util/text.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { look, type Selection } from './rollout.ts'
import type { Session } from './session.ts'
import { createTelling } from './telling.ts'

export async function releases(options: Selection, context: AppContext): Promise<ReleasesDocument> {
  const { emit } = createTelling('releases', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const facts = await look(context, session, emit)
    const hosts = session.chosen.flatMap((host): ReleasesDocument['hosts'] => {
      const seen = facts.hosts.find((candidate) => candidate.host === host.name)
      if (seen === undefined) return []
      if (!seen.reachable)
        return [{ name: host.name, current: null, releases: [], error: { code: seen.error.code, message: seen.error.message } }]
      const ours = seen.releases
        .toSorted((a, b) => b.counter - a.counter)
        .map((release) => ({
          id: release.id,
          hash: release.hash,
          installedAt: new Date(release.installedAt * 1000).toISOString(),
          outcome: release.outcome,
          bytes: release.bytes,
          ...(release.revision === null
            ? {}
            : { commit: `${release.revision.commit.slice(0, 12)}${release.revision.dirty ? '+dirty' : ''}` }),
          by: release.by,
        }))
      const adopted = seen.foreignReleases.map((id) => ({ id, hash: '', installedAt: '', outcome: 'adopted', bytes: 0 }))
      return [{ name: host.name, current: seen.current, releases: [...ours, ...adopted] }]
    })
    const answered = hosts.some((host) => host.error === undefined)
    return {
      version: 1,
      command: 'releases',
      exitCode: answered ? 0 : 4,
      outcome: answered ? 'ok' : 'failed',
      ...(answered
        ? {}
        : { error: { code: 'E_UNREACHABLE', message: 'no host answered', hints: ['rollgate check   (why, host by host)'] } }),
      hosts,
    }
  } finally {
    await session.close()
  }
}

/** What a host remembers of a rollout; `irreversible`: names of its hooks that cannot be taken back. */
export type Remembered = HistoryDocument['rollouts'][number] & { readonly irreversible: readonly string[] }

/** By rollout id; the first host that knows one tells it. */
export async function readHistory(
  session: Session,
  hosts: readonly Host[],
  signal: AbortSignal,
): Promise<{ readonly found: ReadonlyMap<string, Remembered>; readonly answered: number }> {
  const connections = await session.connectAll(hosts, signal)
  const found = new Map<string, Remembered>()
  let answered = 0
  await Promise.all(
    [...connections.values()].map(async (connection) => {
      if (connection instanceof Error) return
      const result = await connection.run({ argv: ['tail', '-n', '200', '--', session.layout.history], timeoutMs: 15_000 }, { signal })
      answered += 1
      for (const line of result.stdout.split('\n')) {
        const entry = parseHistoryLine(line)
        if (entry !== null && !found.has(entry.rollout)) found.set(entry.rollout, entry)
      }
    }),
  )
  return { found, answered }
}

/** Merged over all hosts by rollout id, newest first. */
export async function history(options: Selection & { readonly limit?: number }, context: AppContext): Promise<HistoryDocument> {
  const { emit } = createTelling('history', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const { found, answered } = await readHistory(session, session.chosen, context.signal)
    const rollouts = [...found.values()]
      .map(({ irreversible: _irreversible, ...shown }) => shown)
      .toSorted((a, b) => b.at.localeCompare(a.at))
      .slice(0, options.limit ?? 20)
    return {
      version: 1,
      command: 'history',
      exitCode: answered > 0 ? 0 : 4,
      outcome: answered > 0 ? 'ok' : 'failed',
      ...(answered > 0
        ? {}
        : { error: { code: 'E_UNREACHABLE', message: 'no host answered', hints: ['rollgate check   (why, host by host)'] } }),
      rollouts,
    }
  } finally {
    await session.close()
  }
}

/** One line of a host's history file: JSON of ours, but from a host, so nothing in it is trusted to be there. */
export function parseHistoryLine(line: string): Remembered | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const entry = new Map<string, unknown>(Object.entries(value))
  const text = (key: string): string | null => {
    const found = entry.get(key)
    return typeof found === 'string' && found.length <= 200 && !/[\x00-\x1f\x7f]/.test(found) ? found : null
  }
  const rollout = text('rollout')
  const outcome = text('outcome')
  if (entry.get('version') !== 1 || rollout === null || outcome === null) return null
  const duration = entry.get('durationMs')
  const irreversible = entry.get('irreversible')
  return {
    rollout,
    at: text('at') ?? '',
    by: text('by') ?? '',
    intent: text('intent') ?? '',
    release: text('release'),
    outcome,
    durationMs: typeof duration === 'number' ? duration : 0,
    irreversible: Array.isArray(irreversible)
      ? irreversible.filter((name) => typeof name === 'string').map((name) => cleanText(name, 100))
      : [],
  }
}
