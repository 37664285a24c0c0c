// Which parts of a rollout there are to show, and how each ends: one section a phase, below the moving ones a task for
// each host. Follows the events; tasks are promises that somebody else (tty.ts) shows.
import type { Stamped } from '../domain/event.ts'
import type { HostName } from '../domain/host.ts'
import type { Plan } from '../domain/plan.ts'
import type { PHASES } from './tell.ts'
import { batchesOf, follow, hostView, reachDetail, stageDetail, type View } from './view.ts'
import { many, oneLine } from './words.ts'

export type Ending = 'done' | 'failed' | 'skipped'

/** Settled once, from outside; what comes later is ignored. */
export type Task = { readonly ended: Promise<Ending>; settle(ending: Ending): void; readonly ending: () => Ending | null }

export function createTask(): Task {
  const { promise, resolve } = Promise.withResolvers<Ending>()
  let settled: Ending | null = null
  return {
    ended: promise,
    ending: () => settled,
    settle(ending) {
      settled ??= ending
      resolve(ending)
    },
  }
}

export type HostTask = {
  readonly name: HostName
  readonly task: Task
  /** Why it failed, in a word: its error's code. */
  code: string
  /** How long it took; fixed when its section ends, because the way back counts anew. */
  ms: number | null
}

export type PhaseName = keyof typeof PHASES

export type Section = {
  readonly name: PhaseName
  readonly own: Task
  readonly beganAt: number
  endedAt: number | null
  detail: string
  /** Hosts in groups; a group without a title is no row of its own. */
  readonly groups: readonly { readonly title: string; readonly hosts: readonly HostTask[] }[]
}

export type Story = {
  readonly view: View
  plan: Plan | null
  readonly sections: Section[]
  undoing: readonly HostName[]
}

/** @returns the section that this event opened, to be shown from now on */
export function followStory(story: Story, event: Stamped): Section | null {
  const opened = followSections(story, event)
  // Afterwards: what a section keeps of its hosts it takes from the view as it was.
  follow(story.view, event)
  return opened
}

function followSections(story: Story, event: Stamped): Section | null {
  const at = Date.parse(event.at)
  switch (event.type) {
    case 'rollout.opened':
      story.plan = event.plan
      return null
    case 'phase':
      return followPhase(story, event, at)
    case 'step.succeeded':
      if (event.host !== undefined && isLast(story.plan, event.host, event.step)) settleHost(story, event.host, 'done')
      return null
    case 'host.failed':
      settleHost(story, event.host, 'failed', event.error.code)
      return null
    case 'undo.opened':
      story.undoing = event.hosts
      close(story, open(story, 'rollout'), 'failed', 'skipped', at)
      return null
    case 'rollout.closed': {
      const good = event.outcome.kind === 'succeeded' || event.outcome.kind === 'unchanged'
      closeAll(story, good ? 'done' : 'skipped', at)
      return null
    }
    default:
      return null
  }
}

export function closeAll(story: Story, ending: Ending, at: number): void {
  for (const section of story.sections) close(story, section, ending, ending, at)
}

function followPhase(story: Story, event: Extract<Stamped, { type: 'phase' }>, at: number): Section | null {
  // To look at a host is to reach it first: for a person the two are one.
  const name = event.name === 'look' ? 'connect' : event.name
  const current = open(story, name)
  if (event.state !== 'started') {
    if (current !== null && event.detail !== undefined) current.detail = oneLine(event.detail, 200)
    const ending = event.state
    close(story, current, ending, ending === 'failed' && name === 'undo' ? 'failed' : ending === 'failed' ? 'skipped' : 'done', at)
    return null
  }
  if (current !== null) return null
  const section: Section = {
    name,
    own: createTask(),
    beganAt: at,
    endedAt: null,
    detail: name === 'build' && event.detail !== undefined ? oneLine(event.detail, 200) : '',
    groups: groupsOf(story, name),
  }
  story.sections.push(section)
  return section
}

function groupsOf(story: Story, name: PhaseName): Section['groups'] {
  const withTasks = (hosts: readonly HostName[]) => hosts.map((name): HostTask => ({ name, task: createTask(), code: '', ms: null }))
  if (name === 'undo') return [{ title: '', hosts: withTasks(story.undoing) }]
  if (name !== 'rollout' || story.plan === null) return []
  return batchesOf(story.plan).map((batch) => ({ title: batch.title, hosts: withTasks(batch.hosts) }))
}

const open = (story: Story, name: PhaseName): Section | null =>
  story.sections.findLast((section) => section.name === name && section.own.ending() === null) ?? null

function close(story: Story, section: Section | null, ending: Ending, ofHosts: Ending, at: number): void {
  if (section === null || section.own.ending() !== null) return
  for (const host of section.groups.flatMap((group) => group.hosts)) {
    const { beganAt, endedAt } = hostView(story.view, host.name)
    host.ms = beganAt === null || endedAt === null ? null : endedAt - beganAt
    host.task.settle(ofHosts)
  }
  section.endedAt = at
  section.own.settle(ending)
}

/** In the section that moves the host now: the way back where there is one. */
function settleHost(story: Story, name: HostName, ending: Ending, code = ''): void {
  const section = open(story, 'undo') ?? open(story, 'rollout')
  const host = section?.groups.flatMap((group) => group.hosts).find((candidate) => candidate.name === name)
  if (host === undefined) return
  host.code = code === '' ? host.code : code
  host.task.settle(ending)
}

/** The step after which a host is where it should be, there or back. */
function isLast(plan: Plan | null, host: HostName, step: string): boolean {
  const track = plan?.batches.flatMap((batch) => batch.tracks).find((candidate) => candidate.host === host)
  return step === track?.steps.at(-1)?.id || step === track?.undo.at(-1)?.id || step === `${host}/undo/enable`
}

export function sectionDetail(story: Story, section: Section): string {
  if (section.name === 'connect') return reachDetail(story.view)
  if (section.name === 'stage') return stageDetail(story.view)
  if (section.name === 'rollout' && section.groups.length > 0) {
    const hosts = section.groups.flatMap((group) => group.hosts)
    return `${hosts.filter(({ task }) => task.ending() === 'done').length} of ${many(hosts.length, 'host')}`
  }
  return section.detail
}

/** What a host is doing and waits for: `draining  12 in flight, 18 s left`; of one that failed, its code first. */
export function hostDetail(story: Story, section: Section, host: HostTask): string {
  const { doing, detail } = hostView(story.view, host.name)
  const now = section.endedAt !== null || doing === '' ? '' : detail === '' ? doing : `${doing}  ${detail}`
  return [host.code, now].filter((part) => part !== '').join(', ')
}
