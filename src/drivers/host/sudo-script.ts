// Tries a sudo password without running anything through it. The script travels by standard input; the password goes to
// sudo by a pipe from a shell builtin, so it is in no argument and no environment.
import { quote } from '../../util/shell.ts'

/** Status 0 when each unit may be started, stopped and restarted with it; else prints `wrong` or `denied`. */
export function trySudoScript(units: readonly string[], password: string): string {
  return `LC_ALL=C; export LC_ALL
rg_password=${quote(password)}
rg_sudo() { printf '%s\\n' "$rg_password" | sudo -S -p '' "$@" >/dev/null 2>&1; }
# An earlier login's good name must not vouch for this password.
sudo -k >/dev/null 2>&1
for unit in ${units.map(quote).join(' ')}; do
  for verb in start stop restart; do
    rg_sudo -l systemctl "$verb" "$unit" && continue
    if rg_sudo -l; then echo denied; else echo wrong; fi
    exit 1
  done
done
exit 0
`
}
