// The systemd unit that `setup` writes, rendered from templates/systemd.service. Pure. Careful about systemd's own language:
// `%` begins a specifier everywhere, `$` a variable in command lines, and a quoted word knows C escapes.
import { RollgateError } from '../../domain/error.ts'
import type { Layout } from '../../domain/layout.ts'

/** The first words of a unit that is ours to rewrite. */
export const UNIT_MARK = '# Written by `rollgate setup`'

export type UnitSettings = {
  readonly app: string
  readonly layout: Layout
  /** The command line that starts the app, for a shell. */
  readonly exec: string
  readonly scope: 'system' | 'user'
  readonly user: string
}

/** @throws RollgateError E_SETUP for what a unit cannot say */
export function renderUnit(template: string, settings: UnitSettings): string {
  const { app, layout, exec, scope, user } = settings
  const values: Readonly<Record<string, string>> = {
    app: plainLine(app),
    current: pathWord(layout.current),
    user: scope === 'system' ? `User=${plainLine(user)}` : '# Runs as the user whose manager this is.',
    exec: quoted(isOneCommand(exec) ? `exec ${exec}` : exec),
    target: scope === 'system' ? 'multi-user.target' : 'default.target',
  }
  return template.replace(/\{\{([a-z]+)\}\}/g, (whole, name: string) => values[name] ?? whole)
}

/** The file name of a unit: `shop` is `shop.service`. */
export function unitFile(unit: string): string {
  return /\.(service|socket|target|timer|path|mount|slice|scope)$/.test(unit) ? unit : `${unit}.service`
}

/** Then the shell gets out of the way: the process that systemd watches is the app itself. */
function isOneCommand(line: string): boolean {
  return !/[;&|<>(){}`\n]/.test(line) && !/^\s*(exec\s|[A-Za-z_]\w*=)/.test(line)
}

function plainLine(text: string): string {
  return text.replaceAll('%', '%%').replace(/[\x00-\x1f\x7f]/g, ' ')
}

/** A setting that takes the rest of its line as one path. */
function pathWord(path: string): string {
  if (/[\x00-\x1f\x7f*?[\]\\"']|^\s|\s$/.test(path))
    throw new RollgateError('E_SETUP', `${JSON.stringify(path)} cannot stand in a systemd unit`, { hints: ['choose another release.root'] })
  return path.replaceAll('%', '%%')
}

/** One word of a command line (systemd.service(5), COMMAND LINES). */
function quoted(text: string): string {
  if (text.includes('\0')) throw new RollgateError('E_SETUP', 'service.exec holds a zero byte')
  const escaped = text
    .replace(/["\\]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$')
  return `"${escaped}"`
}
