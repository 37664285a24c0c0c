// A clause's result in one sentence with its numbers: "canary p95 +3.1 % (-0.8 to +7.2), allowed +15 %: PASS at look 2 of
// 4, 120 s" (load-and-gates.md, 8.1). Plain ASCII signs, so that logs and terminals agree.
import { type Clause, showMetric } from '../domain/clause.ts'
import type { ClauseUnit } from '../domain/gate.ts'
import type { Finding } from './finding.ts'
import type { Look } from './looks.ts'

export type At = { readonly look: Look | null; readonly seconds: number }

export function sentenceOf(clause: Clause, finding: Finding, at: At | null, subject: string): string {
  const what = `${subject === '' ? '' : `${subject} `}${showMetric(clause.metric)}`
  const when = at === null ? '' : ` ${showAt(at)}`
  const asides = [finding.note, finding.allowance].filter((aside) => aside !== undefined)
  const reason = asides.length === 0 ? '' : ` (${asides.join('; ')})`
  return `${what} ${showFinding(clause, finding)}${allowed(clause, finding)}: ${verdictWords(finding)}${when}${reason}`
}

export function showAt(at: At): string {
  if (at.look === null || at.look.of === 1) return `after ${at.seconds} s`
  return `at look ${at.look.index} of ${at.look.of}${at.look.extension === 0 ? '' : ' (extended)'}, ${at.seconds} s`
}

export function verdictWords(finding: Pick<Finding, 'state' | 'note'>): string {
  switch (finding.state) {
    case 'pass':
      return 'PASS'
    case 'fail':
      return 'FAIL'
    case 'invalid':
      return 'INVALID'
    case 'worse':
      return 'INCONCLUSIVE (slower, size unresolved)'
    case 'open':
      return finding.note === undefined ? 'INCONCLUSIVE (not enough data)' : 'INCONCLUSIVE'
    default:
      return finding.state satisfies never
  }
}

function showFinding(clause: Clause, finding: Finding): string {
  const { unit, estimate, low, high } = finding
  if (finding.shown !== undefined) return finding.shown
  if (estimate === null) return 'was not measured'
  const isDifference = unit === 'points' || (unit === 'ratio' && clause.metric.kind !== 'capacity')
  if (isDifference && finding.state === 'pass' && low !== null && low > 0) {
    const worse = clause.metric.kind === 'errors' ? 'more' : 'slower'
    return `${worse} by ${number(estimate, unit)}${suffix(unit)} (${number(low, unit)} to ${number(high, unit)})`
  }
  const sign = (value: number | null): string => (isDifference && value !== null && value >= 0 ? '+' : '')
  const show = (value: number | null): string => `${sign(value)}${number(value, unit)}`
  const of =
    clause.metric.kind === 'rps' && unit === 'share' ? ' of offered' : clause.metric.kind === 'capacity' ? ' of the old release' : ''
  const middle = `${show(estimate)}${suffix(unit)}${of}`
  if (low === null && high === null) return middle
  if (low === high) return finding.basis === undefined ? middle : `${middle} (${finding.basis})`
  if (low === null) return `${middle} (at most ${show(high)})`
  if (high === null) return `${middle} (at least ${show(low)})`
  return `${middle} (${show(low)} to ${show(high)})`
}

function allowed(clause: Clause, finding: Finding): string {
  const { bound, unit } = finding
  if (bound === null) return ''
  const isDifference = unit === 'points' || (unit === 'ratio' && clause.metric.kind !== 'capacity')
  return `, allowed ${isDifference ? '+' : `${clause.is} `}${number(bound, unit)}${suffix(unit)}`
}

/** Percentages for shares and ratios; enough digits to tell a rare event from none. */
function number(value: number | null, unit: ClauseUnit): string {
  if (value === null) return '?'
  switch (unit) {
    case 'share':
    case 'ratio':
    case 'points': {
      const percent = value * 100
      const digits = unit === 'ratio' || Math.abs(percent) >= 10 ? 1 : Math.abs(percent) >= 1 ? 2 : 3
      return trim(percent.toFixed(digits))
    }
    case 'ms':
      return value >= 100 ? value.toFixed(0) : trim(value.toPrecision(3))
    case 'perSecond':
      return value >= 100 ? value.toFixed(0) : trim(value.toPrecision(3))
    case 'count':
    case 'exit':
      return String(value)
    case 'number':
      return String(Number(value.toPrecision(6)))
    default:
      return unit satisfies never
  }
}

function suffix(unit: ClauseUnit): string {
  switch (unit) {
    case 'share':
    case 'ratio':
      return ' %'
    case 'points':
      return ' pp'
    case 'ms':
      return ' ms'
    case 'perSecond':
      return '/s'
    case 'count':
    case 'exit':
    case 'number':
      return ''
    default:
      return unit satisfies never
  }
}

/** `15.0` is `15`, `-0.0` is `0`. */
function trim(text: string): string {
  const short = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return short === '-0' ? '0' : short
}
