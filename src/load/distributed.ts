// One load from several hosts at once: the same schedule divided exactly, begun at the same moment, told second by second
// and added up as if one machine had sent it. Careful about belief: a generator that is lost, begins late or could not
// keep up makes the whole run INVALID (what it sent is unknown), never a smaller run; and nobody goes on alone.
import { RollgateError } from '../domain/error.ts'
import type { LoadData, LoadEnd } from '../domain/load.ts'
import { failuresOf, type Slice } from '../domain/slice.ts'
import { type Row, readRows } from './data.ts'
import { divideSegments, divideSettings, rowsFor } from './divide.ts'
import { createGatherer } from './gather.ts'
import { mergeSlices } from './merge.ts'
import type { LoadHooks, LoadPlan, LoadResult, LoadRun } from './plan.ts'
import { createRandom } from './random.ts'
import { epochMs, type FromGenerator, type Generator, type Order, PROTOCOL, type ToGenerator } from './remote.ts'
import { prepareScenarios } from './scenario.ts'
import { withSchemas } from './schemas.ts'
import { createTally } from './tally.ts'
import { readyTargets } from './targets.ts'
import { LIMITS, type ValidityLimits } from './validity.ts'

export type Distribution = {
  readonly generators: readonly Generator[]
  /** Addresses of what is loaded: a generator that has one of them is refused. */
  readonly targetAddresses: readonly string[]
}

const HELLO_MS = 20_000
const READY_MS = 30_000
const PINGS = 7
const BEAT_MS = 1_000
/** Between the order to begin and the beginning. */
const AHEAD_MS = 1_000
/** A generator tells every second; one that is silent for so long is lost. */
const SILENT_MS = 10_000
const END_MS = 5_000
/** What is begun later than this is another moment. */
const LATE_MS = 50
/** Ends, the one that says most first. */
const ENDS: readonly LoadEnd[] = ['cancelled', 'lost', 'unsafe', 'no-login', 'data', 'late', 'stopped', 'finished']

/** @throws RollgateError (from `done`) E_LOAD, E_LOAD_DATA, E_SECRET, E_LOAD_ROOM before anything is sent; E_UNREACHABLE for a generator that does not begin */
export function startDistributed(plan: LoadPlan, hooks: LoadHooks, distribution: Distribution): LoadRun {
  const control: Control = { wanted: null, tell: () => {}, endWarmup: () => {} }
  return {
    endWarmup: () => control.endWarmup(),
    stop() {
      control.wanted ??= 'stopped'
      control.tell({ type: 'stop' })
    },
    done: conduct(plan, hooks, distribution, control),
  }
}

type Control = { wanted: LoadEnd | null; tell: (message: ToGenerator) => void; endWarmup: () => void }

async function conduct(plan: LoadPlan, hooks: LoadHooks, distribution: Distribution, control: Control): Promise<LoadResult> {
  const { generators } = distribution
  const peers = generators.map((generator) => createPeer(generator))
  const beating = setInterval(() => {
    for (const { generator } of peers) generator.send({ type: 'beat' })
  }, BEAT_MS)
  try {
    const orders = await ordersFor(plan, generators.length)
    await Promise.all(peers.map((peer) => greet(peer, distribution.targetAddresses)))
    await Promise.all(
      peers.map(async (peer, index) => {
        const order = orders[index]
        if (order !== undefined) peer.generator.send({ type: 'order', order })
        await peer.expect('ready', READY_MS)
      }),
    )
    return await run(plan, hooks, peers, control)
  } finally {
    clearInterval(beating)
    await Promise.all(generators.map((generator) => generator.close()))
  }
}

/** Also finds everything that is wrong with the load before a generator is asked. */
async function ordersFor(plan: LoadPlan, parts: number): Promise<readonly Order[]> {
  const { env = {}, readSecret, rows: given, ...rest } = plan
  // What the file holds goes along; the file is ours.
  const { ca: _, ...settings } = await withSchemas(plan.settings)
  if (settings.model.kind !== 'paced')
    throw new RollgateError('E_LOAD', `load "${settings.name}": the closed model is not sent from other hosts`, {
      hints: ['give the load a rate instead of connections'],
    })
  const targets = await readyTargets(plan)
  for (const target of targets)
    if (target.connect !== undefined)
      throw new RollgateError('E_LOAD', `load "${settings.name}": other hosts cannot go through our SSH connection to ${target.name}`, {
        hints: ['the port must be open to them'],
      })
  const read = async ([name, data]: [string, LoadData]): Promise<[string, readonly Row[]]> => [name, await readRows(name, data)]
  const rows = given ?? Object.fromEntries(await Promise.all(Object.entries(settings.data).map(read)))
  for (const [name, { order }] of Object.entries(settings.data))
    if (order === 'partition' && (rows[name]?.length ?? 0) < parts)
      throw new RollgateError('E_LOAD_DATA', `data "${name}": ${rows[name]?.length ?? 0} rows for ${parts} generators: each wants its own`)
  const named = new Map<string, string>()
  const secrets: Record<string, string> = {}
  const watched = new Proxy(env, {
    get(target, name) {
      const value = typeof name === 'string' && Object.hasOwn(target, name) ? target[name] : undefined
      if (typeof name === 'string' && value !== undefined) named.set(name, value)
      return value
    },
  })
  await prepareScenarios(settings, {
    ...{ runId: plan.runId, random: createRandom(plan.seed), env: watched, rows },
    async readSecret(name) {
      if (readSecret === undefined) throw new RollgateError('E_SECRET', `there is no secret called ${name} here`)
      const value = await readSecret(name)
      secrets[name] = value
      return value
    },
  })
  const { durationMs, segmentsMs } = plan
  const counts = segmentsMs === undefined ? null : divideSegments(settings, { durationMs, segmentsMs }, parts)
  return divideSettings(settings, durationMs, parts).map((share, part) => ({
    // `connect` was refused above; nothing else of a target is code.
    plan: {
      ...{ ...rest, targets, settings: share, seed: `${plan.seed}/${part}`, limits: sayable(plan.limits ?? LIMITS) },
      ...(counts === null ? {} : { segmentCounts: counts[part] ?? [] }),
    },
    rows: Object.fromEntries(
      Object.entries(rows).map(([name, all]) => [name, rowsFor(all, settings.data[name]?.order ?? 'random', part, parts)]),
    ),
    env: Object.fromEntries(named),
    secrets,
  }))
}

/** JSON knows no infinity, and makes nothing of it. */
function sayable(limits: ValidityLimits): ValidityLimits {
  const { lagMs, cpu } = limits
  return { ...limits, lagMs: Math.min(lagMs, Number.MAX_VALUE), cpu: Math.min(cpu, Number.MAX_VALUE) }
}

type Peer = {
  readonly generator: Generator
  readonly name: string
  /** Their clock minus ours, and how wrong that may be. */
  offsetMs: number
  heardMs: number
  onMessage: (message: FromGenerator) => void
  /** The next message of this type. @throws RollgateError E_UNREACHABLE when it does not come, or what the generator says is wrong */
  expect<T extends FromGenerator['type']>(type: T, withinMs: number): Promise<Extract<FromGenerator, { type: T }>>
}

function createPeer(generator: Generator): Peer {
  const { name } = generator
  const kept: FromGenerator[] = []
  let waiting: (() => void) | null = null
  const peer: Peer = {
    generator,
    name,
    offsetMs: 0,
    heardMs: performance.now(),
    onMessage(message) {
      kept.push(message)
      waiting?.()
    },
    async expect(type, withinMs) {
      const late = AbortSignal.timeout(withinMs)
      const gone = generator.gone.then((said) => ({ gone: said }))
      for (;;) {
        const found = kept.findIndex((message) => message.type === type || message.type === 'failed')
        const [message] = found < 0 ? [] : kept.splice(found, 1)
        if (message?.type === 'failed') throw failure(name, message)
        // The one that was looked for.
        if (message !== undefined) return message as Extract<FromGenerator, { type: typeof type }>
        const news = new Promise<null>((resolve) => {
          waiting = () => resolve(null)
          late.addEventListener('abort', () => resolve(null), { once: true })
        })
        const end = await Promise.race([news, gone])
        if (end !== null) throw unreachable(name, `ended before the load began${end.gone === '' ? '' : `: ${end.gone}`}`)
        if (late.aborted) throw unreachable(name, `did not answer within ${withinMs / 1000} s`)
      }
    },
  }
  generator.listen((message) => {
    peer.heardMs = performance.now()
    peer.onMessage(message)
  })
  return peer
}

function unreachable(name: string, why: string): RollgateError {
  return new RollgateError('E_UNREACHABLE', `the generator on ${name} ${why}`, { host: name, now: 'no load was sent' })
}

function failure(name: string, { code, message }: Extract<FromGenerator, { type: 'failed' }>): RollgateError {
  const known = code === 'E_LOAD_ROOM' || code === 'E_LOAD' || code === 'E_LOAD_DATA' || code === 'E_SECRET' ? code : 'E_LOAD'
  return new RollgateError(known, `on ${name}: ${message}`, { host: name })
}

/** Who is it, is it none of those that are loaded, and what does its clock say? */
async function greet(peer: Peer, targetAddresses: readonly string[]): Promise<void> {
  const { version, addresses } = await peer.expect('hello', HELLO_MS)
  if (version !== PROTOCOL) throw unreachable(peer.name, 'speaks another version')
  const shared = addresses.find((address) => targetAddresses.includes(address) && !isLoopback(address))
  if (shared !== undefined)
    throw new RollgateError('E_LOAD', `${peer.name} is itself a target (${shared}): what it sends to itself says nothing`, {
      host: peer.name,
      hints: ['send from another host'],
    })
  let best = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < PINGS; turn += 1) {
    const sent = epochMs()
    peer.generator.send({ type: 'ping' })
    const { at } = await peer.expect('pong', HELLO_MS)
    const back = epochMs()
    // The quickest round trip says most: half of it is as wrong as the answer can be.
    if (back - sent >= best) continue
    best = back - sent
    peer.offsetMs = at - (sent + back) / 2
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

function run(plan: LoadPlan, hooks: LoadHooks, peers: readonly Peer[], control: Control): Promise<LoadResult> {
  const { targets } = plan
  const startAt = epochMs() + AHEAD_MS
  const startMs = performance.now() + AHEAD_MS
  const startedAt = new Date(startAt).toISOString()
  const results = new Map<string, LoadResult>()
  const reasons: string[] = []
  const tally = createTally(targets.map(({ name }) => name))
  const live = targets.map(({ name }) => ({ name, offered: 0, done: 0, failed: 0, inFlight: 0 }))
  const inFlight = new Map<string, number>()
  let lost: string | null = null
  const gone = new Set<string>()
  let cancelled = false
  let warmupEndMs = Math.ceil(plan.warmupMs / 1000) * 1000
  let told = 0

  const seconds = createGatherer<Slice>(peers.length, (second, all) => {
    const slices = mergeSlices(all)
    for (const slice of slices) {
      tally.add(slice)
      const counts = live.find(({ name }) => name === slice.target)
      if (counts !== undefined) {
        counts.offered += slice.offered
        counts.done += slice.done
        counts.failed += failuresOf(slice)
      }
      hooks.onSlice?.(slice)
    }
    hooks.onSecond?.(second, slices)
  })
  const samples = createGatherer<Extract<FromGenerator, { type: 'sample' }>['sample']>(peers.length, (second, all) => {
    const sum = (pick: (sample: (typeof all)[number]) => number) => all.reduce((total, sample) => total + pick(sample), 0)
    hooks.onSample?.({
      second,
      // The busiest one is the one that could not keep up.
      cpu: Math.max(...all.map(({ cpu }) => cpu)),
      loopDelayMs: Math.max(...all.map(({ loopDelayMs }) => loopDelayMs)),
      inFlight: sum((sample) => sample.inFlight),
      connections: sum((sample) => sample.connections),
    })
    told = second + 1
    const phase = results.size > 0 ? 'draining' : second * 1000 < warmupEndMs ? 'warmup' : 'measuring'
    const total = Math.round([...inFlight.values()].reduce((all, count) => all + count, 0) / targets.length)
    hooks.onProgress?.({ second: told, phase, targets: live.map((counts) => ({ ...counts, inFlight: total })) })
  })

  return new Promise((resolve) => {
    const tellAll = (message: ToGenerator) => {
      for (const peer of peers) if (!results.has(peer.name)) peer.generator.send(message)
    }
    control.tell = tellAll
    control.endWarmup = () => {
      // Far enough ahead for everybody to hear it before that second.
      const atMs = Math.ceil((performance.now() - startMs + AHEAD_MS) / 1000) * 1000
      if (atMs >= warmupEndMs) return
      warmupEndMs = atMs
      tellAll({ type: 'end-warmup', atMs })
    }
    let leaving: NodeJS.Timeout | undefined
    const finishSoon = () => {
      leaving ??= setTimeout(finish, END_MS)
    }
    const finishWhenAllEnded = () => {
      if (peers.every(({ name }) => results.has(name) || gone.has(name))) finish()
    }
    const lose = (peer: Peer, why: string) => {
      if (results.has(peer.name) || gone.has(peer.name)) return
      gone.add(peer.name)
      if (lost !== null || cancelled) return finishWhenAllEnded()
      lost = `the generator on ${peer.name} was lost: ${why}`
      reasons.push(`${lost}: what it sent is unknown`)
      tellAll({ type: 'cancel' })
      finishSoon()
      finishWhenAllEnded()
    }
    const cancel = () => {
      cancelled = true
      tellAll({ type: 'cancel' })
      finishSoon()
    }
    const watching = setInterval(() => {
      for (const peer of peers) if (performance.now() - peer.heardMs > SILENT_MS) lose(peer, `silent for ${SILENT_MS / 1000} s`)
    }, BEAT_MS)
    let finished = false
    const finish = () => {
      if (finished) return
      finished = true
      clearTimeout(leaving)
      clearInterval(watching)
      hooks.signal.removeEventListener('abort', cancel)
      seconds.finish()
      resolve(whole())
    }

    for (const peer of peers) {
      peer.onMessage = (message) => {
        switch (message.type) {
          case 'second':
            return seconds.add(message.second, message.slices)
          case 'sample':
            inFlight.set(peer.name, message.sample.inFlight)
            return samples.add(message.sample.second, [message.sample])
          case 'began':
            if (message.lateMs > LATE_MS) reasons.push(`${peer.name} began ${Math.round(message.lateMs)} ms late`)
            return
          case 'failed':
            return lose(peer, message.message)
          case 'result':
            results.set(peer.name, message.result)
            // Nobody goes on without the others.
            if (message.result.end !== 'finished') tellAll({ type: 'stop' })
            return finishWhenAllEnded()
          case 'hello':
          case 'pong':
          case 'ready':
            return
          default:
            message satisfies never
        }
      }
      void peer.generator.gone.then((said) => lose(peer, said === '' ? 'its connection or its process ended' : said))
      peer.generator.send({ type: 'start', at: startAt + peer.offsetMs })
    }
    hooks.signal.addEventListener('abort', cancel, { once: true })
    if (hooks.signal.aborted) cancel()
    else if (control.wanted !== null) tellAll({ type: 'stop' })

    const whole = (): LoadResult => {
      const all = [...results.values()]
      const ends: readonly LoadEnd[] = [
        ...(cancelled ? (['cancelled'] as const) : []),
        ...(lost === null ? [] : (['lost'] as const)),
        // Told to end because another one had: not its own doing.
        ...(lost === null ? all.map(({ end }) => end) : []),
      ]
      const end = ENDS.find((candidate) => ends.includes(candidate)) ?? 'lost'
      const measuredMs = Math.max(0, ...all.map((result) => result.measuredMs))
      const summaries = tally.summaries(measuredMs)
      const theirs =
        lost === null ? [...results].flatMap(([name, { validity }]) => validity.reasons.map((reason) => `${name}: ${reason}`)) : []
      const counted = summaries.reduce((sum, { offered }) => sum + offered, 0)
      const claimed = all.reduce((sum, result) => sum + result.targets.reduce((part, { offered }) => part + offered, 0), 0)
      const missing =
        lost === null && !cancelled && counted !== claimed ? [`requests unaccounted for: ${claimed} told, ${counted} seen`] : []
      const problems = [...reasons, ...theirs, ...missing, ...(cancelled ? ['interrupted'] : [])]
      const most = (values: readonly (number | null)[]) => {
        const known = values.flatMap((value) => (value === null ? [] : [value]))
        return known.length === 0 ? null : Math.max(...known)
      }
      return {
        ...{ runId: plan.runId, seed: plan.seed, startedAt, end, measuredMs },
        endDetail: lost ?? all.find(({ endDetail }) => endDetail !== null)?.endDetail ?? null,
        warmupMs: Math.max(0, ...all.map((result) => result.warmupMs)),
        targets: summaries,
        validity: {
          valid: problems.length === 0,
          sendLagP99Ms: most(all.map(({ validity }) => validity.sendLagP99Ms)),
          cpu: most(all.map(({ validity }) => validity.cpu)),
          ...(all.some(({ validity }) => validity.saturated === true) ? { saturated: true } : {}),
          reasons: problems,
        },
        tainted: false,
      }
    }
  })
}
