// Pure: the plan and the ledgers of its hosts → where the rollout stands, without the journal of the machine that ran it.
// A host's own steps are in its own ledger; what concerns the whole rollout (hooks here, approvals, which host failed, the
// turn back) is in every ledger, and one that has it is enough. Looking and proving leave no line: they are done when a
// later step of the same way is.
import type { ErrorCode, ErrorInfo } from '../domain/error.ts'
import { ERROR_CODES } from '../domain/error.ts'
import type { HostName } from '../domain/host.ts'
import type { LedgerEntry } from '../domain/ledger.ts'
import type { Plan, Step, StepId } from '../domain/plan.ts'
import type { Progress } from './replay.ts'

/** Step ids of entries that concern the rollout as a whole. */
export const UNDO_ENTRY = 'undo'
export const hostEntry = (host: HostName): string => `host:${host}`
/** `E_UNHEALTHY@web-1`. */
export const failureDetail = (info: Pick<ErrorInfo, 'code' | 'host'>): string =>
  info.host === undefined ? info.code : `${info.code}@${info.host}`

/**
 * @param ledgers entries by host, oldest first; hosts that cannot be asked are left out
 * @returns null when no ledger knows the rollout
 */
export function recover(plan: Plan, rollout: string, ledgers: ReadonlyMap<HostName, readonly LedgerEntry[]>): Progress | null {
  const own = new Map([...ledgers].map(([host, entries]) => [host, entries.filter((entry) => entry.rollout === rollout)]))
  if ([...own.values()].every((entries) => entries.length === 0)) return null
  const done = new Set<StepId>()
  const inDoubt = new Set<StepId>()
  const touched = new Set<StepId>()
  const attempts = new Map<StepId, number>()
  const failed = new Map<HostName, ErrorInfo>()

  const put = (step: StepId, entries: readonly LedgerEntry[]): LedgerEntry['state'] | null => {
    const lines = entries.filter((entry) => entry.step === step)
    const starts = lines.filter((entry) => entry.state === 'started').length
    if (starts > 0) {
      touched.add(step)
      attempts.set(step, starts)
    }
    const last = lines.at(-1)?.state ?? null
    if (last === 'done') {
      touched.add(step)
      done.add(step)
    } else if (last === 'started') inDoubt.add(step)
    return last
  }
  for (const track of plan.batches.flatMap((batch) => batch.tracks)) {
    const entries = own.get(track.host) ?? []
    for (const way of [track.steps, track.undo]) {
      for (const step of way) put(step.id, entries)
      earlierSteps(way, done, inDoubt)
    }
    // It may have been taken out as the control of a gate.
    put(`${track.host}/control`, entries)
    // A host that failed before its process was touched is only enabled again.
    put(`${track.host}/undo/enable`, entries)
  }

  // In the order of lines of one host; the first host that has an answer gives it.
  const everywhere = (step: StepId): readonly LedgerEntry[] =>
    [...own.values()]
      .map((entries) => entries.filter((entry) => entry.step === step))
      .reduce((best, lines) => (rank(lines) > rank(best) ? lines : best), [])
  const common = [
    ...hookIds('before', plan.before),
    ...hookIds('after', plan.finally),
    ...hookIds('on_failure', plan.onFailureHooks),
    ...plan.batches.flatMap((batch) => batch.after.map((checkpoint) => checkpoint.id)),
  ]
  let refusedAt: StepId | null = null
  for (const step of common) if (put(step, everywhere(step)) === 'failed' && step.startsWith('checkpoint/')) refusedAt ??= step
  for (const track of plan.batches.flatMap((batch) => batch.tracks)) {
    const line = everywhere(hostEntry(track.host)).at(-1)
    if (line?.state === 'failed') failed.set(track.host, infoOf(line.detail))
  }
  const turned = everywhere(UNDO_ENTRY).at(-1)
  const because =
    turned !== undefined ? infoOf(turned.detail) : refusedAt !== null ? refusedInfo(refusedAt) : ([...failed.values()][0] ?? null)
  return {
    plan,
    release: plan.release,
    direction: turned !== undefined || refusedAt !== null ? 'undo' : 'forward',
    done,
    inDoubt,
    touched,
    attempts,
    failed,
    because,
    verdicts: new Map(),
    outcome: null,
  }
}

export function hookIds(moment: 'before' | 'after' | 'on_failure', hooks: readonly { readonly name: string }[]): readonly StepId[] {
  return hooks.map((hook, index) => `${moment}/${index + 1}:${hook.name}`)
}

/** Steps of one way follow each other strictly: before a done one nothing is open. */
function earlierSteps(way: readonly Step[], done: Set<StepId>, inDoubt: Set<StepId>): void {
  const last = way.findLastIndex((step) => done.has(step.id))
  for (const step of way.slice(0, Math.max(0, last))) {
    done.add(step.id)
    inDoubt.delete(step.id)
  }
}

/** An end says more than a start, a start more than nothing. */
function rank(lines: readonly LedgerEntry[]): number {
  const last = lines.at(-1)?.state
  return last === undefined ? 0 : last === 'started' ? 1 : 2
}

function infoOf(detail: string): ErrorInfo {
  const [code = '', ...host] = detail.split('@')
  const known: ErrorCode = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'E_UNHEALTHY'
  const where = host.join('@')
  return {
    code: known,
    message: `${where === '' ? 'the rollout' : where} failed: ${ERROR_CODES[known].means.toLowerCase()} (recorded by the machine that ran it)`,
    ...(where === '' ? {} : { host: where }),
    exitCode: ERROR_CODES[known].exit,
  }
}

function refusedInfo(step: StepId): ErrorInfo {
  return {
    code: 'E_GATE_FAILED',
    message: `${step} said no (recorded by the machine that ran it)`,
    exitCode: ERROR_CODES.E_GATE_FAILED.exit,
  }
}
