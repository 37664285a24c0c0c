// Where an artifact comes from: a folder, one file, or a tarball (plain, gzip, zstd). Each becomes the same list of
// entries, so the hash is over the contents and not over how they were packed. Names that are not UTF-8 are refused
// here, because Node would silently change them.
import { createReadStream, createWriteStream } from 'node:fs'
import { lstat, mkdir, open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { RollgateError } from '../../domain/error.ts'
import { limited } from '../../util/limit.ts'
import { checkedEntries, fileMode, OWN_FOLDER, refused, type SourceEntry } from './entries.ts'
import { type Ignore, ignoreOf, readPatterns } from './ignore.ts'
import { readTar } from './tar-read.ts'

export const IGNORE_FILE = '.rollgateignore'
/** Never meant to be shipped; `!/.git` in the patterns brings it back. */
const ALWAYS_OUT = ['/.git', `/${IGNORE_FILE}`]

const FILES_AT_ONCE = 16
const SMALL_BYTES = 256 * 1024

export type SourceOptions = {
  /** The artifact: absolute path of a folder, a file or a tarball. */
  readonly path: string
  /** Folder of the configuration: its ignore file counts too. */
  readonly directory: string
  /** Name of the configuration file: not shipped when the artifact is its folder. */
  readonly configName: string
  readonly exclude: readonly string[]
  /** A compressed tarball is unpacked to this file, which must not exist. */
  readonly scratch: string
  readonly signal: AbortSignal
}

/** Sorted and checked. @throws RollgateError E_ARTIFACT */
export async function entriesOf(options: SourceOptions): Promise<readonly SourceEntry[]> {
  const { path, signal } = options
  const found = await stat(path).catch((cause: unknown) => {
    throw new RollgateError('E_ARTIFACT', `The artifact ${path} cannot be read`, {
      cause,
      why: reason(cause),
      hints: ['Check artifact.path: it is relative to the configuration file', 'Does the build write it?'],
    })
  })
  try {
    if (found.isDirectory()) {
      const ignore = ignoreOf(await patternsOf(options, true))
      return checkedEntries(await walk(path, '', ignore, signal), path)
    }
    const packed = /\.(?:tar|tar\.gz|tgz|tar\.zst)$/i.exec(path)
    if (packed === null) return checkedEntries([await onlyFile(path)], path)
    const ignore = ignoreOf(await patternsOf(options, false))
    const tar = /\.tar$/i.test(path) ? path : await decompress(path, options.scratch, signal)
    await using file = await open(tar)
    const entries = await readTar(file, tar, path)
    return checkedEntries(
      entries.filter((entry) => !ignore.ignores(entry.path, entry.kind === 'directory')),
      path,
    )
  } catch (cause) {
    if (cause instanceof RollgateError || signal.aborted) throw cause
    throw new RollgateError('E_ARTIFACT', `The artifact ${path} cannot be read`, { cause, why: reason(cause) })
  }
}

async function patternsOf(options: SourceOptions, isFolder: boolean): Promise<readonly string[]> {
  const files = [...new Set([join(options.directory, IGNORE_FILE), ...(isFolder ? [join(options.path, IGNORE_FILE)] : [])])]
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  // Shipping the project's own folder is fine; what Rollgate keeps there, and its settings, are not part of it.
  const own = options.path === options.directory ? [`/${OWN_FOLDER}`, `/${options.configName.replace(/[\\*?[\]]/g, '\\$&')}`] : []
  return [...ALWAYS_OUT, ...own, ...texts.flatMap(readPatterns), ...options.exclude]
}

async function walk(root: string, folder: string, ignore: Ignore, signal: AbortSignal): Promise<SourceEntry[]> {
  signal.throwIfAborted()
  const found = await readdir(join(root, folder), { withFileTypes: true, encoding: 'buffer' })
  const entries = await limited(found, FILES_AT_ONCE, async (each): Promise<readonly SourceEntry[]> => {
    const path = folder === '' ? nameOf(each.name, root) : `${folder}/${nameOf(each.name, root)}`
    if (ignore.ignores(path, each.isDirectory())) return []
    if (each.isDirectory()) return [{ kind: 'directory', path }]
    if (each.isSymbolicLink())
      return [{ kind: 'link', path, target: nameOf(await readlink(join(root, path), { encoding: 'buffer' }), root) }]
    if (each.isFile()) return [await fileEntry(join(root, path), path)]
    throw refused(root, path, 'is a socket, a pipe or a device')
  })
  const all = entries.flat()
  // Folder after folder, so that a deep tree does not open thousands at once.
  for (const entry of entries.flat())
    if (entry.kind === 'directory') for (const inside of await walk(root, entry.path, ignore, signal)) all.push(inside)
  return all
}

async function onlyFile(path: string): Promise<SourceEntry> {
  return fileEntry(path, basename(path), true)
}

async function fileEntry(full: string, path: string, follow = false): Promise<SourceEntry> {
  const found = await (follow ? stat : lstat)(full)
  if (!found.isFile()) throw refused(full, path, 'is not a file, a folder or a link')
  return { kind: 'file', path, mode: fileMode(found.mode), bytes: found.size, open: () => contentsOf(full, found.size) }
}

/** A stream costs a small file more than its reading does. */
function contentsOf(full: string, bytes: number): AsyncIterable<Uint8Array> {
  if (bytes > SMALL_BYTES) return createReadStream(full, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>
  return (async function* () {
    const all = await readFile(full)
    if (all.length > 0) yield all
  })()
}

function nameOf(bytes: Uint8Array, root: string): string {
  const name = Buffer.from(bytes).toString()
  if (Buffer.compare(Buffer.from(name), bytes) !== 0) throw refused(root, name, 'has a name that is not UTF-8')
  return name
}

async function decompress(path: string, scratch: string, signal: AbortSignal): Promise<string> {
  await mkdir(dirname(scratch), { recursive: true, mode: 0o700 })
  const codec = /\.zst$/i.test(path) ? createZstdDecompress() : createGunzip()
  await pipeline(createReadStream(path), codec, createWriteStream(scratch, { flags: 'wx', mode: 0o600 }), { signal })
  return scratch
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
