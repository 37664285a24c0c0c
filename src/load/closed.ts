// The closed model: so many connections, each sending its next request when the last one was answered. For smoke,
// capacity and soak; it slows down with a slow target, so no gate compares its times with a limit of users. This side
// starts the workers, adds up what they tell, and says how it ended.
import { Worker } from 'node:worker_threads'
import { RollgateError } from '../domain/error.ts'
import type { GeneratorSample, LoadEnd } from '../domain/load.ts'
import { threadFile } from '../domain/shipped.ts'
import { failuresOf, type Slice } from '../domain/slice.ts'
import type { ClosedOrder, ClosedReport, ClosedWish } from './closed-worker.ts'
import { createGatherer } from './gather.ts'
import { brakeSentence, createGuard } from './guard.ts'
import { tryConnecting } from './http.ts'
import { openLanes } from './lanes.ts'
import { logIn } from './login.ts'
import { mergeSlices } from './merge.ts'
import type { LoadHooks, LoadPlan, LoadResult, LoadRun } from './plan.ts'
import { createRandom } from './random.ts'
import { fitCap, lookForRoom } from './room.ts'
import { prepareScenarios } from './scenario.ts'
import { createTally } from './tally.ts'
import { readyTargets } from './targets.ts'
import { createJudge, LIMITS } from './validity.ts'

/** @throws RollgateError (from `done`) E_LOAD, E_LOAD_DATA, E_LOAD_ROOM, E_SECRET before anything is sent */
export function startClosed(plan: LoadPlan, hooks: LoadHooks): LoadRun {
  const control: Control = { end: null, wish: () => {}, endWarmup: () => {} }
  return {
    endWarmup: () => control.endWarmup(),
    stop() {
      control.end ??= 'stopped'
      control.wish('stop')
    },
    done: run(plan, hooks, control),
  }
}

type Control = { end: LoadEnd | null; wish: (wish: ClosedWish) => void; endWarmup: () => void }

async function run(asked: LoadPlan, hooks: LoadHooks, control: Control): Promise<LoadResult> {
  const plan = { ...asked, targets: await readyTargets(asked) }
  const { settings, targets } = plan
  const { model } = settings
  if (model.kind !== 'closed') throw new RollgateError('E_BUG', 'the closed driver was given another model')
  const workers = Math.max(1, Math.min(model.workers ?? 1, model.connections, model.amount ?? model.connections))
  checkSettings(settings)
  for (const target of targets) checkTarget(settings.name, target)
  if (workers > 1 && Object.values(settings.data).some(({ order }) => order === 'once' || order === 'partition'))
    throw new RollgateError('E_LOAD', `load "${settings.name}": rows that only one may have cannot be shared by ${workers} workers`)
  fitCap(model.connections, model.connections, targets.length, await lookForRoom())
  const cookies = await signIn(plan, hooks.signal)
  await checkCertificates(plan)

  const startedAt = new Date().toISOString()
  const startMs = performance.now()
  const tally = createTally(targets.map((target) => target.name))
  // A smoke test is as fast as it can be, and judged by its failures alone.
  const judge = createJudge(model.amount === undefined ? plan.limits : { ...LIMITS, ...plan.limits, cpu: Number.POSITIVE_INFINITY })
  let warmupEndMs = Math.ceil(plan.warmupMs / 1000) * 1000

  // Without a login nothing is sent.
  if (cookies.problems.length > 0) control.end = 'no-login'
  const orders = (cookies.problems.length > 0 ? [] : targets).flatMap((target, index) =>
    Array.from({ length: workers }, (_, worker): ClosedOrder => {
      const site = new URL(target.origin)
      const reached = target.address === undefined ? site.host : `${bracketed(target.address.host)}:${target.address.port}`
      return {
        ...{ settings, runId: plan.runId, env: plan.env ?? {}, secrets: cookies.secrets, cookies: cookies.of[index] ?? null },
        ...{ target: target.name, host: site.host, servername: site.protocol === 'https:' ? site.hostname : null },
        url: `${site.protocol}//${reached}`,
        connections: shareOf(Math.min(model.connections, model.amount ?? model.connections), workers, worker),
        amount: model.amount === undefined ? null : shareOf(model.amount, workers, worker),
        ...{ durationMs: plan.durationMs, warmupMs: warmupEndMs, seed: `${plan.seed}/${worker}` },
      }
    }),
  )
  const live = targets.map(({ name }) => ({ name, offered: 0, done: 0, failed: 0, inFlight: 0 }))
  const seconds = createGatherer<Slice>(orders.length, (_second, told) => {
    const slices = mergeSlices(told)
    judge.addSecond(slices)
    for (const slice of slices) {
      const counts = live.find(({ name }) => name === slice.target)
      if (counts !== undefined) {
        counts.offered += slice.offered
        counts.done += slice.done
        counts.failed += failuresOf(slice)
      }
      tally.add(slice)
      hooks.onSlice?.(slice)
    }
  })
  const samples = createGatherer<GeneratorSample>(orders.length, (second, of) => {
    const sum = (pick: (sample: GeneratorSample) => number) => of.reduce((total, sample) => total + pick(sample), 0)
    const sample = {
      second,
      // The busiest thread is the one that could not keep up.
      cpu: Math.max(...of.map(({ cpu }) => cpu)),
      loopDelayMs: Math.max(...of.map(({ loopDelayMs }) => loopDelayMs)),
      inFlight: sum(({ inFlight }) => inFlight),
      connections: sum(({ connections }) => connections),
    }
    if (second * 1000 >= warmupEndMs) judge.addSample(sample)
    hooks.onSample?.(sample)
    hooks.onProgress?.({ second, phase: second * 1000 < warmupEndMs ? 'warmup' : 'measuring', targets: live })
  })
  const { abortIf } = settings.safety
  const guard = createGuard(abortIf, targets.length)
  let brake: string | null = null
  const watchOver = (target: number, ended: number, failed: number) => {
    const nowMs = performance.now() - startMs
    guard.endedTogether(target, nowMs, ended, failed)
    const tripped = control.end === null ? guard.tripped(nowMs) : null
    if (tripped === null || abortIf === null) return
    brake = brakeSentence(abortIf, tripped, targets[tripped.target]?.name ?? '')
    control.end = 'unsafe'
    wish('stop')
  }
  const threads = orders.map((order) => startThread(order))
  const wish = (what: ClosedWish) => {
    for (const thread of threads) thread.postMessage(what)
  }
  control.wish = wish
  control.endWarmup = () => {
    const at = Math.ceil((performance.now() - startMs) / 1000) * 1000
    if (at >= warmupEndMs) return
    warmupEndMs = at
    wish({ warmupEndMs })
  }
  const cancel = () => {
    control.end = 'cancelled'
    wish('cancel')
  }
  hooks.signal.addEventListener('abort', cancel, { once: true })
  try {
    if (hooks.signal.aborted) cancel()
    else if (control.end !== null) wish('stop')
    const reports = await Promise.all(
      threads.map((thread, index) =>
        follow(thread, seconds.add, ({ sample, ended, failed }) => {
          samples.add(sample.second, [sample])
          watchOver(Math.floor(index / workers), ended, failed)
        }),
      ),
    )
    seconds.finish()
    const measuredMs = Math.max(0, ...reports.map((report) => report.measuredMs))
    const unaccounted = reports.reduce((sum, report) => sum + report.unaccounted, 0)
    const end: LoadEnd = control.end ?? (reports.some((report) => report.outOfData) ? 'data' : 'finished')
    const more = [...(unaccounted > 0 ? [`${unaccounted} requests unaccounted for`] : []), ...cookies.problems]
    return {
      ...{
        runId: plan.runId,
        seed: plan.seed,
        startedAt,
        end,
        endDetail: brake ?? cookies.problems[0] ?? null,
        warmupMs: warmupEndMs,
        measuredMs,
      },
      targets: tally.summaries(measuredMs),
      validity: judge.validity(end, null, more),
      tainted: reports.some((report) => report.lost > 0),
    }
  } finally {
    hooks.signal.removeEventListener('abort', cancel)
    await Promise.all(threads.map((thread) => thread.terminate()))
  }
}

type Done = Extract<ClosedReport, { kind: 'done' }>

function follow(
  thread: Worker,
  onSecond: (second: number, slices: readonly Slice[]) => void,
  onSample: (report: Extract<ClosedReport, { kind: 'sample' }>) => void,
): Promise<Done> {
  return new Promise((resolve, reject) => {
    thread.on('message', (report: ClosedReport) => {
      switch (report.kind) {
        case 'second':
          return onSecond(report.second, report.slices)
        case 'sample':
          return onSample(report)
        case 'done':
          return resolve(report)
        default:
          report satisfies never
      }
    })
    thread.on('error', reject)
    thread.on('exit', () => reject(new RollgateError('E_BUG', 'a load worker ended without a report')))
  })
}

/** What autocannon and Node say aside (a timer that came late) is nobody's business; errors come as events. */
function startThread(order: ClosedOrder): Worker {
  const thread = new Worker(threadFile(new URL('./closed-worker.ts', import.meta.url)), { workerData: order, stdout: true, stderr: true })
  thread.stdout.resume()
  thread.stderr.resume()
  return thread
}

/** The parts of a whole differ by one at most, and add up to it. */
function shareOf(whole: number, parts: number, part: number): number {
  return Math.floor(whole / parts) + (part < whole % parts ? 1 : 0)
}

/** autocannon's own reconnects lose the answer before each: there is no honest way to have them. */
function checkSettings({ name, newConnectionEvery }: LoadPlan['settings']): void {
  if (newConnectionEvery === undefined) return
  throw new RollgateError('E_LOAD', `load "${name}": the closed model cannot keep new_connection_every`, {
    hints: ['give the load a rate instead of connections', 'or leave new_connection_every out'],
  })
}

function checkTarget(load: string, target: LoadPlan['targets'][number]): void {
  if (target.connect !== undefined)
    throw new RollgateError('E_LOAD', `load "${load}": the closed model cannot go through an SSH tunnel to ${target.name}`, {
      hints: ['give the load a rate instead of connections'],
    })
  if (target.http2 === true) throw new RollgateError('E_LOAD', `load "${load}": the closed model speaks HTTP/1.1 only`)
}

/** autocannon checks no certificate and cannot be told to: we do, before it sends anything. */
async function checkCertificates(plan: LoadPlan): Promise<void> {
  for (const target of plan.targets) {
    if (!target.origin.startsWith('https:')) continue
    const wrong = await tryConnecting({ ...target, connectTimeoutMs: plan.settings.timeouts.connectMs })
    if (wrong?.class !== 'tls') continue
    throw new RollgateError(
      'E_LOAD',
      `load "${plan.settings.name}": the certificate of ${target.name} is not to be trusted: ${wrong.detail}`,
    )
  }
}

type SignedIn = {
  readonly of: readonly (string | null)[]
  readonly problems: readonly string[]
  /** For the workers: they cannot ask themselves. */
  readonly secrets: Readonly<Record<string, string>>
}

/** Also finds everything that is wrong with the scenarios before a worker is started. */
async function signIn(plan: LoadPlan, signal: AbortSignal): Promise<SignedIn> {
  const secrets: Record<string, string> = {}
  const readSecret = async (name: string) => {
    if (plan.readSecret === undefined) throw new RollgateError('E_SECRET', `there is no secret called ${name} here`)
    const value = await plan.readSecret(name)
    secrets[name] = value
    return value
  }
  const random = createRandom(plan.seed)
  const scenarios = await prepareScenarios(plan.settings, { runId: plan.runId, random, env: plan.env ?? {}, readSecret })
  const { timeouts } = plan.settings
  const times = { connectTimeoutMs: timeouts.connectMs, firstByteTimeoutMs: timeouts.firstByteMs, bodyTimeoutMs: timeouts.bodyMs }
  const lanes = plan.targets.map((target) => openLanes({ ...target, ...times, maxInFlight: 1 }))
  try {
    const { cookies, problem } = await logIn(scenarios, lanes, timeouts, signal)
    return { of: cookies, problems: problem === null ? [] : [problem], secrets }
  } finally {
    await Promise.all(lanes.map((each) => each.destroy()))
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
