// What is kept of gates on this machine, under the state folder: the evidence of each measurement (so that a verdict can be
// worked out again), what passes had measured (so that later ones can compare), calibrations. Careful that none of it is
// needed: a folder that cannot be written costs the evidence, never the rollout.
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../domain/config.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Calibration, PastPass } from '../../domain/evidence.ts'
import type { GateRecord } from '../../domain/gate.ts'
import { stateDirectory } from '../home.ts'

type Env = Readonly<Record<string, string | undefined>>

const MOST_PASSES = 50
const MOST_CALIBRATIONS = 200

/** How a host differed from another while both ran the old release. */
export type KeptCalibration = {
  readonly at: string
  readonly host: string
  readonly against: string
  /** Of load, place and baseline: another load says nothing about this one. */
  readonly settingsHash: string
  readonly calibration: Calibration
}

export type KeptRecord = {
  /** `1-canary`: in the order they were judged. */
  readonly name: string
  readonly path: string
  readonly record: GateRecord
}

export type Kept = {
  /** @returns where it is; null where nothing can be kept */
  record(run: string, record: GateRecord): Promise<string | null>
  records(run: string): Promise<readonly KeptRecord[]>
  /** Runs that have records, the newest last. */
  runs(): Promise<readonly string[]>
  /** Newest first. */
  passes(gate: string): Promise<readonly PastPass[]>
  addPass(gate: string, pass: PastPass): Promise<void>
  /** Newest first. */
  calibrations(gate: string): Promise<readonly KeptCalibration[]>
  addCalibration(gate: string, kept: KeptCalibration): Promise<void>
}

const safe = (name: string): string => name.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 100)

/** Two environments are two services. */
export function openKept(env: Env, config: Pick<Config, 'app' | 'environment'>): Kept {
  const app = join(stateDirectory(env), safe(config.app))
  const service = config.environment === null ? 'gates' : `gates@${safe(config.environment)}`
  const evidence = join(app, 'evidence')
  const list = (kind: 'passes' | 'calibrations', gate: string): string => join(app, service, `${safe(gate)}.${kind}.json`)
  return {
    async record(run, record) {
      try {
        const folder = join(evidence, safe(run))
        await mkdir(folder, { recursive: true, mode: 0o700 })
        const path = join(folder, `${(await readdir(folder)).length + 1}-${safe(record.gate)}.json`)
        await writeFile(path, `${JSON.stringify(record)}\n`, { mode: 0o600 })
        return path
      } catch {
        return null
      }
    },
    async records(run) {
      const folder = join(evidence, safe(run))
      const names = (await readdir(folder).catch(() => [])).filter((name) => /^\d+-.*\.json$/.test(name))
      names.sort((left, right) => Number.parseInt(left, 10) - Number.parseInt(right, 10))
      return Promise.all(
        names.map(async (name) => ({
          name: name.replace(/\.json$/, ''),
          path: join(folder, name),
          record: await readRecord(join(folder, name)),
        })),
      )
    },
    async runs() {
      const names = await readdir(evidence).catch(() => [])
      const at = async (name: string): Promise<number> => (await stat(join(evidence, name)).catch(() => null))?.mtimeMs ?? 0
      const found = await Promise.all(names.map(async (name) => ({ name, atMs: await at(name) })))
      return found.toSorted((a, b) => a.atMs - b.atMs || (a.name < b.name ? -1 : 1)).map(({ name }) => name)
    },
    passes: (gate) => readPasses(list('passes', gate)),
    addPass: (gate, pass) => addPass(list('passes', gate), pass),
    calibrations: (gate) => readList<KeptCalibration>(list('calibrations', gate)),
    addCalibration: (gate, kept) => addTo(list('calibrations', gate), kept, MOST_CALIBRATIONS),
  }
}

/** Newest first. */
export const readPasses = (path: string): Promise<readonly PastPass[]> => readList<PastPass>(path)

export const addPass = (path: string, pass: PastPass): Promise<void> => addTo(path, pass, MOST_PASSES)

/** @throws RollgateError E_LOAD_DATA when it is no record, E_STATE_VERSION when it is a newer one */
async function readRecord(path: string): Promise<GateRecord> {
  const value: unknown = await readFile(path, 'utf8')
    .then(JSON.parse)
    .catch(() => null)
  if (typeof value !== 'object' || value === null || !('version' in value) || !('evidence' in value) || !('report' in value))
    throw new RollgateError('E_LOAD_DATA', `${path} is not the record of a gate`)
  if (value.version !== 1) throw new RollgateError('E_STATE_VERSION', `${path} was written by a newer version`)
  // Written by `record`: its version says which shape it has.
  return value as GateRecord
}

/** A list that cannot be read is a list without entries: nothing rests on it but a comparison with the past. */
async function readList<T>(path: string): Promise<readonly T[]> {
  const value: unknown = await readFile(path, 'utf8')
    .then(JSON.parse)
    .catch(() => [])
  return Array.isArray(value) ? (value as T[]) : []
}

async function addTo<T>(path: string, entry: T, most: number): Promise<void> {
  try {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    const entries = [entry, ...(await readList<T>(path))].slice(0, most)
    await writeFile(`${path}.part`, JSON.stringify(entries), { mode: 0o600 })
    await rename(`${path}.part`, path)
  } catch {
    // Kept or not, what was decided stands.
  }
}
