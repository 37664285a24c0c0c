// The smaller commands: drain and enable by hand, setup, push, the wizard, the demo.
import type { BaseDocument, CheckItem, HandDocument, PushDocument, SetupDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { itemLines } from './text-check.ts'
import { serverWords } from './text-fleet.ts'
import { nextLines } from './text-rollout.ts'
import { duration, many, number, oneLine } from './words.ts'

export function handText(document: HandDocument, style: Style): readonly string[] {
  const host = style.bold(oneLine(document.host, 100))
  const state = document.command === 'drain' ? 'out of rotation' : 'in rotation'
  const head = document.changed ? `${host} is ${state} now` : `${host} was ${state} already`
  return [`${style.green('✔')} ${head}`, ...document.balancer.map((server) => `  ${serverWords(server, style)}`)]
}

export function setupText(document: SetupDocument, style: Style): readonly string[] {
  return document.hosts.flatMap((host) => {
    const failed = host.error !== undefined
    const head = `${failed ? style.red('✖') : style.green('✔')} ${style.bold(oneLine(host.name, 100))}`
    const done = host.changes.length === 0 ? (failed ? '' : '  set up already') : `  ${many(host.changes.length, 'change')}`
    return [
      `${head}${done}`,
      ...host.changes.map((change) => `  ${style.dim('+')} ${oneLine(change)}`),
      ...host.notes.map((note) => `  ${style.dim('·')} ${oneLine(note)}`),
      ...(host.error === undefined ? [] : [`  ${style.red(`${oneLine(host.error.message)} (${oneLine(host.error.code, 40)})`)}`]),
    ]
  })
}

export function pushText(document: PushDocument, style: Style): readonly string[] {
  const { release, hosts, outcome } = document
  if (release === null) return []
  const staged = hosts.filter((host) => host.staged)
  const good = outcome === 'ok'
  const head = good
    ? `${oneLine(release, 60)} is on ${many(staged.length, 'host')}, and serves nowhere yet`
    : `${oneLine(release, 60)} could not be staged everywhere`
  const rows = hosts.map((host) => [
    oneLine(host.name, 100),
    host.error === undefined
      ? oneLine(host.note, 300)
      : style.red(`✖ ${oneLine(host.error.message, 300)} (${oneLine(host.error.code, 40)})`),
  ])
  return [
    `${good ? style.green('✔') : style.red('✖')} ${style.bold(head)} ${style.dim(`(${duration(document.durationMs)})`)}`,
    ...(rows.length === 0 ? [] : ['', ...table([{ title: 'host' }, { title: 'staged' }], rows, style)]),
    ...nextLines(document.next, style),
  ]
}

export type InitText = BaseDocument & {
  readonly file: string
  readonly text: string
  readonly written: boolean
  readonly items: readonly CheckItem[]
}

/** With --dry-run the file is the data, and nothing else is printed. */
export function initText(document: InitText, style: Style): readonly string[] {
  if (!document.written) return document.text.replace(/\n$/, '').split('\n')
  const head = `${style.green('✔')} ${style.bold(`wrote ${oneLine(document.file, 400)}`)}`
  const found = document.items.length === 0 ? [] : ['', ...itemLines(document.items, style)]
  const ready = document.items.every((item) => item.level !== 'problem')
  return [
    head,
    ...found,
    ...nextLines(ready ? ['rollgate plan', 'rollgate deploy'] : ['rollgate check   (once the problems are gone)'], style),
  ]
}

export type DemoText = BaseDocument & {
  readonly rollouts: readonly {
    readonly title: string
    readonly outcome: string
    readonly expected: string
    readonly requests: number
    readonly failed: number
  }[]
  readonly directory: string | null
}

export function demoText(document: DemoText, style: Style): readonly string[] {
  const rows = document.rollouts.map((rollout) => [
    rollout.outcome === rollout.expected && rollout.failed === 0 ? style.green('✔') : style.red('✖'),
    oneLine(rollout.title),
    oneLine(rollout.outcome, 40),
    `${number(rollout.requests)} requests, ${number(rollout.failed)} failed`,
  ])
  return rows.length === 0
    ? []
    : ['', ...table([{ title: '' }, { title: 'rollout' }, { title: 'outcome' }, { title: 'users saw' }], rows, style)]
}
