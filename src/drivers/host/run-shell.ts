// sh functions that run somebody's command inside one of our scripts: with a time limit, in a session of its own that
// can be ended as a whole, its input empty (or a secret word, by a pipe and from a builtin), its output shown as it comes. Learned the hard way:
// - Output goes through a reader into a file and not into our pipe: a background child that keeps it open does not hold
//   us, and is not killed by a broken pipe either; the reader stays with it. Past 8 MB only the last 4 KB are kept.
// - The command runs in the foreground and the watcher in the background, not the reverse: what a shell starts with `&`
//   ignores SIGINT for good, and so would every service that it starts.
// - When the connection breaks, the script goes on to the end of what it does: half a phase is worse than a whole one.
import { quote } from '../../util/shell.ts'

/** Between the polite end of a session and the hard one. */
const KILL_AFTER_S = 5

/**
 * Defines `rg_run SECONDS WORD...`: the command's own status, 124 when it took too long and was killed. `work` is a
 * folder that does not exist yet; it is removed when the script ends.
 */
export function runShell(work: string): string {
  return `rg_work=${quote(work)}
(umask 077 && mkdir -p "$rg_work") || exit ${WORK_EXIT}
rg_clean() { rm -rf "$rg_work"; }
trap rg_clean EXIT
trap 'exit 143' TERM
trap '' PIPE HUP
if command -v setsid >/dev/null 2>&1; then rg_session() { exec setsid "$@"; }
elif command -v perl >/dev/null 2>&1; then rg_session() { exec perl -e 'use POSIX "setsid"; setsid(); exec @ARGV or exit 127' "$@"; }
else rg_session() { exec "$@"; }
fi
rg_nap() { sleep 0.1 2>/dev/null || sleep 1; }
# Seconds of a clock that nobody sets, where there is one.
rg_now() { if read -r rg_time rg_idle 2>/dev/null </proc/uptime; then rg_time=\${rg_time%%.*}; else rg_time=$(date +%s); fi; }
rg_end() { kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null; }
rg_watch() {
  trap '' TERM
  trap - EXIT
  rg_now; rg_since=$rg_time; rg_sent=0; rg_grace=0; rg_asked=
  while :; do
    rg_over=; [ ! -f "$1/status" ] || rg_over=1
    rg_size=$(wc -c <"$1/out")
    if [ "$rg_size" -gt "$rg_sent" ]; then
      tail -c "+$((rg_sent + 1))" "$1/out" | head -c "$((rg_size - rg_sent))"
      rg_sent=$((rg_size))
    elif [ -n "$rg_over" ]; then
      # The reader may still have some of it in hand; a child that holds the pipe is waited for no longer than this.
      [ ! -f "$1/read" ] && [ "$rg_grace" -lt 5 ] || break
      rg_grace=$((rg_grace + 1))
      rg_nap
      continue
    fi
    if [ -z "$rg_over" ]; then
      kill -0 "$$" 2>/dev/null || break
      rg_now
      rg_pid=; [ ! -f "$1/pid" ] || read -r rg_pid <"$1/pid"
      if [ -n "$rg_pid" ]; then
        if [ -z "$rg_asked" ] && [ "$((rg_time - rg_since))" -ge "$2" ]; then : >"$1/late"; rg_end TERM "$rg_pid"; rg_asked=$rg_time
        elif [ -n "$rg_asked" ] && [ "$((rg_time - rg_asked))" -ge ${KILL_AFTER_S} ]; then rg_end KILL "$rg_pid"
        fi
      fi
      rg_nap
    fi
  done
  # Past the limit of what is kept only the end matters.
  if [ -s "$1/end" ]; then printf '\\n[…]\\n'; cat "$1/end"; fi
}
rg_runs=0
rg_run() { rg_run_with '' "$@"; }
# TEXT SECONDS WORD...
rg_run_with() {
  rg_text=$1; rg_limit=$2; shift 2
  rg_runs=$((rg_runs + 1)); rg_dir=$rg_work/$rg_runs
  mkdir "$rg_dir" && mkfifo "$rg_dir/pipe" && : >"$rg_dir/out" || return ${WORK_EXIT}
  { dd bs=4096 count=2048 >"$rg_dir/out"; tail -c 4096 >"$rg_dir/end"; : >"$rg_dir/read"; } <"$rg_dir/pipe" >/dev/null 2>&1 &
  rg_watch "$rg_dir" "$rg_limit" 2>/dev/null &
  rg_watcher=$!
  rg_input=/dev/null; rg_giver=
  if [ -n "$rg_text" ]; then
    rg_input=$rg_dir/input
    mkfifo "$rg_input" || return ${WORK_EXIT}
    (trap - EXIT; printf '%s' "$rg_text" >"$rg_input") 2>/dev/null &
    rg_giver=$!
  fi
  (
    trap - EXIT TERM PIPE HUP
    rg_session sh -c 'echo "$$" >"$0/pid"; exec "$@"' "$rg_dir" "$@"
  ) <"$rg_input" >"$rg_dir/pipe" 2>&1
  rg_status=$?
  [ -z "$rg_giver" ] || wait "$rg_giver" 2>/dev/null
  : >"$rg_dir/status"
  wait "$rg_watcher"
  [ ! -f "$rg_dir/late" ] || { rg_end KILL "$(cat "$rg_dir/pid")"; rg_status=124; }
  return "$rg_status"
}
`
}

/** The work folder cannot be made or written. */
export const WORK_EXIT = 95
