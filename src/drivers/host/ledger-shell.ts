// sh fragments that write the ledger. A line goes out in one append; where the last line was torn (full disk, power cut),
// a newline is put behind it first, so that the next entry does not become part of it. All words are safe by then.

import type { Layout } from '../../domain/layout.ts'
import { ledgerField } from '../../domain/ledger-line.ts'
import { quote } from '../../util/shell.ts'

/** Above this the ledger is cut back to its last lines, when nothing is unfinished. */
const LARGE_BYTES = 256 * 1024
const KEEP_LINES = 500

/** Defines `rg_note STEP STATE DETAIL`: status 0 only when the whole line is in the file. The state folder is made. */
export function ledgerShell(layout: Layout, rollout: string, epoch: number): string {
  return `rg_ledger=${quote(layout.ledger)}
rg_state=${quote(layout.state)}
rg_rollout=${quote(ledgerField(rollout))}
rg_note() {
  printf '1\\t%s\\t${epoch}\\t%s\\t%s\\t%s\\t%s\\t.\\n' "$(date +%s)" "$rg_rollout" "$1" "$2" "$3" >>"$rg_ledger" 2>/dev/null || return 1
  # Only this file, and only where that is cheap: a plain sync may take minutes on a busy host.
  sync -d "$rg_ledger" 2>/dev/null || :
}
[ -d "$rg_state" ] || { mkdir -p "$rg_state" && chmod 700 "$rg_state"; } || exit ${STATE_EXIT}
# The folder's mode protects what is in it: it stays closed for others.
if [ -s "$rg_ledger" ] && [ -n "$(tail -c 1 "$rg_ledger")" ]; then printf '\\n' >>"$rg_ledger" || exit ${STATE_EXIT}; fi
`
}

/** Words of `rg_note` for one entry. */
export function noteWords(step: string, state: string, detail: string): string {
  return `rg_note ${quote(ledgerField(step))} ${state} ${quote(ledgerField(detail, 64))}`
}

/** Cuts a large ledger back; to be used right after a rollout was closed. */
export const ROTATE_LEDGER = `if [ "$(wc -c <"$rg_ledger")" -gt ${LARGE_BYTES} ]; then
  tail -n ${KEEP_LINES} "$rg_ledger" >"$rg_ledger.part" && mv -f "$rg_ledger.part" "$rg_ledger" || rm -f "$rg_ledger.part"
fi
`

/** The state folder or the ledger cannot be written: the host is not touched. */
export const STATE_EXIT = 94
