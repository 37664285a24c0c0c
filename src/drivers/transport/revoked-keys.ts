// RevokedHostKeys of the OpenSSH configuration: a list of public keys, or a KRL, which OpenSSH's own tool is asked about.
// As with ssh, a file that cannot be read revokes every key: who revoked keys wants to be heard.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runLocal } from '../process.ts'
import { keyType } from './known-hosts.ts'

const KRL = 'SSHKRL\n\0'

/** null: not revoked; otherwise why it counts as revoked. */
export async function revokedBy(file: string, key: Buffer, env: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  let list: Buffer
  try {
    list = await readFile(file)
  } catch {
    return `${file} (RevokedHostKeys) cannot be read, which revokes every key`
  }
  if (list.toString('latin1', 0, KRL.length) === KRL) return revokedByList(file, key, env)
  const lines = list.toString('utf8').split('\n')
  const at = lines.findIndex((line) => line.split(/\s+/).some((word) => word.length > 16 && Buffer.from(word, 'base64').equals(key)))
  return at === -1 ? null : `${file}:${at + 1}`
}

async function revokedByList(file: string, key: Buffer, env: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'rollgate-key-'))
  try {
    const path = join(folder, 'key.pub')
    await writeFile(path, `${keyType(key)} ${key.toString('base64')}\n`)
    const { exitCode } = await runLocal({ argv: ['ssh-keygen', '-Q', '-f', file, path] }, { env, timeoutMs: 10_000 })
    if (exitCode === 0) return null
    return exitCode === 1 ? file : `${file} (RevokedHostKeys) cannot be read, which revokes every key`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
