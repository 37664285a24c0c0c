// Reads one line of a gate's `pass:`: `p95 <= baseline + 15% or + 5ms`. Careful about units: a bare number is refused
// wherever a unit is possible, because 300 is a fine latency in milliseconds and a terrible one in seconds; and about
// what a clause cannot mean (`p95 > 300ms` would pass the slow release). A problem names the nearest valid form.
import { type Clause, type ClauseMode, type Limit, type Margin, type Metric, type Relation, showMetric } from './clause.ts'

export type ParsedClause = { readonly clause: Clause } | { readonly problem: string; readonly nearest?: string }

/** One valid form of each metric: what an error suggests. */
const FORMS: Readonly<Record<Metric['kind'], readonly string[]>> = {
  quantile: ['p95 < 300ms', 'p95 <= baseline + 15%', 'p95 <= baseline + 15% or + 5ms', 'p95 <= last 5 passes + 10%'],
  max: ['max < 2s'],
  errors: ['errors < 0.5%', 'errors <= baseline + 0.1pp', 'errors = 0'],
  slow: ['slow <= baseline + 1pp', 'slow < 1%'],
  rps: ['rps >= 98% of offered', 'rps >= 180/s'],
  value: ['value < 1'],
  burn: ['burn < 14.4'],
  capacity: ['capacity >= 95% of baseline'],
  'restart.lost': ['restart.lost = 0'],
}

/** Words that people bring along from other tools. */
const MEANT: Readonly<Record<string, string>> = {
  error: 'errors',
  errorrate: 'errors',
  failed: 'errors',
  failures: 'errors',
  httpreqfailed: 'errors',
  median: 'p50',
  latency: 'p95',
  httpreqduration: 'p95',
  duration: 'p95',
  throughput: 'rps',
  rate: 'rps',
  requestspersecond: 'rps',
  maximum: 'max',
  slowrequests: 'slow',
  lost: 'restart.lost',
  restartlost: 'restart.lost',
  burnrate: 'burn',
}

const RELATIONS: readonly Relation[] = ['<', '<=', '>', '>=', '=']
const TIME_UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

/**
 * @param options.aboveMs what `slow` means, where it is stated instead of calibrated
 * @returns a problem in words that follow "is" or stand alone, with the nearest valid form where one is meant
 */
export function parseClause(written: string, options: { readonly mode?: ClauseMode; readonly aboveMs?: number | null } = {}): ParsedClause {
  const text = written.trim().replace(/\s+/g, ' ')
  if (text.length > 200) return { problem: `is ${text.length} characters long; a clause is a short line such as \`p95 < 300ms\`` }
  const cut = /^(.*?)\s*(<=|>=|==|=<|=>|!=|<|>|=|≤|≥)\s*(.*)$/.exec(text)
  if (cut === null) {
    const named = readMetric(text, null)
    const form = 'metric' in named ? FORMS[named.metric.kind][0] : named.nearest
    return {
      problem: 'has no comparison: METRIC, one of < <= > >= =, and a limit',
      ...(form === undefined ? {} : { nearest: form }),
    }
  }
  const [, left = '', sign = '', right = ''] = cut
  const named = readMetric(left, options.aboveMs ?? null)
  if ('problem' in named) return named.nearest === undefined ? named : { ...named, nearest: `${named.nearest} ${sign} ${right}` }
  const { metric } = named
  const is = RELATIONS.find((relation) => relation === ({ '≤': '<=', '≥': '>=', '==': '=' }[sign] ?? sign))
  if (is === undefined) {
    const meant = { '=<': '<=', '=>': '>=', '!=': '<=' }[sign] ?? '<='
    return { problem: `uses "${sign}"; comparisons are < <= > >= =`, nearest: `${left} ${meant} ${right}` }
  }
  const limit = readLimit(metric, right)
  if ('problem' in limit) return limit
  const senseless = checkDirection(metric, is, limit.limit)
  if (senseless !== null) return senseless
  return { clause: { text, mode: options.mode ?? 'gate', metric, is, limit: limit.limit } }
}

type Read<T> = T | { readonly problem: string; readonly nearest?: string }

function readMetric(word: string, aboveMs: number | null): Read<{ readonly metric: Metric }> {
  const quantile = /^p(\d{1,2}(?:\.\d{1,4})?)$/.exec(word)
  if (quantile !== null) {
    const percent = Number(quantile[1])
    if (percent > 0) return { metric: { kind: 'quantile', q: exact(percent / 100) } }
    return { problem: 'asks for p0: write p50, p95 or p99', nearest: 'p50' }
  }
  if (word === 'slow') return { metric: { kind: 'slow', aboveMs } }
  for (const kind of ['max', 'errors', 'rps', 'value', 'burn', 'capacity', 'restart.lost'] as const)
    if (word === kind) return { metric: { kind } }
  if (word === '') return { problem: 'has no metric before the comparison' }
  const plain = word.toLowerCase().replace(/[^a-z0-9.]/g, '')
  const asQuantile = /^(?:p|latencyp|p)?(\d{2}(?:\.\d+)?)(?:th|ms|percentile)?$/.exec(plain)
  const meant = asQuantile === null ? (MEANT[plain.replace(/\./g, '')] ?? near(plain)) : `p${asQuantile[1]}`
  return {
    problem: 'begins with an unknown metric; known are pNN (p50, p95, p99.9), max, errors, slow, rps, value, burn, capacity, restart.lost',
    ...(meant === undefined ? {} : { nearest: meant }),
  }
}

/** A known word that is one slip of the keys away. */
function near(word: string): string | undefined {
  const known = ['errors', 'slow', 'rps', 'value', 'burn', 'capacity', 'restart.lost', 'max']
  return known.find(
    (candidate) => Math.abs(candidate.length - word.length) <= 1 && slips(word, candidate) <= (candidate.length > 4 ? 2 : 1),
  )
}

/** Letters that differ when the shared start and end are taken away: enough for slips of the keys. */
function slips(left: string, right: string): number {
  let start = 0
  while (start < Math.min(left.length, right.length) && left[start] === right[start]) start += 1
  let end = 0
  while (end < Math.min(left.length, right.length) - start && left.at(-1 - end) === right.at(-1 - end)) end += 1
  return Math.max(left.length, right.length) - start - end
}

function readLimit(metric: Metric, written: string): Read<{ readonly limit: Limit }> {
  if (written === '') return { problem: 'has no limit after the comparison', ...nearestForm(metric) }
  const relative = /^(baseline|last (\d+) passe?s?)\b\s*(.*)$/.exec(written)
  if (relative !== null) return readRelative(metric, relative[2] === undefined ? null : Number(relative[2]), relative[3] ?? '')
  const share = /^(\d+(?:\.\d+)?)\s?% of (\w+)$/.exec(written)
  if (share !== null) return readShareOf(metric, Number(share[1]) / 100, share[2] ?? '')
  return readBound(metric, written)
}

function readShareOf(metric: Metric, share: number, of: string): Read<{ readonly limit: Limit }> {
  if (share <= 0 || share > 1) return { problem: `asks for ${round(share * 100)}%; a share of something is above 0% and at most 100%` }
  if (metric.kind === 'rps' && of === 'offered') return { limit: { against: 'offered', share } }
  if (metric.kind === 'capacity' && of === 'baseline' && share === 1)
    return { problem: 'allows no loss at all: no measurement can show that two releases carry exactly the same', ...nearestForm(metric) }
  if (metric.kind === 'capacity' && of === 'baseline')
    return { limit: { against: 'baseline', margins: [{ kind: 'percent', share: exact(share - 1) }] } }
  return {
    problem: `compares ${showMetric(metric)} with a share of ${of}; only \`rps >= 98% of offered\` and \`capacity >= 95% of baseline\` do that`,
    ...nearestForm(metric),
  }
}

/** After `baseline` or `last N passes`: `+ 10%`, `+ 15% or + 5ms`, `+ 1pp`, or nothing. */
function readRelative(metric: Metric, passes: number | null, rest: string): Read<{ readonly limit: Limit }> {
  const isShare = metric.kind === 'errors' || metric.kind === 'slow'
  if (!isShare && metric.kind !== 'quantile') {
    return {
      problem: `compares ${showMetric(metric)} with the ${passes === null ? 'baseline' : 'last passes'}; that is possible for pNN, errors and slow`,
      ...nearestForm(metric),
    }
  }
  if (passes !== null && (passes < 1 || passes > 50))
    return { problem: `asks for the last ${passes} passes; 1 to 50 are kept`, nearest: 'p95 <= last 5 passes + 10%' }
  if (passes !== null && metric.kind === 'slow')
    return { problem: 'compares slow with the last passes: what counts as slow is calibrated anew for each', ...nearestForm(metric) }
  const full = (margin: string): string => `${showMetric(metric)} <= ${passes === null ? 'baseline' : `last ${passes} passes`} + ${margin}`
  const margins: Margin[] = []
  for (const part of rest === '' ? [] : rest.split(/\s+or\s+/)) {
    const match = /^\+\s*(\d+(?:\.\d+)?)\s?(%|pp|us|ms|s)?$/.exec(part)
    const value = Number(match?.[1])
    const unit = match?.[2]
    if (match === null)
      return {
        problem: `has "${part.slice(0, 40)}" where a margin such as \`+ ${isShare ? '1pp' : '10%'}\` belongs`,
        ...nearestForm(metric, 1),
      }
    if (unit === undefined) return { problem: `has the margin + ${value} without a unit`, nearest: full(`${value}${isShare ? 'pp' : '%'}`) }
    if (isShare && unit !== 'pp')
      return { problem: `has the margin + ${value}${unit}; shares differ by percentage points`, nearest: full(`${value}pp`) }
    if (!isShare && unit === 'pp')
      return { problem: `has the margin + ${value}pp; latencies differ by a percentage or a time`, nearest: full(`${value}%`) }
    if (!(value > 0))
      return { problem: 'has a margin of nothing: no measurement can show that two releases are exactly equal', ...nearestForm(metric, 1) }
    if (unit === 'pp') margins.push({ kind: 'points', share: exact(value / 100) })
    else if (unit === '%') margins.push({ kind: 'percent', share: exact(value / 100) })
    else margins.push({ kind: 'ms', ms: value * (TIME_UNITS[unit] ?? Number.NaN) })
  }
  const [first, ...others] = margins
  if (first === undefined)
    return { problem: 'has no margin: no measurement can show that two releases are exactly equal', ...nearestForm(metric, 1) }
  if (first.kind === 'points' && first.share >= 1) return { problem: 'has a margin of 100pp or more: it can never fail' }
  return {
    limit:
      passes === null
        ? { against: 'baseline', margins: [first, ...others] }
        : { against: 'passes', count: passes, margins: [first, ...others] },
  }
}

function readBound(metric: Metric, written: string): Read<{ readonly limit: Limit }> {
  const match = /^(-?\d+(?:\.\d+)?)\s?([^\d\s].*)?$/.exec(written)
  if (match === null) return { problem: `has "${written.slice(0, 40)}" where a limit belongs`, ...nearestForm(metric) }
  const value = Number(match[1])
  const unit = match[2]
  const bound = (converted: number): Read<{ readonly limit: Limit }> => ({ limit: { against: 'bound', value: converted } })
  switch (metric.kind) {
    case 'quantile':
    case 'max': {
      if (unit === undefined)
        return { problem: `has the time ${match[1]} without a unit`, nearest: `${showMetric(metric)} < ${match[1]}ms` }
      const factor = TIME_UNITS[unit]
      if (factor === undefined)
        return { problem: `has "${written.slice(0, 40)}" where a time such as 300ms belongs`, ...nearestForm(metric) }
      return value > 0 ? bound(value * factor) : { problem: 'asks for a time that is not above zero', ...nearestForm(metric) }
    }
    case 'errors':
    case 'slow': {
      if (metric.kind === 'slow' && metric.aboveMs === null)
        return {
          problem: 'needs to know what slow is: add `above: 300ms`, or compare with the baseline',
          nearest: 'slow <= baseline + 1pp',
        }
      if (unit === undefined && value === 0) return bound(0)
      if (unit === undefined) return { problem: `has the share ${match[1]} without a unit`, nearest: `${metric.kind} < ${match[1]}%` }
      if (unit !== '%') return { problem: `has "${written.slice(0, 40)}" where a share such as 0.5% belongs`, ...nearestForm(metric) }
      return value >= 0 && value < 100
        ? bound(exact(value / 100))
        : { problem: `asks for ${value}%; a share is from 0% to below 100%`, ...nearestForm(metric) }
    }
    case 'rps': {
      if (unit === undefined) return { problem: `has the rate ${match[1]} without a unit`, nearest: `rps >= ${match[1]}/s` }
      if (unit !== '/s' && unit !== '/m')
        return { problem: `has "${written.slice(0, 40)}" where a rate such as 180/s belongs`, ...nearestForm(metric) }
      return value > 0
        ? bound(value / (unit === '/m' ? 60 : 1))
        : { problem: 'asks for a rate that is not above zero', ...nearestForm(metric) }
    }
    case 'capacity':
      return { problem: 'compares capacity with a number: it is a share of what the old release carries', ...nearestForm(metric) }
    case 'restart.lost': {
      if (unit !== undefined || !Number.isInteger(value) || value < 0)
        return { problem: `has "${written.slice(0, 40)}" where a number of requests belongs`, ...nearestForm(metric) }
      return bound(value)
    }
    case 'value':
    case 'burn': {
      // A query's answer has whatever unit the query gives it: a plain number is the only form that cannot lie.
      if (unit === '%' && metric.kind === 'value') return bound(exact(value / 100))
      if (unit !== undefined) return { problem: `has "${written.slice(0, 40)}" where a plain number belongs`, ...nearestForm(metric) }
      return bound(value)
    }
    default:
      return metric satisfies never
  }
}

/** Which way is good is known for all but a query's value; the other way round would pass what it should stop. */
function checkDirection(metric: Metric, is: Relation, limit: Limit): { readonly problem: string; readonly nearest?: string } | null {
  const wantsMore = metric.kind === 'rps' || metric.kind === 'capacity'
  if (metric.kind === 'value') return null
  const isZero = limit.against === 'bound' && limit.value === 0
  if (is === '=') {
    if (isZero || metric.kind === 'restart.lost') return null
    return { problem: 'asks for equality: measurements are never exactly equal to a number', ...nearestForm(metric) }
  }
  if (isZero && is === '<') return { problem: 'asks for less than nothing', nearest: `${showMetric(metric)} = 0` }
  const asksMore = is === '>' || is === '>='
  if (asksMore === wantsMore) return null
  return {
    problem: `would pass when ${showMetric(metric)} is ${wantsMore ? 'low' : 'high'}: more is ${wantsMore ? 'better' : 'worse'} here`,
    ...nearestForm(metric),
  }
}

function nearestForm(metric: Metric, index = 0): { readonly nearest?: string } {
  const form = FORMS[metric.kind][index] ?? FORMS[metric.kind][0]
  if (form === undefined) return {}
  return { nearest: metric.kind === 'quantile' ? form.replace(/^p95/, showMetric(metric)) : form }
}

function round(value: number): number {
  return Number(value.toPrecision(6))
}

/** 99.9 / 100 is 0.9990000000000001; keys and reports want 0.999. */
function exact(value: number): number {
  return Number(value.toPrecision(12))
}
