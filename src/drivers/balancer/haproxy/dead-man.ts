// What a dead-man timer does for a server of HAProxy, in sh on the balancer's own host: the same way back as ours (out of
// maintenance into a drain, a passed check, only then ready), so that it never sets `ready` for a dead app. Without a
// check HAProxy cannot know, and the server stays out.
import { quote, quoteAll } from '../../../util/shell.ts'
import { pathOf } from './change.ts'
import { word } from './runtime-api.ts'
import type { Server } from './servers.ts'
import { talkWords } from './talk.ts'

/** HAProxy's checks run every few seconds; a minute is far beyond any of them. */
const PATIENCE_S = 60

/** Exit 0: in rotation; 1: not healthy, stays out; 2: HAProxy cannot be asked. */
export function safeReturn(socket: string, server: Server, weight: number | null): string {
  const path = pathOf(server)
  const commands = (state: string): string => quote(`set server ${path} state ${state}`)
  return `LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin; export PATH
ask() { printf '%s\\n' "$1" | ${quoteAll(talkWords(socket))}; }
column() { ask 'show stat -1 4 -1' | awk -F , -v want="$1" -v pool=${quote(word(server.backend))} -v name=${quote(word(server.name))} '
  NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) if ($i == want) at = i; next }
  $1 == pool && $2 == name { print $at; exit }'; }
status=$(column status)
[ -n "$status" ] || exit 2
case $status in UP*) exit 0;; 'no check') exit 1;; esac
ask ${commands('maint')} >/dev/null || exit 2
ask ${commands('drain')} >/dev/null || exit 2
[ "$(column check_fall)" != 1 ] || ask ${quote(`set server ${path} health down`)} >/dev/null
tries=0
while [ "$tries" -lt ${PATIENCE_S} ]; do
  status=$(column status); check=$(column check_status)
  case $status in 'no check') break;; DRAIN)
    case \${check#\\* } in L4OK | L6OK | L7OK | L7OKC)
${weight === null ? '' : `      ask ${quote(`set server ${path} weight ${Math.round(weight)}`)} >/dev/null\n`}      ask ${commands('ready')} >/dev/null || exit 2
      case $(column status) in UP*) exit 0;; esac;;
    esac;;
  esac
  tries=$((tries + 1))
  sleep 1
done
ask ${commands('maint')} >/dev/null
exit 1
`
}
