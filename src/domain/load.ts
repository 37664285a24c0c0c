// A load test as data: what `loads:` of rollgate.yml becomes (config.md), and what a run of it says afterwards
// (load-and-gates.md, 5). Texts that hold `{{ … }}` are kept as they were written: src/load compiles them, so that a
// secret is a name until the moment of sending.
import type { HostName } from './host.ts'
import type { FailureClass } from './slice.ts'

export type LoadMethod = 'GET' | 'HEAD' | 'OPTIONS' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Methods that change nothing: the ones allowed unless `safety.methods` says more. */
export const SAFE_METHODS: readonly LoadMethod[] = ['GET', 'HEAD', 'OPTIONS']

/** How the asked rate changes over the measured time. */
export type RateProfile =
  | { readonly kind: 'constant'; readonly ratePerSecond: number }
  /** Linear from the first to the last moment. */
  | { readonly kind: 'ramp'; readonly fromPerSecond: number; readonly toPerSecond: number }
  /** One after the other; the last goes on until the end. */
  | { readonly kind: 'steps'; readonly steps: readonly { readonly ratePerSecond: number; readonly forMs: number }[] }
  | {
      readonly kind: 'spike'
      readonly basePerSecond: number
      readonly peakPerSecond: number
      readonly atMs: number
      readonly forMs: number
    }
  /** Starts at the mean and rises. The amplitude is at most the mean. */
  | { readonly kind: 'sine'; readonly meanPerSecond: number; readonly amplitudePerSecond: number; readonly periodMs: number }

/**
 * poisson: random, as users come; given its count, so the asked rate holds exactly · uniform: one at a random moment of
 * each interval · constant: a metronome, which may fall into step with timers of the server
 */
export type Arrivals = 'poisson' | 'uniform' | 'constant'

export type LoadModel =
  | {
      readonly kind: 'paced'
      readonly profile: RateProfile
      readonly arrivals: Arrivals
      /** exact: woken a tenth of a millisecond after the moment · relaxed: by a timer, up to 2 ms late [exact] */
      readonly precision?: 'exact' | 'relaxed'
      /** Requests in flight, per target; an arrival above it is shed [rate × timeout, at most 10,000]. */
      readonly maxInFlight?: number
    }
  | {
      readonly kind: 'closed'
      readonly connections: number
      /** Threads; each has its share of the connections [1]. */
      readonly workers?: number
      /** So many requests instead of a duration (smoke). */
      readonly amount?: number
    }

/** A gate may stop between the two. */
export type LoadRange = { readonly atLeastMs: number; readonly atMostMs: number }

export type LoadData = {
  readonly format: 'csv' | 'jsonl'
  /** Absolute. */
  readonly path: string
  /** once: every row is used one time, and the run ends when there are no more · partition: sequential, and of several generators each has rows of its own */
  readonly order: 'sequential' | 'random' | 'once' | 'partition'
}

export type LoadBody =
  | { readonly kind: 'text'; readonly text: string; readonly contentType?: string }
  /** Templates in its strings are filled in before it is written, so that no value can break out of its string. */
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'form'; readonly fields: Readonly<Record<string, string>> }

/** What an answer must be. Without `status`: 200 to 399. */
export type LoadExpect = {
  /** Codes, or classes such as `2xx`. */
  readonly status?: readonly (number | `${number}xx`)[]
  /** Exact values; null: it is there. Names in lower case. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly bodyContains?: readonly string[]
  /** JSON path → value; null in the map's value means JSON's null. */
  readonly json?: Readonly<Record<string, string | number | boolean | null>>
  /** What the body is, by a JSON Schema: it, or the file that holds it (absolute). */
  readonly schema?: { readonly path: string } | { readonly json: unknown }
  readonly minBytes?: number
  readonly maxBytes?: number
  /** Service time. */
  readonly withinMs?: number
}

/** Where a value for later steps comes from. */
export type LoadCapture = { readonly json: string } | { readonly header: string } | { readonly cookie: string }

export type LoadRequest = {
  readonly method: LoadMethod
  /** Path and query; values are percent-encoded where they are filled in. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: LoadBody
  readonly expect?: LoadExpect
  /** `{{ NAME }}` of later steps. */
  readonly capture?: Readonly<Record<string, LoadCapture>>
}

/** What one arrival does: its requests one after the other, until one of them fails. */
export type LoadScenario = {
  readonly name: string
  readonly weight: number
  readonly steps: readonly [LoadRequest, ...LoadRequest[]]
}

export type LoadAuth =
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  /** Sent once to every target before the run; its cookies go with every request. */
  | { readonly kind: 'login'; readonly request: LoadRequest }

export type LoadSafety = {
  readonly methods: readonly LoadMethod[]
  /** Stops at once when more than this share of what ended in the last so many milliseconds has failed. */
  readonly abortIf: { readonly errorRate: number; readonly forMs: number } | null
}

export type LoadTimeouts = {
  readonly connectMs: number
  /** From the request's last byte to the first of the answer's head. */
  readonly firstByteMs: number
  /** From the head to the last byte. */
  readonly bodyMs: number
}

export const DEFAULT_TIMEOUTS: LoadTimeouts = { connectMs: 5_000, firstByteMs: 10_000, bodyMs: 10_000 }

export type LoadSettings = {
  readonly name: string
  readonly model: LoadModel
  readonly duration: LoadRange
  /** Out of the statistics. */
  readonly warmup: LoadRange
  readonly data: Readonly<Record<string, LoadData>>
  readonly scenarios: readonly [LoadScenario, ...LoadScenario[]]
  /** On every request. */
  readonly headers: Readonly<Record<string, string>>
  readonly auth: LoadAuth | null
  readonly timeouts: LoadTimeouts
  readonly safety: LoadSafety
  /** A connection is closed after so many requests, so that the cost of new ones is seen. */
  readonly newConnectionEvery?: number
  /** HTTP/2 instead of HTTP/1.1, for `https:` targets. */
  readonly http2?: boolean
  /** The hosts' own ports speak TLS, with a certificate of the site [plain HTTP]. */
  readonly tls?: boolean
  /** PEM file, absolute: an authority to trust besides the system's. */
  readonly ca?: string
  /** Hosts of the configuration that send it, each its share [this machine]. */
  readonly from?: readonly HostName[]
}

/** Why no more was sent. data: rows that may be used once ran out · unsafe: `abort_if` · stopped: by who asked for it · cancelled: by the signal · late: this machine fell far behind its schedule · lost: a generator on another host is gone */
export type LoadEnd = 'finished' | 'stopped' | 'cancelled' | 'unsafe' | 'data' | 'no-login' | 'late' | 'lost'

/** One line of the report for each target (cli.md). */
export type TargetSummary = {
  readonly name: string
  readonly offered: number
  readonly sent: number
  readonly done: number
  /** Good answers per second of the measured time. */
  readonly rps: number
  readonly errors: Readonly<Partial<Record<FailureClass, number>>>
  /** From the intended time, failures slower than any success; null: it falls on a failure, or nothing arrived. */
  readonly p50Ms: number | null
  readonly p90Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  /** Of good answers. */
  readonly maxMs: number | null
  readonly bytes: number
  /** From the send, successes only: for diagnosis, never for a gate. */
  readonly service: { readonly p50Ms: number | null; readonly p95Ms: number | null; readonly p99Ms: number | null }
}

/** What this machine did in one second of the run. */
export type GeneratorSample = {
  readonly second: number
  /** Of one core, 0..1 and above. */
  readonly cpu: number
  /** Longest time the event loop was away. */
  readonly loopDelayMs: number
  readonly inFlight: number
  readonly connections: number
}

/** Whether the numbers can be trusted: a reason makes the run INVALID, whatever the numbers say. */
export type LoadValidity = {
  readonly valid: boolean
  readonly sendLagP99Ms: number | null
  /** Median over the measured seconds. */
  readonly cpu: number | null
  /** Some of the reasons are that this machine could not keep up: nothing that a target can help. */
  readonly saturated?: boolean
  readonly reasons: readonly string[]
}
