// Evidence → verdict: pure, and the same for a gate that has just ended and for one that is explained a year later. Request
// evidence is fed to the same watch that judged it live. A gate that measured nothing can never pass, whatever it rests on.
import type { Evidence, RequestEvidence } from '../domain/evidence.ts'
import type { ColdPhase, GateReport, GateSettings } from '../domain/gate.ts'
import { judgeApproval, judgeCommand } from './answers.ts'
import type { Facts } from './evaluate.ts'
import { judgeImport } from './imports.ts'
import { judgePrometheus } from './prometheus.ts'
import { measuredSeconds, timelineOf, warmupSeconds } from './seconds.ts'
import { coldPhase } from './steady.ts'
import { createWatch } from './watch.ts'

/** @param gate its name and clauses; for request evidence the plan's own are used */
export function judge(gate: Pick<GateSettings, 'name' | 'pass'>, evidence: Evidence): GateReport {
  switch (evidence.kind) {
    case 'requests':
      return judgeRequests(evidence)
    case 'prometheus':
      return judgePrometheus(gate.name, gate.pass, evidence)
    case 'command':
      return judgeCommand(gate.name, evidence)
    case 'approval':
      return judgeApproval(gate.name, evidence)
    case 'import':
      return judgeImport(gate.name, evidence)
    default:
      return evidence satisfies never
  }
}

export function judgeRequests(evidence: RequestEvidence): GateReport {
  const cold = coldOf(evidence)
  return { ...watched(evidence), ...(cold === null ? {} : { cold }) }
}

function watched(evidence: RequestEvidence): GateReport {
  const { plan } = evidence
  const watch = createWatch(plan, evidence.calibration)
  const facts: Facts = evidence
  let extension = 0
  for (const second of warmupSeconds(evidence.slices, evidence.generator)) {
    const report = watch.addWarmup(second, facts)
    if (report !== null && mayStand(report, facts)) return report
  }
  for (const second of measuredSeconds(evidence.slices, evidence.generator)) {
    const report = watch.add(second, facts)
    if (report === null || !mayStand(report, facts)) continue
    // It could not say, and somebody gave it more time: then it went on.
    if (report.verdict !== 'inconclusive' || extension >= evidence.extensions || watch.nextLook() === null) return report
    extension += 1
  }
  return watch.end(facts)
}

/** A brake that was pulled in the very second of a look is not passed over: what it stopped never passes. */
const mayStand = (report: GateReport, { aborted }: Facts): boolean => aborted === null || report.verdict === 'fail'

function coldOf({ slices, plan, steady }: RequestEvidence): ColdPhase | null {
  const warmup = timelineOf(slices, plan.arms, 'warmup').length
  if (warmup === 0) return null
  const all = slices.map((slice) => ({ ...slice, warmup: false }))
  const canary = timelineOf(all, plan.arms).map((second) => second?.canary ?? { arrivals: 0, failures: 0 })
  return coldPhase(canary, warmup, steady?.afterSeconds ?? null)
}
