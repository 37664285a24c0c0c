// What the load benchmarks share: the target, a command with its CPU time, medians, and the machine a result was made on.
import { execFileSync, fork, spawn } from 'node:child_process'
import { cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export type Target = {
  readonly url: string
  /** Requests that came since the last time it was asked. */
  count(): Promise<number>
  close(): void
}

export async function startTarget(): Promise<Target> {
  const child = fork(fileURLToPath(new URL('./load-target.ts', import.meta.url)), [], { execArgv: [] })
  const message = () =>
    new Promise<Record<string, number>>((done) => child.once('message', (value) => done(value as Record<string, number>)))
  const { port } = await message()
  return {
    url: `http://127.0.0.1:${port}`,
    async count() {
      const answer = message()
      child.send('count')
      return (await answer).requests ?? 0
    },
    close: () => child.disconnect(),
  }
}

export type Ran = { readonly cpuMs: number; readonly wallMs: number; readonly output: string }

/** Runs words; user and system time are the shell's own report about its child, start-up and all threads included. */
export function timed(argv: readonly string[], cwd?: string): Promise<Ran> {
  const script = 'TIMEFORMAT="@@ %3U %3S"; time "$@"'
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn('bash', ['-c', script, 'bash', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    child.once('error', reject)
    child.once('close', (code) => {
      const match = /@@ ([\d.]+) ([\d.]+)/.exec(output)
      if (match === null || code !== 0) return reject(new Error(`${argv[0]} ended with ${code}: ${output.slice(-2000)}`))
      resolve({ cpuMs: (Number(match[1]) + Number(match[2])) * 1000, wallMs: performance.now() - started, output })
    })
  })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN)) / 2
}

export function spread(values: readonly number[]) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), rounds: values.length }
}

export function machine() {
  const git = (...words: string[]) => {
    try {
      return execFileSync('git', words, { encoding: 'utf8', cwd: fileURLToPath(new URL('..', import.meta.url)) }).trim()
    } catch {
      return null
    }
  }
  return {
    at: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    /** Above the number of cores: other work was running, and only ratios of one round mean anything. */
    loadAverage: loadavg().map((load) => Math.round(load * 10) / 10),
  }
}
