// What several use cases ask of their work: who was reached, and when to stop.
import { RollgateError } from '../domain/error.ts'
import type { ReachableHost } from '../domain/facts.ts'
import type { Work } from './rollout.ts'

export function reachableHosts(work: Pick<Work, 'facts'>): readonly ReachableHost[] {
  return work.facts.hosts.flatMap((host) => (host.reachable ? [host] : []))
}

/** For what touches nothing that serves (build, staging): the first Ctrl-C ends it. */
export function stopAtOnce(work: Pick<Work, 'context'>): AbortSignal {
  return AbortSignal.any([work.context.signal, work.context.control.asked])
}

export function cancelled(cause: unknown): RollgateError {
  return new RollgateError('E_CANCELLED', 'interrupted before anything that runs was touched', { cause })
}
