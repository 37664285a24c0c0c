// The most that any result file of a tool can say: known before there is a file, so that a clause which none of them can
// answer is refused when the gate is planned. What the file at hand says may be less.
import type { ImportCapabilities, ImportLevel } from '../../domain/evidence.ts'
import { EVERY_REQUEST, IMPORT_TOOLS, type ImportTool } from './reading.ts'

type Best = { readonly level: ImportLevel; readonly capabilities: ImportCapabilities }

const BEST: Readonly<Record<ImportTool, Best>> = {
  k6: { level: 'A', capabilities: { ...EVERY_REQUEST, hasArms: true, knowsOffered: true, isClosedModel: false } },
  jmeter: { level: 'A', capabilities: { ...EVERY_REQUEST, hasArms: true, isClosedModel: false } },
  vegeta: { level: 'A', capabilities: { ...EVERY_REQUEST, hasArms: true, isClosedModel: false, hidesRetries: true } },
  oha: { level: 'A', capabilities: EVERY_REQUEST },
  hey: { level: 'A', capabilities: { ...EVERY_REQUEST, canCountErrors: false } },
  locust: { level: 'B', capabilities: EVERY_REQUEST },
  fortio: { level: 'B', capabilities: { ...EVERY_REQUEST, hasSeconds: false, hidesRetries: true } },
  artillery: { level: 'C', capabilities: { ...EVERY_REQUEST, quantiles: [0.5, 0.75, 0.9, 0.95, 0.99, 0.999], isClosedModel: false } },
  gatling: { level: 'C', capabilities: { ...EVERY_REQUEST, quantiles: [0.5, 0.75, 0.95, 0.99], hidesRetries: true } },
  // Which quantiles are printed is the user's choice, or many.
  wrk: { level: 'C', capabilities: EVERY_REQUEST },
  autocannon: { level: 'C', capabilities: EVERY_REQUEST },
}

/** null: nobody knows this tool */
export function bestOf(format: string): Best | null {
  const tool = IMPORT_TOOLS.find((one) => one === format)
  return tool === undefined ? null : BEST[tool]
}
