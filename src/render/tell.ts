// What one event says, in one line of plain words. Lines in a pipe, in CI and above the live tree all come from here.
// Careful about repetition: what is waited for and how far an upload is are told once in ten seconds, by the events'
// own stamps, so that the same events always give the same lines.
import type { ErrorInfo } from '../domain/error.ts'
import type { RolloutEvent, Stamped } from '../domain/event.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Plan } from '../domain/plan.ts'
import { measureWords } from './measure.ts'
import { bytes, many, names, number, oneLine, stepWords } from './words.ts'

export type Told = {
  /** `detail` is only for --verbose. */
  readonly level: 'detail' | 'info' | 'warning' | 'error'
  readonly host: string | null
  readonly text: string
}

export type Teller = (event: Stamped) => Told | null

export const THROTTLE_MS = 10_000
const FIRST_WAIT_MS = 1_000
/** Load is told twice as often: a test alone may be over in ten seconds. */
const MEASURE_MS = 5_000

/** Remembers what it told, and when. */
export function createTeller(): Teller {
  const toldAt = new Map<string, number>()
  const lastError = new Map<string, string>()
  let failedSeen = 0
  /** @param first whether the very first one is told at once */
  const isDue = (key: string, at: number, first: boolean, everyMs = THROTTLE_MS): boolean => {
    const last = toldAt.get(key)
    if (last === undefined) {
      toldAt.set(key, at)
      return first
    }
    if (at - last < everyMs) return false
    toldAt.set(key, at)
    return true
  }
  return (event) => {
    const at = Date.parse(event.at)
    switch (event.type) {
      case 'step.started':
        // Short waits are not worth a line: the first one is told when a step has waited for a second.
        toldAt.set(event.step, at - THROTTLE_MS + FIRST_WAIT_MS)
        break
      case 'step.waiting':
        if (event.detail !== 'running' && !isDue(event.step, at, true)) return null
        break
      case 'stage.progress':
        if (!isDue(`stage:${event.host}`, at, false)) return null
        break
      case 'probe.progress': {
        const worse = event.failed > failedSeen
        failedSeen = event.failed
        if (!isDue('probe', at, false) && !(worse && isDue('probe-failed', at, true))) return null
        break
      }
      case 'load.progress':
      case 'gate.progress': {
        const what = event.type === 'load.progress' ? event.load : event.gate
        if (!isDue(`measure:${what}:${event.progress.phase}`, at, false, MEASURE_MS)) return null
        break
      }
      case 'step.failed':
        lastError.set(event.host ?? '', event.error.message)
        break
      case 'host.failed':
        if (lastError.get(event.host) === event.error.message)
          return { level: 'detail', host: oneLine(event.host, 100), text: `counts as failed (${event.error.code})` }
        break
      default:
        break
    }
    return tell(event)
  }
}

function tell(event: RolloutEvent): Told | null {
  const host = 'host' in event && event.host !== undefined ? oneLine(event.host, 100) : null
  const say = (level: Told['level'], text: string): Told => ({ level, host, text: oneLine(text) })
  switch (event.type) {
    case 'rollout.opened':
      return say('info', `rollout opened by ${event.by}: ${planWords(event.plan)}`)
    case 'step.started':
      return say(event.attempt > 1 ? 'info' : 'detail', `${doing(event.step)}${event.attempt > 1 ? ` (attempt ${event.attempt})` : ''}`)
    case 'step.succeeded': {
      const { undo, did } = stepWords(event.step)
      const note = event.note ?? (event.changed ? '' : 'was so already')
      return say('info', `${undo ? 'back: ' : ''}${did}${note === '' ? '' : `: ${note}`}`)
    }
    case 'step.failed':
      return say('error', `${doing(event.step)} failed: ${errorWords(event.error)}`)
    case 'checkpoint.passed':
      return say('info', `passed: ${event.how}`)
    case 'gate.judged':
      return say(
        event.verdict === 'pass' ? 'info' : event.verdict === 'fail' ? 'error' : 'warning',
        `gate ${event.gate} (${event.batch}): ${event.verdict.toUpperCase()}: ${event.summary}`,
      )
    case 'host.failed':
      return say('error', `failed: ${errorWords(event.error)}`)
    case 'undo.opened':
      return say('warning', `taking back ${names(event.hosts)}: ${errorWords(event.because)}`)
    case 'rollout.closed':
      return say(isGood(event.outcome) ? 'info' : 'error', outcomeWords(event.outcome))
    case 'phase':
      return say(event.state === 'failed' ? 'warning' : 'info', phaseWords(event))
    case 'host.connected':
      return say('info', `connected as ${event.destination}${event.ms > 0 ? ` in ${Math.round(event.ms)} ms` : ''}`)
    case 'host.unreachable':
      return say('error', `unreachable: ${errorWords(event.error)}`)
    case 'stage.progress':
      return say('info', `staging: ${percent(event.sentBytes, event.totalBytes)} of ${bytes(event.totalBytes)}`)
    case 'stage.done':
      return say('info', `staged: ${event.note}`)
    case 'output':
      // What a command of `exec` says on stderr is why it was run; everything else is for those who want to see it all.
      return event.source === 'exec' ? say('info', event.line.text) : say('detail', `${stepWords(event.source).doing} | ${event.line.text}`)
    case 'batch.started':
      return say('info', `${event.title}: ${names(event.hosts)}`)
    case 'batch.done':
      return say('detail', `batch ${event.batch} done`)
    case 'step.waiting':
      return say(event.detail === 'running' ? 'detail' : 'info', `${doing(event.step)}: ${event.detail}`)
    case 'probe.progress':
      return say(event.failed > 0 ? 'warning' : 'info', `probe: ${probeWords(event)}`)
    case 'load.progress':
      return say('info', measureWords(event.progress))
    case 'gate.progress':
      return say('info', `gate ${event.gate}: ${measureWords(event.progress)}`)
    case 'question':
      return say('info', `waiting for an answer: ${event.question}`)
    case 'notice':
      // A plan is told before its question in lines that are indented.
      return { level: 'info', host, text: `${/^ {0,12}/.exec(event.message)?.[0] ?? ''}${oneLine(event.message)}` }
    case 'warning':
      return say('warning', event.message)
    default:
      return event satisfies never
  }
}

function doing(step: string): string {
  const words = stepWords(step)
  return `${words.undo ? 'back: ' : ''}${words.doing}`
}

export function errorWords(error: Pick<ErrorInfo, 'code' | 'message'>): string {
  return `${error.message} (${error.code})`
}

export function probeWords(seen: { readonly sent: number; readonly failed: number; readonly worstGapMs: number }): string {
  return `${many(seen.sent, 'request')}, ${number(seen.failed)} failed, worst gap ${number(Math.round(seen.worstGapMs))} ms`
}

export function percent(part: number, whole: number): string {
  return whole <= 0 ? '100 %' : `${Math.min(100, Math.floor((part / whole) * 100))} %`
}

/** `deploy r42-9f3ab2c1 to shop (production)`. */
export function intentWords(plan: Pick<Plan, 'intent' | 'release' | 'app' | 'environment'>): string {
  const where = plan.environment === null ? plan.app : `${plan.app} (${plan.environment})`
  switch (plan.intent) {
    case 'deploy':
      return `deploy ${plan.release ?? ''} to ${where}`
    case 'rollback':
      return plan.release === null ? `roll ${where} back to the last good releases` : `roll ${where} back to ${plan.release}`
    case 'restart':
      return `restart ${where}`
    default:
      return plan.intent satisfies never
  }
}

function planWords(plan: Plan): string {
  const hosts = plan.batches.reduce((sum, batch) => sum + batch.tracks.length, 0)
  const batches = plan.batches.filter((batch) => batch.tracks.length > 0).length
  return `${intentWords(plan)}, ${many(hosts, 'host')} in ${many(batches, 'batch', 'batches')}, on failure ${plan.policy.onFailure}`
}

export const PHASES = {
  connect: 'connect',
  look: 'look',
  build: 'build',
  stage: 'stage',
  plan: 'plan',
  rollout: 'roll out',
  undo: 'take back',
  finish: 'finish',
} as const satisfies Record<Extract<RolloutEvent, { type: 'phase' }>['name'], string>

/** Where a log that folds begins a new part; null: it goes on in the one that is open. */
export function groupTitle(event: RolloutEvent): string | null {
  // Hosts are reached while they are looked at, and the batches are what the rollout consists of.
  if (event.type === 'phase' && event.state === 'started' && event.name !== 'look' && event.name !== 'rollout')
    return oneLine(phaseWords(event))
  return event.type === 'batch.started' ? oneLine(`${event.title}: ${names(event.hosts)}`) : null
}

function phaseWords(event: Extract<RolloutEvent, { type: 'phase' }>): string {
  const detail = event.detail === undefined ? '' : `: ${event.detail}`
  switch (event.state) {
    case 'started':
      return `${PHASES[event.name]}${detail === '' ? ' …' : detail}`
    case 'done':
      return `${PHASES[event.name]} done${detail}`
    case 'failed':
      return `${PHASES[event.name]} failed${detail}`
    case 'skipped':
      return `${PHASES[event.name]} skipped${detail}`
    default:
      return event.state satisfies never
  }
}

export const isGood = (outcome: Outcome): boolean =>
  outcome.kind === 'succeeded' || outcome.kind === 'unchanged' || outcome.kind === 'paused'

export function outcomeWords(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'succeeded':
      return 'succeeded'
    case 'unchanged':
      return 'unchanged: there was nothing to do'
    case 'refused':
      return `refused, nothing was changed: ${errorWords(outcome.because)}`
    case 'partial':
      return `partial, not on the new release: ${names(outcome.hosts)}: ${errorWords(outcome.because)}`
    case 'rolled-back':
      return `rolled back: ${errorWords(outcome.because)}`
    case 'stuck':
      return `stuck, needs a person: ${names(outcome.hosts)}: ${errorWords(outcome.because)}`
    case 'paused':
      return `paused: ${outcome.question}`
    case 'cancelled':
      return `interrupted by ${outcome.signal}`
    default:
      return outcome satisfies never
  }
}
