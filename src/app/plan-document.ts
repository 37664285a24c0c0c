// The plan as its JSON document (cli.md): what would happen, what would be refused, what would cross the network.
import type { PlanDocument } from '../domain/document.ts'
import type { ErrorInfo } from '../domain/error.ts'
import type { Facts } from '../domain/facts.ts'
import type { Plan, Refusal } from '../domain/plan.ts'
import { describeStep } from '../plan/explain.ts'
import { documentError } from './documents.ts'
import type { PreparedRelease } from './release.ts'
import { refusalInfo } from './rollout.ts'

export type PlanInput = {
  readonly made: { readonly plan: Plan; readonly refusals: readonly Refusal[] } | null
  readonly facts: Facts | null
  readonly release: PreparedRelease | null
  readonly detailed: boolean
  readonly refusal?: ErrorInfo
  readonly warnings?: readonly string[]
}

export function planDocument(input: PlanInput): PlanDocument {
  const plan = input.made?.plan ?? null
  const refusals = input.made?.refusals ?? []
  const because = refusals.length > 0 ? refusalInfo(refusals) : (input.refusal ?? null)
  const tracks = plan?.batches.flatMap((batch) => batch.tracks) ?? []
  const pending = tracks.length > 0
  return {
    version: 1,
    command: 'plan',
    exitCode: because !== null ? because.exitCode : input.detailed && pending ? 9 : 0,
    outcome: because !== null ? 'failed' : 'ok',
    ...(because === null ? {} : { error: documentError(because) }),
    id: plan?.id ?? null,
    basedOn: plan?.basedOn ?? null,
    release: input.release?.id ?? null,
    batches: (plan?.batches ?? []).map((batch) => {
      // An isolated one stands in the way of each host of the batch.
      const steps = [...batch.after, ...batch.tracks.flatMap((track) => track.steps)]
      const gate = steps.find((step) => step.kind === 'gate')
      const pause = batch.after.find((checkpoint) => checkpoint.kind === 'pause')
      const approve = batch.after.find((checkpoint) => checkpoint.kind === 'approve')
      return {
        id: batch.id,
        title: batch.title,
        hosts: batch.tracks.map((track) => track.host),
        ...(gate === undefined ? {} : { gate: gate.gate }),
        ...(pause === undefined ? {} : { pause: pause.ms }),
        ...(approve === undefined ? {} : { approve: approve.question }),
      }
    }),
    hosts: tracks.map((track) => ({
      name: track.host,
      from: track.from,
      to: track.to,
      steps: track.steps.map(describeStep),
      undo: track.undo.map(describeStep),
    })),
    unchanged: plan?.unchanged ?? [],
    changes: changesOf(input),
    minReady: plan?.policy.minReady ?? {},
    refusals,
    plan: because === null ? plan : null,
    ...(input.warnings === undefined || input.warnings.length === 0 ? {} : { warnings: input.warnings }),
  }
}

/** What has to cross the network: nothing where every host has the release already. */
function changesOf(input: PlanInput): PlanDocument['changes'] {
  if (input.release === null || input.made === null || input.facts === null) return null
  const { id, artifact } = input.release
  const moved = new Set(input.made.plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)))
  const missing = input.facts.hosts.some(
    (host) => host.reachable && moved.has(host.host) && !host.releases.some((release) => release.id === id),
  )
  if (!missing || artifact === null) return { files: 0, bytes: 0 }
  return { files: artifact.files, bytes: artifact.archiveBytes }
}
