// The archive of an artifact: a deterministic tar, made once and kept in the cache under the artifact's hash, in the
// forms that hosts can unpack. Written beside and renamed, so a half written one is never taken for whole; each file is
// hashed again while it is packed, so an archive never differs from its manifest. The manifest is its last entry, in a
// folder of ours: what a host checks itself against.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { RollgateError } from '../../domain/error.ts'
import type { Artifact, ManifestEntry } from '../../domain/release.ts'
import { limited } from '../../util/limit.ts'
import { OWN_FOLDER, type SourceEntry } from './entries.ts'
import { manifestText } from './manifest.ts'
import { tarChunks } from './tar-write.ts'

export type Compression = Artifact['compression']
export type OpenArchive = { readonly bytes: number; readonly chunks: AsyncIterable<Uint8Array> }

const ENDINGS = { none: '.tar', gzip: '.tar.gz', zstd: '.tar.zst' } as const satisfies Record<Compression, string>
/** Archives of this many artifacts are kept. */
const KEPT = 5
/** Reading waits more than it works. */
const HASHED_AT_ONCE = 16

/** Hashes every file; nothing is kept in memory but the list. In the order of the entries. */
export async function readManifest(entries: readonly SourceEntry[], signal: AbortSignal): Promise<readonly ManifestEntry[]> {
  return limited(entries, HASHED_AT_ONCE, async (entry): Promise<ManifestEntry> => {
    signal.throwIfAborted()
    if (entry.kind === 'directory') return { path: entry.path, kind: 'directory', mode: 0o755 }
    if (entry.kind === 'link') return { path: entry.path, kind: 'link', target: entry.target }
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of entry.open()) {
      hash.update(chunk)
      bytes += chunk.length
    }
    return { path: entry.path, kind: 'file', mode: entry.mode, bytes, sha256: hash.digest('hex') }
  })
}

/** @returns where it lies and how long it is. @throws RollgateError E_ARTIFACT when a file changed since it was hashed */
export async function writeArchive(
  entries: readonly SourceEntry[],
  manifest: readonly ManifestEntry[],
  options: {
    readonly sha256: string
    readonly cacheDirectory: string
    readonly compression: Compression
    readonly signal: AbortSignal
    /** Text of the manifest that goes with it, where that lists more than is packed [the manifest's own]. */
    readonly listing?: string
  },
): Promise<{ readonly path: string; readonly bytes: number }> {
  const listing = options.listing ?? manifestText(manifest)
  const make = () => Readable.from(tarChunks(packed(entries, manifest, listing)), { objectMode: false, highWaterMark: 1024 * 1024 })
  return cached(options, make)
}

/**
 * The archive as a stream, in the form a host can unpack; another form than the artifact's own is made on first use.
 * Each call reads the file anew, so that a slow host delays nobody.
 */
export async function openArchive(
  artifact: Pick<Artifact, 'sha256' | 'archivePath' | 'compression'>,
  compression: Compression,
  options: { readonly cacheDirectory: string; readonly signal: AbortSignal },
): Promise<OpenArchive> {
  const made =
    compression === artifact.compression
      ? { path: artifact.archivePath, bytes: (await stat(artifact.archivePath)).size }
      : await once(`${options.cacheDirectory}\0${artifact.sha256}\0${compression}`, () =>
          cached({ ...options, sha256: artifact.sha256, compression }, () => tarOf(artifact)),
        )
  return { bytes: made.bytes, chunks: createReadStream(made.path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer> }
}

async function* packed(entries: readonly SourceEntry[], manifest: readonly ManifestEntry[], listing: string): AsyncGenerator<SourceEntry> {
  for (const [index, entry] of entries.entries()) {
    const listed = manifest[index]
    if (entry.kind === 'file' && listed?.kind === 'file') yield { ...entry, bytes: listed.bytes, open: () => checked(entry, listed.sha256) }
    else yield entry
  }
  const text = Buffer.from(listing)
  yield { kind: 'directory', path: OWN_FOLDER }
  yield { kind: 'file', path: `${OWN_FOLDER}/manifest`, mode: 0o644, bytes: text.length, open: () => Readable.from([text]) }
}

async function* checked(entry: Extract<SourceEntry, { kind: 'file' }>, sha256: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of entry.open()) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== sha256) throw new Error(`${JSON.stringify(entry.path)} changed while it was packed`)
}

async function cached(
  options: { readonly sha256: string; readonly cacheDirectory: string; readonly compression: Compression; readonly signal: AbortSignal },
  make: () => NodeJS.ReadableStream,
): Promise<{ readonly path: string; readonly bytes: number }> {
  const folder = join(options.cacheDirectory, 'archives')
  const path = join(folder, `${options.sha256}${ENDINGS[options.compression]}`)
  const there = await stat(path).catch(() => null)
  if (there !== null) {
    const now = new Date()
    await utimes(path, now, now).catch(() => undefined)
    return { path, bytes: there.size }
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const part = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}.part`
  try {
    const out = createWriteStream(part, { flags: 'wx', mode: 0o600 })
    const { signal } = options
    const codec = encoder(options.compression)
    await (codec === null ? pipeline(make(), out, { signal }) : pipeline(make(), codec, out, { signal }))
    const file = await open(part)
    await file.sync()
    const { size } = await file.stat()
    await file.close()
    await rename(part, path)
    await sweep(folder, options.sha256)
    return { path, bytes: size }
  } catch (cause) {
    await rm(part, { force: true })
    if (options.signal.aborted) throw cause
    throw new RollgateError('E_ARTIFACT', 'The artifact could not be packed', {
      cause,
      why: cause instanceof Error ? cause.message : String(cause),
      hints: ['Nothing may write into the artifact while it is packed', `Packed artifacts are kept in ${folder}`],
    })
  }
}

function encoder(compression: Compression): NodeJS.ReadWriteStream | null {
  if (compression === 'zstd')
    return createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } })
  return compression === 'gzip' ? createGzip({ level: 1 }) : null
}

function tarOf(artifact: Pick<Artifact, 'archivePath' | 'compression'>): NodeJS.ReadableStream {
  const file = createReadStream(artifact.archivePath)
  if (artifact.compression === 'none') return file
  const codec = artifact.compression === 'zstd' ? createZstdDecompress() : createGunzip()
  file.on('error', (error) => codec.destroy(error))
  return file.pipe(codec)
}

const making = new Map<string, Promise<{ readonly path: string; readonly bytes: number }>>()

/** Sixteen hosts ask for the same form at once: it is made one time. */
function once(
  key: string,
  make: () => Promise<{ readonly path: string; readonly bytes: number }>,
): Promise<{ readonly path: string; readonly bytes: number }> {
  const running = making.get(key)
  if (running !== undefined) return running
  const started = make().finally(() => making.delete(key))
  making.set(key, started)
  return started
}

/** Keeps the artifacts used last, and removes what a killed process left behind. */
async function sweep(folder: string, current: string): Promise<void> {
  const dayAgo = Date.now() - 24 * 60 * 60 * 1000
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => ({ name, used: (await stat(join(folder, name)).catch(() => null))?.mtimeMs ?? 0 })),
  )
  const whole = files.filter((file) => !file.name.endsWith('.part')).sort((a, b) => b.used - a.used)
  const hashes = [...new Set([current, ...whole.map((file) => file.name.slice(0, 64))])].slice(0, KEPT)
  const old = files.filter((file) => (file.name.endsWith('.part') ? file.used < dayAgo : !hashes.includes(file.name.slice(0, 64))))
  await Promise.all(old.map((file) => rm(join(folder, file.name), { force: true })))
}
