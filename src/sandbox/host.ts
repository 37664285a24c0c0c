// One host of the sandbox: a folder, a real /bin/sh, and a port namespace of its own. All hosts are this one machine,
// so two things are translated for them: paths (see view.ts), and ports. "127.0.0.1:8080" asked through a host's SSH
// connection is this host's port 8080: the map says which real loopback port that is, and the app learns its real
// port from the shell's PORT. What is not in the map is the machine's own loopback. Nothing leaves loopback.
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, dirname, sep } from 'node:path'
import type { Duplex } from 'node:stream'
import { MARK, type Processes } from './processes.ts'
import type { ShellProcess, SshHost } from './ssh-server.ts'
import { inward, outward, toReal, type View } from './view.ts'

export type HostSettings = {
  readonly user: string
  readonly hostKey: string
  readonly clientKey: string
  /** Its folder: HOME and working directory of every command. */
  readonly view: View
  /** Port as seen on the host → real loopback port. */
  readonly ports: ReadonlyMap<number, number>
  readonly environment: Readonly<Record<string, string>>
  readonly mark: string
  readonly processes: Processes
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/

export async function createHost(settings: HostSettings): Promise<SshHost> {
  await mkdir(`${settings.view.real}/tmp`, { recursive: true, mode: 0o700 })
  return {
    user: settings.user,
    hostKey: settings.hostKey,
    clientKey: settings.clientKey,
    start: (command, environment) => startShell(settings, command, environment),
    forward: (target) => ('socket' in target ? forwardToSocket(settings, target.socket) : forwardToPort(settings, target)),
  }
}

function startShell(settings: HostSettings, command: string | null, environment: Readonly<Record<string, string>>): ShellProcess {
  const home = settings.view.real
  const child = spawn('/bin/sh', command === null ? [] : ['-c', toReal(settings.view, command)], {
    cwd: home,
    // Leads its own group, as under sshd: it can be signalled as a whole and outlives nobody by accident.
    detached: true,
    stdio: 'pipe',
    env: {
      LANG: 'C.UTF-8',
      ...environment,
      ...settings.environment,
      HOME: home,
      TMPDIR: `${home}/tmp`,
      USER: settings.user,
      LOGNAME: settings.user,
      SHELL: '/bin/sh',
      // The app is started with the Node that runs this.
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? '/usr/bin:/bin'}`,
      [MARK]: settings.mark,
    },
  })
  const pid = child.pid
  if (pid !== undefined) settings.processes.add(pid)
  const stdin = inward(settings.view)
  stdin.pipe(child.stdin)
  child.stdin.on('error', (error) => stdin.destroy(error))
  return {
    stdin,
    stdout: translated(child.stdout, settings.view),
    stderr: translated(child.stderr, settings.view),
    signal(name) {
      if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
      try {
        process.kill(-pid, `SIG${name.replace(/^SIG/, '')}` as NodeJS.Signals)
      } catch {
        // Gone in this moment, or a signal this system does not know: the client sees the exit it sees.
      }
    },
    ended: new Promise((done) => {
      child.on('error', () => done({ exitCode: 127 }))
      child.on('exit', (code, signal) => done(signal === null ? { exitCode: code ?? 255 } : { signal }))
    }),
    abandon() {
      for (const pipe of child.stdio) pipe?.destroy()
    },
  }
}

function translated(source: Duplex | NodeJS.ReadableStream, view: View): ReturnType<typeof outward> {
  const target = outward(view)
  source.on('error', () => target.end())
  // A pipe that is closed under us does not end; its reader must not wait for ever.
  source.on('close', () => target.end())
  source.pipe(target)
  return target
}

function forwardToPort(settings: HostSettings, target: { readonly address: string; readonly port: number }): Promise<Duplex> {
  if (!LOOPBACK.test(target.address)) return Promise.reject(new Error(`${target.address} is not on loopback`))
  return connected(connect({ host: '127.0.0.1', port: settings.ports.get(target.port) ?? target.port, allowHalfOpen: true }))
}

function forwardToSocket(settings: HostSettings, socket: string): Promise<Duplex> {
  const path = toReal(settings.view, socket)
  const inside = path.startsWith(settings.view.real + sep) && !path.split(sep).includes('..')
  if (!inside) return Promise.reject(new Error('only sockets inside the host’s folder'))
  return connected(connect({ path, allowHalfOpen: true }))
}

function connected(socket: ReturnType<typeof connect>): Promise<Duplex> {
  return new Promise((done, fail) => {
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      done(socket)
    })
  })
}
