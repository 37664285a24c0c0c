// k6's three summaries: what `handleSummary` gets, `--summary-export`, and the new machine-readable one. Totals only. Careful
// about words that mean their opposite: in http_req_failed the `passes` are the failed requests, and in `--summary-export` a
// threshold that is `true` was crossed. The new one holds the whole script, which may hold secrets: it is not looked at.
import type { ImportTotals } from '../../domain/evidence.ts'
import { documentOf, type Input } from './input.ts'
import { at, entriesAt, listAt, numberAt, parseDocument, textAt } from './json.ts'
import { K6_MODEL_UNKNOWN } from './k6-points.ts'
import { quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'

/** The numbers of one metric, whatever the form. */
type Metrics = (name: string) => unknown

export async function readK6Summary(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const root = parseDocument(await documentOf(input))
  if (listAt(root, 'results', 'metrics').length > 0) return readNew(root)
  const isLegacy = numberAt(root, 'metrics', 'http_reqs', 'count') !== null
  const metrics: Metrics = (name) => (isLegacy ? at(root, 'metrics', name) : at(root, 'metrics', name, 'values'))
  const crossed = entriesAt(root, 'metrics').flatMap(([name, metric]) =>
    entriesAt(metric, 'thresholds')
      .filter(([, is]) => (isLegacy ? is === true : at(is, 'ok') === false))
      .map(([expression]) => `${name}: ${expression}`),
  )
  const durationMs = numberAt(root, 'state', 'testRunDurationMs') ?? durationFrom(metrics('http_reqs'))
  const failed = numberAt(metrics('http_req_failed'), 'passes')
  return reading({ metrics, failed, durationMs, crossed, failedChecks: worstCheck(at(root, 'root_group')), notes: [] })
}

function readNew(root: unknown): Reading {
  const list = listAt(root, 'results', 'metrics')
  const metrics: Metrics = (name) =>
    at(
      list.find((metric) => textAt(metric, 'name') === name),
      'values',
    )
  const duration = numberAt(root, 'config', 'duration')
  return reading({
    metrics,
    failed: numberAt(metrics('http_req_failed'), 'matches'),
    durationMs: duration === null ? null : duration * 1000,
    crossed: [],
    failedChecks: Math.max(0, ...listAt(root, 'results', 'checks', 'results').map((check) => numberAt(check, 'fails') ?? 0)),
    notes: ['this form of k6’s summary does not say whether a threshold was crossed: only its exit code does'],
  })
}

type Found = {
  readonly metrics: Metrics
  readonly failed: number | null
  readonly durationMs: number | null
  readonly crossed: readonly string[]
  readonly failedChecks: number
  readonly notes: readonly string[]
}

function reading({ metrics, failed, durationMs, crossed, failedChecks, notes }: Found): Reading {
  const requests = numberAt(metrics('http_reqs'), 'count') ?? 0
  const dropped = numberAt(metrics('dropped_iterations'), 'count') ?? 0
  // Of the good answers where k6 tells them apart (it does by default).
  const good = metrics('http_req_duration{expected_response:true}')
  const times = good === undefined ? metrics('http_req_duration') : good
  const quantilesMs = quantilesOf(times)
  // A 500 fails its check too: only checks beyond the failed requests are counted.
  const failures = Math.min(requests, Math.max(failed ?? 0, failedChecks)) + dropped
  const totals: ImportTotals = {
    requests: requests + dropped,
    failures,
    seconds: durationMs === null ? null : durationMs / 1000,
    offered: dropped > 0 ? requests + dropped : null,
    quantilesMs,
    maxMs: numberAt(times, 'max'),
  }
  const isLossy = dropped > 0.02 * (requests + dropped)
  const reuses = numberAt(metrics('http_req_connecting'), 'min')
  return readingOf({
    level: 'C',
    totals,
    measuredMs: durationMs,
    capabilities: totalsCan(quantilesMs, {
      canCountErrors: failed !== null,
      knowsOffered: dropped > 0,
      isClosedModel: false,
      hidesRetries: reuses === null || reuses === 0,
    }),
    distrust: [
      ...crossed.map((threshold) => `k6’s own threshold was crossed (${threshold})`),
      ...(isLossy
        ? [
            `k6 dropped ${dropped} of ${requests + dropped} iterations: it had no virtual user free, so the load was not the one that was asked for`,
          ]
        : []),
    ],
    warnings: [
      ...notes,
      ...(dropped > 0 && !isLossy ? [`k6 dropped ${dropped} iterations: they count as failed (shed)`] : []),
      ...(failedChecks > (failed ?? 0) ? [`${failedChecks} checks of k6 did not hold: as many requests count as failed`] : []),
      ...(dropped > 0 ? [] : [K6_MODEL_UNKNOWN]),
    ],
  })
}

function quantilesOf(times: unknown): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const [name, value] of entriesAt(times)) {
    const percent = name === 'med' ? 50 : Number(/^p\(?(\d{1,2}(?:\.\d+)?)\)?$/.exec(name)?.[1] ?? Number.NaN)
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0 && percent > 0) found[quantileKey(percent)] = value
  }
  return found
}

function durationFrom(requests: unknown): number | null {
  const [count, rate] = [numberAt(requests, 'count'), numberAt(requests, 'rate')]
  return count === null || rate === null || rate === 0 ? null : (count / rate) * 1000
}

/** The check that failed most often. Groups hold groups; a file may make them as deep as it likes. */
function worstCheck(root: unknown): number {
  let worst = 0
  const open: unknown[] = [root]
  for (let group = open.pop(); group !== undefined; group = open.pop()) {
    const checks = at(group, 'checks')
    const list = Array.isArray(checks) ? checks : entriesAt(checks).map(([, check]) => check)
    for (const check of list) worst = Math.max(worst, numberAt(check, 'fails') ?? 0)
    const groups = at(group, 'groups')
    open.push(...(Array.isArray(groups) ? groups : entriesAt(groups).map(([, inner]) => inner)))
  }
  return worst
}
