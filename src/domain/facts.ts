// What is, as data: read from every host and balancer at once, never changed by reading.
import type { ServerState } from './balancer.ts'
import type { ErrorInfo } from './error.ts'
import type { HostName } from './host.ts'
import type { LedgerEntry } from './ledger.ts'
import type { InstalledRelease, ReleaseId } from './release.ts'
import type { ServiceStatus } from './service.ts'

export type RootState =
  | { readonly kind: 'missing'; readonly parentWritable: boolean }
  /** Ours, or Capistrano's layout, or empty: releases/ + shared/ + current link (or nothing yet). */
  | { readonly kind: 'usable'; readonly adopted: boolean; readonly writable: boolean }
  /** `current` is a real folder: refused with the way out. */
  | { readonly kind: 'current-is-folder' }
  /** Something that is not a directory, or cannot be read. */
  | { readonly kind: 'unusable'; readonly detail: string }

export type DiskFacts = {
  readonly freeBytes: number
  /** null: the file system has no fixed number. */
  readonly freeInodes: number | null
  /** Of the folder for temporary files; null: it cannot be known. */
  readonly tempFreeBytes: number | null
  readonly tempFreeInodes?: number | null
}

export type ToolFacts = {
  readonly tar: 'gnu' | 'busybox' | 'bsd' | 'other' | 'missing'
  readonly zstd: boolean
  readonly gzip: boolean
  readonly sha256sum: boolean
  readonly systemctl: boolean
  readonly systemdRun: boolean
  readonly setsid: boolean
}

export type ReachableHost = {
  readonly host: HostName
  readonly reachable: true
  readonly destination: string
  readonly system: {
    readonly os: string
    readonly kernel: string
    readonly arch: string
    readonly user: string
    readonly uid: number
    readonly hostname: string
  }
  readonly bootId: string
  readonly uptimeMs: number
  /** The host's clock minus ours, for `check`; no decision rests on it. */
  readonly clockSkewMs: number
  /** Non-loopback addresses. */
  readonly addresses: readonly string[]
  readonly root: RootState
  /** Where `current` points: a release id, or the name of an adopted folder; null when there is none. */
  readonly current: ReleaseId | null
  readonly releases: readonly InstalledRelease[]
  /** Folders in releases/ that have no record of ours (Capistrano's). */
  readonly foreignReleases: readonly string[]
  readonly services: readonly ServiceStatus[]
  readonly disk: DiskFacts | null
  readonly tools: ToolFacts
  /** The last entries, oldest first. */
  readonly ledger: readonly LedgerEntry[]
  /** sudo: `ok`, `password` (wants one), `denied`, `missing`, `unneeded`. */
  readonly sudo: 'ok' | 'password' | 'denied' | 'missing' | 'unneeded'
  /** The health check's answer, asked once; null when there is no check or nothing listens yet. */
  readonly health: { readonly healthy: boolean; readonly release: ReleaseId | null; readonly detail: string } | null
}

export type UnreachableHost = { readonly host: HostName; readonly reachable: false; readonly error: ErrorInfo }
export type HostFacts = ReachableHost | UnreachableHost

export type BalancerFacts = {
  readonly id: string
  readonly error: ErrorInfo | null
  /** Every server of the configured backend(s). */
  readonly servers: readonly ServerState[]
}

export type Facts = {
  readonly hosts: readonly HostFacts[]
  readonly balancers: readonly BalancerFacts[]
  /** The servers of each host, over all balancers. Empty for hosts without a balancer. */
  readonly rotation: Readonly<Record<HostName, readonly ServerState[]>>
  /** Hosts whose servers could not be found, and why. */
  readonly rotationErrors: Readonly<Record<HostName, ErrorInfo>>
}
