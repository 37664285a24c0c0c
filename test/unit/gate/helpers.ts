// Measurements made by hand: a rate, latencies around a middle, failures of a class, seeded.
import type { Clause, ClauseMode } from '../../../src/domain/clause.ts'
import { parseClause } from '../../../src/domain/clause-parse.ts'
import type { RequestEvidence } from '../../../src/domain/evidence.ts'
import {
  DEFAULT_CONFIDENCE,
  DEFAULT_ON_INCONCLUSIVE,
  DEFAULT_ON_INVALID,
  type GatePlan,
  type GateSettings,
} from '../../../src/domain/gate.ts'
import { binOf, type SparseHistogram } from '../../../src/domain/histogram.ts'
import type { FailureClass, Slice } from '../../../src/domain/slice.ts'
import { createDice, type Dice } from '../../gate-simulation/model.ts'

export function clauses(...texts: readonly (string | readonly [string, ClauseMode])[]): readonly Clause[] {
  return texts.map((one) => {
    const [text, mode] = typeof one === 'string' ? ([one, 'gate'] as const) : one
    const parsed = parseClause(text, { mode, aboveMs: text.startsWith('slow <=') ? null : 300 })
    if ('problem' in parsed) throw new Error(`${text} ${parsed.problem}`)
    return parsed.clause
  })
}
export function clause(text: string, mode: ClauseMode = 'gate'): Clause {
  const [one] = clauses([text, mode])
  if (one === undefined) throw new Error('no clause')
  return one
}

export type Arm = {
  /** Middle of the latencies. */
  readonly ms: number
  /** Share of requests that fail, and how. */
  readonly failing?: number
  readonly as?: FailureClass
  /** Share that takes 300 ms more. */
  readonly slow?: number
}

export function histogramOf(milliseconds: readonly number[]): SparseHistogram {
  const counts = new Map<number, number>()
  for (const ms of milliseconds) counts.set(binOf(ms), (counts.get(binOf(ms)) ?? 0) + 1)
  return [...counts].sort(([left], [right]) => left - right)
}

export function slice(of: Partial<Slice> & Pick<Slice, 'second' | 'target'>): Slice {
  const failed = Object.values(of.failures ?? {}).reduce((sum, count) => sum + count, 0)
  const done = of.done ?? 0
  const { shed = 0 } = of.failures ?? {}
  return {
    ...{ version: 1, scenario: 'test', offered: done + failed, sent: done + failed - shed, done, failures: {}, bytes: 0 },
    ...{ response: [], service: [], lag: [[0, done + failed]] },
    ...of,
  }
}

/** One second of one arm; `rate` arrivals. */
export function armSecond(target: string, second: number, rate: number, arm: Arm, dice: Dice): Slice {
  const milliseconds: number[] = []
  let failed = 0
  for (let request = 0; request < rate; request += 1) {
    if (dice.uniform() < (arm.failing ?? 0)) {
      failed += 1
      continue
    }
    milliseconds.push(arm.ms * Math.exp(0.3 * dice.normal()) + (dice.uniform() < (arm.slow ?? 0) ? 300 : 0))
  }
  const histogram = histogramOf(milliseconds)
  return slice({
    ...{ target, second, done: milliseconds.length, failures: failed === 0 ? {} : { [arm.as ?? 'status']: failed } },
    ...{ response: histogram, service: histogram },
  })
}

export function runSlices(options: {
  readonly seconds: number
  readonly rate: number
  readonly canary: Arm
  readonly old?: Arm
  readonly seed?: number
  readonly from?: number
}): readonly Slice[] {
  const dice = createDice(options.seed ?? 1)
  return Array.from({ length: options.seconds }, (_, index) => {
    const second = (options.from ?? 0) + index
    const canary = armSecond('new', second, options.rate, options.canary, dice)
    return options.old === undefined ? [canary] : [canary, armSecond('old', second, options.rate, options.old, dice)]
  }).flat()
}

export function planOf(of: Partial<GatePlan> & Pick<GatePlan, 'clauses'>): GatePlan {
  const compares = of.clauses.some((one) => one.limit.against === 'baseline')
  return {
    ...{
      version: 1,
      gate: 'canary',
      arms: { canary: ['new'], old: compares ? ['old'] : [] },
      atLeastSeconds: 30,
      atMostSeconds: 120,
      ratePerArm: 100,
    },
    ...{
      blockSeconds: 5,
      confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' },
      extend: 0,
      resamples: 500,
      seed: 'test',
      background: 'equal',
    },
    settingsHash: '',
    ...of,
  }
}

export function evidenceOf(of: Partial<RequestEvidence> & Pick<RequestEvidence, 'plan' | 'slices'>): RequestEvidence {
  return {
    ...{
      kind: 'requests',
      calibration: null,
      generator: [],
      steady: null,
      distrust: [],
      aborted: null,

      restart: null,
      capacity: null,
    },
    ...{ passes: [], extensions: 0 },
    ...of,
  }
}

export function settingsOf(of: Partial<GateSettings> = {}): GateSettings {
  return {
    name: 'canary',
    source: {
      kind: 'load',
      load: 'checkout',
      at: { kind: 'canary' },
      when: 'isolated',
      baseline: { kind: 'drained-peer', restart: false, insist: false },
    },
    pass: [],
    ...{ confidence: DEFAULT_CONFIDENCE, onInconclusive: DEFAULT_ON_INCONCLUSIVE, onInvalid: DEFAULT_ON_INVALID },
    ...of,
  }
}
