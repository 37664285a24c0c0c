// Takes a release from a host that has it, so that hosts without it can get it: a rollback to something this machine never
// built, a resume from another machine. The host's copy is believed only as far as its hashes go: the files are read
// through our own tar reader, compared with the manifest, and packed again as a build would have been. Not taken along:
// what the app wrote into its release later, and what lies behind links into shared/. The environment of the release,
// which may hold secrets, comes by standard output and stays in memory.
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { RollgateError } from '../../domain/error.ts'
import type { ToolFacts } from '../../domain/facts.ts'
import type { Layout } from '../../domain/layout.ts'
import type { ManifestEntry, ReleaseInfo } from '../../domain/release.ts'
import type { Connection } from '../../domain/transport.ts'
import { stdinScript } from '../../util/shell.ts'
import { openArchive, writeArchive } from '../artifact/archive.ts'
import { checkedEntries, type SourceEntry } from '../artifact/entries.ts'
import { parseManifest } from '../artifact/manifest.ts'
import { readTar } from '../artifact/tar-read.ts'
import { compressionFor } from './compression.ts'
import { archiveScript, describeScript, FETCH_EXIT } from './fetch-scripts.ts'
import { fromBase64 } from './from-base64.ts'
import { type SharedPath, sharedPaths } from './shared.ts'
import type { Shipment } from './stage.ts'

export type FetchOptions = {
  readonly connection: Connection
  readonly layout: Layout
  readonly info: ReleaseInfo
  readonly tools: ToolFacts
  /** An empty folder of this machine's, which the caller removes when the archive is no longer needed. */
  readonly scratch: string
  readonly signal: AbortSignal
}

export type Fetched = Shipment & { readonly manifest: readonly ManifestEntry[] }

const DESCRIBE_TIMEOUT_MS = 15 * 60_000
const ARCHIVE_TIMEOUT_MS = 60 * 60_000
const DESCRIPTION_BYTES = 128 * 1024 * 1024

/** @throws RollgateError E_NO_RELEASE when the copy there is not whole, E_STAGE, E_CANCELLED */
export async function fetchRelease(options: FetchOptions): Promise<Fetched> {
  const { connection, info, scratch, signal } = options
  const said = await describe(options)
  if (createHash('sha256').update(said.manifestText).digest('hex') !== info.artifact) throw damaged(options, ['its manifest was changed'])
  const manifest = parseManifest(said.manifestText)
  if (manifest === null) throw damaged(options, ['its manifest cannot be read'])
  const shared = believable(said.shared, manifest)
  const without = shared.map(({ path }) => path)
  const sent = manifest.filter((entry) => !without.some((path) => entry.path === path || entry.path.startsWith(`${path}/`)))

  await mkdir(scratch, { recursive: true, mode: 0o700 })
  const tar = join(scratch, 'fetched.tar')
  await download(options, tar)
  const source = `${info.id} on ${connection.host.name}`
  await using file = await open(tar)
  const found = new Map((await readTar(file, tar, source, new Set(sent.map((entry) => entry.path)))).map((entry) => [entry.path, entry]))
  const entries = sent.map((entry) => found.get(entry.path))
  const missing = sent.filter((entry, index) => entries[index]?.kind !== entry.kind)
  if (missing.length > 0)
    throw damaged(
      options,
      missing.slice(0, 10).map((entry) => `missing: ${JSON.stringify(entry.path)}`),
    )
  // In the manifest's order, and checked as anything that comes from outside.
  const checked = checkedEntries(
    entries.filter((entry): entry is SourceEntry => entry !== undefined),
    source,
  )
  const archive = { sha256: info.artifact, cacheDirectory: scratch, compression: 'zstd', signal } as const
  const { path } = await writeArchive(checked, sent, { ...archive, listing: said.manifestText })
  return {
    manifest,
    without,
    shared,
    envText: said.envText,
    openArchive: (compression) => openArchive({ sha256: info.artifact, archivePath: path, compression: 'zstd' }, compression, archive),
  }
}

/** The paths come from a host, and another host will make links there: they are checked as if somebody had configured them. */
function believable(shared: readonly SharedPath[], manifest: readonly ManifestEntry[]): readonly SharedPath[] {
  const kinds = new Map(shared.map(({ path, kind }) => [path, kind]))
  const paths = sharedPaths([...kinds.keys()], manifest)
  return paths.map(({ path, kind }) => ({ path, kind: kinds.get(path) ?? kind }))
}

type Description = { readonly shared: readonly SharedPath[]; readonly manifestText: string; readonly envText: string }

/** Hashes the copy there, and reads what is known about it. */
async function describe(options: FetchOptions): Promise<Description> {
  const { connection, layout, info, signal } = options
  const { argv, stdin } = stdinScript(describeScript(layout, info))
  const result = await connection.run({ argv, stdin, timeoutMs: DESCRIBE_TIMEOUT_MS }, { signal, maxOutputBytes: DESCRIPTION_BYTES })
  if (result.exitCode === FETCH_EXIT.notWhole)
    throw damaged(
      options,
      result.stdout.split('\n').filter((line) => line !== ''),
    )
  const parts = /^shared (\d{1,6})\nmanifest (\d{1,9})\n/.exec(result.stdout)
  if (result.exitCode !== 0 || parts?.[0] === undefined || result.truncated) throw unreadable(options, result.stderr)
  const lines = result.stdout.slice(parts[0].length).split('\n')
  const shared = lines.splice(0, Number(parts[1])).map((line): SharedPath => {
    const path = line.slice(2).replaceAll('\u0001', '\n')
    return { path: path.replace(/^\.\//, ''), kind: line.startsWith('d ') ? 'folder' : 'file' }
  })
  const manifestText = `${lines.splice(0, Number(parts[2])).join('\n')}\n`
  return { shared, manifestText, envText: lines.join('\n') }
}

/** The files as one plain tar here. Binary through a text channel, so it travels in base64. */
async function download(options: FetchOptions, to: string): Promise<void> {
  const { connection, layout, info, tools, signal } = options
  const compression = compressionFor(tools)
  const bytes = fromBase64()
  const codec = compression === 'zstd' ? createZstdDecompress() : compression === 'gzip' ? createGunzip() : null
  const out = createWriteStream(to, { flags: 'wx', mode: 0o600 })
  const writing = codec === null ? pipeline(bytes.stream, out, { signal }) : pipeline(bytes.stream, codec, out, { signal })
  // A broken archive is told by its hashes; here it must only not become an unhandled rejection.
  const written = writing.catch(() => undefined)
  try {
    const { argv, stdin } = stdinScript(archiveScript(layout, info, compression))
    const result = await connection.run(
      { argv, stdin, timeoutMs: ARCHIVE_TIMEOUT_MS },
      { signal, maxOutputBytes: 4096, onLine: (line) => (line.stream === 'stdout' ? bytes.write(line.text) : undefined) },
    )
    await bytes.end()
    await written
    if (result.exitCode !== 0 || result.lost) throw unreadable(options, result.stderr)
  } finally {
    bytes.stream.destroy()
    await written
  }
}

function damaged({ connection, info }: FetchOptions, evidence: readonly string[]): RollgateError {
  const host = connection.host.name
  return new RollgateError('E_NO_RELEASE', `the copy of ${info.id} on ${host} is not whole`, {
    host,
    evidence: evidence.slice(0, 20),
    now: 'nothing was changed',
  })
}

function unreadable({ connection, info }: FetchOptions, stderr: string): RollgateError {
  const host = connection.host.name
  const evidence = stderr.split('\n').filter((line) => line.trim() !== '')
  return new RollgateError('E_STAGE', `${info.id} could not be read from ${host}`, {
    host,
    evidence: evidence.slice(-10),
    now: 'nothing was changed',
  })
}
