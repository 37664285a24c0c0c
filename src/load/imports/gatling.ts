// Gatling's report data (`js/stats.js`): a script, not JSON, with its numbers as texts. It is never run: the counts and the
// quantiles of "All Requests" are read out of its text. Whole milliseconds; assertions show in the exit code only.
import { documentOf, type Input } from './input.ts'
import { quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'

/** The usual settings of its report (gatling.charting.indicators). */
const USUAL = { percentiles1: 50, percentiles2: 75, percentiles3: 95, percentiles4: 99 } as const

export async function readGatling(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const text = await documentOf(input)
  const end = text.indexOf('contents:')
  const all = end < 0 ? text : text.slice(0, end)
  if (!/"name": "All Requests"/.test(all)) throw new UnreadableError('"All Requests" is missing in it')
  const number = (name: string, of: 'total' | 'ok' | 'ko'): number | null => {
    const found = new RegExp(`"${name}": \\{[^}]*"${of}": "(-|[\\d.]+)"`).exec(all)?.[1]
    return found === undefined || found === '-' ? null : Number(found)
  }
  const [requests, failures] = [number('numberOfRequests', 'total'), number('numberOfRequests', 'ko')]
  if (requests === null || failures === null) throw new UnreadableError('it does not say how many requests there were')
  const quantilesMs: Record<string, number> = {}
  for (const [name, percent] of Object.entries(USUAL)) {
    const value = number(name, 'ok')
    if (value !== null) quantilesMs[quantileKey(percent)] = value
  }
  const rate = number('meanNumberOfRequestsPerSecond', 'total')
  const seconds = rate === null || rate === 0 ? null : requests / rate
  return readingOf({
    level: 'C',
    totals: { requests, failures, seconds, offered: null, quantilesMs, maxMs: number('maxResponseTime', 'ok') },
    measuredMs: seconds === null ? null : seconds * 1000,
    capabilities: totalsCan(quantilesMs, { hidesRetries: true }),
    warnings: [
      'Gatling does not say which percentiles these are: p50, p75, p95, p99 as it comes',
      'Gatling’s assertions show only in its exit code',
    ],
  })
}
