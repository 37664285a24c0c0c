// A load test that another tool runs: what `loads.NAME.engine` becomes. The tool decides what is sent; we start it, wait for
// it, and judge what it wrote.
import type { LoadRange } from './load.ts'

export const ENGINES = ['k6', 'locust', 'jmeter', 'vegeta'] as const
export type EngineTool = (typeof ENGINES)[number]

export type EngineSettings = {
  readonly name: string
  readonly tool: EngineTool
  /** Its script, plan or list of targets: absolute. */
  readonly path: string
  /** The program: a path, or a name that the PATH has. */
  readonly command: string
  /** More words for it; never a secret, a list of processes shows them. */
  readonly args: readonly string[]
  /** Locust: so many processes beside the master; 0: one process alone. */
  readonly workers: number
  /** vegeta; and k6 where two releases are compared. */
  readonly ratePerSecond: number | null
  /** Handed to Locust and vegeta; scripts of the others know for themselves, and see it in their environment. */
  readonly duration: LoadRange
}
