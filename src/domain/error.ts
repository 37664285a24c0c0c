// One error class for everything a person reads. It carries the exit code twice because oclif looks in two
// places (`exitCode` under --json, `oclif.exit` in text mode); a test runs both. Foreign errors are wrapped once, in the driver.

/** Every code: its exit code by default (failure-semantics.md) and what it means, for `docs/errors.md`. */
export const ERROR_CODES = {
  E_BUG: { exit: 1, means: 'An unexpected error inside Rollgate' },
  E_USAGE: { exit: 2, means: 'A flag or argument is missing or wrong' },
  E_CONFIG: { exit: 2, means: 'The configuration has problems' },
  E_CONFIG_MISSING: { exit: 2, means: 'No configuration file was found' },
  E_NOT_BUILT: { exit: 2, means: 'The configuration asks for something this version does not have' },
  E_ANSWER_NEEDED: { exit: 2, means: 'A question needs an answer and there is no terminal to ask on' },
  E_SECRET: { exit: 2, means: 'A secret could not be resolved' },
  E_REFUSED: { exit: 3, means: 'Refused before any change' },
  E_PLAN_STALE: { exit: 3, means: 'The fleet changed since the plan was made' },
  E_PLAN_UNSAFE: { exit: 3, means: 'The plan would break an invariant' },
  E_MIN_READY: { exit: 3, means: 'Taking a host would leave fewer than min_ready' },
  E_NO_RELEASE: { exit: 3, means: 'The release does not exist' },
  E_LOAD: { exit: 2, means: 'A load test cannot run as it is written' },
  E_LOAD_INVALID: { exit: 11, means: 'A load test measured nothing that can be trusted' },
  E_LOAD_DATA: { exit: 3, means: 'The data of a load test cannot be used' },
  E_LOAD_ROOM: { exit: 3, means: 'This machine has not enough file descriptors or ports for a load test' },
  E_BUILD: { exit: 3, means: 'The build failed' },
  E_ARTIFACT: { exit: 3, means: 'The artifact is missing or cannot be shipped' },
  E_HOOK_BEFORE: { exit: 3, means: 'A before_rollout hook failed' },
  E_STAGE: { exit: 3, means: 'A release could not be staged on every host' },
  E_DISK: { exit: 3, means: 'A host has not enough free space or inodes' },
  E_ROOT: { exit: 3, means: 'The release root cannot be used as it is' },
  E_SETUP: { exit: 3, means: 'A host is not set up' },
  E_SUDO: { exit: 3, means: 'sudo asks for a password or refuses' },
  E_UNREACHABLE: { exit: 4, means: 'A host could not be reached' },
  E_DNS: { exit: 4, means: 'A host name could not be resolved' },
  E_CONNECT_REFUSED: { exit: 4, means: 'A host refused the connection' },
  E_CONNECT_TIMEOUT: { exit: 4, means: 'A host did not answer in time' },
  E_HOST_KEY: { exit: 4, means: 'A host key is unknown, changed or revoked' },
  E_AUTH: { exit: 4, means: 'A host refused the login' },
  E_KEY: { exit: 4, means: 'A private key could not be used' },
  E_LOST: { exit: 6, means: 'The connection was lost in the middle: what happened is unknown' },
  E_TIMEOUT: { exit: 5, means: 'A command did not end in time' },
  E_COMMAND: { exit: 5, means: 'A command on a host failed' },
  E_CANCELLED: { exit: 130, means: 'Interrupted' },
  E_DRAIN_DEADLINE: { exit: 5, means: 'A host did not drain in time' },
  E_ACTIVATE: { exit: 5, means: 'The current link could not be switched' },
  E_HOOK: { exit: 5, means: 'A hook failed' },
  E_SERVICE: { exit: 5, means: 'The service manager refused or failed' },
  E_SERVICE_EXITED: { exit: 5, means: 'The process of the new release has exited' },
  E_UNHEALTHY: { exit: 5, means: 'A host did not become healthy in time' },
  E_WRONG_RELEASE: { exit: 5, means: 'Another release answers than the one that was deployed' },
  E_NOT_UP: { exit: 5, means: 'The balancer does not report the host as up' },
  E_PROBE_FAILED: { exit: 7, means: 'The probe through the public entry saw more failures than allowed' },
  E_GATE_FAILED: { exit: 7, means: 'A gate said no' },
  E_PAUSED: { exit: 8, means: 'The rollout waits for a person' },
  E_STUCK: { exit: 6, means: 'The way back failed too' },
  E_BALANCER: { exit: 5, means: 'The balancer did not do what it was asked' },
  E_BALANCER_UNREACHABLE: { exit: 4, means: 'The balancer cannot be talked to' },
  E_BALANCER_DENIED: { exit: 3, means: 'The balancer does not allow this login to change servers' },
  E_BALANCER_SERVER: { exit: 3, means: 'A host was not found in the balancer, or is ambiguous' },
  E_BALANCER_MISMATCH: { exit: 3, means: "The balancer's server and the host's address disagree" },
  E_BALANCER_CONFLICT: { exit: 5, means: 'Somebody else changed the server in the meantime' },
  E_LOCKED: { exit: 10, means: 'Somebody else holds the lock' },
  E_STATE_VERSION: { exit: 3, means: 'State on a host or here was written by a newer version' },
  E_EXEC_FAILED: { exit: 12, means: 'The command failed on a host' },
} as const satisfies Record<string, { exit: number; means: string }>

export type ErrorCode = keyof typeof ERROR_CODES

export type ErrorOptions = {
  readonly host?: string
  /** Why it happened, one sentence. */
  readonly why?: string
  /** What the state is now, one sentence. */
  readonly now?: string
  /** What to do about it; each a sentence or a command. */
  readonly hints?: readonly string[]
  /** What was seen: log lines, last answer, listening ports. Untrusted text: renderers clean it. */
  readonly evidence?: readonly string[]
  readonly cause?: unknown
  readonly exitCode?: number
}

/** An error as data: in journals, events and JSON documents. Never holds a secret. */
export type ErrorInfo = {
  readonly code: ErrorCode
  readonly message: string
  readonly host?: string
  readonly why?: string
  readonly now?: string
  readonly hints?: readonly string[]
  readonly evidence?: readonly string[]
  readonly exitCode: number
}

export class RollgateError extends Error {
  readonly code: ErrorCode
  readonly exitCode: number
  readonly oclif: { readonly exit: number }
  readonly host: string | undefined
  readonly why: string | undefined
  readonly now: string | undefined
  readonly hints: readonly string[]
  readonly evidence: readonly string[]

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RollgateError'
    this.code = code
    this.exitCode = options.exitCode ?? ERROR_CODES[code].exit
    this.oclif = { exit: this.exitCode }
    this.host = options.host
    this.why = options.why
    this.now = options.now
    this.hints = options.hints ?? []
    this.evidence = options.evidence ?? []
  }
}

/** Anything thrown, as data. A foreign error becomes E_BUG: drivers wrap what they expect. */
export function errorInfo(error: unknown): ErrorInfo {
  if (error instanceof RollgateError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.host === undefined ? {} : { host: error.host }),
      ...(error.why === undefined ? {} : { why: error.why }),
      ...(error.now === undefined ? {} : { now: error.now }),
      ...(error.hints.length === 0 ? {} : { hints: error.hints }),
      ...(error.evidence.length === 0 ? {} : { evidence: error.evidence }),
      exitCode: error.exitCode,
    }
  }
  return { code: 'E_BUG', message: error instanceof Error ? error.message : String(error), exitCode: 1 }
}

/** The way back from data to an error that can be thrown. */
export function errorFrom(info: ErrorInfo): RollgateError {
  const { code, message, ...options } = info
  return new RollgateError(code, message, options)
}
