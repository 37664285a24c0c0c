// What is kept of a rollout beside its journal, so that its report can be made again later: the document that was
// printed. The journal has the plan and every step; a rollout that was killed has nothing else, and is told from it alone.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RolloutDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { DurableEvent, Stamped } from '../domain/event.ts'
import type { Plan } from '../domain/plan.ts'
import type { ReportData } from '../domain/report.ts'
import { listJournals, readJournal } from '../journal/file.ts'
import { replay } from '../journal/replay.ts'
import { type RolloutGate, reportOfRollout } from '../render/report/from-rollout.ts'
import { intentWords } from '../render/tell.ts'
import type { AppContext } from './context.ts'
import { rolloutDocument } from './documents.ts'
import { openKept } from './gates/kept.ts'
import { stateDirectory } from './home.ts'

type Env = Readonly<Record<string, string | undefined>>

export type KeptRollout = {
  readonly id: string
  /** Of the app, under the state folder. */
  readonly app: string
  readonly folder: string
  readonly atMs: number
}

/** Rollouts of every app that were journalled on this machine, the newest first. */
export async function keptRollouts(env: Env): Promise<readonly KeptRollout[]> {
  const base = stateDirectory(env)
  const apps = await readdir(base).catch(() => [])
  const found = await Promise.all(
    apps.map(async (app): Promise<readonly KeptRollout[]> => {
      const folder = join(base, app, 'rollouts')
      const ids = await listJournals(folder)
      return Promise.all(
        ids.map(async (id) => ({ id, app, folder, atMs: (await stat(join(folder, `${id}.jsonl`)).catch(() => null))?.mtimeMs ?? 0 })),
      )
    }),
  )
  return found.flat().toSorted((a, b) => b.atMs - a.atMs)
}

export async function findRollout(env: Env, id: string): Promise<KeptRollout | null> {
  return (await keptRollouts(env)).find((rollout) => rollout.id === id) ?? null
}

/** What goes wrong with it is no failure of the rollout: the journal is there. */
export async function keepRollout({ folder, id }: KeptRollout, document: RolloutDocument): Promise<void> {
  try {
    await writeFile(join(folder, `${id}.json`), `${JSON.stringify({ version: 1, document })}\n`, { mode: 0o600 })
  } catch {
    // Told from the journal then.
  }
}

/** @throws RollgateError E_STATE_VERSION, E_BUG for a journal that is damaged in the middle */
export async function readRollout(
  kept: KeptRollout,
  { env, version }: Pick<AppContext, 'env' | 'version'>,
): Promise<{ readonly data: ReportData; readonly document: RolloutDocument }> {
  const { folder, id } = kept
  const events = await readJournal(folder, id)
  const document = (await readKept(join(folder, `${id}.json`))) ?? documentOf(events)
  return { data: rolloutReport(document, events, await gatesOf(kept, events, env), version), document }
}

/** The gates of a rollout as far as their evidence is on this machine, in the order in which they were judged. */
export async function gatesOf(
  { app, id }: KeptRollout,
  events: readonly Stamped<DurableEvent>[],
  env: Env,
): Promise<readonly RolloutGate[]> {
  const records = await openKept(env, { app, environment: null })
    .records(id)
    .catch(() => [])
  const judged = events.filter((event) => event.type === 'gate.judged')
  // Of a rollout that went on elsewhere the first ones may be missing on either side: the last ones belong together.
  const left = new Map<string, string[]>()
  for (const { gate, batch } of judged) left.set(gate, [...(left.get(gate) ?? []), batch])
  return records
    .toReversed()
    .map(({ record }) => ({ record, batch: left.get(record.gate)?.pop() ?? '?', startedAt: record.startedAt ?? null }))
    .toReversed()
}

/**
 * @param events of the journal; none: nothing was begun
 * @param gates as they were kept
 */
export function rolloutReport(
  document: RolloutDocument,
  events: readonly Stamped<DurableEvent>[],
  gates: readonly RolloutGate[],
  rollgate: string,
): ReportData {
  const opened = events.find((event) => event.type === 'rollout.opened')
  return reportOfRollout(document, {
    title: opened === undefined ? document.command : intentWords(opened.plan),
    name: opened === undefined ? document.command : nameOf(opened.plan),
    at: opened?.at ?? new Date().toISOString(),
    by: opened?.by ?? null,
    rollgate,
    events,
    gates,
  })
}

const nameOf = ({ intent, app, environment }: Plan): string => `${intent} ${app}${environment === null ? '' : ` (${environment})`}`

async function readKept(path: string): Promise<RolloutDocument | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || !('document' in value)) return null
  if (value.version !== 1) throw new RollgateError('E_STATE_VERSION', `${path} was written by a newer version`)
  // Written by `keepRollout`, version checked.
  return value.document as RolloutDocument
}

/** Of a rollout whose end is not known here: killed, or taken up from another machine. */
function documentOf(events: readonly Stamped<DurableEvent>[]): RolloutDocument {
  const progress = replay(events)
  const [first] = events
  const last = events.at(-1)
  if (progress === null || first === undefined || last === undefined)
    throw new RollgateError('E_NO_RELEASE', 'its journal does not begin with a rollout', { exitCode: 3 })
  const { plan, outcome } = progress
  const document = rolloutDocument({
    command: plan.intent,
    outcome: outcome ?? { kind: 'cancelled', signal: 'SIGTERM' },
    rollout: first.rollout,
    plan,
    run: { ...progress, stuck: new Map(), minReadySeen: null },
    probe: null,
    events,
    durationMs: Date.parse(last.at) - Date.parse(first.at),
    refusals: [],
  })
  if (outcome !== null) return document
  const message = 'it has no end in the journal of this machine: it was killed, or somebody went on with it elsewhere'
  return { ...document, error: { code: 'E_CANCELLED', message, hints: [] } }
}
