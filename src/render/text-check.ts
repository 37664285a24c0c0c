// The preflight as a list: by host, each line with its sign, what is wrong with its fix, and a sum at the end.
import type { CheckItem } from '../domain/document.ts'
import type { Style } from './style.ts'
import { padEnd, textWidth } from './width.ts'
import { many, number, oneLine } from './words.ts'

export function checkText(document: { readonly items: readonly CheckItem[] }, style: Style): readonly string[] {
  return [...itemLines(document.items, style), '', sum(document.items, style)]
}

/** Grouped by host, in the order they came; what belongs to no host comes last. */
export function itemLines(items: readonly CheckItem[], style: Style): readonly string[] {
  const hosts = [...new Set(items.flatMap((item) => (item.host === undefined ? [] : [item.host])))]
  const general = items.filter((item) => item.host === undefined)
  const width = Math.max(0, ...items.map((item) => textWidth(oneLine(item.id, 40))))
  const sections = hosts.map((host) => [
    style.bold(oneLine(host, 100)),
    ...items.filter((item) => item.host === host).flatMap((item) => lines(item, width, style)),
  ])
  if (general.length > 0)
    sections.push([style.bold(hosts.length === 0 ? 'found' : 'besides'), ...general.flatMap((item) => lines(item, width, style))])
  return sections.flatMap((section, index) => (index === 0 ? section : ['', ...section]))
}

function lines(item: CheckItem, width: number, style: Style): readonly string[] {
  const sign = item.level === 'ok' ? style.green('✔') : item.level === 'warning' ? style.yellow('!') : style.red('✖')
  const indent = ' '.repeat(width + 6)
  return [
    `  ${sign} ${style.dim(padEnd(oneLine(item.id, 40), width))}  ${oneLine(item.message)}`,
    ...(item.fix === undefined ? [] : [`${indent}${style.dim('fix')}  ${oneLine(item.fix, 4_000)}`]),
  ]
}

function sum(items: readonly CheckItem[], style: Style): string {
  const count = (level: CheckItem['level']): number => items.filter((item) => item.level === level).length
  const [problems, warnings] = [count('problem'), count('warning')]
  const text = `${many(problems, 'problem')}, ${many(warnings, 'warning')}, ${number(count('ok'))} ok`
  return problems > 0 ? style.red(`✖ ${text}`) : warnings > 0 ? style.yellow(`! ${text}`) : style.green(`✔ ${text}`)
}
