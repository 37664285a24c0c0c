// Backends as processes of their own: started, killed and started again on their port, with what each of them did.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from './wait.ts'

export type App = {
  readonly name: string
  readonly address: string
  readonly port: number
  /** Ids of requests in the order in which they arrived, over all its lives. */
  readonly started: readonly string[]
  readonly ended: readonly string[]
  /** Kills it as a service manager does: SIGTERM, and it is gone with all its connections. */
  stop(): Promise<void>
  /** Resolves when the process runs, which may be long before it listens. */
  start(startMs?: number): Promise<void>
  /** Its own health check answers. */
  healthy(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('app.mjs', import.meta.url))

export async function startApp(name: string, address: string): Promise<App> {
  const started: string[] = []
  const ended: string[] = []
  let child: ChildProcess | null = null
  let port = 0

  const start = async (startMs = 0): Promise<void> => {
    const env = { ...process.env, NAME: name, ADDRESS: address, PORT: String(port), START_MS: String(startMs) }
    const process_ = spawn(process.execPath, [PROGRAM], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    child = process_
    createInterface({ input: process_.stdout }).on('line', (line) => {
      const said: { event: string; id?: string; port?: number } = JSON.parse(line)
      if (said.event === 'listening') port = said.port ?? port
      else if (said.event === 'start') started.push(said.id ?? '-')
      else ended.push(said.id ?? '-')
    })
  }
  const healthy = (): Promise<void> => until(() => isHealthy(address, port), `${name} is healthy`)
  await start()
  await until(() => port !== 0, `${name} listens`)
  await healthy()
  return {
    name,
    address,
    get port() {
      return port
    },
    started,
    ended,
    start,
    healthy,
    async stop() {
      const running = child
      child = null
      if (running === null || running.exitCode !== null || running.signalCode !== null) return
      const gone = new Promise((done) => running.once('close', done))
      running.kill('SIGTERM')
      await gone
    },
  }
}

function isHealthy(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const asked = request({ host, port, path: '/health', agent: false, timeout: 2_000 }, (response) => {
      response.resume()
      response.once('end', () => done(response.statusCode === 200))
    })
    asked.once('error', () => done(false))
    asked.once('timeout', () => asked.destroy())
    asked.end()
  })
}

/** Established connections to it, as the kernel of its host sees them. */
export async function connectionsTo(app: App): Promise<number> {
  const { stdout } = spawnSync('ss', ['-Htn', 'state', 'established', 'src', `${app.address}:${app.port}`], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => line.trim() !== '').length
}
