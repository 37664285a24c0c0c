// A name's addresses as the balancer host sees them: it is the balancer that has to reach the server, and our own
// resolver may know another network.
import type { Connection } from '../../../domain/transport.ts'

const TIMEOUT_MS = 10_000

/** Empty for a name that host does not know: whoever looks for a server says what that means. */
export async function resolveNames(connection: Connection, name: string, signal: AbortSignal): Promise<readonly string[]> {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/.test(name)) return []
  const result = await connection.run({ argv: ['getent', 'ahosts', name], timeoutMs: TIMEOUT_MS }, { signal, maxOutputBytes: 64 * 1024 })
  if (result.exitCode !== 0) return []
  return [...new Set(result.stdout.split('\n').flatMap((line) => line.split(/\s+/)[0] || []))]
}
