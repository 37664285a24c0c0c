// The end of a rollout on its hosts: how the release fared, what may be pruned, the ledger closed. And the hasty end:
// the operator does not want to wait, so whatever is provably healthy goes back into rotation and the rest stays out.
import type { Outcome } from '../domain/outcome.ts'
import type { Track } from '../domain/plan.ts'
import { hookIds } from '../journal/recover.ts'
import { comeBack } from './place.ts'
import { isOut } from './rotation.ts'
import { type Run, startRun } from './run.ts'
import { isTouched, wayBackSteps } from './undo.ts'

const HURRY_MS = 10_000
/** Of them, for the way back into rotation. */
const BACK_MS = 4_000

/** Never fails the rollout: what could not be written is warned of. */
export async function finishHosts(run: Run, outcome: Outcome): Promise<void> {
  const { ports, rollout, signal } = run.context
  // Every host of the plan was opened, touched or not: one that stays open would keep everybody out.
  const opened = run.plan.batches.flatMap((batch) => batch.tracks)
  const unserved = run.plan.unchanged
  await Promise.all(
    [...opened.map((track) => track.host), ...(outcome.kind === 'succeeded' ? unserved : [])].map(async (host) => {
      const track = opened.find((candidate) => candidate.host === host)
      try {
        const removed = await ports
          .host(host)
          .finish(
            rollout,
            { ...marks(run, track, outcome), keep: run.plan.keep, protect: protectedReleases(track), summary: summary(run, outcome) },
            signal,
          )
        if (removed.length > 0) run.context.emit({ type: 'notice', message: `${host}: pruned ${removed.join(', ')}` })
      } catch (error) {
        run.context.emit({
          type: 'warning',
          host,
          message: `${host}: the end of the rollout could not be recorded: ${error instanceof Error ? error.message : String(error)}`,
        })
      }
    }),
  )
}

function marks(run: Run, track: Track | undefined, outcome: Outcome): { outcome: string; succeeded: string | null; failed: string | null } {
  const release = track === undefined ? run.release : track.to
  const whole = track === undefined || (!run.failed.has(track.host) && track.steps.every((step) => run.done.has(step.id)))
  const good = whole && (outcome.kind === 'succeeded' || outcome.kind === 'partial')
  // A restart says nothing new about a release, and an operator's interrupt nothing at all.
  const isBad = outcome.kind === 'rolled-back' && outcome.because.code !== 'E_CANCELLED' && run.plan.intent === 'deploy'
  return { outcome: outcome.kind, succeeded: good && run.plan.intent !== 'restart' ? release : null, failed: isBad ? release : null }
}

function protectedReleases(track: Track | undefined): readonly string[] {
  return track === undefined ? [] : [track.from, track.to].flatMap((release) => (release === null ? [] : [release]))
}

function summary(run: Run, outcome: Outcome): string {
  const irreversible = irreversibleDone(run)
  return JSON.stringify({
    version: 1,
    rollout: run.context.rollout,
    intent: run.plan.intent,
    release: run.release,
    environment: run.plan.environment,
    outcome: outcome.kind,
    by: run.context.by ?? '',
    durationMs: Math.round(run.context.ports.clock.now() - run.began),
    ...(irreversible.length === 0 ? {} : { irreversible }),
    hosts: run.plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)),
  })
}

/** Names of hooks that cannot be taken back and were begun: after them an older release may not fit the data any more. */
export function irreversibleDone(run: Run): readonly string[] {
  const { plan, touched } = run
  const here = [
    ...plan.before.map((hook, index) => ({ id: hookIds('before', plan.before)[index] ?? '', hook })),
    ...plan.batches.flatMap((batch) => batch.after.flatMap((point) => (point.kind === 'hook' ? [{ id: point.id, hook: point.hook }] : []))),
    ...plan.batches.flatMap((batch) =>
      batch.tracks.flatMap((track) => track.steps.flatMap((step) => (step.kind === 'hook' ? [{ id: step.id, hook: step.hook }] : []))),
    ),
  ]
  return [...new Set(here.filter(({ id, hook }) => hook.irreversible && touched.has(id)).map(({ hook }) => hook.name))]
}

/**
 * At most 10 s: every host that is out and answers healthy goes back; the others stay out, where they do no harm.
 *
 * @returns whether nothing was left half done: no step in doubt, nobody out of rotation
 */
export async function hurryHome(run: Run): Promise<boolean> {
  const { ports, emit } = run.context
  if (run.context.signal.aborted) return false
  const signal = AbortSignal.any([run.context.signal, AbortSignal.timeout(HURRY_MS)])
  const began = ports.clock.now()
  const tracks = run.plan.batches.flatMap((batch) => batch.tracks).filter((track) => isTouched(run, track))
  // The operator's hurry has fired: waits of this last attempt listen to its own limit instead.
  const calm = startRun(
    { ...progressOf(run), direction: 'forward' },
    { ...run.context, control: { ...run.context.control, wish: 'stop', hurry: signal } },
  )
  // A process that may or may not be the new one is half done; a host that was only drained and is back is not.
  let whole = !tracks.some((track) => !track.steps.every((step) => run.done.has(step.id)) && wayBackSteps(run, track) === track.undo)
  await Promise.all(
    tracks.map(async (track) => {
      try {
        const { servers, health } = ports.settings(track.host)
        if (servers.length === 0 || !(await isOut(servers, signal))) return
        // One that is just starting has as long as there is.
        let answer = await ports.host(track.host).probe(health, signal)
        while (!answer.healthy && ports.clock.now() - began < HURRY_MS - BACK_MS) {
          await ports.clock.sleep(health.intervalMs, signal)
          answer = await ports.host(track.host).probe(health, signal)
        }
        if (!answer.healthy) {
          whole = false
          emit({ type: 'warning', host: track.host, message: `${track.host} stays out of rotation: ${answer.detail}` })
          return
        }
        await comeBack(calm, track, signal, () => undefined)
        emit({ type: 'notice', message: `${track.host} is healthy and back in rotation` })
      } catch (error) {
        whole = false
        emit({
          type: 'warning',
          host: track.host,
          message: `${track.host} stays out of rotation: ${error instanceof Error ? error.message : String(error)}`,
        })
      }
    }),
  )
  return whole
}

function progressOf(run: Run): Parameters<typeof startRun>[0] {
  return {
    plan: run.plan,
    release: run.release,
    direction: 'forward',
    done: run.done,
    inDoubt: run.inDoubt,
    touched: run.touched,
    attempts: run.attempts,
    failed: run.failed,
    because: run.because,
    verdicts: new Map(),
    outcome: null,
  }
}
