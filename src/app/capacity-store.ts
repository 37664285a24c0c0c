// What hosts were found to take, kept per app and environment in the state folder. Only for warnings: a file that is not
// there, or that nobody can read, is nothing known.
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KnownCapacity } from '../domain/capacity.ts'
import { stateDirectory } from './home.ts'

export type CapacityOf = { readonly app: string; readonly environment: string | null }

/** Newest first; of each host and release the last one counts, and of old releases not many are worth a thought. */
const MOST = 200

export async function keepCapacity(env: Env, of: CapacityOf, seen: KnownCapacity): Promise<void> {
  const path = pathOf(env, of)
  const before = (await readCapacities(env, of)).filter((known) => known.host !== seen.host || known.release !== seen.release)
  try {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    const beside = `${path}.${randomBytes(4).toString('hex')}`
    await writeFile(beside, `${JSON.stringify({ version: 1, capacities: [seen, ...before].slice(0, MOST) }, null, 2)}\n`, { mode: 0o600 })
    await rename(beside, path)
  } catch {
    // A measurement is worth telling also where nothing can be kept.
  }
}

export async function readCapacities(env: Env, of: CapacityOf): Promise<readonly KnownCapacity[]> {
  try {
    const read: unknown = JSON.parse(await readFile(pathOf(env, of), 'utf8'))
    if (typeof read !== 'object' || read === null || !('version' in read) || read.version !== 1 || !('capacities' in read)) return []
    return Array.isArray(read.capacities) ? read.capacities.filter(isCapacity) : []
  } catch {
    return []
  }
}

type Env = Readonly<Record<string, string | undefined>>

function pathOf(env: Env, { app, environment }: CapacityOf): string {
  const name = environment === null ? app : `${app}@${environment}`
  return join(stateDirectory(env), 'capacity', `${name.replace(/[^A-Za-z0-9._@-]/g, '_')}.json`)
}

function isCapacity(value: unknown): value is KnownCapacity {
  if (typeof value !== 'object' || value === null) return false
  const { host, release, ratePerSecond, at } = value as Partial<Record<keyof KnownCapacity, unknown>>
  return typeof host === 'string' && typeof release === 'string' && typeof ratePerSecond === 'number' && typeof at === 'string'
}
