// One measurement by load, judged while it runs: warm-up until the new release is steady, then second by second until the
// gate is decided, longer where it could not say and its policy allows. What comes back holds everything that the verdict
// rests on, and the verdict is worked out from exactly that, so that nobody who looks later can get another one.
import { isRelative } from '../../domain/clause.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Calibration, CapacityEvidence, PastPass, RequestEvidence, RestartEvidence, Steadiness } from '../../domain/evidence.ts'
import type { GatePlan, GateReport } from '../../domain/gate.ts'
import type { GeneratorSample } from '../../domain/load.ts'
import type { ClauseProgress, MeasureProgress } from '../../domain/progress.ts'
import type { Slice } from '../../domain/slice.ts'
import { judgeRequests } from '../../gate/judge.ts'
import type { Look } from '../../gate/looks.ts'
import { logMargin } from '../../gate/relative.ts'
import { resultOf } from '../../gate/report.ts'
import { timelineOf } from '../../gate/seconds.ts'
import { findSteady, STEADY_BLOCKS } from '../../gate/steady.ts'
import { createWatch } from '../../gate/watch.ts'
import type { LoadHooks, LoadPlan, LoadProgress, LoadResult, LoadRun } from '../../load/plan.ts'
import { OF_THE_GATE } from '../../load/validity.ts'
import { createMeter } from '../meter.ts'

export type LoadMeasuring = {
  readonly gatePlan: GatePlan
  /** Times are set here. */
  readonly load: Omit<LoadPlan, 'warmupMs' | 'durationMs' | 'limits' | 'segmentsMs' | 'segmentCounts'>
  readonly calibration: Calibration | null
  readonly passes: readonly PastPass[]
  /** Of the probe, at the moment it is asked for. */
  readonly restart: () => RestartEvidence | null
  /** After the requests: bursts in turns on both arms. null: no clause wants them. */
  readonly capacity: (() => Promise<CapacityEvidence>) | null
  /** How often the end may be moved. */
  readonly extend: number
  readonly start: (plan: LoadPlan, hooks: LoadHooks) => Promise<LoadRun>
  readonly signal: AbortSignal
  readonly onProgress?: (progress: MeasureProgress) => void
  /** What a screen calls it before the push. */
  readonly isCalibration?: boolean
}

export type LoadMeasured = { readonly evidence: RequestEvidence; readonly report: GateReport; readonly result: LoadResult }

const BLOCK_MS = 5_000

/** @throws RollgateError E_CANCELLED; E_LOAD, E_LOAD_DATA, E_LOAD_ROOM, E_SECRET before anything is sent */
export async function measureByLoad(measuring: LoadMeasuring): Promise<LoadMeasured> {
  const { gatePlan, calibration, passes, extend } = measuring
  const { settings } = measuring.load
  const watch = createWatch(whileItRuns(gatePlan), calibration)
  const meter = createMeter({
    ...{
      targets: [...gatePlan.arms.canary, ...gatePlan.arms.old],
      clauses: gatePlan.clauses,
      slowAboveMs: slowAbove(gatePlan, calibration),
    },
    ...(gatePlan.arms.old.length === 0 ? {} : { arms: gatePlan.arms }),
  })
  let phase: LoadProgress['phase'] = 'warmup'
  const slices: Slice[] = []
  const samples: GeneratorSample[] = []
  let steady: Steadiness | null = null
  let extensions = 0
  let decided = false
  let measuredSeconds = 0

  const facts = () => ({ steady, distrust: [], aborted: null, restart: measuring.restart(), capacity: null, passes })
  const margin = smallestMargin(gatePlan)
  const canSettle = margin !== null && settings.warmup.atMostMs >= STEADY_BLOCKS * BLOCK_MS
  const pending: Slice[] = []
  let current: number | null = null

  const durationMs = 1000 * gatePlan.atMostSeconds * (1 + extend)
  const run = await measuring.start(
    {
      ...measuring.load,
      // Where no time is judged nothing has to settle.
      warmupMs: margin === null ? settings.warmup.atLeastMs : settings.warmup.atMostMs,
      durationMs,
      segmentsMs: segmentsOf(watch.looks, durationMs),
      limits: OF_THE_GATE,
    },
    {
      signal: measuring.signal,
      onSlice(slice) {
        slices.push(slice)
        if (slice.warmup !== true && phase === 'warmup') {
          phase = 'measuring'
          meter.begin()
        }
        meter.addSlice(slice)
        if (current !== null && slice.second > current) flush(slice)
        current ??= slice.second
        pending.push(slice)
      },
      onSample(sample) {
        samples.push(sample)
        meter.addSample(sample)
      },
      onProgress(progress) {
        if (progress.phase === 'warmup') settle(progress.second)
        measuring.onProgress?.(shown(progress))
      },
    },
  )
  const result = await run.done
  if (result.end === 'cancelled') throw new RollgateError('E_CANCELLED', 'interrupted while a gate was measured')
  if (canSettle) steady ??= findSteady(timelineOf(slices, gatePlan.arms, 'warmup'), margin ?? 0)
  const evidence: RequestEvidence = {
    kind: 'requests',
    plan: gatePlan,
    ...{ calibration, slices, generator: samples, steady, passes, extensions },
    distrust: [...result.validity.reasons, ...(result.tainted ? ['requests were lost in the closed model: its times are tainted'] : [])],
    aborted: result.end === 'unsafe' ? (result.endDetail ?? 'too many failures') : null,
    restart: measuring.restart(),
    capacity: null,
  }
  const first = judgeRequests(evidence)
  if (measuring.capacity === null || first.verdict === 'fail' || evidence.aborted !== null) return { evidence, report: first, result }
  const capacity = await measuring.capacity()
  const whole = { ...evidence, capacity, aborted: capacity.aborted ?? null }
  return { evidence: whole, report: judgeRequests(whole), result }

  /** All of `current` have ended: it is seen, and the seconds in which nothing was due. */
  function flush(next: Slice): void {
    const isWarmup = pending[0]?.warmup === true
    // Between the warm-up and the first measured second there is nothing to see.
    const before = isWarmup === (next.warmup === true) ? next.second : (current ?? 0) + 1
    for (let second = current ?? next.second; second < before; second += 1) {
      const own = { slices: second === current ? pending.splice(0) : [], generator: samples.filter((sample) => sample.second === second) }
      if (!isWarmup) measuredSeconds += 1
      if (decided) continue
      const report = isWarmup ? watch.addWarmup(own, facts()) : watch.add(own, facts())
      if (report === null) continue
      if (report.verdict === 'inconclusive' && extensions < extend && watch.nextLook() !== null) extensions += 1
      else {
        decided = true
        run.stop()
      }
    }
    current = next.second
  }

  function shown(progress: LoadProgress): MeasureProgress {
    const isWarmup = progress.phase === 'warmup'
    const look = watch.nextLook()
    const judged = watch.seen()?.judgements.map((judgement): ClauseProgress => resultOf(judgement, null, 'canary')) ?? null
    return {
      phase: measuring.isCalibration === true && progress.phase !== 'draining' ? 'calibration' : progress.phase,
      seconds: isWarmup ? progress.second : measuredSeconds,
      atMostSeconds: isWarmup ? Math.round(settings.warmup.atMostMs / 1000) : gatePlan.atMostSeconds * (1 + extensions),
      targets: meter.targets(Object.fromEntries(progress.targets.map((target) => [target.name, target.inFlight]))),
      clauses: isWarmup ? [] : (judged ?? meter.clauses()),
      look: look === null ? null : { at: look.index - 1, of: look.of, nextSeconds: look.second },
      trust: meter.trust(),
    }
  }

  function settle(second: number): void {
    if (steady !== null || !canSettle || second * 1000 < settings.warmup.atLeastMs || second % 5 !== 0) return
    const found = findSteady(timelineOf(slices, gatePlan.arms, 'warmup'), margin ?? 0)
    if (!found.isSteady) return
    steady = found
    run.endWarmup()
  }
}

/** Whichever look decides: until then exactly as many arrivals as the rate says. */
function segmentsOf(looks: readonly Look[], durationMs: number): readonly number[] {
  const ends = looks.map(({ second }) => 1000 * second).filter((end) => end > 0 && end < durationMs)
  return [...new Set([...ends, durationMs])].sort((left, right) => left - right)
}

/** Bursts come last: until then nothing of them can be judged. */
function whileItRuns(plan: GatePlan): GatePlan {
  const clauses = plan.clauses.filter(({ metric }) => metric.kind !== 'capacity')
  return clauses.length === 0 ? plan : { ...plan, clauses }
}

function slowAbove(plan: GatePlan, calibration: Calibration | null): number | null {
  const given = plan.clauses.flatMap(({ metric }) => (metric.kind === 'slow' && metric.aboveMs !== null ? [metric.aboveMs] : []))[0]
  return given ?? calibration?.slowAboveMs ?? null
}

/** In logs, of the clauses that compare times; a tenth where times only have a fixed limit; null where no time is judged. */
function smallestMargin(plan: GatePlan): number | null {
  const margins = plan.clauses.flatMap((clause) =>
    isRelative(clause) && clause.metric.kind === 'quantile' && clause.limit.against === 'baseline'
      ? [
          logMargin(
            clause.limit.margins.filter((margin) => margin.kind === 'percent'),
            1,
          ),
        ]
      : [],
  )
  const known = margins.filter((margin) => Number.isFinite(margin) && margin > 0)
  if (known.length > 0) return Math.min(...known)
  return plan.clauses.some(({ metric }) => metric.kind === 'quantile' || metric.kind === 'max') ? Math.log(1.1) : null
}
