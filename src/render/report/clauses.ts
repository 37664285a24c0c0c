// What was asked, clause by clause: a picture of the interval against the margin, and the same as a table with numbers.
import type { ClauseResult } from '../../domain/gate.ts'
import { shown } from '../measure.ts'
import { escapeMarkup } from './escape.ts'
import { across, percent, WIDTH } from './plot.ts'
import { VERDICT_SIGNS, VERDICT_WORDS } from './words.ts'

/** @param isDoubted the run as a whole is not trusted, whatever its clauses say */
export function clauseCharts(clauses: readonly ClauseResult[], isDoubted: boolean): string {
  if (clauses.length === 0) return ''
  const rows = clauses.map((clause) => {
    const mode = clause.mode === 'gate' ? '' : ` <small>${clause.mode === 'warn' ? 'only warns' : 'only recorded'}</small>`
    return [
      `<li class="${clause.verdict}${clause.mode === 'gate' ? '' : ' aside'}">`,
      `<p class="asked"><b class="word">${VERDICT_SIGNS[clause.verdict]} ${VERDICT_WORDS[clause.verdict]}</b> <code>${escapeMarkup(clause.clause, 200)}</code>${mode}</p>`,
      bar(clause),
      `<p class="said">${escapeMarkup(clause.sentence)}</p>`,
      '</li>',
    ].join('')
  })
  const doubt = isDoubted ? '<p class="quiet">What these numbers would say if they could be trusted:</p>' : ''
  return `<h3>Intervals against margins <small>green: what is allowed; the line: where the truth lies; the dot: the estimate</small></h3>${doubt}<ol class="clauses">${rows.join('')}</ol>`
}

/** Does the clause ask for at least so much? Then what is allowed lies to the right. */
const asksForMore = (clause: string): boolean => />/.test(clause)

function bar({ clause, estimate, low, high, bound, unit, shown: words }: ClauseResult): string {
  const points = [estimate, low, high, bound].filter((value): value is number => value !== null && Number.isFinite(value))
  if (estimate === null || points.length === 0) return `<p class="quiet">${escapeMarkup(words ?? 'not measured', 40)}</p>`
  const isDifference = unit === 'ratio' || unit === 'points'
  const [from, to] = endsOf(points, { estimate, bound, isDifference, asksForMore: asksForMore(clause) })
  const at = (value: number): number => Math.max(0, Math.min(1, (value - from) / (to - from)))
  const isInside = (value: number): boolean => value >= from && value <= to
  const label = (value: number, kind: string, words: string): string =>
    `<span class="${kind}" style="left:${percent(at(value))}"><em>${escapeMarkup(words)}</em></span>`
  const allowed =
    bound === null
      ? ''
      : asksForMore(clause)
        ? `<rect class="allowed" x="${across(at(bound))}" y="0" width="${across(1 - at(bound))}" height="20"/>`
        : `<rect class="allowed" x="0" y="0" width="${across(at(bound))}" height="20"/>`
  const interval = `<path class="interval" d="M${low === null ? 0 : across(at(low))} 10H${high === null ? WIDTH : across(at(high))}"/>`
  const ends = [low, high]
    .map((end) => (end === null || !isInside(end) ? '' : `<path class="interval" d="M${across(at(end))} 5V15"/>`))
    .join('')
  const zero = isDifference ? `<path class="zero" d="M${across(at(0))} 0V20"/>` : ''
  return [
    '<div class="bar" aria-hidden="true">',
    `<svg viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" focusable="false">${allowed}${zero}`,
    bound === null ? '' : `<path class="bound" d="M${across(at(bound))} 0V20"/>`,
    low === null && high === null ? '' : `${interval}${ends}`,
    `<path class="dot" d="M${across(at(estimate))} 10h.01"/></svg>`,
    // Where words would stand on each other only the limit's are shown; the others are in the sentence.
    ...(bound === null ? [] : [label(bound, edge(at(bound)), `limit ${shown(bound, unit)}`)]),
    ...(isDifference && (bound === null || Math.abs(at(bound) - at(0)) > 0.3) ? [label(0, edge(at(0)), 'no difference')] : []),
    '</div>',
  ].join('')
}

/**
 * What the bar shows: the estimate and the limit with room around them, zero where that says something, and of the
 * interval as much as leaves the rest to be seen; an end that lies beyond is drawn to the edge, without its stroke.
 */
function endsOf(
  points: readonly number[],
  of: { readonly estimate: number; readonly bound: number | null; readonly isDifference: boolean; readonly asksForMore: boolean },
): readonly [number, number] {
  const core = [of.estimate, ...(of.bound === null ? [] : [of.bound]), ...(of.isDifference || !of.asksForMore ? [0] : [])]
  const [least, most] = [Math.min(...core), Math.max(...core)]
  const width = most - least || Math.abs(most) || 1
  const low = Math.max(Math.min(...points, least), least - width)
  const high = Math.min(Math.max(...points, most), most + width)
  const room = (high - low || width) * 0.1
  return [low === 0 && !of.isDifference ? 0 : low - room, high + room]
}

/** Words near an end grow inwards. */
const edge = (share: number): string => (share > 0.75 ? 'l end' : share < 0.25 ? 'l start' : 'l')

export function clauseTable(clauses: readonly ClauseResult[]): string {
  if (clauses.length === 0) return '<p class="quiet">No clause was asked.</p>'
  const cell = (value: number | null, unit: ClauseResult['unit']): string =>
    `<td class="n">${value === null ? '-' : escapeMarkup(shown(value, unit))}</td>`
  const rows = clauses.map(
    (clause) =>
      `<tr><th scope="row"><code>${escapeMarkup(clause.clause, 200)}</code></th><td>${VERDICT_SIGNS[clause.verdict]} ${VERDICT_WORDS[clause.verdict]}</td>${clause.estimate === null && clause.shown !== undefined ? `<td class="n">${escapeMarkup(clause.shown, 40)}</td>` : cell(clause.estimate, clause.unit)}${cell(clause.low, clause.unit)}${cell(clause.high, clause.unit)}${cell(clause.bound, clause.unit)}<td>${clause.mode}</td><td>${clause.source}</td><td class="n">${clause.look ?? '-'}</td><td>${escapeMarkup(clause.note ?? '')}</td></tr>`,
  )
  return `<h3>Clauses</h3><div class="wide"><table><thead><tr><th scope="col">clause</th><th scope="col">verdict</th><th scope="col" class="n">estimate</th><th scope="col" class="n">low</th><th scope="col" class="n">high</th><th scope="col" class="n">limit</th><th scope="col">mode</th><th scope="col">source</th><th scope="col" class="n">look</th><th scope="col">note</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}
