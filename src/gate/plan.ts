// From settings to the plan of one measurement: what the judge must know before the first request.
import type { GatePlan, GateSettings } from '../domain/gate.ts'
import type { LoadRange } from '../domain/load.ts'
import type { LearnedEffect } from './calibration.ts'
import { hashOf } from './hash.ts'

/** Between 500 and 1,000 draws are asked for; a thousand cost a few hundredths of a second. */
export const RESAMPLES = 1000

export function planGate(
  settings: GateSettings,
  run: {
    /** Of the load. */
    readonly duration: LoadRange
    readonly ratePerArm: number | null
    readonly arms: GatePlan['arms']
    /** Unlike for each measurement, and kept in the evidence. */
    readonly seed: string
    /** What calibrations have shown; null: nothing yet, or a number is configured. */
    readonly learned?: LearnedEffect | null
  },
): GatePlan {
  const baseline = settings.source.kind === 'load' ? settings.source.baseline : null
  const { learned = null } = run
  const mixed = baseline?.insist === true ? 'mixed-insisted' : 'mixed'
  return {
    version: 1,
    gate: settings.name,
    clauses: settings.pass,
    arms: run.arms,
    atLeastSeconds: Math.round(run.duration.atLeastMs / 1000),
    atMostSeconds: Math.max(1, Math.round(run.duration.atMostMs / 1000)),
    ratePerArm: run.ratePerArm,
    blockSeconds: null,
    confidence: learned === null ? settings.confidence : { ...settings.confidence, hostEffect: learned.tau },
    ...(learned === null ? {} : { hostEffectPairs: learned.pairs }),
    extend: settings.onInconclusive.extend,
    resamples: RESAMPLES,
    seed: run.seed,
    background: baseline?.kind === 'mixed' ? mixed : 'equal',
    settingsHash: hashOf(settings),
  }
}
