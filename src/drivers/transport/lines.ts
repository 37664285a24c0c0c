// Bytes of two streams to lines: UTF-8 across chunks, back-pressure while a reader awaits, a bounded memory of each.
import { StringDecoder } from 'node:string_decoder'
import type { OutputLine } from '../../domain/command.ts'

const DEFAULT_MAX_BYTES = 1024 * 1024
/** A line without an end is cut here, so that a stream without newlines cannot fill memory. */
const MAX_LINE = 64 * 1024

export type LineCollector = {
  read(stream: AsyncIterable<Uint8Array | string> | null | undefined, name: OutputLine['stream']): Promise<void>
  result(): { readonly stdout: string; readonly stderr: string; readonly truncated: boolean }
}

export function collectLines(
  onLine: ((line: OutputLine) => void | Promise<void>) | undefined,
  maxBytes = DEFAULT_MAX_BYTES,
): LineCollector {
  const kept = { stdout: '', stderr: '' }
  let truncated = false
  const keep = (name: OutputLine['stream'], text: string): void => {
    const room = maxBytes - kept[name].length
    if (text.length > room) truncated = true
    if (room > 0) kept[name] += text.slice(0, room)
  }
  return {
    async read(stream, name) {
      if (stream === null || stream === undefined) return
      const decoder = new StringDecoder('utf8')
      let rest = ''
      const take = async (text: string): Promise<void> => {
        keep(name, text)
        if (onLine === undefined) return
        rest += text
        for (let end = rest.indexOf('\n'); end !== -1 || rest.length > MAX_LINE; end = rest.indexOf('\n')) {
          const cut = end === -1 || end > MAX_LINE ? MAX_LINE : end
          const line = rest.slice(0, cut)
          rest = rest.slice(cut === end ? cut + 1 : cut)
          await onLine({ stream: name, text: line.endsWith('\r') ? line.slice(0, -1) : line })
        }
      }
      try {
        for await (const chunk of stream) await take(typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk)))
      } catch {
        // A stream that breaks ends here; how the command ended is told by its exit, or by its absence.
      }
      await take(decoder.end())
      if (rest !== '' && onLine !== undefined) await onLine({ stream: name, text: rest })
    },
    result: () => ({ ...kept, truncated }),
  }
}
