// Where every command starts. `--version` and `--help` are answered from what is here; anything more is loaded when it
// is needed, because a command line that thinks before it speaks feels broken.
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What lingers after the last word (a socket nobody closed) does not hold the shell's prompt for longer. */
const LINGER_MS = 3_000

/** @param binUrl the started file in bin/: the package is the folder above it */
export async function main(binUrl: string): Promise<void> {
  const argv = process.argv.slice(2)
  const root = fileURLToPath(new URL('..', binUrl))
  const version = versionOf(root)
  if (argv[0] === '--version') {
    process.stdout.write(`rollgate ${version} (node ${process.versions.node}, ${process.platform} ${process.arch})\n`)
    return
  }
  cacheCompiledCode()
  const { findCommand, wantsJson } = await import('./commands/find.ts')
  const found = findCommand(argv)
  const json = wantsJson(argv)
  if (!json && (found.kind === 'root' || found.kind === 'topic')) {
    const { overview, topicOverview } = await import('./commands/overview.ts')
    process.stdout.write(found.kind === 'root' ? overview() : topicOverview(found.topic))
    return
  }
  const { run } = await import('./commands/run.ts')
  await run(found.kind === 'root' ? { kind: 'unknown', words: '' } : found, argv, { root, version })
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

function versionOf(root: string): string {
  const value: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : '0.0.0'
}

/** In the user's own cache folder: Node's default is shared with everybody on the machine. */
function cacheCompiledCode(): void {
  const { XDG_CACHE_HOME, HOME } = process.env
  const base = XDG_CACHE_HOME?.startsWith('/') ? XDG_CACHE_HOME : join(HOME || homedir(), '.cache')
  enableCompileCache(join(base, 'rollgate', 'node'))
}
