import { spawn } from 'node:child_process'
import type { CommandResult, OutputLine } from '../../domain/command.ts'
export type LocalOptions = {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly onLine?: (line: OutputLine) => void | Promise<void>
  readonly maxOutputBytes?: number
}
export function runLocal(
  command: { readonly argv: readonly string[] } | { readonly shell: string },
  options: LocalOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const [file, ...args] = 'argv' in command ? command.argv : ['/bin/sh', '-c', command.shell]
    const child = spawn(file ?? '', args, { cwd: options.cwd, env: options.env, signal: options.signal, stdio: ['ignore', 'pipe', 'pipe'] })
    const out = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      let rest = ''
      child[stream].on('data', (chunk: Buffer) => {
        out[stream] += chunk.toString()
        rest += chunk.toString()
        const lines = rest.split('\n')
        rest = lines.pop() ?? ''
        for (const text of lines) void options.onLine?.({ stream, text })
      })
    }
    child.on('error', reject)
    child.on('close', (exitCode) => resolve({ exitCode, ...out, truncated: false, durationMs: 0, lost: false, timedOut: false }))
  })
}
