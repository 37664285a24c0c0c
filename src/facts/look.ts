// The first look at a host: one script that only reads, two round trips. It prints `key value` lines between a beginning
// and an end; whoever reads them trusts none. Written for dash, bash and busybox, with GNU's, busybox's and BSD's tools,
// with or without systemd: what a host cannot say is left out, and one question that fails does not take the others along.
import type { Layout } from '../domain/layout.ts'
import { quote } from '../util/shell.ts'

export type LookOptions = {
  readonly layout: Layout
  /** Units that must be driven through sudo; empty where sudo is not needed by the settings. */
  readonly sudoUnits: readonly string[]
}

const LEDGER_LINES = 200
const MAX_RELEASES = 200
const MAX_JSON_BYTES = 8_000

/** Changes nothing. Its output is what `parseLook` reads. */
export function lookScript({ layout, sudoUnits }: LookOptions): string {
  return `LC_ALL=C; export LC_ALL
unset CDPATH
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin; export PATH
root=${quote(layout.root)}
releases=${quote(layout.releases)}
current=${quote(layout.current)}
state=${quote(layout.state)}
ledger=${quote(layout.ledger)}
${SAY}have() { command -v "$1" >/dev/null 2>&1; }
echo 'begin 1'
say clock "$(date +%s)"
${SYSTEM}${ROOT}${RELEASES}${DISK}${TOOLS}${sudoShell(sudoUnits)}
if [ -f "$ledger" ]; then tail -n ${LEDGER_LINES} "$ledger" 2>/dev/null | cut -c 1-2000 | sed 's/^/ledger /'; [ -r "$ledger" ] || echo 'ledger-closed 1'; fi
echo
echo 'end 1'
`
}

const SAY = `say() { printf '%s %s\\n' "$1" "$2" | tr -d '\\001-\\011\\013-\\037\\177'; }
`

const SYSTEM = `say os "$(uname -s)"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say hostname "$(uname -n)"
say user "$(id -un 2>/dev/null || id -u)"
say uid "$(id -u)"
if [ -r /proc/sys/kernel/random/boot_id ]; then say boot "$(cat /proc/sys/kernel/random/boot_id)"
else say boot "$(sysctl -n kern.bootsessionuuid 2>/dev/null || sysctl -n kern.boottime 2>/dev/null | tr -cd '0-9')"
fi
if [ -r /proc/uptime ]; then say uptime "$(cut -d ' ' -f 1 /proc/uptime)"
else
  since=$(sysctl -n kern.boottime 2>/dev/null | sed -n 's/.*[{ ]sec = \\([0-9]*\\).*/\\1/p')
  [ -z "$since" ] || say uptime "$(($(date +%s) - since))"
fi
if have ip; then ip -o addr show 2>/dev/null | awk '$3 == "inet" || $3 == "inet6" { sub("/.*", "", $4); print "address " $4 }'
elif have ifconfig; then ifconfig 2>/dev/null | awk '$1 == "inet" || $1 == "inet6" { a = $2; sub("^addr:", "", a); sub("[/%].*", "", a); print "address " a }'
fi | head -n 100
`

// The nearest folder that exists says whether the root can be made, and which file system it will be on.
const NEAREST = `near=$root
while [ ! -e "$near" ] && [ ! -L "$near" ] && [ "$near" != / ] && [ -n "$near" ]; do near=\${near%/*}; [ -n "$near" ] || near=/; done
`

const ROOT = `${NEAREST}if [ ! -e "$root" ] && [ ! -L "$root" ]; then
  if [ -d "$near" ] && [ -w "$near" ]; then echo 'root missing writable'; else echo 'root missing'; fi
elif [ ! -d "$root" ]; then echo 'root unusable it is not a folder'
elif [ ! -r "$root" ] || [ ! -x "$root" ]; then echo 'root unusable it cannot be read by this login'
elif [ -d "$current" ] && [ ! -L "$current" ]; then echo 'root folder'
elif [ -e "$current" ] && [ ! -L "$current" ]; then echo 'root unusable current is neither a link nor a folder'
else
  writable=writable
  for d in "$root" "$releases" "$state"; do [ ! -e "$d" ] || [ -w "$d" ] || writable=closed; done
  outside=
  if [ -L "$current" ] && [ -d "$current" ]; then
    at=$(cd "$current" && pwd -P)
    in=$(cd "$releases" 2>/dev/null && pwd -P)
    if [ -n "$in" ] && [ "\${at%/*}" = "$in" ]; then say current "\${at##*/}"; else outside=1; fi
  fi
  if [ -n "$outside" ]; then say root "unusable current points to $at, which is not in releases/"; else echo "root usable $writable"; fi
fi
`

const RELEASES = `modified() { stat -c %Y "$1" 2>/dev/null || stat -f %m "$1" 2>/dev/null || echo 0; }
if [ -d "$state/releases" ]; then
  shown=0
  for f in "$state"/releases/*.json; do
    [ -f "$f" ] && [ -r "$f" ] || continue
    id=\${f##*/}; id=\${id%.json}
    [ -d "$releases/$id" ] || continue
    shown=$((shown + 1)); [ "$shown" -le ${MAX_RELEASES} ] || break
    word=staged
    [ ! -r "$state/releases/$id.outcome" ] || word=$(head -c 20 "$state/releases/$id.outcome" | tr -cd 'a-z')
    say release "$(modified "$f") \${word:-staged} $id $(head -n 1 "$f" | head -c ${MAX_JSON_BYTES})"
  done
fi
if [ -d "$releases" ]; then
  shown=0
  for d in "$releases"/*; do
    [ -d "$d" ] && [ ! -L "$d" ] || continue
    name=\${d##*/}
    [ ! -f "$state/releases/$name.json" ] || continue
    case $name in
      *[![:print:]]*) continue;;
      r[0-9]*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]) continue;;
    esac
    shown=$((shown + 1)); [ "$shown" -le ${MAX_RELEASES} ] || break
    say foreign "$name"
  done
fi
`

// The column before the percentage, because names of devices and folders may hold blanks; BSD's `df -i` has two of them,
// the second one is about inodes. A file system that counts no inodes has none left either, but is not full.
const DISK = `blocks() { df -Pk "$1" 2>/dev/null | awk 'NR > 1 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { print $(i - 1); exit } }'; }
inodes() {
  df -Pi "$1" 2>/dev/null | awk 'NR == 1 { want = /iused/ ? 2 : 1; next }
    { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/ && ++n == want) { if ($(i - 1) > 0 || $i == "100%") print $(i - 1); exit } }'
}
say free "$(blocks "$near")"
say inodes "$(inodes "$near")"
say temp "$(blocks "\${TMPDIR:-/tmp}")"
say temp-inodes "$(inodes "\${TMPDIR:-/tmp}")"
`

/** Only the room on the file systems, asked again after something was removed. `parseRoom` reads it. */
export function roomScript(layout: Layout): string {
  return `LC_ALL=C; export LC_ALL
root=${quote(layout.root)}
${SAY}${NEAREST}${DISK}echo
echo 'end 1'
`
}

const TOOLS = `if have tar; then say tar "$(tar --version 2>&1 </dev/null | head -n 1)"; fi
for tool in zstd gzip sha256sum shasum systemctl systemd-run setsid sudo; do have "$tool" && echo "tool $tool"; done
[ ! -d /run/systemd/system ] || echo 'tool systemd-runs'
`

/** Asks sudo what it would allow, exactly; runs nothing through it. */
function sudoShell(units: readonly string[]): string {
  if (units.length === 0) return "echo 'sudo unneeded'"
  return `may() {
  # -ll tells whether the rule wants a password, from sudo 1.9 on; before that the shorter form has to do.
  seen=$(sudo -n -ll systemctl "$1" "$2" 2>/dev/null </dev/null) || return 1
  case $seen in *'!authenticate'*) return 0;; *'Sudoers entry'*) return 2;; esac
  return 0
}
if [ "$(id -u)" = 0 ]; then echo 'sudo unneeded'
elif ! have sudo; then echo 'sudo missing'
else
  verdict=ok
  for unit in ${units.map(quote).join(' ')}; do
    for verb in start stop restart; do
      may "$verb" "$unit"
      case $? in 0) ;; 2) [ "$verdict" = no ] || verdict=password;; *) verdict=no;; esac
    done
  done
  if [ "$verdict" != no ]; then echo "sudo $verdict"
  elif sudo -n -l >/dev/null 2>&1 </dev/null; then echo 'sudo denied'
  else echo 'sudo password'
  fi
fi`
}
