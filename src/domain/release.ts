// Releases: an artifact plus settings, installed in a folder of its own.

/** `r<counter>-<8 hex>`, for example `r41-9f3ab2c1`. */
export type ReleaseId = string

/** What the build made, packed the same way each time. */
export type Artifact = {
  /** Over the sorted manifest (paths, modes, contents, link targets): no times, no owners. Hex. */
  readonly sha256: string
  /** A deterministic tar of it (`.tar`, `.tar.gz` or `.tar.zst`), ready to be streamed. */
  readonly archivePath: string
  readonly compression: 'none' | 'gzip' | 'zstd'
  readonly archiveBytes: number
  readonly unpackedBytes: number
  readonly files: number
  readonly manifest: readonly ManifestEntry[]
}

export type ManifestEntry =
  | { readonly path: string; readonly kind: 'file'; readonly mode: number; readonly bytes: number; readonly sha256: string }
  | { readonly path: string; readonly kind: 'directory'; readonly mode: number }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }

/** Where the sources stood, if there is a repository. */
export type Revision = {
  readonly commit: string
  readonly branch?: string
  readonly dirty: boolean
  readonly author: string
  readonly subject: string
}

export type ReleaseOutcome = 'staged' | 'succeeded' | 'failed'

/** Kept on every host as one line of JSON in `.rollgate/releases/<id>.json`; its presence is the completion marker. */
export type ReleaseInfo = {
  readonly version: 1
  readonly id: ReleaseId
  readonly counter: number
  /** Full hash (hex) of artifact and settings; the id holds its first 8. */
  readonly hash: string
  readonly artifact: string
  readonly bytes: number
  readonly files: number
  readonly by: string
  readonly revision: Revision | null
}

export type InstalledRelease = ReleaseInfo & {
  /** Seconds since the epoch on the host's own clock; only for showing. */
  readonly installedAt: number
  readonly outcome: ReleaseOutcome
}
