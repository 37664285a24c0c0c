// The report of a rollout: its hosts, its steps on one time axis, and a part for each gate that was kept with it. Steps
// and gates are told in the rollout's durable events; a gate's own seconds are placed among them by its clock.
import type { RolloutDocument } from '../../domain/document.ts'
import type { DurableEvent, GateVerdict, Stamped } from '../../domain/event.ts'
import type { GateRecord } from '../../domain/gate.ts'
import type { ReportData, ReportFact, ReportMarker, ReportMeasurement, ReportRollout } from '../../domain/report.ts'
import { duration, stepWords } from '../words.ts'
import { measurementOf } from './from-gate.ts'

/** One gate of the rollout as it was kept; without a record only its verdict is known. */
export type RolloutGate = {
  readonly record: GateRecord
  readonly batch: string
  /** When the first second of its slices was, ISO 8601; null: not known, so no steps are put beside it. */
  readonly startedAt: string | null
}

export type RolloutAbout = {
  /** `deploy r42-9f3ab2c1 to shop (production)`. */
  readonly title: string
  /** `deploy shop (production)`. */
  readonly name: string
  readonly at: string
  readonly by: string | null
  readonly rollgate: string
  readonly events: readonly Stamped<DurableEvent>[]
  readonly gates: readonly RolloutGate[]
}

export function reportOfRollout(document: RolloutDocument, about: RolloutAbout): ReportData {
  const { outcome, rollout, release, probe, minReadySeen, next, durationMs } = document
  const began = Date.parse(about.at)
  const measurements = about.gates.map(({ record, batch, startedAt }) =>
    measurementOf(record, { where: batch, markers: startedAt === null ? [] : markersBeside(about.events, Date.parse(startedAt), record) }),
  )
  const kept = new Set(about.gates.map(({ record, batch }) => `${record.gate} ${batch}`))
  return {
    version: 1,
    kind: 'rollout',
    title: about.title,
    name: about.name,
    id: rollout ?? 'none',
    at: about.at,
    durationMs,
    verdict: verdictOf(outcome),
    sentence: sentenceOf(document),
    rollgate: about.rollgate,
    facts: [
      ...(release === null ? [] : [fact('release', release)]),
      ...(about.by === null ? [] : [fact('by', about.by)]),
      fact('hosts', String(document.hosts.length)),
      ...(minReadySeen === null ? [] : [fact('ready', `never fewer than ${minReadySeen}`)]),
      ...(probe === null
        ? []
        : [fact('probe', `${probe.sent} requests, ${probe.failed} failed, worst gap ${Math.round(probe.worstGapMs)} ms`)]),
    ],
    reproduce: [...next, ...(rollout === null ? [] : [`rollgate report ${rollout}   (this page)`])],
    measurements: [...measurements, ...document.gates.filter((gate) => !kept.has(`${gate.name} ${gate.batch}`)).map(judgedOnly)],
    rollout: {
      outcome,
      hosts: document.hosts.map((host) => ({
        ...{ name: host.name, from: host.from, to: host.to, phase: host.phase, durationMs: host.durationMs },
        error: host.error === undefined ? null : `${host.error.message} (${host.error.code})`,
      })),
      probe: probe === null ? null : { sent: probe.sent, failed: probe.failed, worstGapMs: probe.worstGapMs },
      losses: probe?.losses ?? [],
      ...{ minReadySeen, next },
      steps: stepsOf(about.events, began),
    },
  }
}

/** What a rollout's outcome is on the scale of verdicts: what waits for a person cannot say yet. */
function verdictOf(outcome: RolloutDocument['outcome']): GateVerdict {
  switch (outcome) {
    case 'succeeded':
    case 'unchanged':
      return 'pass'
    case 'paused':
    case 'cancelled':
      return 'inconclusive'
    case 'refused':
    case 'rolled-back':
    case 'partial':
    case 'stuck':
      return 'fail'
    default:
      return outcome satisfies never
  }
}

function sentenceOf(document: RolloutDocument): string {
  const { outcome, hosts, error, release, durationMs } = document
  if (error !== undefined) return error.message
  if (outcome === 'unchanged') return 'there was nothing to do'
  const moved = hosts.filter((host) => host.from !== host.to).length
  return `${moved} of ${hosts.length} hosts${release === null ? '' : ` now on ${release}`}, in ${duration(durationMs)}`
}

function stepsOf(events: RolloutAbout['events'], began: number): ReportRollout['steps'] {
  return events.flatMap((event) => {
    if ((event.type !== 'step.succeeded' && event.type !== 'step.failed') || event.host === undefined) return []
    const { undo, did, doing } = stepWords(event.step)
    const failed = event.type === 'step.failed'
    const label = `${undo ? 'back: ' : ''}${failed ? `${doing} failed` : did}`
    return [{ second: Math.max(0, Date.parse(event.at) - began) / 1_000, host: event.host, label, failed }]
  })
}

/** What happened to hosts while the gate measured, in the gate's seconds: what a person would look for beside a bump. */
function markersBeside(events: RolloutAbout['events'], startedAt: number, record: GateRecord): readonly ReportMarker[] {
  const slices = 'slices' in record.evidence ? record.evidence.slices : []
  let last = 0
  for (const { second } of slices) last = Math.max(last, second)
  return events.flatMap((event): readonly ReportMarker[] => {
    if (event.type !== 'step.succeeded' || event.host === undefined || !/\/(drain|restart|stop|enable)$/.test(event.step)) return []
    const second = (Date.parse(event.at) - startedAt) / 1_000
    if (!(second >= 0 && second <= last + 1)) return []
    const { undo, did } = stepWords(event.step)
    const kind = event.step.endsWith('/restart') ? ('restart' as const) : ('step' as const)
    return [{ second, kind, label: `${event.host} ${undo ? 'back: ' : ''}${did}` }]
  })
}

/** A gate whose evidence is not here: its word alone. */
function judgedOnly(gate: RolloutDocument['gates'][number]): ReportMeasurement {
  return {
    ...{ name: `gate ${gate.name}`, where: gate.batch, verdict: wordOf(gate.verdict), reason: 'its evidence is not on this machine' },
    ...{
      clauses: gate.clauses,
      targets: [],
      arms: { canary: [], old: [] },
      slices: [],
      samples: [],
      markers: [],
      slowAboveMs: null,
      look: null,
      timed: 'due',
    },
    ...{ stoppedBy: null, measuredSeconds: 0, counted: null, cold: null, capacity: null, startedAt: null },
    ...{ validity: { sendLagP99Ms: null, cpu: null, maskedSeconds: 0, reasons: [] } },
    ...{ warnings: [], discarded: [], facts: [] },
  }
}

const wordOf = (text: string): GateVerdict => (text === 'pass' || text === 'fail' || text === 'inconclusive' ? text : 'invalid')

const fact = (label: string, value: string): ReportFact => ({ label, value })
