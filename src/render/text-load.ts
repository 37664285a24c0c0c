// A load test as people read it: a line for each target, a line for each clause with its numbers, and whether the numbers
// can be believed.
import type { GateDocument, ImportDocument, LoadDocument, ReportDocument, ScenarioDocument, SelftestDocument } from '../domain/document.ts'
import { quantileWords, time } from './measure.ts'
import { CAPACITY_OUTCOMES, coldWords } from './report/words.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { number, oneLine } from './words.ts'

const SIGNS = { pass: '✔', fail: '✖', inconclusive: '?', invalid: '!' } as const

export function loadText(document: LoadDocument | ImportDocument | GateDocument, style: Style): readonly string[] {
  const { verdict, reason, targets, clauses, warnings } = document
  const paint = verdict === 'pass' ? style.green : verdict === 'fail' ? style.red : style.yellow
  return [
    `${paint(SIGNS[verdict])} ${style.bold(verdict.toUpperCase())}  ${oneLine(reason, 300)}`,
    // A gate that sent nothing has no targets.
    ...(targets.length === 0 ? [] : ['', ...targetLines(targets, style)]),
    ...('capacity' in document && document.capacity !== undefined ? ['', ...capacityLines(document.capacity, style)] : []),
    ...(clauses.length === 0 ? [] : ['', ...clauses.map((clause) => `  ${SIGNS[clause.verdict]} ${oneLine(clause.sentence, 300)}`)]),
    ...('cold' in document && document.cold !== null ? ['', `  cold start: ${coldWords(document.cold)}`] : []),
    ...warnings.map((warning) => `  ${style.yellow('!')} ${oneLine(warning, 300)}`),
    '',
    style.dim(`  ${endLine(document)}`),
  ]
}

function targetLines(targets: LoadDocument['targets'], style: Style): readonly string[] {
  const columns = ['target', 'offered', 'answered', 'per s', 'failed', 'p50', 'p95', 'p99', 'max'].map((title, index) =>
    index === 0 ? { title } : ({ title, align: 'right' } as const),
  )
  const rows = targets.map((target) => [
    oneLine(target.name, 100),
    number(target.offered),
    number(target.done),
    target.rps.toFixed(1),
    failures(target.errors),
    ...quantileWords(target, ['p50', 'p95', 'p99']),
    time(target.maxMs),
  ])
  return table(columns, rows, style)
}

function capacityLines({ thresholds, steps }: NonNullable<LoadDocument['capacity']>, style: Style): readonly string[] {
  const rows = steps.map((step) => [
    `${number(step.ratePerSecond)}/s`,
    `${CAPACITY_OUTCOMES[step.outcome]}${step.confirm ? ', looked at again' : ''}`,
    ...[time(step.p50Ms), time(step.p95Ms), number(step.failed)],
    oneLine(step.reason, 100),
  ])
  const right = { align: 'right' } as const
  const columns = [{ title: 'rate' }, { title: '' }, { title: 'p50', ...right }, { title: 'p95', ...right }, { title: 'failed', ...right }]
  return [...table([...columns, { title: '' }], rows, style), ...thresholds.map((text) => `  as long as ${oneLine(text, 100)}`)]
}

function endLine(document: LoadDocument | ImportDocument | GateDocument): string {
  const { run, validity } = document
  if ('source' in document && document.source !== undefined) return `${sourceLine(document.source, document.measuredMs)}; run ${run}`
  return `${validity.sendLagP99Ms === null ? '' : `sent within ${validity.sendLagP99Ms.toFixed(1)} ms of the due moment (p99); `}run ${run}`
}

const LEVELS = { A: 'every request', B: 'intervals or a histogram', C: 'totals only' } as const

function sourceLine(source: ImportDocument['source'], measuredMs: number | null): string {
  const length = measuredMs === null ? '' : ` over ${(measuredMs / 1000).toFixed(1)} s`
  return `${oneLine(source.format, 40)}, level ${source.level} (${LEVELS[source.level]})${length}`
}

/** The block itself is what stdout is for; written to a file, only where it went. */
export function scenarioText(document: ScenarioDocument): readonly string[] {
  if (document.written === null) return document.scenario.trimEnd().split('\n')
  const left = document.left.reduce((sum, { count }) => sum + count, 0)
  return [`${number(document.requests)} requests in ${oneLine(document.written, 200)}, ${number(left)} left out`]
}

/** What a page is about, and where it is. */
export function reportText({ title, verdict, sentence, file, files }: ReportDocument, style: Style): readonly string[] {
  // The page itself went to stdout.
  if (file === null) return []
  return [
    `${oneLine(title, 200)}: ${SIGNS[verdict]} ${oneLine(sentence, 300)}`,
    ...files.map((one) => `  ${style.bold(oneLine(one, 1_000))}`),
  ]
}

export function selftestText(document: SelftestDocument, style: Style): readonly string[] {
  const rows = document.steps.map((step) => [
    `${number(step.ratePerSecond)}/s`,
    step.valid ? style.green('✔ in time') : style.yellow('! not in time'),
    time(step.sendLagP99Ms),
    step.cpu === null ? '' : `${Math.round(step.cpu * 100)} %`,
    oneLine(step.reasons.join('; '), 200),
  ])
  return [
    ...table(
      [{ title: 'rate' }, { title: '' }, { title: 'send lag p99', align: 'right' }, { title: 'cpu', align: 'right' }, { title: '' }],
      rows,
      style,
    ),
    '',
    document.ceilingPerSecond === null
      ? `${style.yellow('!')} not even the lowest rate was sent in time`
      : `  this machine sends ${style.bold(`${number(document.ceilingPerSecond)}/s`)} in time, now`,
  ]
}

function failures(errors: LoadDocument['targets'][number]['errors']): string {
  const all = Object.entries(errors).filter(([, count]) => count > 0)
  return all.length === 0 ? '0' : all.map(([name, count]) => `${number(count)} ${oneLine(name, 40)}`).join(', ')
}
