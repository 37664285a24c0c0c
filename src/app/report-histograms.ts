// Times of requests for other tools, in the forms of HdrHistogram: an interval log (`.hlog`: each second of each target) and
// percentile tables (`.hgrm`: all of it at once). The same requests as in every other form of a report: neither the warm-up
// nor what was seen after the verdict. A failure has no time, so only what was answered well is in them.
import { countOf, emptyHistogram, type Histogram, mergeInto } from '../domain/histogram.ts'
import type { ReportData, ReportMeasurement } from '../domain/report.ts'
import type { Slice } from '../domain/slice.ts'
import { type HdrInterval, hdrLogHead, hdrLogLine, hdrPercentiles } from '../load/hdr.ts'
import { counts } from '../render/report/from-slices.ts'

/** One histogram a second and target, tagged with the target, and with the gate where there are several. */
export function* intervalLog(data: ReportData): Generator<string> {
  const startedAt = Date.parse(data.at) || 0
  const { measurements } = data
  yield* hdrLogHead(startedAt)
  for (const measurement of measurements) {
    const part = [measurement.where, measurement.name].filter((word) => word !== null).join('/')
    for (const interval of intervalsOf(measurement, startedAt))
      yield hdrLogLine(measurements.length === 1 ? interval : { ...interval, tag: `${part}/${interval.tag}` })
  }
}

export type PercentileTable = {
  /** What distinguishes its file from the others: empty for the first, `-baseline` for the old release. */
  readonly suffix: string
  readonly text: string
}

/** One for each arm of each measurement that has times. */
export function percentileTables(data: ReportData): readonly PercentileTable[] {
  const known = data.measurements.filter((measurement) => measurement.slices.some((slice) => counts(slice, measurement)))
  return known.flatMap((measurement, index) => {
    const nth = index === 0 ? '' : `-${index + 1}`
    const arms = [
      { suffix: nth, targets: measurement.arms.canary },
      { suffix: `${nth}-baseline`, targets: measurement.arms.old },
    ]
    return arms.flatMap(({ suffix, targets }) =>
      targets.length === 0 ? [] : [{ suffix, text: hdrPercentiles(mergedOf(measurement, new Set(targets))) }],
    )
  })
}

function* intervalsOf(measurement: ReportMeasurement, startedAt: number): Generator<HdrInterval> {
  const own = measurement.startedAt === null ? startedAt : Date.parse(measurement.startedAt)
  const offset = Math.max(0, own - startedAt) / 1_000 || 0
  const cells = new Map<string, Slice[]>()
  for (const slice of measurement.slices) {
    if (!counts(slice, measurement)) continue
    const key = `${slice.second} ${slice.target}`
    const cell = cells.get(key)
    if (cell === undefined) cells.set(key, [slice])
    else cell.push(slice)
  }
  for (const slices of [...cells.values()].sort(([a], [b]) => (a?.second ?? 0) - (b?.second ?? 0))) {
    const [first] = slices
    const histogram = emptyHistogram()
    for (const slice of slices) mergeInto(histogram, slice.response)
    if (first === undefined || countOf(histogram) === 0) continue
    yield { startSeconds: offset + first.second, lengthSeconds: 1, histogram, tag: first.target }
  }
}

function mergedOf(measurement: ReportMeasurement, targets: ReadonlySet<string>): Histogram {
  const merged = emptyHistogram()
  for (const slice of measurement.slices) if (targets.has(slice.target) && counts(slice, measurement)) mergeInto(merged, slice.response)
  return merged
}
