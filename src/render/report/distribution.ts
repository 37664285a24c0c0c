// How long requests took, all together: the shapes of the arms over each other, and what share kept which time, on axes
// that show the tail. Failures have no time: a curve ends where they begin.
import { countOf, type Histogram, middleOf, quantile } from '../../domain/histogram.ts'
import { time } from '../measure.ts'
import { axisTime, share } from './charts.ts'
import { legend, plot } from './plot.ts'
import { fromZero, logarithmic, type Scale } from './scale.ts'
import type { Line, Series } from './series.ts'

const COLUMNS = 90
const STEPS = 120

export function distributionCharts(series: Series): string {
  const lines = series.lines.filter((line) => line.response.some((count) => count > 0))
  if (lines.length === 0) return ''
  const ends = lines.map((line) => endsOf(line.response))
  const x = logarithmic(Math.min(...ends.map(([least]) => least)), Math.max(...ends.map(([, most]) => most)))
  const entries = lines.map((line) => ({ name: line.name, colour: `c${line.index}` }))
  return `<h3>Distribution <small>measured requests that were answered well</small></h3>${legend(entries)}${shapes(lines, x)}${percentiles(lines)}`
}

function endsOf(histogram: Histogram): readonly [number, number] {
  const first = histogram.findIndex((count) => count > 0)
  const last = histogram.findLastIndex((count) => count > 0)
  return [middleOf(first), middleOf(last)]
}

function shapes(lines: readonly Line[], x: Scale): string {
  const first = Math.min(...lines.map((line) => line.response.findIndex((count) => count > 0)))
  const last = Math.max(...lines.map((line) => line.response.findLastIndex((count) => count > 0)))
  // Whole bins for each column: else some columns would hold one more than their neighbours, and the shape would be jagged.
  const bins = Math.max(1, Math.ceil((last - first + 1) / COLUMNS))
  const columns = lines.map((line) => {
    const all = countOf(line.response)
    return Array.from({ length: Math.ceil((last - first + 1) / bins) }, (_, place) => {
      let count = 0
      for (let bin = first + place * bins; bin < first + (place + 1) * bins; bin += 1) count += line.response[bin] ?? 0
      return count / all
    })
  })
  const y = fromZero(Math.max(...columns.flat()))
  const at = (place: number): number => x.at(middleOf(first + place * bins + (bins - 1) / 2))
  const drawn = lines.map((line, index) => ({
    index: line.index,
    area: true,
    points: (columns[index] ?? []).map((value, place) => [at(place), y.at(value)] as const),
  }))
  return plot({
    title: 'how many took how long',
    note: 'time on a logarithmic axis',
    summary: lines
      .map((line) => `${line.name} p50 ${time(quantile(line.response, 0.5))}, p99 ${time(quantile(line.response, 0.99))}`)
      .join('; '),
    height: 130,
    y: { scale: y, show: share },
    x: { scale: x, show: axisTime },
    lines: drawn.toReversed(),
  })
}

/** x is how rare: each step to the right is ten times rarer. */
function percentiles(lines: readonly Line[]): string {
  const most = Math.max(...lines.map((line) => line.offered))
  // Beyond one request in all there is nothing to be seen.
  const decades = Math.max(1, Math.min(5, Math.log10(Math.max(10, most))))
  const rarity = (place: number): number => 1 - 10 ** (-(place / STEPS) * decades)
  const curves = lines.map((line) =>
    Array.from({ length: STEPS + 1 }, (_, place) => {
      const value = quantile(line.response, rarity(place), line.failed)
      return value === null || !Number.isFinite(value) ? null : value
    }),
  )
  const values = curves.flat().filter((value): value is number => value !== null)
  if (values.length === 0) return ''
  const y = logarithmic(Math.min(...values), Math.max(...values))
  const shown = [0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999].filter((p) => -Math.log10(1 - p) <= decades)
  const x: Scale = { ticks: shown, at: (p) => -Math.log10(1 - p) / decades }
  return plot({
    title: 'percentiles',
    note: lines.some((line) => line.failed > 0)
      ? 'failures are slower than any success: a curve ends where they begin'
      : 'both axes logarithmic',
    summary: lines.map((line) => `${line.name} p99 ${time(finite(quantile(line.response, 0.99, line.failed)))}`).join('; '),
    height: 150,
    y: { scale: y, show: axisTime },
    x: { scale: x, show: (p) => (p === 0 ? 'fastest' : `p${Number((p * 100).toPrecision(7))}`) },
    lines: curves
      .map((curve, index) => ({
        index: lines[index]?.index ?? 0,
        points: curve.map((value, place) => (value === null ? null : ([place / STEPS, y.at(value)] as const))),
      }))
      .toReversed(),
    tips: Array.from({ length: STEPS + 1 }, (_, place) => {
      const parts = lines.map((line, index) => `${lines.length > 1 ? `${line.name}: ` : ''}${time(curves[index]?.[place] ?? null)}`)
      return `p${Number((rarity(place) * 100).toPrecision(5))}  ${parts.join(' · ')}`
    }),
  })
}

const finite = (value: number | null): number | null => (value === null || !Number.isFinite(value) ? null : value)
