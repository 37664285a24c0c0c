// rollback and restart: the same pipeline with another intent. A rollback has its own fast policy: health yes, pauses,
// approvals and load gates no. It converges a mixed fleet: hosts that lack the release get it from one that has it.
import type { RolloutDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import { rollbackTarget } from '../plan/situation.ts'
import type { AppContext } from './context.ts'
import { installedRelease, stageEverywhere } from './release.ts'
import { type RolloutSelection, runRollout } from './rollout.ts'

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

/** The rolling pipeline without a new release. */
export async function restart(options: RolloutSelection, context: AppContext): Promise<RolloutDocument> {
  return runRollout('restart', context, options, async () => ({ intent: { kind: 'restart' } }))
}
