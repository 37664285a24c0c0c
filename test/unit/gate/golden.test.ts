// Parity with the independent implementation in numpy (test/gate-simulation/golden): the same blocks give the same log
// ratios, the same estimates give the same verdicts, the same failures give the same evidence.
import { describe, expect, test } from 'vitest'
import type { PairedBlocks, Timeline } from '../../../src/gate/blocks.ts'
import { cutBlocks } from '../../../src/gate/blocks.ts'
import { logRatios } from '../../../src/gate/bootstrap.ts'
import { shrink, slowEvents } from '../../../src/gate/calibration.ts'
import { decide, judgeEstimate } from '../../../src/gate/decide.ts'
import { lnEvidence } from '../../../src/gate/error-process.ts'
import { planLooks } from '../../../src/gate/looks.ts'
import { createDraw } from '../../../src/gate/random.ts'
import { shareDifference } from '../../../src/gate/shares.ts'
import golden from '../../fixtures/gate/golden.json' with { type: 'json' }

const at = (list: readonly number[], index: number): number => list[index] ?? Number.NaN

function pairs(flat: readonly number[]): readonly (readonly [number, number])[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [at(flat, 2 * index), at(flat, 2 * index + 1)])
}
function second(flat: readonly number[]) {
  const histogram = pairs(flat)
  return { arrivals: histogram.reduce((sum, [, count]) => sum + count, 0), failures: 0, histograms: [histogram] }
}
function blocksOf(of: { readonly canary: readonly number[][]; readonly old: readonly number[][] }): PairedBlocks {
  const timeline: Timeline = of.canary.map((flat, index) => ({ canary: second(flat), old: second(of.old[index] ?? []) }))
  return cutBlocks(timeline, 1)
}

describe('log ratios of quantiles', () => {
  test.each(golden.ratios.map((one, index) => [index, one] as const))(
    'case %i agrees to 1e-6, its error within bootstrap noise',
    (_, one) => {
      const blocks = blocksOf(one)
      expect(blocks.count).toBeGreaterThanOrEqual(12)
      const ours = logRatios(
        blocks,
        one.quantiles.map((row) => at(row, 0)),
        { resamples: 4000, draw: createDraw('golden') },
      )
      one.quantiles.forEach((row, index) => {
        expect(Math.abs((ours[index]?.theta ?? Number.NaN) - at(row, 1))).toBeLessThan(1e-6)
        // Two bootstraps of 4,000 draws differ by about 1.6 %.
        expect(Math.abs((ours[index]?.se ?? Number.NaN) / at(row, 2) - 1)).toBeLessThan(0.07)
      })
    },
  )

  test.each(golden.ratios.map((one, index) => [index, one] as const))('case %i has the same slow shares', (_, one) => {
    const blocks = blocksOf(one)
    const ours = shareDifference(blocks, slowEvents(blocks, one.slow.aboveMs))
    expect(ours.estimate).toBeCloseTo(one.slow.estimate, 9)
    expect(ours.se).toBeCloseTo(one.slow.se, 9)
  })
})

test('host effects are taken off by the same share', () => {
  for (const row of golden.shrunk) {
    const ours = shrink({ theta: at(row, 0), se: at(row, 1) }, { theta: at(row, 2), se: at(row, 3) }, 0.05)
    expect(ours.theta).toBeCloseTo(at(row, 4), 12)
    expect(ours.se).toBeCloseTo(at(row, 5), 12)
  }
})

test('four looks over the same estimates end with the same verdict at the same look', () => {
  const { looks } = planLooks({ atLeastSeconds: 0, atMostSeconds: 300, blockSeconds: 5, looks: 4, extend: 0, compares: true })
  const seen = new Set<string>()
  for (const one of golden.verdicts) {
    let ended: readonly [string, number] | null = null
    for (const look of looks) {
      const states = (one.looks[look.index - 1] ?? []).map((row, index) => {
        const estimate = { estimate: at(row, 0), se: at(row, 1), degrees: at(row, 2), margin: at(golden.margins, index) }
        return judgeEstimate(estimate, { alpha: (look.share * 0.01) / 3, beta: look.share * 0.05 }).state
      })
      const decision = decide(states, look.isLast)
      const word = { pass: 'PASS', fail: 'FAIL', worse: 'INC-reg', 'not-enough': 'INC', 'go-on': null }[decision]
      if (word !== null) ended ??= [word, look.index]
      if (ended !== null) break
    }
    expect(ended).toEqual([one.verdict, one.at])
    seen.add(one.verdict)
  }
  expect([...seen].sort()).toEqual(['FAIL', 'INC', 'INC-reg', 'PASS'])
})

test('failures give the same evidence to 1e-6', () => {
  for (const row of golden.process) expect(Math.abs(lnEvidence(at(row, 0), at(row, 1), at(row, 2)) - at(row, 3))).toBeLessThan(1e-6)
})
