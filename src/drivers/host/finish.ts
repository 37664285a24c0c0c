// The end of a rollout on one host, in one script: how the release fared, a line of history, old releases pruned, the
// ledger closed. Closed last: a script that dies before leaves the rollout unfinished, and it can be run again.
import type { Layout } from '../../domain/layout.ts'
import type { HostPort } from '../../domain/ports.ts'
import type { ReleaseId } from '../../domain/release.ts'
import { quote } from '../../util/shell.ts'
import { pruneScript } from '../stage/prune.ts'
import { folderName } from './activate.ts'
import { ledgerShell, noteWords, ROTATE_LEDGER } from './ledger-shell.ts'

export type Finish = Parameters<HostPort['finish']>[1]

const KEEP_ROLLOUTS = 20
const HISTORY_LINES = 500

/** Prints `pruned ID` for each release that went, and `kept WHY` where pruning failed. */
export function finishScript(layout: Layout, rollout: string, epoch: number, finish: Finish, fence: string): string {
  const { succeeded, failed, keep, protect, outcome, summary } = finish
  return `umask 022
unset CDPATH
${ledgerShell(layout, rollout, epoch)}${fence}
${succeeded === null ? '' : outcomeShell(layout, succeeded, 'succeeded')}${failed === null ? '' : outcomeShell(layout, failed, 'failed')}rg_history=${quote(layout.history)}
${historyShell(summary)}
if [ "$(wc -l <"$rg_history")" -gt ${2 * HISTORY_LINES} ]; then
  tail -n ${HISTORY_LINES} "$rg_history" >"$rg_history.part" && mv -f "$rg_history.part" "$rg_history" || rm -f "$rg_history.part"
fi
if [ -d "$rg_state/releases" ]; then
  { ( ${pruneScript(layout, { keep, protect, ...(fence === '' ? {} : { guard: fence }) })} ) 2>&1 && echo ok; } | while IFS= read -r rg_line; do
    case $rg_line in
      ok) ;;
      r[0-9]*-[0-9a-f]*) printf 'pruned %s\\n' "$rg_line";;
      *) printf 'kept %s\\n' "$rg_line";;
    esac
  done
fi
# Plans of rollouts long over; their folders are named by us, in hex.
(cd ${quote(`${layout.state}/rollouts`)} 2>/dev/null && ls -t | tail -n +${KEEP_ROLLOUTS + 1} | while IFS= read -r rg_old; do
  case $rg_old in *[!0-9a-f]* | '') ;; *) rm -rf "./$rg_old";; esac
done)
${noteWords('-', 'closed', outcome)} || exit 1
${ROTATE_LEDGER}exit 0
`
}

// A release that is not ours has no record, and gets no word either.
function outcomeShell(layout: Layout, release: ReleaseId, word: string): string {
  folderName(release)
  const file = quote(layout.outcome(release))
  return `if [ -f ${quote(layout.info(release))} ]; then echo ${word} >${file}.part && mv -f ${file}.part ${file} || exit 1; fi
`
}

/** The executor's line, stamped with the host's own time: order is the order of lines. */
function historyShell(summary: string): string {
  const line = summary.replace(/[\n\r]/g, ' ')
  const open = /^\{.*\}$/.test(line) && !line.includes('"at":') ? line.slice(0, -1) : null
  if (open === null) return `printf '%s\\n' ${quote(line)} >>"$rg_history" || exit 1`
  return `printf '%s,"at":"%s"}\\n' ${quote(open)} "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$rg_history" || exit 1`
}
