// The way back. Touched batches, last first, each with its own width, so that min_ready holds on the way back too. Its
// own policy: health only, on past a failing host, and never drain a healthy host below the minimum.
import { type ErrorInfo, errorInfo } from '../domain/error.ts'
import type { Step, Track } from '../domain/plan.ts'
import { failureDetail, UNDO_ENTRY } from '../journal/recover.ts'
import { guarded, tooFewReady } from './capacity.ts'
import { endsRun, isOfTheWorld, isProcessTouched, noteRollout, type Run, record } from './run.ts'
import { runSteps, takesOut } from './track.ts'

export function isTouched(run: Run, track: Track): boolean {
  return track.steps.some((step) => run.touched.has(step.id))
}

/** Before the point of no return undo is "enable"; after it, and where nothing ran before that could be enabled, the complete track. */
export function wayBackSteps(run: Run, track: Track): readonly Step[] {
  if (isProcessTouched(run, track) || track.from === null) return track.undo
  return track.steps.filter((step) => step.kind === 'enable').map((step) => ({ ...step, id: `${track.host}/undo/enable` }))
}

/** @returns the error when the host could not be restored; a cancelled wait is thrown on */
export async function undoTrack(run: Run, track: Track): Promise<ErrorInfo | null> {
  try {
    await runSteps(run, track, wayBackSteps(run, track), () => false)
    return null
  } catch (error) {
    if (endsRun(error)) throw error
    const info = errorInfo(error)
    run.stuck.set(track.host, info)
    run.context.emit({ type: 'warning', host: track.host, message: `${track.host} could not be restored: ${info.message}` })
    return info
  }
}

/** Takes back every touched host. */
export async function undoAll(run: Run, because: ErrorInfo, only: (track: Track) => boolean = () => true): Promise<void> {
  const touched = run.plan.batches.map((batch) => ({
    ...batch,
    tracks: batch.tracks.filter((track) => isTouched(run, track) && only(track)),
  }))
  const hosts = touched.flatMap((batch) => batch.tracks.map((track) => track.host))
  await noteRollout(run, UNDO_ENTRY, 'started', failureDetail(because))
  await record(run, { type: 'undo.opened', because, hosts })
  run.context.emit({ type: 'phase', name: 'undo', state: 'started', detail: hosts.join(', ') })
  let cancelled: unknown = null
  let unable: ErrorInfo | null = null
  for (const batch of touched.toReversed()) {
    if (batch.tracks.length === 0) continue
    const notBack = (): readonly Track[] => batch.tracks.filter((track) => !wayBackSteps(run, track).every((step) => run.done.has(step.id)))
    const cannot = (error: unknown): readonly Track[] => {
      if (!isOfTheWorld(error)) throw error
      unable = errorInfo(error)
      return notBack()
    }
    // Nobody can say who is ready: what was found out once is not waited for again, batch after batch.
    const left: readonly Track[] =
      unable !== null
        ? notBack()
        : await guarded(
            run,
            batch.tracks,
            async (track) => {
              try {
                await undoTrack(run, track)
              } catch (error) {
                cancelled ??= error
              }
            },
            {
              wayBack: true,
              patienceMs: 30_000,
              enough: () => cancelled !== null,
              takesOut: (track) => takesOut(run, wayBackSteps(run, track)),
            },
          ).catch(cannot)
    if (cancelled !== null) throw cancelled
    for (const track of left) if (!run.stuck.has(track.host)) run.stuck.set(track.host, unable ?? errorInfo(tooFewReady(track, run)))
  }
  run.context.emit({ type: 'phase', name: 'undo', state: run.stuck.size === 0 ? 'done' : 'failed' })
}
