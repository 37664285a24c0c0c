// One line of a gate's `pass:` as data: a metric, a comparison, a limit (config.md). clause-parse.ts reads it.

/** What is measured. */
export type Metric =
  /** Response time that a share `q` of all arrivals keeps; failures are slower than any success. */
  | { readonly kind: 'quantile'; readonly q: number }
  | { readonly kind: 'max' }
  /** Share of arrivals that ended without a good answer. */
  | { readonly kind: 'errors' }
  /** Share of arrivals slower than the calibrated p99, or than `aboveMs`. */
  | { readonly kind: 'slow'; readonly aboveMs: number | null }
  /** Good answers per second. */
  | { readonly kind: 'rps' }
  /** What a Prometheus query answers. */
  | { readonly kind: 'value' }
  /** How fast the error budget burns: 1 uses it up exactly at the end of the objective's time. */
  | { readonly kind: 'burn' }
  /** Good answers per second at most, closed bursts taken in turns. */
  | { readonly kind: 'capacity' }
  /** Requests through the public entry that were lost around the restarts. */
  | { readonly kind: 'restart.lost' }

export type Relation = '<' | '<=' | '>' | '>=' | '='

export type Margin =
  | { readonly kind: 'percent'; readonly share: number }
  | { readonly kind: 'ms'; readonly ms: number }
  /** Percentage points, as a share: 1pp is 0.01. */
  | { readonly kind: 'points'; readonly share: number }

export type Limit =
  /** Milliseconds, a share (0..1), requests per second, a count or a plain number, as the metric says. */
  | { readonly against: 'bound'; readonly value: number }
  | { readonly against: 'offered'; readonly share: number }
  /** The loosest of the margins. */
  | { readonly against: 'baseline'; readonly margins: readonly [Margin, ...Margin[]] }
  /** The middle one of the last so many passes. */
  | { readonly against: 'passes'; readonly count: number; readonly margins: readonly [Margin, ...Margin[]] }

export type ClauseMode = 'gate' | 'warn' | 'shadow'

export type Clause = {
  /** As it was written, blanks made single. */
  readonly text: string
  readonly mode: ClauseMode
  readonly metric: Metric
  readonly is: Relation
  readonly limit: Limit
}

/** `p95`, `p99.9`, `errors`: as a person reads it. */
export function showMetric(metric: Metric): string {
  return metric.kind === 'quantile' ? `p${Number((metric.q * 100).toPrecision(10))}` : metric.kind
}

/** A clause that compares the new release with something else than a fixed number. */
export function isRelative(clause: Clause): boolean {
  return clause.limit.against === 'baseline'
}
