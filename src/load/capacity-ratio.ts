// How much a new host can take against an old one: short bursts of the closed model on each in turn, so that whatever
// else happens meanwhile (a backup, a busy neighbour) hits both. Which of the two comes first changes from pair to pair. A
// burst that says more about this machine than about the target is told as distrust, never as a number.
import type { CapacityEvidence } from '../domain/evidence.ts'
import type { LoadSettings } from '../domain/load.ts'
import { startClosed } from './closed.ts'
import type { LoadPlan, LoadTarget } from './plan.ts'

export type CapacityRatioOptions = {
  /** What is asked; its own model does not matter. */
  readonly settings: LoadSettings
  readonly canary: LoadTarget
  readonly old: LoadTarget
  readonly runId: string
  readonly seed: string
  readonly env?: LoadPlan['env']
  readonly readSecret?: LoadPlan['readSecret']
  /** Pairs of bursts [8]: with fewer than three nothing can be said about chance. */
  readonly pairs?: number
  /** Counted time of one burst, whole seconds [2000]; a second before it is thrown away. */
  readonly burstMs?: number
  /** [those of a closed load, else 20] */
  readonly connections?: number
  readonly signal: AbortSignal
  readonly onPair?: (pair: CapacityEvidence['bursts'][number], done: number, of: number) => void
}

const PAIRS = 8
const BURST_MS = 2000
const CONNECTIONS = 20
/** The first answers are the compiler's, on both sides. */
const WARMUP_MS = 1000

/**
 * Cancelled: what was measured until then, and the reason in `distrust`.
 * @throws RollgateError E_LOAD for a target that the closed model cannot reach (a tunnel), E_LOAD_DATA, E_LOAD_ROOM, E_SECRET
 */
export async function measureCapacityRatio(options: CapacityRatioOptions): Promise<CapacityEvidence> {
  const { settings, pairs = PAIRS, burstMs = BURST_MS, signal } = options
  const { model } = settings
  const connections = options.connections ?? (model.kind === 'closed' ? model.connections : CONNECTIONS)
  let aborted: string | null = null
  const burst = async (arm: 'canary' | 'old', turn: number) => {
    // Both arms keep their connections: what new ones cost is another question.
    const { newConnectionEvery: _, ...kept } = settings
    const plan: LoadPlan = {
      settings: { ...kept, model: { kind: 'closed', connections } },
      targets: [options[arm]],
      runId: options.runId,
      seed: `${options.seed}/${turn}`,
      ...{ warmupMs: WARMUP_MS, durationMs: burstMs },
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.readSecret === undefined ? {} : { readSecret: options.readSecret }),
    }
    const { targets, validity, end, endDetail } = await startClosed(plan, { signal }).done
    if (end === 'unsafe') aborted = endDetail
    const rps = targets[0]?.rps ?? 0
    // A host that gives no good answer is an answer; what else spoils a burst is ours.
    return { rps, distrust: rps > 0 ? validity.reasons.map((reason) => `a burst on ${options[arm].name}: ${reason}`) : [] }
  }
  const bursts: CapacityEvidence['bursts'][number][] = []
  const distrust = new Set<string>()
  for (let turn = 0; turn < pairs && !signal.aborted; turn += 1) {
    const arms = turn % 2 === 0 ? (['canary', 'old'] as const) : (['old', 'canary'] as const)
    const seen = { canary: 0, old: 0 }
    for (const arm of arms) {
      const { rps, distrust: why } = await burst(arm, turn)
      seen[arm] = rps
      for (const reason of why) distrust.add(reason)
      // What has to be spared gets no further burst.
      if (aborted !== null) return { bursts, distrust: [...distrust], aborted }
    }
    // Half a pair says nothing.
    if (signal.aborted) break
    bursts.push(seen)
    options.onPair?.(seen, bursts.length, pairs)
  }
  if (signal.aborted) distrust.add(`interrupted after ${bursts.length} of ${pairs} pairs of bursts`)
  return { bursts, distrust: [...distrust] }
}
