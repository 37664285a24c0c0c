// What the stages of a rollout showed so far, kept with the evidence of the rollout: whoever resumes it on this machine goes on
// with what was seen before. On another machine it begins again, as calibrations do.
import type { ClauseEffects, GateRecord } from '../../domain/gate.ts'
import { effectsOf, poolStages, stageWords } from '../../gate/stages.ts'
import type { Kept } from './kept.ts'

export type Stages = {
  /** @returns the record with what this stage showed, and with all stages of this gate together */
  add(record: GateRecord): Promise<GateRecord>
}

export function openStages(kept: Pick<Kept, 'records'>, run: string): Stages {
  const byGate = new Map<string, (readonly ClauseEffects[])[]>()
  let known: Promise<void> | null = null
  const remember = ({ gate, effects = [] }: GateRecord): void => {
    if (effects.length > 0) byGate.set(gate, [...(byGate.get(gate) ?? []), effects])
  }
  const earlier = async (): Promise<void> => {
    // A record that cannot be read costs certainty, never the gate.
    for (const { record } of await kept.records(run).catch(() => [])) remember(record)
  }
  return {
    async add(record) {
      known ??= earlier()
      await known
      const { evidence, report } = record
      const effects = evidence.kind === 'requests' ? effectsOf(report, evidence) : []
      if (effects.length === 0) return record
      const whole = { ...record, effects }
      remember(whole)
      const stages = poolStages(byGate.get(record.gate) ?? [])
      return { ...whole, stages, report: { ...report, warnings: [...report.warnings, ...stages.map(stageWords)] } }
    },
  }
}
