// A "host" of the staging tests: scripts run for real in a shell of this machine, in a temporary folder. `busybox` means
// that the shell and every tool it finds are busybox's. A connection can be told to break.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command, CommandResult, RunOptions, Word } from '../../../src/domain/command.ts'
import { RollgateError } from '../../../src/domain/error.ts'
import type { ToolFacts } from '../../../src/domain/facts.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { collectLines } from '../../../src/drivers/transport/lines.ts'

export type ShellKind = 'system' | 'busybox'

const BUSYBOX = ['/usr/bin/busybox', '/bin/busybox'].find((path) => existsSync(path))

/** The system's own shell and tools (dash and GNU's on Debian), and busybox where it is installed. */
export const SHELLS: readonly ShellKind[] = BUSYBOX === undefined ? ['system'] : ['system', 'busybox']

export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'rollgate-stage-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A folder of busybox's commands, to be used as the whole PATH. */
function busyboxPath(scratch: string): string {
  const folder = join(scratch, 'busybox-bin')
  if (!existsSync(folder)) {
    mkdirSync(folder)
    const made = spawnSync(BUSYBOX ?? '', ['--install', '-s', folder])
    if (made.status !== 0) throw new Error(String(made.stderr))
  }
  return folder
}

export function toolsOf(shell: ShellKind): ToolFacts {
  const busybox = shell === 'busybox'
  const zstd = !busybox && spawnSync('zstd', ['--version']).status === 0
  return { tar: busybox ? 'busybox' : 'gnu', zstd, gzip: true, sha256sum: true, systemctl: false, systemdRun: false, setsid: false }
}

export type Breaking = {
  /** The connection goes away after so many bytes of standard input, as when a cable is pulled. */
  afterInputBytes?: number
  environment?: Readonly<Record<string, string>>
  /** Called before each command; may throw or break things. */
  before?: (text: string, run: number) => void
}

export function shellConnection(
  shell: ShellKind,
  scratch: string,
  breaking: Breaking = {},
): Connection & { readonly argvSeen: readonly string[] } {
  const env = {
    PATH: shell === 'busybox' ? busyboxPath(scratch) : process.env.PATH,
    HOME: scratch,
    TMPDIR: scratch,
    CANARY: join(scratch, 'canary'),
    ...breaking.environment,
  }
  const argvSeen: string[] = []
  let alive = true
  let runs = 0
  return {
    host: { name: 'web-1', address: '127.0.0.1', roles: [], labels: {} },
    destination: 'local',
    get alive() {
      return alive
    },
    argvSeen,
    onClose: () => undefined,
    forward: () => Promise.reject(new Error('not here')),
    close: () => Promise.resolve(),
    async run(command: Command, options: RunOptions = {}): Promise<CommandResult> {
      if (!alive) throw new RollgateError('E_LOST', 'gone')
      const argv = command.argv.map(plain)
      argvSeen.push(...argv)
      runs += 1
      breaking.before?.(command.stdin ?? argv.at(-1) ?? '', runs)
      const child = spawn(argv[0] ?? '', argv.slice(1), { env, stdio: 'pipe', detached: true })
      const lines = collectLines({ onLine: options.onLine, maxBytes: options.maxOutputBytes })
      const reading = Promise.all([lines.read(child.stdout, 'stdout'), lines.read(child.stderr, 'stderr')])
      child.stdin.on('error', () => undefined)
      const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
        child.on('error', reject)
        child.on('close', (code, signal) => resolve({ code, signal }))
      })
      let sent = 0
      for await (const chunk of command.stdin === undefined ? (options.input ?? []) : [Buffer.from(command.stdin)]) {
        const left = command.stdin === undefined && breaking.afterInputBytes !== undefined ? breaking.afterInputBytes - sent : Infinity
        sent += chunk.length
        if (left < chunk.length) {
          child.stdin.end(chunk.subarray(0, left))
          alive = false
          break
        }
        if (child.exitCode !== null || !child.stdin.writable) break
        if (!child.stdin.write(chunk)) await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), ended])
      }
      child.stdin.end()
      const { code, signal } = await ended
      await reading
      const out = lines.result()
      if (!alive) return { ...out, exitCode: null, durationMs: 0, lost: true, timedOut: false }
      return {
        ...out,
        exitCode: code,
        ...(signal === null ? {} : { signal }),
        durationMs: 0,
        lost: false,
        timedOut: false,
      }
    },
  }
}

function plain(word: Word): string {
  if (typeof word !== 'string') throw new Error('no secrets here')
  return word
}
