// The charts of one measurement over time: p50, p95, slow share and failures by class, all on one time axis with what
// happened to the fleet as marks; and how well this machine sent.
import { emptyHistogram, mergeInto, quantile } from '../../domain/histogram.ts'
import type { ReportMarker, ReportMeasurement } from '../../domain/report.ts'
import { time } from '../measure.ts'
import { number } from '../words.ts'
import { escapeMarkup } from './escape.ts'
import { across, legend, type Plot, type PlotLine, plot, top } from './plot.ts'
import { fromZero, ofSeconds, type Scale, secondWords } from './scale.ts'
import { errorClasses, type Line, type Point, type Series } from './series.ts'

const HEIGHT_PX = 130
const STRIP_PX = 44
/** Of the width of a chart. */
const NUMBER_WIDTH = 0.02
const MOST_LISTED = 40

type Context = { readonly measurement: ReportMeasurement; readonly series: Series; readonly x: Scale; readonly warmup: string }

const TIMED = { due: 'from the moment a request was due', send: 'from the send', tool: 'as the tool measured it' } as const

/** Another tool's totals, with no time between them. */
const isOneMoment = (series: Series): boolean => series.lines.length === 0 || series.to - series.from <= 1

export function timeCharts(measurement: ReportMeasurement, series: Series): string {
  if (isOneMoment(series)) return ''
  const x = ofSeconds(series.from, series.to)
  const warmup =
    series.measuredFrom === null ? '' : `<rect class="warm" x="0" y="0" width="${across(x.at(series.measuredFrom))}" height="100"/>`
  const context: Context = { measurement, series, x, warmup }
  const span = series.spanSeconds === 1 ? 'each second' : `each ${series.spanSeconds} s`
  const lines = series.lines.map((line) => ({
    name: line.name,
    colour: `c${line.index}`,
    note: `${number(line.offered)} requests, ${number(line.failed)} failed`,
  }))
  return [
    `<h3>Over time <small>${span}, ${TIMED[measurement.timed]}${warmup === '' ? '' : '; shaded: warm-up, not counted'}</small></h3>`,
    legend(lines),
    latency(context, 'p50', (point) => point.p50),
    latency(context, 'p95', (point) => point.p95),
    slowChart(context),
    markerList(measurement.markers),
  ].join('')
}

function latency(context: Context, title: string, of: (point: Point) => number | null): string {
  const { series } = context
  const all = series.lines.flatMap((line) => line.points.map(of))
  const y = fromZero(Math.max(0, ...all.filter((value): value is number => value !== null && Number.isFinite(value))))
  const offScale = series.lines.flatMap((line) =>
    line.points
      .filter((point) => of(point) === Number.POSITIVE_INFINITY)
      .map((point) => ({ x: middle(context, point), index: line.index })),
  )
  return plot({
    ...common(context, y, of),
    title,
    ...(offScale.length === 0 ? {} : { note: '▲ at the top: it falls on a failure' }),
    summary: series.lines.map((line) => `${line.name} ${range(line.points.map(of), time)}`).join('; '),
    y: { scale: y, show: axisTime },
    offScale,
    tips: tipsOf(series, (point) => `p50 ${timeOr(point.p50)}, p95 ${timeOr(point.p95)}`),
  })
}

function slowChart(context: Context): string {
  const { series } = context
  if (series.slowAboveMs === null) return ''
  const of = (point: Point): number | null => point.slow
  const y = fromZero(Math.max(0.001, ...series.lines.flatMap((line) => line.points.map((point) => point.slow ?? 0))))
  return plot({
    ...common(context, y, of),
    title: 'slow',
    note: `slower than ${time(series.slowAboveMs)}${series.isSlowOurs ? ' (the p99 of all that was seen)' : ''}, or failed`,
    summary: series.lines.map((line) => `${line.name} ${range(line.points.map(of), share)}`).join('; '),
    y: { scale: y, show: share },
    tips: tipsOf(series, (point) => `${point.slow === null ? '-' : share(point.slow)} of ${number(point.offered)} slow`),
  })
}

/** One chart for each arm that is compared, on one scale; else one for everything. */
export function errorCharts(measurement: ReportMeasurement, series: Series): string {
  const { lines } = series
  // A table says all there is of one moment.
  if (isOneMoment(series)) return ''
  const compares = measurement.arms.old.length > 0
  // Of many targets the first line is all of them together.
  const shown =
    compares || measurement.arms.canary.length <= 1
      ? lines
      : lines.slice(0, Math.max(1, lines[0]?.name.startsWith('all ') ? 1 : lines.length))
  const classes = errorClasses(shown)
  if (classes.length === 0) return '<h3>Failures</h3><p class="quiet">No request failed.</p>'
  const x = ofSeconds(series.from, series.to)
  const most = Math.max(...shown.flatMap((line) => line.points.map((point) => point.failed / (point.to - point.from))))
  const y = fromZero(most)
  const charts = shown.map((line) => {
    if (line.points.every((point) => point.failed === 0)) return `<p class="quiet">${escapeMarkup(line.name, 200)}: no request failed.</p>`
    return plot({
      title: line.name,
      note: `failed per second, ${number(line.failed)} of ${number(line.offered)} measured requests`,
      summary: classesWords(line),
      height: 90,
      y: { scale: y, show: (value) => String(Number(value.toPrecision(3))) },
      x: { scale: x, show: secondWords },
      lines: [],
      below: classes
        .map(({ kind }, index) =>
          bars(
            line,
            classes.slice(0, index + 1).map((one) => one.kind),
            kind,
            index,
            x,
            y,
          ),
        )
        .join(''),
      tips: line.points.map((point) => `${spanWords(point)}: ${pointErrors(point)}`),
    })
  })
  const entries = classes.map(({ kind, count }, index) => ({ name: kind, colour: `e${index % ERROR_COLOURS}`, note: number(count) }))
  return `<h3>Failures <small>by class</small></h3>${legend(entries)}${charts.join('')}`
}

const ERROR_COLOURS = 6

/** Bars of one class, each standing on those of the classes before it. */
function bars(line: Line, upTo: readonly string[], kind: string, index: number, x: Scale, y: Scale): string {
  const path = line.points.map((point) => {
    const count = (of: string): number => Object.entries(point.errors).find(([name]) => name === of)?.[1] ?? 0
    if (count(kind) === 0) return ''
    const seconds = point.to - point.from
    const upper = upTo.reduce((sum, of) => sum + count(of), 0) / seconds
    const lower = upper - count(kind) / seconds
    const [left, right] = [across(x.at(point.from)), across(x.at(point.to))]
    return `M${left} ${top(y.at(lower))}V${top(y.at(upper))}H${right}V${top(y.at(lower))}Z`
  })
  return `<path class="bar e${index % ERROR_COLOURS}" d="${path.join('')}"/>`
}

/** Lag, CPU and event loop of the machine that sent: a run is only as good as its generator. */
export function healthStrip(measurement: ReportMeasurement, series: Series): string {
  if (series.lines.length === 0) return ''
  const { samples, slices, validity } = measurement
  const isKnown = samples.length > 0 || slices.some((slice) => slice.lag.length > 0)
  const x = ofSeconds(series.from, series.to)
  const places = Math.ceil((series.to - series.from) / series.spanSeconds)
  const placeOf = (second: number): number => Math.floor((second - series.from) / series.spanSeconds)
  const lag = Array.from({ length: places }, () => emptyLag())
  for (const slice of slices) {
    const cell = lag[placeOf(slice.second)]
    if (cell !== undefined) {
      mergeInto(cell.histogram, slice.lag)
      cell.some = true
    }
  }
  const lags = lag.map(({ some, histogram }) => (some ? quantile(histogram, 0.99) : null))
  const most = (of: (sample: (typeof samples)[number]) => number): readonly (number | null)[] => {
    const values: (number | null)[] = Array.from({ length: places }, () => null)
    for (const sample of samples) {
      const place = placeOf(sample.second)
      if (place >= 0 && place < places) values[place] = Math.max(values[place] ?? 0, of(sample))
    }
    return values
  }
  const strip = (title: string, values: readonly (number | null)[], show: (value: number) => string, limit?: Plot['limit']): string => {
    if (values.every((value) => value === null)) return ''
    const y = fromZero(Math.max(limit === undefined ? 0 : limit.value * 1.2, ...values.map((value) => value ?? 0)))
    const scale = { ...y, ticks: [0, y.ticks.at(-1) ?? 1] }
    return plot({
      title,
      summary: range(values, show),
      height: STRIP_PX,
      y: { scale, show },
      x: { scale: { ...x, ticks: [] }, show: secondWords },
      lines: [
        { index: 3, points: values.map((value, place) => (value === null ? null : [placeAt(place, places), y.at(value)])), area: true },
      ],
      ...(limit === undefined ? {} : { limit }),
      tips: values.map((value, place) => `${secondWords(series.from + place * series.spanSeconds)}: ${value === null ? '-' : show(value)}`),
    })
  }
  const reasons = validity.reasons.map((reason) => `<li>${escapeMarkup(reason)}</li>`).join('')
  return [
    '<h3>The machine that sent</h3>',
    validity.reasons.length === 0
      ? `<p class="quiet">${isKnown ? '✔ It kept its schedule: the numbers can be trusted.' : 'How well it kept its schedule is not known: another tool sent.'}</p>`
      : `<p>! The numbers cannot be trusted:</p><ul>${reasons}</ul>`,
    validity.maskedSeconds > 0
      ? `<p class="quiet">${validity.maskedSeconds} s were left out on both sides because they were sent late.</p>`
      : '',
    '<div class="strips">',
    strip('send lag p99', lags, time, { value: 5, label: '5 ms' }),
    strip(
      'CPU of a core',
      most((sample) => sample.cpu),
      share,
      { value: 0.9, label: '90 %' },
    ),
    strip(
      'longest pause of the event loop',
      most((sample) => sample.loopDelayMs),
      time,
    ),
    strip(
      'in flight',
      most((sample) => sample.inFlight),
      (value) => number(Math.round(value)),
    ),
    '</div>',
  ].join('')
}

const emptyLag = () => ({ some: false, histogram: emptyHistogram() })
const placeAt = (place: number, places: number): number => (place + 0.5) / Math.max(1, places)

function common(
  context: Context,
  y: Scale,
  of: (point: Point) => number | null,
): Pick<Plot, 'height' | 'x' | 'lines' | 'below' | 'markers'> {
  const { series, x, warmup, measurement } = context
  const lines = series.lines.map((line): PlotLine => {
    const points = line.points.map((point): readonly [number, number] | null => {
      const value = of(point)
      return value === null || !Number.isFinite(value) ? null : [middle(context, point), y.at(value)]
    })
    return { index: line.index, points }
  })
  let numbered = Number.NEGATIVE_INFINITY
  const markers = measurement.markers.slice(0, MOST_LISTED).map((marker, index) => {
    const at = x.at(marker.second)
    // Numbers on each other could not be read: of those that stand close the first one has its number.
    const isFree = at - numbered > NUMBER_WIDTH
    if (isFree) numbered = at
    return { x: at, kind: marker.kind, number: isFree ? index + 1 : null }
  })
  // Later lines would hide earlier ones, and the first is what this is about.
  return { height: HEIGHT_PX, x: { scale: x, show: secondWords }, lines: lines.toReversed(), below: warmup, markers }
}

function markerList(markers: readonly ReportMarker[]): string {
  if (markers.length === 0) return ''
  const items = markers.slice(0, MOST_LISTED).map((marker) => `<li>${secondWords(marker.second)}: ${escapeMarkup(marker.label, 200)}</li>`)
  const left = markers.length - items.length
  return `<ol class="marks">${items.join('')}</ol>${left > 0 ? `<p class="quiet">and ${left} more</p>` : ''}`
}

const middle = ({ x }: Pick<Context, 'x'>, point: Point): number => x.at((point.from + point.to) / 2)

function tipsOf(series: Series, words: (point: Point) => string): readonly string[] {
  const [first] = series.lines
  return (first?.points ?? []).map((point, place) => {
    const parts = series.lines.map((line) => {
      const own = line.points[place]
      return own === undefined ? '' : `${series.lines.length > 1 ? `${line.name}: ` : ''}${words(own)}`
    })
    return `${spanWords(point)}  ${parts.join(' · ')}`
  })
}

const spanWords = (point: Point): string =>
  point.to - point.from === 1 ? secondWords(point.from) : `${secondWords(point.from)} to ${secondWords(point.to)}`

function classesWords(line: Line): string {
  return errorClasses([line])
    .map(({ kind, count }) => `${number(count)} ${kind}`)
    .join(', ')
}

function pointErrors(point: Point): string {
  const all = Object.entries(point.errors).filter(([, count]) => count > 0)
  return all.length === 0 ? 'none failed' : all.map(([kind, count]) => `${number(count)} ${kind}`).join(', ')
}

function range(values: readonly (number | null)[], show: (value: number) => string): string {
  const finite = values.filter((value): value is number => value !== null && Number.isFinite(value))
  if (finite.length === 0) return 'nothing'
  return `${show(Math.min(...finite))} to ${show(Math.max(...finite))}`
}

const timeOr = (ms: number | null): string => (ms === Number.POSITIVE_INFINITY ? 'on a failure' : time(ms))
export const axisTime = (ms: number): string =>
  ms >= 1_000 ? `${Number((ms / 1_000).toPrecision(3))} s` : `${Number(ms.toPrecision(3))} ms`
export const share = (value: number): string => `${Number((value * 100).toPrecision(3))} %`
