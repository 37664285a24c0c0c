// The rows of the table in load-and-gates.md, 7.3, and one run of one of them through the real watch.
import type { Clause } from '../../src/domain/clause.ts'
import { parseClause } from '../../src/domain/clause-parse.ts'
import type { GatePlan } from '../../src/domain/gate.ts'
import { secondOf } from '../../src/gate/blocks.ts'
import { calibrate } from '../../src/gate/calibration.ts'
import { createDraw } from '../../src/gate/random.ts'
import { createWatch } from '../../src/gate/watch.ts'
import { type Change, createDice, drawHosts, imagine, type Model, SAME } from './model.ts'

/** alarm: a FAIL is false · margin: a PASS is false · found: anything but FAIL is a miss · shown: nothing is asked of it */
export type Row = {
  readonly name: string
  readonly asks: 'alarm' | 'margin' | 'found' | 'shown'
  readonly model: Model
  readonly change: Change
  readonly seconds: number
  readonly calibrationSeconds: number
  readonly blockSeconds: number
}

const usual: Model = { ratePerSecond: 100, hosts: 0.03, ownMemory: 0.7 }
const row = (name: string, asks: Row['asks'], change: Change, more: Partial<Row> = {}): Row => ({
  ...{ name, asks, change, model: usual, seconds: 300, calibrationSeconds: 120, blockSeconds: 5 },
  ...more,
})
const slowRate: Model = { ...usual, ratePerSecond: 30 }
const short = { seconds: 120, calibrationSeconds: 60 }
const times = (ratio: number): Change => ({ ratio })
const added = (share: number): Change => ({ ratio: 1, added: { share, ms: 300 } })

export const ROWS: readonly Row[] = [
  row('A/A', 'alarm', SAME),
  row('A/A, 30/s', 'alarm', SAME, { model: slowRate }),
  row('A/A, 120 s', 'alarm', SAME, short),
  row('A/A, hosts differ 5 %', 'alarm', SAME, { model: { ...usual, hosts: 0.05 } }),
  row('+5 %', 'shown', times(1.05)),
  row('+10 % (the p50 margin)', 'margin', times(1.1)),
  row('+15 %', 'shown', times(1.15)),
  row('+20 %', 'found', times(1.2)),
  row('+20 %, 30/s', 'found', times(1.2), { model: slowRate }),
  row('+20 %, 120 s', 'found', times(1.2), short),
  row('+50 %, 120 s', 'found', times(1.5), short),
  row('1 % of requests +300 ms (the slow margin)', 'margin', added(0.01)),
  row('2 % of requests +300 ms', 'found', added(0.02)),
  row('A/A, drift with 20 s memory, L = 20, 600 s', 'alarm', SAME, {
    model: { ...usual, ownMemory: 0.95 },
    seconds: 600,
    blockSeconds: 20,
  }),
]

export const CLAUSES: readonly Clause[] = ['p50 <= baseline + 10%', 'p95 <= baseline + 15%', 'slow <= baseline + 1pp'].map((text) => {
  const parsed = parseClause(text)
  if (!('clause' in parsed)) throw new Error(`${text} ${parsed.problem}`)
  return parsed.clause
})

export type Run = { readonly verdict: 'pass' | 'fail' | 'inconclusive' | 'invalid'; readonly seconds: number }

/** One gate: calibration of the two old hosts, then the comparison, judged as a live gate is. */
export function run(of: Row, seed: number, resamples = 300): Run {
  const dice = createDice(seed)
  const hosts = drawHosts(of.model, dice)
  const before = [...imagine(of.model, SAME, hosts, of.calibrationSeconds, dice)]
  const timeline = before.map(([canary, old]) => ({ canary: secondOf([canary], 'service'), old: secondOf([old], 'service') }))
  const options = { quantiles: [], resamples, draw: createDraw(`calibration/${seed}`), blockSeconds: of.blockSeconds }
  const calibrated = calibrate(timeline, options)
  if (!('calibration' in calibrated)) throw new Error(calibrated.problem)
  const plan: GatePlan = {
    ...{ version: 1, gate: of.name, clauses: CLAUSES, arms: { canary: ['new'], old: ['old'] }, ratePerArm: of.model.ratePerSecond },
    ...{ atLeastSeconds: of.seconds / 4, atMostSeconds: of.seconds, blockSeconds: of.blockSeconds, extend: 0, resamples },
    ...{
      confidence: { falseAlarm: 0.01, falsePass: 0.05, looks: 4, hostEffect: 0.05 },
      seed: String(seed),
      background: 'equal',
      settingsHash: '',
    },
  }
  const watch = createWatch(plan, calibrated.calibration)
  const facts = { steady: null, distrust: [], aborted: null, restart: null, capacity: null, passes: [] }
  for (const slices of imagine(of.model, of.change, hosts, of.seconds, dice)) {
    const report = watch.add({ slices, generator: [] }, facts)
    if (report !== null) return { verdict: report.verdict, seconds: report.look?.seconds ?? 0 }
  }
  return { verdict: watch.end(facts).verdict, seconds: of.seconds }
}

/** Seeds of different rows never meet. */
export function seedOf(of: Row, index: number): number {
  return (ROWS.indexOf(of) + 1) * 1_000_003 + index * 7919
}
