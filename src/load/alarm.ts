// Wakes the event loop at a moment, to a tenth of a millisecond: timers of Node know whole ones only, and turning in
// circles until the moment has come costs a whole core. A thread of its own sleeps until the moment that stands in
// shared memory, and then wakes whoever waits. Careful about three things: the two threads tell the time by the same
// clock (`process.hrtime`; `performance.now` starts anew in each); an older order never wakes a newer one; and the thread
// must never be what keeps a process alive.
import { Worker } from 'node:worker_threads'

export type Alarm = {
  /**
   * Calls back once, at this moment of performance.now() or just after it. A new order takes the place of the last one.
   * @param napMs the next order will be for no earlier than so long after this one rang; the thread then needs no call to find
   * it, and rings up to half of that early rather than sleeping twice
   */
  at(moment: number, wake: () => void, napMs?: number): void
  /** The last order is forgotten. */
  cancel(): void
  close(): Promise<void>
}

/** Of the shared numbers: how many orders were given (-1: the end), how many were carried out, whether it must be called. */
const GIVEN = 0
const RUNG = 1
const ASLEEP = 2
/** Behind them: the moment, and how long it naps after it rang. */
const MOMENT_AT = 16

type Shared = { readonly memory: SharedArrayBuffer; readonly baseMs: number }

export async function openAlarm(): Promise<Alarm> {
  const memory = new SharedArrayBuffer(MOMENT_AT + 16)
  const counts = new Int32Array(memory, 0, 3)
  const moment = new Float64Array(memory, MOMENT_AT, 2)
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
    at(wanted, wake, napMs = 0) {
      order += 1
      const mine = order
      const rung = Atomics.load(counts, RUNG)
      moment[0] = wanted
      moment[1] = napMs
      const waiting = Atomics.waitAsync(counts, RUNG, rung)
      Atomics.store(counts, GIVEN, order)
      if (Atomics.load(counts, ASLEEP) === 1) Atomics.notify(counts, GIVEN)
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
  const counts = new Int32Array(memory, 0, 3)
  const moment = new Float64Array(memory, 16, 2)
  // It says that it sleeps before it looks at the orders once more; whoever gives one looks whether it sleeps after that. One sees the other.
  const sleep = (order: number, ms?: number) => {
    Atomics.store(counts, 2, 1)
    Atomics.wait(counts, 0, order, ms)
    Atomics.store(counts, 2, 0)
  }
  parentPort?.postMessage('awake')
  let done = 0
  for (;;) {
    const order = Atomics.load(counts, 0)
    if (order === -1) return
    if (order === done) {
      sleep(order)
      continue
    }
    const napMs = moment[1] ?? 0
    const leftMs = (moment[0] ?? 0) - (Number(process.hrtime.bigint()) / 1e6 - baseMs)
    if (leftMs > 0.005 + napMs / 2) {
      // Anything but a timeout is a new order.
      sleep(order, leftMs)
      continue
    }
    done = order
    Atomics.add(counts, 1, 1)
    Atomics.notify(counts, 1)
    if (napMs > 0) Atomics.wait(counts, 0, order, napMs)
  }
}
