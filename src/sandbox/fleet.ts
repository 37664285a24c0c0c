// The sandbox fleet: N hosts to log in to, a balancer in front of them, and everything a deploy needs to reach them,
// all on loopback, in one folder, without root and without anything installed. It looks like a fleet from outside: one
// release root and one app port for all hosts (view.ts and host.ts say how that is done on one machine), known host
// keys, one client key. `stop` takes all of it away: listeners, connections, processes.
import { randomBytes, randomInt } from 'node:crypto'
import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { RollgateError } from '../domain/error.ts'
import { type SandboxBalancer, startBalancer } from './balancer.ts'
import { sandboxConfig, sshConfig } from './config-text.ts'
import { startGuard } from './guard.ts'
import { createHost } from './host.ts'
import { createKeyPair } from './keys.ts'
import { trackProcesses } from './processes.ts'
import { type SshServer, startSshServer } from './ssh-server.ts'

export type SandboxHost = {
  readonly name: string
  readonly address: string
  /** Of its SSH server. */
  readonly port: number
  readonly fingerprint: string
  /** Its folder on this machine's disk. */
  readonly folder: string
  /** Where its app really listens; null for the balancer's host. */
  readonly appPort: number | null
}

export type Sandbox = {
  readonly directory: string
  readonly user: string
  /** Hosts that get releases: web-1, web-2, … */
  readonly hosts: readonly SandboxHost[]
  /** lb-1: the balancer's runtime API is its 127.0.0.1:9999. */
  readonly balancerHost: SandboxHost
  readonly balancer: SandboxBalancer
  /** The public entry, ending in `/`. */
  readonly entryUrl: string
  /** The same path on every host. */
  readonly releaseRoot: string
  readonly knownHostsLines: readonly string[]
  readonly clientKeyPath: string
  /** For `ssh -F`, and for `ssh.config`. */
  readonly sshConfigPath: string
  /** A complete rollgate.yml; it wants the ssh_config beside it (see writeDemoProject). */
  readonly configText: string
  /** Processes of the hosts that are alive now. */
  processes(): Promise<readonly number[]>
  /** Ends everything; nothing survives it. Can be called twice. */
  stop(): Promise<void>
}

export const APP_PORT = 8080
export const API_PORT = 9999
const USER = 'demo'
const MOST_HOSTS = 20

export type SandboxOptions = {
  readonly hosts: number
  /** Everything lives in it; made if it is not there. */
  readonly directory: string
  /** Stops the sandbox when it fires. */
  readonly signal: AbortSignal
}

/** @throws RollgateError E_USAGE (number of hosts), E_CANCELLED */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  if (!Number.isInteger(options.hosts) || options.hosts < 1 || options.hosts > MOST_HOSTS) {
    throw new RollgateError('E_USAGE', `The sandbox has 1 to ${MOST_HOSTS} hosts, not ${options.hosts}`)
  }
  const closers: (() => Promise<void>)[] = []
  let stopped: Promise<void> | null = null
  const stop = () => {
    stopped ??= (async () => {
      options.signal.removeEventListener('abort', stop)
      // Hosts first: no new process may start while the running ones are ended.
      for (const close of closers.reverse()) await close()
    })()
    return stopped
  }
  try {
    const sandbox = await build(options, closers, stop)
    if (options.signal.aborted) throw new RollgateError('E_CANCELLED', 'Interrupted while the sandbox started')
    options.signal.addEventListener('abort', stop)
    return sandbox
  } catch (error) {
    await stop()
    throw error
  }
}

async function build(options: SandboxOptions, closers: (() => Promise<void>)[], stop: () => Promise<void>): Promise<Sandbox> {
  await mkdir(join(options.directory, 'ssh'), { recursive: true, mode: 0o700 })
  const directory = await realpath(options.directory)
  const mark = randomBytes(8).toString('hex')
  // A name that occurs nowhere else: it is looked for in everything the hosts are sent (view.ts).
  const folders = join(directory, `hosts-${mark}`)
  const processes = trackProcesses(mark, folders)
  const guard = startGuard(mark)
  closers.push(
    () => guard.release(),
    () => processes.endAll(2000),
  )

  const client = createKeyPair('rollgate-sandbox')
  const clientKeyPath = join(directory, 'ssh', 'id_ed25519')
  await writeFile(clientKeyPath, client.privateText, { mode: 0o600 })

  const shown = join(folders, 'me')
  const startHost = async (name: string, folder: string, ports: ReadonlyMap<number, number>): Promise<SandboxHost & { key: string }> => {
    const hostKey = createKeyPair(name)
    const real = join(folders, folder)
    const appPort = ports.get(APP_PORT) ?? null
    const host = await createHost({
      user: USER,
      hostKey: hostKey.privateText,
      clientKey: client.publicLine,
      view: { shown, real },
      ports,
      environment: appPort === null ? {} : { PORT: String(appPort) },
      mark,
      processes,
    })
    const server: SshServer = await startSshServer(host)
    closers.push(() => server.close())
    const { fingerprint, publicLine: key } = hostKey
    return { name, address: '127.0.0.1', port: server.port, fingerprint, folder: real, appPort, key }
  }

  const hosts: (SandboxHost & { key: string })[] = []
  const appPorts = await freePorts(options.hosts)
  for (const [index, port] of appPorts.entries()) {
    hosts.push(await startHost(`web-${index + 1}`, String(index + 1).padStart(2, '0'), new Map([[APP_PORT, port]])))
  }
  const servers = appPorts.map((port, index) => ({ name: `web-${index + 1}`, port }))
  const balancer = await startBalancer({ backend: 'demo', servers, checkPath: '/healthz', shownPort: APP_PORT })
  closers.unshift(() => balancer.close())
  const lb = await startHost('lb-1', 'lb', new Map([[API_PORT, balancer.apiPort]]))

  const knownHostsLines = [...hosts, lb].map(({ port, key }) => `[127.0.0.1]:${port} ${key}`)
  const knownHostsPath = join(directory, 'ssh', 'known_hosts')
  await writeFile(knownHostsPath, `${knownHostsLines.join('\n')}\n`, { mode: 0o600 })
  const sshConfigPath = join(directory, 'ssh', 'config')
  await writeFile(sshConfigPath, sshConfig({ hosts: [...hosts, lb], user: USER, clientKeyPath, knownHostsPath }), { mode: 0o600 })

  const facts = { hosts, balancerHost: lb, releaseRoot: join(shown, 'app'), entryUrl: `http://127.0.0.1:${balancer.entryPort}/` }
  return {
    ...facts,
    directory,
    user: USER,
    balancer,
    knownHostsLines,
    clientKeyPath,
    sshConfigPath,
    configText: sandboxConfig({ ...facts, balancer }, { probe: true }),
    processes: () => processes.alive(),
    stop,
  }
}

/**
 * Ports for the apps, free now, and outside the range that systems give to outgoing connections (from 32768 on Linux,
 * from 49152 on macOS): an app that restarts must find its port free however many connections were just made.
 */
async function freePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>()
  for (let tries = 0; found.size < count; tries += 1) {
    if (tries > 1000) throw new RollgateError('E_REFUSED', 'No free ports were found on 127.0.0.1 between 20000 and 32000')
    const port = randomInt(20_000, 32_000)
    if (await isFree(port)) found.add(port)
  }
  return [...found]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })
}
