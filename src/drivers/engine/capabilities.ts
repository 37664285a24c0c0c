// What the results of a tool that we start ourselves will be able to say: known before it runs, so that a clause which they
// cannot answer is refused before anything is sent.
import type { EngineSettings } from '../../domain/engine.ts'
import type { ImportCapabilities, ImportLevel } from '../../domain/evidence.ts'
import { EVERY_REQUEST } from '../../load/imports/reading.ts'

/** @param compares two releases get the load at once */
export function engineCan(
  { tool }: EngineSettings,
  compares: boolean,
): { readonly level: ImportLevel; readonly capabilities: ImportCapabilities } {
  const isPaced = tool === 'vegeta' || (tool === 'k6' && compares)
  return {
    level: tool === 'locust' ? 'B' : 'A',
    capabilities: {
      ...EVERY_REQUEST,
      hasArms: compares && canCompare(tool),
      knowsOffered: tool === 'k6' && compares,
      isClosedModel: !isPaced,
      hidesRetries: tool === 'k6' || tool === 'vegeta',
    },
  }
}

/** Both releases at once, each request labelled. */
export const canCompare = (tool: EngineSettings['tool']): boolean => tool === 'k6' || tool === 'vegeta'
