// What a reader makes of another tool's result (load-and-gates.md, 6), and the words they share. Careful about what a file
// cannot say: a capability that is not known to be there is not there.
import type { ImportCapabilities, ImportLevel, ImportTotals } from '../../domain/evidence.ts'
import type { Slice } from '../../domain/slice.ts'

export const IMPORT_TOOLS = [
  'k6',
  'jmeter',
  'locust',
  'vegeta',
  'artillery',
  'oha',
  'fortio',
  'wrk',
  'hey',
  'gatling',
  'autocannon',
] as const
export type ImportTool = (typeof IMPORT_TOOLS)[number]

/** Which of a tool's files it is. */
export type ImportKind =
  | 'k6 json'
  | 'k6 csv'
  | 'k6 summary'
  | 'jmeter csv'
  | 'jmeter xml'
  | 'locust json'
  | 'locust stats'
  | 'locust history'
  | 'locust failures'
  | 'locust exceptions'
  | 'locust log'
  | 'vegeta report'
  | 'vegeta json'
  | 'vegeta csv'
  | 'artillery json'
  | 'oha json'
  | 'oha csv'
  | 'oha sqlite'
  | 'fortio json'
  | 'wrk text'
  | 'hey csv'
  | 'gatling stats'
  | 'autocannon json'

export type Reading = {
  readonly level: ImportLevel
  readonly slices: readonly Slice[]
  readonly totals: ImportTotals | null
  readonly capabilities: ImportCapabilities
  readonly distrust: readonly string[]
  readonly warnings: readonly string[]
  readonly requests: number
  readonly failures: number
  /** From the first arrival to the last answer; null: the file does not say. */
  readonly measuredMs: number | null
  /** What the file says it was to be; null: nothing. */
  readonly plannedMs: number | null
  /** Why the file itself shows that the run came to its end; null: it does not. */
  readonly ranToItsEnd: string | null
}

/** The file is not what it seemed: nothing in it is used. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

export const EVERY_REQUEST: ImportCapabilities = {
  quantiles: null,
  canCountErrors: true,
  canMeasureLatency: true,
  hasArms: false,
  knowsOffered: false,
  isClosedModel: true,
  hidesRetries: false,
}

/** Totals only: no more than what was printed. */
export function totalsCan(quantilesMs: Readonly<Record<string, number>>, more: Partial<ImportCapabilities> = {}): ImportCapabilities {
  return { ...EVERY_REQUEST, quantiles: Object.keys(quantilesMs).map(Number), ...more }
}

/** `95` → `0.95`, the key that clauses look for. */
export const quantileKey = (percent: number): string => String(Number((percent / 100).toPrecision(12)))

export function readingOf(given: Partial<Reading> & Pick<Reading, 'level' | 'capabilities'>): Reading {
  return {
    ...{
      slices: [],
      totals: null,
      distrust: [],
      warnings: [],
      requests: given.totals?.requests ?? 0,
      failures: given.totals?.failures ?? 0,
    },
    ...{ measuredMs: null, plannedMs: null, ranToItsEnd: null },
    ...given,
  }
}
