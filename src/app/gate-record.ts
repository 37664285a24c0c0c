// Gates that were measured alone, as they are kept: what a rollout measured belongs to the rollout.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RollgateError } from '../domain/error.ts'
import type { ReportData } from '../domain/report.ts'
import { reportOfGate } from '../render/report/from-gate.ts'
import type { AppContext } from './context.ts'
import { openKept } from './gates/kept.ts'
import { stateDirectory } from './home.ts'

export type KeptGate = { readonly id: string; readonly app: string; readonly atMs: number }

/** @param rollouts runs that are no gate alone */
export async function keptGates(env: AppContext['env'], rollouts: ReadonlySet<string>): Promise<readonly KeptGate[]> {
  const base = stateDirectory(env)
  const apps = await readdir(base).catch(() => [])
  const found = await Promise.all(
    apps.map(async (app): Promise<readonly KeptGate[]> => {
      const runs = (await openKept(env, { app, environment: null }).runs()).filter((run) => !rollouts.has(run))
      return Promise.all(
        runs.map(async (id) => ({ id, app, atMs: (await stat(join(base, app, 'evidence', id)).catch(() => null))?.mtimeMs ?? 0 })),
      )
    }),
  )
  return found.flat()
}

/** @throws RollgateError E_LOAD_DATA, E_STATE_VERSION */
export async function readGate({ id, app, atMs }: KeptGate, { env, version }: Pick<AppContext, 'env' | 'version'>): Promise<ReportData> {
  const [kept] = await openKept(env, { app, environment: null }).records(id)
  if (kept === undefined) throw new RollgateError('E_LOAD_DATA', `nothing is kept of gate run ${id}`)
  const { record } = kept
  // Kept when it was over; where load was sent, that it says itself when it began.
  const at = record.startedAt ?? new Date(atMs).toISOString()
  return reportOfGate(record, {
    ...{ id, at, durationMs: Math.max(0, atMs - Date.parse(at)), rollgate: version },
    facts: [{ label: 'app', value: app }],
  })
}
