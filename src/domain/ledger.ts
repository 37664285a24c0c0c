// The ledger: what happened on a host, in the host's own file, one short line an entry so that it can be written on
// a nearly full disk and by a POSIX shell. It wins over the operator's journal.
import type { ReleaseId } from './release.ts'

export type LedgerEntry = {
  readonly version: 1
  readonly rollout: string
  /** Lease epoch under which it was written (0: none). */
  readonly epoch: number
  /** Plan step id, or `-` for entries of the rollout itself. */
  readonly step: string
  /** `open` and `closed` frame a rollout; `started`, `done`, `failed` frame a step. */
  readonly state: 'open' | 'started' | 'done' | 'failed' | 'closed' | 'note'
  /** Exit code of a failed step, release of an opened rollout, outcome of a closed one. Printable, no blanks or `\`. */
  readonly detail: string
  /** Seconds since the epoch on the host's clock: only for showing. Order is the order of lines. */
  readonly at: number
}

export type HostPhase =
  | 'idle'
  | 'staged'
  | 'draining'
  | 'drained'
  | 'switched'
  | 'started'
  | 'healthy'
  | 'gated'
  | 'enabling'
  | 'serving'
  | 'baked'
  | 'unknown'

/** What a first look at a host's ledger says: the rollout that was opened last and not closed. */
export type Unfinished = {
  readonly rollout: string
  readonly release: ReleaseId
  readonly lastStep: string
  readonly lastState: LedgerEntry['state']
}
