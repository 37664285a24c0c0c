// What `check` says of a HAProxy: whether this login may change it, and what in its configuration would spoil a drain.
// The configuration is read where this login may read it; what cannot be known is not claimed.
import type { PreflightFinding } from '../../../domain/balancer.ts'
import type { Connection } from '../../../domain/transport.ts'
import { cleanText } from '../../../util/text.ts'
import type { Balancer } from './change.ts'
import { fileTraps } from './config-traps.ts'
import { decider, type Look, look } from './look.ts'
import { adminOf, MASK, type Server } from './servers.ts'

type Settings = {
  readonly backend: string | undefined
  readonly socket: string
  readonly connectTo: (host: string, signal: AbortSignal) => Promise<Connection>
}

const FILES_TIMEOUT_MS = 10_000
const FILES_BYTES = 2 * 1024 * 1024

/** @throws RollgateError E_BALANCER_UNREACHABLE … when it cannot be talked to at all */
export async function preflight(balancer: Balancer, settings: Settings, signal: AbortSignal): Promise<readonly PreflightFinding[]> {
  const { api, previous } = balancer
  const { look: seen, said } = await look(api, previous, signal, ['show cli level'])
  const servers = seen.servers.filter((server) => settings.backend === undefined || server.backend === settings.backend)
  const text = await readFiles(balancer, settings, seen, signal)
  return [
    reached(balancer, settings, seen),
    level(said[0] ?? ''),
    ...processes(seen),
    ...backends(seen, settings.backend, servers),
    ...servers.flatMap((server) => serverFindings(seen, server)),
    ...reloads(balancer),
    ...(text === null
      ? [
          {
            level: 'ok' as const,
            id: 'file',
            message: 'its configuration file cannot be read by this login: traps in it were not looked for',
          },
        ]
      : fileTraps(text)),
  ]
}

function reached(balancer: Balancer, settings: Settings, seen: Look): PreflightFinding {
  const version = cleanText(seen.info.get('Version') ?? 'of an unknown version', 80)
  const how = balancer.api.route === 'script' ? ', through a program there because its sshd forwards nothing' : ''
  return { level: 'ok', id: 'reached', message: `HAProxy ${version} answers on ${settings.socket}${how}` }
}

function level(answer: string): PreflightFinding {
  const said = cleanText(answer.trim(), 40)
  if (said === 'admin') return { level: 'ok', id: 'level', message: 'this login may change servers' }
  return {
    level: 'problem',
    id: 'level',
    message: `the socket is at level ${said || 'unknown'}: it can be read, not changed`,
    fix: 'write `level admin` on the `stats socket` line',
  }
}

/** Before 2.5 there could be several processes, each with states of its own behind the same port. */
function processes(seen: Look): readonly PreflightFinding[] {
  if (Number(seen.info.get('Nbproc') ?? '1') <= 1) return []
  return [
    {
      level: 'problem',
      id: 'processes',
      message: `it runs ${cleanText(seen.info.get('Nbproc') ?? '', 10)} processes, and a drain in one means nothing to the others`,
      fix: 'use nbthread instead of nbproc',
    },
  ]
}

function backends(seen: Look, backend: string | undefined, servers: readonly Server[]): readonly PreflightFinding[] {
  const names = [...new Set(seen.servers.map((server) => cleanText(server.backend, 80)))]
  if (servers.length > 0) return []
  return [
    {
      level: 'problem',
      id: 'backend',
      message: backend === undefined ? 'it has no servers' : `it has no backend ${backend}`,
      ...(names.length === 0 ? {} : { fix: `backends there: ${names.join(', ')}` }),
    },
  ]
}

function serverFindings(seen: Look, server: Server): readonly PreflightFinding[] {
  const path = cleanText(`${server.backend}/${server.name}`, 160)
  const deciding = decider(seen, server)
  const findings: PreflightFinding[] = []
  if (deciding.hasAgent)
    findings.push({
      level: 'problem',
      id: 'agent',
      message: `${path} has an agent-check, which may put it back in the middle of a deploy`,
      fix: `\`disable agent ${path}\` on the runtime API, or take agent-check out`,
    })
  if (!deciding.hasCheck)
    findings.push({
      level: 'warning',
      id: 'unchecked',
      message: `${path} has no health check: HAProxy cannot verify it before it sends traffic`,
      fix: 'write `check` on its server line',
    })
  if ((server.mask & MASK.unresolved) !== 0)
    findings.push({ level: 'warning', id: 'unresolved', message: `${path} is kept out by HAProxy itself: its name is not resolved` })
  else if (adminOf(server.mask) !== 'ready' && server.tracks !== null)
    findings.push({ level: 'ok', id: 'tracks', message: `${path} follows ${cleanText(server.tracks, 160)}` })
  return findings
}

function reloads(balancer: Balancer): readonly PreflightFinding[] {
  const socket = balancer.previous.socket
  if (socket === null) return []
  return [{ level: 'ok', id: 'master', message: `requests held by processes from before a reload are seen through ${socket}` }]
}

// The files are in the command line of the process: found by its pid, which is right unless it runs in a container.
const FILES_SCRIPT = `pid=$1; files=
[ -r "/proc/$pid/cmdline" ] || exit 1
tr '\\0' '\\n' < "/proc/$pid/cmdline" | {
  last=; cd "/proc/$pid/cwd" 2>/dev/null
  while IFS= read -r word; do
    case $last in -f|--) if [ -d "$word" ]; then cat -- "$word"/*.cfg; else cat -- "$word"; fi || exit 1; found=1;; esac
    last=$word
  done
  [ "$found" = 1 ]
}`

/** null: not readable, or in another place than the process says. */
async function readFiles(balancer: Balancer, settings: Settings, seen: Look, signal: AbortSignal): Promise<string | null> {
  const connection = await settings.connectTo(balancer.host, signal)
  const argv = ['sh', '-c', FILES_SCRIPT, 'rollgate', seen.info.get('Pid') ?? ''] as const
  const result = await connection.run({ argv, timeoutMs: FILES_TIMEOUT_MS }, { signal, maxOutputBytes: FILES_BYTES })
  return result.exitCode === 0 && !result.truncated ? result.stdout : null
}
