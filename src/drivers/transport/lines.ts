// Bytes of two streams to lines: UTF-8 across chunks, back-pressure while a reader awaits, a bounded memory of each.
import { StringDecoder } from 'node:string_decoder'
import type { OutputLine } from '../../domain/command.ts'

const DEFAULT_MAX_BYTES = 1024 * 1024
/** A line without an end is cut here, so that a stream without newlines cannot fill memory. */
const MAX_LINE = 64 * 1024

export type LineOptions = {
  readonly onLine?: ((line: OutputLine) => void | Promise<void>) | undefined
  readonly maxBytes?: number | undefined
  /** `onLine` threw: no line is handed out any more. */
  readonly onFailure?: (error: unknown) => void
}

export type LineCollector = {
  /** Resolves when the stream has ended or broken. How the command ended is told by its exit, or by its absence. */
  read(stream: AsyncIterable<Uint8Array | string> | null | undefined, name: OutputLine['stream']): Promise<void>
  /** Bytes that came so far. */
  readonly bytes: number
  /** A reader has not yet taken the line that it was given. */
  readonly waiting: boolean
  /** From now on what comes is thrown away. */
  stop(): void
  result(): { readonly stdout: string; readonly stderr: string; readonly truncated: boolean }
}

export function collectLines(options: LineOptions = {}): LineCollector {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
  const stdout = keeper(maxBytes)
  const stderr = keeper(maxBytes)
  let bytes = 0
  let waiting = 0
  let stopped = false

  async function hand(line: OutputLine): Promise<void> {
    if (options.onLine === undefined || stopped) return
    waiting += 1
    try {
      await options.onLine(line)
    } catch (error) {
      stopped = true
      options.onFailure?.(error)
    } finally {
      waiting -= 1
    }
  }

  return {
    async read(stream, name) {
      if (stream === null || stream === undefined) return
      const decoder = new StringDecoder('utf8')
      const kept = name === 'stdout' ? stdout : stderr
      let rest = ''
      const take = async (text: string): Promise<void> => {
        if (stopped) return
        kept.add(text)
        if (options.onLine === undefined) return
        rest += text
        for (let end = rest.indexOf('\n'); end !== -1 || rest.length > MAX_LINE; end = rest.indexOf('\n')) {
          const cut = end === -1 || end > MAX_LINE ? MAX_LINE : end
          const line = rest.slice(0, cut)
          rest = rest.slice(cut === end ? cut + 1 : cut)
          await hand({ stream: name, text: line.endsWith('\r') ? line.slice(0, -1) : line })
        }
      }
      try {
        for await (const chunk of stream) {
          bytes += chunk.length
          await take(typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)))
        }
      } catch {
        // Only the stream itself throws here: `hand` keeps what a reader throws.
      }
      await take(decoder.end())
      if (rest !== '') await hand({ stream: name, text: rest })
    },
    get bytes() {
      return bytes
    },
    get waiting() {
      return waiting > 0
    },
    stop() {
      stopped = true
    },
    result: () => ({ stdout: stdout.text(), stderr: stderr.text(), truncated: stdout.full() || stderr.full() }),
  }
}

/** Keeps text up to a number of bytes, cut between characters. */
function keeper(maxBytes: number): { add(text: string): void; text(): string; full(): boolean } {
  const parts: string[] = []
  let room = maxBytes
  let full = false
  return {
    add(text) {
      if (full || text === '') return
      const size = Buffer.byteLength(text)
      if (size <= room) {
        parts.push(text)
        room -= size
        return
      }
      full = true
      // The decoder leaves out a character that was cut in two.
      parts.push(new StringDecoder('utf8').write(Buffer.from(text).subarray(0, room)))
    },
    text: () => parts.join(''),
    full: () => full,
  }
}
