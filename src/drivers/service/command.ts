// A service driven by the user's own shell lines, run in `current` with the release's environment. What they start must
// outlive us, so nothing of it may hold our pipes: input is empty, output goes to `.rollgate/logs/service.log`. How it
// keeps track of its processes is the user's business (pid file, pm2, …).
import type { Command, CommandResult } from '../../domain/command.ts'
import { ENV_FILE, type Layout } from '../../domain/layout.ts'
import type { ServiceManager, ServiceSettings, ServiceState, ServiceStatus } from '../../domain/service.ts'
import { quote } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'

/** The one name of a command service. */
const UNIT = 'service'
const STATUS_TIMEOUT_MS = 15_000

export function createCommandService(settings: Extract<ServiceSettings, { kind: 'command' }>, layout: Layout): ServiceManager {
  const { start, stop, restart, status, logs } = settings
  const change = (action: string, lines: readonly string[]): Command => ({
    argv: ['sh', '-c', changeScript(layout, action), 'service', ...lines],
  })
  return {
    kind: 'command',
    units: [UNIT],
    start: () => change('start', [start]),
    stop: () => change('stop', [stop]),
    restart: () => (restart === undefined ? change('restart', [stop, start]) : change('restart', [restart])),
    // A process started by unknown means can only be told to reload by being restarted.
    reload: () => (restart === undefined ? change('restart', [stop, start]) : change('restart', [restart])),
    status: () => ({
      argv: ['sh', '-c', statusScript(layout), 'service', ...(status === undefined ? [] : [status])],
      timeoutMs: STATUS_TIMEOUT_MS,
    }),
    logs: (_unit, options) => ({
      argv: [
        'sh',
        '-c',
        logs === undefined ? ownLogs(layout, options) : userLogs(layout, options),
        'service',
        ...(logs === undefined ? [] : [logs]),
      ],
    }),
    readStatus: (unit, result) => readCommandStatus(unit, result, status !== undefined),
  }
}

/** `current` and its environment, as the service itself has them. */
export function inRelease(layout: Layout, folder: string): string {
  return `cd -- ${quote(folder)} || exit 1
ROLLGATE_ROOT=${quote(layout.root)}; ROLLGATE_CURRENT=${quote(layout.current)}; export ROLLGATE_ROOT ROLLGATE_CURRENT
if [ -r ./${ENV_FILE} ]; then set -a; . ./${ENV_FILE}; set +a; fi
`
}

// The tail of what it printed is for the error of a failed change; the whole of it is in the log.
function changeScript(layout: Layout, action: string): string {
  const log = `${layout.state}/logs/service.log`
  return `${inRelease(layout, layout.current)}ROLLGATE_ACTION=${action}; export ROLLGATE_ACTION
rg_log=${quote(log)}
mkdir -p ${quote(`${layout.state}/logs`)} && [ -w ${quote(`${layout.state}/logs`)} ] || rg_log=/dev/null
if [ -f "$rg_log" ] && [ "$(wc -c <"$rg_log")" -gt 10485760 ]; then mv -f "$rg_log" "$rg_log.1"; fi
rg_before=0; [ ! -f "$rg_log" ] || rg_before=$(wc -c <"$rg_log")
for rg_line do
  # In the foreground: what a shell starts with & ignores SIGINT for good, and so would the service.
  sh -c "$rg_line" </dev/null >>"$rg_log" 2>&1 || {
    rg_status=$?
    [ ! -f "$rg_log" ] || tail -c "+$((rg_before + 1))" "$rg_log" | tail -n 20
    exit "$rg_status"
  }
done
exit 0`
}

// Which start it is: the process number and when it began; numbers come again.
function statusScript(layout: Layout): string {
  return `[ "$#" -gt 0 ] || exit 0
[ -d ${quote(layout.current)} ] || { echo 'status 3'; exit 0; }
rg_said=$( ( ${inRelease(layout, layout.current)}ROLLGATE_ACTION=status; export ROLLGATE_ACTION; exec sh -c "$1" ) </dev/null 2>&1); rg_status=$?
echo "status $rg_status"
printf '%s\\n' "$rg_said" | head -c 2000 | sed 's/^/said /'
rg_pid=$(printf '%s\\n' "$rg_said" | head -c 2000 | sed -n 's/^[^0-9]*\\([1-9][0-9]*\\)[^0-9]*$/\\1/p' | head -n 1)
if [ -n "$rg_pid" ] && kill -0 "$rg_pid" 2>/dev/null || [ -d "/proc/\${rg_pid:-none}" ]; then
  echo "pid $rg_pid"
  if [ -r "/proc/$rg_pid/stat" ]; then
    echo "born $(sed 's/.*) //' "/proc/$rg_pid/stat" 2>/dev/null | cut -d ' ' -f 20)"
    rg_folder=$(readlink "/proc/$rg_pid/cwd" 2>/dev/null) && printf 'folder %s\\n' "$rg_folder"
  else echo "born $(ps -o lstart= -p "$rg_pid" 2>/dev/null | tr -s ' ' '-')"
  fi
fi
exit 0`
}

/** What the shell lines printed is kept without times: to show everything for `--since` would be a wrong answer. */
function ownLogs(layout: Layout, options: Parameters<ServiceManager['logs']>[1]): string {
  if (options.since !== undefined) return `echo 'this log has no times in it: --since needs service.logs, or a systemd unit' >&2; exit 64`
  return `[ -f ${quote(`${layout.state}/logs/service.log`)} ] || { echo 'nothing was started here yet' >&2; exit 66; }
exec tail -n ${Math.max(0, Math.trunc(options.lines))} ${options.follow === true ? '-f ' : ''}${quote(`${layout.state}/logs/service.log`)}`
}

function userLogs(layout: Layout, options: Parameters<ServiceManager['logs']>[1]): string {
  const words = {
    ROLLGATE_ACTION: 'logs',
    ROLLGATE_LINES: String(options.lines),
    ROLLGATE_FOLLOW: options.follow === true ? '1' : '',
    ROLLGATE_SINCE: options.since ?? '',
  }
  const variables = Object.entries(words).map(([name, value]) => `${name}=${quote(value)}; export ${name}`)
  return `${inRelease(layout, layout.current)}${variables.join('\n')}\nexec sh -c "$1"`
}

/** Exit codes as the Linux Standard Base has them for `status`: 0 runs, 1 and 2 dead, 3 not running. */
export function readCommandStatus(unit: string, result: CommandResult, asked: boolean): ServiceStatus {
  const lines = result.stdout.split('\n')
  const word = (name: string): string | null => lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? null
  const code = /^\d{1,3}$/.test(word('status') ?? '') ? Number(word('status')) : null
  const said = cleanText(
    lines
      .flatMap((line) => (line.startsWith('said ') ? [line.slice(5)] : []))
      .join(' ')
      .trim(),
    200,
  )
  const state: ServiceState =
    !asked || code === null ? 'unknown' : code === 0 ? 'active' : code === 3 ? 'inactive' : code === 1 || code === 2 ? 'failed' : 'unknown'
  const pid = state === 'active' && /^[1-9]\d{0,9}$/.test(word('pid') ?? '') ? Number(word('pid')) : null
  const born = word('born')
  return {
    unit,
    state,
    pid,
    lastExit: null,
    generation: pid === null ? null : `${pid}@${cleanText(born ?? '', 40)}`,
    restarts: null,
    workingDirectory: pid === null ? null : word('folder'),
    detail: detailOf(asked, result, code, said),
  }
}

function detailOf(asked: boolean, result: CommandResult, code: number | null, said: string): string {
  if (!asked) return 'no status command is configured'
  if (result.lost) return 'the connection was lost'
  if (result.timedOut) return 'the status command did not end in time'
  if (code === null) return `the status command could not be run${said === '' ? '' : `: ${said}`}`
  const words = code === 0 ? 'running' : code === 3 ? 'not running' : `status command ended with ${code}`
  return said === '' ? words : `${words}: ${said}`
}
