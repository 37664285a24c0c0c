// What a person needs to see when a host is not well: the unit's state, its last log lines, who listens where. Bounded in
// time and size, cleaned, and never an error of its own. And the app's connections, counted from the host's own sockets.
import type { HealthSettings } from '../../domain/health.ts'
import type { ServiceManager, ServiceStatus } from '../../domain/service.ts'
import type { Connection } from '../../domain/transport.ts'
import { cleanText } from '../../util/text.ts'

const LOG_LINES = 20
const PORT_LINES = 20
const TIMEOUT_MS = 8_000

export async function gatherEvidence(
  connection: Connection,
  manager: ServiceManager,
  status: readonly ServiceStatus[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ask = async (argv: readonly [string, ...string[]]): Promise<readonly string[]> => {
    try {
      const result = await connection.run({ argv, timeoutMs: TIMEOUT_MS }, { signal, maxOutputBytes: 256 * 1024 })
      return linesOf(result.stdout === '' ? result.stderr : result.stdout)
    } catch {
      return []
    }
  }
  const logs = manager.units.map(async (unit) => {
    const lines = await ask(plainWords(manager.logs(unit, { lines: LOG_LINES }).argv))
    return lines.slice(-LOG_LINES).map((line) => `${unit}: ${line}`)
  })
  const [logLines, ports] = await Promise.all([Promise.all(logs), ask(['sh', '-c', LISTENING])])
  return [
    ...status.map((seen) => `${seen.unit} is ${seen.state}: ${seen.detail}`),
    ...logLines.flat(),
    ...ports.slice(0, PORT_LINES).map((line) => `listening: ${line.replace(/\s+/g, ' ').trim()}`),
  ].map((line) => cleanText(line, 500))
}

// The local address, and the process where we may see it.
const LISTENING = `LC_ALL=C; export LC_ALL
if command -v ss >/dev/null 2>&1; then ss -Htlnp | awk '{ print $4, $6 }'
elif command -v netstat >/dev/null 2>&1; then netstat -an | awk '$1 ~ /^tcp/ && $NF ~ /LISTEN/ { print $4 }'
fi 2>/dev/null | sort -u | head -n 40`

/** Established connections to the app's port from elsewhere than loopback; null where the host cannot say. */
export async function countAppConnections(connection: Connection, health: HealthSettings, signal: AbortSignal): Promise<number | null> {
  const { check } = health
  if (check.kind !== 'http' && check.kind !== 'tcp') return null
  const script = `LC_ALL=C; export LC_ALL
command -v ss >/dev/null 2>&1 || exit 3
ss -Htn state established "( sport = :$1 )"`
  const result = await connection.run({ argv: ['sh', '-c', script, 'ss', String(check.port)], timeoutMs: TIMEOUT_MS }, { signal })
  return result.exitCode === 0 && !result.truncated ? countRemotePeers(result.stdout) : null
}

/** Lines of `ss -Htn state established`: receive queue, send queue, local address, peer. Pure. */
export function countRemotePeers(text: string): number {
  return linesOf(text).filter((line) => {
    const peer = line.trim().split(/\s+/)[3]
    return peer !== undefined && !/^(127\.|\[?::1\]?:|\[?::ffff:127\.)/.test(peer)
  }).length
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
}

function plainWords(argv: readonly [unknown, ...unknown[]]): readonly [string, ...string[]] {
  const [first, ...rest] = argv
  return [String(first), ...rest.map(String)]
}
