// Secrets by name: read at the last moment from a variable, a file or a command, kept in memory for this run only,
// never written, printed or logged.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '../domain/config.ts'
import { RollgateError } from '../domain/error.ts'
import { runLocal } from '../drivers/process.ts'

const COMMAND_TIMEOUT_MS = 60_000

/** @returns a function that resolves a name once. It throws RollgateError E_SECRET, which names the secret and never its value */
export function secretReader(config: Config, env: Readonly<Record<string, string | undefined>>): (name: string) => Promise<string> {
  const known = new Map<string, Promise<string>>()
  return (name) => {
    const found = known.get(name) ?? read(config, env, name)
    known.set(name, found)
    return found
  }
}

async function read(config: Config, env: Readonly<Record<string, string | undefined>>, name: string): Promise<string> {
  const source = config.secrets[name]
  if (source === undefined) throw new RollgateError('E_SECRET', `there is no secret called ${name}`, { hints: ['add it under secrets:'] })
  if ('env' in source) {
    const value = env[source.env]
    if (value === undefined || value === '')
      throw new RollgateError('E_SECRET', `secret ${name}: the variable ${source.env} is not set`, { hints: [`export ${source.env}=…`] })
    return value
  }
  if ('file' in source) {
    const path = resolve(config.directory, source.file)
    try {
      return (await readFile(path, 'utf8')).replace(/\n$/, '')
    } catch (cause) {
      throw new RollgateError('E_SECRET', `secret ${name}: ${path} cannot be read`, { cause })
    }
  }
  const result = await runLocal(
    { shell: source.command },
    { cwd: config.directory, env, timeoutMs: COMMAND_TIMEOUT_MS, signal: AbortSignal.timeout(COMMAND_TIMEOUT_MS) },
  )
  if (result.exitCode !== 0)
    throw new RollgateError('E_SECRET', `secret ${name}: its command ended with exit code ${result.exitCode ?? 'none'}`)
  return result.stdout.replace(/\n$/, '')
}
