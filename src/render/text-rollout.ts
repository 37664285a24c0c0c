// The end of a rollout, worth copying into a chat: how it went, host by host, what the probe and the gates saw, what to
// type next. Why it failed is the error's to say, on stderr.
import type { RolloutDocument, RolloutHost } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { probeWords } from './tell.ts'
import { duration, many, names, oneLine } from './words.ts'

export function rolloutText(document: RolloutDocument, style: Style, verbose: boolean): readonly string[] {
  return [headline(document, style), ...hostLines(document, style, verbose), ...facts(document, style), ...nextLines(document.next, style)]
}

function headline(document: RolloutDocument, style: Style): string {
  const { outcome } = document
  const good = outcome === 'succeeded' || outcome === 'unchanged'
  const sign = good ? style.green('✔') : outcome === 'paused' ? style.yellow('‖') : style.red('✖')
  const rollout = document.rollout === null ? '' : style.dim(`   rollout ${oneLine(document.rollout, 40)}`)
  return `${sign} ${style.bold(sentence(document))} ${style.dim(`(${duration(document.durationMs)})`)}${rollout}`
}

function sentence(document: RolloutDocument): string {
  const { outcome, hosts } = document
  const moved = hosts.filter((host) => host.from !== host.to || document.command === 'restart')
  const release = document.release === null ? 'the release' : oneLine(document.release, 60)
  const done: Readonly<Record<string, string>> = {
    deploy: `deployed ${release} to ${many(moved.length, 'host')}`,
    rollback: `rolled ${many(moved.length, 'host')} back${document.release === null ? '' : ` to ${release}`}`,
    restart: `restarted ${many(moved.length, 'host')}`,
  }
  switch (outcome) {
    case 'succeeded':
      return done[document.command] ?? `${document.command}: finished, ${release} on ${many(hosts.length, 'host')}`
    case 'unchanged':
      return hosts.length === 0 ? 'there was nothing to do' : `there was nothing to do on ${many(hosts.length, 'host')}`
    case 'rolled-back':
      return `${release} was taken back`
    case 'partial':
      return `partly done: not on ${names(hosts.filter((host) => host.error !== undefined).map((host) => host.name))}`
    case 'stuck':
      return `stuck: ${names(hosts.filter((host) => host.error !== undefined).map((host) => host.name))} needs a person`
    case 'paused':
      return 'paused: it waits for a person'
    case 'cancelled':
      return 'interrupted'
    case 'refused':
      return 'refused: nothing was changed'
    default:
      return outcome satisfies never
  }
}

function hostLines(document: RolloutDocument, style: Style, verbose: boolean): readonly string[] {
  // Nothing moved: a list of hosts would only look as if something had.
  if (document.hosts.length === 0 || document.outcome === 'refused') return []
  const taken = document.outcome === 'rolled-back'
  const columns = [
    { title: 'host' },
    { title: taken ? 'back on' : 'from' },
    { title: taken ? 'not on' : 'to' },
    { title: 'phase' },
    { title: 'time', align: 'right' as const },
    { title: '' },
  ]
  const rows = document.hosts.map((host) => [
    oneLine(host.name, 100),
    release(host.from),
    release(host.to),
    oneLine(host.phase),
    host.durationMs === 0 ? '' : duration(host.durationMs),
    remark(document, host, style, verbose),
  ])
  return ['', ...table(columns, rows, style)]
}

const release = (id: string | null): string => (id === null ? 'none' : oneLine(id, 60))

/** What is special about a host: what went wrong, and where it is then; or that nothing had to be done. */
function remark(document: RolloutDocument, host: RolloutHost, style: Style, verbose: boolean): string {
  const { error, from, to } = host
  if (error === undefined) return from === to && document.command !== 'restart' ? 'unchanged' : ''
  const isBack = document.outcome !== 'rolled-back' && host.phase === 'serving' && from !== to
  const message = oneLine(error.message, verbose ? 1_000 : 120)
  return style.red(`✖ ${isBack ? `back on ${release(from)}: ` : ''}${oneLine(error.code, 40)}: ${message}`)
}

function facts(document: RolloutDocument, style: Style): readonly string[] {
  const lines: string[] = []
  const say = (label: string, text: string): void => void lines.push(`  ${style.dim(label.padEnd(6))}  ${text}`)
  if (document.probe !== null) {
    const text = `${probeWords(document.probe)}, through the public entry`
    say('probe', document.probe.failed === 0 ? text : style.red(`✖ ${text}`))
    for (const loss of document.probe.losses ?? []) say('', oneLine(loss, 300))
  }
  if (document.minReadySeen !== null) say('ready', `never fewer than ${many(document.minReadySeen, 'host')}`)
  for (const gate of document.gates) {
    const text = `${oneLine(gate.name, 100)} (${oneLine(gate.batch, 40)}): ${oneLine(gate.verdict, 20)}`
    say('gate', gate.verdict === 'pass' ? text : style.red(`✖ ${text}`))
  }
  return lines.length === 0 ? [] : ['', ...lines]
}

/** Commands to copy, the first one beside the word. */
export function nextLines(next: readonly string[], style: Style): readonly string[] {
  if (next.length === 0) return []
  return ['', ...next.map((command, index) => `  ${style.dim((index === 0 ? 'next' : '').padEnd(6))}  ${oneLine(command)}`)]
}
