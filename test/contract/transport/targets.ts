// What the contract is asked of: ssh2 to a real sshd, ssh2 to a sandbox host, and this machine itself.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ask } from '../../../src/domain/ask.ts'
import type { SshSettings } from '../../../src/domain/config.ts'
import type { Host } from '../../../src/domain/host.ts'
import type { Transport } from '../../../src/domain/transport.ts'
import { createLocalTransport } from '../../../src/drivers/transport/local.ts'
import { createSsh2Transport, type Ssh2Options } from '../../../src/drivers/transport/ssh2.ts'
import { startSandbox } from '../../../src/sandbox/fleet.ts'
import { noSignals, noSshd, type Sshd, startSshd } from './sshd.ts'

export const SECRETS: Readonly<Record<string, string>> = { token: `s3cret-${Math.random().toString(36).slice(2)} 'with' $(id)\nlines` }

export const secretReader = async (name: string): Promise<string> => {
  const value = SECRETS[name]
  if (value === undefined) throw new Error(`no secret ${name}`)
  return value
}

export type Target = {
  readonly transport: Transport
  readonly host: Host
  readonly destination: string
  stop(): Promise<void>
}

export type TargetKind = {
  readonly name: string
  /** Why it cannot be tested here; null: it can. */
  readonly missing: string | null
  /** Why signals do not reach commands there; null: they do. */
  readonly noSignals: string | null
  start(): Promise<Target>
}

export function aHost(name: string, port: number, extra: Partial<Host> = {}): Host {
  return { name, address: '127.0.0.1', port, roles: [], labels: {}, ...extra }
}

export type SshOptions = Partial<Omit<Ssh2Options, 'settings'>> & { readonly settings?: Partial<SshSettings> }

/** The transport as a config would have it, to one sshd, with nothing of this machine's own configuration. */
export function sshTransport(sshd: Sshd, options: SshOptions = {}): Transport {
  const { settings, ...more } = options
  return createSsh2Transport({
    hosts: [],
    ask: null,
    env: { PATH: process.env.PATH },
    homeDirectory: homedir(),
    secret: secretReader,
    warn: () => undefined,
    ...more,
    settings: {
      transport: 'ssh2',
      config: '/dev/null',
      user: sshd.user,
      identity: { path: sshd.clientKey },
      knownHosts: [sshd.knownHosts],
      ...settings,
    },
  })
}

/** Answers as a person would; what was asked is kept. */
export function somebody(answers: {
  readonly confirm?: boolean
  readonly secrets?: readonly string[]
}): Ask & { readonly asked: string[] } {
  const asked: string[] = []
  const secrets = [...(answers.secrets ?? [])]
  const never = (): never => {
    throw new Error('not expected here')
  }
  return {
    asked,
    async confirm(question) {
      asked.push(question)
      return answers.confirm ?? false
    },
    async secret(question) {
      asked.push(question)
      return secrets.shift() ?? ''
    },
    text: never,
    choose: never,
  }
}

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'rollgate-transport-')))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export const TARGETS: readonly TargetKind[] = [
  {
    name: 'ssh2 to a real sshd',
    missing: noSshd,
    noSignals,
    async start() {
      const sshd = await startSshd()
      const transport = sshTransport(sshd)
      return {
        transport,
        host: aHost('web-1', sshd.port),
        destination: `${sshd.user}@127.0.0.1:${sshd.port}`,
        stop: () => transport.close().then(() => sshd.stop()),
      }
    },
  },
  {
    name: 'ssh2 to a sandbox host',
    missing: null,
    noSignals: null,
    async start() {
      const folder = temporaryFolder()
      const sandbox = await startSandbox({ hosts: 1, directory: folder.path, signal: new AbortController().signal })
      const [first] = sandbox.hosts
      if (first === undefined) throw new Error('no host')
      const host: Host = { name: first.name, address: first.name, roles: [], labels: {} }
      const transport = createSsh2Transport({
        settings: { transport: 'ssh2', config: sandbox.sshConfigPath },
        hosts: [host],
        ask: null,
        env: { PATH: process.env.PATH },
        homeDirectory: homedir(),
        secret: secretReader,
        warn: () => undefined,
      })
      return {
        transport,
        host,
        destination: `${sandbox.user}@${first.address}:${first.port}`,
        async stop() {
          await transport.close()
          await sandbox.stop()
          folder.remove()
        },
      }
    },
  },
  {
    name: 'this machine',
    missing: null,
    noSignals: null,
    async start() {
      const transport = createLocalTransport({ secret: secretReader })
      return { transport, host: aHost('here', 0), destination: 'this machine', stop: () => transport.close() }
    },
  },
]
