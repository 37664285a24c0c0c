// A measurement while it runs: for a terminal a line for each target and one for each clause, with a bar that shows the
// interval against the margin; for a pipe the same in one line. Names come from configurations and are cleaned.
import type { TargetSummary } from '../domain/load.ts'
import type { ClauseProgress, MeasureProgress, TargetProgress } from '../domain/progress.ts'
import type { Style } from './style.ts'
import { fitTo, padEnd, padStart, textWidth } from './width.ts'
import { many, number, oneLine } from './words.ts'

const PHASES: Readonly<Record<MeasureProgress['phase'], string>> = {
  calibration: 'calibrating',
  warmup: 'warming up',
  measuring: 'measuring',
  draining: 'waiting for answers',
}
const SIGNS = { pass: '✔', fail: '✖', inconclusive: '?', invalid: '!' } as const
const BAR_WIDTH = 21
const NAME_MOST = 24
/** Below it a line has room for either the bar or the numbers. */
const NEEDED_FOR_BAR = 60

/** `30 s of at most 60 s, look 1 of 4, next at 45 s  ● trusted`, then targets, then clauses. */
export function measureLines(name: string, progress: MeasureProgress, columns: number, style: Style): readonly string[] {
  const isGood = progress.trust.light === 'good'
  return [
    fitTo(`  ${style.bold(oneLine(name, 60))}  ${stateWords(progress, true)}${isGood ? `  ${style.green('● trusted')}` : ''}`, columns),
    // What is wrong has a line of its own: at the end of the first one it would be cut.
    ...(isGood ? [] : [fitTo(`  ${doubtWords(progress, style)}`, columns)]),
    ...targetLines(progress.targets, columns, style),
    ...progress.clauses.map((clause) => clauseLine(clause, progress.clauses, columns, style)),
  ]
}

/** For lines in a pipe. */
export function measureWords(progress: MeasureProgress): string {
  const targets = progress.targets.map((target) => {
    const parts = [
      `${number(target.sent)} sent`,
      `${number(target.done)} ok`,
      errorWords(target),
      `p50 ${time(target.p50Ms)}`,
      `p95 ${time(target.p95Ms)}`,
      ...(target.slow === null ? [] : [`slow ${share(target.slow)}`]),
    ]
    return `${oneLine(target.name, 60)} ${parts.join(', ')}`
  })
  const { light, reason } = progress.trust
  return `${[stateWords(progress, false), ...targets].join('; ')}${light === 'good' ? '' : `; ${light}: ${oneLine(reason ?? '', 200)}`}`
}

/** @param isShort where looks are planned they say that it is measured */
function stateWords({ phase, seconds, atMostSeconds, look }: MeasureProgress, isShort: boolean): string {
  const of = atMostSeconds === null ? '' : ` of ${phase === 'measuring' && look !== null ? 'at most ' : ''}${atMostSeconds} s`
  const looks =
    look === null
      ? ''
      : `, ${look.at === 0 ? many(look.of, 'look') : `look ${look.at} of ${look.of}`}${look.nextSeconds === null ? '' : `, next at ${look.nextSeconds} s`}`
  return `${isShort && phase === 'measuring' && look !== null ? '' : `${PHASES[phase]} `}${seconds} s${of}${looks}`
}

function doubtWords({ trust }: MeasureProgress, style: Style): string {
  const why = trust.reason === null ? '' : `: ${oneLine(trust.reason, 100)}`
  return trust.light === 'bad' ? style.red(`✖ not trusted${why}`) : style.yellow(`! doubtful${why}`)
}

function targetLines(targets: readonly TargetProgress[], columns: number, style: Style): readonly string[] {
  if (targets.length === 0) return []
  const cells = targets.map((target) => [
    fitTo(oneLine(target.name, 60), NAME_MOST),
    number(target.offered),
    number(target.sent),
    number(target.done),
    time(target.p50Ms),
    time(target.p95Ms),
    target.slow === null ? '' : share(target.slow),
    failedOf(target) === 0 ? '0' : errorWords(target),
  ])
  const head = ['target', 'offered', 'sent', 'ok', 'p50', 'p95', 'slow', 'failed']
  // What says least goes first where there is no room: offered, then sent.
  const dropped = columns < 48 ? [1, 2, 6] : columns < 64 ? [1, 2] : columns < 76 ? [1] : []
  const used = head.map((_, index) => index).filter((index) => !dropped.includes(index) && cells.some((row) => row[index] !== ''))
  const widths = used.map((index) => Math.max(textWidth(head[index] ?? ''), ...cells.map((row) => textWidth(row[index] ?? ''))))
  const line = (row: readonly string[]): string =>
    used
      .map((index, place) => {
        const text = row[index] ?? ''
        const width = widths[place] ?? 0
        if (index === head.length - 1) return text
        return index === 0 ? padEnd(text, width) : padStart(text, width)
      })
      .join('  ')
  return [
    fitTo(`    ${style.dim(line(head))}`, columns),
    ...cells.map((row, index) => {
      const text = fitTo(`    ${line(row)}`, columns)
      return failedOf(targets[index]) > 0 ? style.yellow(text) : text
    }),
  ]
}

const failedOf = (target: TargetProgress | undefined): number => Object.values(target?.errors ?? {}).reduce((sum, count) => sum + count, 0)

/** `12 status, 3 reset`, the most frequent first. */
function errorWords(target: TargetProgress): string {
  const kinds = Object.entries(target.errors)
    .filter(([, count]) => count > 0)
    .toSorted(([, a], [, b]) => b - a)
  if (kinds.length === 0) return '0 failed'
  const shown = kinds.slice(0, 3).map(([kind, count]) => `${number(count)} ${oneLine(kind, 40)}`)
  return `${shown.join(', ')}${kinds.length > shown.length ? ' …' : ''}`
}

function clauseLine(clause: ClauseProgress, all: readonly ClauseProgress[], columns: number, style: Style): string {
  const { verdict } = clause
  const paint = verdict === 'pass' ? style.green : verdict === 'fail' ? style.red : style.yellow
  const sign = verdict === null ? style.dim('·') : paint(SIGNS[verdict])
  const room = Math.min(NAME_MOST + 10, Math.max(...all.map(({ clause: text }) => textWidth(oneLine(text, 80)))))
  const title = padEnd(fitTo(oneLine(clause.clause, 80), room), room)
  const mode = clause.mode === 'gate' ? '' : ` ${style.dim(`(${clause.mode})`)}`
  const numbers = clauseNumbers(clause)
  const bar = columns < NEEDED_FOR_BAR ? '' : `  ${intervalBar(clause, BAR_WIDTH)}`
  return fitTo(`  ${sign} ${title}${bar}  ${numbers}${mode}`, columns)
}

function clauseNumbers({ estimate, low, high, unit, shown: words }: ClauseProgress): string {
  if (estimate === null) return words === undefined ? '-' : oneLine(words, 40)
  const show = (value: number): string => shown(value, unit)
  if (low === null && high === null) return show(estimate)
  if (low === null) return `${show(estimate)} (at most ${show(high ?? estimate)})`
  if (high === null) return `${show(estimate)} (at least ${show(low)})`
  return `${show(estimate)} (${show(low)} to ${show(high)})`
}

/**
 * `├──●──┤   │`: the interval, the estimate in it, the bound. The scale holds all of them and zero, so that how far it is
 * to the margin can be seen; ends that lie beyond the scale are arrows.
 */
export function intervalBar(
  { estimate, low, high, bound }: Pick<ClauseProgress, 'estimate' | 'low' | 'high' | 'bound'>,
  width: number,
): string {
  const points = [estimate, low, high, bound].filter((value): value is number => value !== null && Number.isFinite(value))
  if (points.length === 0 || width < 3) return ' '.repeat(Math.max(0, width))
  const least = Math.min(0, ...points)
  const most = Math.max(0, ...points)
  // The bound stands at two thirds where there is room, so that a pass looks like one at a glance.
  const top = bound !== null && most === bound && bound > 0 ? bound * 1.25 : most
  const bottom = bound !== null && least === bound && bound < 0 ? bound * 1.25 : least
  const span = top - bottom || 1
  const at = (value: number): number => Math.max(0, Math.min(width - 1, Math.round(((value - bottom) / span) * (width - 1))))
  const cells = Array.from({ length: width }, () => '·')
  const from = low === null ? null : at(low)
  const to = high === null ? null : at(high)
  if (from !== null || to !== null) {
    for (let cell = from ?? 0; cell <= (to ?? width - 1); cell += 1) cells[cell] = '─'
    if (from !== null) cells[from] = '├'
    if (to !== null) cells[to] = '┤'
  }
  if (bound !== null) cells[at(bound)] = '│'
  if (estimate !== null && Number.isFinite(estimate)) cells[at(estimate)] = '●'
  return cells.join('')
}

/** @param ms Infinity: it falls on a failure, and failures are slower than any answer; null: not known */
export function time(ms: number | null): string {
  if (ms === null) return '-'
  if (ms === Number.POSITIVE_INFINITY) return '> timeout'
  return ms >= 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${ms >= 100 ? ms.toFixed(0) : ms.toFixed(1)} ms`
}

const QUANTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 } as const

/** Quantiles of a target. Failures are slower than any answer: one that falls on them has no number, and says so. */
export function quantileWords(target: TargetSummary, names: readonly (keyof typeof QUANTILES)[]): readonly string[] {
  const all = Object.values(target.errors).reduce((sum, count) => sum + count, target.done)
  return names.map((name) => {
    const ms = target[`${name}Ms`]
    return time(ms === null && all > 0 && Math.ceil(QUANTILES[name] * all) > target.done ? Number.POSITIVE_INFINITY : ms)
  })
}

const share = (value: number): string => `${trim((value * 100).toFixed(value >= 0.1 ? 1 : 2))} %`

/** A number of a clause with its unit. */
export function shown(value: number, unit: ClauseProgress['unit']): string {
  const signed = unit === 'points' || unit === 'ratio'
  const sign = signed && value >= 0 ? '+' : ''
  switch (unit) {
    case 'ms':
      return time(value)
    case 'share':
      return share(value)
    case 'ratio':
      return `${sign}${trim((value * 100).toFixed(1))} %`
    case 'points':
      return `${sign}${trim((value * 100).toFixed(2))} pp`
    case 'perSecond':
      return `${trim(value.toFixed(value >= 100 ? 0 : 1))}/s`
    case 'count':
    case 'exit':
    case 'number':
      return String(Number(value.toPrecision(6)))
    default:
      return unit satisfies never
  }
}

/** `15.0` is `15`, `-0` is `0`. */
function trim(text: string): string {
  const short = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return short === '-0' ? '0' : short
}
