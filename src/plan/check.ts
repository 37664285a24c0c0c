// Judges any plan, whoever made it: what would break an invariant is refused before a host is touched.
import type { Plan, Refusal } from '../domain/plan.ts'

/** @returns nothing when the plan keeps every promise */
export function checkPlan(plan: Plan): readonly Refusal[] {
  const refusals: Refusal[] = []
  const unsafe = (message: string, host?: string): void => {
    refusals.push({ code: 'E_PLAN_UNSAFE', message, ...(host === undefined ? {} : { host }) })
  }
  const ids = new Set<string>()
  const moved = new Set<string>()
  const ready = new Map(Object.entries(plan.groups).map(([group, members]) => [group, new Set(members.ready)]))

  for (const batch of plan.batches) {
    const taken = new Map<string, number>()
    for (const track of batch.tracks) {
      if (moved.has(track.host)) unsafe(`${track.host} is moved twice`, track.host)
      moved.add(track.host)
      if (plan.skipped.includes(track.host)) unsafe(`${track.host} is skipped and moved`, track.host)
      if (track.undo.length === 0) unsafe(`${track.host} has no way back`, track.host)
      if (track.steps.at(-1)?.kind !== 'enable') unsafe(`${track.host} is not brought back at the end of its track`, track.host)
      const restart = track.steps.findIndex((step) => step.kind === 'restart')
      const drain = track.steps.findIndex((step) => step.kind === 'drain')
      if (restart !== -1 && (drain === -1 || drain > restart))
        unsafe(`${track.host} would be restarted while it is in rotation`, track.host)
      for (const step of [...track.steps, ...track.undo]) {
        if (ids.has(step.id)) unsafe(`two steps are called ${step.id}`, track.host)
        ids.add(step.id)
        if (step.host !== track.host) unsafe(`${step.id} acts on ${step.host}`, track.host)
      }
      if (ready.get(track.group)?.has(track.host) === true) taken.set(track.group, (taken.get(track.group) ?? 0) + 1)
    }
    for (const [group, count] of taken) {
      const left = (ready.get(group)?.size ?? 0) - count
      const min = plan.policy.minReady[group] ?? 0
      if (left < min) unsafe(`${batch.title} would leave ${left} ready in ${group}, and min_ready is ${min}`)
    }
    for (const track of batch.tracks) ready.get(track.group)?.add(track.host)
  }
  return refusals
}
