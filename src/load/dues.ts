// When the arrivals of a whole run are due: first the warm-up at the profile's first rate, for as long as it lasts, then
// the measured schedule from its own start. The end of the warm-up may move while it runs.
import { RollgateError } from '../domain/error.ts'
import type { LoadPlan } from './plan.ts'
import { pieces } from './profile.ts'
import type { Random } from './random.ts'
import { countOfArrivals, dueTimes, type Schedule } from './schedule.ts'

export type Dues = {
  /** From the start of the run, ascending; null: no more. */
  peek(): number | null
  take(): void
  /** Arrivals of the measured time. */
  readonly asked: number
}

/** @throws RollgateError E_BUG for another model than the paced one */
export function createDues(plan: LoadPlan, random: Random, warmupEndMs: () => number): Dues {
  const { model } = plan.settings
  if (model.kind !== 'paced') throw new RollgateError('E_BUG', 'the paced driver was given another model')
  const first = pieces(model.profile, Math.max(1, plan.durationMs)).next().value
  const warmup: Schedule = {
    profile: { kind: 'constant', ratePerSecond: (first?.from ?? 0) * 1000 },
    arrivals: model.arrivals,
    durationMs: Math.max(1, warmupEndMs()),
  }
  const measured: Schedule = {
    profile: model.profile,
    arrivals: model.arrivals,
    durationMs: plan.durationMs,
    ...(plan.segmentsMs === undefined ? {} : { segmentsMs: plan.segmentsMs }),
    ...(plan.segmentCounts === undefined ? {} : { counts: plan.segmentCounts }),
  }
  const warming = dueTimes(warmup, random.fork('warmup'))
  const measuring = dueTimes(measured, random.fork('measured'))
  let warm = warmupEndMs() > 0 ? warming.next().value : undefined
  let next = measuring.next().value
  const isWarm = () => warm !== undefined && warm < warmupEndMs()
  return {
    peek() {
      if (warm !== undefined && isWarm()) return warm
      return next === undefined ? null : warmupEndMs() + next
    },
    take() {
      if (isWarm()) warm = warming.next().value
      else {
        // An early end of the warm-up leaves the rest of its arrivals behind for good.
        warm = undefined
        next = measuring.next().value
      }
    },
    asked: countOfArrivals(measured),
  }
}
