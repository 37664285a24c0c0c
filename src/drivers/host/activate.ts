// The switch of `current`: a new link beside it, renamed over it, so that there is no instant without one; then read back.
// What renames without following the old link is `mv -T` (GNU, busybox), `mv -h` (BSD, macOS), or perl.
import { RollgateError } from '../../domain/error.ts'
import type { Layout } from '../../domain/layout.ts'
import { quote } from '../../util/shell.ts'

/** Defines `rg_activate NAME`; sets `rg_changed` to 0 when `current` points there already. */
export function activateShell(layout: Layout): string {
  return `rg_current=${quote(layout.current)}
rg_releases=${quote(layout.releases)}
rg_activate() {
  rg_target=$rg_releases/$1
  if [ -d "$rg_current" ] && [ ! -L "$rg_current" ]; then echo "$rg_current is a real folder, not a link"; return 1; fi
  if [ ! -d "$rg_target" ]; then echo "$rg_target does not exist"; return 1; fi
  case $1 in r[0-9]*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f])
    if [ ! -f "$rg_state/releases/$1.json" ]; then echo "$1 is not complete: its record is missing"; return 1; fi;;
  esac
  if [ "$(readlink "$rg_current" 2>/dev/null && echo .)" = "$(printf '%s\\n.' "$rg_target")" ]; then rg_changed=0; return 0; fi
  rg_link=$rg_current.$$
  rm -f "$rg_link"
  ln -s "$rg_target" "$rg_link" || return 1
  if mv -fT "$rg_link" "$rg_current" 2>/dev/null || mv -fh "$rg_link" "$rg_current" 2>/dev/null ||
    perl -e 'rename $ARGV[0], $ARGV[1] or exit 1' "$rg_link" "$rg_current" 2>/dev/null; then :
  else
    rm -f "$rg_link"
    echo "$rg_current cannot be replaced"
    return 1
  fi
  if [ "$(readlink "$rg_current" && echo .)" != "$(printf '%s\\n.' "$rg_target")" ]; then echo "$rg_current does not point to $rg_target after the switch"; return 1; fi
}
`
}

/** @throws RollgateError E_ACTIVATE */
export function activateWords(release: string): string {
  return `rg_activate ${quote(folderName(release))}`
}

/** @throws RollgateError E_ACTIVATE */
export function folderName(release: string): string {
  if (release !== '' && release !== '.' && release !== '..' && !/[/\0\n]/.test(release)) return release
  throw new RollgateError('E_ACTIVATE', `${JSON.stringify(release)} is not the name of a release`)
}
