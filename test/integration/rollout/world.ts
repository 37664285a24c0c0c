// A sandbox fleet with its project, and the real CLI as a process of its own that can be killed: what an operator has,
// and what is left when his machine is gone.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Stamped } from '../../../src/domain/event.ts'
import { startTraffic, type Traffic } from '../../../src/load/traffic.ts'
import { type Sandbox, startSandbox } from '../../../src/sandbox/fleet.ts'
import { type DemoProject, writeDemoProject } from '../../../src/sandbox/project.ts'
import { BIN } from '../../helpers/bin.ts'
import { COMPILED } from '../../helpers/compiled.ts'
import { punctually } from '../../helpers/punctual.ts'
import { ask, statRow, temporaryFolder, until } from '../sandbox/helpers.ts'

export type Result = { readonly exitCode: number | null; readonly document: Record<string, unknown>; readonly stderr: string }

export type Running = {
  readonly child: ChildProcess
  /** Events so far. */
  events(): readonly Stamped[]
  readonly ended: Promise<Result>
  /** `kill -9`, in the very moment in which the event is seen. */
  killWhen(seen: (event: Stamped) => boolean): Promise<void>
}

export type World = {
  readonly fleet: Sandbox
  readonly project: DemoProject
  /** Another `machine` is another home folder: nothing of the first one's journal is there. */
  start(machine: string, ...words: string[]): Running
  run(machine: string, ...words: string[]): Promise<Result>
  traffic(): Traffic
  /** HAProxy's words for a server. */
  status(server: string): Promise<string>
}

/** With v1 deployed and serving; v2 is ready to be deployed. `measures`: its commands go before everything else on this machine. */
export async function aFleet(hosts: number, env: Readonly<Record<string, string>> = {}, measures = false): Promise<World> {
  const folder = temporaryFolder()
  const fleet = await startSandbox({ hosts, directory: join(folder, 'sandbox'), signal: new AbortController().signal })
  onTestFinished(() => fleet.stop())
  const project = await writeDemoProject(join(folder, 'project'), fleet)
  await project.setProbe(false)
  let runs = 0
  const world: World = {
    fleet,
    project,
    start(machine, ...words) {
      runs += 1
      const events = join(folder, `events-${runs}.ndjson`)
      const home = join(folder, machine)
      const withEvents = ['deploy', 'rollback', 'restart', 'resume', 'abort', 'promote'].includes(words[0] ?? '')
        ? ['--events', events]
        : []
      const command = [BIN, ...words, '--json', ...withEvents]
      const [program, given] = measures ? punctually(process.execPath, command) : [process.execPath, command]
      const child = spawn(program, given, {
        cwd: project.directory,
        env: {
          PATH: process.env.PATH,
          HOME: home,
          XDG_STATE_HOME: join(home, 'state'),
          XDG_CACHE_HOME: join(home, 'cache'),
          ...COMPILED,
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      const text = { stdout: '', stderr: '' }
      child.stdout.on('data', (chunk: Buffer) => {
        text.stdout += chunk.toString()
      })
      child.stderr.on('data', (chunk: Buffer) => {
        text.stderr += chunk.toString()
      })
      const ended = new Promise<Result>((done) => {
        child.once('close', (exitCode) =>
          done({ exitCode, document: text.stdout === '' ? {} : JSON.parse(text.stdout), stderr: text.stderr }),
        )
      })
      const seen = (): readonly Stamped[] => readEvents(events)
      return {
        child,
        events: seen,
        ended,
        async killWhen(wanted) {
          await until(() => seen().some(wanted) || child.exitCode !== null)
          child.kill('SIGKILL')
          await ended
        },
      }
    },
    run: (machine, ...words) => world.start(machine, ...words).ended,
    traffic() {
      const traffic = startTraffic({ url: fleet.entryUrl, users: 6, timeoutMs: 20_000 }, { signal: new AbortController().signal })
      onTestFinished(() => void traffic.stop())
      return traffic
    },
    status: async (server) => statRow(await ask(fleet.balancer.apiPort, 'show stat'), server).status ?? '',
  }
  const first = await world.run('ada', 'deploy')
  if (first.exitCode !== 0) throw new Error(`the first deploy failed: ${JSON.stringify(first.document)} ${first.stderr}`)
  await project.setVersion('v2', 'good')
  return world
}

function readEvents(file: string): readonly Stamped[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => (line.endsWith('}') ? [JSON.parse(line)] : []))
}

export const stepBegan =
  (step: string) =>
  (event: Stamped): boolean =>
    event.type === 'step.started' && event.step === step
export const stepEnded =
  (step: string) =>
  (event: Stamped): boolean =>
    event.type === 'step.succeeded' && event.step === step
