// A real HAProxy before the backends: master and worker, so that it can be reloaded, on ports of the system's choice. The
// operator's hand is a plain connection to its socket, past our driver.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadBalancer } from '../../../src/domain/balancer.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { createBalancers } from '../../../src/drivers/balancer/registry.ts'
import { createLocalTransport } from '../../../src/drivers/transport/local.ts'
import { type App, startApp } from './apps.ts'
import type { Operated, Rig, Running } from './rig.ts'
import { until } from './wait.ts'

export const missing: string | null =
  process.platform !== 'linux' ? 'not on Linux' : spawnSync('haproxy', ['-v']).error === undefined ? null : 'haproxy is not installed'

export type ConnectTo = (host: string, signal: AbortSignal) => Promise<Connection>

/** The balancer host is this machine. */
export const connectLocally: ConnectTo = (name, signal) =>
  createLocalTransport().connect({ name, address: 'localhost', roles: [], labels: {} }, signal)

export type HaproxyOptions = {
  readonly apps: readonly App[]
  /** More sections after backend `app`. */
  readonly sections?: string
  /** More lines in backend `app`. */
  readonly lines?: string
  readonly balance?: string
  /** More words on each server line. */
  readonly words?: string
  readonly sticky?: boolean
  readonly healthChecks?: boolean
  /** A master's socket beside the other. */
  readonly master?: boolean
  readonly level?: 'admin' | 'operator' | 'user'
  /** Of the socket; 666 lets any login use it [600]. */
  readonly mode?: '600' | '666'
  /** Through TCP instead of a path. */
  readonly tcp?: boolean
  readonly global?: string
  readonly defaults?: string
  readonly backend?: string
  readonly connectTo?: ConnectTo
  readonly hostName?: string
}

export type RealHaproxy = Operated & {
  readonly socket: string
  readonly folder: string
  readonly ask: (line: string) => Promise<string>
  pid(): Promise<string>
  close(): Promise<void>
}

export async function startHaproxy(options: HaproxyOptions): Promise<RealHaproxy> {
  const folder = await mkdtemp(join(tmpdir(), 'rollgate-haproxy-'))
  const path = join(folder, 'admin.sock')
  let entry = await freePort()
  let api = await freePort()
  const hostName = options.hostName ?? 'lb-1'
  const configure = (): Promise<void> => writeFile(join(folder, 'haproxy.cfg'), configuration(options, path, entry, api))
  await configure()
  if (options.mode === '666') await chmod(folder, 0o755)
  let child: ChildProcess | null = null
  const ask = (line: string): Promise<string> => askSocket(path, line)
  const pid = async (): Promise<string> => /^Pid: (\d+)/m.exec(await ask('show info'))?.[1] ?? ''
  const started = async (): Promise<void> => {
    const args = ['-W', '-db', '-q', '-f', 'haproxy.cfg', ...(options.master === true ? ['-S', join(folder, 'master.sock')] : [])]
    const process_ = spawn('haproxy', args, { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] })
    child = process_
    await until(async () => {
      if (process_.exitCode !== null) throw new Error(`haproxy ended with ${process_.exitCode}`)
      return (await ask('show info').catch(() => '')).includes('Version')
    }, 'HAProxy answers')
  }
  const kill = async (): Promise<void> => {
    const running = child
    child = null
    if (running === null || running.exitCode !== null) return
    // The worker first: a master that is gone leaves it behind.
    const workers = await workersOf(running.pid ?? 0)
    const gone = new Promise((done) => running.once('exit', done))
    for (const each of workers) process.kill(each, 'SIGKILL')
    running.kill('SIGKILL')
    await gone
    await until(() => workers.every((each) => !isAlive(each)), 'its workers are gone')
  }
  const socket = (): string => (options.tcp === true ? `127.0.0.1:${api}` : path)
  const another = (): LoadBalancer => {
    const [driver] = createBalancers(
      [
        {
          kind: 'haproxy',
          hosts: [hostName],
          socket: socket(),
          drain: { deadlineMs: 10_000, onDeadline: 'fail' },
          ...(options.backend === undefined ? {} : { backend: options.backend }),
        },
      ],
      { connectTo: options.connectTo ?? connectLocally },
    )
    if (driver === undefined) throw new Error('no driver was made')
    return driver
  }
  for (let tried = 1; ; tried += 1) {
    try {
      await started()
      break
    } catch (error) {
      // Another process may have taken the port meanwhile.
      if (tried === 5) throw error
      entry = await freePort()
      api = await freePort()
      await configure()
    }
  }
  return {
    driver: another(),
    url: `http://127.0.0.1:${entry}`,
    socket: socket(),
    folder,
    ask,
    pid,
    another,
    kill,
    start: started,
    async reload() {
      const before = await pid()
      child?.kill('SIGUSR2')
      await until(async () => {
        const now = await pid().catch(() => before)
        return now !== before && now !== ''
      }, 'the new worker answers')
    },
    async set(server, what) {
      const change = typeof what === 'object' ? `weight ${what.weight}` : `state ${what === 'maintenance' ? 'maint' : what}`
      const answer = await ask(`set server app/${server} ${change}`)
      if (answer.trim() !== '') throw new Error(answer)
    },
    async close() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Checks are quick here (200 ms, three to fall, two to rise), so that a test takes seconds. */
function configuration(options: HaproxyOptions, path: string, entry: number, api: number): string {
  const { apps, sticky = false, healthChecks = true, level = 'admin', mode = '600', words = '' } = options
  const check = healthChecks ? ' check' : ''
  const servers = apps.map(
    ({ name, address, port }) => `  server ${name} ${address}:${port}${check}${sticky ? ` cookie ${name}` : ''} ${words}`,
  )
  return `global
  stats socket ${path} mode ${mode} level ${level} expose-fd listeners
${options.tcp === true ? `  stats socket ipv4@127.0.0.1:${api} level ${level}\n` : ''}${options.global ?? ''}
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  default-server inter 200ms rise 2 fall 3
${options.defaults ?? ''}
frontend entry
  bind 127.0.0.1:${entry}
  default_backend app

backend app
  balance ${options.balance ?? 'roundrobin'}
${healthChecks ? '  option httpchk GET /health\n' : ''}${sticky ? '  cookie PLACE insert indirect nocache\n' : ''}${servers.join('\n')}
${options.lines ?? ''}
${options.sections ?? ''}
`
}

export function askSocket(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(text))
    socket.end(`${line}\n`)
  })
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done))
  const address = probe.address()
  await new Promise((done) => probe.close(done))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function workersOf(master: number): Promise<readonly number[]> {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(master)], { encoding: 'utf8' })
  return stdout.split('\n').flatMap((line) => (line.trim() === '' ? [] : [Number(line)]))
}

/** Not gone, and not only waiting for somebody to take note of its end. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

export function haproxyRig(name: string, variant: Pick<HaproxyOptions, 'master' | 'tcp' | 'connectTo' | 'defaults' | 'mode'> = {}): Rig {
  return {
    name,
    missing,
    async start({ count = 3, sticky = false, pair = false, healthChecks = true } = {}): Promise<Running> {
      const apps = await startApps(count)
      const options = { ...variant, apps, sticky, healthChecks }
      const running: RealHaproxy[] = []
      const close = async (): Promise<void> => {
        await Promise.all([...running.map((each) => each.close()), ...apps.map((app) => app.stop())])
      }
      try {
        const first = await startHaproxy(options)
        running.push(first)
        if (pair) running.push(await startHaproxy({ ...options, hostName: 'lb-2' }))
        // Servers start as up and unverified: a test begins when their checks have been seen.
        await Promise.all(running.map((each) => until(() => settled(each.driver, healthChecks), 'every server is up')))
        return { apps, balancers: [first, ...running.slice(1)], close }
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}

export function startApps(count: number): Promise<readonly App[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => startApp(`web-${index + 1}`, `127.0.0.${11 + index}`)))
}

async function settled(driver: LoadBalancer, healthChecks: boolean): Promise<boolean> {
  const states = await driver.list(new AbortController().signal)
  return states.every((state) => state.health === (healthChecks ? 'up' : 'unchecked'))
}
