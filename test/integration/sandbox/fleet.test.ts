// The whole sandbox at work: a rolling restart of its app, by hand, through the runtime API and SSH, under traffic; and
// what is left of it afterwards.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTraffic } from '../../../src/load/traffic.ts'
import { type AppBehaviour, appFiles } from '../../../src/sandbox/app.ts'
import { type Sandbox, type SandboxHost, startSandbox } from '../../../src/sandbox/fleet.ts'
import { ask, login, sandbox, statRow, temporaryFolder, until } from './helpers.ts'

type Login = Awaited<ReturnType<typeof login>>

async function install(fleet: Sandbox, ssh: Login, version = 'v1', behaviour: AppBehaviour = 'good'): Promise<void> {
  for (const [path, text] of Object.entries(appFiles(version, behaviour))) {
    const file = `${fleet.releaseRoot}/current/${path}`
    const { code, stderr } = await ssh.run(`mkdir -p "$(dirname ${file})" && cat >${file} && chmod 755 ${file}`, { input: text })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  }
}

const app = (fleet: Sandbox, ssh: Login, script: 'start' | 'stop' | 'status') =>
  ssh.run(`cd ${fleet.releaseRoot}/current && ROLLGATE_RELEASE=r1-00000000 ./bin/${script}`)

const column = async (fleet: Sandbox, host: SandboxHost, name: string) =>
  statRow(await ask(fleet.balancer.apiPort, 'show stat'), host.name)[name]

const set = (fleet: Sandbox, host: SandboxHost, state: string) => ask(fleet.balancer.apiPort, `set server demo/${host.name} state ${state}`)

async function serving(hosts: number) {
  const fleet = await sandbox(hosts)
  const logins = new Map<SandboxHost, Login>()
  for (const each of fleet.hosts) {
    const ssh = await login(fleet, each)
    logins.set(each, ssh)
    await install(fleet, ssh)
    expect(await app(fleet, ssh, 'start')).toEqual({ code: 0, stdout: '', stderr: '' })
  }
  for (const each of fleet.hosts) await until(async () => (await column(fleet, each, 'status')) === 'UP')
  return { fleet, logins }
}

describe('a rolling restart under traffic', () => {
  test('drained first, no request is lost; without a drain some are: the difference can be seen', async () => {
    const { fleet, logins } = await serving(3)
    const traffic = () => startTraffic({ url: fleet.entryUrl, users: 8, timeoutMs: 10_000 }, { signal: new AbortController().signal })
    const restart = async (ssh: Login) => {
      expect(await app(fleet, ssh, 'stop')).toMatchObject({ code: 0 })
      expect(await app(fleet, ssh, 'start')).toMatchObject({ code: 0 })
    }

    const careful = traffic()
    onTestFinished(async () => void (await careful.stop()))
    await until(() => careful.seen().requests > 20)
    for (const [each, ssh] of logins) {
      await set(fleet, each, 'drain')
      await until(async () => (await column(fleet, each, 'scur')) === '0')
      await set(fleet, each, 'maint')
      await restart(ssh)
      await set(fleet, each, 'drain')
      await until(async () => {
        const status = await column(fleet, each, 'status')
        // The app was not listening yet: the checks go on.
        return status === 'DRAIN'
      })
      await set(fleet, each, 'ready')
      await until(async () => (await column(fleet, each, 'status')) === 'UP')
    }
    const carefully = await careful.stop()
    expect(carefully.requests).toBeGreaterThan(50)
    expect(carefully).toMatchObject({ failed: 0, byClass: {} })

    const careless = traffic()
    onTestFinished(async () => void (await careless.stop()))
    for (const [each, ssh] of logins) {
      await until(async () => Number(await column(fleet, each, 'scur')) > 0)
      await restart(ssh)
      await until(async () => (await column(fleet, each, 'status')) === 'UP')
    }
    expect((await careless.stop()).failed).toBeGreaterThan(0)
  })
})

describe('the app', () => {
  test('start, status and stop say the truth, and doing it twice changes nothing', async () => {
    const fleet = await sandbox(1)
    const [host] = fleet.hosts
    if (host === undefined) throw new Error('one host')
    const ssh = await login(fleet, host)
    await install(fleet, ssh)
    expect(await app(fleet, ssh, 'status')).toEqual({ code: 3, stdout: '', stderr: '' })
    expect(await app(fleet, ssh, 'stop')).toEqual({ code: 0, stdout: '', stderr: '' })
    await app(fleet, ssh, 'start')
    const { stdout } = await app(fleet, ssh, 'status')
    expect(Number(stdout)).toBeGreaterThan(1)
    await app(fleet, ssh, 'start')
    expect(await app(fleet, ssh, 'status')).toEqual({ code: 0, stdout, stderr: '' })
    expect(await app(fleet, ssh, 'stop')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await app(fleet, ssh, 'status')).toEqual({ code: 3, stdout: '', stderr: '' })
    expect(await fleet.processes()).toEqual([])
  })

  test.each([
    { behaviour: 'good', status: 200, release: 'r1-00000000' },
    { behaviour: 'error', status: 500, release: 'r1-00000000' },
    { behaviour: 'stale', status: 200, release: 'r0-00000000' },
  ] as const)('$behaviour: answers $status as $release', async ({ behaviour, status, release }) => {
    const fleet = await sandbox(1)
    const [host] = fleet.hosts
    if (host === undefined) throw new Error('one host')
    const ssh = await login(fleet, host)
    await install(fleet, ssh, 'v3', behaviour)
    await app(fleet, ssh, 'start')
    const ask = () => fetch(`http://127.0.0.1:${host.appPort}/healthz`).catch(() => null)
    await until(async () => (await ask()) !== null)
    const answer = await ask()
    expect([answer?.status, answer?.headers.get('x-release')]).toEqual([status, release])
  })

  test('crash: the process ends, and its log says why', async () => {
    const fleet = await sandbox(1)
    const [host] = fleet.hosts
    if (host === undefined) throw new Error('one host')
    const ssh = await login(fleet, host)
    await install(fleet, ssh, 'v3', 'crash')
    await app(fleet, ssh, 'start')
    await until(async () => (await app(fleet, ssh, 'status')).code === 3)
    expect(readFileSync(`${host.folder}/app.log`, 'utf8')).toContain('demo v3: the database migration is missing')
  })
})

describe('start and stop', () => {
  test('a fresh fleet serves nobody, and its balancer knows it', async () => {
    const fleet = await sandbox(2)
    for (const each of fleet.hosts) expect(await column(fleet, each, 'status')).toBe('DOWN')
    expect((await fetch(fleet.entryUrl)).status).toBe(503)
  })

  test('stop leaves no process and no open port, whatever was going on; it can be called twice', async () => {
    const { fleet, logins } = await serving(2)
    const [ssh] = logins.values()
    // In the background, in a session of its own, and one that does not want to go.
    await ssh?.run('nohup sleep 600 >/dev/null 2>&1 </dev/null &')
    await ssh?.run('setsid sh -c "trap \'\' TERM HUP; while :; do sleep 0.1; done" >/dev/null 2>&1 </dev/null &')
    const hanging = ssh?.exec('sleep 600')
    await hanging
    const pids = await fleet.processes()
    expect(pids.length).toBeGreaterThanOrEqual(process.platform === 'linux' ? 5 : 4)
    const ports = [...fleet.hosts, fleet.balancerHost].flatMap(({ port, appPort }) => (appPort === null ? [port] : [port, appPort]))
    for (const port of ports) expect(await isOpen(port)).toBe(true)

    await Promise.all([fleet.stop(), fleet.stop()])
    expect(await fleet.processes()).toEqual([])
    for (const pid of pids) expect(isAlive(pid), `process ${pid}`).toBe(false)
    for (const port of [...ports, fleet.balancer.entryPort, fleet.balancer.apiPort]) expect(await isOpen(port)).toBe(false)
  })

  test('killed the hard way, it still leaves no process behind', async () => {
    const program = `
      const { startSandbox } = await import(${JSON.stringify(new URL('../../../src/sandbox/fleet.ts', import.meta.url).href)})
      const signal = new AbortController().signal
      const fleet = await startSandbox({ hosts: 1, directory: ${JSON.stringify(temporaryFolder())}, signal })
      console.log(JSON.stringify(fleet))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const line = await new Promise<string>((done) => child.stdout.once('data', (chunk: Buffer) => done(chunk.toString())))
    const fleet = JSON.parse(line) as Sandbox
    const [host] = fleet.hosts
    if (host === undefined) throw new Error('one host')
    const ssh = await login(fleet, host)
    const stubborn = await ssh.run('nohup sh -c "trap : TERM; while :; do sleep 0.1; done" >/dev/null 2>&1 </dev/null & echo $!')
    const plain = await ssh.run('nohup sleep 600 >/dev/null 2>&1 </dev/null & echo $!')
    const pids = [Number(stubborn.stdout), Number(plain.stdout)]
    expect(pids.map(isAlive)).toEqual([true, true])
    child.kill('SIGKILL')
    await until(() => pids.every((pid) => !isAlive(pid)))
  })

  test('the signal stops it; one that has fired already starts nothing', async () => {
    const abort = new AbortController()
    const fleet = await startSandbox({ hosts: 1, directory: temporaryFolder(), signal: abort.signal })
    expect(await isOpen(fleet.balancer.entryPort)).toBe(true)
    abort.abort()
    await until(async () => !(await isOpen(fleet.balancer.entryPort)))
    await fleet.stop()
    const again = startSandbox({ hosts: 1, directory: temporaryFolder(), signal: abort.signal })
    await expect(again).rejects.toMatchObject({ code: 'E_CANCELLED' })
  })

  test.each([0, 21, 1.5])('%d hosts are refused', async (hosts) => {
    const folder = `${temporaryFolder()}/new`
    const starting = startSandbox({ hosts, directory: folder, signal: new AbortController().signal })
    await expect(starting).rejects.toMatchObject({ code: 'E_USAGE' })
    expect(existsSync(folder)).toBe(false)
  })
})

function isOpen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => done(false))
  })
}

/** A zombie that nobody has collected yet is gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !existsSync(`/proc/${pid}/stat`) || !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}
