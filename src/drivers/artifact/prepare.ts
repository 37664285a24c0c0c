// From settings to an artifact that can be shipped: build if something changed, read what there is, hash it, pack it
// once. Runs on the operator's machine before any host is touched; everything it refuses is refused here.
import { rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { OutputLine } from '../../domain/command.ts'
import type { ArtifactSettings } from '../../domain/config.ts'
import type { Artifact, Revision } from '../../domain/release.ts'
import { readManifest, writeArchive } from './archive.ts'
import { type BuildOptions, runBuild, unchangedSince } from './build.ts'
import { revisionOf } from './git.ts'
import { manifestHash } from './manifest.ts'
import { entriesOf } from './sources.ts'

export type PrepareOptions = {
  readonly settings: ArtifactSettings
  /** Folder of the configuration. */
  readonly directory: string
  /** The configuration file [rollgate.yml in the folder]: not part of a build, nor of an artifact that is the folder itself. */
  readonly configFile?: string
  readonly cacheDirectory: string
  /** `--artifact PATH`: this instead of what the configuration says, and no build. */
  readonly override?: string
  readonly rebuild: boolean
  readonly environment: string | null
  readonly signal: AbortSignal
  readonly onLine: (line: OutputLine) => void
  readonly env: NodeJS.ProcessEnv
}

export type Prepared = {
  readonly artifact: Artifact
  /** `skipped`: nothing changed since the last build. `none`: there is no build. */
  readonly built: 'built' | 'skipped' | 'none'
  readonly revision: Revision | null
}

/** @throws RollgateError E_BUILD, E_ARTIFACT */
export async function prepareArtifact(options: PrepareOptions): Promise<Prepared> {
  const { settings, override } = options
  const configFile = options.configFile ?? join(options.directory, 'rollgate.yml')
  const output = override === undefined ? resolve(options.directory, settings.path) : resolve(override)
  const build: BuildOptions | null =
    settings.build === undefined || override !== undefined ? null : { ...options, build: settings.build, configFile, output }
  const { artifact, built } = await buildAndPack(build, options.rebuild, () => pack(output, configFile, options))
  return { artifact, built, revision: await revisionOf(options.directory, options.signal) }
}

async function buildAndPack(
  build: BuildOptions | null,
  rebuild: boolean,
  packAll: () => Promise<Artifact>,
): Promise<Pick<Prepared, 'artifact' | 'built'>> {
  if (build === null) return { artifact: await packAll(), built: 'none' }
  const last = rebuild ? null : await unchangedSince(build)
  if (last !== null) {
    // The folder is as it was, but what the build makes may lie outside of it, and be gone.
    const artifact = await packAll().catch(() => null)
    build.signal.throwIfAborted()
    if (artifact?.sha256 === last) return { artifact, built: 'skipped' }
  }
  const keepRecord = await runBuild(build)
  const artifact = await packAll()
  await keepRecord(artifact.sha256)
  return { artifact, built: 'built' }
}

async function pack(path: string, configFile: string, options: PrepareOptions): Promise<Artifact> {
  const { cacheDirectory, signal } = options
  const scratch = join(cacheDirectory, `unpacked-${process.pid}-${Math.random().toString(36).slice(2)}.tar`)
  try {
    const entries = await entriesOf({
      path,
      directory: options.directory,
      configName: basename(configFile),
      exclude: options.settings.exclude,
      scratch,
      signal,
    })
    const manifest = await readManifest(entries, signal)
    const sha256 = manifestHash(manifest)
    // zstd is quick here; a host without it makes gzip being made, once (archive.ts).
    const compression = 'zstd'
    const archive = await writeArchive(entries, manifest, { sha256, cacheDirectory, compression, signal })
    const files = manifest.flatMap((entry) => (entry.kind === 'file' ? [entry.bytes] : []))
    return {
      sha256,
      archivePath: archive.path,
      compression,
      archiveBytes: archive.bytes,
      unpackedBytes: files.reduce((sum, bytes) => sum + bytes, 0),
      files: files.length,
      manifest,
    }
  } finally {
    await rm(scratch, { force: true })
  }
}
