// A user's project on the lab's fleet: a folder with rollgate.yml and a build, and the command line run as users run
// it, as a process of its own with a home folder of its own, `--json` and `--events`. Careful about two things: no
// variable of this machine's CI or agent reaches the tool, and a run that does not end is killed by its id and is a failure.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BaseDocument, RolloutDocument } from '../../../src/domain/document.ts'
import type { Stamped } from '../../../src/domain/event.ts'
import { BIN } from '../../helpers/bin.ts'
import { COMPILED } from '../../helpers/compiled.ts'
import { finished, type Lab } from '../../helpers/lab.ts'
import { punctually } from '../../helpers/punctual.ts'
import { ROOT } from './fleet.ts'
import { type Variant, writeBuild } from './release.ts'

export type Settings = { readonly [key: string]: unknown }

export type CliResult<D extends BaseDocument = BaseDocument> = {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** With `--json`. */
  readonly document: D
  readonly events: readonly Stamped[]
}

export type CliOptions = {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Another one is another operator's machine. */
  readonly home?: string
  readonly stdin?: string
  /** It measures: it goes before everything else on this machine. */
  readonly measures?: true
}

/** A run in hand: a test waits for an event of it, and signals it. */
export type Started = {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  events(): readonly Stamped[]
  /** What was printed so far. */
  stdout(): string
  stderr(): string
  readonly ended: Promise<Omit<CliResult, 'document'>>
}

export type Project = {
  readonly path: string
  readonly home: string
  /** Writes rollgate.yml: `over` replaces whole sections of the usual one; null leaves a section out. */
  configure(over?: Settings): void
  build(name: string, variant?: Variant): void
  /** Text mode: `document` is not there. */
  text(words: readonly string[], options?: CliOptions): Promise<Omit<CliResult, 'document'>>
  /** Text mode, with `--events` where there are any; not waited for. */
  start(words: readonly string[], options?: CliOptions): Started
  json<D extends BaseDocument = RolloutDocument>(words: readonly string[], options?: CliOptions): Promise<CliResult<D>>
  /** Ends what a test that failed has left running. */
  killAll(): void
}

const WITH_EVENTS = ['deploy', 'rollback', 'restart', 'resume', 'abort', 'promote']
/** Longer than any rollout here should take on a busy machine; the long forms wait for minutes on purpose. */
const LIMIT_MS = process.env.ROLLGATE_FULL === '1' ? 900_000 : 170_000
/** A gate that cannot be trusted is measured again, up to a minute each time. */
export const MEASURES_MS = 400_000

/** Hosts h1… and the balancer, quick to prove healthy; everything else as most people have it. */
export function usualSettings(lab: Lab): Settings {
  return {
    app: 'shop',
    artifact: { path: 'dist' },
    ssh: { config: lab.sshConfig },
    hosts: {
      ...Object.fromEntries(lab.hosts.map((host) => [host.name, { address: host.address }])),
      [lab.balancer.name]: { address: lab.balancer.address, roles: ['balancer'] },
    },
    release: { root: ROOT, keep: 3 },
    service: { unit: 'app' },
    health: {
      http: { port: 8080, path: '/healthz' },
      version: { header: 'x-release' },
      interval: '200ms',
      healthy_for: '600ms',
      deadline: '20s',
    },
    balancer: { kind: 'haproxy', hosts: [lab.balancer.name], backend: 'app', drain: { deadline: '20s' } },
    rollout: { steps: [{ deploy: 1 }, { deploy: '100%' }] },
  }
}

/** @param folder an empty folder of the test's; the project is `project`, its home `home` */
export function createProject(lab: Lab, folder: string): Project {
  const path = join(folder, 'project')
  const home = join(folder, 'home')
  mkdirSync(path, { recursive: true })
  mkdirSync(home, { recursive: true })
  let runs = 0
  const alive = new Set<ChildProcess>()
  const eventsFile = () => {
    runs += 1
    return join(folder, `events-${runs}.ndjson`)
  }
  const start = (words: readonly string[], options: CliOptions, events: string): Started => {
    const [program, rest] = options.measures === true ? punctually(process.execPath, [BIN, ...words]) : [process.execPath, [BIN, ...words]]
    const child = spawn(program, rest, {
      cwd: options.cwd ?? path,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: options.home ?? home,
        USER: 'ada',
        LANG: 'C.UTF-8',
        TZ: 'UTC',
        ...COMPILED,
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    alive.add(child)
    child.once('exit', () => alive.delete(child))
    child.stdin.on('error', () => {}) // it may have ended without reading
    child.stdin.end(options.stdin ?? '')
    const timer = setTimeout(() => child.kill('SIGKILL'), options.measures === true ? Math.max(LIMIT_MS, MEASURES_MS) : LIMIT_MS)
    const ended = finished(child).then((end) => {
      clearTimeout(timer)
      if (end.exitCode === -1) throw new Error(`rollgate ${words.join(' ')} was killed: it did not end by itself\n${end.stderr}`)
      return { ...end, events: readEvents(events) }
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    let told = ''
    child.stderr.on('data', (chunk: Buffer) => {
      told += chunk.toString('utf8')
    })
    return {
      pid: child.pid ?? -1,
      kill: (signal) => void child.kill(signal),
      events: () => readEvents(events),
      stdout: () => said,
      stderr: () => told,
      ended,
    }
  }
  const run = (words: readonly string[], options: CliOptions, events: string) => start(words, options, events).ended
  const project: Project = {
    path,
    home,
    configure: (over = {}) => {
      const settings = Object.entries({ ...usualSettings(lab), ...over }).filter(([, value]) => value !== null)
      // JSON is YAML too.
      writeFileSync(join(path, 'rollgate.yml'), `${JSON.stringify(Object.fromEntries(settings), null, 2)}\n`)
    },
    build: (name, variant) => {
      rmSync(join(path, 'dist'), { recursive: true, force: true })
      writeBuild(join(path, 'dist'), name, variant)
    },
    text: (words, options = {}) => run(words, options, ''),
    start: (words, options = {}) => {
      const events = eventsFile()
      return start(WITH_EVENTS.includes(words[0] ?? '') ? [...words, '--events', events] : words, options, events)
    },
    killAll() {
      for (const child of alive) child.kill('SIGKILL')
    },
    json: async <D extends BaseDocument = RolloutDocument>(words: readonly string[], options: CliOptions = {}) => {
      const events = eventsFile()
      const watched = WITH_EVENTS.includes(words[0] ?? '')
      // What stands after `--` is a command's for the hosts.
      const end = words.includes('--') ? words.indexOf('--') : words.length
      const flags = ['--json', ...(watched ? ['--events', events] : [])]
      const ended = await run([...words.slice(0, end), ...flags, ...words.slice(end)], options, events)
      return { ...ended, document: parseDocument<D>(words, ended) }
    },
  }
  project.configure()
  return project
}

function parseDocument<D extends BaseDocument>(words: readonly string[], ended: { stdout: string; stderr: string; exitCode: number }): D {
  try {
    // The contract of cli.md, which other tests hold to its schema.
    return JSON.parse(ended.stdout) as D
  } catch (cause) {
    const said = `exit ${ended.exitCode}\nstdout: ${ended.stdout.slice(0, 2000)}\nstderr: ${ended.stderr.slice(-4000)}`
    throw new Error(`rollgate ${words.join(' ')} --json printed no document: ${said}`, { cause })
  }
}

function readEvents(file: string): readonly Stamped[] {
  if (file === '' || !existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1) // empty, or a line that is being written
    .map((line) => JSON.parse(line) as Stamped)
}
