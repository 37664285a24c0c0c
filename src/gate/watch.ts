// A gate while it measures: fed second by second, it says when it is decided. Every second the hard stops and the error
// process are asked, at the planned looks everything is. The same code judges stored evidence (judge.ts), so a live verdict
// and its explanation cannot disagree. Careful about a generator that is too slow: whatever a stop seems to prove then is
// INVALID and never FAIL. The warm-up is out of the statistics, but a service that fails in it is loaded all the same: the hard
// stop on errors watches it too.
import { isRelative } from '../domain/clause.ts'
import type { GateVerdict } from '../domain/event.ts'
import type { Calibration } from '../domain/evidence.ts'
import type { GatePlan, GateReport, StoppedBy } from '../domain/gate.ts'
import { answersOf, mayBeLateness, type Slice } from '../domain/slice.ts'
import { cutBlocks, secondOf } from './blocks.ts'
import { lnBlockQuantile } from './bootstrap.ts'
import { SHORTEST_BLOCK } from './calibration.ts'
import { decide, type State } from './decide.ts'
import { createErrorProcess } from './error-process.ts'
import { comparedErrors, type Evaluation, errorAlpha, evaluate, type Facts, type SeenSecond } from './evaluate.ts'
import { createHardStops, type HardStop } from './hard-stops.ts'
import { type Look, planLooks } from './looks.ts'
import { endingUncounted, reasonOf, reportOf, subjectOf } from './report.ts'
import type { RawSecond } from './seconds.ts'
import { lagP99 } from './validity.ts'

export type Watch = {
  /** The next second of the warm-up, before all measured ones. @returns null: go on */
  addWarmup(second: RawSecond, facts: Facts): GateReport | null
  /** The next measured second: its slices are final, warm-up excluded. @returns null: go on */
  add(second: RawSecond, facts: Facts): GateReport | null
  /** No more seconds will come. */
  end(facts: Facts): GateReport
  /** What the last look said, for a live view. */
  seen(): Evaluation | null
  /** When the next look is due; null: after the last of all. */
  nextLook(): Look | null
  /** All that are planned, extensions too. */
  readonly looks: readonly Look[]
}

export function createWatch(plan: GatePlan, calibration: Calibration | null): Watch {
  const compares = plan.clauses.some(isRelative) && plan.arms.old.length > 0
  const lookPlan = planLooks({
    ...{
      atLeastSeconds: plan.atLeastSeconds,
      atMostSeconds: plan.atMostSeconds,
      looks: plan.confidence.looks,
      extend: plan.extend,
      compares,
    },
    blockSeconds: plan.blockSeconds ?? calibration?.blockSeconds ?? SHORTEST_BLOCK,
  })
  const { blockSeconds } = lookPlan
  const looks = [...lookPlan.looks]
  const seconds: SeenSecond[] = []
  const warmup: SeenSecond[] = []
  const stops = createHardStops()
  const errors = comparedErrors(plan)
  const process = errors === null ? null : createErrorProcess({ alpha: errorAlpha(plan), margin: errors.margin })
  const warnings = startWarnings(plan, calibration, compares)
  let last: Evaluation | null = null

  return { addWarmup, add, end, seen: () => last, nextLook: () => looks[0] ?? null, looks: lookPlan.looks }

  function addWarmup(second: RawSecond, facts: Facts): GateReport | null {
    const seen = see(second)
    warmup.push(seen)
    const stop = errorStop(seen)
    return stop === null ? null : stopped(verdictOfStop(stop), `${stop.reason}, in the warm-up`, 'hard-stop', facts)
  }

  function add(second: RawSecond, facts: Facts): GateReport | null {
    const seen = see(second)
    seconds.push(seen)
    const stop = errorStop(seen) ?? blockStop()
    if (stop !== null) return stopped(verdictOfStop(stop), stop.reason, 'hard-stop', facts)
    if (process?.add(seen) === true) {
      const { canary, old } = process.seen()
      const share = (count: typeof canary): string => `${((100 * count.failures) / count.arrivals).toPrecision(2)} %`
      return stopped('fail', `canary errors ${share(canary)} against ${share(old)}: proven after ${seconds.length} s`, 'errors', facts)
    }
    const [look] = looks
    if (look === undefined || seconds.length < look.second) return null
    looks.shift()
    return judgeLook(look, look.isLast, facts)
  }

  function end(facts: Facts): GateReport {
    if (facts.aborted !== null) return braked(facts.aborted, facts)
    const [next] = looks
    // Ended early: the budget of the next look is spent on what there is.
    const look = next ?? {
      index: lookPlan.looks.length,
      of: lookPlan.looks.length,
      second: seconds.length,
      share: 0,
      extension: 0,
      isLast: true,
    }
    return (
      judgeLook({ ...look, second: seconds.length }, true, facts) ??
      stopped('inconclusive', 'it ended before anything was decided', 'end', facts)
    )
  }

  function judgeLook(look: Look, isLast: boolean, facts: Facts): GateReport | null {
    const evaluation = evaluate(plan, calibration, lookPlan, look, seconds, facts)
    last = evaluation
    const report = (verdict: GateVerdict, stoppedBy: StoppedBy, reason?: string): GateReport => {
      const said = reason ?? reasonOf(evaluation.judgements, verdict, { look, seconds: seconds.length }, subjectOf(plan))
      return reportOf(plan, { verdict, stoppedBy, reason: said }, evaluation, look, seconds, warnings)
    }
    const distrust = whyInvalid(evaluation, seconds)
    // What looks wrong early may be a hiccup of the generator: it is waited out, and nothing is decided meanwhile.
    if (distrust !== null) return isLast ? report('invalid', 'distrust', distrust) : null
    const counting = evaluation.judgements.filter((judgement) => judgement.counts)
    const states = counting.map(({ finding }) => finding.state)
    if (states.includes('invalid')) return isLast ? report('invalid', 'distrust') : null
    if (counting.length === 0) {
      if (!isLast) return null
      const { verdict, reason } = endingUncounted(evaluation.judgements, { look, seconds: seconds.length }, subjectOf(plan))
      return report(verdict, verdict === 'pass' ? 'look' : 'distrust', reason)
    }
    // `invalid` was ruled out two lines above; the type cannot know.
    switch (decide(states as readonly State[], isLast)) {
      case 'pass':
        return report('pass', 'look')
      case 'fail':
        return report('fail', 'look')
      case 'worse':
      case 'not-enough':
        return report('inconclusive', isLast && look.isLast ? 'look' : 'end')
      case 'go-on':
        return null
    }
  }

  function stopped(verdict: GateVerdict, reason: string, stoppedBy: StoppedBy, facts: Facts): GateReport {
    const { evaluation, basis } = evaluated(facts)
    const distrust = whyInvalid(evaluation, basis)
    const ending =
      distrust === null ? { verdict, reason, stoppedBy } : ({ verdict: 'invalid', reason: distrust, stoppedBy: 'distrust' } as const)
    return reportOf(plan, ending, evaluation, null, basis, warnings)
  }

  /** By `abort_if`: its failures are proof enough, however little was measured; unless a late generator may have made them. */
  function braked(aborted: string, facts: Facts): GateReport {
    const { evaluation, basis } = evaluated(facts)
    const reason = `the load was stopped to protect the service: ${aborted}`
    const ours = mayBeLateness(basis.flatMap(({ slices }) => slices))
      ? evaluation.validity.reasons.filter((one) => !facts.distrust.includes(one))
      : []
    const ending =
      ours.length === 0
        ? ({ verdict: 'fail', reason, stoppedBy: 'hard-stop' } as const)
        : ({ verdict: 'invalid', reason: `${reason}; but ${ours.join('; ')}`, stoppedBy: 'distrust' } as const)
    return reportOf(plan, ending, evaluation, null, basis, warnings)
  }

  /** Outside the looks; of the warm-up where nothing else is there. */
  function evaluated(facts: Facts): { readonly evaluation: Evaluation; readonly basis: readonly SeenSecond[] } {
    const basis = seconds.length > 0 ? seconds : warmup
    const evaluation = evaluate(plan, calibration, lookPlan, { index: 0, share: looks[0]?.share ?? 0 }, basis, facts)
    last = evaluation
    return { evaluation, basis }
  }

  function errorStop(seen: SeenSecond): HardStop | null {
    return stops.second({ canary: { ...seen.canary, answers: seen.answers.canary }, old: compares ? seen.old : null })
  }

  function see(second: RawSecond): SeenSecond {
    const of = (names: readonly string[]): readonly Slice[] => second.slices.filter((slice) => names.includes(slice.target))
    return {
      ...{ slices: second.slices, generator: second.generator, lagP99Ms: lagP99(second.slices) },
      canary: secondOf(of(plan.arms.canary), 'service'),
      old: secondOf(of(plan.arms.old), 'service'),
      answers: { canary: answers(of(plan.arms.canary)), old: answers(of(plan.arms.old)) },
    }
  }

  function blockStop() {
    if (!compares || seconds.length % blockSeconds !== 0) return null
    const block = cutBlocks(seconds.slice(-blockSeconds), blockSeconds)
    const ms = (ln: number): number | null => (Number.isNaN(ln) ? null : Math.exp(ln))
    return stops.block(ms(lnBlockQuantile(block.canary, 0, 0.5)), ms(lnBlockQuantile(block.old, 0, 0.5)))
  }

  /** Reasons that no clause can mend: distrust, nothing offered, nobody answered. */
  function whyInvalid(evaluation: Evaluation, basis: readonly SeenSecond[]): string | null {
    const total = (of: (second: SeenSecond) => number): number => basis.reduce((sum, second) => sum + of(second), 0)
    const [arrivals, old] = [total((second) => second.canary.arrivals), total((second) => second.old.arrivals)]
    if (plan.clauses.length === 0) return 'nothing was asked: the gate has no clause'
    if (arrivals === 0) return 'nothing was measured: not one request was offered to the new release'
    if (total((second) => second.answers.canary) === 0) return `the new release has not answered one of ${arrivals} requests`
    if (compares && old === 0) return 'nothing was measured on the old release'
    if (compares && total((second) => second.answers.old) === 0) return `the old release has not answered one of ${old} requests`
    return evaluation.validity.reasons.length === 0 ? null : evaluation.validity.reasons.join('; ')
  }
}

const verdictOfStop = ({ kind }: HardStop): GateVerdict => (kind === 'canary' ? 'fail' : 'invalid')

function startWarnings(plan: GatePlan, calibration: Calibration | null, compares: boolean): readonly string[] {
  const warnings: string[] = []
  const comparesTimes = plan.clauses.some((clause) => isRelative(clause) && clause.metric.kind === 'quantile')
  if (compares && comparesTimes && calibration === null) {
    warnings.push(
      plan.confidence.hostEffect === 'ignore'
        ? 'no calibration, and differences between hosts are ignored: about 7 of 100 equal releases fail when hosts differ by 3 %'
        : 'no calibration: how much the hosts differ is not known, so small differences cannot be decided',
    )
  }
  if (plan.background === 'mixed') warnings.push('the old release carries other traffic than the new one: comparisons of latency only warn')
  return warnings
}

function answers(slices: readonly Slice[]): number {
  return slices.reduce((sum, slice) => sum + answersOf(slice), 0)
}
