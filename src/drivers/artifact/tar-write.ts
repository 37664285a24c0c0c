// Writes tar archives that are the same byte for byte for the same entries: no times, no owners. The format is GNU's
// and not pax, because busybox's tar skips pax headers and would cut long names, while GNU, busybox and BSD tar all read
// GNU's long names and large sizes. Names are written as their UTF-8 bytes, exactly.
import { fileMode, type SourceEntry } from './entries.ts'

const BLOCK = 512
/** GNU tar reads whole records; a short last one makes some versions complain. */
const RECORD = 20 * BLOCK
const NAME_BYTES = 100

/** @throws Error when a file has another size than its entry says: it changed while it was read. */
export async function* tarChunks(entries: Iterable<SourceEntry> | AsyncIterable<SourceEntry>): AsyncGenerator<Uint8Array> {
  let written = 0
  // Small pieces are collected: 10,000 small files must not become 30,000 writes.
  let parts: Uint8Array[] = []
  let waiting = 0
  for await (const chunk of pieces(entries)) {
    written += chunk.length
    parts.push(chunk)
    waiting += chunk.length
    if (waiting >= 256 * 1024) {
      yield Buffer.concat(parts)
      parts = []
      waiting = 0
    }
  }
  const end = 2 * BLOCK
  parts.push(new Uint8Array(end + padding(written + end, RECORD)))
  yield Buffer.concat(parts)
}

async function* pieces(entries: Iterable<SourceEntry> | AsyncIterable<SourceEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    if (entry.kind === 'directory') yield header({ name: `${entry.path}/`, type: '5', mode: 0o755, bytes: 0 })
    else if (entry.kind === 'link') yield header({ name: entry.path, type: '2', mode: 0o777, bytes: 0, target: entry.target })
    else {
      yield header({ name: entry.path, type: '0', mode: fileMode(entry.mode), bytes: entry.bytes })
      let seen = 0
      for await (const chunk of entry.open()) {
        seen += chunk.length
        if (seen > entry.bytes) break
        yield chunk
      }
      if (seen !== entry.bytes) throw new Error(`${JSON.stringify(entry.path)} changed while it was packed`)
      yield new Uint8Array(padding(seen, BLOCK))
    }
  }
}

type Header = { readonly name: string; readonly type: string; readonly mode: number; readonly bytes: number; readonly target?: string }

function header(entry: Header): Uint8Array {
  const name = Buffer.from(entry.name)
  const target = Buffer.from(entry.target ?? '')
  return Buffer.concat([
    ...(name.length > NAME_BYTES ? [longName('L', name)] : []),
    ...(target.length > NAME_BYTES ? [longName('K', target)] : []),
    block(name, entry.type, entry.mode, entry.bytes, target),
  ])
}

/** An entry of its own that holds the name of the one that follows, ended by a zero byte. */
function longName(type: 'L' | 'K', name: Buffer): Buffer {
  const bytes = name.length + 1
  return Buffer.concat([
    block(Buffer.from('././@LongLink'), type, 0, bytes, Buffer.alloc(0)),
    name,
    Buffer.alloc(1 + padding(bytes, BLOCK)),
  ])
}

function block(name: Buffer, type: string, mode: number, bytes: number, target: Buffer): Buffer {
  const out = Buffer.alloc(BLOCK)
  name.copy(out, 0, 0, NAME_BYTES)
  octal(out, 100, 8, mode)
  octal(out, 108, 8, 0)
  octal(out, 116, 8, 0)
  size(out, bytes)
  octal(out, 136, 12, 0)
  out.fill(' ', 148, 156)
  out.write(type, 156, 'latin1')
  target.copy(out, 157, 0, NAME_BYTES)
  out.write('ustar  \0', 257, 'latin1')
  const sum = out.reduce((total, byte) => total + byte, 0)
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return out
}

function octal(out: Buffer, at: number, width: number, value: number): void {
  out.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
}

/** Eleven octal digits hold 8 GiB; beyond that GNU's base-256 form. */
function size(out: Buffer, bytes: number): void {
  if (bytes < 8 ** 11) octal(out, 124, 12, bytes)
  else {
    out[124] = 0x80
    out.writeBigUInt64BE(BigInt(bytes), 128)
  }
}

export function padding(bytes: number, unit: number): number {
  return (unit - (bytes % unit)) % unit
}
