// What the exit codes of load tools say, and what they do not. Careful about tools that exit 0 whatever happened: for them a
// zero is no evidence that the run came to its end.
import type { ImportTool } from './reading.ts'

type Exits = {
  /** A zero means that it ran to its end: an interrupt shows in the code. */
  readonly zeroIsWhole: boolean
  readonly says: Readonly<Record<number, string>>
}

const EXITS: Readonly<Record<ImportTool, Exits>> = {
  k6: {
    zeroIsWhole: true,
    says: {
      97: 'the end of the summary could not be written',
      99: 'one of its thresholds was crossed',
      104: 'its configuration is wrong',
      105: 'it was interrupted',
      107: 'its script failed',
      108: 'its script ended the test',
      110: 'its script marked the test as failed',
    },
  },
  jmeter: { zeroIsWhole: true, says: { 1: 'it could not run the plan', 130: 'it was interrupted' } },
  // 0 after SIGINT and SIGTERM, and with every worker dead.
  locust: { zeroIsWhole: false, says: { 2: 'it could not start' } },
  vegeta: { zeroIsWhole: false, says: {} },
  artillery: { zeroIsWhole: true, says: { 1: 'one of its `ensure` conditions does not hold', 130: 'it was interrupted' } },
  oha: { zeroIsWhole: false, says: {} },
  fortio: { zeroIsWhole: false, says: {} },
  wrk: { zeroIsWhole: false, says: { 1: 'it could not reach the target' } },
  hey: { zeroIsWhole: false, says: {} },
  gatling: { zeroIsWhole: true, says: { 1: 'one of its assertions does not hold', 2: 'one of its assertions does not hold' } },
  autocannon: { zeroIsWhole: true, says: { 1: 'it could not run' } },
}

export const zeroIsWhole = (tool: ImportTool): boolean => EXITS[tool].zeroIsWhole

/**
 * Why the exit code speaks against the result; null: it does not.
 * @param failures that the result itself holds: Locust exits 1 for each of them, which clauses judge better
 */
export function exitAgainst(tool: ImportTool, exitCode: number, failures: number): string | null {
  if (exitCode === 0 || (tool === 'locust' && exitCode === 1 && failures > 0)) return null
  const why =
    EXITS[tool].says[exitCode] ??
    (tool === 'locust' && exitCode === 1
      ? 'its script failed somewhere, and no request in the file did'
      : exitCode > 128
        ? `it was ended by signal ${exitCode - 128}`
        : null)
  return `${tool} ended with exit code ${exitCode}${why === null ? '' : `: ${why}`}`
}
