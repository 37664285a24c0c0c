// The requests that the probe lost, put on the timeline of the steps: "2 requests lost 340 ms after the restart of web-2
// began". A loss alone says that something is wrong; the step beside it says what. Pure.

import type { DurableEvent, Stamped } from '../domain/event.ts'
import type { RestartEvidence } from '../domain/evidence.ts'
import type { ProbeFailure, ProbeSeen } from '../load/probe.ts'

type Moment = { readonly atMs: number; readonly host: string; readonly step: string; readonly state: 'began' | 'ended' }

/** A loss so long after a step has little to do with it. */
const NEAR_MS = 15_000
const MOST_SENTENCES = 20

/** @returns one sentence for each step that losses lie behind, the earliest first */
export function placeLosses(failures: readonly ProbeFailure[], events: readonly Stamped<DurableEvent>[]): readonly string[] {
  const moments = events.flatMap(momentOf)
  const groups = new Map<string, { readonly moment: Moment | null; afterMs: number; count: number; readonly classes: Set<string> }>()
  for (const failure of failures) {
    const at = Date.parse(failure.at)
    const moment = moments.findLast((one) => one.atMs <= at && at - one.atMs <= NEAR_MS) ?? null
    const key = moment === null ? '' : `${moment.step}/${moment.state}`
    const group = groups.get(key) ?? { moment, afterMs: moment === null ? 0 : at - moment.atMs, count: 0, classes: new Set<string>() }
    group.count += 1
    group.classes.add(failure.class)
    groups.set(key, group)
  }
  return [...groups.values()].slice(0, MOST_SENTENCES).map(({ moment, afterMs, count, classes }) => {
    const what = `${count} ${count === 1 ? 'request' : 'requests'} lost (${[...classes].join(', ')})`
    if (moment === null) return `${what} with no step near`
    return `${what} ${afterMs} ms after ${nameOf(moment)}${hintOf(moment)}`
  })
}

export function restartEvidence(
  seen: ProbeSeen | null,
  failures: readonly ProbeFailure[],
  events: readonly Stamped<DurableEvent>[],
): RestartEvidence | null {
  return seen === null ? null : { sent: seen.sent, lost: seen.failed, losses: placeLosses(failures, events) }
}

function momentOf(event: Stamped<DurableEvent>): readonly Moment[] {
  if (event.type !== 'step.started' && event.type !== 'step.succeeded') return []
  const { host, step } = event
  if (host === undefined || !/\/(drain|restart|stop|enable|control)$/.test(step)) return []
  return [{ atMs: Date.parse(event.at), host, step, state: event.type === 'step.started' ? 'began' : 'ended' }]
}

const NAMES: Readonly<Record<string, string>> = {
  drain: 'drain',
  restart: 'restart',
  stop: 'stop',
  enable: 'enabling',
  control: 'drain as control',
}

function nameOf({ step, host, state }: Moment): string {
  const kind = step.split('/').at(-1) ?? step
  return `the ${NAMES[kind] ?? kind} of ${host}${step.includes('/undo/') ? ' on the way back' : ''} ${state}`
}

function hintOf({ step, state }: Moment): string {
  const kind = step.split('/').at(-1)
  if ((kind === 'restart' && state === 'began') || kind === 'stop')
    return ': the drain was too short, or requests reach it past the balancer'
  if (kind === 'drain' && state === 'began') return ': it was cut off while it drained'
  if (kind === 'enable') return ': it was enabled before it was ready'
  return ''
}
