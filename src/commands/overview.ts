// `rollgate --help`: the list of commands, made from the list alone.
import { COMMANDS, type CommandGroup, typed } from './index.ts'

const GROUPS: readonly CommandGroup[] = ['Start', 'Roll out', 'Look', 'By hand', 'Configuration']

export function overview(): string {
  const width = Math.max(...COMMANDS.map((entry) => typed(entry.id).length))
  const groups = GROUPS.map((group) =>
    section(
      group.toUpperCase(),
      COMMANDS.filter((entry) => entry.group === group),
      width,
    ),
  )
  return [
    'Progressive delivery for plain servers: rolling deploys over SSH, behind the load balancer you already have.',
    '',
    'USAGE',
    '  $ rollgate COMMAND [FLAGS]',
    '',
    ...groups,
    'Each command explains itself: rollgate COMMAND --help',
    '',
  ].join('\n')
}

/** `rollgate config`: the commands of one topic. */
export function topicOverview(topic: string): string {
  const entries = COMMANDS.filter((entry) => entry.id.startsWith(`${topic}:`))
  const width = Math.max(...entries.map((entry) => typed(entry.id).length))
  return ['USAGE', `  $ rollgate ${topic} COMMAND [FLAGS]`, '', section('COMMANDS', entries, width), ''].join('\n')
}

function section(title: string, entries: typeof COMMANDS, width: number): string {
  const lines = entries.map((entry) => `  ${typed(entry.id).padEnd(width)}  ${entry.summary}`)
  return [title, ...lines, ''].join('\n')
}
