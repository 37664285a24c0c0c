// systemd, driven by systemctl. Only what config.md names goes through sudo: `systemctl start|stop|restart|reload UNIT`,
// options last, and only where we are not root; reading needs no rights. Careful about start limits: a release that
// crashed in a loop has used its unit's starts up, and the way back must not be refused for it (`reset-failed` would need
// a right that nobody gave us, so we wait until the interval is over).
import type { Command, CommandResult } from '../../domain/command.ts'
import type { ServiceManager, ServiceSettings, ServiceState, ServiceStatus } from '../../domain/service.ts'
import { cleanText } from '../../util/text.ts'

type Verb = 'start' | 'stop' | 'restart' | 'reload'
type Scope = 'system' | 'user'

export function createSystemd(settings: Extract<ServiceSettings, { kind: 'systemd' }>): ServiceManager {
  const { units, scope } = settings
  const change = (verb: Verb, unit: string): Command => ({ argv: ['sh', '-c', CHANGE, 'systemctl', scope, verb, unit] })
  return {
    kind: scope === 'system' ? 'systemd' : 'systemd-user',
    units,
    start: (unit) => change('start', unit),
    stop: (unit) => change('stop', unit),
    restart: (unit) => change('restart', unit),
    reload: (unit) => change('reload', unit),
    status: (unit) => ({ argv: ['sh', '-c', STATUS, 'systemctl', scope, unit], timeoutMs: 15_000 }),
    logs: (unit, options) => ({ argv: ['sh', '-c', LOGS, 'journalctl', ...journalWords(scope, unit, options)] }),
    readStatus: (unit, result) => readSystemdStatus(unit, result),
  }
}

/** The lines that let `user` drive the units without a password. @param systemctl its absolute path on the host */
export function sudoersLines(user: string, units: readonly string[], systemctl = '/usr/bin/systemctl'): readonly string[] {
  const verbs: readonly Verb[] = ['start', 'stop', 'restart', 'reload']
  return units.map((unit) => `${user} ALL=(root) NOPASSWD: ${verbs.map((verb) => `${systemctl} ${verb} ${sudoersWord(unit)}`).join(', ')}`)
}

/** sudoers(5): these have a meaning in the arguments of a command. */
function sudoersWord(word: string): string {
  return word.replace(/[,:=\\*?[\]!]/g, '\\$&')
}

const HEAD = `LC_ALL=C; export LC_ALL
if [ "$1" = user ]; then
  XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR
  rg_systemctl() { systemctl --user "$@"; }
else
  rg_systemctl() { systemctl "$@"; }
fi
`

// At most a minute of patience: systemd's default interval is 10 s.
// The password, where there is one, is the one line of its input; a builtin hands it on.
const CHANGE = `${HEAD}
rg_password=; IFS= read -r rg_password || :
rg_change() {
  if [ "$1" = user ]; then rg_systemctl "$2" "$3"
  elif [ "$(id -u)" = 0 ]; then systemctl "$2" "$3"
  elif [ -n "$rg_password" ]; then printf '%s\\n' "$rg_password" | sudo -S -p '' systemctl "$2" "$3"
  else sudo -n systemctl "$2" "$3" </dev/null
  fi
}
rg_tries=0
while :; do
  rg_change "$1" "$2" "$3" && exit 0
  rg_status=$?
  case $2 in start|restart) ;; *) exit "$rg_status";; esac
  [ "$rg_tries" -lt 12 ] || exit "$rg_status"
  case $(rg_systemctl show -p Result "$3" 2>/dev/null) in *=start-limit-hit) ;; *) exit "$rg_status";; esac
  echo "$3 was started too often before: waiting until its start limit allows another try" >&2
  rg_tries=$((rg_tries + 1))
  sleep 5
done`

const PROPERTIES = 'LoadState,ActiveState,SubState,Result,MainPID,ExecMainStartTimestampMonotonic,ExecMainCode,ExecMainStatus,NRestarts'

const STATUS = `${HEAD}
rg_shown=$(rg_systemctl show -p ${PROPERTIES} "$2") || exit
printf '%s\\n' "$rg_shown"
rg_pid=$(printf '%s\\n' "$rg_shown" | sed -n 's/^MainPID=\\([1-9][0-9]*\\)$/\\1/p')
[ -n "$rg_pid" ] || exit 0
# Of another user's process only the manager knows, and it says what it was told: the link is followed here.
rg_folder=$(readlink "/proc/$rg_pid/cwd" 2>/dev/null) || {
  rg_folder=$(rg_systemctl show -p WorkingDirectory "$2"); rg_folder=\${rg_folder#WorkingDirectory=}; rg_folder=\${rg_folder#!}
  rg_folder=$(case $rg_folder in /*) cd "$rg_folder" 2>/dev/null && pwd -P;; esac)
}
[ -z "$rg_folder" ] || printf 'Folder=%s\\n' "$rg_folder"
exit 0`

// A user's own unit is looked for in every journal that we may read: without persistent storage there is none of its own.
// An empty answer from a journal that is closed to this login would look like an app that says nothing.
const LOGS = `LC_ALL=C; export LC_ALL
rg_closed=
for rg_file in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do
  [ ! -e "$rg_file" ] || { if [ -r "$rg_file" ]; then rg_closed=no; break; fi; rg_closed=yes; }
done
[ "$rg_closed" != yes ] || echo "$(id -un) may not read the system's journal here: add it to the group systemd-journal"
exec journalctl --no-pager -o short-iso "$@"`

function journalWords(scope: Scope, unit: string, options: Parameters<ServiceManager['logs']>[1]): readonly string[] {
  return [
    scope === 'user' ? `--user-unit=${unit}` : `--unit=${unit}`,
    `--lines=${Math.max(0, Math.trunc(options.lines))}`,
    ...(options.since === undefined ? [] : [`--since=${since(options.since)}`]),
    ...(options.follow === true ? ['--follow'] : []),
  ]
}

/** `10m` is ten minutes ago; anything else is systemd's own form (systemd.time(7)). */
function since(text: string): string {
  return /^\d+(s|m|min|h|d)$/.test(text) ? `-${text}` : text
}

/** Strict: a line that is not what we asked for is not believed. */
export function readSystemdStatus(unit: string, result: CommandResult): ServiceStatus {
  const shown = new Map(
    result.stdout.split('\n').flatMap((line): [string, string][] => {
      const match = /^([A-Za-z]{1,40})=(.{0,4096})$/.exec(line)
      return match === null ? [] : [[match[1] ?? '', match[2] ?? '']]
    }),
  )
  const unknown = (detail: string): ServiceStatus => ({
    unit,
    state: 'unknown',
    pid: null,
    lastExit: null,
    generation: null,
    restarts: null,
    workingDirectory: null,
    detail,
  })
  if (result.lost || result.timedOut) return unknown(result.lost ? 'the connection was lost' : 'systemctl did not answer in time')
  const active = shown.get('ActiveState')
  if (result.exitCode !== 0 || active === undefined) {
    const said = cleanText(result.stderr.trim().split('\n')[0] ?? '', 200)
    return unknown(said === '' ? `systemctl ended with ${result.exitCode ?? 'a signal'}` : said)
  }
  const load = shown.get('LoadState') ?? ''
  if (load === 'not-found') return { ...unknown('there is no such unit'), cannotStart: true }
  if (load === 'masked') return { ...unknown('the unit is masked'), cannotStart: true }
  if (load === 'error' || load === 'bad-setting') return { ...unknown(`the unit cannot be loaded (${load})`), cannotStart: true }
  const sub = cleanText(shown.get('SubState') ?? '', 40)
  const why = cleanText(shown.get('Result') ?? '', 40)
  const pid = count(shown.get('MainPID')) || null
  const started = shown.get('ExecMainStartTimestampMonotonic') ?? ''
  const lastExit = exitOf(count(shown.get('ExecMainCode')), count(shown.get('ExecMainStatus')))
  return {
    unit,
    state: stateOf(active),
    pid,
    lastExit,
    generation: pid === null ? null : `${pid}@${/^\d+$/.test(started) ? started : '0'}`,
    restarts: count(shown.get('NRestarts')),
    workingDirectory: shown.get('Folder') ?? null,
    detail: [
      `${cleanText(active, 40)} (${sub})`,
      ...(why === '' || why === 'success' ? [] : [why]),
      ...(lastExit === null ? [] : [lastExit]),
    ].join(', '),
  }
}

function stateOf(active: string): ServiceState {
  switch (active) {
    case 'active':
    case 'reloading':
    case 'refreshing':
      return 'active'
    case 'activating':
      return 'starting'
    case 'deactivating':
      return 'stopping'
    case 'inactive':
    case 'failed':
      return active
    default:
      return 'unknown'
  }
}

/** `si_code` of the last end (waitid(2)): 1 exited, 2 killed, 3 dumped core; 0 while it runs. */
function exitOf(code: number | null, status: number | null): string | null {
  if (code === 1) return `exit ${status ?? '?'}`
  return code === 2 || code === 3 ? `signal ${status ?? '?'}` : null
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
}
