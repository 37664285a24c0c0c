// fortio's JSON: a histogram with buckets, and a second one of the failures in it. Times in seconds, durations in nanoseconds.
// It says how long it was to run, so an early end shows. Careful about lost connections, which it opens again without a word,
// and about `Labels` and `ID`, which hold the name of the host: they are not looked at.
import { documentOf, type Input } from './input.ts'
import { at, entriesAt, listAt, needNumber, numberAt, parseDocument, textAt } from './json.ts'
import { EVERY_REQUEST, type Reading, readingOf, UnreadableError } from './reading.ts'
import { evenSlices, removeFastest, spreadOver } from './rows.ts'

export async function readFortio(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const root = parseDocument(await documentOf(input))
  const requests = needNumber(root, 'DurationHistogram', 'Count')
  const failures = failuresOf(root, requests)
  const bins = new Map<number, number>()
  let seen = 0
  for (const bucket of listAt(root, 'DurationHistogram', 'Data')) {
    const [from, to, count] = [needNumber(bucket, 'Start'), needNumber(bucket, 'End'), needNumber(bucket, 'Count')]
    if (!Number.isInteger(count)) throw new UnreadableError('a bucket of it holds no whole number')
    spreadOver(bins, from * 1000, to * 1000, count)
    seen += count
  }
  removeFastest(bins, Math.min(failures, seen))
  const seconds = needNumber(root, 'ActualDuration') / 1e9
  const rate = Number(textAt(root, 'RequestedQPS'))
  const asked = Number.isFinite(rate) && rate > 0
  return readingOf({
    level: 'B',
    slices: requests === 0 ? [] : evenSlices(seconds, { done: requests - failures, failed: failures }, bins),
    ...{ requests, failures, measuredMs: seconds * 1000, plannedMs: goDurationMs(textAt(root, 'RequestedDuration') ?? '') },
    capabilities: { ...EVERY_REQUEST, hasSeconds: false, hidesRetries: at(root, 'DisableKeepAlive') !== true },
    distrust: seen === requests ? [] : [`its buckets hold ${seen} of ${requests} requests`],
    warnings: [
      'fortio’s times are known by bucket only, and are spread evenly within each',
      ...(asked && requests < 0.98 * rate * seconds
        ? [`fortio sent ${(requests / seconds).toFixed(1)}/s where ${rate}/s were asked for`]
        : []),
    ],
  })
}

function failuresOf(root: unknown, requests: number): number {
  const errors = numberAt(root, 'ErrorsDurationHistogram', 'Count')
  const codes = entriesAt(root, 'RetCodes').reduce(
    (sum, [code, count]) => sum + (!/^[23]\d\d$/.test(code) && typeof count === 'number' ? count : 0),
    0,
  )
  return Math.min(requests, Math.max(errors ?? 0, codes))
}

/** `1m30s` as Go writes it; null for anything else (`exactly 100 calls`). */
export function goDurationMs(text: string): number | null {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return null
  const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }
  return [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)].reduce(
    (sum, [, value, unit]) => sum + Number(value) * (UNITS[unit ?? ''] ?? 0),
    0,
  )
}
