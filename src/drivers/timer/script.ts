// Dead-man timers, POSIX sh on the balancer's host. A rollout has a folder there: `beat` (when it runs out, by uptime),
// one `entry.ID` for each server that we have taken out (sh text that brings it back safely), and a watcher that looks
// every two seconds. Entries are put there before the drain and taken away after the enable; when the beat runs out, the
// watcher runs what is left of them, writes down what came of each, and ends. It never changes a release.
import { ledgerField } from '../../domain/ledger-line.ts'
import { quote } from '../../util/shell.ts'

export type TimerFolder = {
  /** Of the app and environment: what this login's other rollouts have nothing to do with. */
  readonly scope: string
  readonly rollout: string
}

/** The folder cannot be written. */
export const TIMER_EXIT = 94

// Uptime, which nobody sets; where there is none the wall clock.
const CLOCK = `rt_now() { if read -r rt_up rt_idle 2>/dev/null </proc/uptime; then rt_up=\${rt_up%%.*}; else rt_up=$(date +%s); fi; }
rt_boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid 2>/dev/null || echo unknown)
`

function place({ scope, rollout }: TimerFolder): string {
  return `umask 077
unset CDPATH
LC_ALL=C; export LC_ALL
rt_base=\${HOME:?}/.rollgate/timers/${quote(safeName(scope))}
rt_dir=$rt_base/${quote(safeName(rollout))}
${CLOCK}`
}

export function safeName(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9_-]/g, (letter) => `.${letter.codePointAt(0)?.toString(16) ?? ''}.`)
  return safe.slice(0, 120)
}

/** Puts an entry there, renews the beat, starts the watcher where none runs. Other rollouts' folders of this scope are stale: we hold the lock. */
export function armScript(folder: TimerFolder, id: string, entry: string, seconds: number): string {
  const name = safeName(id)
  // Without it the last line would be an empty one.
  const text = entry.trimEnd()
  return `${place(folder)}mkdir -p "$rt_dir" 2>/dev/null || exit ${TIMER_EXIT}
for rt_old in "$rt_base"/*; do [ "$rt_old" = "$rt_dir" ] || [ ! -d "$rt_old" ] || rm -rf "$rt_old"; done
printf '%s\\n' ${quote(text)} >"$rt_dir/new" 2>/dev/null || exit ${TIMER_EXIT}
# The last line tells a whole entry from one that a full disk has cut.
case $(tail -n 1 "$rt_dir/new") in ${quote(lastLine(text))}) ;; *) exit ${TIMER_EXIT};; esac
mv -f "$rt_dir/new" "$rt_dir/entry.${name}" || exit ${TIMER_EXIT}
${beatShell(seconds)}printf '%s\\n' ${quote(watcher(folder))} >"$rt_dir/watch" || exit ${TIMER_EXIT}
${START}`
}

export function beatScript(folder: TimerFolder, seconds: number): string {
  return `${place(folder)}[ -d "$rt_dir" ] || { echo gone; exit 0; }
${beatShell(seconds)}echo kept
`
}

/** After the server is back. The watcher ends by itself when the last entry is gone. */
export function disarmScript(folder: TimerFolder, id: string): string {
  return `${place(folder)}rm -f "$rt_dir/entry.${safeName(id)}"
exit 0
`
}

/** The end of a rollout, whatever it left: nobody is brought back any more. */
export function endScript(folder: TimerFolder): string {
  return `${place(folder)}rm -rf "$rt_dir"
exit 0
`
}

/** Lines of what timers did: `when TAB rollout TAB entry TAB outcome`, and `armed ROLLOUT ID LEFT` for what is armed. */
export function readTimersScript(scope: string): string {
  return `${place({ scope, rollout: '-' })}rt_now
tail -n 50 "$rt_base/results" 2>/dev/null
for rt_file in "$rt_base"/*/entry.*; do
  [ -f "$rt_file" ] || continue
  rt_owner=\${rt_file%/*}
  rt_end=; rt_of=; { read -r rt_end; read -r rt_of; } <"$rt_owner/beat" 2>/dev/null || :
  case $rt_end in '' | *[!0-9]*) rt_end=0;; esac
  rt_end=\${rt_end#"\${rt_end%%[!0]*}"}
  printf 'armed\\t%s\\t%s\\t%s\\n' "\${rt_owner##*/}" "\${rt_file##*/entry.}" "$((\${rt_end:-0} - rt_up))"
done
exit 0
`
}

// Ten digits in place: it works on a full disk, and a reader never sees half a number.
function beatShell(seconds: number): string {
  return `rt_now
if [ -f "$rt_dir/beat" ]; then printf '%010d' "$((rt_up + ${seconds}))" 1<>"$rt_dir/beat" || exit ${TIMER_EXIT}
else printf '%010d\\n%s\\n' "$((rt_up + ${seconds}))" "$rt_boot" >"$rt_dir/beat" || exit ${TIMER_EXIT}
fi
`
}

// Outside this session in every way, so that neither the end of the connection nor systemd's clean-up takes it along.
const START = `rt_pid=; [ ! -f "$rt_dir/pid" ] || read -r rt_pid <"$rt_dir/pid"
if [ -n "$rt_pid" ] && kill -0 "$rt_pid" 2>/dev/null; then echo armed; exit 0; fi
rt_linger=$(loginctl show-user "$(id -un)" --property=Linger --value 2>/dev/null)
if [ "$rt_linger" = yes ] && [ -z "$XDG_RUNTIME_DIR" ]; then XDG_RUNTIME_DIR=/run/user/$(id -u); export XDG_RUNTIME_DIR; fi
if [ "$rt_linger" = yes ] && systemd-run --user --collect --quiet -- sh "$rt_dir/watch" "$rt_dir" >/dev/null 2>&1 </dev/null; then :
elif command -v setsid >/dev/null 2>&1; then setsid sh "$rt_dir/watch" "$rt_dir" >/dev/null 2>&1 </dev/null &
else nohup sh "$rt_dir/watch" "$rt_dir" >/dev/null 2>&1 </dev/null &
fi
rt_tries=0
while [ ! -f "$rt_dir/pid" ] && [ "$rt_tries" -lt 50 ]; do rt_tries=$((rt_tries + 1)); sleep 0.1 2>/dev/null || sleep 1; done
[ -f "$rt_dir/pid" ] || exit ${TIMER_EXIT}
echo armed
`

/** The watcher's own text. Between two looks the rollout may have armed again: the beat is read right before each entry. */
function watcher(folder: TimerFolder): string {
  return `umask 077
LC_ALL=C; export LC_ALL
trap '' HUP PIPE
rt_dir=$1
rt_base=\${rt_dir%/*}
${CLOCK}echo "$$" >"$rt_dir/pid.$$" && mv -f "$rt_dir/pid.$$" "$rt_dir/pid" || exit 1
rt_over() {
  rt_now
  rt_end=; rt_of=; { read -r rt_end; read -r rt_of; } <"$rt_dir/beat" 2>/dev/null || return 1
  rt_end=\${rt_end#"\${rt_end%%[!0]*}"}
  [ "$rt_of" != "$rt_boot" ] || [ "$rt_up" -ge "\${rt_end:-0}" ]
}
while [ -d "$rt_dir" ]; do
  sleep 2
  # Nothing to watch for a while, and nobody beats: the operator went away between two hosts.
  rt_any=; for rt_entry in "$rt_dir"/entry.*; do [ ! -f "$rt_entry" ] || rt_any=1; done
  rt_over || continue
  [ -n "$rt_any" ] || { rm -rf "$rt_dir"; exit 0; }
  for rt_entry in "$rt_dir"/entry.*; do
    [ -f "$rt_entry" ] || continue
    rt_over || break
    sh "$rt_entry" >"$rt_dir/out" 2>&1 </dev/null
    case $? in 0) rt_word=self-restored;; 1) rt_word=orphaned;; *) rt_word=unknown;; esac
    printf '%s\\t%s\\t%s\\t%s\\n' "$(date +%s)" ${quote(ledgerField(folder.rollout))} "\${rt_entry##*/entry.}" "$rt_word" >>"$rt_base/results"
    [ "$rt_word" = unknown ] || rm -f "$rt_entry"
  done
done
exit 0
`
}

function lastLine(entry: string): string {
  return entry.split('\n').findLast((line) => line !== '') ?? ''
}
