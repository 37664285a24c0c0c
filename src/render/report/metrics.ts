// A report as metrics, in the text form that Prometheus, its push gateway and the node exporter's text file collector
// read. Base units (seconds, ratios). A run is short-lived: its counters are what this run did, and the time of it tells
// how old they are.
import type { ClauseResult } from '../../domain/gate.ts'
import { BIN_COUNT, emptyHistogram, mergeInto, middleOf } from '../../domain/histogram.ts'
import type { ReportData, ReportMeasurement } from '../../domain/report.ts'
import type { FailureClass } from '../../domain/slice.ts'
import { oneLine } from '../words.ts'
import { counts } from './from-slices.ts'

type Labels = Readonly<Record<string, string>>
type Sample = { readonly suffix?: string; readonly labels: Labels; readonly value: number }
type Family = {
  readonly name: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  readonly samples: readonly Sample[]
}

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const VERDICTS = ['pass', 'fail', 'inconclusive', 'invalid'] as const
const OUTCOMES = ['succeeded', 'unchanged', 'rolled-back', 'partial', 'stuck', 'paused', 'cancelled', 'refused'] as const
/** How the units of clauses are called and what they are multiplied by; the others are plain numbers. */
const UNITS: Readonly<Partial<Record<ClauseResult['unit'], readonly [suffix: string, factor: number]>>> = {
  ms: ['seconds', 0.001],
  share: ['ratio', 1],
  ratio: ['ratio', 1],
  points: ['ratio', 1],
}

export function metricsOf(data: ReportData): string {
  const run = { run: data.name }
  const gates = data.measurements.map((measurement, index) => ({ measurement, labels: labelsOf(measurement, data, index) }))
  const families: readonly Family[] = [
    gauge('rollgate_build_info', 'The version that made this, as a label.', [{ labels: { version: data.rollgate }, value: 1 }]),
    gauge('rollgate_run_timestamp_seconds', 'When the run began, by the clock of who ran it.', [
      { labels: run, value: Date.parse(data.at) / 1_000 || 0 },
    ]),
    gauge('rollgate_run_duration_seconds', 'How long the run took.', [{ labels: run, value: data.durationMs / 1_000 }]),
    ...(data.rollout === null
      ? []
      : [
          gauge('rollgate_rollout_info', 'What was rolled out, as labels.', [
            { labels: { ...run, title: data.title, rollout: data.id }, value: 1 },
          ]),
          gauge(
            'rollgate_rollout_outcome',
            'How the rollout ended: 1 for its outcome, 0 for the others.',
            OUTCOMES.map((outcome) => ({ labels: { ...run, outcome }, value: outcome === data.rollout?.outcome ? 1 : 0 })),
          ),
        ]),
    gauge(
      'rollgate_gate_verdict',
      'The verdict that was reached: 1 for it, 0 for the others.',
      gates.flatMap(({ measurement, labels }) =>
        VERDICTS.map((verdict) => ({ labels: { ...labels, verdict }, value: measurement.verdict === verdict ? 1 : 0 })),
      ),
    ),
    gauge(
      'rollgate_clause_verdict',
      'The verdict of each clause: 1 for it, 0 for the others.',
      gates.flatMap(({ measurement, labels }) =>
        measurement.clauses.flatMap((clause) =>
          VERDICTS.map((verdict) => ({
            labels: { ...labels, ...clauseLabels(clause), verdict },
            value: clause.verdict === verdict ? 1 : 0,
          })),
        ),
      ),
    ),
    ...clauseFamilies(gates),
    {
      name: 'rollgate_requests_total',
      type: 'counter',
      help: 'Measured requests by how they ended: ok, or the class of the failure.',
      samples: gates.flatMap(({ measurement, labels }) => requestSamples(measurement, labels)),
    },
    {
      name: 'rollgate_response_seconds',
      type: 'histogram',
      help: 'Time from the moment a request was due to the end of its answer; requests that were answered well.',
      samples: gates.flatMap(({ measurement, labels }) => histogramSamples(measurement, labels)),
    },
    ...coldFamilies(gates),
    gauge(
      'rollgate_capacity_requests_per_second',
      'The highest rate at which the thresholds held; it may take more.',
      gates.flatMap(({ measurement: { capacity }, labels }) => {
        const rate = capacity?.ratePerSecond ?? null
        return rate === null ? [] : [{ labels, value: rate }]
      }),
    ),
    gauge(
      'rollgate_send_lag_seconds',
      'How late this machine sent, p99: above 0.005 the numbers are doubtful.',
      gates.flatMap(({ measurement, labels }) =>
        measurement.validity.sendLagP99Ms === null ? [] : [{ labels, value: measurement.validity.sendLagP99Ms / 1_000 }],
      ),
    ),
  ]
  return families
    .filter((family) => family.samples.length > 0)
    .map(familyText)
    .join('')
}

const gauge = (name: string, help: string, samples: readonly Sample[]): Family => ({ name, type: 'gauge', help, samples })

type Gate = { readonly measurement: ReportMeasurement; readonly labels: Labels }

/** Two parts of a report never have the same labels: the same gate in two batches differs by its batch, else by a number. */
function labelsOf({ name, where }: ReportMeasurement, data: ReportData, index: number): Labels {
  const isSame = (other: ReportMeasurement): boolean => other.name === name && other.where === where
  const nth = data.measurements.slice(0, index).filter(isSame).length
  return {
    gate: name.replace(/^(?:gate|load) /, ''),
    kind: name.startsWith('gate ') ? 'gate' : 'load',
    ...(where === null ? {} : { batch: where }),
    ...(nth === 0 ? {} : { nth: String(nth + 1) }),
  }
}

const clauseLabels = (clause: ClauseResult): Labels => ({ clause: clause.clause, mode: clause.mode })

function clauseFamilies(gates: readonly Gate[]): readonly Family[] {
  const parts = [
    ['estimate', 'What was measured.', (clause: ClauseResult) => clause.estimate],
    ['low', 'Lower limit of where the truth lies.', (clause: ClauseResult) => clause.low],
    ['high', 'Upper limit of where the truth lies.', (clause: ClauseResult) => clause.high],
    ['margin', 'What the clause allows.', (clause: ClauseResult) => clause.bound],
  ] as const
  return parts.flatMap(([part, help, of]) =>
    ['ratio', 'seconds', ''].map((unit) =>
      gauge(
        `rollgate_gate_${part}${unit === '' ? '' : `_${unit}`}`,
        `${help}${unit === '' ? ' In the unit of the clause.' : ''}`,
        gates.flatMap(({ measurement, labels }) =>
          measurement.clauses.flatMap((clause) => {
            const [suffix, factor] = UNITS[clause.unit] ?? ['', 1]
            const value = of(clause)
            if (suffix !== unit || value === null) return []
            return [
              { labels: { ...labels, ...clauseLabels(clause), ...(suffix === '' ? { unit: clause.unit } : {}) }, value: value * factor },
            ]
          }),
        ),
      ),
    ),
  )
}

function coldFamilies(gates: readonly Gate[]): readonly Family[] {
  const parts = [
    ['first_success_seconds', 'From the first request to the second in which one was answered well.', 'firstSuccessSecond'],
    ['steady_seconds', 'From the first request until times were steady.', 'steadySecond'],
    ['requests', 'Requests of the cold phase, before anything was judged.', 'arrivals'],
    ['failures', 'Those of them that failed.', 'failures'],
  ] as const
  return parts.map(([name, help, key]) =>
    gauge(
      `rollgate_cold_${name}`,
      `Cold start of the new release: ${help}`,
      gates.flatMap(({ measurement: { cold }, labels }) => {
        const value = cold?.[key] ?? null
        return value === null ? [] : [{ labels, value }]
      }),
    ),
  )
}

function requestSamples({ targets }: ReportMeasurement, labels: Labels): readonly Sample[] {
  return targets.flatMap((target) => [
    { labels: { ...labels, target: target.name, outcome: 'ok' }, value: target.done },
    // The keys are the classes.
    ...(Object.entries(target.errors) as [FailureClass, number][]).map(([outcome, value]) => ({
      labels: { ...labels, target: target.name, outcome },
      value,
    })),
  ])
}

function histogramSamples(measurement: ReportMeasurement, labels: Labels): readonly Sample[] {
  const { slices, targets } = measurement
  return targets.flatMap(({ name }) => {
    const merged = emptyHistogram()
    for (const slice of slices) if (slice.target === name && counts(slice, measurement)) mergeInto(merged, slice.response)
    const own = { ...labels, target: name }
    let [seen, sum, bin] = [0, 0, 0]
    const take = (upToMs: number): void => {
      for (; bin < BIN_COUNT && middleOf(bin) <= upToMs; bin += 1) {
        const count = merged[bin] ?? 0
        seen += count
        sum += (count * middleOf(bin)) / 1_000
      }
    }
    const buckets = BUCKETS_S.map((le): Sample => {
      take(le * 1_000)
      return { suffix: '_bucket', labels: { ...own, le: String(le) }, value: seen }
    })
    take(Number.POSITIVE_INFINITY)
    if (seen === 0) return []
    return [
      ...buckets,
      { suffix: '_bucket', labels: { ...own, le: '+Inf' }, value: seen },
      { suffix: '_sum', labels: own, value: sum },
      { suffix: '_count', labels: own, value: seen },
    ]
  })
}

function familyText({ name, type, help, samples }: Family): string {
  // A reader refuses a file that says the same twice: of two clauses with one text the first counts.
  const lines = new Map<string, string>()
  for (const { suffix = '', labels, value } of samples) {
    const shown = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
    const series = `${name}${suffix}{${shown.join(',')}}`
    if (!lines.has(series)) lines.set(series, `${series} ${value}\n`)
  }
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${[...lines.values()].join('')}`
}

/** One line; backslash and quote as the format wants them. */
function escapeLabel(text: string): string {
  return oneLine(text, 200).replaceAll('\\', '\\\\').replaceAll('"', '\\"')
}
