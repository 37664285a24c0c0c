// A report as Markdown: for the summary of a CI job, and the same text for a comment on a pull request. Verdict and
// clauses first, details folded. Everything that is not ours is escaped; kept under the size that such pages allow by
// leaving rows out, never by cutting in the middle.
import type { CapacityFound } from '../../domain/document.ts'
import type { GateVerdict } from '../../domain/event.ts'
import type { ReportData, ReportMeasurement, ReportRollout } from '../../domain/report.ts'
import { escapeText, SUMMARY_LIMIT_BYTES } from '../markdown.ts'
import { quantileWords, shown, time } from '../measure.ts'
import { duration, many, number, oneLine, when } from '../words.ts'
import { capacityWords, STEP_HEADS, stepCells } from './capacity.ts'
import { share } from './charts.ts'
import { type Line, seriesOf } from './series.ts'
import { coldWords, VERDICT_WORDS } from './words.ts'

const SIGNS: Readonly<Record<GateVerdict, string>> = { pass: '✅', fail: '❌', inconclusive: '❔', invalid: '⚠️' }
const BLOCKS = '▁▂▃▄▅▆▇█'
const SPARKS = 40
/** Rows of a table, and gates, at first. */
const MOST = 200

export function summaryOf(data: ReportData): string {
  // The same however many rows there are.
  const drawn = data.measurements.slice(0, MOST).map((measurement) => sparks(seriesOf(measurement, SPARKS).lines.slice(0, 2)))
  for (const most of [MOST, 50, 10, 3]) {
    const text = page(data, drawn, most)
    if (Buffer.byteLength(text) < SUMMARY_LIMIT_BYTES) return text
  }
  return `### ${SIGNS[data.verdict]} ${escapeText(data.title)}\n\n${escapeText(data.sentence)}\n`
}

/** The gates of a rollout alone, for a page that has told of the rollout already; nothing where there is none. */
export function gatesSummary(data: ReportData): string {
  let text = ''
  for (const measurement of data.measurements) {
    const { verdict, reason } = measurement
    const next = summaryOf({
      ...data,
      title: titleOf(measurement),
      verdict,
      sentence: reason,
      measurements: [measurement],
      rollout: null,
      reproduce: [],
    })
    if (Buffer.byteLength(text) + Buffer.byteLength(next) >= SUMMARY_LIMIT_BYTES) return `${text}\nand more gates\n`
    text += `${text === '' ? '' : '\n'}${next}`
  }
  return text
}

const titleOf = ({ name, where }: ReportMeasurement): string => (where === null ? name : `${name} (${where})`)

function page(data: ReportData, drawn: readonly (readonly string[])[], most: number): string {
  const { title, verdict, sentence, id, at, durationMs, measurements, rollout, reproduce } = data
  const word = rollout === null ? VERDICT_WORDS[verdict] : rollout.outcome
  const lines = [
    `### ${SIGNS[verdict]} ${escapeText(title)}: ${escapeText(word)}`,
    '',
    escapeText(sentence),
    '',
    ...(rollout === null ? [] : hostTable(rollout, most)),
    ...(rollout?.losses ?? []).slice(0, Math.min(most, 20)).map((loss) => `- ${escapeText(loss)}`),
    ...((rollout?.losses.length ?? 0) > 0 ? [''] : []),
    ...measurements
      .slice(0, most)
      .flatMap((measurement, index) =>
        part(measurement, drawn[index] ?? [], { hasTitle: measurements.length > 1 || rollout !== null, most }),
      ),
    ...(measurements.length > most ? [`and ${measurements.length - most} more gates`, ''] : []),
    ...folded(
      'How to do it again',
      reproduce.length === 0 ? [] : ['```', ...reproduce.slice(0, 20).map((line) => escapeCode(line)), '```'],
    ),
    `<sub>${escapeText(id)}, ${escapeText(when(at))}, ${duration(durationMs)}, rollgate ${escapeText(data.rollgate)}</sub>`,
  ]
  return `${lines.join('\n')}\n`
}

type PartOptions = { readonly hasTitle: boolean; readonly most: number }

function part(measurement: ReportMeasurement, drawn: readonly string[], { hasTitle, most }: PartOptions): readonly string[] {
  const { verdict, reason, clauses, warnings, discarded, targets, cold, capacity } = measurement
  return [
    ...(hasTitle
      ? [`#### ${SIGNS[verdict]} ${escapeText(titleOf(measurement))}: ${VERDICT_WORDS[verdict]}`, '', escapeText(reason), '']
      : []),
    ...(clauses.length === 0
      ? []
      : [
          ...(verdict === 'invalid' ? ['What these numbers would say if they could be trusted:', ''] : []),
          '| clause | verdict | estimate | interval | limit |',
          '|---|---|---:|---:|---:|',
          ...clauses.slice(0, most).map((clause) => {
            const show = (value: number | null): string => (value === null ? '-' : escapeText(shown(value, clause.unit)))
            const interval = clause.low === null && clause.high === null ? '-' : `${show(clause.low)} to ${show(clause.high)}`
            const mode = clause.mode === 'gate' ? '' : ` (${clause.mode})`
            return `| ${escapeText(clause.clause)}${mode} | ${SIGNS[clause.verdict]} ${VERDICT_WORDS[clause.verdict]} | ${clause.estimate === null && clause.shown !== undefined ? escapeText(clause.shown) : show(clause.estimate)} | ${interval} | ${show(clause.bound)} |`
          }),
          '',
        ]),
    ...(capacity === null ? [] : capacityTable(capacity, most)),
    ...drawn,
    ...(cold === null ? [] : [`- cold start: ${escapeText(coldWords(cold))}`, '']),
    ...discarded
      .slice(0, 5)
      .map((one) => `- measured again: the attempt before was ${VERDICT_WORDS[one.verdict]}: ${escapeText(one.reason)}`),
    ...warnings.slice(0, Math.min(most, 20)).map((warning) => `- warning: ${escapeText(warning)}`),
    ...(warnings.length + discarded.length > 0 ? [''] : []),
    ...folded(`${many(targets.length, 'target')}`, targetTable(targets, most)),
  ]
}

function capacityTable(capacity: CapacityFound, most: number): readonly string[] {
  const left = capacity.steps.length - most
  return [
    escapeText(capacityWords(capacity)),
    '',
    `| ${STEP_HEADS.join(' | ')} |`,
    '|---:|---|---:|---:|---:|---:|---|',
    ...capacity.steps.slice(0, most).map((step) => `| ${stepCells(step).map(escapeText).join(' | ')} |`),
    ...(left > 0 ? [`and ${left} more`] : []),
    '',
  ]
}

function targetTable(targets: ReportMeasurement['targets'], most: number): readonly string[] {
  if (targets.length === 0) return []
  const left = targets.length - most
  return [
    '| target | offered | ok | failed | p50 | p95 | p99 | failures |',
    '|---|---:|---:|---:|---:|---:|---:|---|',
    ...targets.slice(0, most).map((target) => {
      const failed = Object.entries(target.errors).filter(([, count]) => count > 0)
      const all = failed.reduce((sum, [, count]) => sum + count, 0)
      const kinds = failed.map(([kind, count]) => `${number(count)} ${kind}`).join(', ')
      const rate = all === 0 || target.offered === 0 ? '' : ` (${share(all / target.offered)})`
      const quantiles = quantileWords(target, ['p50', 'p95', 'p99']).map(escapeText).join(' | ')
      return `| ${escapeText(target.name)} | ${number(target.offered)} | ${number(target.done)} | ${number(all)}${rate} | ${quantiles} | ${escapeText(kinds)} |`
    }),
    ...(left > 0 ? [`and ${left} more`] : []),
  ]
}

function hostTable({ hosts, outcome }: ReportRollout, most: number): readonly string[] {
  if (hosts.length === 0) return []
  // Failed hosts first: they must not be among those that are left out.
  const sorted = hosts.toSorted((a, b) => Number(a.error === null) - Number(b.error === null))
  return [
    outcome === 'rolled-back' ? '| host | back on | not on | phase | error |' : '| host | from | to | phase | error |',
    '|---|---|---|---|---|',
    ...sorted
      .slice(0, most)
      .map(
        (host) =>
          `| ${escapeText(host.name)} | ${escapeText(host.from ?? 'none')} | ${escapeText(host.to ?? 'none')} | ${escapeText(host.phase)} | ${escapeText(host.error ?? '')} |`,
      ),
    ...(hosts.length > most ? [`| and ${hosts.length - most} more | | | | |`] : []),
    '',
  ]
}

/** p95 over time, each in one line and all on one scale: `p95 new ▁▁▂█▂ 40 ms to 1.2 s`; ✖ where it falls on failures. */
function sparks(lines: readonly Line[]): readonly string[] {
  const most = Math.max(...lines.flatMap((line) => line.points.map((point) => finite(point.p95) ?? 0)))
  return lines.flatMap((line) => {
    const seen = line.points.map((point) => finite(point.p95)).filter((value) => value !== null)
    if (line.points.filter((point) => point.p95 !== null).length < 2) return []
    const drawn = line.points.map(({ p95 }) => {
      if (p95 === null) return ' '
      return p95 === Number.POSITIVE_INFINITY ? '✖' : (BLOCKS[Math.round((p95 / most) * (BLOCKS.length - 1))] ?? '')
    })
    return [
      `p95 ${escapeText(line.name)} \`${drawn.join('')}\`${seen.length === 0 ? '' : ` ${time(Math.min(...seen))} to ${time(Math.max(...seen))}`}`,
      '',
    ]
  })
}

const finite = (value: number | null): number | null => (value === null || !Number.isFinite(value) ? null : value)

function folded(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['<details>', `<summary>${title}</summary>`, '', ...lines, '', '</details>', '']
}

/** Inside a fence only a fence could end it. */
const escapeCode = (text: string): string => oneLine(text, 500).replaceAll('`', "'")
