// Trials of Part 3: something fails in the middle of a rollout while users come through HAProxy without a pause. Each run
// is kept, lost requests or not, before it is judged; with ROLLGATE_FULL=1 the runs of a case replace that case's runs in
// test/results/part3.json, with the commit and the date, and the table of docs/trials.md is made from that file.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect } from 'vitest'
import type { Stamped } from '../../../src/domain/event.ts'
import { type TrialCase, type TrialResults, type TrialRun, trialsPage } from '../../../tools/trials-page.ts'
import type { Lab } from '../../helpers/lab.ts'
import { until } from '../../helpers/lab-wait.ts'
import { untilAllReady } from './fleet.ts'
import { isReady, servers } from './haproxy.ts'
import type { Project, Started } from './project.ts'
import type { Variant } from './release.ts'
import { underLoad } from './suite.ts'

export const full = process.env.ROLLGATE_FULL === '1'

/** `1…long` in the full form, `1…short` in the quick one. */
export function repeat(long: number, short = 1): readonly number[] {
  return Array.from({ length: full ? long : short }, (_, index) => index + 1)
}

/** A lease that a dead operator loses soon; a timer that nobody lives to see. */
export const LEASE_ONLY = { ROLLGATE_LEASE_SECONDS: '8', ROLLGATE_DEAD_MAN_SECONDS: '600' }
/** A timer that fires while the test looks on. */
export const TIMER_TOO = { ROLLGATE_LEASE_SECONDS: '8', ROLLGATE_DEAD_MAN_SECONDS: '8' }

export type Promised = {
  /** Servers that stay ready at any moment [all but one]. */
  readonly leastReady?: number
}

export type Trial = {
  /**
   * The balancer, or a host that serves, goes away during `work`, and takes along what it has in its hands: what breaks until
   * the end of `work`, when the balancer answers again, is told apart from what is lost.
   */
  away(work: () => Promise<unknown>): Promise<void>
}

export type Peer = { readonly tool: string; readonly same: string }

export type Trials = {
  /** Another tool's run of a case of ours: kept as it ended, and judged by nobody. `work` returns the releases that are served. */
  watch(name: string, run: number, peer: Peer, work: (trial: Trial) => Promise<number>): Promise<void>

  /**
   * `work` under load, then HAProxy must have every server ready; no request may be lost, and never fewer servers be ready
   * than promised.
   */
  run(name: string, run: number, work: (trial: Trial) => Promise<void>, promised?: Promised): Promise<void>
}

export function useTrials(lab: Lab): Trials {
  const runs: KeptRun[] = []
  // After each, because hours of trials may end in the middle.
  afterEach(() => {
    if (full && runs.length > 0) keep(lab, runs)
  })
  /** `work` under load; what broke while the balancer was away by the test's own doing is told apart. */
  const watched = async (work: (trial: Trial) => Promise<void>) => {
    let wrong: unknown = null
    const windows: { readonly from: number; readonly to: number }[] = []
    const { load, looked, result } = await underLoad(lab, async (users) => {
      try {
        await work({
          async away(fault) {
            const from = performance.now() - users.began
            await fault()
            await until('the balancer answers again', async () => (await servers(lab).catch(() => [])).length > 0)
            windows.push({ from, to: performance.now() - users.began })
          },
        })
      } catch (error) {
        wrong = error
      }
      return users.sent
    })
    const broken = result.filter(({ failure, at, ms }) => failure !== null && windows.some(({ from, to }) => at + ms >= from && at <= to))
    return { load, looked, wrong, broken: broken.length }
  }
  return {
    async watch(name, run, peer, work) {
      let left: TrialRun['left']
      const { load, looked, wrong, broken } = await watched(async (trial) => {
        const releases = await work(trial)
        left = { out: (await servers(lab)).filter((server) => !isReady(server)).map((server) => server.name), releases }
      })
      if (wrong !== null || left === undefined) throw wrong
      const { requests, failed, classes, slowestMs } = load
      const asPromised = left.out.length === 0 && left.releases === 1
      const { leastReady } = looked
      runs.push({ name, peer, run, requests, failed, takenAlong: broken, classes, slowestMs, leastReady, asPromised, left })
    },
    async run(name, run, work, { leastReady = lab.hosts.length - 1 } = {}) {
      const { load, looked, wrong, broken } = await watched(async (trial) => {
        await work(trial)
        await untilAllReady(lab)
      })
      runs.push({
        name,
        run,
        requests: load.requests,
        failed: load.failed,
        takenAlong: broken,
        classes: load.classes,
        slowestMs: load.slowestMs,
        leastReady: looked.leastReady,
        asPromised: wrong === null,
      })
      if (wrong !== null) throw wrong
      expect(load.failed - broken, JSON.stringify({ classes: load.classes, failures: load.failures.slice(0, 5) })).toBe(0)
      expect(load.requests).toBeGreaterThan(300)
      expect(looked.leastReady, 'servers that were ready at any moment').toBeGreaterThanOrEqual(leastReady)
    },
  }
}

type KeptRun = TrialRun & { readonly name: string; readonly peer?: Peer }

function keep(lab: Lab, runs: readonly KeptRun[]): void {
  const folder = fileURLToPath(new URL('../../results/', import.meta.url))
  const file = join(folder, 'part3.json')
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', cwd: folder }).trim()
  const date = new Date().toISOString()
  const cases = new Map<string, TrialCase>(readResults(file).map((each) => [each.name, each]))
  for (const name of new Set(runs.map((each) => each.name))) {
    const mine = runs.filter((each) => each.name === name)
    const own = mine.map(({ name: _name, peer: _peer, ...run }) => run)
    const peer = mine[0]?.peer
    // A part of a case (`-t 'run 2'`) joins what the same commit has shown before.
    const before = cases.get(name)
    const others = before?.commit === commit ? before.runs.filter((run) => own.every((each) => each.run !== run.run)) : []
    const all = [...others, ...own].toSorted((a, b) => a.run - b.run)
    cases.set(name, { name, commit, date, hosts: lab.hosts.length, runs: all, ...(peer === undefined ? {} : { peer }) })
  }
  const results: TrialResults = { what: 'ROLLGATE_FULL=1 npm test -- e2e/part3', cases: [...cases.values()] }
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(fileURLToPath(new URL('../../../docs/trials.md', import.meta.url)), trialsPage(results))
}

function readResults(file: string): readonly TrialCase[] {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as TrialResults).cases // what an earlier run of this wrote
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

export type Look = (events: readonly Stamped[]) => boolean | Promise<boolean>

/** A step of a host began, or ended well: `began('h2', 'restart')`. */
export const began = (host: string, step: string): Look => steps('step.started', host, step)
export const did = (host: string, step: string): Look => steps('step.succeeded', host, step)
function steps(type: 'step.started' | 'step.succeeded', host: string, step: string): Look {
  return (events) => events.some((event) => event.type === type && event.step.startsWith(`${host}/${step}`))
}

/** Waits for that moment of a run. @throws Error when the run ends without it */
export async function reach(started: Started, what: string, look: Look): Promise<void> {
  const end: { said: string | null } = { said: null }
  started.ended.then(
    ({ exitCode, stderr }) => {
      end.said = `exit ${exitCode}: ${stderr.slice(-3000)}`
    },
    (error: unknown) => {
      end.said = String(error)
    },
  )
  await until(
    what,
    async () => {
      if (await look(started.events())) return true
      if (end.said !== null) throw new Error(`the run ended without this: ${what}; ${end.said}`)
      return false
    },
    120_000,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${started.stderr().slice(-3000)}`)
  })
}

/** Until HAProxy has every server ready, however long that takes; `ended` belongs to a run that was killed and rejects. */
export async function killed(started: Started): Promise<void> {
  started.kill('SIGKILL')
  await started.ended.catch(() => undefined)
}

/** Makes the next build; each trial's own. */
export function builder(project: Project): (kind: string, variant?: Variant) => void {
  let count = 0
  return (kind, variant) => {
    count += 1
    project.build(`${kind} ${count}`, variant)
  }
}
