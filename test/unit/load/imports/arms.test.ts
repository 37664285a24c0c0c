// Two releases under the same load, by another tool: k6's lines as it writes them, with the tag `arm`. The same engine judges
// as for our own load.
import { describe, expect, test } from 'vitest'
import { fileWith, imported } from './helpers.ts'

const START = Date.UTC(2026, 10, 21, 12, 0, 0)

/** Even seeds and odd seeds differ, and nothing else: a small generator of numbers in 0..1. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function k6Run(options: {
  readonly seconds: number
  readonly perSecond: number
  readonly slower: number
  readonly label?: boolean
  readonly onlyCanary?: boolean
}): string {
  const next = random(7)
  const lines: string[] = []
  for (let second = 0; second < options.seconds; second += 1)
    for (let index = 0; index < options.perSecond; index += 1)
      for (const arm of options.onlyCanary === true ? ['canary'] : ['canary', 'baseline']) {
        const ms = (15 + 20 * next()) * (arm === 'canary' ? options.slower : 1)
        const end = new Date(START + second * 1000 + (index / options.perSecond) * 1000 + ms).toISOString()
        const tags = {
          expected_response: 'true',
          method: 'GET',
          name: '/',
          scenario: arm,
          status: '200',
          ...(options.label === false ? {} : { arm }),
        }
        lines.push(JSON.stringify({ metric: 'http_req_duration', type: 'Point', data: { time: end, value: ms, tags } }))
      }
  return `${lines.join('\n')}\n`
}

const CLAUSES = ['p50 <= baseline + 10%', 'p95 < 10s'] as const
const compared = async (run: Parameters<typeof k6Run>[0], asked: readonly string[] = CLAUSES) =>
  imported(await fileWith('k6.ndjson', k6Run(run)), { exitCode: 0, clauses: asked })

describe('labelled requests are compared pair by pair', () => {
  test('equal releases pass, a slower one fails, with the interval', async () => {
    const equal = await compared({ seconds: 90, perSecond: 60, slower: 1 })
    expect(equal.evidence.capabilities.hasArms).toBe(true)
    expect(equal.report).toMatchObject({ verdict: 'pass', clauses: [{ unit: 'ratio', source: 'import' }, { unit: 'ms' }] })
    const slower = await compared({ seconds: 90, perSecond: 60, slower: 1.3 })
    expect(slower.report.verdict).toBe('fail')
    expect(slower.report.clauses[0]?.estimate).toBeCloseTo(0.3, 1)
    expect(slower.report.clauses[0]?.low).toBeGreaterThan(0)
  })

  test('a fixed limit is about the canary', async () => {
    const { report } = await compared({ seconds: 30, perSecond: 60, slower: 20 }, ['p50 < 100ms'])
    expect(report.verdict).toBe('fail')
  })

  test('with one arm only, or without labels, nothing can be compared', async () => {
    for (const run of [{ onlyCanary: true }, { label: false }]) {
      const { report, evidence } = await compared({ seconds: 30, perSecond: 20, slower: 1, ...run })
      expect(evidence.capabilities.hasArms).toBe(false)
      expect(report.verdict).toBe('invalid')
    }
  })
})
