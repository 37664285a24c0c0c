// An input into a process or channel, with back-pressure. Careful about the end: the other side takes the end of its
// input for "that was all", so it is only told so when the input really ended. An input that fails is the caller's to
// deal with (end the command first), and a command that does not read is never waited for.
import type { Writable } from 'node:stream'

/** @throws whatever the input throws; the target is then still open */
export async function pump(input: AsyncIterable<Uint8Array>, target: Writable, closed: Promise<void>): Promise<void> {
  const iterator = input[Symbol.asyncIterator]()
  let over = false
  let wake = (): void => undefined
  closed.then(() => {
    over = true
    wake()
  })
  // Not Promise.race: that would keep something of every chunk until `closed` settles.
  const orClosed = <T>(what: Promise<T>): Promise<T | null> =>
    new Promise((resolve, reject) => {
      wake = () => resolve(null)
      if (over) resolve(null)
      what.then(resolve, reject)
    })
  let finished = false
  try {
    for (;;) {
      const next = await orClosed(iterator.next())
      if (next === null) return
      if (next.done === true) {
        finished = true
        target.end()
        return
      }
      if (!target.write(next.value)) await orClosed(drained(target))
    }
  } finally {
    // Not waited for: an input that hangs must not hold us.
    if (!finished) Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}

const drained = (target: Writable): Promise<void> => new Promise((resolve) => target.once('drain', () => resolve()))
