// Pure: what we want and what is → what to do. The same input gives the same plan, with the same id. What cannot be
// done safely comes back as refusals, all of them at once.
import { createHash } from 'node:crypto'
import type { ServerState } from '../domain/balancer.ts'
import { appHosts, type Config, roleOf, type StepSetting, settingsOf } from '../domain/config.ts'
import type { Facts, HostFacts, ReachableHost } from '../domain/facts.ts'
import type { GateSettings } from '../domain/gate.ts'
import type { Host, HostName } from '../domain/host.ts'
import {
  type Batch,
  type Checkpoint,
  type Intent,
  type Plan,
  type RecordedServer,
  type Refusal,
  refusalOf,
  type Track,
} from '../domain/plan.ts'
import type { ReleaseId } from '../domain/release.ts'
import { shareOf } from '../domain/share.ts'
import {
  comparesRequests,
  gateOf,
  gateStep,
  gatesIn,
  isIsolated,
  isolatedAfter,
  needsCalibration,
  refuseGates,
  withoutGates,
} from './gates.ts'
import { type Candidate, type Capacity, cutBatches, orderHosts } from './order.ts'
import { isOurs, ownWithdrawals } from './situation.ts'
import { forwardSteps, type Move, undoSteps } from './tracks.ts'

export type PlanInput = {
  readonly config: Config
  readonly configHash: string
  readonly facts: Facts
  readonly basedOn: string
  readonly intent: Intent
  /** Hosts to touch; null: all. Others still count for min_ready. */
  readonly only: ReadonlySet<HostName> | null
  /** Why the gates are left out; null: they are not. */
  readonly skipGates?: string | null
}

/** Why gates that compare are left out by themselves. */
export const FIRST_DEPLOY = 'a first deploy has no old release to compare with'

export type PlanResult = { readonly plan: Plan; readonly refusals: readonly Refusal[] }

const NO_DRAIN = { deadlineMs: 30_000, onDeadline: 'fail' } as const
const UNSKIPPABLE: ReadonlySet<string> = new Set(['E_HOST_KEY', 'E_AUTH', 'E_KEY'])

/** @returns always a plan (possibly empty); with refusals it must not be executed */
export function buildPlan(input: PlanInput): PlanResult {
  const { config, facts, intent } = input
  const refusals: Refusal[] = []
  const byName = new Map(facts.hosts.map((host) => [host.host, host]))
  const all = appHosts(config)
  const chosen = all.filter((host) => input.only === null || input.only.has(host.name))
  const skipped = sortOutUnreachable(config, chosen, byName, refusals)
  const inReach = chosen.filter((host) => byName.get(host.name)?.reachable === true && !skipped.includes(host.name))

  const groups = groupHosts(config, all, facts)
  const moves: { host: Host; move: Move; facts: ReachableHost }[] = []
  const unchanged: HostName[] = []
  for (const host of inReach) {
    const seen = byName.get(host.name)
    if (seen?.reachable !== true) continue
    refuseWhatCannotBe(config, host, seen, facts, refusals)
    const to = intent.kind === 'restart' ? seen.current : intent.release
    if (intent.kind === 'restart' && seen.current === null) {
      refusals.push({
        code: 'E_NO_RELEASE',
        host: host.name,
        message: `${host.name} has no release to restart`,
        hints: ['rollgate deploy'],
      })
      continue
    }
    const runs = intent.kind !== 'restart' && to !== null && runsRelease(seen, to)
    const serves = groups.get(groupOf(config, host))?.ready.includes(host.name) === true
    const withdrawn = ownWithdrawals(seen, facts.rotation[host.name] ?? [])
    if (runs && (serves || !withdrawn)) {
      unchanged.push(host.name)
      continue
    }
    const policy = settingsOf(config, host).balancers.find((balancer) => balancer.kind !== 'none')
    moves.push({
      host,
      facts: seen,
      move: {
        host: host.name,
        intent: intent.kind,
        from: intent.kind === 'restart' ? seen.current : wayBack(seen, to),
        to,
        fromIsOurs: isOurs(seen, intent.kind === 'restart' ? seen.current : wayBack(seen, to)),
        drain: policy === undefined ? NO_DRAIN : policy.drain,
        onlyEnable: runs,
      },
    })
  }

  const minReady = Object.fromEntries([...groups].map(([name, group]) => [name, group.min]))
  const left = leftOut(input, moves)
  const batches = batchesOf(input, moves, unchanged.length, groups, refusals, left)
  const ordinary = intent.kind === 'deploy'
  const body = {
    version: 1 as const,
    app: config.app,
    environment: config.environment,
    intent: intent.kind,
    release: intent.kind === 'restart' ? null : intent.release,
    basedOn: input.basedOn,
    configHash: input.configHash,
    before: ordinary ? config.hooks.before_rollout : [],
    batches,
    finally: ordinary ? config.hooks.after_rollout : [],
    onFailureHooks: config.hooks.on_failure,
    unchanged,
    skipped,
    ...(left === null || left.gates.length === 0 || moves.length === 0 ? {} : { skippedGates: left }),
    groups: Object.fromEntries([...groups].map(([name, group]) => [name, { hosts: group.hosts, ready: group.ready }])),
    keep: config.release.keep,
    policy: {
      onFailure: config.rollout.onFailure,
      onInterrupt: config.rollout.onInterrupt,
      failureBudget: shareOf(config.rollout.failureBudget, all.length),
      minReady,
      progressDeadlineMs: config.rollout.progressDeadlineMs,
    },
  }
  refusals.push(...refuseGates(config, batches, body))
  const id = createHash('sha256').update(JSON.stringify(body)).digest('hex').slice(0, 12)
  return { plan: { id, ...body }, refusals }
}

/**
 * The release to go back to when this move fails: what runs now, unless that is the release being deployed or one that
 * never proved itself (left by a rollout that was killed) while an older one did.
 */
function wayBack(seen: ReachableHost, to: ReleaseId | null): ReleaseId | null {
  if (seen.current === null) return null
  const now = seen.releases.find((release) => release.id === seen.current)
  if (seen.current !== to && (now === undefined || now.outcome === 'succeeded')) return seen.current
  const good = seen.releases.filter((release) => release.outcome === 'succeeded' && release.id !== to)
  return good.toSorted((a, b) => b.counter - a.counter)[0]?.id ?? (seen.current === to ? null : seen.current)
}

function runsRelease(seen: ReachableHost, release: ReleaseId): boolean {
  if (seen.current !== release) return false
  if (seen.services.some((service) => service.state !== 'active')) return false
  return seen.health === null || (seen.health.healthy && (seen.health.release === null || seen.health.release === release))
}

function sortOutUnreachable(
  config: Config,
  chosen: readonly Host[],
  byName: ReadonlyMap<HostName, HostFacts>,
  refusals: Refusal[],
): readonly HostName[] {
  const skipped: HostName[] = []
  const budget = shareOf(config.rollout.failureBudget, appHosts(config).length)
  for (const host of chosen) {
    const seen = byName.get(host.name)
    if (seen === undefined || seen.reachable) continue
    if (config.rollout.unreachable === 'skip' && skipped.length < budget && !UNSKIPPABLE.has(seen.error.code)) skipped.push(host.name)
    else refusals.push(refusalOf(seen.error, host.name))
  }
  return skipped
}

function refuseWhatCannotBe(config: Config, host: Host, seen: ReachableHost, facts: Facts, refusals: Refusal[]): void {
  const root = config.release.root
  if (seen.root.kind === 'current-is-folder') {
    refusals.push({
      code: 'E_ROOT',
      host: host.name,
      message: `${root}/current on ${host.name} is a folder, not a link to a release`,
      hints: [`rollgate setup --adopt --hosts ${host.name}   (moves it into releases/ and links it)`],
    })
  }
  if (seen.root.kind === 'unusable')
    refusals.push({ code: 'E_ROOT', host: host.name, message: `${root} on ${host.name} cannot be used: ${seen.root.detail}` })
  const unwritable = (seen.root.kind === 'missing' && !seen.root.parentWritable) || (seen.root.kind === 'usable' && !seen.root.writable)
  if (unwritable) {
    refusals.push({
      code: 'E_ROOT',
      host: host.name,
      message: `${seen.system.user} may not write ${root} on ${host.name}`,
      hints: ['rollgate setup   (makes it, or prints the command for a person with the rights)'],
    })
  }
  for (const service of seen.services.filter((each) => each.cannotStart === true)) {
    refusals.push({
      code: 'E_SETUP',
      host: host.name,
      message: `${service.unit} cannot be started on ${host.name}: ${service.detail}`,
      hints: ['rollgate setup   (writes the unit)', 'or change service.unit'],
    })
  }
  const lost = facts.rotationErrors[host.name]
  if (lost !== undefined) refusals.push({ code: lost.code, host: host.name, message: lost.message, hints: lost.hints ?? [] })
}

type Group = { readonly hosts: readonly HostName[]; readonly ready: readonly HostName[]; readonly min: number }

/** Hosts of one role share a capacity guard. */
function groupOf(config: Config, host: Host): string {
  return roleOf(config, host) ?? 'app'
}

function groupHosts(config: Config, all: readonly Host[], facts: Facts): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const name of new Set(all.map((host) => groupOf(config, host)))) {
    const members = all.filter((host) => groupOf(config, host) === name)
    const ready = members.filter((host) => isReady(config, host, facts)).map((host) => host.name)
    const { minReady } = config.rollout
    const min = minReady === null ? Math.max(0, members.length - 1) : shareOf(minReady, members.length)
    groups.set(name, { hosts: members.map((host) => host.name), ready, min })
  }
  return groups
}

/** In rotation and up on every balancer; without a balancer: its service runs and answers. */
function isReady(config: Config, host: Host, facts: Facts): boolean {
  const servers = facts.rotation[host.name] ?? []
  const balanced = settingsOf(config, host).balancers.some((balancer) => balancer.kind !== 'none')
  if (balanced)
    return (
      servers.length > 0 &&
      servers.every(
        (server) => server.admin === 'ready' && (server.health === 'up' || server.health === 'unchecked' || server.health === 'falling'),
      )
    )
  const seen = facts.hosts.find((candidate) => candidate.host === host.name)
  if (seen?.reachable !== true || seen.current === null) return false
  return seen.services.every((service) => service.state === 'active') && (seen.health === null || seen.health.healthy)
}

function batchesOf(
  input: PlanInput,
  moves: readonly { readonly host: Host; readonly move: Move; readonly facts: ReachableHost }[],
  running: number,
  groups: ReadonlyMap<string, Group>,
  refusals: Refusal[],
  left: Plan['skippedGates'] | null,
): readonly Batch[] {
  const { config, intent, facts } = input
  const { rollout } = config
  const steps: readonly StepSetting[] =
    intent.kind === 'deploy'
      ? withoutGates(rollout.steps, new Set(left?.gates ?? []))
      : [{ kind: 'deploy', to: { kind: 'percent', percent: 100 } }]
  const total = moves.length + running
  const capacity = new Map<string, Capacity>([...groups].map(([name, group]) => [name, { ready: group.ready.length, min: group.min }]))
  const candidates = moves.map(({ host }): Candidate => {
    const group = groupOf(config, host)
    return { host: host.name, group, zone: host.zone, ready: groups.get(group)?.ready.includes(host.name) === true }
  })
  let waiting = [...orderHosts(candidates, rollout.spread)]
  let done = running
  const batches: Batch[] = []
  const first = calibrationsBefore(config, steps)
  if (first.length > 0 && moves.length > 0) batches.push({ id: 'b0', title: 'before the first host', tracks: [], after: first })
  // Of a deploy that finds its hosts moved already: those of the next one are measured instead.
  let carried: readonly string[] = []

  for (const [index, step] of steps.entries()) {
    if (step.kind === 'deploy') {
      const wanted = waiting.slice(0, Math.max(0, shareOf(step.to, total) - done))
      const cut = cutBatches(wanted, { atOnce: rollout.atOnce, spread: rollout.spread }, capacity)
      if (cut.blocked !== null && !refusals.some((refusal) => refusal.code === 'E_MIN_READY')) refusals.push(tooFew(cut.blocked, groups))
      const isolated = [...new Set([...carried, ...isolatedAfter(config, steps, index)])].map((name) => gateOf(config, name))
      carried = cut.batches.length === 0 ? isolated.map(({ name }) => name) : []
      for (const batch of cut.batches) {
        const count = batches.filter(({ id }) => id !== 'b0').length
        const title = count === 0 && shareOf(step.to, total) < total ? 'canary' : `batch ${count + 1}`
        const tracks = batch.map((candidate) => trackOf(input, moves, candidate, facts.rotation[candidate.host] ?? [], isolated))
        batches.push({ id: `b${count + 1}`, title, tracks, after: [] })
      }
      done += wanted.length
      waiting = waiting.filter((candidate) => !wanted.includes(candidate))
      continue
    }
    // What stands between two deploys is passed after the batch before it; with nothing left to move it has no meaning.
    if (moves.length === 0 || (step.kind === 'gate' && isIsolated(gateOf(config, step.gate)))) continue
    const last = batches.at(-1) ?? { id: 'b0', title: 'before the first host', tracks: [], after: [] }
    if (batches.length === 0) batches.push(last)
    batches[batches.length - 1] = { ...last, after: [...last.after, checkpoint(config, step, index)] }
  }
  return batches
}

/** `--skip-gates`, or a first deploy, which has nothing to compare with. */
function leftOut(input: PlanInput, moves: readonly { readonly move: Move }[]): NonNullable<Plan['skippedGates']> | null {
  const { config, intent, skipGates = null } = input
  if (intent.kind !== 'deploy') return null
  const names = gatesIn(config.rollout.steps)
  if (skipGates !== null) return { gates: names, reason: skipGates }
  if (moves.some(({ move }) => move.from !== null)) return null
  const comparing = names.filter((name) => comparesRequests(gateOf(config, name)))
  return { gates: comparing, reason: FIRST_DEPLOY }
}

/** Gates that compare hosts which serve: these are calibrated before any of them is moved. */
function calibrationsBefore(config: Config, steps: readonly StepSetting[]): readonly Checkpoint[] {
  return gatesIn(steps)
    .map((name) => gateOf(config, name))
    .filter((gate) => !isIsolated(gate) && needsCalibration(config, gate))
    .map((gate, index) => ({ id: `checkpoint/0.${index + 1}`, kind: 'calibrate', ...gateStep(gate) }))
}

function checkpoint(config: Config, step: Exclude<StepSetting, { kind: 'deploy' }>, index: number): Checkpoint {
  const id = `checkpoint/${index + 1}`
  switch (step.kind) {
    case 'pause':
      return { id, kind: 'pause', ms: step.ms }
    case 'approve':
      return { id, kind: 'approve', question: step.question }
    case 'gate':
      return { id, kind: 'gate', ...gateStep(gateOf(config, step.gate)) }
    case 'hook':
      return { id, kind: 'hook', hook: step.hook }
    default:
      return step satisfies never
  }
}

function trackOf(
  input: PlanInput,
  moves: readonly { readonly host: Host; readonly move: Move; readonly facts: ReachableHost }[],
  candidate: Candidate,
  servers: readonly ServerState[],
  isolated: readonly GateSettings[],
): Track {
  const found = moves.find(({ host }) => host.name === candidate.host)
  if (found === undefined) throw new Error(`no move for ${candidate.host}`)
  const ours = ownWithdrawals(found.facts, servers)
  const rotation = servers.map(
    (state): RecordedServer => ({
      balancer: state.ref.balancer,
      backend: state.ref.backend,
      server: state.ref.server,
      admin: ours && (state.admin === 'drain' || state.admin === 'maintenance') ? 'ready' : state.admin,
      weight: state.configuredWeight === null ? state.weight : (state.weight ?? state.configuredWeight),
    }),
  )
  return {
    host: candidate.host,
    from: found.move.from,
    to: found.move.to,
    steps: forwardSteps(found.move, input.config, {
      gates: isolated.map(gateStep),
      calibrate: isolated.filter((gate) => needsCalibration(input.config, gate)).map(gateStep),
    }),
    undo: undoSteps(found.move),
    wasReady: candidate.ready,
    rotation,
    group: candidate.group,
  }
}

function tooFew(candidate: Candidate, groups: ReadonlyMap<string, Group>): Refusal {
  const group = groups.get(candidate.group)
  return {
    code: 'E_MIN_READY',
    host: candidate.host,
    message: `taking ${candidate.host} would leave ${(group?.ready.length ?? 1) - 1} ready of ${group?.hosts.length ?? 0}, and min_ready is ${group?.min ?? 0}`,
    hints: ['bring the hosts that are not ready back first (rollgate status)', 'or lower rollout.min_ready'],
  }
}
