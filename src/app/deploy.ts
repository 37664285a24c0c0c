// deploy: build, stage, roll out. Build once before any host is touched; stage on every host before any drain.
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { PlanDocument, PushDocument, RolloutDocument } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import { type Plan, refusalOf } from '../domain/plan.ts'
import { parseFault, simulate } from '../execute/simulate.ts'
import { FIRST_DEPLOY } from '../plan/build.ts'
import { planWarnings } from '../plan/can-carry.ts'
import { readCapacities } from './capacity-store.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { documentError } from './documents.ts'
import { planDocument } from './plan-document.ts'
import { prepareRelease, stageEverywhere } from './release.ts'
import { look, type Prepared, planFor, type RolloutSelection, refusalInfo, runRollout, takeLock, type Work } from './rollout.ts'
import { createTelling } from './telling.ts'
import { cleanText } from './words.ts'

export type DeployOptions = RolloutSelection & {
  readonly dryRun?: boolean
  readonly plan?: string
  readonly artifact?: string
  readonly release?: string
  readonly rebuild?: boolean
  /** Leaves the gates out; a reason must come with it. */
  readonly skipGates?: boolean
  readonly reason?: string
  readonly out?: string
  readonly detailedExitcode?: boolean
  /** `HOST:STEP`: tells what would happen if that failed. */
  readonly fail?: readonly string[]
}

export async function deploy(options: DeployOptions, context: AppContext): Promise<RolloutDocument | PlanDocument> {
  const skipGates = skipReason(options)
  if (options.dryRun === true) return plan(options, context)
  return runRollout('deploy', context, options, async (work): Promise<Prepared> => {
    const stored = options.plan === undefined ? undefined : await readPlan(resolve(context.cwd, options.plan))
    if (stored !== undefined && stored.intent !== 'deploy')
      throw new RollgateError('E_USAGE', `${options.plan} is a plan to ${stored.intent}, not to deploy`)
    const release = await prepareRelease(work, options)
    return {
      intent: { kind: 'deploy', release: release.id },
      stage: async (made) => {
        await stageEverywhere(work, release, movedHosts(made), work.session.fence)
      },
      ...(stored === undefined ? {} : { stored }),
      ...given(skipGates ?? reasonIn(stored)),
    }
  })
}

/** Whoever goes without the gates says why: it stands in the plan and on every host. @throws RollgateError E_USAGE */
function skipReason({ skipGates, reason }: DeployOptions): string | null {
  if (skipGates !== true) {
    if (reason !== undefined) throw new RollgateError('E_USAGE', '--reason says why gates are left out: it needs --skip-gates')
    return null
  }
  if (reason === undefined || reason.trim() === '')
    throw new RollgateError('E_USAGE', '--skip-gates needs a reason', { hints: ['--skip-gates --reason "the metrics server is down"'] })
  return cleanText(reason.trim(), 200).replace(/\s+/g, ' ')
}

const given = (skipGates: string | null): { readonly skipGates?: string } => (skipGates === null ? {} : { skipGates })

/** A stored plan that leaves its gates out goes on doing so. */
function reasonIn(stored: Plan | undefined): string | null {
  const reason = stored?.skippedGates?.reason ?? null
  return reason === FIRST_DEPLOY ? null : reason
}

const movedHosts = (made: Plan): readonly string[] => made.batches.flatMap((batch) => batch.tracks.map((track) => track.host))

async function readPlan(path: string): Promise<Plan> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new RollgateError('E_USAGE', `${path} cannot be read as a plan`, { cause, hints: ['rollgate plan --out FILE   (makes one)'] })
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || !('batches' in value) || !('basedOn' in value))
    throw new RollgateError('E_USAGE', `${path} is not a plan`)
  if (value.version !== 1) throw new RollgateError('E_STATE_VERSION', `${path} was made by another version of rollgate`)
  // Only compared, never executed: what runs is the plan made afresh, which must be the same to the letter.
  return value as Plan
}

/** What `deploy` would do, from the live fleet; changes nothing on it. */
export async function plan(options: DeployOptions, context: AppContext): Promise<PlanDocument> {
  const skipGates = skipReason(options)
  const telling = createTelling('plan', context.renderers, () => new Date())
  const { emit } = telling
  const session = await openSession(context, { emit, ...options })
  try {
    const facts = await look(context, session, emit)
    const work: Work = { context, session, facts, emit, rollout: 'plan' }
    const bad = facts.hosts.filter((host) => !host.reachable && session.chosen.some((chosen) => chosen.name === host.host))
    const release = await prepareRelease(work, options)
    const made = await planFor(work, { kind: 'deploy', release: release.id }, skipGates)
    const warnings = [...made.warnings, ...planWarnings(made.plan, facts, await readCapacities(context.env, session.config))]
    const document = planDocument({
      ...{ made, warnings },
      facts,
      release,
      detailed: options.detailedExitcode === true,
      ...(bad.length === 0 ? {} : { refusal: refusalInfo(made.refusals) }),
    })
    if (options.out !== undefined && document.plan !== null)
      await writeFile(resolve(context.cwd, options.out), `${JSON.stringify(document.plan, null, 2)}\n`, { mode: 0o600 })
    if (options.fail === undefined || document.plan === null) return document
    const stored = document.plan
    return {
      ...document,
      simulation: await simulate(
        stored,
        options.fail.map((fault) => parseFault(fault, stored)),
      ),
    }
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG') throw error
    return planDocument({ made: null, facts: null, release: null, detailed: false, refusal: info })
  } finally {
    await session.close()
  }
}

/** The first half alone: build and stage on every host, verified; nothing that serves is touched. */
export async function push(options: DeployOptions, context: AppContext): Promise<PushDocument> {
  const began = performance.now()
  const telling = createTelling('push', context.renderers, () => new Date())
  const { emit } = telling
  const base = { version: 1 as const, command: 'push' }
  const session = await openSession(context, { emit, ...options })
  try {
    await takeLock(session, context, emit, {
      command: 'push',
      rollout: 'push',
      policy: options.waitLockMs === undefined ? { kind: 'refuse' } : { kind: 'wait', waitMs: options.waitLockMs },
    })
    const facts = await look(context, session, emit)
    const work: Work = { context, session, facts, emit, rollout: 'push' }
    const release = await prepareRelease(work, options)
    const unreachable = facts.hosts.flatMap((host) =>
      !host.reachable && session.chosen.some((chosen) => chosen.name === host.host) ? [host] : [],
    )
    if (unreachable.length > 0) {
      const because = refusalInfo(unreachable.map((host) => refusalOf(host.error, host.host)))
      return {
        ...base,
        exitCode: because.exitCode,
        outcome: 'failed',
        error: documentError(because),
        release: release.id,
        built: release.built,
        hosts: [],
        durationMs: elapsed(began),
        next: [],
      }
    }
    const results = await stageEverywhere(
      work,
      release,
      session.chosen.map((host) => host.name),
      session.fence,
    ).then(
      (staged) => ({ staged, failed: null }),
      (error: unknown) => ({ staged: [], failed: errorInfo(error) }),
    )
    if (results.failed?.code === 'E_BUG') throw new Error(results.failed.message)
    return {
      ...base,
      exitCode: results.failed === null ? 0 : results.failed.exitCode,
      outcome: results.failed === null ? 'ok' : 'failed',
      ...(results.failed === null ? {} : { error: documentError(results.failed) }),
      release: release.id,
      built: release.built,
      hosts: results.staged.map((host) => ({ name: host.name, staged: true, note: host.note })),
      durationMs: elapsed(began),
      next: results.failed === null ? [`rollgate deploy --release ${release.id}`] : [],
    }
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG') throw error
    return {
      ...base,
      exitCode: info.exitCode,
      outcome: 'failed',
      error: documentError(info),
      release: null,
      built: false,
      hosts: [],
      durationMs: elapsed(began),
      next: [],
    }
  } finally {
    await session.close()
  }
}

const elapsed = (began: number): number => Math.round(performance.now() - began)
