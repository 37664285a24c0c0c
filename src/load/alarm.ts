// Wakes the event loop at a moment, to a tenth of a millisecond: timers of Node know whole ones only, and turning in
// circles until the moment has come costs a whole core. A thread of its own sleeps until the moment that stands in
// shared memory, and then wakes whoever waits. Careful about three things: the two threads tell the time by the same
// clock (`process.hrtime`; `performance.now` starts anew in each); an older order never wakes a newer one; and the thread
// must never be what keeps a process alive.
import { Worker } from 'node:worker_threads'

export type Alarm = {
  /** Calls back once, at this moment of performance.now() or just after it. A new order takes the place of the last one. */
  at(moment: number, wake: () => void): void
  /** The last order is forgotten. */
  cancel(): void
  close(): Promise<void>
}

/** Of the shared numbers: how many orders were given (-1: the end), how many were carried out. The moment lies behind them. */
const GIVEN = 0
const RUNG = 1
const MOMENT_AT = 8

type Shared = { readonly memory: SharedArrayBuffer; readonly baseMs: number }

export async function openAlarm(): Promise<Alarm> {
  const memory = new SharedArrayBuffer(MOMENT_AT + 8)
  const counts = new Int32Array(memory, 0, 2)
  const moment = new Float64Array(memory, MOMENT_AT, 1)
  const baseMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  // As text, so that it is there too where all of this is one file.
  const thread = new Worker(`(${sleeper.toString()})()`, { eval: true, workerData: { memory, baseMs } satisfies Shared })
  await new Promise<void>((resolve, reject) => {
    thread.once('message', () => resolve())
    thread.once('error', reject)
  })
  thread.unref()
  let order = 0
  return {
    at(wanted, wake) {
      order += 1
      const mine = order
      const rung = Atomics.load(counts, RUNG)
      moment[0] = wanted
      const waiting = Atomics.waitAsync(counts, RUNG, rung)
      Atomics.store(counts, GIVEN, order)
      Atomics.notify(counts, GIVEN)
      const ring = () => {
        if (order === mine) wake()
      }
      // It rang for the last order in this very moment: whoever is woken looks at the time himself.
      if (waiting.async) void waiting.value.then(ring)
      else setImmediate(ring)
    },
    cancel() {
      order += 1
      Atomics.store(counts, GIVEN, order)
    },
    async close() {
      order += 1
      Atomics.store(counts, GIVEN, -1)
      Atomics.notify(counts, GIVEN)
      Atomics.notify(counts, RUNG)
      await thread.terminate()
    },
  }
}

/** Runs in the thread, as text: everything that it needs is in it. */
function sleeper(): void {
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads')
  const { memory, baseMs } = workerData as Shared
  const counts = new Int32Array(memory, 0, 2)
  const moment = new Float64Array(memory, 8, 1)
  parentPort?.postMessage('awake')
  let done = 0
  for (;;) {
    const order = Atomics.load(counts, 0)
    if (order === -1) return
    if (order === done) {
      Atomics.wait(counts, 0, order)
      continue
    }
    const leftMs = (moment[0] ?? 0) - (Number(process.hrtime.bigint()) / 1e6 - baseMs)
    if (leftMs > 0.005) {
      // Anything but a timeout is a new order.
      Atomics.wait(counts, 0, order, leftMs)
      continue
    }
    done = order
    Atomics.add(counts, 1, 1)
    Atomics.notify(counts, 1)
  }
}
