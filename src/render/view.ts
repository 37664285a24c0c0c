// What the live tree knows besides the states of its tasks: what each host is doing and waiting for, how far uploads are,
// what the probe saw, the last lines of a build. Fed event by event; reads no clock, the events bring their time.
import type { Stamped } from '../domain/event.ts'
import type { HostName } from '../domain/host.ts'
import type { Plan } from '../domain/plan.ts'
import type { MeasureProgress } from '../domain/progress.ts'
import { intentWords, percent, probeWords } from './tell.ts'
import { bytes, many, oneLine, stepWords } from './words.ts'

export type HostView = {
  /** The step in hand, in words; empty before the first and between two. */
  doing: string
  detail: string
  /** Milliseconds of the events' clock. */
  beganAt: number | null
  endedAt: number | null
  /** Steps that were announced and have not ended. */
  readonly open: Set<string>
}

export type View = {
  intent: string
  beganAt: number | null
  readonly hosts: Map<HostName, HostView>
  connected: number
  /** As the phase announced it: `4 hosts`. */
  expected: string
  readonly staging: Map<HostName, { sent: number; total: number; isDone: boolean }>
  batch: string
  probe: string
  probeFailed: boolean
  /** The measurement that goes on now. */
  measure: { readonly name: string; readonly progress: MeasureProgress } | null
  /** Last lines of a build or of a hook on this machine, newest last. */
  output: readonly string[]
}

const TAIL = 3

export function createView(): View {
  return {
    intent: '',
    beganAt: null,
    hosts: new Map(),
    connected: 0,
    expected: '',
    staging: new Map(),
    batch: '',
    probe: '',
    probeFailed: false,
    measure: null,
    output: [],
  }
}

export function hostView(view: View, name: HostName): HostView {
  const host = view.hosts.get(name) ?? { doing: '', detail: '', beganAt: null, endedAt: null, open: new Set<string>() }
  view.hosts.set(name, host)
  return host
}

export function follow(view: View, event: Stamped): void {
  const at = Date.parse(event.at)
  view.beganAt ??= at
  switch (event.type) {
    case 'rollout.opened':
      view.intent = oneLine(intentWords(event.plan), 200)
      break
    case 'phase':
      if (event.name === 'connect' && event.state === 'started') view.expected = oneLine(event.detail ?? '', 60)
      if (event.state !== 'started') view.output = []
      break
    case 'host.connected':
      view.connected += 1
      break
    case 'stage.progress':
      view.staging.set(event.host, { sent: event.sentBytes, total: event.totalBytes, isDone: false })
      break
    case 'stage.done':
      view.staging.set(event.host, { sent: 1, total: 1, isDone: true })
      break
    case 'batch.started':
      view.batch = oneLine(event.title, 60)
      break
    case 'probe.progress':
      view.probe = probeWords(event)
      view.probeFailed = event.failed > 0
      break
    case 'load.progress':
      view.measure = { name: `load ${event.load}`, progress: event.progress }
      break
    case 'gate.progress':
      view.measure = { name: `gate ${event.gate}`, progress: event.progress }
      break
    case 'gate.judged':
    case 'rollout.closed':
      view.measure = null
      break
    case 'output':
      view.output = [...view.output, oneLine(event.line.text, 500)].slice(-TAIL)
      break
    case 'undo.opened':
      // The way back is a story of its own, with its own times.
      for (const name of event.hosts) view.hosts.delete(name)
      view.output = []
      view.measure = null
      break
    case 'step.started':
    case 'step.waiting':
    case 'step.succeeded':
    case 'step.failed':
      if (event.host !== undefined) followStep(hostView(view, event.host), event, at)
      break
    default:
      break
  }
}

type StepEvent = Extract<Stamped, { type: 'step.started' | 'step.waiting' | 'step.succeeded' | 'step.failed' }>

/** Steps of one script are all announced before the first of them runs: what runs is what was announced first or waits. */
function followStep(host: HostView, event: StepEvent, at: number): void {
  host.beganAt ??= at
  host.endedAt = at
  const { doing } = stepWords(event.step)
  switch (event.type) {
    case 'step.started':
      if (host.open.size === 0) {
        host.doing = doing
        host.detail = ''
      }
      host.open.add(event.step)
      break
    case 'step.waiting':
      host.doing = doing
      host.detail = event.detail === 'running' ? '' : oneLine(event.detail, 300)
      break
    case 'step.succeeded':
    case 'step.failed': {
      host.open.delete(event.step)
      const [next] = host.open
      host.doing = next === undefined ? '' : stepWords(next).doing
      host.detail = ''
      break
    }
    default:
      event satisfies never
  }
}

export function reachDetail(view: View): string {
  return view.expected === '' ? many(view.connected, 'host') : `${view.connected} of ${view.expected}`
}

/** `2 of 4 hosts, 45 % of 3.2 MB`: of those that send, and the slowest of them by name. */
export function stageDetail(view: View): string {
  const all = [...view.staging]
  const done = all.filter(([, { isDone }]) => isDone).length
  const sending = all.filter(([, { isDone }]) => !isDone)
  const slowest = sending.toSorted(([, a], [, b]) => share(a) - share(b))[0]
  if (slowest === undefined) return done === 0 ? '' : many(done, 'host')
  const [name, { sent, total }] = slowest
  return `${done} of ${many(all.length, 'host')}, ${oneLine(name, 60)} ${percent(sent, total)} of ${bytes(total)}`
}

const share = (upload: { readonly sent: number; readonly total: number }): number => (upload.total === 0 ? 1 : upload.sent / upload.total)

/** Hosts of each batch that moves somebody, in the plan's order. */
export function batchesOf(plan: Plan): readonly { readonly title: string; readonly hosts: readonly HostName[] }[] {
  return plan.batches
    .filter((batch) => batch.tracks.length > 0)
    .map((batch) => ({ title: oneLine(batch.title, 60), hosts: batch.tracks.map((track) => track.host) }))
}
