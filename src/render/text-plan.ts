// The dry run as people read it: who goes from what to what, the batches as a drawing with what stands between them,
// what each host goes through and its way back, how many stay ready, what crosses the network.
import type { Hook } from '../domain/config.ts'
import type { PlanDocument } from '../domain/document.ts'
import type { Checkpoint, Track } from '../domain/plan.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { intentWords } from './tell.ts'
import { padEnd, textWidth, wrap } from './width.ts'
import { bytes, many, names, oneLine, setting } from './words.ts'

export function planText(
  document: PlanDocument,
  style: Style,
  options: { readonly columns: number; readonly verbose: boolean },
): readonly string[] {
  if (document.refusals.length > 0)
    return [`${style.red('✖')} ${style.bold('this would be refused; nothing was changed')}`, ...refusals(document, style)]
  const { plan } = document
  const what = plan === null ? `deploy ${oneLine(document.release ?? '', 60)}` : oneLine(intentWords(plan))
  const head = `${style.bold(what)}${document.id === null ? '' : style.dim(`   plan ${oneLine(document.id, 40)}`)}`
  if (document.hosts.length === 0) return [`${style.green('✔')} ${head}`, '', `  nothing to do${unchangedWords(document)}`]
  return [
    head,
    '',
    ...table([{ title: 'host' }, { title: 'now' }, { title: 'then' }, { title: '' }], hostRows(document), style),
    ...(document.unchanged.length > 0 ? [`  ${style.dim('stays')}  ${names(document.unchanged, 20)}`] : []),
    ...(plan !== null && plan.skipped.length > 0 ? [`  ${style.yellow(`! left out, unreachable: ${names(plan.skipped, 20)}`)}`] : []),
    '',
    ...drawing(document, style, options.columns),
    '',
    ...rules(document, style, options),
    ...(document.warnings ?? []).flatMap((warning) => ['', `  ${style.yellow('!')} ${oneLine(warning, 300)}`]),
  ]
}

function unchangedWords(document: PlanDocument): string {
  return document.unchanged.length === 0
    ? ''
    : `: ${many(document.unchanged.length, 'host')} ${document.unchanged.length === 1 ? 'is' : 'are'} right already`
}

function refusals(document: PlanDocument, style: Style): readonly string[] {
  return document.refusals.flatMap((refusal) => [
    '',
    `  ${style.red('✖')} ${oneLine(refusal.message)}  ${style.dim(refusal.code)}`,
    ...(refusal.hints ?? []).map((hint) => `    ${style.dim('fix')}  ${oneLine(hint)}`),
  ])
}

function hostRows(document: PlanDocument): readonly (readonly string[])[] {
  const tracks = new Map(document.plan?.batches.flatMap((batch) => batch.tracks).map((track): [string, Track] => [track.host, track]) ?? [])
  return document.hosts.map((host) => [
    oneLine(host.name, 100),
    host.from === null ? 'nothing' : oneLine(host.from, 60),
    host.to === null ? 'nothing' : oneLine(host.to, 60),
    tracks.get(host.name)?.wasReady === false ? 'not serving now' : '',
  ])
}

/** From top to bottom what happens: batches with their hosts, and on the line between two what must be passed. */
function drawing(document: PlanDocument, style: Style, columns: number): readonly string[] {
  const { plan, batches } = document
  const shown = batches.filter((batch) => batch.hosts.length > 0)
  const width = Math.max(0, ...shown.map((batch) => textWidth(oneLine(batch.title, 40))))
  const stops = (texts: readonly string[]): readonly Item[] => texts.map((text) => ({ lines: [style.yellow(text)], isBatch: false }))
  const items = [
    ...stops((plan?.before ?? []).map(hookWords)),
    ...batches.flatMap((batch, index) => [
      ...(batch.hosts.length > 0 ? [batchItem(batch, width, columns, style)] : []),
      ...stops(plan?.batches[index]?.after.map(checkpointWords) ?? documentWords(batch)),
    ]),
    ...stops((plan?.finally ?? []).map((hook) => `${hookWords(hook)}, at the end`)),
  ]
  return items.flatMap(({ lines, isBatch }, index) => {
    const isLast = index === items.length - 1
    const corner = items.length === 1 ? '─' : index === 0 ? '┌' : isLast ? '└' : '├'
    const [first = '', ...rest] = lines
    return [
      `  ${style.dim(`${corner}${isBatch ? '─' : '·'}`)} ${first}`,
      ...rest.map((line) => `  ${style.dim(isLast ? ' ' : '│')}  ${line}`),
    ]
  })
}

type Item = { readonly lines: readonly string[]; readonly isBatch: boolean }

function batchItem(batch: PlanDocument['batches'][number], width: number, columns: number, style: Style): Item {
  const hosts = wrap(batch.hosts.map((host) => oneLine(host, 100)).join(' '), Math.max(20, Math.min(columns, 120) - width - 7))
  const title = style.bold(padEnd(oneLine(batch.title, 40), width))
  return { lines: hosts.map((line, index) => `${index === 0 ? title : ' '.repeat(width)}  ${line}`), isBatch: true }
}

const hookWords = (hook: Hook): string => `hook ${oneLine(hook.name, 60)} on this machine`

function checkpointWords(checkpoint: Checkpoint): string {
  switch (checkpoint.kind) {
    case 'pause':
      return `pause ${setting(checkpoint.ms)}`
    case 'approve':
      return `a person answers: ${oneLine(checkpoint.question, 200)}`
    case 'calibrate':
      return `calibrate for gate ${oneLine(checkpoint.gate, 100)}`
    case 'gate':
      return `gate ${oneLine(checkpoint.gate, 100)}`
    case 'hook':
      return hookWords(checkpoint.hook)
    default:
      return checkpoint satisfies never
  }
}

function documentWords(batch: PlanDocument['batches'][number]): readonly string[] {
  return [
    ...(batch.gate === undefined ? [] : [`gate ${oneLine(batch.gate, 100)}`]),
    ...(batch.pause === undefined ? [] : [`pause ${setting(batch.pause)}`]),
    ...(batch.approve === undefined ? [] : [`a person answers: ${oneLine(batch.approve, 200)}`]),
  ]
}

function rules(document: PlanDocument, style: Style, options: { readonly columns: number; readonly verbose: boolean }): readonly string[] {
  const { plan, changes } = document
  const lines: string[] = []
  const say = (label: string, text: string): void => {
    const parts = wrap(text, Math.max(20, Math.min(options.columns, 120) - 12))
    for (const [index, part] of parts.entries()) lines.push(`  ${style.dim((index === 0 ? label : '').padEnd(8))}  ${part}`)
  }
  for (const way of ways(document, options.verbose)) {
    if (way.who !== null) lines.push(`  ${style.bold(way.who)}`)
    say('steps', way.steps)
    say('undo', way.undo)
  }
  const groups = Object.entries(document.minReady)
  for (const [group, minimum] of groups) {
    const all = plan?.groups[group]?.hosts.length
    const which = `${all === undefined ? '' : ` of ${all}`}${groups.length > 1 ? ` (${oneLine(group, 60)})` : ''}`
    say('ready', minimum === 0 ? `none${which} has to stay ready` : `at least ${minimum}${which} at any time, on the way back too`)
  }
  if (plan !== null) {
    const budget = plan.policy.failureBudget
    say(
      'failure',
      `${plan.policy.onFailure === 'undo' ? 'everything is taken back' : 'it stops where it is'}${budget === 0 ? '' : `, once more than ${many(budget, 'host')} failed`}`,
    )
  }
  if (changes !== null)
    say(
      'transfer',
      changes.files === 0
        ? 'nothing: the hosts have it already'
        : `${many(changes.files, 'file')}, ${bytes(changes.bytes)} to each host that lacks them`,
    )
  return lines
}

type Way = {
  /** null: all hosts. */
  readonly who: string | null
  readonly steps: string
  readonly undo: string
}

/** Hosts that go the same way are told once; releases differ from host to host and are in the table. */
function ways(document: PlanDocument, verbose: boolean): readonly Way[] {
  const found = new Map<string, { readonly hosts: string[]; readonly way: Omit<Way, 'who'> }>()
  for (const host of document.hosts) {
    const way = { steps: host.steps.map((step) => oneLine(step)).join(' → '), undo: host.undo.map((step) => oneLine(step)).join(' → ') }
    const key = verbose
      ? host.name
      : `${way.steps}\n${way.undo}`.replaceAll(oneLine(host.from ?? '-'), 'FROM').replaceAll(oneLine(host.to ?? '-'), 'TO')
    const same = found.get(key)
    if (same === undefined) found.set(key, { hosts: [host.name], way })
    else same.hosts.push(host.name)
  }
  const one = found.size === 1
  return [...found.values()].map(({ hosts, way }) => ({ who: one ? null : names(hosts, 10), ...way }))
}
