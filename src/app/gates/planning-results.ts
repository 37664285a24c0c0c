// What the files of other tools say that gates are to import, as far as they are there when a rollout is planned: a summary
// without a p99 cannot answer a clause about it, whatever else the tool can write. Careful that nothing rests on a file that is
// still to come, is being written, or would take long to read: then it is judged by its tool alone.
import { stat } from 'node:fs/promises'
import type { Config } from '../../domain/config.ts'
import type { ImportCapabilities, ImportLevel } from '../../domain/evidence.ts'
import { readGateImport } from '../../load/imports/read.ts'

/** By gate. */
export type Results = ReadonlyMap<string, { readonly level: ImportLevel; readonly capabilities: ImportCapabilities }>

/** A second's reading, about. */
const MOST_BYTES = 64 * 1024 ** 2

/** @throws RollgateError E_CANCELLED */
export async function resultsThere(config: Pick<Config, 'gates'>, names: readonly string[], signal: AbortSignal): Promise<Results> {
  const found = await Promise.all(
    names.map(async (name) => {
      const gate = config.gates[name]
      if (gate === undefined || gate.source.kind !== 'import') return []
      const file = await stat(gate.source.path).catch(() => null)
      if (file === null || !file.isFile() || file.size > MOST_BYTES) return []
      const evidence = await readGateImport(gate.source, { clauses: gate.pass, confidence: gate.confidence, signal })
      const holdsRequests = evidence.slices.length > 0 || (evidence.totals?.requests ?? 0) > 0
      return holdsRequests ? [[name, { level: evidence.level, capabilities: evidence.capabilities }] as const] : []
    }),
  )
  return new Map(found.flat())
}
