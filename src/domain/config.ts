// What we want, as data: one environment of rollgate.yml, merged, defaults filled in. The schema in src/config is
// checked against this type.
import type { EngineSettings } from './engine.ts'
import type { GateSettings } from './gate.ts'
import type { HealthSettings } from './health.ts'
import type { Host, HostName } from './host.ts'
import type { LoadSettings } from './load.ts'
import type { ServiceSettings } from './service.ts'
import type { Share } from './share.ts'

export type ArtifactSettings = {
  /** A shell line, run once in the config's folder before anything touches a host. */
  readonly build?: string
  /** A directory, a file or a tarball; relative to the config's folder. */
  readonly path: string
  readonly exclude: readonly string[]
}

export type SshSettings = {
  readonly user?: string
  /** Absolute path: read instead of the user's own, as `ssh -F` does. */
  readonly config?: string
  /** Absolute paths. */
  readonly knownHosts?: readonly string[]
  /** An absolute path, or the name of an environment variable that holds the key itself (CI). */
  readonly identity?: { readonly path: string } | { readonly env: string }
  readonly transport: 'ssh2' | 'openssh' | 'local'
}

/** Part of an environment value: text, or a secret by name. */
export type TemplatePart = string | { readonly secret: string }
export type Template = readonly TemplatePart[]

export type SecretSource = { readonly env: string } | { readonly file: string } | { readonly command: string }

export type ReleaseSettings = {
  /** Absolute, never `/`. */
  readonly root: string
  readonly keep: number
  /** Relative paths, linked from shared/ into every release. */
  readonly shared: readonly string[]
  readonly env: Readonly<Record<string, Template>>
}

export type DrainPolicy = { readonly deadlineMs: number; readonly onDeadline: 'fail' | 'cut' | 'continue'; readonly settleMs?: number }

export type BalancerSettings =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'haproxy'
      /** Names of inventory hosts that run it; one driver instance each. */
      readonly hosts: readonly HostName[]
      readonly backend?: string
      /** A path on the balancer host, or `host:port` as seen from it. */
      readonly socket: string
      readonly drain: DrainPolicy
    }

/** What the hosts of one role do; `settingsOf` picks it for a host. */
export type RoleSettings = {
  readonly service: ServiceSettings
  readonly health: HealthSettings
  readonly balancers: readonly BalancerSettings[]
}

export type HookMoment = 'before_rollout' | 'before_activate' | 'after_activate' | 'after_rollout' | 'on_failure'

export type Hook = {
  readonly name: string
  readonly run: string
  readonly on: 'local' | 'host'
  readonly timeoutMs: number
  readonly once: boolean
  readonly irreversible: boolean
}

export type StepSetting =
  | { readonly kind: 'deploy'; readonly to: Share }
  | { readonly kind: 'gate'; readonly gate: string }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'approve'; readonly question: string }
  | { readonly kind: 'hook'; readonly hook: Hook }

export type ProbeSettings = {
  readonly url: string
  readonly ratePerSecond: number
  readonly maxFailed: number
  readonly timeoutMs: number
}

export type RolloutSettings = {
  readonly steps: readonly StepSetting[]
  readonly atOnce: number
  /** null: all but one. */
  readonly minReady: Share | null
  readonly spread: 'none' | 'zone'
  readonly failureBudget: Share
  readonly onFailure: 'undo' | 'halt'
  readonly unreachable: 'stop' | 'skip'
  readonly onInconclusive: 'pause' | 'fail' | 'pass'
  readonly onInterrupt: 'stop' | 'undo' | 'continue'
  readonly progressDeadlineMs: number
  readonly probe: ProbeSettings | null
}

export type Config = {
  /** Absolute path of the file. */
  readonly file: string
  readonly directory: string
  readonly app: string
  readonly environment: string | null
  /** Ask before a rollout in this environment. */
  readonly confirm: boolean
  readonly artifact: ArtifactSettings | null
  readonly ssh: SshSettings
  readonly hosts: readonly Host[]
  readonly release: ReleaseSettings
  /** What the top level says; hosts whose role is not in `roles` do this. */
  readonly defaults: RoleSettings
  readonly roles: Readonly<Record<string, RoleSettings>>
  readonly rollout: RolloutSettings
  readonly loads: Readonly<Record<string, LoadSettings>>
  /** Loads that another tool runs, by the same names. */
  readonly engines: Readonly<Record<string, EngineSettings>>
  readonly gates: Readonly<Record<string, GateSettings>>
  readonly hooks: Readonly<Record<HookMoment, readonly Hook[]>>
  readonly secrets: Readonly<Record<string, SecretSource>>
}

/** A host that has no other role is never deployed to. */
export const OTHER_ROLES: readonly string[] = ['balancer', 'generator']

/** Hosts that get releases: all but those that only balance or send load. */
export function appHosts(config: Config): readonly Host[] {
  return config.hosts.filter((host) => host.roles.length === 0 || host.roles.some((role) => !OTHER_ROLES.includes(role)))
}

/** The name of the role whose settings a host follows; null for the top level's. The first of its roles that has settings wins. */
export function roleOf(config: Config, host: Host): string | null {
  return host.roles.find((role) => config.roles[role] !== undefined) ?? null
}

/** Service, health and balancers of a host. */
export function settingsOf(config: Config, host: Host): RoleSettings {
  const role = roleOf(config, host)
  return (role === null ? undefined : config.roles[role]) ?? config.defaults
}
