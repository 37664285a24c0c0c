// Builds the JSON documents from outcomes. Text output is rendered from them, so what a script reads is what a person sees.
import { ConfigError } from '../config/problems.ts'
import type { BaseDocument, RolloutDocument, RolloutHost } from '../domain/document.ts'
import type { ErrorInfo } from '../domain/error.ts'
import type { DurableEvent, Stamped } from '../domain/event.ts'
import type { HostPhase } from '../domain/ledger.ts'
import { exitCodeOf, type Outcome } from '../domain/outcome.ts'
import type { Plan, Refusal, Step, Track } from '../domain/plan.ts'

export function documentError(info: ErrorInfo): NonNullable<BaseDocument['error']> {
  const { hints, exitCode: _, ...rest } = info
  return { ...rest, hints: hints ?? [] }
}

/** What is wrong in the configuration, place by place, for every document that tells of it. */
export function problemsOf(error: unknown): Pick<BaseDocument, 'problems'> {
  return error instanceof ConfigError ? { problems: error.problems } : {}
}

/** As far as a document tells of it: a run that goes on has it, and so has a journal that is read again. */
export type Ran = {
  readonly release: string | null
  readonly done: ReadonlySet<string>
  readonly touched: ReadonlySet<string>
  readonly minReadySeen: number | null
  readonly failed: ReadonlyMap<string, ErrorInfo>
  readonly stuck: ReadonlyMap<string, ErrorInfo>
}

export type RolloutResult = {
  readonly command: string
  readonly outcome: Outcome
  readonly rollout: string | null
  readonly plan: Plan | null
  readonly run: Ran | null
  readonly probe: RolloutDocument['probe']
  readonly events: readonly Stamped<DurableEvent>[]
  readonly durationMs: number
  readonly refusals: readonly Refusal[]
}

export function rolloutDocument(result: RolloutResult): RolloutDocument {
  const { command, outcome, plan, run, events } = result
  const because = 'because' in outcome ? outcome.because : null
  const now = because?.now ?? stateNow(outcome, plan, run)
  return {
    version: 1,
    command,
    exitCode: exitCodeOf(outcome),
    outcome: outcome.kind,
    ...(because === null ? {} : { error: documentError(now === null ? because : { ...because, now }) }),
    rollout: result.rollout,
    release: plan?.release ?? run?.release ?? null,
    hosts: plan === null ? [] : hostsOf(plan, run, events),
    probe: result.probe,
    gates: events.flatMap((event) =>
      event.type === 'gate.judged' ? [{ name: event.gate, batch: event.batch, verdict: event.verdict, clauses: event.clauses ?? [] }] : [],
    ),
    minReadySeen: run?.minReadySeen ?? null,
    durationMs: Math.round(result.durationMs),
    next: nextCommands(outcome),
    ...(result.refusals.length > 0 ? { refusals: result.refusals } : {}),
  }
}

function hostsOf(plan: Plan, run: Ran | null, events: readonly Stamped<DurableEvent>[]): readonly RolloutHost[] {
  const moved = plan.batches
    .flatMap((batch) => batch.tracks)
    .map((track): RolloutHost => {
      const error = run?.stuck.get(track.host) ?? run?.failed.get(track.host)
      return {
        name: track.host,
        from: track.from,
        to: track.to,
        phase: phaseOf(track, run),
        durationMs: durationOf(track, events),
        ...(error === undefined
          ? {}
          : { error: { code: error.code, message: error.message, ...(error.evidence === undefined ? {} : { evidence: error.evidence }) } }),
      }
    })
  const still = plan.unchanged.map((name): RolloutHost => ({ name, from: plan.release, to: plan.release, phase: 'serving', durationMs: 0 }))
  const skipped = plan.skipped.map(
    (name): RolloutHost => ({
      name,
      from: null,
      to: null,
      phase: 'unknown',
      durationMs: 0,
      error: { code: 'E_UNREACHABLE', message: 'skipped: unreachable' },
    }),
  )
  return [...moved, ...still, ...skipped]
}

const REACHED: Readonly<Record<Step['kind'], HostPhase>> = {
  drain: 'drained',
  hook: 'drained',
  activate: 'switched',
  restart: 'started',
  stop: 'drained',
  prove: 'healthy',
  calibrate: 'drained',
  gate: 'gated',
  enable: 'serving',
}

/** How far a host got, by the last step that ended; its way back counts when one was begun. */
export function phaseOf(track: Track, run: Ran | null): HostPhase {
  if (run === null) return 'staged'
  const undone = track.undo.some((step) => run.touched.has(step.id)) || run.touched.has(`${track.host}/undo/enable`)
  const steps = undone
    ? [...track.undo, ...track.steps.filter((step) => step.kind === 'enable').map((step) => ({ ...step, id: `${track.host}/undo/enable` }))]
    : track.steps
  const last = steps.findLast((step) => run.done.has(step.id))
  if (last !== undefined) return REACHED[last.kind]
  return steps.some((step) => run.touched.has(step.id) && step.kind === 'drain') ? 'draining' : 'staged'
}

function durationOf(track: Track, events: readonly Stamped<DurableEvent>[]): number {
  const own = events.filter((event) => 'host' in event && event.host === track.host)
  const first = own[0]
  const last = own.at(-1)
  return first === undefined || last === undefined ? 0 : Date.parse(last.at) - Date.parse(first.at)
}

/** "Now": the state after a failure, in one sentence. */
function stateNow(outcome: Outcome, plan: Plan | null, run: Ran | null): string | null {
  const touched =
    plan?.batches.flatMap((batch) => batch.tracks).filter((track) => track.steps.some((step) => run?.touched.has(step.id) === true)) ?? []
  switch (outcome.kind) {
    case 'refused':
      return 'nothing was changed'
    case 'rolled-back': {
      if (touched.length === 0) return 'nothing was changed'
      const first = touched.every((track) => track.from === null)
      if (first) return `${list(touched)} stopped and out of rotation; there is no earlier release to go back to`
      return `${list(touched)} ready again on ${[...new Set(touched.map((track) => track.from ?? 'no release'))].join(', ')}; nothing else changed`
    }
    case 'stuck':
      return `${outcome.hosts.join(', ')} out of rotation; every host that was healthy keeps serving`
    case 'partial':
      return `${outcome.hosts.join(', ')} not on the new release; the others are`
    default:
      return null
  }
}

const list = (tracks: readonly Track[]): string => `${tracks.map((track) => track.host).join(', ')} ${tracks.length === 1 ? 'is' : 'are'}`

function nextCommands(outcome: Outcome): readonly string[] {
  switch (outcome.kind) {
    case 'stuck':
      return [
        'rollgate status',
        `rollgate logs --hosts ${outcome.hosts.join(',')}`,
        'rollgate deploy   (again, once the cause is gone)',
        'rollgate rollback',
      ]
    case 'partial':
      return ['rollgate status', 'rollgate deploy   (brings the missing hosts along)', 'rollgate rollback']
    case 'paused':
      return ['rollgate promote   (yes, go on)', 'rollgate abort   (no, take it back)']
    case 'cancelled':
      return ['rollgate status', 'rollgate resume   (goes on)', 'rollgate abort   (takes it back)']
    case 'succeeded':
    case 'unchanged':
    case 'refused':
    case 'rolled-back':
      return []
    default:
      return outcome satisfies never
  }
}
