// A rollout as a page of Markdown, for the summary of a CI job: made from the events alone, escaped, and kept under the
// size that the page allows by leaving hosts out, never by cutting in the middle.
import type { Stamped } from '../domain/event.ts'
import type { HostName } from '../domain/host.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Plan } from '../domain/plan.ts'
import { errorWords, intentWords, isGood, outcomeWords, probeWords } from './tell.ts'
import { duration, oneLine } from './words.ts'

export const SUMMARY_LIMIT_BYTES = 64 * 1_024

export type Summary = { on(event: Stamped): void; text(): string }

type Seen = {
  plan: Plan | null
  rollout: string
  beganAt: number
  endedAt: number
  readonly hosts: Map<HostName, { state: string; beganAt: number; endedAt: number; error: string }>
  readonly gates: string[]
  readonly warnings: string[]
  probe: string
  outcome: Outcome | null
  undone: boolean
}

export function createSummary(): Summary {
  const stories: Seen[] = []
  return {
    on(event) {
      const last = stories.at(-1)
      if (event.type === 'rollout.opened') stories.push(newStory(event, event.plan))
      else if (last !== undefined) follow(last, event)
    },
    text: () => bounded(stories),
  }
}

function newStory(event: Stamped, plan: Plan): Seen {
  const at = Date.parse(event.at)
  const hosts = plan.batches.flatMap((batch) => batch.tracks.map((track) => track.host))
  return {
    plan,
    rollout: event.rollout,
    beganAt: at,
    endedAt: at,
    hosts: new Map(hosts.map((host) => [host, { state: 'not touched', beganAt: 0, endedAt: 0, error: '' }])),
    gates: [],
    warnings: [],
    probe: '',
    outcome: null,
    undone: false,
  }
}

function follow(story: Seen, event: Stamped): void {
  const at = Date.parse(event.at)
  story.endedAt = at
  switch (event.type) {
    case 'step.started':
    case 'step.succeeded': {
      const host = event.host === undefined ? undefined : story.hosts.get(event.host)
      const track = story.plan?.batches.flatMap((batch) => batch.tracks).find((candidate) => candidate.host === event.host)
      if (host === undefined || track === undefined) break
      host.beganAt = host.beganAt === 0 ? at : host.beganAt
      host.endedAt = at
      if (event.type === 'step.started' && host.error === '') host.state = 'in hand'
      if (event.type === 'step.succeeded' && event.step === track.steps.at(-1)?.id) host.state = 'on the new release'
      if (event.type === 'step.succeeded' && (event.step === track.undo.at(-1)?.id || event.step === `${track.host}/undo/enable`))
        host.state = 'taken back'
      break
    }
    case 'host.failed': {
      const host = story.hosts.get(event.host)
      if (host !== undefined) Object.assign(host, { state: 'failed', error: errorWords(event.error) })
      break
    }
    case 'gate.judged':
      story.gates.push(`${escapeText(`${event.gate} (${event.batch})`)}: **${event.verdict}** ${escapeText(event.summary)}`)
      break
    case 'probe.progress':
      story.probe = probeWords(event)
      break
    case 'warning':
      story.warnings.push(event.message)
      break
    case 'rollout.closed':
      story.outcome = event.outcome
      break
    default:
      break
  }
}

function bounded(stories: readonly Seen[]): string {
  for (const most of [1_000, 200, 50, 10, 0]) {
    const text = stories.map((story) => page(story, most)).join('\n')
    if (Buffer.byteLength(text) < SUMMARY_LIMIT_BYTES) return text
  }
  return ''
}

function page(story: Seen, most: number): string {
  const { outcome, plan } = story
  const sign = outcome === null ? '⏸️' : isGood(outcome) ? '✅' : '❌'
  const rows = [...story.hosts].slice(0, most).map(([name, host]) => {
    const time = host.beganAt === 0 ? '' : duration(host.endedAt - host.beganAt)
    return `| ${escapeText(name)} | ${escapeText(host.state)} | ${time} | ${escapeText(host.error)} |`
  })
  const left = story.hosts.size - rows.length
  const lines = [
    `### ${sign} ${escapeText(plan === null ? 'rollout' : intentWords(plan))}`,
    '',
    `${escapeText(outcome === null ? 'not finished' : outcomeWords(outcome))}, in ${duration(story.endedAt - story.beganAt)} (rollout ${escapeText(story.rollout)})`,
    '',
    ...(rows.length === 0 ? [] : ['| host | state | time | error |', '|---|---|---:|---|', ...rows, '']),
    ...(left > 0 ? [`and ${left} more hosts`, ''] : []),
    ...(story.probe === '' ? [] : [`- probe: ${escapeText(story.probe)}`]),
    ...story.gates.slice(0, most).map((gate) => `- gate ${gate}`),
    ...story.warnings.slice(0, Math.min(most, 20)).map((warning) => `- warning: ${escapeText(warning)}`),
  ]
  return `${lines.join('\n').trimEnd()}\n`
}

/** Nothing in it is Markdown or HTML any more, and it is one line. */
export function escapeText(text: string): string {
  return oneLine(text, 500)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]()#+!|~@]/g, (sign) => `\\${sign}`)
}
