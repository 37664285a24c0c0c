// What every suite on the fleet starts from and ends with: a project of its own on an empty fleet, users and a sampler
// around a rollout, and the question that no rollout may leave open: is anybody still drained, or behind?
import { beforeAll, expect } from 'vitest'
import type { StatusDocument } from '../../../src/domain/document.ts'
import type { Lab } from '../../helpers/lab.ts'
import { until } from '../../helpers/lab-wait.ts'
import { APP_UNIT, emptyFleet, fleet, type Running, suiteFolder } from './fleet.ts'
import { isReady, type SampleReport, servers, startSampler } from './haproxy.ts'
import { type Load, type LoadReport, startLoad } from './load.ts'
import { type CliResult, createProject, type Project } from './project.ts'

/** A project on an empty fleet, made before the suite's tests. */
export function useProject(lab: Lab, name: string, unit = APP_UNIT): { readonly project: Project } {
  const folder = suiteFolder(name)
  let made: Project | null = null
  beforeAll(async () => {
    await emptyFleet(lab, unit)
    made = createProject(lab, folder.path)
  })
  return {
    get project() {
      if (made === null) throw new Error('the project is made before the first test')
      return made
    },
  }
}

/** Deploys and expects success: for getting into the state that a test starts from. */
export async function deployed(project: Project, build: string): Promise<string> {
  project.build(build)
  const { document, exitCode, stderr } = await project.json(['deploy'])
  expect(exitCode, `${JSON.stringify(document.error, null, 2)}\n${stderr}`).toBe(0)
  return String(document.release)
}

export type Watched<R> = { readonly result: R; readonly load: LoadReport; readonly looked: SampleReport }

/** Runs `work` while users come through the balancer without a pause, from well before to well after. */
export async function underLoad<R>(lab: Lab, work: (users: Load) => Promise<R>): Promise<Watched<R>> {
  const load = startLoad(`http://${lab.balancer.address}/work`)
  const sampler = startSampler(lab)
  try {
    await until('the load runs', () => load.sent.length > 150)
    const result = await work(load)
    const reached = load.sent.length
    await until('the load went on after the end', () => load.sent.length > reached + 150)
    return { result, load: await load.stop(), looked: await sampler.stop() }
  } finally {
    await Promise.all([load.stop(), sampler.stop()])
  }
}

/** What `underLoad` must show for any rollout here: nothing lost, never more than one out. */
export function expectNothingLost(lab: Lab, watched: Watched<CliResult>): void {
  const told = JSON.stringify({ classes: watched.load.classes, failures: watched.load.failures.slice(0, 5) })
  expect(watched.load.failed, told).toBe(0)
  expect(watched.load.requests).toBeGreaterThan(300)
  expect(watched.looked.samples).toBeGreaterThan(10)
  expect(watched.looked.leastReady).toBeGreaterThanOrEqual(lab.hosts.length - 1)
}

/** Every host runs `release`, the link points at it, and HAProxy has every server ready. */
export async function expectWhole(lab: Lab, release: string): Promise<readonly Running[]> {
  const seen = await fleet(lab)
  expect(seen.map(({ host, current, release: runs, active }) => ({ host, current, runs, active }))).toEqual(
    lab.hosts.map((host) => ({ host: host.name, current: release, runs: release, active: 'active' })),
  )
  const balancer = await servers(lab)
  expect(balancer.map((server) => ({ name: server.name, ready: isReady(server), weight: server.weight }))).toEqual(
    lab.hosts.map((host) => ({ name: host.name, ready: true, weight: 1 })),
  )
  return seen
}

/** No rollout is left, nobody holds the lock, and the fleet runs one release: that one, or whichever it is. @param home another machine's */
export async function expectWholeAgain(lab: Lab, project: Project, home: string, release?: string): ReturnType<typeof expectWhole> {
  const { document } = await project.json<StatusDocument>(['status'], { home })
  expect(document).toMatchObject({ lock: null, unfinished: null, drift: [] })
  const [host] = await fleet(lab)
  return expectWhole(lab, release ?? host?.release ?? 'none')
}

/** What a command said of its failure. */
export const told = (result: { readonly document: { readonly error?: unknown }; readonly stderr: string }): string =>
  `${JSON.stringify(result.document.error, null, 2)}\n${result.stderr}`
