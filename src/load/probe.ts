// The rollout's probe: a paced stream of requests through the public entry while hosts are changed, to prove that
// nobody outside noticed. Open model: a slow answer never delays the next request; what would exceed the cap of
// requests in flight is not sent, and counts as failed. Nothing is repeated. Nothing escapes: whatever was sent is
// answered, failed or timed out before the report is made.
import type { ProbeSettings } from '../domain/config.ts'
import type { Clock } from '../domain/ports.ts'
import { createClient, type FailureClass, type HttpResult } from './http.ts'
import { keepPace, realClock } from './pace.ts'

/** status: 500 or above · shed: not sent, too many were waiting already */
export type ProbeFailureClass = FailureClass | 'status' | 'shed'

export type ProbeFailure = {
  /** ISO 8601, the operator's clock, when the request was due. */
  readonly at: string
  readonly class: ProbeFailureClass
  readonly detail: string
}

export type ProbeSeen = { readonly sent: number; readonly failed: number; readonly worstGapMs: number; readonly maxFailed: number }

export type ProbeReport = ProbeSeen & {
  readonly ok: number
  /** More failed than allowed, or nothing was sent at all. */
  readonly verdict: 'pass' | 'fail'
  /** Requests that were never sent because this machine stood still. */
  readonly skipped: number
  /** The first ones of them all; `failed` counts the rest. */
  readonly failures: readonly ProbeFailure[]
  readonly byClass: Readonly<Partial<Record<ProbeFailureClass, number>>>
  /** Of good answers, from the moment a request was due; null without any. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export type Probe = {
  /** Sends no more, waits for what is on its way (at most its timeout), closes all connections. Always the same report. */
  stop(): Promise<ProbeReport>
  /** So far. A gap that is still open counts. */
  seen(): ProbeSeen
}

export type ProbeOptions = {
  /** Stops sending when it fires, as `stop` does. */
  readonly signal: AbortSignal
  /** After each answer or failure. */
  readonly onProgress?: (seen: ProbeSeen) => void
  /** Each of them, as it happens. */
  readonly onFailure?: (failure: ProbeFailure) => void
  readonly clock?: Clock
  /** PEM, for an `https:` entry whose authority the system does not know. */
  readonly ca?: string
}

const MOST_FAILURES_KEPT = 50
const MOST_IN_FLIGHT = 1000

/** Starts at once: the first request is due now. */
export function startProbe(settings: ProbeSettings, options: ProbeOptions): Probe {
  const clock = options.clock ?? realClock
  const url = new URL(settings.url)
  // What may be waiting when every answer takes as long as it may, and a second's worth more: timers are not exact, and
  // a hung server must be reported as timeouts.
  const cap = Math.min(MOST_IN_FLIGHT, Math.ceil((settings.ratePerSecond * (settings.timeoutMs + 1000)) / 1000))
  const client = createClient({
    origin: url.origin,
    connections: cap,
    connectTimeoutMs: settings.timeoutMs,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  })
  const tally = createTally(settings, clock, options.onFailure)
  const inFlight = new Set<Promise<void>>()
  const stopping = new AbortController()

  // An answer from a cache on the way would prove nothing about the hosts.
  const request = {
    method: 'GET',
    path: url.pathname + url.search,
    headers: { 'user-agent': 'rollgate-probe', 'cache-control': 'no-cache' },
  } as const
  const send = async (dueMs: number) => {
    const result = await client.send(request, { timeoutMs: settings.timeoutMs })
    tally.add(dueMs, result)
    options.onProgress?.(tally.seen())
  }
  const pacing = keepPace(
    {
      ratePerSecond: settings.ratePerSecond,
      onSkipped: tally.skip,
      onDue(dueMs) {
        tally.sent()
        if (inFlight.size >= cap) {
          tally.add(dueMs, { kind: 'shed' })
          options.onProgress?.(tally.seen())
          return
        }
        const sending = send(dueMs).finally(() => inFlight.delete(sending))
        inFlight.add(sending)
      },
    },
    clock,
    AbortSignal.any([options.signal, stopping.signal]),
  )

  let report: Promise<ProbeReport> | null = null
  const finish = async () => {
    stopping.abort()
    await pacing
    const endedMs = clock.now()
    await Promise.all(inFlight)
    await client.close()
    return tally.report(endedMs)
  }
  return {
    stop: () => {
      report ??= finish()
      return report
    },
    seen: tally.seen,
  }
}

type Shed = { readonly kind: 'shed' }

function createTally(settings: ProbeSettings, clock: Clock, onFailure: ProbeOptions['onFailure']) {
  const intervalMs = 1000 / settings.ratePerSecond
  const wallOffset = Date.now() - clock.now()
  const failures: ProbeFailure[] = []
  const byClass: Partial<Record<ProbeFailureClass, number>> = {}
  const latencies: number[] = []
  let sent = 0
  let failed = 0
  let ok = 0
  let skipped = 0
  let lastGoodMs = clock.now()
  let worstGapMs = 0
  const gapUntil = (nowMs: number) => Math.max(worstGapMs, Math.round(nowMs - lastGoodMs - intervalMs))

  const fail = (dueMs: number, kind: ProbeFailureClass, detail: string) => {
    failed += 1
    byClass[kind] = (byClass[kind] ?? 0) + 1
    const failure: ProbeFailure = { at: new Date(wallOffset + dueMs).toISOString(), class: kind, detail }
    if (failures.length < MOST_FAILURES_KEPT) failures.push(failure)
    onFailure?.(failure)
  }
  return {
    sent: () => {
      sent += 1
    },
    skip: (count: number) => {
      skipped += count
    },
    add(dueMs: number, result: HttpResult | Shed) {
      if (result.kind === 'shed') return fail(dueMs, 'shed', 'not sent: too many requests were waiting for an answer')
      if (result.kind === 'failure') return fail(dueMs, result.class, result.detail)
      if (result.status >= 500) return fail(dueMs, 'status', `HTTP ${result.status}`)
      ok += 1
      const now = clock.now()
      worstGapMs = gapUntil(now)
      lastGoodMs = now
      latencies.push(now - dueMs)
    },
    seen: (): ProbeSeen => ({ sent, failed, worstGapMs: gapUntil(clock.now()), maxFailed: settings.maxFailed }),
    /** @param endedMs when sending ended: the time that was spent waiting for the last answers is no gap */
    report(endedMs: number): ProbeReport {
      latencies.sort((left, right) => left - right)
      return {
        ...{ sent, failed, ok, skipped, failures, byClass },
        worstGapMs: gapUntil(endedMs),
        maxFailed: settings.maxFailed,
        verdict: sent > 0 && failed <= settings.maxFailed ? 'pass' : 'fail',
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
      }
    },
  }
}

/** The nearest rank of a sorted list. */
function quantile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return value === undefined ? null : Math.round(value)
}
