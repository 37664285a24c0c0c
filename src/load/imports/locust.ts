// Locust's totals by name (`--json`, `--json-file`): the preferred Locust source. Careful about failures, which stand inside
// its response times without a mark, and about its exit code, which is 0 when every worker is dead: whether a run was whole
// is told by its log, its user count or its length, never by the exit code.
import { binOf } from '../../domain/histogram.ts'
import type { FailureClass, Slice } from '../../domain/slice.ts'
import { documentOf, type Input } from './input.ts'
import { entriesAt, needNumber, numberAt, parseDocument } from './json.ts'
import { EVERY_REQUEST, type Reading, readingOf, UnreadableError } from './reading.ts'
import { addTo, removeFastest, wholeSlice } from './rows.ts'

const MOST_SECONDS = 7 * 24 * 3600

export async function readLocustJson(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const root = parseDocument(jsonPart(await documentOf(input)))
  if (!Array.isArray(root)) throw new UnreadableError('it is no list of requests')
  const bins = new Map<number, number>()
  const perSecond = new Map<number, { requests: number; failures: number }>()
  const count = { requests: 0, failures: 0, bytes: 0, first: Number.POSITIVE_INFINITY, last: 0, maxMs: 0, timed: 0 }
  for (const entry of root) {
    count.requests += needNumber(entry, 'num_requests')
    count.failures += needNumber(entry, 'num_failures')
    count.bytes += numberAt(entry, 'total_content_length') ?? 0
    count.maxMs = Math.max(count.maxMs, numberAt(entry, 'max_response_time') ?? 0)
    const [start, end] = [numberAt(entry, 'start_time'), numberAt(entry, 'last_request_timestamp')]
    if (start !== null && end !== null) {
      count.first = Math.min(count.first, start)
      count.last = Math.max(count.last, end)
    }
    for (const [ms, times] of pairsOf(entry, 'response_times')) {
      addTo(bins, binOf(ms), times)
      count.timed += times
    }
    for (const [key, name] of [
      ['num_reqs_per_sec', 'requests'],
      ['num_fail_per_sec', 'failures'],
    ] as const)
      for (const [second, times] of pairsOf(entry, key)) {
        const cell = perSecond.get(second) ?? { requests: 0, failures: 0 }
        cell[name] += times
        perSecond.set(second, cell)
      }
  }
  // A failure that failed fast must not make the rest look fast: the fastest are taken for the failed ones.
  removeFastest(bins, Math.min(count.timed, count.failures))
  const { slices, doesAddUp } = slicesOf(perSecond, bins, count)
  return readingOf({
    ...{ level: 'B', slices, requests: count.requests, failures: Math.min(count.failures, count.requests) },
    measuredMs: count.last > count.first ? (count.last - count.first) * 1000 : null,
    capabilities: EVERY_REQUEST,
    distrust: doesAddUp ? [] : ['its requests by second do not add up to its requests: it was not written whole'],
    warnings: [
      'Locust rounds times (to 10 ms above 100 ms, to 100 ms above 1 s)',
      ...(count.failures > 0 ? ['Locust does not say how long its failures took: the fastest times are taken for theirs'] : []),
    ],
  })
}

/** `--json` prints it after whatever else went to stdout. */
function jsonPart(text: string): string {
  const start = text.startsWith('[') ? 0 : text.search(/^\[\s*(\{|\])/m)
  return start < 0 ? text : text.slice(start)
}

function pairsOf(entry: unknown, name: string): readonly (readonly [number, number])[] {
  return entriesAt(entry, name).map(([key, value]) => {
    const [at, count] = [Number(key), value]
    if (!(at >= 0) || typeof count !== 'number' || !Number.isInteger(count) || count < 0)
      throw new UnreadableError(`${name} of it holds something else than counts`)
    return [at, count]
  })
}

/** Counts by second; the times, which are known as a whole only, stand in the first second that has answers. */
function slicesOf(
  perSecond: ReadonlyMap<number, { readonly requests: number; readonly failures: number }>,
  bins: ReadonlyMap<number, number>,
  count: { readonly requests: number; readonly failures: number; readonly bytes: number },
): { readonly slices: readonly Slice[]; readonly doesAddUp: boolean } {
  const seconds = [...perSecond].sort(([left], [right]) => left - right)
  const first = seconds[0]?.[0] ?? 0
  if ((seconds.at(-1)?.[0] ?? 0) - first > MOST_SECONDS) throw new UnreadableError('its seconds span more than a week')
  let [requests, failures, isFirst] = [0, 0, true]
  const slices = seconds.map(([second, cell]) => {
    const failed = Math.min(cell.failures, cell.requests)
    requests += cell.requests
    failures += cell.failures
    const kinds: Partial<Record<FailureClass, number>> = failed > 0 ? { other: failed } : {}
    const slice = wholeSlice(
      second - first,
      { done: cell.requests - failed, failures: kinds, bytes: isFirst ? count.bytes : 0 },
      isFirst ? bins : new Map(),
    )
    isFirst = false
    return slice
  })
  return { slices, doesAddUp: requests === count.requests && failures === count.failures }
}
