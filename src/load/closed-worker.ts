// One thread of the closed model: some connections to one target, each sending its next request as soon as the last one
// was answered. Runs in a worker of ours, because autocannon's own cannot be stopped nor watched. Tells the main thread
// every second what it counted.
import { parentPort, workerData } from 'node:worker_threads'
import type { GeneratorSample, LoadSettings } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'
import { type CannonAnswer, fire, type Gunner } from './cannon.ts'
import type { Ended } from './lanes.ts'
import { createRandom } from './random.ts'
import { createRecorder } from './recorder.ts'
import type { Visit } from './request.ts'
import { startSampler } from './sampler.ts'
import { prepareScenarios, type Scenario, type Scenarios } from './scenario.ts'

export type ClosedOrder = {
  readonly settings: LoadSettings
  readonly target: string
  /** What autocannon connects to, and the site's name for the Host header and the SNI. */
  readonly url: string
  readonly host: string
  readonly servername: string | null
  readonly connections: number
  readonly amount: number | null
  readonly durationMs: number
  readonly warmupMs: number
  readonly runId: string
  readonly seed: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly secrets: Readonly<Record<string, string>>
  readonly cookies: string | null
}

export type ClosedReport =
  | { readonly kind: 'second'; readonly second: number; readonly slices: readonly Slice[] }
  /** With what ended since the last one. */
  | { readonly kind: 'sample'; readonly sample: GeneratorSample; readonly ended: number; readonly failed: number }
  | { readonly kind: 'done'; readonly outOfData: boolean; readonly unaccounted: number; readonly lost: number; readonly measuredMs: number }

export type ClosedWish = 'stop' | 'cancel' | { readonly warmupEndMs: number }

const LOOK_MS = 100
/** What is in flight at the end is no failure unless it had waited so long that it should have been answered. */
const STUCK_MS = 1000

async function work(order: ClosedOrder, tell: (report: ClosedReport) => void, onWish: (listen: (wish: ClosedWish) => void) => void) {
  const { settings } = order
  const readSecret = async (name: string) => order.secrets[name] ?? ''
  const scenarios = await prepareScenarios(settings, { runId: order.runId, random: createRandom(order.seed), env: order.env, readSecret })
  const steps = scenarios.all.flatMap((scenario) => scenario.steps.map((step) => ({ scenario, step })))
  const firstOf = new Map(scenarios.all.map((scenario) => [scenario, steps.findIndex((each) => each.scenario === scenario)]))
  const startMs = performance.now()
  let warmupEndMs = order.warmupMs
  let outOfData = false
  let lost = 0
  const counts = { sent: 0, answered: 0, wrong: 0, lost: 0, abandoned: 0 }
  const recorder = createRecorder({
    series: steps.map(({ step }) => ({ target: order.target, scenario: step.name })),
    isWarmup: (second) => second * 1000 < warmupEndMs,
    onSecond: (second, slices) => tell({ kind: 'second', second, slices }),
  })

  const [only] = steps
  const isFixed = steps.length === 1 && only !== undefined && only.step.fixed
  const withHost = (headers: string[]) => (headers.includes('host') ? headers : [...headers, 'host', order.host])
  const shot = (scenario: Scenario, index: number, visit: Visit) => {
    const request = scenario.steps[index]?.request(visit, order.cookies)
    if (request === undefined) throw new Error('a scenario without this step')
    return { ...request, headers: withHost(request.headers) }
  }

  const gunner = (): Gunner => {
    let at: { readonly scenario: Scenario; readonly index: number; readonly visit: Visit } | null = null
    let goesOn = false
    let flying = { series: 0, second: 0 }
    const begin = () => {
      const arrival = scenarios.next()
      if (arrival !== null) return { scenario: arrival.scenario, index: 0, visit: arrival.visit() }
      // autocannon cannot skip a turn: the rest of the run repeats what is there, uncounted, until it has stopped.
      outOfData = true
      run.stop()
      return null
    }
    if (isFixed) at = begin()
    return {
      next() {
        const next = goesOn && at !== null ? { ...at, index: at.index + 1 } : begin()
        goesOn = false
        if (next !== null) at = next
        if (at === null) throw new Error('data without a row')
        return shot(at.scenario, at.index, at.visit)
      },
      sent(nowMs) {
        counts.sent += 1
        const series = at === null ? 0 : (firstOf.get(at.scenario) ?? 0) + at.index
        flying = { series, second: Math.floor((nowMs - startMs) / 1000) }
        recorder.offered(flying.series, flying.second)
        recorder.sent(flying.series, flying.second, null)
      },
      answered(answer, nowMs) {
        counts.answered += 1
        const step = at?.scenario.steps[at.index]
        if (at === null || step === undefined) return
        const serviceMs = nowMs - answer.sentMs
        const ended = endedOf(answer, nowMs)
        const wrong = step.checks.wrong(ended, serviceMs) ?? (step.capture(at.visit, ended) === null ? null : { class: 'check' as const })
        if (wrong !== null) {
          counts.wrong += 1
          return recorder.failed(flying.series, flying.second, wrong.class, answer.bytes, answer.status)
        }
        recorder.good(flying.series, flying.second, serviceMs, serviceMs, answer.bytes, answer.status)
        goesOn = at.index + 1 < at.scenario.steps.length
      },
      lost(failure) {
        counts.lost += 1
        lost += 1
        recorder.failed(flying.series, flying.second, failure.class, 0, 0)
      },
      abandoned(sentMs) {
        counts.abandoned += 1
        if (cancelled || performance.now() - sentMs > STUCK_MS) recorder.failed(flying.series, flying.second, 'unfinished', 0, 0)
        else recorder.withdraw(flying.series, flying.second)
      },
    }
  }

  let cancelled = false
  const run = fire({
    url: order.url,
    ...(order.servername === null ? {} : { servername: order.servername }),
    connections: order.connections,
    durationMs: order.amount === null ? order.warmupMs + order.durationMs : null,
    amount: order.amount,
    timeouts: settings.timeouts,
    fixed: isFixed && only !== undefined ? shot(only.scenario, 0, visitOf(scenarios)) : null,
    wantAnswers: steps.some(({ step }) => step.keepBody || !step.fixed || step.checks.needHeaders),
    gunner,
  })
  const sampler = startSampler({ inFlight: () => recorder.open, connections: () => order.connections })
  let sampled = 0
  let before = { ended: 0, failed: 0 }
  const looking = setInterval(() => {
    const nowMs = performance.now()
    run.sweep(nowMs)
    const second = Math.floor((nowMs - startMs) / 1000)
    recorder.tell(second)
    if (second <= sampled) return
    sampled = second
    const all = { ended: counts.answered + counts.lost, failed: counts.wrong + counts.lost }
    tell({ kind: 'sample', sample: sampler.take(second - 1), ended: all.ended - before.ended, failed: all.failed - before.failed })
    before = all
  }, LOOK_MS)
  onWish((wish) => {
    if (wish === 'cancel') cancelled = true
    if (typeof wish === 'object') warmupEndMs = wish.warmupEndMs
    else run.stop()
  })
  const said = await run.done
  const endMs = performance.now() - startMs
  clearInterval(looking)
  sampler.stop()
  recorder.tell(Number.MAX_SAFE_INTEGER)
  // Conservation: what it says it sent is what we saw it send, and each of those has ended in one way.
  const unaccounted =
    Math.abs(said.sent - counts.sent) +
    Math.abs(counts.sent - counts.answered - counts.lost - counts.abandoned) +
    Math.max(0, said.answered - counts.answered)
  tell({ kind: 'done', outOfData, unaccounted, lost, measuredMs: Math.max(0, endMs - warmupEndMs) })
}

function visitOf(scenarios: Scenarios): Visit {
  return scenarios.next()?.visit() ?? scenarios.visit()
}

function endedOf(answer: CannonAnswer, endedMs: number): Ended {
  const { status, bytes, headers, body } = answer
  return { failure: null, detail: '', status, bytes, headers, body, endedMs }
}

const port = parentPort
if (port !== null) {
  await work(
    workerData as ClosedOrder,
    (report) => port.postMessage(report),
    (listen) => void port.on('message', listen),
  )
  port.close()
}
