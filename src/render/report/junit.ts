// A report for CI: a suite for each gate or load test, a case for each clause. FAIL is a failure, INVALID an error, and
// INCONCLUSIVE is skipped with a property that says so, unless somebody wants it to be a failure. A clause that only warns
// never fails. Only what the common schema of JUnit files has, so that every reader takes it.
import type { ClauseResult } from '../../domain/gate.ts'
import type { ReportData, ReportMeasurement, ReportRollout } from '../../domain/report.ts'
import { capacityWords } from './capacity.ts'
import { escapeMarkup } from './escape.ts'
import { VERDICT_WORDS } from './words.ts'

export type JunitOptions = { readonly inconclusiveAs: 'skipped' | 'failure' }

type Case = {
  readonly name: string
  readonly how: 'passed' | 'failure' | 'error' | 'skipped'
  readonly type: string
  /** One line, with the numbers. */
  readonly message: string
  readonly text: string
}
type Suite = {
  readonly name: string
  readonly seconds: number
  readonly properties: readonly (readonly [string, string])[]
  readonly cases: readonly Case[]
}

export function junitOf(data: ReportData, options: JunitOptions): string {
  const { rollout } = data
  const suites = [
    ...(rollout === null ? [] : [hostSuite(data, rollout)]),
    ...data.measurements.map((measurement) => suiteOf(measurement, data, options)),
  ]
  const all = suites.flatMap((suite) => suite.cases)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    // `skipped` stands at the suites only: the schema that Jenkins checks against knows it nowhere else.
    `<testsuites name="${escapeMarkup(data.title)}" ${counts(all).replace(/ skipped.*/, '')} time="${seconds(data.durationMs / 1_000)}">`,
    ...suites.map((suite, index) => suiteXml(suite, index, data)),
    '</testsuites>',
    '',
  ].join('\n')
}

function suiteOf(measurement: ReportMeasurement, data: ReportData, options: JunitOptions): Suite {
  const { name, where, verdict, reason, clauses, measuredSeconds, capacity } = measurement
  const cases = clauses.map((clause) => caseOf(clause, verdict === 'invalid', options))
  const unsure = clauses.filter((clause) => clause.verdict === 'inconclusive' && clause.mode === 'gate')
  // What no clause explains (nothing was asked, errors proven between two looks, a run that is not trusted) is a case of its own.
  const isExplained = clauses.some((clause) => clause.mode === 'gate' && clause.verdict === verdict) && verdict !== 'invalid'
  const own: Case = { name: 'verdict', how: howOf(verdict, options), type: VERDICT_WORDS[verdict], message: reason, text: reason }
  return {
    name: where === null ? name : `${name} (${where})`,
    seconds: measuredSeconds,
    properties: [
      ['verdict', verdict],
      ['reason', reason],
      ['run', data.id],
      ['rollgate', data.rollgate],
      ...(capacity === null ? [] : [['capacity', capacityWords(capacity)] as const]),
      ...unsure.map((clause): readonly [string, string] => ['inconclusive', clause.clause]),
    ],
    cases: isExplained ? cases : [own, ...cases],
  }
}

function caseOf(clause: ClauseResult, isDoubted: boolean, options: JunitOptions): Case {
  const { clause: name, verdict, mode, sentence, estimate, low, high, bound, unit, note } = clause
  const text = [
    sentence,
    `estimate ${estimate ?? '-'}, from ${low ?? '-'} to ${high ?? '-'}, limit ${bound ?? '-'} (${unit})`,
    ...(note === undefined ? [] : [note]),
  ].join('\n')
  const own = { name, type: VERDICT_WORDS[verdict], message: sentence, text }
  if (mode !== 'gate')
    return {
      ...own,
      how: verdict === 'pass' ? 'passed' : 'skipped',
      message: `${mode === 'warn' ? 'only warns' : 'only recorded'}: ${sentence}`,
    }
  // In a run that is not trusted no clause has passed or failed.
  if (isDoubted && verdict !== 'invalid') return { ...own, how: 'skipped', message: `not trusted: ${sentence}` }
  return { ...own, how: howOf(verdict, options) }
}

function howOf(verdict: ClauseResult['verdict'], options: JunitOptions): Case['how'] {
  switch (verdict) {
    case 'pass':
      return 'passed'
    case 'fail':
      return 'failure'
    case 'invalid':
      return 'error'
    case 'inconclusive':
      return options.inconclusiveAs
    default:
      return verdict satisfies never
  }
}

function hostSuite(data: ReportData, { hosts, outcome }: ReportRollout): Suite {
  const failed = hosts.some((host) => host.error !== null)
  const isGood = outcome === 'succeeded' || outcome === 'unchanged'
  const cases = hosts.map((host): Case => {
    const text = `${host.from ?? 'none'} to ${host.to ?? 'none'}: ${host.phase}`
    return host.error === null
      ? { name: host.name, how: 'passed', type: '', message: text, text }
      : { name: host.name, how: 'failure', type: 'FAIL', message: host.error, text: `${host.error}\n${text}` }
  })
  // What no host explains: refused, interrupted, waiting for a person, a gate's no.
  const how = outcome === 'paused' || outcome === 'cancelled' ? 'skipped' : 'failure'
  const own: Case = { name: 'outcome', how, type: outcome, message: data.sentence, text: data.sentence }
  return {
    name: data.title,
    seconds: data.durationMs / 1_000,
    properties: [
      ['outcome', outcome],
      ['rollout', data.id],
      ['rollgate', data.rollgate],
    ],
    cases: isGood || failed ? cases : [own, ...cases],
  }
}

function suiteXml(suite: Suite, index: number, data: ReportData): string {
  const properties = suite.properties.map(([name, value]) => `      <property name="${name}" value="${escapeMarkup(value)}"/>`)
  return [
    `  <testsuite name="${escapeMarkup(suite.name)}" id="${index}" ${counts(suite.cases)} time="${seconds(suite.seconds)}" timestamp="${timestamp(data.at)}">`,
    '    <properties>',
    ...properties,
    '    </properties>',
    ...suite.cases.map((one) => caseXml(one, suite)),
    '  </testsuite>',
  ].join('\n')
}

function caseXml({ name, how, type, message, text }: Case, suite: Suite): string {
  const head = `    <testcase name="${escapeMarkup(name)}" classname="${escapeMarkup(`rollgate.${suite.name.replaceAll('.', '_')}`)}" time="0"`
  if (how === 'passed') return `${head}/>`
  const said = `message="${escapeMarkup(message)}"`
  if (how === 'skipped') return `${head}>\n      <skipped ${said}/>\n    </testcase>`
  const lines = text.split('\n').map((line) => escapeMarkup(line))
  return `${head}>\n      <${how} ${said} type="${escapeMarkup(type)}">${lines.join('\n')}</${how}>\n    </testcase>`
}

function counts(cases: readonly Case[]): string {
  const of = (how: Case['how']): number => cases.filter((one) => one.how === how).length
  return `tests="${cases.length}" failures="${of('failure')}" errors="${of('error')}" skipped="${of('skipped')}"`
}

const seconds = (value: number): string => String(Math.round(value * 1_000) / 1_000)

/** As the schema has it: no fraction, no zone (UTC is meant). */
const timestamp = (iso: string): string =>
  Number.isNaN(Date.parse(iso)) ? '1970-01-01T00:00:00' : new Date(iso).toISOString().slice(0, 19)
