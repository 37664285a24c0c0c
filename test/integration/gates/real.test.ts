// Real gates between real servers on loopback, each pair of processes of its own: the same release against itself is never
// failed, each fault is caught, and a generator that cannot send in time says that and nothing else. CI runs each case
// once, two at the same time (they mostly wait; more would make each other late); ROLLGATE_FULL=1 runs the counted form and keeps its result:
//   ROLLGATE_FULL=1 npx vitest run test/integration/gates/real.test.ts
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { punctually } from '../../helpers/punctual.ts'
import type { Order, Told } from './run.ts'
import type { Behaviour } from './server.ts'

const isFull = process.env.ROLLGATE_FULL === '1'
const CLAUSES = ['p50 <= baseline + 10%', 'p95 <= baseline + 15%', 'slow <= baseline + 1pp', 'errors <= baseline + 0.1pp']
const RATE = 200
const SECONDS = 60
/** Of the full form. */
const AT_ONCE = 2

type Case = {
  readonly name: string
  readonly canary: Behaviour
  /** How many are run in the full form, and how many of them must end so. */
  readonly full: { readonly runs: number; readonly least: number }
  readonly wanted: (told: Told) => boolean
  readonly order?: Partial<Order>
}

const isFail = ({ verdict }: Told): boolean => verdict === 'fail'

const cases: readonly Case[] = [
  {
    name: 'A/A: never a FAIL',
    canary: {},
    full: { runs: 30, least: 30 },
    wanted: ({ verdict }) => verdict !== 'fail' && verdict !== 'invalid',
  },
  { name: 'A/B: 20 % slower', canary: { factor: 1.2 }, full: { runs: 20, least: 19 }, wanted: isFail },
  { name: 'A/B: 2 % slow requests', canary: { slow: 0.02 }, full: { runs: 20, least: 19 }, wanted: isFail },
  { name: 'A/B: 0.5 % errors', canary: { errors: 0.005 }, full: { runs: 20, least: 19 }, wanted: isFail },
  { name: 'A/B: 0.5 % closed without an answer', canary: { closes: 0.005 }, full: { runs: 20, least: 19 }, wanted: isFail },
  {
    name: 'a saturated generator: INVALID, even where the release is slow',
    canary: { factor: 1.5 },
    full: { runs: 20, least: 20 },
    wanted: ({ verdict }) => verdict === 'invalid',
    order: { saturated: true, atMostSeconds: 15, clauses: ['p95 < 30ms', 'errors < 1%'] },
  },
]

type Counted = {
  readonly name: string
  readonly runs: number
  readonly as: number
  readonly verdicts: Readonly<Record<string, number>>
  readonly medianSeconds: number
}
const counted: Counted[] = []

describe('gates between real servers', () => {
  const run = isFull ? test : test.concurrent
  const inTurn = isFull ? null : turns(2)
  run.for(cases)('$name', { timeout: 3_600_000 }, async ({ name, canary, full, wanted, order }, context) => {
    const told: Told[] = []
    const runs = isFull ? full.runs : 1
    const work = async (index: number): Promise<void> =>
      void told.push(await asARolloutDoes(canary, { seed: `${name}/${index}`, ...order }, wanted))
    // The full form too runs some at once.
    if (inTurn !== null) await inTurn(() => work(0))
    else
      for (let done = 0; done < runs; done += AT_ONCE)
        await Promise.all(Array.from({ length: Math.min(AT_ONCE, runs - done) }, (_, index) => work(done + index)))
    const as = told.filter(wanted).length
    const verdicts: Record<string, number> = {}
    for (const { verdict } of told) verdicts[verdict] = (verdicts[verdict] ?? 0) + 1
    const seconds = told.map(({ look, targets }) => look?.seconds ?? Math.round((targets[0]?.offered ?? 0) / RATE)).sort((a, b) => a - b)
    counted.push({ name, runs, as, verdicts, medianSeconds: seconds[Math.floor(seconds.length / 2)] ?? 0 })
    // What it says on a machine that is too busy is what it should say; it shows nothing, and is told by name.
    const late = told.find(({ verdict }) => verdict === 'invalid')
    if (!isFull && late !== undefined && !wanted(late)) return context.skip(`INVALID: ${late.reason}`)
    const others = told.filter((one) => !wanted(one)).map(({ verdict, reason }) => `${verdict}: ${reason}`)
    expect(as, others.join('\n')).toBeGreaterThanOrEqual(isFull ? full.least : 1)
  })

  afterAll(() => {
    if (!isFull) return
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
    const file = resolve(import.meta.dirname, '../../results/gates-real.json')
    // One case alone replaces its own line.
    const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Counted[] }).results : []
    const now = counted.map((line) => ({ ...line, commit, at: new Date().toISOString() }))
    const result = {
      ...{ what: 'real gates on loopback', command: 'ROLLGATE_FULL=1 npx vitest run test/integration/gates/real.test.ts' },
      ...{ machine: `${cpus().length} cores`, ratePerArm: RATE, atMostSeconds: SECONDS, clauses: CLAUSES },
      results: [...before.filter((line) => !now.some(({ name }) => name === line.name)), ...now],
    }
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  })
})

/** So many at a time, first come, first served. */
function turns(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let free = atOnce
  return async (work) => {
    if (free === 0) await new Promise<void>((go) => waiting.push(go))
    else free -= 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}

/** INVALID is measured afresh, as every rollout does it; anything else is the end, whatever it says. */
async function asARolloutDoes(canary: Behaviour, order: Pick<Order, 'seed'> & Partial<Order>, wanted: Case['wanted']): Promise<Told> {
  for (let attempt = 1; ; attempt += 1) {
    const told = await oneGate(canary, { ...order, seed: `${order.seed}/${attempt}` })
    if (told.verdict !== 'invalid' || wanted(told) || attempt === (isFull ? 3 : 2)) return told
  }
}

/** @returns what the gate said of `canary` against a server without a fault */
async function oneGate(canary: Behaviour, order: Pick<Order, 'seed'> & Partial<Order>): Promise<Told> {
  const servers = await Promise.all([startServer(canary), startServer({})])
  try {
    const [first, second] = servers
    const whole: Order = {
      ...{ canary: first?.port ?? 0, old: second?.port ?? 0, ratePerSecond: RATE, atMostSeconds: SECONDS, clauses: CLAUSES },
      ...order,
    }
    const plain = [resolve(import.meta.dirname, 'run.ts'), JSON.stringify(whole)]
    // One that burns its core must not burn everybody's.
    const [program, words] = whole.saturated === true ? [process.execPath, plain] : punctually(process.execPath, plain)
    return JSON.parse(await outputOf(program, words)) as Told
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function startServer(behaviour: Behaviour): Promise<{ readonly port: number; stop(): Promise<void> }> {
  // As punctual as what measures it: the machine's other work is not what is compared.
  const [program, words] = punctually(process.execPath, [resolve(import.meta.dirname, 'server.ts'), JSON.stringify(behaviour)])
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const port = await new Promise<number>((done, failed) => {
    child.once('error', failed)
    child.stdout.once('data', (data: Buffer) => done(Number(data.toString())))
  })
  return {
    port,
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

function outputOf(program: string, words: readonly string[]): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.once('error', failed)
    child.once('close', (code) => (code === 0 ? done(out) : failed(new Error(`exit ${code}: ${err}`))))
  })
}
