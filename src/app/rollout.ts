// What deploy, rollback and restart share: look at the fleet, plan, ask, stage, execute, and say what happened.
import { randomBytes } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import type { RolloutDocument } from '../domain/document.ts'
import { type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { DurableEvent, Emit, Stamped } from '../domain/event.ts'
import type { Facts } from '../domain/facts.ts'
import { exitCodeOf, type Outcome } from '../domain/outcome.ts'
import { type Intent, type Plan, type Refusal, refusalOf } from '../domain/plan.ts'
import type { RolloutRecord } from '../domain/ports.ts'
import { execute } from '../execute/execute.ts'
import type { HoldOptions } from '../execute/lease.ts'
import type { Run } from '../execute/run.ts'
import { factsDigest } from '../facts/digest.ts'
import { journalDirectory, openJournal } from '../journal/file.ts'
import { freshProgress, type Progress } from '../journal/replay.ts'
import { buildPlan } from '../plan/build.ts'
import { checkPlan } from '../plan/check.ts'
import { explainPlan } from '../plan/explain.ts'
import { openSession, rolloutPorts } from './compose.ts'
import type { AppContext } from './context.ts'
import { problemsOf, rolloutDocument } from './documents.ts'
import { gateRefusals, gatesOf, planGates } from './gates/planning.ts'
import { resultsThere } from './gates/planning-results.ts'
import { homeDirectory } from './home.ts'
import type { Session } from './session.ts'
import { permitGates } from './strangers.ts'
import { settleSudo } from './sudo.ts'
import { createTelling, type Telling } from './telling.ts'
import { leaseTtlMs, nextForUnfinished, unfinishedIn } from './unfinished.ts'

export type Selection = { readonly hosts?: readonly string[]; readonly roles?: readonly string[] }
/** `waitLockMs`: how long to wait for somebody else's rollout to end, instead of exit 10. */
export type RolloutSelection = Selection & { readonly waitLockMs?: number }

export type Prepared = {
  readonly intent: Intent
  /** Puts the release on every host, harmlessly; before anything that serves is touched. */
  readonly stage?: (plan: Plan) => Promise<void>
  /** A plan made earlier, to be executed only if it still fits. */
  readonly stored?: Plan
  /** Why the gates are left out. */
  readonly skipGates?: string
}

export type Work = {
  readonly context: AppContext
  readonly session: Session
  readonly facts: Facts
  readonly emit: Emit
  readonly rollout: string
  /** What was journalled so far: where on its timeline a lost request lies. */
  readonly events?: readonly Stamped<DurableEvent>[]
}

/** Who does it, for the ledger: `ada@laptop`, or `CI job 17`. */
export function operator(env: Readonly<Record<string, string | undefined>>): string {
  const name = env.GITHUB_ACTOR ?? env.GITLAB_USER_LOGIN ?? env.USER ?? safeUser()
  return `${name}@${hostname()}`.replace(/[^\x21-\x7e]/g, '_')
}

function safeUser(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}

/**
 * Runs one rollout from the first look to the last word.
 *
 * @param prepare makes the intent from what was seen (a deploy builds its artifact here)
 */
export async function runRollout(
  command: 'deploy' | 'rollback' | 'restart',
  context: AppContext,
  selection: RolloutSelection,
  prepare: (work: Work) => Promise<Prepared>,
): Promise<RolloutDocument> {
  const rollout = randomBytes(4).toString('hex')
  const began = performance.now()
  const telling = createTelling(rollout, context.renderers, () => new Date())
  const { emit } = telling
  const refused = (because: ErrorInfo, plan: Plan | null = null, refusals: readonly Refusal[] = []): RolloutDocument =>
    rolloutDocument({
      command,
      outcome: { kind: 'refused', because },
      rollout: null,
      plan,
      run: null,
      probe: null,
      events: telling.events,
      durationMs: performance.now() - began,
      refusals,
    })

  let session: Session | null = null
  try {
    session = await openSession(context, { emit, ...selection })
    await takeLock(session, context, emit, {
      command,
      rollout,
      policy: selection.waitLockMs === undefined ? { kind: 'refuse' } : { kind: 'wait', waitMs: selection.waitLockMs },
    })
    const facts = await look(context, session, emit)
    const work: Work = { context, session, facts, emit, rollout }
    const unreachable = unreachableRefusals(session, facts)
    if (unreachable.length > 0) return refused(refusalInfo(unreachable), null, unreachable)
    refuseUnfinished(facts)
    const prepared = await prepare(work)
    emit({ type: 'phase', name: 'plan', state: 'started' })
    const { plan, refusals, warnings } = await planFor(work, prepared.intent, prepared.skipGates ?? null)
    if (refusals.length > 0) return refused(refusalInfo(refusals), plan, refusals)
    for (const message of [...warnings, ...skippedWords(plan)]) emit({ type: 'warning', message })
    if (prepared.stored !== undefined) refuseStale(prepared.stored, plan)
    emit({ type: 'phase', name: 'plan', state: 'done', detail: `${plan.batches.length} batches, ${plan.unchanged.length} hosts unchanged` })
    await confirm(context, session, plan, emit)
    await permitGates(session.config, gatesOf(plan), context)
    if (context.control.wish !== null) throw new RollgateError('E_CANCELLED', 'interrupted before anything was changed')
    await settleSudo(
      work,
      plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)),
    )
    if (prepared.stage !== undefined && plan.batches.length > 0) await prepared.stage(plan)
    if (plan.batches.length === 0) {
      const outcome = await settleUnchanged(work, plan, plan.release)
      return rolloutDocument({
        command,
        outcome,
        rollout,
        plan,
        run: null,
        probe: null,
        events: telling.events,
        durationMs: performance.now() - began,
        refusals: [],
      })
    }
    const record = recordOf(work, command, plan)
    const { outcome, run, probe } = await carryOut(work, telling, record, freshProgress(plan, plan.release))
    return rolloutDocument({
      command,
      outcome,
      rollout,
      plan,
      run,
      probe,
      events: telling.events,
      durationMs: performance.now() - began,
      refusals: [],
    })
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG') throw error
    if (info.code === 'E_CANCELLED') {
      const signal = context.control.because ?? 'SIGINT'
      return rolloutDocument({
        command,
        outcome: { kind: 'cancelled', signal },
        rollout: null,
        plan: null,
        run: null,
        probe: null,
        events: telling.events,
        durationMs: performance.now() - began,
        refusals: [],
      })
    }
    return { ...refused(info), ...problemsOf(error) }
  } finally {
    await session?.close()
  }
}

/** Reaches everybody and reads what is. */
export async function look(context: AppContext, session: Session, emit: Emit): Promise<Facts> {
  const signal = AbortSignal.any([context.signal, context.control.asked])
  const hosts = session.config.hosts.length
  if (session.hold() === null) emit({ type: 'phase', name: 'connect', state: 'started', detail: `${hosts} hosts` })
  emit({ type: 'phase', name: 'look', state: 'started' })
  const facts = await session.observe(signal)
  emit({ type: 'phase', name: 'look', state: 'done' })
  return facts
}

/** All bad hosts at once; only the chosen ones, and only where the policy does not skip them. */
function unreachableRefusals(session: Session, facts: Facts): readonly Refusal[] {
  const { config } = session
  const names = new Set(session.chosen.map((host) => host.name))
  const balancers = facts.balancers.filter((balancer) => balancer.error !== null)
  const refusals: Refusal[] = []
  for (const host of facts.hosts) {
    if (host.reachable || !names.has(host.host)) continue
    const final = host.error.code === 'E_HOST_KEY' || host.error.code === 'E_AUTH' || host.error.code === 'E_KEY'
    if (config.rollout.unreachable === 'stop' || final) refusals.push(refusalOf(host.error, host.host))
  }
  for (const balancer of balancers) {
    if (balancer.error !== null) refusals.push(refusalOf(balancer.error, undefined, `${balancer.id}: ${balancer.error.message}`))
  }
  return refusals
}

/** One error for several refusals: the first one's code, the others as evidence. Exit 4 only when all are about reaching hosts. */
export function refusalInfo(refusals: readonly Refusal[]): ErrorInfo {
  const infos = refusals.map((refusal) =>
    errorInfo(
      new RollgateError(refusal.code, refusal.message, {
        ...(refusal.host === undefined ? {} : { host: refusal.host }),
        ...(refusal.why === undefined ? {} : { why: refusal.why }),
        hints: refusal.hints ?? [],
      }),
    ),
  )
  const first = infos[0] ?? errorInfo(new RollgateError('E_REFUSED', 'refused'))
  const exitCode = infos.every((info) => info.exitCode === 4) ? 4 : 3
  const hints = [...new Set(infos.flatMap((info) => info.hints ?? []))]
  const rest = infos.slice(1).map((info) => `${info.code} ${info.message}`)
  return {
    ...first,
    exitCode,
    now: 'nothing was changed',
    ...(hints.length > 0 ? { hints } : {}),
    ...(rest.length > 0 ? { evidence: rest } : {}),
  }
}

export type MadePlan = { readonly plan: Plan; readonly refusals: readonly Refusal[]; readonly warnings: readonly string[] }

export async function planFor(
  { context, session, facts }: Pick<Work, 'context' | 'session' | 'facts'>,
  intent: Intent,
  skipGates: string | null = null,
): Promise<MadePlan> {
  const { config, configHash, only } = session
  const built = buildPlan({ config, configHash, facts, basedOn: factsDigest(facts), intent, only, skipGates })
  if (built.refusals.length > 0) return { ...built, warnings: [] }
  const names = gatesOf(built.plan)
  const gates = planGates(config, names, await resultsThere(config, names, context.signal))
  return {
    plan: built.plan,
    refusals: [...checkPlan(built.plan), ...gateRefusals(gates)],
    warnings: gates.flatMap(({ gate, warnings }) => warnings.map((warning) => `gate ${gate}: ${warning}`)),
  }
}

function skippedWords({ skippedGates }: Plan): readonly string[] {
  return skippedGates === undefined ? [] : [`gates left out: ${skippedGates.gates.join(', ')} (${skippedGates.reason})`]
}

/** @throws RollgateError E_PLAN_STALE */
function refuseStale(stored: Plan, now: Plan): void {
  const why =
    stored.basedOn !== now.basedOn
      ? 'the fleet changed since it was made'
      : stored.configHash !== now.configHash
        ? 'the configuration changed since it was made'
        : stored.id !== now.id
          ? 'the same command would now do something else'
          : null
  if (why === null) return
  throw new RollgateError('E_PLAN_STALE', `the plan ${stored.id} is stale: ${why}`, {
    now: 'nothing was changed',
    hints: ['rollgate plan --out FILE   (makes a new one)'],
  })
}

async function confirm(context: AppContext, session: Session, plan: Plan, emit: Emit): Promise<void> {
  if (!session.config.confirm || context.flags.yes || plan.batches.length === 0) return
  const where = session.config.environment ?? session.config.app
  if (context.ask === null) {
    throw new RollgateError('E_ANSWER_NEEDED', `${where} asks before a rollout, and there is no terminal to ask on`, {
      hints: ['--yes answers it'],
    })
  }
  for (const line of explainPlan(plan)) emit({ type: 'notice', message: line })
  const yes = await context.ask.confirm(`Roll this out to ${where}?`, { initial: false, signal: context.control.asked })
  if (!yes) throw new RollgateError('E_REFUSED', 'not confirmed', { now: 'nothing was changed' })
}

/** What every host keeps about this rollout. Values of the release's environment are not in it. */
function recordOf(work: Work, command: string, plan: Plan): RolloutRecord {
  const { hosts, defaults, roles, rollout: settings, hooks, loads, engines, gates } = work.session.config
  return {
    version: 1,
    rollout: work.rollout,
    by: operator(work.context.env),
    command,
    plan,
    settings: { hosts, defaults, roles, rollout: settings, hooks, loads, engines, gates },
  }
}

export type CarriedOut = { readonly outcome: Outcome; readonly run: Run | null; readonly probe: RolloutDocument['probe'] }

/** Executes a plan from wherever its progress stands: journal here, record and ledger on every host of it. */
export async function carryOut(work: Work, telling: Telling, record: RolloutRecord, progress: Progress): Promise<CarriedOut> {
  const { context, session, facts, rollout } = work
  const { plan } = record
  const file = await openJournal(journalDirectory(context.env, homeDirectory(context.env), plan.app), rollout)
  const journal = telling.journal(file)
  const ports = rolloutPorts({ ...work, events: telling.events })
  const hold = session.hold()
  // Taken over: whatever waits stops waiting, and every script would be refused by its host anyway.
  const lost = hold === null ? [] : [hold.lost]
  try {
    await journal.append({ type: 'rollout.opened', plan, by: operator(context.env), release: plan.release })
    const hosts = plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host)).filter((host) => isReached(facts, host))
    await Promise.all(hosts.map((host) => session.port(host).open(record, context.signal)))
    await ports.probe?.begin()
    const { outcome, run } = await execute(progress, {
      rollout,
      by: operator(context.env),
      ports: ports.forPlan(plan, facts),
      journal,
      emit: work.emit,
      control: context.control,
      signal: AbortSignal.any([context.signal, ...lost]),
    })
    const probe = ports.probe === null ? null : await ports.probe.end()
    // Whoever stays out after an interrupt may still come back by its timer; after any other end it stays out on purpose.
    if (outcome.kind !== 'cancelled' && hold?.lost.aborted !== true) await ports.timers.end()
    return { outcome: hold?.lost.aborted === true ? { kind: 'refused', because: errorInfo(hold.lost.reason) } : outcome, run, probe }
  } finally {
    await ports.probe?.end()
    await journal.close()
  }
}

const isReached = (facts: Facts, name: string): boolean => facts.hosts.some((host) => host.host === name && host.reachable)

/** @throws RollgateError E_LOCKED */
export async function takeLock(
  session: Session,
  context: AppContext,
  emit: Emit,
  options: { readonly command: string; readonly rollout: string; readonly policy: HoldOptions['policy']; readonly force?: boolean },
): Promise<void> {
  const signal = AbortSignal.any([context.signal, context.control.asked])
  emit({ type: 'phase', name: 'connect', state: 'started', detail: `${session.config.hosts.length} hosts` })
  await session.lock(
    {
      holder: operator(context.env),
      rollout: options.rollout,
      command: options.command,
      commit: (await session.revision(signal))?.commit ?? null,
      token: randomBytes(8).toString('hex'),
      ttlMs: leaseTtlMs(context.env),
      force: options.force === true,
    },
    { signal, policy: options.policy, waiting: (message) => emit({ type: 'notice', message }) },
  )
}

/** An unfinished rollout is a lock: paused, stuck or orphaned. @throws RollgateError E_LOCKED naming it and the next commands */
function refuseUnfinished(facts: Facts): void {
  const found = unfinishedIn(facts)
  if (found === null) return
  throw new RollgateError('E_LOCKED', `rollout ${found.rollout} is unfinished: ${found.phase}`, {
    now: 'nothing was changed',
    hints: nextForUnfinished(found),
  })
}

/** Nothing to move; but a release that a killed rollout left unmarked is marked, and its ledger closed. */
async function settleUnchanged(work: Work, plan: Plan, release: string | null): Promise<Outcome> {
  const { facts, session, rollout, context } = work
  for (const host of facts.hosts) {
    if (!host.reachable || !plan.unchanged.includes(host.host)) continue
    const installed = host.releases.find((candidate) => candidate.id === host.current)
    if (installed === undefined || installed.outcome === 'succeeded' || release === null) continue
    const summary = JSON.stringify({
      version: 1,
      rollout,
      intent: plan.intent,
      release,
      environment: plan.environment,
      outcome: 'unchanged',
      by: operator(context.env),
      durationMs: 0,
      hosts: [host.host],
    })
    await session
      .port(host.host)
      .finish(
        rollout,
        { outcome: 'unchanged', succeeded: release, failed: null, keep: plan.keep, protect: [release], summary },
        context.signal,
      )
  }
  if (plan.skipped.length === 0) return { kind: 'unchanged' }
  const because = errorInfo(new RollgateError('E_UNREACHABLE', `skipped: ${plan.skipped.join(', ')}`, { exitCode: 6 }))
  return { kind: 'partial', because, hosts: plan.skipped }
}

export { exitCodeOf }
