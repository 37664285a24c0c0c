// Real sequences of events: what src/execute tells about an imaginary fleet, stamped with that fleet's own clock, with
// what the commands tell before and around it (reaching hosts, a build, uploads, the probe).
import type { Config, Hook, RolloutSettings } from '../../../src/domain/config.ts'
import type { RolloutEvent, Stamped } from '../../../src/domain/event.ts'
import type { Outcome } from '../../../src/domain/outcome.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { ExecuteContext } from '../../../src/domain/ports.ts'
import { execute } from '../../../src/execute/execute.ts'
import { freshProgress } from '../../../src/journal/replay.ts'
import { buildPlan } from '../../../src/plan/build.ts'
import { aConfig, aHost, theFacts } from '../../helpers/builders.ts'
import { makeHarness, makeWorld, type World } from '../../helpers/imaginary.ts'

export const R1 = 'r1-aaaaaaaa'
export const R2 = 'r2-bbbbbbbb'
const START = Date.parse('2026-11-25T03:18:00.000Z')

export type Story = { readonly events: readonly Stamped[]; readonly outcome: Outcome; readonly plan: Plan }

export type StoryOptions = {
  readonly hosts?: readonly string[]
  readonly rollout?: Partial<RolloutSettings>
  readonly hooks?: Partial<Config['hooks']>
  /** null: a first deploy. */
  readonly previous?: string | null
  readonly spoil?: (world: World) => void
  readonly harness?: Parameters<typeof makeHarness>[1]
  /** Told before the rollout is opened. */
  readonly before?: readonly RolloutEvent[]
  /** Told after this many events of the rollout itself, one each. */
  readonly between?: readonly RolloutEvent[]
}

export function stamped(events: readonly RolloutEvent[], everyMs = 200, rollout = '46430f00'): readonly Stamped[] {
  return events.map((event, index) => ({
    version: 1,
    at: new Date(START + index * everyMs).toISOString(),
    rollout,
    seq: index + 1,
    ...event,
  }))
}

export function aHook(name: string, extra: Partial<Hook> = {}): Hook {
  return { name, run: `./${name}`, on: 'local', timeoutMs: 1_000, once: false, irreversible: false, ...extra }
}

export function aPlan(options: StoryOptions = {}): Plan {
  const { hosts = ['web-1', 'web-2', 'web-3', 'web-4'], rollout = {}, hooks = {}, previous = R1 } = options
  const none = { before_rollout: [], before_activate: [], after_activate: [], after_rollout: [], on_failure: [] }
  const config = aConfig(
    hosts.map((name) => aHost(name)),
    rollout,
    { hooks: { ...none, ...hooks } },
  )
  const facts = theFacts(Object.fromEntries(hosts.map((name) => [name, { current: previous }])))
  return buildPlan({ config, configHash: 'c', facts, basedOn: 'f', intent: { kind: 'deploy', release: R2 }, only: null }).plan
}

/** Executes the plan on an imaginary fleet and returns everything that was told. */
export async function tellStory(options: StoryOptions = {}): Promise<Story> {
  const { hosts = ['web-1', 'web-2', 'web-3', 'web-4'], previous = R1 } = options
  const plan = aPlan(options)
  const world = makeWorld(hosts, previous, plan.policy.minReady.app ?? 0)
  options.spoil?.(world)
  const { context } = makeHarness(world, options.harness ?? {})
  const events: Stamped[] = []
  const between = [...(options.between ?? [])]
  const before = options.before ?? []
  const push = (event: RolloutEvent): void => {
    const ms = events.length < before.length ? events.length * 150 : before.length * 150 + world.now
    events.push({ version: 1, at: new Date(START + ms).toISOString(), rollout: '46430f00', seq: events.length + 1, ...event })
  }
  for (const event of before) push(event)
  const told: ExecuteContext = {
    ...context,
    emit: (event) => {
      push(event)
      const extra = between.shift()
      if (extra !== undefined) push(extra)
    },
    journal: {
      ...context.journal,
      append: async (event) => {
        const line = await context.journal.append(event)
        push(event)
        return line
      },
    },
  }
  await told.journal.append({ type: 'rollout.opened', plan, by: 'ada@laptop', release: R2 })
  const { outcome } = await execute(freshProgress(plan, R2), told)
  return { events, outcome, plan }
}

/** What a deploy tells before its first step. */
export function openingOf(hosts: readonly string[]): readonly RolloutEvent[] {
  return [
    { type: 'notice', message: `rollgate 0.1.0: shop (production), ${hosts.length} hosts` },
    { type: 'phase', name: 'connect', state: 'started', detail: `${hosts.length} hosts` },
    { type: 'phase', name: 'look', state: 'started' },
    ...hosts.map((host): RolloutEvent => ({ type: 'host.connected', host, destination: `deploy@${host}.test:22`, ms: 84 })),
    { type: 'phase', name: 'look', state: 'done' },
    { type: 'phase', name: 'build', state: 'started', detail: 'npm run build' },
    { type: 'output', source: 'build', line: { stream: 'stdout', text: '> shop@1.2.0 build' } },
    { type: 'output', source: 'build', line: { stream: 'stdout', text: 'compiled 214 files' } },
    { type: 'phase', name: 'build', state: 'done', detail: `${R2}, 214 files, 3.2 MB: built` },
    { type: 'phase', name: 'plan', state: 'started' },
    { type: 'phase', name: 'plan', state: 'done', detail: '3 batches, 0 hosts unchanged' },
    { type: 'phase', name: 'stage', state: 'started', detail: `${R2} on ${hosts.length} hosts` },
    ...hosts.map((host): RolloutEvent => ({ type: 'stage.progress', host, sentBytes: 1_400_000, totalBytes: 3_200_000 })),
    ...hosts.map((host): RolloutEvent => ({ type: 'stage.done', host, note: '3.2 MB sent, verified' })),
    { type: 'phase', name: 'stage', state: 'done' },
  ]
}
