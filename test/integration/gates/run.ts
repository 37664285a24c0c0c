// One gate between two servers, as a process of its own so that it can go before everything else on the machine: measures
// as a rollout does, and prints the report. Argument: JSON of `Order`.

import { measureByLoad } from '../../../src/app/gates/measure-load.ts'
import { parseClause } from '../../../src/domain/clause-parse.ts'
import { DEFAULT_CONFIDENCE, type GateReport, type GateSettings } from '../../../src/domain/gate.ts'
import { DEFAULT_TIMEOUTS, type LoadSettings } from '../../../src/domain/load.ts'
import { planGate } from '../../../src/gate/plan.ts'
import { startLoad } from '../../../src/load/start.ts'

export type Order = {
  readonly canary: number
  readonly old: number
  readonly ratePerSecond: number
  readonly atMostSeconds: number
  readonly clauses: readonly string[]
  readonly seed: string
  /** Burns a core in this very process, so that it cannot send in time. */
  readonly saturated?: boolean
}

export type Told = Pick<GateReport, 'verdict' | 'reason' | 'look' | 'stoppedBy' | 'clauses' | 'targets' | 'validity'>

const order = JSON.parse(process.argv[2] ?? '') as Order
const range = { atLeastMs: 1_000 * Math.min(15, order.atMostSeconds), atMostMs: 1_000 * order.atMostSeconds }
const settings: LoadSettings = {
  name: 'visits',
  model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: order.ratePerSecond }, arrivals: 'poisson' },
  duration: range,
  warmup: { atLeastMs: 3_000, atMostMs: 3_000 },
  data: {},
  scenarios: [{ name: 'home', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
  headers: {},
  auth: null,
  timeouts: DEFAULT_TIMEOUTS,
  safety: { methods: ['GET'], abortIf: null },
}
const gate: GateSettings = {
  name: 'canary',
  source: {
    kind: 'load',
    load: 'visits',
    at: { kind: 'canary' },
    when: 'serving',
    baseline: { kind: 'in-rotation', restart: false, insist: false },
  },
  pass: order.clauses.map((text) => {
    const parsed = parseClause(text, { aboveMs: text.startsWith('slow') ? 150 : null })
    if ('problem' in parsed) throw new Error(`${text}: ${parsed.problem}`)
    return parsed.clause
  }),
  // One machine: there is no difference between hosts.
  confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' },
  onInconclusive: { extend: 0, otherwise: 'pause' },
  onInvalid: { retry: 0, otherwise: 'fail' },
}
const burning = order.saturated === true ? setInterval(burn, 20) : null
const { report } = await measureByLoad({
  start: startLoad,
  gatePlan: planGate(gate, {
    duration: range,
    ratePerArm: order.ratePerSecond,
    arms: { canary: ['canary'], old: ['old'] },
    seed: order.seed,
  }),
  load: {
    settings,
    targets: [
      { name: 'canary', origin: `http://127.0.0.1:${order.canary}` },
      { name: 'old', origin: `http://127.0.0.1:${order.old}` },
    ],
    ...{ runId: order.seed, seed: order.seed, env: {} },
  },
  ...{ calibration: null, passes: [], restart: () => null, capacity: null, extend: 0, signal: new AbortController().signal },
})
if (burning !== null) clearInterval(burning)
const { verdict, reason, look, stoppedBy, clauses, targets, validity } = report
process.stdout.write(`${JSON.stringify({ verdict, reason, look, stoppedBy, clauses, targets, validity } satisfies Told)}\n`)

/** Fifteen of every twenty milliseconds. */
function burn(): void {
  const until = performance.now() + 15
  while (performance.now() < until) Math.sqrt(until)
}
