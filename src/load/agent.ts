// The generator on another host: the paced driver behind a standard input and output, as one file that is never written
// anywhere there (drivers/generator.ts). Careful about being left alone: load that nobody watches any more is an
// attack, so it ends itself when its input ends, when nothing was heard of the operator for some seconds, and when what it
// says cannot be told.
import { networkInterfaces } from 'node:os'
import { createInterface } from 'node:readline'
import { RollgateError } from '../domain/error.ts'
import type { Slice } from '../domain/slice.ts'
import { startPaced } from './paced.ts'
import type { LoadRun } from './plan.ts'
import { ALONE_MS, epochMs, type FromGenerator, type Order, PROTOCOL, pack, type ToGenerator, unpacker } from './remote.ts'

const WATCH_MS = 500
/** Ours: the input ended, or nobody was heard. */
const ALONE_EXIT = 75

type Own = Pick<NodeJS.Process, 'stdin' | 'stdout' | 'exit' | 'on'>

/** Takes over the process that it is given. */
export function run(own: Own): void {
  const tell = (message: FromGenerator) => void own.stdout.write(pack(message))
  let heardMs = performance.now()
  let running: LoadRun | null = null
  let start: ((at: number) => void) | null = null
  const abort = new AbortController()
  // At once: whatever is still to be said has nobody to hear it.
  const leave = () => own.exit(ALONE_EXIT)
  own.stdout.on('error', leave)
  own.on('SIGHUP', leave)
  own.on('SIGTERM', leave)
  setInterval(() => {
    if (performance.now() - heardMs > ALONE_MS) leave()
  }, WATCH_MS)

  const begin = async (order: Order) => {
    const started = new Promise<number>((resolve) => {
      start = resolve
    })
    try {
      running = startPaced(planOf(order), {
        signal: abort.signal,
        async begin() {
          tell({ type: 'ready' })
          const waitMs = (await started) - epochMs()
          if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs))
          const startMs = performance.now() + Math.min(0, waitMs)
          tell({ type: 'began', lateMs: Math.max(0, -waitMs) })
          return startMs
        },
        onSecond: (second, slices: readonly Slice[]) => tell({ type: 'second', second, slices }),
        onSample: (sample) => tell({ type: 'sample', sample }),
      })
      tell({ type: 'result', result: await running.done })
    } catch (error) {
      const code = error instanceof RollgateError ? error.code : 'E_BUG'
      tell({ type: 'failed', code, message: error instanceof Error ? error.message : String(error) })
    }
  }

  const hear = unpacker<ToGenerator>((message) => {
    switch (message.type) {
      case 'ping':
        return tell({ type: 'pong', at: epochMs() })
      case 'order':
        return void begin(message.order)
      case 'start':
        return start?.(message.at)
      case 'end-warmup':
        return running?.endWarmup(message.atMs)
      case 'stop':
        return running?.stop()
      case 'cancel':
        return abort.abort()
      case 'beat':
        return
      default:
        return message satisfies never
    }
  })
  createInterface({ input: own.stdin, crlfDelay: Number.POSITIVE_INFINITY })
    .on('line', (line) => {
      heardMs = performance.now()
      hear(line)
    })
    .on('close', leave)
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
  tell({ type: 'hello', version: PROTOCOL, node: process.versions.node, addresses })
}

function planOf({ plan, rows, env, secrets }: Order) {
  const readSecret = async (name: string) => {
    const value = Object.hasOwn(secrets, name) ? secrets[name] : undefined
    if (value === undefined) throw new RollgateError('E_SECRET', `the secret ${name} did not come with the order`)
    return value
  }
  return { ...plan, rows, env, readSecret }
}
