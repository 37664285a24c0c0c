// Gates as people read them: what each clause needs, how hosts differ, verdicts worked out again.
import type { GateCalibrateDocument, GateExplainDocument, GatePlanDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { oneLine } from './words.ts'

const SIGNS = { pass: '✔', fail: '✖', inconclusive: '?', invalid: '!' } as const

export function gatePlanText({ gates }: GatePlanDocument, style: Style): readonly string[] {
  if (gates.length === 0) return ['the configuration has no gate']
  return gates.flatMap(({ gate, problems, warnings, clauses }, index) => {
    // A clause that cannot be decided is a problem too, and said once.
    const own = problems.filter((problem) => !clauses.some((clause) => clause.sentence === problem))
    const nothing = own.length + warnings.length + clauses.length === 0
    return [
      ...(index === 0 ? [] : ['']),
      style.bold(oneLine(gate, 100)),
      ...own.map((problem) => `  ${style.red('✖')} ${oneLine(problem, 400)}`),
      ...clauses.map((clause) => `  ${clause.isDecidable ? style.green('✔') : style.red('✖')} ${oneLine(clause.sentence, 400)}`),
      ...warnings.map((warning) => `  ${style.yellow('!')} ${oneLine(warning, 400)}`),
      ...(nothing ? [`  ${style.green('✔')} nothing of it needs a particular time`] : []),
    ]
  })
}

export function gateExplainText({ gates, run, command }: GateExplainDocument, style: Style): readonly string[] {
  const isWhatIf = command === 'gate whatif'
  return [
    ...gates.flatMap(({ name, verdict, kept, reason, clauses, differences, discarded }) => {
      const paint = verdict === 'pass' ? style.green : verdict === 'fail' ? style.red : style.yellow
      const was = isWhatIf && verdict !== kept ? `  (was ${kept.toUpperCase()})` : ''
      return [
        `${paint(SIGNS[verdict])} ${style.bold(`${oneLine(name, 100)}: ${verdict.toUpperCase()}`)}${was}  ${oneLine(reason, 400)}`,
        ...clauses.map((clause) => `    ${SIGNS[clause.verdict]} ${oneLine(clause.sentence, 400)}`),
        ...discarded.map(
          (attempt) => `    ${style.yellow('!')} thrown away: ${attempt.verdict.toUpperCase()}: ${oneLine(attempt.reason, 300)}`,
        ),
        ...differences.map((difference) => `    ${style.red('✖')} ${oneLine(difference, 300)}`),
        '',
      ]
    }),
    style.dim(
      `  run ${oneLine(run, 100)}; ${isWhatIf ? 'nothing of what was decided is changed' : 'worked out again from what was kept here'}`,
    ),
  ]
}

export function gateCalibrateText(document: GateCalibrateDocument, style: Style): readonly string[] {
  const { pairs, hostEffect, aa, clauses, warnings } = document
  const once = pairs.filter(({ host, against }) => host < against)
  const cell = (pair: (typeof pairs)[number], q: string): string => {
    const found = pair.quantiles[q]
    return found === undefined ? '-' : `${found.ratio < 0 ? '' : '+'}${(100 * found.ratio).toFixed(1)} % ± ${(196 * found.se).toFixed(1)}`
  }
  return [
    ...table(
      [
        { title: 'host' },
        { title: 'against' },
        { title: 'p50', align: 'right' },
        { title: 'p95', align: 'right' },
        { title: 'slow above', align: 'right' },
      ],
      once.map((pair) => [
        oneLine(pair.host, 100),
        oneLine(pair.against, 100),
        cell(pair, '0.5'),
        cell(pair, '0.95'),
        `${Math.round(pair.slowAboveMs)} ms`,
      ]),
      style,
    ),
    '',
    `  hosts differ by about ${(100 * hostEffect).toFixed(1)} % (confidence.host_effect)`,
    ...(aa === null
      ? []
      : [
          `  A/A: ${aa.runs} gates of the same release against itself: ${aa.verdicts.pass} passed, ${aa.verdicts.fail} failed, ${aa.verdicts.inconclusive} could not say, ${aa.verdicts.invalid} invalid`,
        ]),
    ...clauses.map((clause) => `  ${clause.isDecidable ? style.green('✔') : style.yellow('!')} ${oneLine(clause.sentence, 400)}`),
    ...warnings.map((warning) => `  ${style.yellow('!')} ${oneLine(warning, 300)}`),
  ]
}
