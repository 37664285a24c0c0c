// A real sshd of a test's own, on a loopback port, without root: it lets in whoever runs the test, with a key made for it.
// Where root runs the test, sshd treats a login as root in ways of its own (no signals), so it gets a private view of
// /etc/passwd with a plain user in it; the system's own is not touched. Everything lives in one temporary folder; what
// it started is ended with it.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path))

/** Why these tests cannot run here; null: they can. */
export const noSshd: string | null =
  SSHD === undefined ? 'sshd is not installed' : spawnSync('ssh-keygen', ['-?']).error === undefined ? null : 'ssh-keygen is not installed'

const IS_ROOT = process.getuid?.() === 0
const PLAIN = { name: 'rollgate-test', id: 64_321 }
const canHidePasswd =
  IS_ROOT && spawnSync('unshare', ['-m', 'sh', '-c', 'mount --bind /etc/passwd /etc/passwd'], { stdio: 'ignore' }).status === 0

/** Why a signal cannot reach a command here; null: it can. */
export const noSignals: string | null = IS_ROOT && !canHidePasswd ? 'the login is root’s, whose commands sshd does not signal' : null

export type KeyType = 'ed25519' | 'rsa' | 'ecdsa'

export type Sshd = {
  readonly port: number
  readonly user: string
  readonly folder: string
  /** Private key that may log in. */
  readonly clientKey: string
  /** known_hosts with every key of this host. */
  readonly knownHosts: string
  /** `ssh-ed25519 AAAA…` */
  hostKey(type: KeyType): string
  fingerprint(type: KeyType): string
  /** Lets another public key in. */
  allow(publicKeyLine: string): void
  /** Processes that serve connections. */
  sessions(): readonly number[]
  /** Ends them as a crash would. */
  killSessions(): void
  /** What sshd has logged. */
  log(): string
  stop(): Promise<void>
}

export type SshdOptions = {
  readonly hostKeys?: readonly KeyType[]
  /** More lines of sshd_config; the first of a kind wins. */
  readonly config?: readonly string[]
  /** Login shell, where the test runs as root [/bin/sh]. */
  readonly shell?: string
}

export function makeKey(
  path: string,
  type: KeyType,
  options: { readonly passphrase?: string; readonly format?: 'PEM' | 'PKCS8' } = {},
): void {
  const more = options.format === undefined ? [] : ['-m', options.format]
  const bits = type === 'rsa' ? ['-b', '2048'] : []
  execFileSync('ssh-keygen', ['-q', '-t', type, ...bits, ...more, '-N', options.passphrase ?? '', '-C', `test-${type}`, '-f', path])
}

export function publicKey(path: string): string {
  const [type, base64] = readFileSync(`${path}.pub`, 'utf8').split(' ')
  return `${type} ${base64?.trim()}`
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  if (SSHD === undefined) throw new Error('sshd is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-sshd-'))
  chmodSync(folder, 0o755)
  const types = options.hostKeys ?? ['ed25519', 'rsa', 'ecdsa']
  for (const type of types) makeKey(join(folder, `host_${type}`), type)
  const clientKey = join(folder, 'client')
  makeKey(clientKey, 'ed25519')
  const authorized = join(folder, 'authorized_keys')
  writeFileSync(authorized, `${publicKey(clientKey)}\n`)
  // Where sshd runs as root it wants an empty folder for the process that talks to strangers.
  if (IS_ROOT) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  if (canHidePasswd) {
    const home = join(folder, 'home')
    mkdirSync(home)
    chownSync(home, PLAIN.id, PLAIN.id)
    const plain = `${PLAIN.name}:*:${PLAIN.id}:${PLAIN.id}::${home}:${options.shell ?? '/bin/sh'}\n`
    writeFileSync(join(folder, 'passwd'), `${readFileSync('/etc/passwd', 'utf8')}${plain}`)
  }
  const { child, port } = await listening(folder, [
    ...(options.config ?? []),
    ...types.map((type) => `HostKey ${join(folder, `host_${type}`)}`),
    `AuthorizedKeysFile ${authorized}`,
    'PidFile none',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'UsePAM no',
    'StrictModes no',
    'UseDNS no',
    'PrintMotd no',
    'MaxStartups 100:30:200',
    'LogLevel VERBOSE',
  ])
  const knownHosts = join(folder, 'known_hosts')
  writeFileSync(knownHosts, types.map((type) => `[127.0.0.1]:${port} ${publicKey(join(folder, `host_${type}`))}\n`).join(''))
  const sessions = () => descendants(child.pid ?? -1)
  return {
    port,
    user: canHidePasswd ? PLAIN.name : userInfo().username,
    folder,
    clientKey,
    knownHosts,
    hostKey: (type) => publicKey(join(folder, `host_${type}`)),
    fingerprint: (type) =>
      execFileSync('ssh-keygen', ['-l', '-f', join(folder, `host_${type}.pub`)], { encoding: 'utf8' }).split(' ')[1] ?? '',
    allow: (line) => writeFileSync(authorized, `${line}\n`, { flag: 'a' }),
    sessions,
    killSessions: () => {
      for (const pid of sessions()) kill(pid)
    },
    log: () => readFileSync(join(folder, 'log'), 'utf8'),
    async stop() {
      const running = sessions()
      const gone = new Promise((done) => (child.exitCode === null && child.signalCode === null ? child.once('exit', done) : done(null)))
      child.kill('SIGKILL')
      for (const pid of running) kill(pid)
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Another process may take a free port before sshd does: then the next one. */
async function listening(folder: string, lines: readonly string[]): Promise<{ child: ChildProcess; port: number }> {
  for (let tried = 0; ; tried += 1) {
    const port = await freePort()
    const file = join(folder, 'sshd_config')
    writeFileSync(file, [`ListenAddress 127.0.0.1:${port}`, ...lines, ''].join('\n'))
    const words = [SSHD ?? '', '-D', '-f', file, '-E', join(folder, 'log')]
    const child = canHidePasswd
      ? spawn('unshare', ['-m', 'sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', join(folder, 'passwd'), ...words], {
          stdio: 'ignore',
        })
      : spawn(words[0] ?? '', words.slice(1), { stdio: 'ignore' })
    const ended = new Promise<false>((done) => child.once('exit', () => done(false)))
    if (await Promise.race([answers(port, child), ended])) return { child, port }
    if (tried === 4) throw new Error(`sshd does not start: ${readFileSync(join(folder, 'log'), 'utf8')}`)
  }
}

async function answers(port: number, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const open = await new Promise<boolean>((done) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('error', () => done(false)).once('close', () => done(false))
      socket.once('data', () => {
        done(true)
        socket.destroy()
      })
    })
    if (open) return true
    await new Promise((done) => setTimeout(done, 20))
  }
  return false
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address !== null ? address.port : 0
}

export function descendants(root: number): readonly number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const found: number[] = []
  const queue = [root]
  for (let parent = queue.shift(); parent !== undefined; parent = queue.shift())
    for (const [pid, ppid] of rows)
      if (pid !== undefined && ppid === parent) {
        found.push(pid)
        queue.push(pid)
      }
  return found
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}
