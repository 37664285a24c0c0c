// A result file as text: packed or not, of any length, line by line. Careful about files that lie: a gzip that unpacks to a
// thousand times its size, a line without an end, a file cut in the middle (what is whole is still read), a folder or a pipe
// where a file should be.
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { constants, createGunzip } from 'node:zlib'
import { UnreadableError } from './reading.ts'

export type Input = {
  readonly path: string
  readonly bytes: number
  readonly isPacked: boolean
  readonly signal: AbortSignal | undefined
  /** Why its end is missing; known once it was read. */
  damage: string | null
}

export const LONGEST_LINE = 1024 * 1024
/** A document that must be in memory as a whole. */
const LARGEST_DOCUMENT = 64 * 1024 * 1024
/** Results of load tests pack to about a thirtieth. */
const MOST_UNPACKED = 200
const UNPACKED_FREELY = 256 * 1024 * 1024

/** @throws UnreadableError when it is no file that can be read */
export async function openInput(path: string, signal?: AbortSignal): Promise<Input> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new UnreadableError(error.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${error.code ?? 'unknown'})`)
  })
  try {
    const about = await file.stat()
    if (!about.isFile()) throw new UnreadableError('it is no file')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
    if (bytesRead >= 2 && (buffer.readUInt16BE(0) === 0xfffe || buffer.readUInt16BE(0) === 0xfeff))
      throw new UnreadableError('it is UTF-16; save it as UTF-8 (a shell that redirects into UTF-16 wrote it)')
    return { path, bytes: about.size, isPacked: bytesRead >= 2 && buffer.readUInt16BE(0) === 0x1f8b, signal, damage: null }
  } finally {
    await file.close()
  }
}

/** Its text in pieces. Sets `damage` when the end is missing. @throws UnreadableError for a gzip that unpacks without end */
async function* textOf(input: Input): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: false })
  for await (const chunk of bytesOf(input)) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

async function* bytesOf(input: Input): AsyncGenerator<Uint8Array> {
  if (!input.isPacked) {
    yield* createReadStream(input.path, { signal: input.signal, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>
    return
  }
  let seen = 0
  try {
    for await (const chunk of unpacked(input, false)) {
      seen += chunk.length
      yield chunk
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'Z_DATA_ERROR') input.damage = 'the gzip is damaged'
    else if (code === 'Z_BUF_ERROR') {
      input.damage = 'the gzip ends in the middle'
      // What was unpacked and not yet taken went with the error: once more, and the end as far as it goes.
      for await (const chunk of unpacked(input, true)) {
        if (seen < chunk.length) yield chunk.subarray(seen)
        seen = Math.max(0, seen - chunk.length)
      }
    } else throw error
  }
}

async function* unpacked(input: Input, isLenient: boolean): AsyncGenerator<Buffer> {
  const source = createReadStream(input.path, { signal: input.signal })
  const gunzip = createGunzip({ chunkSize: 256 * 1024, ...(isLenient ? { finishFlush: constants.Z_SYNC_FLUSH } : {}) })
  source.on('error', (error) => gunzip.destroy(error))
  let bytes = 0
  try {
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > UNPACKED_FREELY && bytes > MOST_UNPACKED * input.bytes)
        throw new UnreadableError(`it unpacks to more than ${MOST_UNPACKED} times its size`)
      yield chunk
    }
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}

/**
 * Lines in batches, without their ends. A last line without an end is `damage`: these tools end each line, so it was cut.
 * It is not among the lines unless `lastMayBeOpen`.
 */
export async function* linesOf(input: Input, options: { readonly lastMayBeOpen?: boolean } = {}): AsyncGenerator<readonly string[]> {
  let rest = ''
  let isFirst = true
  for await (const text of textOf(input)) {
    const lines = (rest + (isFirst ? text.replace(/^\uFEFF/, '') : text)).split('\n')
    isFirst = isFirst && text === ''
    rest = lines.pop() ?? ''
    if (rest.length > LONGEST_LINE) throw new UnreadableError('a line of it is longer than 1 MiB')
    for (let index = 0; index < lines.length; index += 1) {
      const line = lines[index] ?? ''
      if (line.length > LONGEST_LINE) throw new UnreadableError('a line of it is longer than 1 MiB')
      if (line.endsWith('\r')) lines[index] = line.slice(0, -1)
    }
    if (lines.length > 0) yield lines
  }
  if (rest === '') return
  if (options.lastMayBeOpen === true) yield [rest]
  else input.damage ??= 'the last line is cut in the middle'
}

/** The whole text of a document. @throws UnreadableError when it is too large */
export async function documentOf(input: Input): Promise<string> {
  let text = ''
  for await (const piece of textOf(input)) {
    text += piece
    if (text.length > LARGEST_DOCUMENT) throw new UnreadableError('it is larger than 64 MiB, which is too much for a summary')
  }
  return text.replace(/^\uFEFF/, '')
}

/** The first part of the text, to see what it is. */
export async function headOf(input: Input): Promise<string> {
  let text = ''
  for await (const piece of textOf({ ...input })) {
    text += piece
    if (text.length >= 64 * 1024) break
  }
  return text.replace(/^\uFEFF/, '')
}
