// Reads the headers of a tar file on disk, strictly: a wrong checksum, a sparse file, a device or an unknown kind is an
// error, not something to guess about. Contents are not copied: an entry's `open` reads its part of the file, so nothing
// is ever unpacked under a name that the tarball chose. Knows ustar, GNU's long names and pax.
import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { fileMode, refused, type SourceEntry } from './entries.ts'
import { padding } from './tar-write.ts'

const BLOCK = 512
/** Names and pax records of more than this are an attack or damage. */
const LONGEST_EXTRA = 1024 * 1024

/**
 * @param only these names and no others: what else is in the tarball is not judged
 * @throws RollgateError E_ARTIFACT
 */
export async function readTar(file: FileHandle, path: string, source: string, only?: ReadonlySet<string>): Promise<readonly SourceEntry[]> {
  const entries = new Map<string, SourceEntry>()
  let next: Extra = {}
  let global: Extra = {}
  const { size: total } = await file.stat()
  for (let at = 0; at + BLOCK <= total; ) {
    const block = await read(file, at, BLOCK)
    if (block.every((byte) => byte === 0)) break
    checkSum(block, source, at)
    const type = String.fromCharCode(block[156] ?? 0)
    const bytes = type === '1' || type === '2' || type === '5' ? 0 : (sizeOf(next, global) ?? number(block, 124, 12))
    const start = at + BLOCK
    if (!Number.isSafeInteger(bytes) || bytes < 0 || start + bytes > total)
      throw refused(source, nameOf(block), 'ends too early: the tarball is damaged')
    at = start + bytes + padding(bytes, BLOCK)
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      if (bytes > LONGEST_EXTRA) throw refused(source, nameOf(block), 'has a header that is too long')
      const text = utf8(await read(file, start, bytes), source, at, only !== undefined)
      if (type === 'g') global = { ...global, ...paxOf(text, source) }
      else
        next = { ...next, ...(type === 'x' ? paxOf(text, source) : { [type === 'L' ? 'path' : 'linkpath']: text.replace(/\0.*$/s, '') }) }
      continue
    }
    const extra = { ...global, ...next }
    next = {}
    const written = extra.path ?? utf8(rawName(block), source, at, only !== undefined)
    const name = clean(written, source)
    const judged = only === undefined || only.has(name)
    if (judged && Object.keys(extra).some((key) => key.startsWith('GNU.sparse')))
      throw refused(source, name, 'is a sparse file in a form that is not read')
    // Before ustar a folder was a file whose name ends with a slash.
    const kind = type === '\0' && written.endsWith('/') ? '5' : type
    const target = extra.linkpath ?? utf8(field(block, 157, 100), source, at, only !== undefined)
    if (name === '') continue
    try {
      add(entries, name, kind, number(block, 100, 8), bytes, { path, start }, target, source)
    } catch (error) {
      if (judged) throw error
    }
  }
  return [...entries.values()].filter((entry) => only === undefined || only.has(entry.path))
}

type Extra = { readonly path?: string; readonly linkpath?: string; readonly size?: string; readonly [key: string]: string | undefined }

function add(
  entries: Map<string, SourceEntry>,
  name: string,
  type: string,
  mode: number,
  bytes: number,
  at: { readonly path: string; readonly start: number },
  target: string,
  source: string,
): void {
  const before = entries.get(name)
  const isFolder = type === '5'
  if (before !== undefined && (before.kind === 'directory') !== isFolder)
    throw refused(source, name, 'is there twice, as a folder and as something else')
  if (isFolder) entries.set(name, { kind: 'directory', path: name })
  else if (type === '2') entries.set(name, { kind: 'link', path: name, target })
  else if (type === '1') {
    const other = entries.get(clean(target, source))
    if (other?.kind !== 'file')
      throw refused(source, name, `is a hard link to ${JSON.stringify(target)}, which is not in the tarball before it`)
    entries.set(name, { ...other, path: name })
  } else if (type === '0' || type === '\0' || type === '7') {
    const open = () => part(at.path, at.start, bytes)
    entries.set(name, { kind: 'file', path: name, mode: fileMode(mode), bytes, open })
  } else
    throw refused(
      source,
      name,
      type === '3' || type === '4' || type === '6' ? 'is a device or a pipe' : `is of the kind ${JSON.stringify(type)}, which is not read`,
    )
}

async function* part(path: string, start: number, bytes: number): AsyncGenerator<Uint8Array> {
  if (bytes > 0) yield* createReadStream(path, { start, end: start + bytes - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>
}

/** `./a//b/` → `a/b`; absolute names and `..` are refused, not repaired. */
function clean(name: string, source: string): string {
  if (name.startsWith('/')) throw refused(source, name, 'is an absolute path')
  const names = name.split('/').filter((part) => part !== '' && part !== '.')
  if (names.includes('..')) throw refused(source, name, 'leads out of the artifact')
  return names.join('/')
}

/** Records of the form `LENGTH KEY=VALUE\n`; the length counts bytes and includes itself. */
function paxOf(text: string, source: string): Extra {
  const out: Record<string, string> = {}
  let rest = Buffer.from(text)
  while (rest.length > 0 && rest[0] !== 0) {
    const length = Number.parseInt(rest.subarray(0, 20).toString('latin1'), 10)
    const record = rest.subarray(0, length).toString()
    const split = /^\d+ ([^=]+)=(.*)\n$/s.exec(record)
    if (split?.[1] === undefined || split[2] === undefined) throw refused(source, 'a pax header', 'cannot be read')
    out[split[1]] = split[2]
    rest = rest.subarray(length)
  }
  return out
}

function sizeOf(next: Extra, global: Extra): number | null {
  const size = next.size ?? global.size
  return size === undefined ? null : Number(size)
}

function checkSum(block: Buffer, source: string, at: number): void {
  let sum = 0
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte
  if (sum !== number(block, 148, 8))
    throw refused(source, `the header at byte ${at}`, 'has a wrong checksum: not a tarball, or a damaged one')
}

function number(block: Buffer, at: number, width: number): number {
  const first = block[at] ?? 0
  if (first === 0x80) return Number(block.readBigUInt64BE(at + width - 8))
  const digits = field(block, at, width).toString('latin1').trim()
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

/** ustar keeps the beginning of a long name in a second field; GNU uses those bytes for something else. */
function rawName(block: Buffer): Buffer {
  const prefix = block.subarray(257, 263).toString('latin1') === 'ustar\0' ? field(block, 345, 155) : Buffer.alloc(0)
  const name = field(block, 0, 100)
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name])
}

function nameOf(block: Buffer): string {
  return rawName(block).toString()
}

function field(block: Buffer, at: number, width: number): Buffer {
  const bytes = block.subarray(at, at + width)
  const end = bytes.indexOf(0)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

function utf8(bytes: Buffer, source: string, at: number, tolerant: boolean): string {
  if (tolerant) return bytes.toString()
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw refused(source, `the entry before byte ${at}`, 'has a name that is not UTF-8')
  }
}

async function read(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const out = Buffer.alloc(bytes)
  const { bytesRead } = await file.read(out, 0, bytes, at)
  return out.subarray(0, bytesRead)
}
