// Clauses that nobody can answer, however long is measured: the wrong source, nothing to compare with, a model that does
// not know. Found before the first request, by the planner, by a gate alone and by a load test, in the same words; only what
// to do about it is another thing for each of them.
import { type Clause, isRelative, showMetric } from '../domain/clause.ts'

/** Who asks: a gate of a rollout, a gate measured by hand, a threshold of a load test. */
export type Asking = 'gate' | 'alone' | 'load'

/** What a clause about requests may rest on. */
export type Answers = {
  readonly asking: Asking
  /** closed: connections instead of a rate. */
  readonly isClosed: boolean
  readonly hasBaseline: boolean
  /** So that the p99 of the old release is known before. */
  readonly hasCalibration: boolean
  /** A probe goes through the public entry while hosts restart. */
  readonly hasProbe: boolean
  /** Both hosts are out of rotation: whatever is sent hurts nobody. */
  readonly isPairAlone: boolean
}

export type Unanswerable = { readonly why: string; readonly fix: string }

/** Our histogram's bins are 1 % wide: what is smaller than two of them drowns in them. */
const SMALLEST_MARGIN = 0.02

/** null: it can be answered, given time enough. */
export function whyUnanswerable(clause: Clause, of: Answers): Unanswerable | null {
  const { metric, limit } = clause
  const told = (why: string, fix: Readonly<Record<Asking, string>>): Unanswerable => ({
    why: `${clause.text}: ${why}`,
    fix: fix[of.asking],
  })
  if (metric.kind === 'value' || metric.kind === 'burn')
    return told(`${metric.kind} is what a Prometheus query answers, not a load`, forGates('a gate with `prometheus` asks it'))
  if (metric.kind === 'restart.lost') return restartProblem(of, told)
  if (metric.kind === 'capacity') return capacityProblem(of, told)
  if (isRelative(clause) && !of.hasBaseline)
    return told('compares with the old release, and there is none', {
      ...forGates('the gate has no `against: { baseline: … }`'),
      load: '--against URL',
    })
  if (of.isClosed && isRelative(clause))
    return told('compares pairs of arrivals, which the closed model (connections) has not', rateInstead)
  if (of.isClosed && limit.against === 'offered') return told('the closed model (connections) offers nothing at a rate', rateInstead)
  if (metric.kind === 'slow' && metric.aboveMs === null && !of.hasCalibration)
    return told('what is slow is not known: it needs a calibration', {
      gate: 'say `above: 300ms`',
      alone: 'say `above: 300ms`',
      load: '--threshold "p99 < 300ms"   (fewer than 1 % slower than 300 ms)',
    })
  if (
    limit.against === 'baseline' &&
    metric.kind === 'quantile' &&
    limit.margins.every((margin) => margin.kind === 'percent' && margin.share < SMALLEST_MARGIN)
  )
    return told(
      `times are counted in steps of 1 %, so ${showMetric(metric)} cannot be compared to less than ${100 * SMALLEST_MARGIN} %`,
      forGates('allow more'),
    )
  return null
}

type Tell = (why: string, fix: Readonly<Record<Asking, string>>) => Unanswerable

const forGates = (fix: string): Readonly<Record<Asking, string>> => ({ gate: fix, alone: fix, load: fix })

const rateInstead = { ...forGates('give the load a rate'), load: '--rate 100/s instead of --connections' } as const

function restartProblem({ asking, hasProbe }: Answers, told: Tell): Unanswerable | null {
  if (asking === 'gate' && hasProbe) return null
  const why = asking === 'gate' ? 'no probe watches the restarts' : 'only a rollout restarts hosts'
  return told(why, {
    gate: 'set `rollout.probe`',
    alone: '`mode: warn` leaves it out of a gate by hand',
    load: 'ask it of a gate of a rollout',
  })
}

/** As much as a host takes may be asked only of hosts that serve nobody. */
function capacityProblem({ asking, hasBaseline, isPairAlone }: Answers, told: Tell): Unanswerable | null {
  if (asking === 'gate' && hasBaseline && isPairAlone) return null
  return told('bursts ask for all that a host can give, so both hosts must be out of rotation', {
    gate: 'use `against: { baseline: drained-peer }` and `when: isolated`',
    alone: 'only a rollout takes them out; `mode: warn` leaves it out of a gate by hand',
    load: '--find-capacity says what one target takes',
  })
}
