// What load tests with thresholds had measured when they passed, so that later ones can be compared with them (`p95 <= last 5
// passes + 10%`), as gates keep theirs. Careful to compare like with like: another address, another rate or other requests have a
// past of their own.
import { join } from 'node:path'
import type { PastPass } from '../domain/evidence.ts'
import type { LoadSettings } from '../domain/load.ts'
import { hashOf } from '../gate/hash.ts'
import { addPass, readPasses } from './gates/kept.ts'
import { loadsFolder } from './load-record.ts'

export type LoadPasses = {
  /** Newest first. */
  read(): Promise<readonly PastPass[]>
  add(pass: PastPass): Promise<void>
}

/** @param site the host of `--at`, else the address */
export function loadPasses(env: Readonly<Record<string, string | undefined>>, settings: LoadSettings, site: string): LoadPasses {
  const { name, model, scenarios } = settings
  const path = join(loadsFolder(env), 'passes', `${hashOf({ name, site, model, scenarios }).slice(0, 32)}.json`)
  return { read: () => readPasses(path), add: (pass) => addPass(path, pass) }
}
