// How many requests a second a host was found to take (`load --find-capacity --at HOST`).
import type { HostName } from './host.ts'
import type { ReleaseId } from './release.ts'

export type KnownCapacity = {
  readonly host: HostName
  readonly release: ReleaseId
  readonly ratePerSecond: number
  /** It takes more than could be sent, or than was asked for. */
  readonly atLeast: boolean
  readonly load: string
  readonly thresholds: readonly string[]
  /** ISO 8601. */
  readonly at: string
}
