// A search for the capacity: every rate that was tried, what became of it, and how long requests took there. As a picture of
// p95 against rate, because the knee is what people look for, and as a table with the numbers.
import { parseClause } from '../../domain/clause-parse.ts'
import type { CapacityFound, CapacityStep } from '../../domain/document.ts'
import { time } from '../measure.ts'
import { number } from '../words.ts'
import { axisTime } from './charts.ts'
import { escapeMarkup } from './escape.ts'
import { legend, type PlotLine, plot } from './plot.ts'
import { fromZero, logarithmic, type Scale } from './scale.ts'
import { CAPACITY_OUTCOMES } from './words.ts'

const COLOURS = { holds: 0, breaks: 1, saturated: 3 } as const
const MOST_ROWS = 200

export function capacityParts(capacity: CapacityFound | null): string {
  if (capacity === null) return ''
  return `<h3>Rates that were tried <small>${escapeMarkup(capacityWords(capacity))}</small></h3>${chart(capacity)}${stepTable(capacity.steps)}`
}

/** `takes at least 80/s, as long as errors < 1%, p95 <= 12ms`. */
export function capacityWords({ ratePerSecond, atLeast, thresholds }: CapacityFound): string {
  const takes = ratePerSecond === null ? 'what it takes is not known' : `takes ${atLeast ? 'at least ' : ''}${ratePerSecond}/s`
  return thresholds.length === 0 ? takes : `${takes}, as long as ${thresholds.join(', ')}`
}

/** rate, outcome, offered, failed, p50, p95, why. */
export function stepCells({ ratePerSecond, outcome, confirm, offered, failed, p50Ms, p95Ms, reason }: CapacityStep): readonly string[] {
  const counts = [number(offered), number(failed), time(p50Ms), time(p95Ms)]
  return [`${number(ratePerSecond)}/s`, `${CAPACITY_OUTCOMES[outcome]}${confirm ? ', once more' : ''}`, ...counts, reason]
}

export const STEP_HEADS = ['rate', 'outcome', 'offered', 'failed', 'p50', 'p95', 'why'] as const

function chart({ steps, thresholds }: CapacityFound): string {
  const rates = steps.map((step) => step.ratePerSecond)
  const seen = steps.flatMap(({ p95Ms }) => p95Ms ?? [])
  if (steps.length < 2 || seen.length === 0) return ''
  const x = logarithmic(Math.min(...rates), Math.max(...rates))
  const limit = p95Limit(thresholds)
  const y = fromZero(Math.max(...seen, limit ?? 0))
  const kinds = (['holds', 'breaks', 'saturated'] as const).filter((kind) => steps.some((step) => step.outcome === kind))
  const off = steps.filter((step) => step.p95Ms === null).map((step) => ({ x: x.at(step.ratePerSecond), index: COLOURS[step.outcome] }))
  return [
    legend(kinds.map((kind) => ({ name: CAPACITY_OUTCOMES[kind], colour: `c${COLOURS[kind]}` }))),
    plot({
      title: 'p95 at each rate',
      note: off.length === 0 ? 'rate on a logarithmic axis' : 'rate on a logarithmic axis; ▲ at the top: it falls on a failure',
      summary: steps.map((step) => `${step.ratePerSecond}/s ${step.outcome}, p95 ${time(step.p95Ms)}`).join('; '),
      height: 130,
      y: { scale: y, show: axisTime },
      x: { scale: x, show: (rate) => `${number(rate)}/s`, title: 'requests per second' },
      lines: kinds.map((kind) => lineOf(kind, steps, x, y)),
      ...(limit === null ? {} : { limit: { value: limit, label: `p95 ${time(limit)}` } }),
      offScale: off,
    }),
  ].join('')
}

/** What holds is a line from the lowest rate up; of the others each is a point. */
function lineOf(kind: CapacityStep['outcome'], steps: readonly CapacityStep[], x: Scale, y: Scale): PlotLine {
  const own = steps.filter((step) => step.outcome === kind).toSorted((a, b) => a.ratePerSecond - b.ratePerSecond)
  const points = own.map(({ ratePerSecond, p95Ms }) => (p95Ms === null ? null : ([x.at(ratePerSecond), y.at(p95Ms)] as const)))
  return { index: COLOURS[kind], points: kind === 'holds' ? points : points.flatMap((point) => [point, null]) }
}

function p95Limit(thresholds: readonly string[]): number | null {
  for (const text of thresholds) {
    const parsed = parseClause(text)
    if (!('clause' in parsed)) continue
    const { metric, limit } = parsed.clause
    if (metric.kind === 'quantile' && metric.q === 0.95 && limit.against === 'bound') return limit.value
  }
  return null
}

function stepTable(steps: readonly CapacityStep[]): string {
  const isNumber = (column: number): boolean => column === 0 || (column > 1 && column < 6)
  const heads = STEP_HEADS.map((head, column) => `<th scope="col"${isNumber(column) ? ' class="n"' : ''}>${head}</th>`)
  const rows = steps.slice(0, MOST_ROWS).map((step) => {
    const cells = stepCells(step).map((cell, column) => `<td${isNumber(column) ? ' class="n"' : ''}>${escapeMarkup(cell, 300)}</td>`)
    return `<tr>${cells.join('')}</tr>`
  })
  return `<div class="wide"><table><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}
