// demo: the main job with nothing installed. A sandbox fleet on loopback (real shells behind embedded SSH servers, a
// small app, an embedded balancer), then the very same deploy as a real one: only what is at the other end differs.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BaseDocument, RolloutDocument } from '../domain/document.ts'
import { ERROR_CODES } from '../domain/error.ts'
import { type DemoFleet, type DemoProject, writeDemoProject } from '../sandbox/project.ts'
import type { AppContext } from './context.ts'
import { type DemoSide, startDemoFleet } from './demo-fleet.ts'
import { deploy } from './deploy.ts'

export type DemoRollout = {
  readonly title: string
  readonly outcome: string
  readonly expected: string
  readonly requests: number
  readonly failed: number
  /** What the last gate said; null where there was none. */
  readonly gate: string | null
}
export type DemoDocument = BaseDocument & { readonly rollouts: readonly DemoRollout[]; readonly directory: string | null }

const USERS = 12
const USER_TIMEOUT_MS = 10_000

export async function demo(options: { readonly hosts?: number; readonly keep?: boolean }, context: AppContext): Promise<DemoDocument> {
  const say = (line: string): void => {
    if (!context.flags.json) context.stdout(line)
  }
  const directory = await mkdtemp(join(tmpdir(), 'rollgate-demo-'))
  const signal = AbortSignal.any([context.signal, context.control.hurry])
  let side: DemoSide | null = null
  try {
    side = await startDemoFleet({ hosts: options.hosts ?? 3, directory }, signal)
    const { fleet } = side
    const names = fleet.hosts.map((host) => host.name).join(', ')
    say(`Sandbox: ${names} and a balancer on lb-1, all on loopback. Entry: ${fleet.entryUrl}`)
    const project = await writeDemoProject(join(directory, 'project'), fleet)
    const inside: AppContext = {
      ...context,
      cwd: project.directory,
      env: { ...context.env, XDG_STATE_HOME: join(directory, 'state'), XDG_CACHE_HOME: join(directory, 'cache') },
      flags: { ...context.flags, config: project.configFile, yes: true },
    }
    const rollouts = await threeRollouts(side, project, inside, say)
    // The last one is right for its reason only: what cannot be measured is undone as well, and shows nothing.
    const right =
      rollouts.length === 3 &&
      rollouts.every((rollout) => rollout.outcome === rollout.expected && rollout.failed === 0) &&
      rollouts.at(-1)?.gate === 'fail'
    if (options.keep === true) await keepRunning(fleet, project, context, say)
    const cancelled = context.control.because
    const error = right ? null : whatWentWrong(rollouts, cancelled)
    const exitCode = error === null ? 0 : cancelled === 'SIGTERM' ? 143 : ERROR_CODES[error.code].exit
    return {
      version: 1,
      command: 'demo',
      exitCode,
      outcome: right ? 'ok' : 'failed',
      ...(error === null ? {} : { error }),
      rollouts,
      directory: options.keep === true ? project.directory : null,
    }
  } finally {
    await side?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function whatWentWrong(rollouts: readonly DemoRollout[], cancelled: string | null): NonNullable<BaseDocument['error']> {
  if (cancelled !== null) return { code: 'E_CANCELLED', message: 'interrupted', hints: [] }
  if (rollouts.some(({ gate }) => gate === 'invalid'))
    return {
      code: 'E_LOAD_INVALID',
      message: 'this machine was too busy to send its load in time, so the gate believed nothing',
      hints: ['close what else is running, and try again'],
    }
  return { code: 'E_BUG', message: 'the demo did not go as it should', hints: [] }
}

async function threeRollouts(
  side: DemoSide,
  project: DemoProject,
  context: AppContext,
  say: (line: string) => void,
): Promise<readonly DemoRollout[]> {
  const rollouts: DemoRollout[] = []
  const act = async (title: string, expected: RolloutDocument['outcome'], underTraffic: boolean): Promise<void> => {
    if (context.control.wish !== null) return
    say(`\n${title}`)
    if (underTraffic) side.startTraffic(USERS, USER_TIMEOUT_MS)
    const document = await deploy({}, context)
    const seen = underTraffic ? await side.stopTraffic() : { requests: 0, failed: 0 }
    const gate = 'gates' in document ? (document.gates.at(-1)?.verdict ?? null) : null
    rollouts.push({ title, outcome: document.outcome, expected, requests: seen.requests, failed: seen.failed, gate })
    if (document.error !== undefined) {
      say(`  ${document.error.message}   (${document.error.code})`)
      if (document.error.now !== undefined) say(`  ${document.error.now}`)
    }
    say(
      `  ${document.outcome}${'release' in document && document.release !== null ? ` ${document.release}` : ''}: ${seen.requests} requests, ${seen.failed} failed`,
    )
  }
  await project.setProbe(false)
  await act('1. A first deploy, to an empty fleet', 'succeeded', false)
  await project.setProbe(true)
  await project.setGate(true)
  await project.setVersion('v2', 'good')
  await act('2. A rolling deploy of v2, while users are on the site; load on the canary decides', 'succeeded', true)
  await project.setVersion('v3', 'slow')
  await act('3. A v3 that is healthy, and slow for 3 of 100 requests: the gate stops it, and it is undone', 'rolled-back', true)
  return rollouts
}

/** Leaves the fleet up until Ctrl-C, with a config to play with. */
async function keepRunning(fleet: DemoFleet, project: DemoProject, context: AppContext, say: (line: string) => void): Promise<void> {
  if (context.control.wish !== null) return
  say(
    `\nThe fleet stays up until Ctrl-C. In another terminal:\n  cd ${project.directory}\n  rollgate status\n  rollgate deploy\n  curl ${fleet.entryUrl}`,
  )
  const { asked } = context.control
  if (asked.aborted) return
  await new Promise<void>((resolve) => asked.addEventListener('abort', () => resolve(), { once: true }))
}
