// The JSON documents are a contract (cli.md). Their schemas are held against the types the code is written with, against
// the files that are shipped, and (in test/integration/cli) against what real commands print.
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DemoDocument } from '../../../src/app/demo.ts'
import type { InitDocument } from '../../../src/app/init.ts'
import { VERDICT_EXITS } from '../../../src/app/load.ts'
import type * as Documents from '../../../src/domain/document.ts'
import { ERROR_CODES } from '../../../src/domain/error.ts'
import { documents } from '../../../tools/documents.ts'
import type { Of } from '../../../tools/schema.ts'
import { strictly, valid } from '../../helpers/schemas.ts'

/** Every key of every object, optional or not, all the way down; literals and unions stay. */
type Deep<T> = T extends readonly (infer I)[]
  ? readonly Deep<I>[]
  : T extends object
    ? { readonly [K in keyof T]-?: Deep<Exclude<T[K], undefined>> }
    : T
type Assignable<A, B> = [A] extends [B] ? true : false
/** Error codes are a closed union in the code and text in the contract: new ones only get added. */
type Codes<T> = T extends string
  ? Assignable<
      T,
      Documents.BaseDocument['error'] extends infer E ? (NonNullable<E> extends { code: infer C } ? C : never) : never
    > extends true
    ? string
    : T
  : T extends readonly (infer I)[]
    ? readonly Codes<I>[]
    : T extends object
      ? { readonly [K in keyof T]: Codes<T[K]> }
      : T
type Same<S, D> = Assignable<Deep<Of<S>>, Deep<Codes<D>>> & Assignable<Deep<Codes<D>>, Deep<Of<S>>>

type D = typeof documents
const same: {
  readonly rollout: Same<D['rollout'], Documents.RolloutDocument>
  readonly push: Same<D['push'], Documents.PushDocument>
  readonly plan: Same<D['plan'], Documents.PlanDocument>
  readonly status: Same<D['status'], Documents.StatusDocument>
  readonly lock: Same<D['lock'], Documents.LockDocument>
  readonly check: Same<D['check'], Documents.CheckDocument>
  readonly setup: Same<D['setup'], Documents.SetupDocument>
  readonly releases: Same<D['releases'], Documents.ReleasesDocument>
  readonly history: Same<D['history'], Documents.HistoryDocument>
  readonly exec: Same<D['exec'], Documents.ExecDocument>
  readonly hand: Same<D['hand'], Documents.HandDocument>
  readonly load: Same<D['load'], Documents.LoadDocument>
  readonly gate: Same<D['gate'], Documents.GateDocument>
  readonly gatePlan: Same<D['gatePlan'], Documents.GatePlanDocument>
  readonly gateExplain: Same<D['gateExplain'], Documents.GateExplainDocument>
  readonly gateCalibrate: Same<D['gateCalibrate'], Documents.GateCalibrateDocument>
  readonly import: Same<D['import'], Documents.ImportDocument>
  readonly scenario: Same<D['scenario'], Documents.ScenarioDocument>
  readonly report: Same<D['report'], Documents.ReportDocument>
  readonly selftest: Same<D['selftest'], Documents.SelftestDocument>
  readonly config: Same<D['config'], Documents.ConfigDocument>
  readonly init: Same<D['init'], InitDocument>
  readonly demo: Same<D['demo'], DemoDocument>
} = {
  rollout: true,
  push: true,
  plan: true,
  status: true,
  lock: true,
  check: true,
  setup: true,
  releases: true,
  history: true,
  exec: true,
  hand: true,
  load: true,
  gate: true,
  gatePlan: true,
  gateExplain: true,
  gateCalibrate: true,
  import: true,
  scenario: true,
  report: true,
  selftest: true,
  config: true,
  init: true,
  demo: true,
}

const folder = resolve(import.meta.dirname, '../../../templates/schemas')

test('every document of the code has a schema that says the same (checked by the compiler)', () => {
  expect(Object.keys(same).toSorted()).toEqual(Object.keys(documents).toSorted())
})

test('the shipped files are the ones that are written from the schemas: node tools/write-schemas.ts', () => {
  expect(readdirSync(folder).toSorted()).toEqual(
    Object.keys(documents)
      .map((name) => `${name}.json`)
      .toSorted(),
  )
  for (const [name, schema] of Object.entries(documents)) {
    const shipped: unknown = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))
    expect(shipped, name).toEqual(JSON.parse(JSON.stringify(schema.json)))
  }
})

describe('a document', () => {
  const check = {
    version: 1,
    command: 'check',
    exitCode: 3,
    outcome: 'failed',
    error: { code: 'E_REFUSED', message: '1 problem found', hints: [] },
    items: [{ id: 'sudo', host: 'web-1', level: 'problem', message: 'sudo asks for a password', fix: 'visudo' }],
  } as const satisfies Documents.CheckDocument

  test('is accepted as it is', () => {
    expect(strictly('check', check)).toEqual([])
  })

  test('may have fields that a later version adds', () => {
    expect(valid('check', { ...check, later: 1, items: [{ ...check.items[0], later: true }] })).toEqual([])
    expect(strictly('check', { ...check, later: 1 })).not.toEqual([])
  })

  test('that failed before it knew anything has only the error', () => {
    const { items: _, ...early } = check
    expect(valid('check', early)).toEqual([])
    const { error: __, ...silent } = early
    expect(valid('check', silent)).not.toEqual([])
  })

  test.each([
    ['another version', { ...check, version: 2 }],
    ['no exit code', { ...check, exitCode: undefined }],
    ['an outcome of its own', { ...check, outcome: 'fine' }],
    ['a level of its own', { ...check, items: [{ ...check.items[0], level: 'bad' }] }],
    ['an error without hints', { ...check, error: { code: 'E_REFUSED', message: 'no' } }],
  ])('with %s is refused', (_, wrong) => {
    expect(valid('check', JSON.parse(JSON.stringify(wrong)))).not.toEqual([])
  })

  test('of a rollout must have an outcome that the exit codes know', () => {
    const refused = { version: 1, command: 'deploy', exitCode: 2, outcome: 'refused', error: { code: 'E_USAGE', message: 'no', hints: [] } }
    expect(valid('rollout', refused)).toEqual([])
    expect(valid('rollout', { ...refused, outcome: 'ok' })).not.toEqual([])
  })
})

const root = resolve(import.meta.dirname, '../../..')

describe('docs/scripting.md', () => {
  const page = readFileSync(join(root, 'docs/scripting.md'), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('|'))

  test.each(Object.keys(documents))('has a row for the schema %s, with the commands that print it', (name) => {
    const { title } = JSON.parse(readFileSync(join(root, 'templates/schemas', `${name}.json`), 'utf8'))
    const row = rows.find((line) => line.includes(`\`${name}.json\``)) ?? ''
    expect(row.split('|')[1]?.trim()).toBe(String(title).replace(/^rollgate /, ''))
  })

  test('has a row for every exit code that an error or a verdict has', () => {
    const codes = new Set([...Object.values(ERROR_CODES).map(({ exit }) => exit), ...Object.values(VERDICT_EXITS), 9, 143])
    const told = new Set(rows.flatMap((line) => (/^\| ([\d, ]+) +\|/.exec(line)?.[1] ?? '').split(',').map((code) => Number(code || 'x'))))
    expect([...codes].filter((code) => !told.has(code))).toEqual([])
    for (const code of [7, 8, 11]) expect(rows.find((line) => line.startsWith(`| ${code} `))).toMatch(/`load`.*`gate`/)
  })
})
