// How we know that an instance is healthy, and which release answers.

export type HealthCheck =
  | {
      readonly kind: 'http'
      readonly port: number
      readonly path: string
      /** Any of these is right. */
      readonly status: readonly number[]
      readonly headers: Readonly<Record<string, string>>
      /** Address on the host to ask; the app's port need not be public. [127.0.0.1] */
      readonly address: string
      readonly timeoutMs: number
    }
  | { readonly kind: 'tcp'; readonly port: number; readonly address: string; readonly timeoutMs: number }
  | { readonly kind: 'command'; readonly run: string; readonly timeoutMs: number }
  /** No check configured: the service manager's word has to do. */
  | { readonly kind: 'service' }

/** What must name the release: part of the health answer, or the output of a command on the host. */
export type VersionProof =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'json'; readonly path: string }
  | { readonly kind: 'command'; readonly run: string }
  /** Nothing configured: a process started after the switch, running from that folder. */
  | { readonly kind: 'process' }

export type HealthSettings = {
  readonly check: HealthCheck
  readonly version: VersionProof
  readonly intervalMs: number
  readonly healthyForMs: number
  readonly deadlineMs: number
}

/** One question, one answer. `release` is what the answer names, where the check can say. */
export type ProbeAnswer = {
  /** The host itself could not be asked: this says nothing about the app. */
  readonly unreachable?: true
  /** The connection to the host was lost and made again since the last question: it may have been booted. */
  readonly reconnected?: true
  readonly healthy: boolean
  readonly release: string | null
  /** For a person: `HTTP 500 in 12 ms: "boom"`, `connection refused on 127.0.0.1:8080`. Untrusted. */
  readonly detail: string
  readonly durationMs: number
}
