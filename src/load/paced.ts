// The open model: requests leave at the moments of the schedule, whatever the answers do. Response time is counted from
// the moment a request was due (what a user would have felt), service time from the send. Careful that nothing waits: an
// arrival above the cap is shed, a late one is sent late and its lateness recorded, a failed one is never repeated. With
// two targets each arrival is a pair: the same scenario, the same row, at the same moment, in random order.
import { RollgateError } from '../domain/error.ts'
import type { LoadEnd } from '../domain/load.ts'
import type { FailureClass } from '../domain/slice.ts'
import { type Alarm, openAlarm } from './alarm.ts'
import { createDues } from './dues.ts'
import { brakeSentence, createGuard } from './guard.ts'
import { type Ended, type Lanes, openLanes } from './lanes.ts'
import { logIn } from './login.ts'
import type { LoadHooks, LoadPlan, LoadProgress, LoadResult, LoadRun } from './plan.ts'
import { peakOf } from './profile.ts'
import { createRandom, type Random } from './random.ts'
import { createRecorder } from './recorder.ts'
import type { Visit } from './request.ts'
import { fitCap, lookForRoom } from './room.ts'
import { startSampler } from './sampler.ts'
import { prepareScenarios, type Scenario, type Scenarios } from './scenario.ts'
import { createTally } from './tally.ts'
import { readyTargets } from './targets.ts'
import { startTicker } from './ticker.ts'
import { createJudge } from './validity.ts'

const MOST_IN_FLIGHT = 10_000
const LOOK_MS = 100
/** A generator that is so late has nothing to say any more: what it would still send only burdens the target. */
const HOPELESS_MS = 20_000

/** @throws RollgateError (from `done`) E_LOAD, E_LOAD_DATA, E_LOAD_ROOM, E_SECRET before anything is sent */
export function startPaced(plan: LoadPlan, hooks: LoadHooks): LoadRun {
  const control: Control = { endWarmup: () => {}, stop: () => {}, wanted: null }
  return {
    endWarmup: (atMs) => control.endWarmup(atMs),
    stop() {
      control.wanted ??= 'stopped'
      control.stop('stopped')
    },
    done: prepare(plan, hooks, control),
  }
}

/** What a caller may ask before the run has begun is kept in `wanted`. */
type Control = { endWarmup: (atMs?: number) => void; stop: (end: LoadEnd) => void; wanted: LoadEnd | null }

async function prepare(plan: LoadPlan, hooks: LoadHooks, control: Control): Promise<LoadResult> {
  const { settings } = plan
  if (settings.model.kind !== 'paced') throw new RollgateError('E_BUG', 'the paced driver was given another model')
  const targets = await readyTargets(plan)
  const random = createRandom(plan.seed)
  const readSecret = plan.readSecret ?? noSecret
  const scenarios = await prepareScenarios(settings, { runId: plan.runId, random, env: plan.env ?? {}, readSecret, rows: plan.rows ?? {} })
  const { timeouts } = settings
  const peak = peakOf(settings.model.profile)
  const longestMs = timeouts.connectMs + timeouts.firstByteMs + timeouts.bodyMs
  const fallback = Math.max(16, Math.min(MOST_IN_FLIGHT, Math.ceil((peak * (longestMs + 1000)) / 1000)))
  const maxInFlight = fitCap(settings.model.maxInFlight ?? null, fallback, targets.length, await lookForRoom())
  const lanes = targets.map((target) =>
    openLanes({
      ...target,
      maxInFlight,
      connectTimeoutMs: timeouts.connectMs,
      firstByteTimeoutMs: timeouts.firstByteMs,
      bodyTimeoutMs: timeouts.bodyMs,
      ...(settings.newConnectionEvery === undefined ? {} : { newConnectionEvery: settings.newConnectionEvery }),
    }),
  )
  const alarm = settings.model.precision === 'relaxed' ? null : await openAlarm()
  try {
    const { cookies, problem } = await logIn(scenarios, lanes, timeouts, hooks.signal)
    if (problem !== null) control.wanted = 'no-login'
    const startMs = (await hooks.begin?.()) ?? performance.now()
    return await run(plan, hooks, control, { random, scenarios, lanes, alarm, cookies, problem, startMs })
  } finally {
    await Promise.all([alarm?.close(), ...lanes.map((each) => each.destroy())])
  }
}

type Ready = {
  readonly random: Random
  readonly scenarios: Scenarios
  readonly lanes: readonly Lanes[]
  readonly alarm: Alarm | null
  /** Of the login, for each target. */
  readonly cookies: readonly (string | null)[]
  readonly problem: string | null
  /** On performance.now(). */
  readonly startMs: number
}

function run(plan: LoadPlan, hooks: LoadHooks, control: Control, ready: Ready): Promise<LoadResult> {
  const { settings, targets } = plan
  const { scenarios, lanes, cookies, startMs } = ready
  const order = ready.random.fork('order')
  const startedAt = new Date().toISOString()
  const now = () => performance.now() - startMs

  // The measured time begins with a whole second, or a slice would be half of each.
  let warmupEndMs = Math.ceil(plan.warmupMs / 1000) * 1000
  const isWarmup = (second: number) => second * 1000 < warmupEndMs
  const tally = createTally(targets.map((target) => target.name))
  const judge = createJudge(plan.limits)
  const { abortIf } = settings.safety
  const guard = createGuard(abortIf, targets.length)
  const live = targets.map(() => ({ offered: 0, done: 0, failed: 0 }))

  const steps = scenarios.all.flatMap((scenario) => scenario.steps.map((step) => ({ scenario, step })))
  const firstOf = new Map(scenarios.all.map((scenario) => [scenario, steps.findIndex((each) => each.scenario === scenario)]))
  const recorder = createRecorder({
    series: targets.flatMap((target) => steps.map(({ step }) => ({ target: target.name, scenario: step.name }))),
    isWarmup,
    onSecond(second, slices) {
      judge.addSecond(slices)
      hooks.onSecond?.(second, slices)
      for (const slice of slices) {
        tally.add(slice)
        hooks.onSlice?.(slice)
      }
    },
  })

  return new Promise((resolve, reject) => {
    let end: LoadEnd | null = null
    let endDetail: string | null = ready.problem
    let measuredUntilMs = 0
    let sampled = 0
    let finished = false

    const dues = createDues(plan, ready.random, () => warmupEndMs)
    const ticker = startTicker({
      peek() {
        const due = dues.peek()
        return due === null ? null : startMs + due
      },
      fire(dueMs) {
        dues.take()
        arrive(dueMs - startMs)
      },
      onEnd: () => stop('finished'),
      alarm: ready.alarm,
    })
    const sampler = startSampler({
      inFlight: () => lanes.reduce((sum, each) => sum + each.inFlight, 0),
      connections: () => lanes.reduce((sum, each) => sum + each.lanes, 0),
    })

    const arrive = (dueMs: number) => {
      const arrival = scenarios.next()
      if (arrival === null) return stop('data')
      const first = targets.length > 1 ? order.between(0, targets.length - 1) : 0
      for (let turn = 0; turn < targets.length; turn += 1) {
        visit((first + turn) % targets.length, arrival.scenario, 0, arrival.visit(), dueMs)
      }
    }

    const visit = (target: number, scenario: Scenario, index: number, scope: Visit, dueMs: number) => {
      const step = scenario.steps[index]
      const [to, counts] = [lanes[target], live[target]]
      if (step === undefined || to === undefined || counts === undefined) return
      const series = target * steps.length + (firstOf.get(scenario) ?? 0) + index
      const second = Math.floor(dueMs / 1000)
      recorder.offered(series, second)
      counts.offered += 1
      const fail = (failure: FailureClass, bytes: number, status: number) => {
        counts.failed += 1
        guard.ended(target, now(), true)
        recorder.failed(series, second, failure, bytes, status)
      }
      const sentMs = performance.now()
      const onEnded = (ended: Ended) => {
        if (ended.failure !== null) return fail(ended.failure, ended.bytes, ended.status)
        const serviceMs = ended.endedMs - sentMs
        const wrong = step.checks.wrong(ended, serviceMs)
        if (wrong !== null) return fail(wrong.class, ended.bytes, ended.status)
        if (step.capture(scope, ended) !== null) return fail('check', ended.bytes, ended.status)
        counts.done += 1
        guard.ended(target, now(), false)
        recorder.good(series, second, ended.endedMs - startMs - dueMs, serviceMs, ended.bytes, ended.status)
        // A user goes on as soon as the answer is there; when the run is over nobody does.
        if (index + 1 < scenario.steps.length && end === null) visit(target, scenario, index + 1, scope, ended.endedMs - startMs)
      }
      const taken = to.send(step.request(scope, cookies[target] ?? null), sentMs, step.keepBody, onEnded)
      if (taken) recorder.sent(series, second, sentMs - startMs - dueMs)
      else fail('shed', 0, 0)
    }

    const stop = (why: LoadEnd) => {
      if (end !== null) return
      end = why
      measuredUntilMs = why === 'finished' ? warmupEndMs + plan.durationMs : now()
      ticker.stop()
    }
    control.stop = stop
    control.endWarmup = (atMs) => {
      if (end !== null || now() >= warmupEndMs) return
      warmupEndMs = Math.min(warmupEndMs, Math.ceil(Math.max(now(), atMs ?? 0) / 1000) * 1000)
      ticker.again()
    }
    const cancel = () => {
      stop('cancelled')
      for (const each of lanes) void each.destroy()
      if (end !== null) finish(end)
    }
    hooks.signal.addEventListener('abort', cancel, { once: true })

    const look = () => {
      const at = performance.now()
      for (const each of lanes) each.sweep(at)
      const second = Math.floor(now() / 1000)
      // Not before the schedule has passed it too: a late generator still owes arrivals to a second that is over.
      recorder.tell(end === null ? Math.min(second, Math.floor((dues.peek() ?? now()) / 1000)) : second)
      if (second > sampled) {
        const sample = sampler.take(second - 1)
        sampled = second
        if (end === null && !isWarmup(second - 1)) judge.addSample(sample)
        hooks.onSample?.(sample)
        hooks.onProgress?.(progress(second))
        const tripped = end === null ? guard.tripped(now()) : null
        if (tripped !== null && abortIf !== null) {
          endDetail = brakeSentence(abortIf, tripped, targets[tripped.target]?.name ?? '')
          stop('unsafe')
        }
      }
      if (end === null && now() - (dues.peek() ?? now()) > HOPELESS_MS) stop('late')
      if (end !== null && recorder.open === 0) finish(end)
    }
    const looking = setInterval(() => {
      try {
        look()
      } catch (error) {
        clean()
        reject(error)
      }
    }, LOOK_MS)

    const clean = () => {
      finished = true
      clearInterval(looking)
      ticker.stop()
      sampler.stop()
      hooks.signal.removeEventListener('abort', cancel)
    }
    const finish = (why: LoadEnd) => {
      if (finished) return
      clean()
      recorder.tell(Number.MAX_SAFE_INTEGER)
      const measuredMs = Math.max(0, measuredUntilMs - warmupEndMs)
      resolve({
        ...{ runId: plan.runId, seed: plan.seed, startedAt, end: why, endDetail, measuredMs },
        warmupMs: Math.min(warmupEndMs, measuredUntilMs),
        targets: tally.summaries(measuredMs),
        validity: judge.validity(why, dues.asked),
        tainted: false,
      })
    }
    const progress = (second: number): LoadProgress => ({
      second,
      phase: end !== null ? 'draining' : isWarmup(second) ? 'warmup' : 'measuring',
      targets: targets.map(({ name }, index) => ({
        name,
        ...(live[index] ?? { offered: 0, done: 0, failed: 0 }),
        inFlight: lanes[index]?.inFlight ?? 0,
      })),
    })

    if (hooks.signal.aborted) cancel()
    else if (control.wanted !== null) stop(control.wanted)
  })
}

async function noSecret(name: string): Promise<string> {
  throw new RollgateError('E_SECRET', `there is no secret called ${name} here`)
}
