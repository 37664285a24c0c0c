// Checked data → Config. Pure but for what it is told: folder and home. That it compiles is the proof that the schema and
// the type in domain say the same.
import { join, resolve } from 'node:path'
import type { BalancerSettings, Config, DrainPolicy, Hook, RoleSettings, SecretSource, SshSettings, StepSetting } from '../domain/config.ts'
import type { HealthCheck, HealthSettings, VersionProof } from '../domain/health.ts'
import type { Host } from '../domain/host.ts'
import type { ServiceSettings } from '../domain/service.ts'
import { gateSettings } from './build-gate.ts'
import { engineSettings, loadSettings } from './build-load.ts'
import type { Merged, MergedBalancer, MergedHealth, MergedHook, MergedRole, MergedService, MergedStep } from './schema.ts'

export type Place = { readonly file: string; readonly directory: string; readonly home: string; readonly environment: string | null }

const DRAIN: DrainPolicy = { deadlineMs: 30_000, onDeadline: 'fail' }

export function buildConfig(merged: Merged, place: Place): Config {
  const { app, confirm, release, rollout } = merged
  return {
    file: place.file,
    directory: place.directory,
    app,
    environment: place.environment,
    confirm,
    artifact: merged.artifact ?? null,
    ssh: sshSettings(merged.ssh, place),
    hosts: Object.entries(merged.hosts).map(([name, host]) => hostOf(name, host)),
    release: { ...release, env: release.env },
    defaults: roleSettings(merged),
    roles: named(merged.roles, (_, role) => roleSettings(role)),
    rollout: {
      steps: rollout.steps.map(stepSetting),
      atOnce: rollout.at_once,
      minReady: rollout.min_ready ?? null,
      spread: rollout.spread,
      failureBudget: rollout.failure_budget,
      onFailure: rollout.on_failure,
      unreachable: rollout.unreachable,
      onInconclusive: rollout.on_inconclusive,
      onInterrupt: rollout.on_interrupt,
      progressDeadlineMs: rollout.progress_deadline,
      probe:
        rollout.probe === undefined
          ? null
          : {
              url: rollout.probe.url,
              ratePerSecond: rollout.probe.rate,
              maxFailed: rollout.probe.max_failed,
              timeoutMs: rollout.probe.timeout,
            },
    },
    loads: named(
      only(merged.loads, (load) => load.engine === undefined),
      (name, load) => loadSettings(name, load, (path) => local(path, place)),
    ),
    engines: enginesOf(merged.loads, (path) => local(path, place)),
    gates: named(merged.gates, (name, gate) =>
      gateSettings(
        name,
        gate,
        rollout.on_inconclusive,
        (path) => local(path, place),
        (load) => merged.loads[load]?.engine === undefined,
      ),
    ),
    hooks: {
      before_rollout: hooksOf('before_rollout', merged.hooks.before_rollout),
      before_activate: hooksOf('before_activate', merged.hooks.before_activate),
      after_activate: hooksOf('after_activate', merged.hooks.after_activate),
      after_rollout: hooksOf('after_rollout', merged.hooks.after_rollout),
      on_failure: hooksOf('on_failure', merged.hooks.on_failure),
    },
    secrets: Object.fromEntries(Object.entries(merged.secrets).map(([name, source]) => [name, secretSource(source, place)])),
  }
}

function only<T>(from: Readonly<Record<string, T>>, keep: (value: T) => boolean): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => keep(value)))
}

function enginesOf(loads: Merged['loads'], local: (path: string) => string): Config['engines'] {
  const found = Object.entries(loads).flatMap(([name, load]) => {
    const engine = engineSettings(name, load, local)
    return engine === null ? [] : [[name, engine] as const]
  })
  return named(Object.fromEntries(found), (_, engine) => engine)
}

/** Without a prototype: any word may be looked up. */
function named<T, R>(from: Readonly<Record<string, T>>, build: (name: string, value: T) => R): Readonly<Record<string, R>> {
  return Object.assign(Object.create(null), Object.fromEntries(Object.entries(from).map(([name, value]) => [name, build(name, value)])))
}

/** A path on this machine: `~/` is the home folder, anything else relative to the config's folder. */
function local(path: string, place: Place): string {
  if (path === '~') return place.home
  return path.startsWith('~/') ? join(place.home, path.slice(2)) : resolve(place.directory, path)
}

function sshSettings(ssh: Merged['ssh'], place: Place): SshSettings {
  const { user, config, known_hosts: known, identity, transport } = ssh
  return {
    ...(user === undefined ? {} : { user }),
    ...(config === undefined ? {} : { config: local(config, place) }),
    ...(known === undefined ? {} : { knownHosts: [known].flat().map((path) => local(path, place)) }),
    ...(identity === undefined ? {} : { identity: typeof identity === 'string' ? { path: local(identity, place) } : identity }),
    transport,
  }
}

function hostOf(name: string, host: Merged['hosts'][string]): Host {
  const { address, host_key: hostKey, ...rest } = host
  return { name, address: address ?? name, ...rest, ...(hostKey === undefined ? {} : { hostKey }) }
}

function roleSettings(role: Pick<MergedRole, 'service' | 'health' | 'balancer'>): RoleSettings {
  return { service: serviceSettings(role.service), health: healthSettings(role.health), balancers: balancersOf(role.balancer) }
}

function serviceSettings(service: MergedService): ServiceSettings {
  const { kind, unit, scope, exec, start, stop, ...others } = service
  if (kind === 'none') return { kind }
  // The rules have said what is missing before anything is built.
  if (kind === 'command') return { kind, start: start ?? '', stop: stop ?? '', ...others }
  return { kind, units: [unit ?? []].flat(), scope: scope ?? 'system', ...(exec === undefined ? {} : { exec }) }
}

function healthSettings(health: MergedHealth): HealthSettings {
  return {
    check: healthCheck(health),
    version: versionProof(health.version ?? {}),
    intervalMs: health.interval,
    healthyForMs: health.healthy_for,
    deadlineMs: health.deadline,
  }
}

function healthCheck({ http, tcp, command }: MergedHealth): HealthCheck {
  if (http !== undefined) {
    const { status, timeout, ...rest } = http
    return { kind: 'http', ...rest, status: [status].flat(), timeoutMs: timeout }
  }
  if (tcp !== undefined) return { kind: 'tcp', port: tcp.port, address: tcp.address, timeoutMs: tcp.timeout }
  if (command === undefined) return { kind: 'service' }
  return typeof command === 'string'
    ? { kind: 'command', run: command, timeoutMs: 10_000 }
    : { kind: 'command', run: command.run, timeoutMs: command.timeout }
}

function versionProof({ header, json, command }: NonNullable<MergedHealth['version']>): VersionProof {
  if (header !== undefined) return { kind: 'header', name: header }
  if (json !== undefined) return { kind: 'json', path: json }
  return command === undefined ? { kind: 'process' } : { kind: 'command', run: command }
}

function balancersOf(balancer: MergedBalancer): readonly BalancerSettings[] {
  const all = balancer === 'none' ? [] : [balancer].flat()
  return all.flatMap((one): readonly BalancerSettings[] => {
    if (one.kind === 'none') return []
    const { kind, hosts, backend, socket, drain } = one
    const policy = drain && {
      deadlineMs: drain.deadline,
      onDeadline: drain.on_deadline,
      ...(drain.settle === undefined ? {} : { settleMs: drain.settle }),
    }
    return [
      {
        kind,
        hosts: hosts ?? [],
        ...(backend === undefined ? {} : { backend }),
        socket: socket ?? '/run/haproxy/admin.sock',
        drain: policy ?? DRAIN,
      },
    ]
  })
}

function stepSetting(step: MergedStep, index: number): StepSetting {
  if (step.deploy !== undefined) return { kind: 'deploy', to: step.deploy }
  if (step.gate !== undefined) return { kind: 'gate', gate: step.gate }
  if (step.pause !== undefined) return { kind: 'pause', ms: step.pause }
  if (step.hook !== undefined) return { kind: 'hook', hook: hookOf(`step-${index + 1}`, step.hook) }
  return { kind: 'approve', question: step.approve ?? '' }
}

function hooksOf(moment: string, hooks: readonly MergedHook[]): readonly Hook[] {
  return hooks.map((hook, index) => hookOf(`${moment}-${index + 1}`, hook))
}

function hookOf(usualName: string, hook: MergedHook): Hook {
  const { name, timeout, ...rest } = hook
  return { name: name ?? usualName, timeoutMs: timeout, ...rest }
}

function secretSource({ env, file, command }: Merged['secrets'][string], place: Place): SecretSource {
  if (env !== undefined) return { env }
  return file === undefined ? { command: command ?? '' } : { file: local(file, place) }
}
