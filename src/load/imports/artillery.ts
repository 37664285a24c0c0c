// Artillery's `--output`: counts by ten seconds and quantiles of the whole. Its virtual users arrive whatever the answers do,
// each on a connection of its own, so stalls and lost connections are in it. Careful: what failed has no response time, and
// `ensure` shows only in the exit code. An aborted run writes no file, so a whole file is a whole run.
import { documentOf, type Input } from './input.ts'
import { at, entriesAt, numberAt, parseDocument } from './json.ts'
import { quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'

const QUANTILES = { p50: 50, p75: 75, p90: 90, p95: 95, p99: 99, p999: 99.9 } as const

export async function readArtillery(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const root = parseDocument(await documentOf(input))
  const counters = at(root, 'aggregate', 'counters')
  const requests = numberAt(counters, 'http.requests') ?? 0
  const counted = (matches: RegExp): number =>
    entriesAt(counters).reduce((sum, [name, count]) => sum + (matches.test(name) && typeof count === 'number' ? count : 0), 0)
  const badAnswers = counted(/^http\.codes\.[45]\d\d$/)
  const answered = numberAt(counters, 'http.responses') ?? 0
  // A failed `expect` or capture counts under errors, too; the larger of the two numbers is never less than the truth.
  const lost = Math.max(requests - answered, counted(/^errors\./))
  const times = at(root, 'aggregate', 'summaries', 'http.response_time')
  const quantilesMs: Record<string, number> = {}
  for (const [name, percent] of Object.entries(QUANTILES)) {
    const value = numberAt(times, name)
    if (value !== null) quantilesMs[quantileKey(percent)] = value
  }
  const [first, last] = [numberAt(root, 'aggregate', 'firstMetricAt'), numberAt(root, 'aggregate', 'lastMetricAt')]
  const measuredMs = first !== null && last !== null && last > first ? last - first : null
  return readingOf({
    level: 'C',
    totals: {
      ...{
        requests,
        failures: Math.min(requests, badAnswers + lost),
        seconds: measuredMs === null ? null : measuredMs / 1000,
        offered: null,
      },
      ...{ quantilesMs, maxMs: numberAt(times, 'max') },
    },
    measuredMs,
    capabilities: totalsCan(quantilesMs, { isClosedModel: false }),
    ranToItsEnd: requests > 0 ? 'Artillery writes no file when it is aborted' : null,
  })
}
