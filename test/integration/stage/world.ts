// A project here and a release root there, for the staging tests: packs a folder, stages it on a "host", and says what
// lies on disk afterwards in one comparable list.
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Layout, layoutOf } from '../../../src/domain/layout.ts'
import type { Artifact, ReleaseInfo } from '../../../src/domain/release.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { openArchive } from '../../../src/drivers/artifact/archive.ts'
import { prepareArtifact } from '../../../src/drivers/artifact/prepare.ts'
import { envFile } from '../../../src/drivers/stage/env-file.ts'
import { sharedPaths } from '../../../src/drivers/stage/shared.ts'
import { type Shipment, type Staged, stageRelease } from '../../../src/drivers/stage/stage.ts'
import { releaseHash } from '../../../src/plan/release.ts'
import { type ShellKind, toolsOf } from './harness.ts'

/** Text, an executable (`x:` before it), a link (`-> target`) or an empty folder (`/`). */
export type Tree = Readonly<Record<string, string>>

export function plant(folder: string, tree: Tree): string {
  mkdirSync(folder, { recursive: true })
  for (const [name, what] of Object.entries(tree)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    if (what === '/') mkdirSync(path)
    else if (what.startsWith('-> ')) symlinkSync(what.slice(3), path)
    else {
      writeFileSync(path, what.replace(/^x:/, ''))
      chmodSync(path, what.startsWith('x:') ? 0o755 : 0o644)
    }
  }
  return folder
}

/** Everything under a folder: kind, mode, contents or target. */
export function seen(folder: string, at = ''): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(join(folder, at)).sort()) {
    const path = at === '' ? name : `${at}/${name}`
    const facts = lstatSync(join(folder, path))
    if (facts.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(folder, path))}`
    else if (facts.isDirectory()) {
      found[path] = `/ ${(facts.mode & 0o777).toString(8)}`
      Object.assign(found, seen(folder, path))
    } else found[path] = `${(facts.mode & 0o777).toString(8)} ${readFileSync(join(folder, path), 'utf8')}`
  }
  return found
}

export type World = {
  readonly scratch: string
  readonly layout: Layout
  artifact(path: string): Promise<Artifact>
  infoOf(artifact: Artifact, counter?: number): ReleaseInfo
  stage(connection: Connection, artifact: Artifact, more?: More): Promise<Staged>
}

export type More = {
  readonly shipment?: Shipment
  readonly shell?: ShellKind
  readonly info?: ReleaseInfo
  readonly donors?: readonly string[]
  readonly shared?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly reconnect?: () => Connection
  readonly signal?: AbortSignal
  readonly guard?: string
  readonly onProgress?: (sent: number, total: number) => void
}

export function world(scratch: string, rootName = 'srv/shop'): World {
  const layout = layoutOf(join(scratch, rootName))
  const signal = new AbortController().signal
  const cacheDirectory = join(scratch, 'cache')
  const infoOf = (artifact: Artifact, counter = 1): ReleaseInfo => {
    const hash = releaseHash(artifact.sha256, { shared: [], env: {} }, {})
    const id = `r${counter}-${hash.slice(0, 8)}`
    const { sha256, unpackedBytes, files } = artifact
    return { version: 1, id, counter, hash, artifact: sha256, bytes: unpackedBytes, files, by: 'ada@laptop', revision: null }
  }
  return {
    scratch,
    layout,
    async artifact(path) {
      const { artifact } = await prepareArtifact({
        settings: { path, exclude: [] },
        directory: scratch,
        cacheDirectory,
        rebuild: false,
        environment: null,
        signal,
        onLine: () => undefined,
        env: {},
      })
      return artifact
    },
    infoOf,
    stage(connection, artifact, more = {}) {
      const info = more.info ?? infoOf(artifact)
      const { reconnect } = more
      const shared = sharedPaths(more.shared ?? [], artifact.manifest)
      return stageRelease({
        connection,
        ...(reconnect === undefined ? {} : { reconnect: async () => reconnect() }),
        layout,
        info,
        shared,
        shipment: async () => ({
          openArchive: (compression) => openArchive(artifact, compression, { cacheDirectory, signal }),
          without: [],
          shared,
          envText: envFile(info.id, more.env ?? {}),
          ...more.shipment,
        }),
        ...(more.donors === undefined ? {} : { donors: more.donors }),
        tools: toolsOf(more.shell ?? 'system'),
        ...(more.guard === undefined ? {} : { guard: more.guard }),
        signal: more.signal ?? signal,
        ...(more.onProgress === undefined ? {} : { onProgress: more.onProgress }),
        retryAfterMs: [1, 1],
      })
    },
  }
}
