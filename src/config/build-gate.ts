// Checked `gates` → GateSettings. Clauses with a mode were parsed by the rules at their line; here they are parsed again.
import type { Clause } from '../domain/clause.ts'
import { parseClause } from '../domain/clause-parse.ts'
import { DEFAULT_CONFIDENCE, DEFAULT_MARGINS, type GateSettings, type GateSource } from '../domain/gate.ts'
import type { MergedGate } from './schema-gate.ts'

export function gateSettings(
  name: string,
  gate: MergedGate,
  inconclusive: GateSettings['onInconclusive']['otherwise'],
  local: (path: string) => string,
  /** Loads that another tool sends are never calibrated. */
  isOwnLoad: (load: string) => boolean,
): GateSettings {
  const { confidence, on_inconclusive: more, on_invalid: invalid } = gate
  const source = sourceOf(gate, local)
  const compares = source.kind === 'load' && source.baseline !== null
  const isCalibrated = compares && isOwnLoad(source.load) && gate.calibrate !== 0
  return {
    name,
    source,
    pass: gate.pass.length === 0 && compares ? usualMargins(isCalibrated) : gate.pass.map(clauseOf),
    confidence: {
      falseAlarm: confidence.false_alarm,
      falsePass: confidence.false_pass,
      looks: confidence.looks,
      hostEffect: confidence.host_effect ?? DEFAULT_CONFIDENCE.hostEffect,
    },
    learnsHostEffect: confidence.host_effect === undefined,
    onInconclusive: { extend: more?.extend ?? 1, otherwise: more?.then ?? inconclusive },
    calibrateMs: gate.calibrate ?? null,
    onInvalid: { retry: invalid.retry, otherwise: invalid.then },
  }
}

/** What is slow only a calibration says. */
function usualMargins(isCalibrated: boolean): readonly Clause[] {
  return DEFAULT_MARGINS.map((text) => {
    const parsed = parseClause(text)
    if ('clause' in parsed) return parsed.clause
    throw new Error(`${text} ${parsed.problem}`)
  }).filter(({ metric }) => isCalibrated || metric.kind !== 'slow')
}

function clauseOf(given: MergedGate['pass'][number]): Clause {
  if ('text' in given) return given
  const parsed = parseClause(given.clause, { mode: given.mode, aboveMs: given.above ?? null })
  if ('clause' in parsed) return parsed.clause
  throw new Error(`a clause passed the rules and ${parsed.problem}`)
}

function sourceOf(gate: MergedGate, local: (path: string) => string): GateSource {
  const { load, prometheus, command, approval, import: imported } = gate
  if (prometheus !== undefined) {
    const { url, query, on_empty: onEmpty, stale: staleMs, burn } = prometheus
    return { kind: 'prometheus', url, query, onEmpty, burn: burn ?? null, staleMs }
  }
  if (typeof command === 'string') return { kind: 'command', run: command, timeoutMs: 600_000 }
  if (command !== undefined) return { kind: 'command', run: command.run, timeoutMs: command.timeout }
  if (imported !== undefined) {
    const { format, path, planned, exit_code: exitCode } = imported
    return {
      ...{ kind: 'import', format, path: local(path) },
      ...(planned === undefined ? {} : { plannedMs: planned }),
      ...(exitCode === undefined ? {} : { exitCodePath: local(exitCode) }),
    }
  }
  if (load === undefined) return { kind: 'approval', question: approval ?? '' }
  const { at = { kind: 'canary' }, against } = gate
  const usual = at.kind === 'canary' && (against === undefined || against.baseline === 'drained-peer') ? 'isolated' : 'serving'
  return {
    kind: 'load',
    load,
    at,
    when: gate.when ?? usual,
    baseline: against === undefined ? null : { kind: against.baseline, restart: against.restart, insist: against.insist },
  }
}
