// What `setup` does on a host, as one script that can be run again and again: folders for the login, shared folders, the
// units, lingering. It runs as the login; only single commands go through sudo, and only where the login may not. It
// prints `did WHAT` for each change, `note WHAT` for what a person should know and `root WHAT` for what wants root and
// could not be done; the caller asks for the password then and runs it again.
import type { Layout } from '../../domain/layout.ts'
import { quote, quoteAll } from '../../util/shell.ts'
import { UNIT_MARK } from '../service/unit.ts'
import type { SharedPath } from '../stage/shared.ts'

export type SetupUnit = {
  readonly unit: string
  readonly file: string
  /** null: nothing to render it from. */
  readonly text: string | null
}

export type SetupRequest = {
  readonly layout: Layout
  readonly shared: readonly SharedPath[]
  readonly units: readonly SetupUnit[]
  readonly scope: 'system' | 'user'
  /** sudo's, when somebody typed it: it stays in the script, which travels by standard input. */
  readonly password: string | null
}

/** A folder could not be made or a unit not written; what was done until then is done. */
export const SETUP_EXIT = 61

export function setupScript(request: SetupRequest): string {
  const { layout, shared, units, scope, password } = request
  const folders = [layout.root, layout.releases, layout.shared, layout.state, `${layout.state}/releases`]
  return `umask 022
LC_ALL=C; export LC_ALL
unset CDPATH
PATH=$PATH:/usr/sbin:/sbin; export PATH
rg_password=${quote(password ?? '')}
rg_me=$(id -un)
rg_group=$(id -gn)
state=${quote(layout.state)}
${ROOT}${FOLDERS}
${folders.map((folder) => `rg_folder ${quote(folder)} || exit ${SETUP_EXIT}`).join('\n')}
chmod 700 "$state" 2>/dev/null
if [ -d ${quote(layout.current)} ] && [ ! -L ${quote(layout.current)} ]; then echo ${quote(`note ${layout.current} is a real folder: \`rollgate setup --adopt\` turns it into a release`)}; fi
${shared.map((path) => sharedShell(layout, path)).join('\n')}
${units.length === 0 ? '' : UNITS[scope]}${units.map(unitShell).join('\n')}
exit 0
`
}

// What needs root and may not be had is told once for each thing, and the script goes on.
const ROOT = `rg_root() {
  if [ "$(id -u)" = 0 ]; then "$@" </dev/null
  elif [ -n "$rg_password" ]; then printf '%s\\n' "$rg_password" | sudo -S -p '' -- "$@"
  else sudo -n -- "$@" </dev/null
  fi
}
rg_can() {
  [ -n "$rg_asked" ] || if rg_root true >/dev/null 2>&1; then rg_asked=yes; else rg_asked=no; fi
  [ "$rg_asked" = yes ] && return 0
  printf 'root %s\\n' "$1"
  return 1
}
rg_asked=
`

const FOLDERS = `rg_folder() {
  if [ -d "$1" ]; then
    [ -w "$1" ] && [ -x "$1" ] && return 0
    rg_can "$1 has to belong to $rg_me" || return 0
    rg_root chown "$rg_me:$rg_group" "$1" && printf 'did %s belongs to %s now\\n' "$1" "$rg_me"
    return
  fi
  if [ -e "$1" ] || [ -L "$1" ]; then printf 'note %s is there, and is no folder\\n' "$1"; return 1; fi
  if mkdir -p "$1" 2>/dev/null; then printf 'did folder %s\\n' "$1"; return 0; fi
  rg_can "the folder $1, for $rg_me" || return 0
  rg_root mkdir -p "$1" && rg_root chown "$rg_me:$rg_group" "$1" && printf 'did folder %s for %s\\n' "$1" "$rg_me"
}
`

function sharedShell(layout: Layout, { path, kind }: SharedPath): string {
  const full = `${layout.shared}/${path}`
  if (kind === 'folder')
    return `[ -e ${quote(full)} ] || [ ! -w ${quote(layout.shared)} ] || rg_folder ${quote(full)} || exit ${SETUP_EXIT}`
  const parent = full.slice(0, full.lastIndexOf('/'))
  return `[ ! -w ${quote(layout.shared)} ] || [ -d ${quote(parent)} ] || rg_folder ${quote(parent)} || exit ${SETUP_EXIT}
[ -e ${quote(full)} ] || echo ${quote(`note ${full} does not exist: put it there, releases link to it`)}`
}

// `install` replaces a file in one move and sets its owner and mode.
const UNIT_FUNCTION = `rg_unit() {
  rg_name=$1; rg_file=$2; rg_text=$3
  rg_there=$(rg_show -p FragmentPath "$rg_name" 2>/dev/null); rg_there=\${rg_there#FragmentPath=}
  rg_ours=
  if [ -n "$rg_there" ]; then
    case $(head -n 1 "$rg_there" 2>/dev/null) in ${quote(UNIT_MARK)}*) rg_ours=1;; esac
    if [ -z "$rg_ours" ]; then printf 'note %s has a unit of its own (%s): left as it is\\n' "$rg_name" "$rg_there"; return 0; fi
    rg_file=$rg_there
  elif [ -z "$rg_text" ]; then printf 'note there is no unit %s, and no service.exec to render one from\\n' "$rg_name"; return 0
  fi
  rg_changed=
  if [ -n "$rg_text" ] && [ "$(cat "$rg_file" 2>/dev/null; echo .)" != "$(printf '%s' "$rg_text"; echo .)" ]; then
    rg_new=$state/unit.$$
    (umask 077 && printf '%s' "$rg_text" >"$rg_new") || return 1
    if rg_write "$rg_new" "$rg_file"; then rg_changed=1; printf 'did unit %s (%s)\\n' "$rg_name" "$rg_file"; fi
    rm -f "$rg_new"
    [ -n "$rg_changed" ] || return 0
    rg_change daemon-reload || return 1
    [ -z "$rg_ours" ] || printf 'note %s was changed: it takes effect at its next restart (rollgate restart)\\n' "$rg_name"
  fi
  case $(rg_show -p UnitFileState "$rg_name") in *=disabled)
    rg_change enable "$rg_name" && printf 'did enabled %s: it starts with the host\\n' "$rg_name";;
  esac
  return 0
}
`

const NO_SYSTEMCTL = `command -v systemctl >/dev/null 2>&1 || { echo 'note there is no systemctl: the units cannot be written'; exit 0; }
`

// Without it a user's services end when the last session does, and do not start with the host. It starts the user's own
// manager, which needs a moment.
const LINGER = `if [ ! -e "/var/lib/systemd/linger/$rg_me" ]; then
  if loginctl enable-linger "$rg_me" </dev/null >/dev/null 2>&1 && [ -e "/var/lib/systemd/linger/$rg_me" ]; then printf 'did lingering for %s: its services run without a session\\n' "$rg_me"
  elif rg_can "lingering for $rg_me (loginctl enable-linger)"; then
    rg_root loginctl enable-linger "$rg_me" && printf 'did lingering for %s: its services run without a session\\n' "$rg_me"
  fi
fi
rg_tries=0
while [ ! -S "$XDG_RUNTIME_DIR/systemd/private" ] && [ "$rg_tries" -lt 100 ]; do rg_tries=$((rg_tries + 1)); sleep 0.1 2>/dev/null || sleep 1; done
`

const UNITS = {
  system: `rg_show() { systemctl show "$@"; }
rg_change() { rg_can "systemctl $*" && rg_root systemctl "$@" 2>&1; }
rg_write() { rg_can "the unit $2" && rg_root install -m 0644 -o root -g root "$1" "$2"; }
${NO_SYSTEMCTL}${UNIT_FUNCTION}`,
  user: `XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR
rg_show() { systemctl --user show "$@"; }
rg_change() { systemctl --user "$@" 2>&1; }
rg_write() { mkdir -p "\${2%/*}" && cp "$1" "$2.part" && chmod 644 "$2.part" && mv -f "$2.part" "$2"; }
${NO_SYSTEMCTL}${LINGER}${UNIT_FUNCTION}`,
} as const
function unitShell({ unit, file, text }: SetupUnit): string {
  // In double quotes where HOME has to be expanded: the name itself is checked by the configuration.
  const path = file.startsWith('~/') ? `"$HOME"/${quote(file.slice(2))}` : quote(file)
  return `rg_unit ${quote(unit)} ${path} ${quoteAll([text ?? ''])} || exit ${SETUP_EXIT}`
}
