// The process on a host, and how it is driven. A ServiceManager is pure: it builds commands and reads answers.
import type { Command, CommandResult } from './command.ts'

export type ServiceSettings =
  | {
      readonly kind: 'systemd'
      readonly units: readonly string[]
      readonly scope: 'system' | 'user'
      /** Only for `setup`, which renders the unit from the template: the command line that starts the app. */
      readonly exec?: string
    }
  | {
      readonly kind: 'command'
      /** Shell lines of the user's, run in the release root's `current`; each gets ROLLGATE_* variables. */
      readonly start: string
      readonly stop: string
      readonly restart?: string
      readonly status?: string
      readonly logs?: string
    }
  | { readonly kind: 'none' }

export type ServiceState = 'active' | 'starting' | 'stopping' | 'inactive' | 'failed' | 'unknown'

export type ServiceStatus = {
  readonly unit: string
  readonly state: ServiceState
  readonly pid: number | null
  /** Of the last end, if the process ended: `exit 1`, `signal 9`. */
  readonly lastExit: string | null
  /** Which start this is: pid and start time. Differs after any restart. */
  readonly generation: string | null
  /** How often the manager restarted it by itself (systemd's NRestarts), if known. */
  readonly restarts: number | null
  /** The folder the process runs in, links resolved, if readable. */
  readonly workingDirectory: string | null
  readonly detail: string
  /** The manager knows no such unit, or cannot load it: nothing will ever start it. */
  readonly cannotStart?: true
}

export interface ServiceManager {
  readonly kind: string
  /** What `unit` may name: units of systemd, or the one name of a command service. */
  readonly units: readonly string[]
  start(unit: string): Command
  stop(unit: string): Command
  restart(unit: string): Command
  reload(unit: string): Command
  status(unit: string): Command
  logs(unit: string, options: { readonly lines: number; readonly follow?: boolean; readonly since?: string }): Command
  readStatus(unit: string, result: CommandResult): ServiceStatus
}
