// The tree of tasks behind the live view, kept by listr2: a list for each section, a task for each host, each leaf waiting
// for a promise that our events settle. We only read it and draw ourselves (decisions/50): listr2's own renderer takes
// over stdout and stderr, cannot step aside for a question, and knows no limit of lines. It must never listen to signals:
// it would end the process at Ctrl-C.
import { Listr, type ListrTask, type ListrTaskObject, type ListrTaskWrapper } from 'listr2'
import type { Row, RowState } from './frame.ts'
import { type Ending, type HostTask, hostDetail, type Section, type Story, sectionDetail } from './sections.ts'
import { PHASES } from './tell.ts'
import { hostView } from './view.ts'
import { names } from './words.ts'

export type Tree = {
  show(section: Section): void
  rows(): readonly Row[]
  /** Resolves when every task has come to its end. */
  settled(): Promise<void>
}

/** What a task says of itself besides title and state. */
type About = {
  readonly detail: string
  readonly ms: number | null
  readonly isBegun: boolean
  readonly noun: string
  /** A section that failed as a whole, whatever its hosts did. */
  readonly isFailed?: boolean
}

type Node = ListrTaskObject<unknown, typeof Silent, typeof Silent>
type ListTask = ListrTask<unknown, typeof Silent, typeof Silent>
type Wrapper = ListrTaskWrapper<unknown, typeof Silent, typeof Silent>

/** listr2 wants a class; all it has to do is to hand us the tasks. */
class Silent {
  static readonly nonTTY = true
  static readonly rendererOptions: { readonly attach?: (tasks: readonly Node[]) => void } = {}
  static readonly rendererTaskOptions: { readonly about?: () => About } = {}
  constructor(tasks: Node[], options: { readonly attach?: (tasks: readonly Node[]) => void }) {
    options.attach?.(tasks)
  }
  render(): void {}
  end(): void {}
}

const TOGETHER = { concurrent: true, exitOnError: false } as const

export function createTree(story: Story, now: () => number): Tree {
  const roots: Node[] = []
  const runs: Promise<unknown>[] = []
  return {
    show(section) {
      const list = new Listr<unknown, typeof Silent, typeof Silent>([taskOf(section, story, now)], {
        ...TOGETHER,
        registerSignalListeners: false,
        renderer: Silent,
        rendererOptions: { attach: (tasks) => roots.push(...tasks) },
      })
      runs.push(list.run().catch(() => undefined))
    },
    rows: () => roots.map(rowOf),
    async settled() {
      await Promise.all(runs)
    },
  }
}

function taskOf(section: Section, story: Story, now: () => number): ListTask {
  const hostTask = (host: HostTask): ListTask => ({
    title: host.name,
    rendererOptions: { about: () => hostAbout(section, host, story, now) },
    task: (_, wrapper) => host.task.ended.then((ending) => finish(wrapper, ending)),
  })
  const children = section.groups.flatMap((group): ListTask[] => {
    const hosts = group.hosts.map(hostTask)
    if (group.title === '') return hosts
    return [
      {
        title: group.title,
        rendererOptions: { about: () => groupAbout(group, story) },
        task: (_, wrapper) => wrapper.newListr(hosts, TOGETHER),
      },
    ]
  })
  return {
    title: PHASES[section.name],
    rendererOptions: {
      about: () => ({
        detail: sectionDetail(story, section),
        ms: (section.endedAt ?? now()) - section.beganAt,
        isBegun: true,
        noun: '',
        isFailed: section.own.ending() === 'failed',
      }),
    },
    task: (_, wrapper) =>
      children.length === 0 ? section.own.ended.then((ending) => finish(wrapper, ending)) : wrapper.newListr(children, TOGETHER),
  }
}

/** Who is in it, as long as they have no lines of their own. */
function groupAbout({ hosts }: Section['groups'][number], story: Story): About {
  const isBegun = hosts.some(({ name }) => hostView(story.view, name).beganAt !== null)
  const isOpen = isBegun && hosts.some(({ task }) => task.ending() === null)
  return {
    detail: isOpen
      ? ''
      : names(
          hosts.map(({ name }) => name),
          4,
        ),
    ms: null,
    isBegun,
    noun: 'batch',
  }
}

function hostAbout(section: Section, host: HostTask, story: Story, now: () => number): About {
  const { beganAt, endedAt, doing } = hostView(story.view, host.name)
  const detail = hostDetail(story, section, host)
  if (section.endedAt !== null) return { detail, ms: host.ms, isBegun: true, noun: 'host' }
  const until = doing === '' ? (endedAt ?? now()) : now()
  return { detail, ms: beganAt === null ? null : until - beganAt, isBegun: beganAt !== null, noun: 'host' }
}

function finish(wrapper: Wrapper, ending: Ending): void {
  if (ending === 'skipped') wrapper.skip()
  if (ending === 'failed') throw new Error('failed')
}

function rowOf(task: Node): Row {
  const about: About = task.rendererTaskOptions?.about?.() ?? { detail: '', ms: null, isBegun: true, noun: '' }
  const children = (task.subtasks ?? []).map((child) => rowOf(child as Node))
  return {
    state: about.isFailed === true ? 'failed' : stateOf(task, about.isBegun, children),
    title: task.title ?? '',
    detail: about.detail,
    ms: about.ms,
    noun: about.noun,
    children,
  }
}

function stateOf(task: Node, isBegun: boolean, children: readonly Row[]): RowState {
  if (task.hasFailed()) return 'failed'
  if (task.isSkipped()) return 'skipped'
  if (!task.isCompleted()) return isBegun ? 'working' : 'waiting'
  if (children.some((child) => child.state === 'failed')) return 'failed'
  return children.some((child) => child.state === 'skipped') ? 'skipped' : 'done'
}
