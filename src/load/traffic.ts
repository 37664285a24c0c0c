// Users for the demo: each sends a request, waits for the answer, and goes on over the same kept-alive connection
// (closed model), half of them with a body. No retry: a request that was lost is counted. Made to be seen failing:
// "N requests, 0 failed" means something only because it could have been otherwise.
import { createClient, type FailureClass } from './http.ts'

export type TrafficSettings = { readonly url: string; readonly users: number; readonly timeoutMs: number }

export type TrafficSeen = { readonly requests: number; readonly failed: number }

export type TrafficReport = TrafficSeen & { readonly byClass: Readonly<Partial<Record<FailureClass | 'status', number>>> }

export type Traffic = {
  seen(): TrafficSeen
  /** Every user finishes the request in hand (at most its timeout). Always the same report. */
  stop(): Promise<TrafficReport>
}

/** Starts at once. @param options.signal stops it, as `stop` does */
export function startTraffic(settings: TrafficSettings, options: { readonly signal: AbortSignal }): Traffic {
  const url = new URL(settings.url)
  const path = url.pathname + url.search
  const client = createClient({ origin: url.origin, connections: settings.users, connectTimeoutMs: settings.timeoutMs })
  const byClass: Partial<Record<FailureClass | 'status', number>> = {}
  let requests = 0
  let failed = 0
  let stopping = false

  const user = async (number: number) => {
    for (let turn = number; !stopping && !options.signal.aborted; turn += 1) {
      const method = turn % 2 === 0 ? 'GET' : 'POST'
      const result = await client.send({ method, path, ...(method === 'POST' ? { body: 'x'.repeat(1024) } : {}) }, settings)
      requests += 1
      const kind = result.kind === 'failure' ? result.class : result.status >= 500 ? 'status' : null
      if (kind === null) continue
      failed += 1
      byClass[kind] = (byClass[kind] ?? 0) + 1
      // Nobody answers: a user looks at the error before trying again, and this loop must not spin.
      await new Promise((done) => setTimeout(done, 20))
    }
  }
  const users = Promise.all(Array.from({ length: settings.users }, (_, number) => user(number)))
  let report: Promise<TrafficReport> | null = null
  const finish = async () => {
    stopping = true
    await users
    await client.close()
    return { requests, failed, byClass }
  }
  return {
    seen: () => ({ requests, failed }),
    stop: () => {
      report ??= finish()
      return report
    },
  }
}
