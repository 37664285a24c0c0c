// The use cases on a sandbox fleet: real shells behind real SSH, a project on disk, and a context as the command line
// makes it, without a terminal. Events and lines are collected, questions are answered from a list.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { AppContext } from '../../../src/app/context.ts'
import type { Ask } from '../../../src/domain/ask.ts'
import type { Stamped } from '../../../src/domain/event.ts'
import { type Layout, layoutOf } from '../../../src/domain/layout.ts'
import { appFiles } from '../../../src/sandbox/app.ts'
import { type Sandbox, type SandboxHost, startSandbox } from '../../../src/sandbox/fleet.ts'

export type Settings = { readonly [key: string]: unknown }

export type Fleet = {
  readonly sandbox: Sandbox
  readonly project: string
  /** As the hosts see it; `on` is where it really lies. */
  readonly layout: Layout
  on(host: number): Layout
  folder(host: number): string
  /** rollgate.yml: the demo's app without a balancer; `over` replaces sections, null leaves one out. */
  configure(over?: Settings): void
  write(path: string, text: string, mode?: number): void
  context(options?: ContextOptions): TestContext
}

export type ContextOptions = {
  readonly ask?: Partial<Ask>
  readonly env?: Readonly<Record<string, string>>
  readonly json?: boolean
  readonly home?: string
  readonly interrupt?: AbortSignal
}
export type TestContext = AppContext & { readonly events: readonly Stamped[]; readonly lines: readonly string[] }

export async function startFleet(hosts: number): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), 'rollgate-host-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const sandbox = await startSandbox({ hosts, directory: join(directory, 'fleet'), signal: new AbortController().signal })
  onTestFinished(() => sandbox.stop())
  const project = join(directory, 'project')
  const hostOf = (index: number): SandboxHost => {
    const found = sandbox.hosts[index]
    if (found === undefined) throw new Error(`there is no host ${index}`)
    return found
  }
  const write = (path: string, text: string, mode = 0o644): void => {
    const full = join(project, path)
    mkdirSync(dirname(full), { recursive: true })
    writeFileSync(full, text)
    chmodSync(full, mode)
  }
  const fleet: Fleet = {
    sandbox,
    project,
    layout: layoutOf(sandbox.releaseRoot),
    on: (index) => layoutOf(join(hostOf(index).folder, 'app')),
    folder: (index) => hostOf(index).folder,
    configure(over = {}) {
      const usual: Settings = {
        app: 'demo',
        artifact: { path: 'app' },
        ssh: { config: sandbox.sshConfigPath },
        hosts: Object.fromEntries(sandbox.hosts.map(({ name }) => [name, { address: name }])),
        release: { root: sandbox.releaseRoot, keep: 3 },
        service: {
          kind: 'command',
          start: './bin/start',
          stop: './bin/stop',
          status: './bin/status',
          logs: 'tail -n "$ROLLGATE_LINES" "$HOME/app.log"',
        },
        health: {
          http: { port: 8080, path: '/healthz' },
          version: { header: 'x-release' },
          interval: '50ms',
          healthy_for: '100ms',
          deadline: '20s',
        },
        rollout: { steps: [{ deploy: '100%' }], at_once: hosts, min_ready: 0 },
      }
      const settings = Object.entries({ ...usual, ...over }).filter(([, value]) => value !== null)
      write('rollgate.yml', `${JSON.stringify(Object.fromEntries(settings), null, 2)}\n`)
    },
    write,
    context(options = {}) {
      const events: Stamped[] = []
      const lines: string[] = []
      const never = new AbortController().signal
      const home = options.home ?? join(directory, 'home')
      mkdirSync(home, { recursive: true })
      return {
        flags: {
          config: join(project, 'rollgate.yml'),
          json: options.json ?? false,
          yes: true,
          input: false,
          verbose: false,
          quiet: false,
        },
        cwd: project,
        env: { PATH: process.env.PATH, HOME: home, USER: 'ada', ...options.env },
        version: '0.0.0',
        ask: options.ask === undefined ? null : { ...SILENT, ...options.ask },
        renderers: [{ on: (event) => events.push(event), end: async () => undefined }],
        control: {
          wish: null,
          because: options.interrupt === undefined ? null : 'SIGINT',
          asked: options.interrupt ?? never,
          hurry: never,
        },
        signal: never,
        stdout: (line) => lines.push(line),
        events,
        lines,
      }
    },
  }
  fleet.configure()
  version(fleet, 'v1')
  return fleet
}

/** Replaces the demo's app by another version of it. */
export function version(fleet: Fleet, name: string, more: Readonly<Record<string, string>> = {}): void {
  rmSync(join(fleet.project, 'app'), { recursive: true, force: true })
  for (const [path, text] of Object.entries({ ...appFiles(name, 'good'), ...more }))
    fleet.write(join('app', path), text, path.startsWith('bin/') ? 0o755 : 0o644)
}

const unexpected = (question: string): never => {
  throw new Error(`nobody expected the question ${question}`)
}
const SILENT: Ask = { confirm: unexpected, text: unexpected, secret: unexpected, choose: unexpected }
