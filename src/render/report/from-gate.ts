// The report of a gate, from the record that a rollout (or the gate command) keeps: whatever its evidence is.
import type { Clause } from '../../domain/clause.ts'
import type { Evidence, PrometheusAnswer, RequestEvidence } from '../../domain/evidence.ts'
import type { Counted, GateRecord } from '../../domain/gate.ts'
import type { ReportData, ReportFact, ReportMarker, ReportMeasurement } from '../../domain/report.ts'
import { many } from '../words.ts'
import { slowAbove, warmupMarkers } from './from-slices.ts'

export type GateAbout = {
  /** The run's or the rollout's. */
  readonly id: string
  readonly at: string
  readonly durationMs: number
  readonly rollgate: string
  /** What was put beside it on the time axis: deploy steps, restarts, lost requests. */
  readonly markers?: readonly ReportMarker[]
  readonly where?: string
  readonly facts?: readonly ReportFact[]
  /** Words after `rollgate`, without secrets. */
  readonly words?: readonly string[]
}

export function reportOfGate(record: GateRecord, about: GateAbout): ReportData {
  const { gate, report } = record
  return {
    version: 1,
    kind: 'gate',
    title: `gate ${gate}`,
    name: `gate ${gate}`,
    id: about.id,
    at: about.at,
    durationMs: about.durationMs,
    verdict: report.verdict,
    sentence: report.reason,
    rollgate: about.rollgate,
    facts: about.facts ?? [],
    reproduce: [
      ['rollgate', ...(about.words ?? ['gate', gate])].join(' '),
      `rollgate gate explain ${about.id}   (works the verdict out again from the stored evidence)`,
      `rollgate report ${about.id}   (this page)`,
    ],
    measurements: [measurementOf(record, about)],
    rollout: null,
  }
}

export function measurementOf(record: GateRecord, about: Pick<GateAbout, 'markers' | 'where'> = {}): ReportMeasurement {
  const { gate, evidence, report, discarded, settingsHash } = record
  const { verdict, reason, clauses, targets, look, stoppedBy, validity, warnings } = report
  const slices = 'slices' in evidence ? evidence.slices : []
  const asked: readonly Clause[] = evidence.kind === 'requests' ? evidence.plan.clauses : 'clauses' in evidence ? evidence.clauses : []
  const calibrated = evidence.kind === 'requests' ? (evidence.calibration?.slowAboveMs ?? null) : null
  return {
    ...{ name: `gate ${gate}`, where: about.where ?? null, verdict, reason, clauses, targets, slices, look, stoppedBy, validity, warnings },
    arms: evidence.kind === 'requests' ? evidence.plan.arms : { canary: targets.map((target) => target.name), old: [] },
    samples: evidence.kind === 'requests' ? evidence.generator : [],
    timed: evidence.kind === 'import' ? 'tool' : 'due',
    markers: [...warmupMarkers(slices), ...lookMarkers(record), ...(about.markers ?? [])].toSorted((a, b) => a.second - b.second),
    slowAboveMs: slowAbove(asked, calibrated),
    ...{
      measuredSeconds: secondsOf(record),
      counted: countedOf(record),
      cold: report.cold ?? null,
      capacity: null,
      startedAt: record.startedAt ?? null,
    },
    discarded,
    facts: [...factsOf(evidence), { label: 'settings', value: settingsHash }],
  }
}

/** Where it was decided, in the seconds of the slices. */
function lookMarkers(record: GateRecord): readonly ReportMarker[] {
  const { look } = record.report
  const from = countedOf(record)?.from
  return look === null || from === undefined ? [] : [{ second: from + look.seconds, kind: 'look', label: `look ${look.at} of ${look.of}` }]
}

function secondsOf(record: GateRecord): number {
  const { evidence } = record
  if (!('slices' in evidence)) return 0
  const counted = countedOf(record)
  if (counted !== null) return counted.to - counted.from
  return new Set(evidence.slices.filter((slice) => slice.warmup !== true).map((slice) => slice.second)).size
}

/** Records of before know of a look alone when it was. */
function countedOf({ evidence, report }: GateRecord): Counted | null {
  if (evidence.kind !== 'requests') return null
  const { counted, look } = report
  if (counted !== undefined) return counted
  const measured = evidence.slices.flatMap(({ second, warmup }) => (warmup === true ? [] : [second]))
  if (look === null || measured.length === 0) return null
  const from = measured.reduce((least, second) => Math.min(least, second))
  return { from, to: from + look.seconds, isWarmup: false }
}

function factsOf(evidence: Evidence): readonly ReportFact[] {
  switch (evidence.kind) {
    case 'requests':
      return requestFacts(evidence)
    case 'prometheus':
      return [
        { label: 'no answer means', value: evidence.onEmpty },
        ...evidence.answers.map(({ window, answer }) => ({
          label: window === null ? 'answer' : `over ${window}`,
          value: answerWords(answer),
        })),
      ]
    case 'command':
      return [
        { label: 'command', value: evidence.run },
        { label: 'ended', value: evidence.how === 'ended' ? `exit ${evidence.exitCode ?? evidence.signal ?? '?'}` : evidence.how },
        ...evidence.output.slice(-10).map((line, index) => ({ label: index === 0 ? 'output' : '', value: line })),
      ]
    case 'approval':
      return [
        { label: 'question', value: evidence.question },
        { label: 'answer', value: evidence.by === null ? evidence.answer : `${evidence.answer}, by ${evidence.by}` },
      ]
    case 'import':
      return [
        { label: 'imported from', value: `${evidence.format}, level ${evidence.level}` },
        ...(evidence.capabilities.isClosedModel ? [{ label: 'model', value: 'closed: stalls are under-reported' }] : []),
        ...(evidence.capabilities.hidesRetries ? [{ label: 'careful', value: 'retried failures do not show' }] : []),
      ]
    default:
      return evidence satisfies never
  }
}

function requestFacts({ plan, calibration, steady, extensions, restart, aborted }: RequestEvidence): readonly ReportFact[] {
  const { confidence } = plan
  const compares = plan.arms.old.length > 0
  return [
    ...(plan.ratePerArm === null ? [] : [{ label: 'rate', value: `${plan.ratePerArm}/s per target` }]),
    {
      label: 'duration',
      value: `${plan.atLeastSeconds} to ${plan.atMostSeconds} s, ${many(confidence.looks, 'look')}${extensions > 0 ? `, extended ${extensions} ×` : ''}`,
    },
    ...(compares
      ? [
          { label: 'new', value: plan.arms.canary.join(', ') },
          { label: 'old', value: `${plan.arms.old.join(', ')} (background: ${plan.background})` },
          {
            label: 'confidence',
            value: `false alarm ${confidence.falseAlarm * 100} %, false pass ${confidence.falsePass * 100} % per clause`,
          },
          {
            label: 'calibration',
            value: calibration === null ? 'none' : `${calibration.seconds} s, blocks of ${calibration.blockSeconds} s`,
          },
        ]
      : []),
    ...(steady === null
      ? []
      : [{ label: 'steady', value: steady.isSteady ? `after ${steady.afterSeconds ?? '?'} s` : 'not during the warm-up' }]),
    ...(restart === null ? [] : [{ label: 'restarts', value: `${restart.lost} of ${restart.sent} requests through the entry lost` }]),
    ...(aborted === null ? [] : [{ label: 'aborted', value: aborted }]),
    { label: 'seed', value: plan.seed },
  ]
}

/** Labels and values of the first few series; why there are none. */
function answerWords(answer: PrometheusAnswer): string {
  if (answer.kind === 'failed') return answer.why
  if (answer.series.length === 0) return 'no series'
  const shown = answer.series.slice(0, 5).map(({ labels, value, ageMs }) => {
    const names = Object.entries(labels).map(([name, text]) => `${name}="${text}"`)
    return `${names.length === 0 ? '' : `{${names.join(', ')}} `}${value} (${Math.round(ageMs / 1_000)} s old)`
  })
  const left = answer.series.length - shown.length
  return `${shown.join('; ')}${left > 0 ? `; and ${left} more` : ''}`
}
