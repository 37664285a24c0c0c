// The lease file's scripts, POSIX sh. A lease is `lease.EPOCH` in the state folder; the highest epoch is the lease. It is
// made whole with one `ln`, which fails where somebody was faster: no lock is needed, and no half lease can be seen. The
// heartbeat overwrites the first ten bytes in place (`1<>`), which works on a full disk; nothing else in it ever changes.

import type { Layout } from '../../domain/layout.ts'
import type { LeaseRequest } from '../../domain/lease.ts'
import { ledgerField } from '../../domain/ledger-line.ts'
import { quote } from '../../util/shell.ts'

/** Somebody else holds it, or took it over. */
export const LEASE_EXIT = 95
/** The state folder cannot be written. */
export const LEASE_STATE_EXIT = 94
/** There is no state folder, and this login cannot make one. */
export const LEASE_ROOT_EXIT = 93

// Uptime, because nobody sets it; where there is none (no Linux) the wall clock must do, with the boot id to tell reboots.
const CLOCK = `LC_ALL=C; export LC_ALL
if read -r rl_up rl_idle 2>/dev/null </proc/uptime; then rl_up=\${rl_up%%.*}; else rl_up=$(date +%s); fi
if [ -r /proc/sys/kernel/random/boot_id ]; then rl_boot=$(cat /proc/sys/kernel/random/boot_id)
else rl_boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null || echo unknown)
fi
`

/** Sets `rl_top` to the highest epoch, 0 where there is none. */
function topShell(layout: Layout): string {
  return `rl_path=${quote(layout.lease)}
rl_find() {
  rl_top=0
  for rl_file in "$rl_path".[0-9]*; do
    rl_number=\${rl_file##*.}
    case $rl_number in '' | *[!0-9]* | 0* | ????????????*) continue;; esac
    [ "$rl_number" -le "$rl_top" ] || rl_top=$rl_number
  done
}
rl_find
`
}

// `$1` is without leading zeros, which a shell would read as octal. Released leases expire at 0.
const READ = `rl_read() {
  rl_expiry=; rl_born=; rl_ttl=; rl_of=; rl_holder=; rl_rollout=; rl_command=; rl_commit=; rl_token=
  { read -r rl_expiry; read -r rl_born; read -r rl_ttl; read -r rl_of; read -r rl_holder; read -r rl_rollout; read -r rl_command; read -r rl_commit; read -r rl_token; } <"$rl_path.$rl_top" 2>/dev/null || :
  rl_expiry=\${rl_expiry#"\${rl_expiry%%[!0]*}"}
  for rl_word in "$rl_expiry" "$rl_born" "$rl_ttl"; do case $rl_word in *[!0-9]* | ????????????*) rl_expiry=0; rl_born=0; rl_ttl=0;; esac; done
  rl_expiry=\${rl_expiry:-0}
  rl_live=no
  [ "$rl_of" != "$rl_boot" ] || [ "$rl_expiry" -le "$rl_up" ] || rl_live=yes
}
rl_say() { printf '%s %s %s %s %s %s %s %s %s %s %s\\n' "$1" "$rl_top" "$rl_live" "$rl_up" "$rl_expiry" "\${rl_born:-0}" "\${rl_ttl:-0}" "\${rl_holder:--}" "\${rl_rollout:--}" "\${rl_command:--}" "\${rl_commit:--}"; }
`

export function acquireScript(layout: Layout, request: LeaseRequest): string {
  const seconds = Math.ceil(request.ttlMs / 1000)
  const words = [request.holder, request.rollout, request.command, request.commit ?? '-', request.token].map((word) =>
    quote(ledgerField(word, 200)),
  )
  const [holder, rollout, command, commit, token] = words
  return `umask 077
${CLOCK}rl_state=${quote(layout.state)}
if [ ! -d "$rl_state" ] && ! { mkdir -p "$rl_state" && chmod 700 "$rl_state"; }; then
  # A folder that we may write to, and still no folder in it: there is no room.
  rl_above=$rl_state
  while [ ! -e "$rl_above" ] && [ ! -L "$rl_above" ]; do rl_above=$(dirname -- "$rl_above"); done
  [ -d "$rl_above" ] && [ -w "$rl_above" ] && exit ${LEASE_STATE_EXIT}
  exit ${LEASE_ROOT_EXIT}
fi
${topShell(layout)}${READ}rl_new=$rl_path-new.$$
rl_try=0
while :; do
  rl_find
  if [ "$rl_top" -gt 0 ]; then
    rl_read
    if [ "$rl_live" = yes ] && [ "$rl_token" != ${token} ] && [ ${request.force ? 'yes' : 'no'} = no ]; then rl_say held; exit 0; fi
  fi
  rl_next=$((rl_top + 1))
  { printf '%010d\\n%s\\n%s\\n%s\\n%s\\n%s\\n%s\\n%s\\n%s\\n' "$((rl_up + ${seconds}))" "$rl_up" ${seconds} "$rl_boot" ${holder} ${rollout} ${command} ${commit} ${token} >"$rl_new"; } 2>/dev/null || { rm -f "$rl_new"; exit ${LEASE_STATE_EXIT}; }
  # Written whole? A full disk may take the name and not the bytes.
  [ "$(wc -l <"$rl_new")" -eq 9 ] || { rm -f "$rl_new"; exit ${LEASE_STATE_EXIT}; }
  if ln "$rl_new" "$rl_path.$rl_next" 2>/dev/null; then rm -f "$rl_new"; break; fi
  rm -f "$rl_new"
  rl_try=$((rl_try + 1))
  # Lost the race: look again who won. A file system without hard links never gets here with a lease in place.
  if [ "$rl_try" -ge 20 ]; then
    rl_find
    [ "$rl_top" -lt "$rl_next" ] || continue
    exit ${LEASE_STATE_EXIT}
  fi
done
for rl_file in "$rl_path".[0-9]*; do
  rl_number=\${rl_file##*.}
  case $rl_number in '' | *[!0-9]*) continue;; esac
  [ "$rl_number" -ge "$rl_next" ] || rm -f "$rl_file"
done
printf 'taken %s\\n' "$rl_next"
`
}

// A host that was booted again has let the lease expire. Nobody took it, so it is ours still, and the next one who asks
// must see that: he would raise the epoch here and be refused by the hosts that were not booted, with us shut out of this one.
export function refreshScript(layout: Layout, epoch: number, ttlMs: number): string {
  return `umask 077
${CLOCK}${topShell(layout)}${READ}[ "$rl_top" = ${epoch} ] || { echo lost; exit 0; }
rl_read
if [ "$rl_of" != "$rl_boot" ] && [ "$rl_expiry" -gt 0 ]; then
  rl_new=$rl_path-boot.$$
  { printf '%010d\\n%s\\n%s\\n%s\\n' "$((rl_up + ${Math.ceil(ttlMs / 1000)}))" "$rl_up" "$rl_ttl" "$rl_boot" && tail -n +5 "$rl_path.${epoch}"; } >"$rl_new" 2>/dev/null
  if [ "$(wc -l <"$rl_new")" -eq 9 ]; then mv -f "$rl_new" "$rl_path.${epoch}"; else rm -f "$rl_new"; fi
fi
printf '%010d' "$((rl_up + ${Math.ceil(ttlMs / 1000)}))" 1<>"$rl_path.${epoch}" || exit ${LEASE_STATE_EXIT}
echo kept
`
}

export function releaseScript(layout: Layout, epoch: number): string {
  return `${topShell(layout)}[ "$rl_top" != ${epoch} ] || printf '%010d' 0 1<>"$rl_path.${epoch}"
exit 0
`
}

export function readScript(layout: Layout): string {
  return `${CLOCK}${topShell(layout)}${READ}[ "$rl_top" -gt 0 ] || { echo none; exit 0; }
rl_read
rl_say lease
`
}

/**
 * The fence: text at the head of every script that changes something. It defines `rg_fence`, which ends the script when
 * the lease is not ours any more, and calls it once; long scripts call it again before each step.
 */
export function fenceText(layout: Layout, epoch: number): string {
  return `${topShell(layout)}rg_fence() {
  rl_find
  [ "$rl_top" = ${epoch} ] || { echo "the lease of this host was taken over (epoch $rl_top, ours is ${epoch})"; exit ${LEASE_EXIT}; }
}
rg_fence
`
}
