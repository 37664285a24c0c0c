// sudo that wants a password: asked once on a terminal, tried on every host before anything is touched, kept in memory for
// this run, and handed over by standard input. Without a terminal, or where sudo says no, it is an error that holds the
// exact sudoers lines.
import { RollgateError } from '../domain/error.ts'
import type { ReachableHost } from '../domain/facts.ts'
import type { HostName } from '../domain/host.ts'
import { trySudoScript } from '../drivers/host/sudo-script.ts'
import { sudoersLines } from '../drivers/service/systemd.ts'
import { limited } from '../util/limit.ts'
import { stdinScript } from '../util/shell.ts'
import type { AppContext } from './context.ts'
import { reachableHosts, stopAtOnce } from './reach.ts'
import type { Work } from './rollout.ts'

/** For one run, for all hosts. */
export type SudoPassword = { get(): string | null; set(password: string): void }

const TRIES = 3
const AT_ONCE = 16
const TIMEOUT_MS = 60_000

export function createSudoPassword(): SudoPassword {
  let kept: string | null = null
  return {
    get: () => kept,
    set(password) {
      kept = password
    },
  }
}

/**
 * Before the first host is touched: the services of these hosts can be driven.
 *
 * @throws RollgateError E_SUDO with the sudoers lines that are missing
 */
export async function settleSudo(work: Work, hosts: readonly HostName[]): Promise<void> {
  const { session, context } = work
  const barred = reachableHosts(work).filter((host) => hosts.includes(host.host) && host.sudo !== 'ok' && host.sudo !== 'unneeded')
  const refused = barred.filter((host) => host.sudo !== 'password')
  if (refused.length > 0) throw sudoError(work, refused, 'does not allow it')
  if (barred.length === 0) return
  if (context.ask === null) throw sudoError(work, barred, 'asks for a password, and there is no terminal to ask on')
  for (let left = TRIES; ; left -= 1) {
    const password = session.sudo.get() ?? (await askSudoPassword(context, barred))
    const said = await limited(barred, AT_ONCE, (host) => trySudo(work, host, password))
    const bad = barred.filter((_host, index) => said[index] !== 'ok')
    if (bad.length === 0) return session.sudo.set(password)
    // Wrong everywhere is a slip of the keys; wrong on some hosts is another matter.
    const slip = said.every((word) => word === 'wrong')
    if (left <= 1 || !slip || session.sudo.get() !== null)
      throw sudoError(work, bad, said.includes('wrong') ? 'refuses the password' : 'does not allow it')
    work.emit({ type: 'notice', message: `sudo refuses this password on ${bad.map((host) => host.host).join(', ')}` })
  }
}

export async function askSudoPassword(context: AppContext, hosts: readonly ReachableHost[]): Promise<string> {
  if (context.ask === null) throw new RollgateError('E_ANSWER_NEEDED', 'sudo wants a password, and there is no terminal to ask on')
  const users = [...new Set(hosts.map((host) => host.system.user))].join(', ')
  const names = hosts.map((host) => host.host)
  const where = names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')
  return context.ask.secret(`sudo password of ${users} on ${where}`, { signal: context.control.asked })
}

async function trySudo(work: Work, host: ReachableHost, password: string): Promise<'ok' | 'wrong' | 'denied'> {
  const signal = stopAtOnce(work)
  const { argv, stdin } = stdinScript(trySudoScript(unitsOf(work, host.host), password))
  const connection = await work.session.connect(host.host, signal)
  const { exitCode, stdout } = await connection.run({ argv, stdin, timeoutMs: TIMEOUT_MS }, { signal })
  return exitCode === 0 ? 'ok' : stdout.includes('wrong') ? 'wrong' : 'denied'
}

function unitsOf(work: Work, name: HostName): readonly string[] {
  const host = work.session.chosen.find((candidate) => candidate.name === name)
  return host === undefined ? [] : work.session.manager(host).units
}

function sudoError(work: Work, hosts: readonly ReachableHost[], why: string): RollgateError {
  const lines = hosts.flatMap((host) => sudoersLines(host.system.user, unitsOf(work, host.host)))
  const names = hosts.map((host) => host.host).join(', ')
  return new RollgateError('E_SUDO', `the service cannot be driven on ${names}: sudo ${why}`, {
    ...(hosts.length === 1 && hosts[0] !== undefined ? { host: hosts[0].host } : {}),
    now: 'nothing was changed',
    hints: ['visudo -f /etc/sudoers.d/rollgate   (on each of them, with these lines)', ...new Set(lines)],
  })
}
