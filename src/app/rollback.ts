// rollback and restart: the same pipeline with another intent. A rollback has its own fast policy: health yes, pauses,
// approvals and load gates no. It converges a mixed fleet: hosts that lack the release get it from one that has it.
import type { RolloutDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import { rollbackTarget } from '../plan/situation.ts'
import type { AppContext } from './context.ts'
import { installedRelease, stageEverywhere } from './release.ts'
import { readHistory } from './releases.ts'
import { type RolloutSelection, runRollout, type Work } from './rollout.ts'

export type RollbackOptions = RolloutSelection & { readonly release?: string; readonly force?: boolean; readonly reason?: string }

export async function rollback(options: RollbackOptions, context: AppContext): Promise<RolloutDocument> {
  return runRollout('rollback', context, options, async (work) => {
    const reachable = work.facts.hosts.flatMap((host) => (host.reachable ? [host] : []))
    const target = options.release ?? rollbackTarget(reachable)
    if (target === null) {
      throw new RollgateError('E_NO_RELEASE', 'there is no earlier release that succeeded, on any host', {
        now: 'nothing was changed',
        hints: ['rollgate releases   (what is installed)'],
      })
    }
    const bad = reachable.flatMap((host) => host.releases).find((release) => release.id === target && release.outcome === 'failed')
    if (bad !== undefined && options.force !== true) {
      throw new RollgateError('E_REFUSED', `${target} failed when it was deployed: it is no release to go back to`, {
        now: 'nothing was changed',
        hints: ['rollgate releases   (which ones succeeded)', `rollgate rollback ${target} --force --reason TEXT   (all the same)`],
      })
    }
    if (options.force !== true) await refusePastIrreversible(work, target)
    const release = installedRelease(work, target)
    return {
      intent: { kind: 'rollback', release: target },
      stage: async (plan) => {
        await stageEverywhere(
          work,
          release,
          plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)),
          work.session.fence,
        )
      },
    }
  })
}

/** The older release may not fit the data any more. @throws RollgateError E_REFUSED naming the hook */
async function refusePastIrreversible(work: Work, target: string): Promise<void> {
  const counter = (release: string | null): number => Number(/^r(\d+)-/.exec(release ?? '')?.[1] ?? '0')
  const { found } = await readHistory(work.session, work.session.chosen, work.context.signal)
  const past = [...found.values()].filter((rollout) => rollout.irreversible.length > 0 && counter(rollout.release) > counter(target))
  const last = past.toSorted((a, b) => counter(b.release) - counter(a.release))[0]
  if (last === undefined) return
  throw new RollgateError('E_REFUSED', `${target} is from before ${last.irreversible.join(', ')}, which cannot be taken back`, {
    why: `rollout ${last.rollout} ran it for ${last.release ?? 'a release'}: the older release may not fit what it left behind`,
    now: 'nothing was changed',
    hints: [`rollgate rollback ${target} --force --reason TEXT   (when you know that it fits)`],
  })
}

/** The rolling pipeline without a new release. */
export async function restart(options: RolloutSelection, context: AppContext): Promise<RolloutDocument> {
  return runRollout('restart', context, options, async () => ({ intent: { kind: 'restart' } }))
}
