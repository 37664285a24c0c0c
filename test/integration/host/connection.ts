// One SSH connection to one sandbox host, for suites that need the wire and not a fleet.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../../../src/domain/transport.ts'
import { createSsh2Transport } from '../../../src/drivers/transport/ssh2.ts'
import { startSandbox } from '../../../src/sandbox/fleet.ts'

export async function connectTo(): Promise<{ readonly connection: Connection; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'rollgate-connection-'))
  const never = new AbortController().signal
  const sandbox = await startSandbox({ hosts: 1, directory, signal: never })
  const host = { name: 'web-1', address: 'web-1', roles: [], labels: {} }
  const transport = createSsh2Transport({
    settings: { config: sandbox.sshConfigPath, transport: 'ssh2' },
    hosts: [host],
    ask: null,
    env: { PATH: process.env.PATH },
    homeDirectory: directory,
    secret: () => Promise.reject(new Error('no secrets here')),
    warn: () => undefined,
  })
  const connection = await transport.connect(host, never)
  return {
    connection,
    async close() {
      await connection.close()
      await transport.close()
      await sandbox.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
