// One script for several steps on a host: each announces itself by a marker line with a random token (output of the
// user's cannot fake it), writes its intent and its result to the ledger, and the first failure ends the script. A
// script whose connection was lost runs to its end; its successor waits for it and does not repeat what it did.
import { randomBytes } from 'node:crypto'
import { RollgateError } from '../../domain/error.ts'
import { ENV_FILE, type Layout } from '../../domain/layout.ts'
import { ledgerField } from '../../domain/ledger-line.ts'
import type { RemoteStep } from '../../domain/ports.ts'
import type { ServiceManager } from '../../domain/service.ts'
import { quote, quoteAll, shellCommand } from '../../util/shell.ts'
import { activateShell, activateWords, folderName } from './activate.ts'
import { ledgerShell, STATE_EXIT } from './ledger-shell.ts'
import { runShell } from './run-shell.ts'

export type PhaseContext = {
  readonly app: string
  readonly host: string
  readonly layout: Layout
  readonly manager: ServiceManager
  readonly rollout: string
  /** Lease epoch, 0 without a lease. */
  readonly epoch: number
  /** sh text that ends the script when the lease is no longer ours. */
  readonly fence: string
  /** 32 hex digits; never in an argv or an environment, where the user's commands could read it. */
  readonly token: string
  /** Given to service commands by standard input; null: sudo must not ask. */
  readonly sudoPassword: string | null
}

/** systemd itself gives up on a stop after 90 s by default. */
export const SERVICE_TIMEOUT_MS = 180_000
/** An earlier script of ours still runs on the host and did not end. */
export const BUSY_EXIT = 96

export const newToken = (): string => randomBytes(16).toString('hex')

/** How long the script may take at most, for the transport's own limit. */
export function phaseLimitMs(steps: readonly RemoteStep[], units: number): number {
  const own = steps.reduce((sum, step) => sum + limitMs(step) * (step.kind === 'hook' ? 1 : Math.max(1, units)), 0)
  return 2 * own + 60_000
}

/** @throws RollgateError E_ACTIVATE for a release that is no name of a folder */
export function phaseScript(context: PhaseContext, steps: readonly RemoteStep[]): string {
  const { layout, rollout, epoch, fence, token, manager } = context
  const waitSeconds = Math.ceil(phaseLimitMs(steps, manager.units.length) / 2000)
  return `umask 022
unset CDPATH
rg_token=${token}
${ledgerShell(layout, rollout, epoch)}${fence}
${runShell(`${layout.state}/run/${token.slice(0, 12)}`)}${LOCK.replace('WAIT_SECONDS', String(waitSeconds))}${activateShell(layout)}${STEP}
${steps.map((step, index) => stepShell(context, step, index)).join('\n')}
exit 0
`
}

// Who holds it is a process and when that was born (numbers come again); a holder that is gone holds nothing.
const LOCK = `rg_born() { if [ -r "/proc/$1/stat" ]; then sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; else ps -o lstart= -p "$1" | tr -s ' ' '-'; fi 2>/dev/null; }
rg_lock=$rg_state/phase
rg_waited=; rg_tries=0
rg_now; rg_from=$rg_time
until (set -C; printf '%s %s %s\\n' "$$" "$(rg_born "$$")" "$rg_rollout" >"$rg_lock") 2>/dev/null; do
  rg_holder=; rg_birth=; [ ! -f "$rg_lock" ] || read -r rg_holder rg_birth rg_other <"$rg_lock"
  if [ -n "$rg_holder" ] && [ -n "$rg_birth" ] && [ "$(rg_born "$rg_holder")" = "$rg_birth" ]; then
    rg_waited=1
    rg_now
    if [ "$((rg_time - rg_from))" -gt WAIT_SECONDS ]; then echo "process $rg_holder, an earlier script of rollout $rg_other, still runs here"; exit ${BUSY_EXIT}; fi
    rg_nap
  else
    # Without a word in it: somebody is just about to write it, or the disk is full and never will it be.
    rg_tries=$((rg_tries + 1))
    if [ -z "$rg_holder" ] && [ "$rg_tries" -le 2 ]; then rg_nap
    else rm -f "$rg_lock" || exit ${STATE_EXIT}
    fi
    if [ "$rg_tries" -gt 20 ]; then echo "the lock of this host cannot be written: $rg_lock"; exit ${STATE_EXIT}; fi
  fi
done
trap 'rg_clean; rm -f "$rg_lock"' EXIT
rg_tab=$(printf '\\t')
# Only after waiting for our own earlier script: what it did is done.
rg_was_done() {
  [ -n "$rg_waited" ] || return 1
  case $(grep -F "$rg_tab$rg_rollout$rg_tab$1$rg_tab" "$rg_ledger" | tail -n 1) in *"$rg_tab$1$rg_tab"done"$rg_tab"*) return 0;; *) return 1;; esac
}
`

const STEP = `rg_mark() { printf '\\n%s %s\\n' "$rg_token" "$*"; }
rg_changed=1
# INDEX STEP FUNCTION
rg_step() {
  # The lease may have been taken over while an earlier step ran.
  if command -v rg_fence >/dev/null 2>&1; then rg_fence; fi
  if rg_was_done "$2"; then rg_mark start "$1"; rg_mark end "$1" 0 0; return 0; fi
  rg_note "$2" started - || { rg_mark start "$1"; echo "the ledger cannot be written: $rg_ledger"; rg_mark end "$1" ${STATE_EXIT} 0; exit 1; }
  rg_mark start "$1"
  rg_changed=1
  "$3"
  rg_result=$?
  if [ "$rg_result" -eq 0 ]; then
    rg_note "$2" done - || echo "done, but the ledger could not be written: $rg_ledger"
    rg_mark end "$1" 0 "$rg_changed"
  else
    rg_note "$2" failed "$rg_result"
    rg_mark end "$1" "$rg_result" 0
    exit 1
  fi
}
`

function stepShell(context: PhaseContext, step: RemoteStep, index: number): string {
  return `rg_do_${index}() {
${bodyOf(context, step)}
}
rg_step ${index} ${quote(ledgerField(step.id))} rg_do_${index}`
}

function bodyOf(context: PhaseContext, step: RemoteStep): string {
  const { layout, manager } = context
  const seconds = Math.ceil(limitMs(step) / 1000)
  switch (step.kind) {
    case 'hook':
      return `rg_run ${seconds} ${quoteAll(['sh', '-c', hookText(layout, step.release), 'hook', ...variables(context, step), step.hook.run])}`
    case 'activate':
      return activateWords(step.release)
    case 'restart':
      return each(manager.units, (unit) => serviceWords(context, seconds, 'restart', unit))
    case 'stop':
      return each([...manager.units].reverse(), (unit) => serviceWords(context, seconds, 'stop', unit))
    default:
      return step satisfies never
  }
}

function each(units: readonly string[], words: (unit: string) => string): string {
  return units.length === 0 ? 'rg_changed=0' : units.map((unit) => `${words(unit)} || return`).join('\n')
}

function serviceWords(context: PhaseContext, seconds: number, verb: 'restart' | 'stop', unit: string): string {
  const { manager, sudoPassword } = context
  const run = sudoPassword === null ? 'rg_run' : `rg_run_with ${quote(`${sudoPassword}\n`)}`
  const { argv, cwd, env } = manager[verb](unit)
  const plain = (word: string | { readonly secret: string }): string => {
    if (typeof word === 'string') return word
    throw new RollgateError('E_BUG', 'a service command holds no secrets')
  }
  const line = shellCommand({
    argv: argv.map(plain),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: Object.fromEntries(Object.entries(env).map(([name, word]) => [name, plain(word)])) }),
  })
  return `${run} ${seconds} sh -c ${quote(line)}`
}

// In the release that it is about, with that release's environment: a migration needs the new code and its settings.
function hookText(layout: Layout, release: string): string {
  return `cd -- ${quote(layout.release(folderName(release)))} || exit 1
if [ -r ./${ENV_FILE} ]; then set -a; . ./${ENV_FILE}; set +a; fi
while [ "$#" -gt 1 ]; do export "$1"; shift; done
exec sh -c "$1"`
}

function variables(context: PhaseContext, step: Extract<RemoteStep, { kind: 'hook' }>): readonly string[] {
  const { layout } = context
  return Object.entries({
    ROLLGATE_APP: context.app,
    ROLLGATE_HOST: context.host,
    ROLLGATE_ROLLOUT: context.rollout,
    ROLLGATE_RELEASE: step.release,
    ROLLGATE_ROOT: layout.root,
    ROLLGATE_CURRENT: layout.current,
    ROLLGATE_HOOK: step.hook.name,
  }).map(([name, value]) => `${name}=${value}`)
}

function limitMs(step: RemoteStep): number {
  return step.kind === 'hook' ? step.hook.timeoutMs : step.kind === 'activate' ? 30_000 : SERVICE_TIMEOUT_MS
}
