// What the operator and a generator on another host say to each other, a JSON message at a time, over the two ends of one
// SSH channel. A message may be longer than a line may be there, so it is cut into pieces: `+` one that goes on, `.` the
// last one. Secrets travel in the order, through standard input, and nowhere else.
import type { GeneratorSample } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'
import type { Row } from './data.ts'
import type { LoadPlan, LoadResult } from './plan.ts'

/** What a generator needs to know; nothing in it has to be asked for there. */
export type Order = {
  readonly plan: Omit<LoadPlan, 'env' | 'readSecret' | 'rows'>
  readonly rows: Readonly<Record<string, readonly Row[]>>
  /** Only what the texts name. */
  readonly env: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
}

export type ToGenerator =
  | { readonly type: 'ping' }
  | { readonly type: 'order'; readonly order: Order }
  /** Milliseconds since 1970 on the generator's own clock. */
  | { readonly type: 'start'; readonly at: number }
  /** From the start of the run; a whole second, the same for every generator. */
  | { readonly type: 'end-warmup'; readonly atMs: number }
  | { readonly type: 'stop' }
  | { readonly type: 'cancel' }
  /** The operator is there. A generator that has not heard it for a while ends itself. */
  | { readonly type: 'beat' }

export type FromGenerator =
  | { readonly type: 'hello'; readonly version: number; readonly node: string; readonly addresses: readonly string[] }
  | { readonly type: 'pong'; readonly at: number }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'began'; readonly lateMs: number }
  | { readonly type: 'second'; readonly second: number; readonly slices: readonly Slice[] }
  | { readonly type: 'sample'; readonly sample: GeneratorSample }
  | { readonly type: 'result'; readonly result: LoadResult }

export const PROTOCOL = 1
/** Without a word of the operator for so long a generator ends itself. */
export const ALONE_MS = 5_000
const PIECE = 32 * 1024

export function pack(message: ToGenerator | FromGenerator): string {
  const text = JSON.stringify(message)
  let lines = ''
  for (let at = 0; at < text.length; at += PIECE) lines += `${at + PIECE < text.length ? '+' : '.'}${text.slice(at, at + PIECE)}\n`
  return lines
}

/** Hands on whole messages. What is none (a banner, somebody's `echo` in a profile) is handed to `other`. */
export function unpacker<M>(onMessage: (message: M) => void, other: (line: string) => void = () => {}): (line: string) => void {
  let before = ''
  return (line) => {
    const piece = line.slice(1)
    if (line.startsWith('+{') || (before !== '' && line.startsWith('+'))) before += piece
    else if (line.startsWith('.') && (before !== '' || line.startsWith('.{'))) {
      const text = before + piece
      before = ''
      let message: M
      try {
        // Written by `pack` on the other side.
        message = JSON.parse(text) as M
      } catch {
        other(line)
        return
      }
      onMessage(message)
    } else other(line)
  }
}

/** One generator, as the operator's side has it. */
export type Generator = {
  readonly name: string
  /** Calls back with every message, from the first one on. */
  listen(onMessage: (message: FromGenerator) => void): void
  send(message: ToGenerator): void
  /** Resolves when it is there no more, with what it said last: for a person. */
  readonly gone: Promise<string>
  /** Its input ends, and with it the generator. */
  close(): Promise<void>
}

/** Milliseconds since 1970, by a clock that nobody sets while we run. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now()
}
