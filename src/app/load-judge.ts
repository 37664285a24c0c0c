// One run of a load test under the judge of the gates: thresholds are clauses, and the whole run is one look.
import type { Clause } from '../domain/clause.ts'
import type { PastPass, RequestEvidence } from '../domain/evidence.ts'
import { DEFAULT_CONFIDENCE, type GateReport, type GateSettings } from '../domain/gate.ts'
import type { GeneratorSample } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'
import { judgeRequests } from '../gate/judge.ts'
import { pastPassOf } from '../gate/past-pass.ts'
import { planGate } from '../gate/plan.ts'
import type { LoadPlan, LoadResult } from '../load/plan.ts'

export type Measured = {
  readonly result: LoadResult
  readonly slices: readonly Slice[]
  readonly samples: readonly GeneratorSample[]
  readonly store: string | null
}

export type Judging = {
  readonly clauses: readonly Clause[]
  readonly plan: LoadPlan
  readonly measured: Pick<Measured, 'result' | 'slices' | 'samples'>
  readonly compares: boolean
  readonly rate: number | null
  /** Newest first. */
  readonly passes: readonly PastPass[]
}

export type JudgedRun = {
  readonly report: GateReport
  /** What later ones are compared with; null: it did not pass. */
  readonly pass: PastPass | null
}

/** null: there is no clause. */
export function judgeRun({ clauses, plan, measured, compares, rate, passes }: Judging): JudgedRun | null {
  if (clauses.length === 0) return null
  const { result, slices, samples } = measured
  const gate: GateSettings = {
    name: 'load',
    source: {
      kind: 'load',
      load: plan.settings.name,
      at: { kind: 'url', url: plan.targets[0].origin },
      when: 'serving',
      baseline: compares ? { kind: 'in-rotation', restart: false, insist: false } : null,
    },
    pass: clauses,
    // One look: the time was asked for, so all of it is used.
    confidence: { ...DEFAULT_CONFIDENCE, looks: 1, hostEffect: 'ignore' },
    onInconclusive: { extend: 0, otherwise: 'pause' },
    onInvalid: { retry: 0, otherwise: 'fail' },
  }
  const evidence: RequestEvidence = {
    kind: 'requests',
    plan: planGate(gate, {
      duration: plan.settings.duration,
      ratePerArm: rate,
      arms: compares ? { canary: ['canary'], old: ['baseline'] } : { canary: [plan.targets[0].name], old: [] },
      seed: plan.seed,
    }),
    calibration: null,
    // Nobody stops a load test alone for how its warm-up went, so nothing is judged by it afterwards.
    slices: slices.filter((slice) => slice.warmup !== true),
    ...{ generator: samples, steady: null },
    distrust: result.validity.reasons,
    aborted: result.end === 'unsafe' ? (result.endDetail ?? 'too many failures') : null,
    ...{ restart: null, capacity: null, passes, extensions: 0 },
  }
  const report = judgeRequests(evidence)
  return { report, pass: pastPassOf(report, evidence, result.startedAt) }
}
