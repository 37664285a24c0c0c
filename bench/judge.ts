// How long a verdict takes (performance.md, row 17): node bench/judge.ts
// One look: a paired bootstrap of 1,000 draws over 60 blocks × about 700 bins × 3 quantiles, at most 0.6 s. A whole gate:
// 300 s of two arms judged again from its evidence, looks, error process and all, at most 2 s. Exits 1 at 1.3 times that.
import { parseClause } from '../src/domain/clause-parse.ts'
import type { RequestEvidence } from '../src/domain/evidence.ts'
import { BIN_COUNT, binOf } from '../src/domain/histogram.ts'
import type { Slice } from '../src/domain/slice.ts'
import { cutBlocks, type Timeline } from '../src/gate/blocks.ts'
import { logRatios } from '../src/gate/bootstrap.ts'
import { judgeRequests } from '../src/gate/judge.ts'
import { createDraw } from '../src/gate/random.ts'

const ROUNDS = 5
const BINS = 700

const draw = createDraw('bench')
const first = binOf(1)
if (first + BINS > BIN_COUNT) throw new Error('the histogram is too small for this bench')

/** Every bin of 700 holds something, as it does after minutes at a high rate. */
const second = () => ({
  arrivals: BINS * 4,
  failures: 0,
  histograms: [Array.from({ length: BINS }, (_, bin) => [first + bin, 1 + draw(7)] as const)],
})
const counted = () => {
  const made = second()
  const arrivals = made.histograms[0]?.reduce((sum, [, count]) => sum + count, 0) ?? 0
  return { ...made, arrivals }
}
const timeline: Timeline = Array.from({ length: 60 }, () => ({ canary: counted(), old: counted() }))
const blocks = cutBlocks(timeline, 1)

const clauses = [
  'p50 <= baseline + 10%',
  'p95 <= baseline + 15%',
  'p99 <= baseline + 25%',
  'errors <= baseline + 0.1pp',
  'errors < 1%',
  'p95 < 10s',
].map((text) => {
  const parsed = parseClause(text)
  if (!('clause' in parsed)) throw new Error(`${text} ${parsed.problem}`)
  return parsed.clause
})
const slices: Slice[] = Array.from({ length: 600 }, (_, index) => {
  const pairs = new Map<number, number>()
  for (let request = 0; request < 1000; request += 1) {
    const bin = first + Math.floor(BINS * ((draw(1000) + draw(1000) + draw(1000)) / 3000))
    pairs.set(bin, (pairs.get(bin) ?? 0) + 1)
  }
  const histogram = [...pairs].sort(([left], [right]) => left - right)
  return {
    ...{
      version: 1,
      second: index >> 1,
      target: index % 2 === 0 ? 'new' : 'old',
      scenario: 'bench',
      offered: 1000,
      sent: 1000,
      done: 1000,
      failures: {},
      bytes: 0,
    },
    ...{ response: histogram, service: histogram, lag: [[0, 1000]] },
  }
})
const evidence: RequestEvidence = {
  kind: 'requests',
  plan: {
    ...{
      version: 1,
      gate: 'bench',
      clauses,
      arms: { canary: ['new'], old: ['old'] },
      atLeastSeconds: 75,
      atMostSeconds: 300,
      ratePerArm: 1000,
    },
    // A margin that cannot be decided makes it look four times.
    ...{
      blockSeconds: 5,
      confidence: { falseAlarm: 0.01, falsePass: 1e-9, looks: 4, hostEffect: 'ignore' },
      extend: 0,
      resamples: 1000,
      seed: 'bench',
    },
    ...{ background: 'equal', settingsHash: '' },
  },
  ...{
    calibration: null,
    slices,
    generator: [],
    steady: null,
    distrust: [],
    aborted: null,

    restart: null,
    capacity: null,
    passes: [],
    extensions: 0,
  },
}

const rows = [
  {
    name: 'one look: 1,000 draws, 60 blocks, 700 bins, 3 quantiles',
    target: 600,
    run: () => void logRatios(blocks, [0.5, 0.95, 0.99], { resamples: 1000, draw: createDraw('x') }),
  },
  { name: 'a gate of 300 s at 2 × 1,000/s, all looks', target: 2000, run: () => void judgeRequests(evidence) },
]
let missed = false
for (const { name, target, run } of rows) {
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now()
    run()
    return performance.now() - start
  }).sort((left, right) => left - right)
  const median = times[ROUNDS >> 1] ?? Number.NaN
  missed ||= !(median <= 1.3 * target)
  process.stdout.write(
    `${name.padEnd(58)} median ${median.toFixed(0)} ms (${times[0]?.toFixed(0)} to ${times.at(-1)?.toFixed(0)}), target ${target} ms\n`,
  )
}
process.exitCode = missed ? 1 : 0
