// autocannon's `--json`. Totals in whole milliseconds; an aborted run prints none. Careful about three things that its times do
// not show: with a rate it halves the median (its correction for late requests is wrong), a connection that was closed
// cleanly loses requests without an error, and a timeout is in no latency. What was sent and not accounted for is lost.
import { documentOf, type Input } from './input.ts'
import { entriesAt, needNumber, numberAt, parseDocument } from './json.ts'
import { quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'

export async function readAutocannon(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const root = parseDocument(await documentOf(input))
  const [answered, sent] = [needNumber(root, 'requests', 'total'), numberAt(root, 'requests', 'sent')]
  const [errors, bad, mismatches] = [needNumber(root, 'errors'), needNumber(root, 'non2xx'), numberAt(root, 'mismatches') ?? 0]
  const redirects = numberAt(root, '3xx') ?? 0
  const connections = needNumber(root, 'connections')
  const quantilesMs: Record<string, number> = {}
  for (const [name, value] of entriesAt(root, 'latency')) {
    const percent = Number(/^p(\d{1,2}(?:_\d+)?)$/.exec(name)?.[1]?.replace('_', '.') ?? Number.NaN)
    if (percent >= 50 && typeof value === 'number' && value >= 0) quantilesMs[quantileKey(percent)] = value
  }
  const counted = numberAt(root, 'latency', 'totalCount')
  const wasPaced = counted === null || counted !== answered
  // At most one request of each connection was under way at the end. With a rate, what it calls sent is not what was sent.
  const lost = sent === null || wasPaced ? 0 : Math.max(0, sent - answered - errors - connections)
  const seconds = needNumber(root, 'duration')
  const requests = answered + errors + lost
  const isTainted = lost > 0 || errors > 0
  return readingOf({
    level: 'C',
    totals: {
      ...{
        requests,
        failures: Math.min(requests, errors + lost + Math.max(0, bad - redirects) + mismatches),
        seconds,
        offered: null,
        quantilesMs,
      },
      maxMs: numberAt(root, 'latency', 'max'),
    },
    ...{ measuredMs: seconds * 1000, ranToItsEnd: 'autocannon prints no result when it is aborted' },
    capabilities: totalsCan(quantilesMs, { canMeasureLatency: !wasPaced && !isTainted, canCountErrors: !wasPaced }),
    warnings: [
      ...(wasPaced ? ['a rate option was used: autocannon’s times are then not those of the target, and lost requests do not show'] : []),
      ...(isTainted ? ['autocannon’s times are wrong in a run that lost requests'] : []),
      ...(lost > 0 ? [`${lost} requests were sent and are neither answered nor errors: they count as failed`] : []),
      ...(bad > 0 && redirects > 0 ? ['redirects count as good answers'] : []),
    ],
  })
}
