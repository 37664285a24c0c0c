// The full form of the simulation (load-and-gates.md, 7.5):
//   node test/gate-simulation/full.ts [--runs 2000] [--workers 2] [--write test/results/gate-simulation.json]
// Runs every row in worker threads, prints the table, and exits 1 when a one-sided 95 % limit is missed: false alarms below
// 1.5 %, false passes at a margin below 7 %, detection of what is clearly slower at least 99 %.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { rateAtMost } from '../../src/gate/distributions.ts'
import { ROWS, type Row, type Run, run, seedOf } from './rows.ts'

type Task = { readonly row: number; readonly from: number; readonly to: number }
type Counts = Record<Run['verdict'], number> & { seconds: number }

const CHUNK = 25
const RESAMPLES = 300

if (isMainThread) await main()
else work()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '2000' },
      workers: { type: 'string', default: String(Math.min(2, cpus().length)) },
      write: { type: 'string' },
    },
  })
  const runs = Number(values.runs)
  const at = new Date().toISOString()
  // Before the work, which takes long: others may commit meanwhile.
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
  const counts: Counts[] = ROWS.map(() => ({ pass: 0, fail: 0, inconclusive: 0, invalid: 0, seconds: 0 }))
  const tasks: Task[] = ROWS.flatMap((_, row) =>
    Array.from({ length: Math.ceil(runs / CHUNK) }, (_, index) => ({ row, from: index * CHUNK, to: Math.min(runs, (index + 1) * CHUNK) })),
  )
  await Promise.all(Array.from({ length: Number(values.workers) }, () => serve(tasks, counts)))
  const rows = ROWS.map((row, index) => judgeRow(row, counts[index] as Counts, runs))
  for (const row of rows)
    process.stdout.write(
      `${row.ok ? 'ok  ' : 'MISS'} ${row.name.padEnd(46)} pass ${row.pass}  fail ${row.fail}  inconclusive ${row.inconclusive}  invalid ${row.invalid}  ${row.meanStopSeconds} s  ${row.claim}\n`,
    )
  if (values.write !== undefined) {
    mkdirSync(dirname(values.write), { recursive: true })
    writeFileSync(
      values.write,
      `${JSON.stringify({ version: 1, command: 'node test/gate-simulation/full.ts', commit, at, runs, resamples: RESAMPLES, rows }, null, 2)}\n`,
    )
  }
  process.exitCode = rows.every((row) => row.ok) ? 0 : 1
}

/** One worker, fed until nothing is left. */
function serve(tasks: Task[], counts: Counts[]): Promise<void> {
  return new Promise((done, fail) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: 'gate-simulation' })
    const next = (): void => {
      const task = tasks.shift()
      if (task !== undefined) worker.postMessage(task)
      else void worker.terminate().then(() => done())
    }
    worker.on('message', ({ row, results }: { readonly row: number; readonly results: readonly Run[] }) => {
      const count = counts[row]
      for (const result of count === undefined ? [] : results) {
        if (count === undefined) break
        count[result.verdict] += 1
        count.seconds += result.seconds
      }
      next()
    })
    worker.on('error', fail)
    next()
  })
}

function work(): void {
  if (workerData !== 'gate-simulation') return
  parentPort?.on('message', ({ row, from, to }: Task) => {
    const of = ROWS[row]
    const results = of === undefined ? [] : Array.from({ length: to - from }, (_, index) => run(of, seedOf(of, from + index), RESAMPLES))
    parentPort?.postMessage({ row, results })
  })
}

function judgeRow(row: Row, counts: Counts, runs: number) {
  const limit = (events: number): number => rateAtMost(events, runs, 0.05)
  const claims = {
    alarm: { value: limit(counts.fail), atMost: 0.015, says: 'false alarms, 95 % limit' },
    margin: { value: limit(counts.pass), atMost: 0.07, says: 'false passes, 95 % limit' },
    found: { value: 1 - counts.fail / runs, atMost: 0.01, says: 'missed' },
    shown: { value: 0, atMost: 1, says: 'nothing is claimed' },
  }
  const { value, atMost, says } = claims[row.asks]
  return {
    ...{
      name: row.name,
      asks: row.asks,
      runs,
      pass: counts.pass,
      fail: counts.fail,
      inconclusive: counts.inconclusive,
      invalid: counts.invalid,
    },
    meanStopSeconds: Math.round(counts.seconds / runs),
    claim: row.asks === 'shown' ? says : `${says} ${(100 * value).toFixed(2)} % (allowed ${(100 * atMost).toFixed(1)} %)`,
    ok: value <= atMost,
  }
}
