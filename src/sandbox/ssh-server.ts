// The SSH side of a sandbox host: ssh2's server on a loopback port. It logs in one user with one key, hands commands to
// the host's shell and forwards byte streams where the host allows it. It behaves as OpenSSH's sshd does where it
// matters to a client: the exit status is sent when the process ends, the channel closes when its output has ended,
// a process that was left in the background survives the channel. No pty, no agent, no X11, no sftp.
import { createServer, type Socket } from 'node:net'
import type { Duplex, Readable, Writable } from 'node:stream'
import ssh2 from 'ssh2'

/** A process of the host, seen from a channel. */
export type ShellProcess = {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  signal(name: string): void
  /** Resolves when the process has ended (its output may still come). */
  readonly ended: Promise<{ readonly exitCode: number } | { readonly signal: string }>
  /** The other side went away: closes the pipes, ends nothing. */
  abandon(): void
}

export type SshHost = {
  readonly user: string
  readonly hostKey: string
  /** `ssh-ed25519 AAAA…` of the one key that may log in. */
  readonly clientKey: string
  /** null: a login shell that reads its commands from standard input. */
  start(command: string | null, environment: Readonly<Record<string, string>>): ShellProcess
  /** Rejects when it cannot be reached or is not allowed. */
  forward(target: { readonly address: string; readonly port: number } | { readonly socket: string }): Promise<Duplex>
}

export type SshServer = { readonly port: number; close(): Promise<void> }

type Accept<T> = (() => T) | undefined
type Reject = (() => void) | undefined

/** Listens on 127.0.0.1 with a port of the system's choice. */
export async function startSshServer(host: SshHost): Promise<SshServer> {
  const clientKey = ssh2.utils.parseKey(host.clientKey)
  if (clientKey instanceof Error) throw clientKey
  // Clients ask for a stream to a socket's path (an extension of OpenSSH's) only where the server has its name.
  const ident = 'OpenSSH_9.0 rollgate-sandbox'
  const ssh = new ssh2.Server({ hostKeys: [host.hostKey], ident }, (client) => serve(client, host, clientKey))
  const sockets = new Set<Socket>()
  // Our own listener: ssh2 has no way to end the connections it holds.
  const listener = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    ssh.injectSocket(socket)
  })
  await new Promise<void>((done, fail) => listener.once('error', fail).listen(0, '127.0.0.1', done))
  const address = listener.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((done) => {
        listener.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function serve(client: ssh2.Connection, host: SshHost, clientKey: ssh2.ParsedKey): void {
  client.on('error', () => {})
  client.on('authentication', (context) => {
    const known = context.method === 'publickey' && context.username === host.user && clientKey.getPublicSSH().equals(context.key.data)
    if (!known) return context.reject(['publickey'])
    // Without a signature the client only asks whether this key would do.
    if (context.signature === undefined || context.blob === undefined) return context.accept()
    return clientKey.verify(context.blob, context.signature, context.hashAlgo) ? context.accept() : context.reject(['publickey'])
  })
  client.on('session', (accept) => session(accept(), host))
  client.on('tcpip', (accept: Accept<ssh2.ServerChannel>, reject: Reject, info: ssh2.TcpipRequestInfo) =>
    forward(host.forward({ address: info.destIP, port: info.destPort }), accept, reject),
  )
  client.on('openssh.streamlocal', (accept: Accept<ssh2.ServerChannel>, reject: Reject, info: { socketPath: string }) =>
    forward(host.forward({ socket: info.socketPath }), accept, reject),
  )
}

function session(channel: ssh2.Session, host: SshHost): void {
  const environment: Record<string, string> = {}
  let running: ShellProcess | null = null
  channel.on('env', (accept: Accept<void>, _reject: Reject, info) => {
    environment[info.key] = String(info.val)
    accept?.()
  })
  channel.on('signal', (accept: Accept<void>, _reject: Reject, info) => {
    running?.signal(info.name)
    accept?.()
  })
  const start = (accept: Accept<ssh2.ServerChannel>, reject: Reject, command: string | null) => {
    // One command a session (RFC 4254, 6.5).
    if (running !== null || accept === undefined) return reject?.()
    running = host.start(command, environment)
    void attach(accept(), running)
  }
  channel.on('exec', (accept, reject, info) => start(accept, reject, info.command))
  channel.on('shell', (accept, reject) => start(accept, reject, null))
}

async function attach(channel: ssh2.ServerChannel, shell: ShellProcess): Promise<void> {
  channel.on('error', () => {})
  channel.on('close', () => shell.abandon())
  // A process that does not read its input must not stop the channel: what is left is thrown away.
  shell.stdin.on('error', () => channel.unpipe(shell.stdin).resume())
  channel.pipe(shell.stdin)
  const finished = [pour(shell.stdout, channel), pour(shell.stderr, channel.stderr)]
  const end = await shell.ended
  if ('exitCode' in end) channel.exit(end.exitCode)
  else channel.exit(end.signal.replace(/^SIG/, ''), false, '')
  await Promise.all(finished)
  // ssh2 closes the channel itself once all output was taken; closing it here would drop what a slow client has not
  // yet asked for, and errors that still wait are lost unless they are written out first.
  channel.stderr.end(() => channel.end())
}

/** Resolves when the source has ended and was written, or either side is gone. */
function pour(source: Readable, target: Writable): Promise<void> {
  return new Promise((done) => {
    source.on('end', done).on('close', done).on('error', done)
    target.on('close', done).on('error', done)
    source.pipe(target, { end: false })
  })
}

async function forward(connecting: Promise<Duplex>, accept: Accept<ssh2.ServerChannel>, reject: Reject): Promise<void> {
  let target: Duplex
  try {
    target = await connecting
  } catch {
    return reject?.()
  }
  if (accept === undefined) return void target.destroy()
  const channel = accept()
  channel.on('error', () => target.destroy())
  target.on('error', () => channel.destroy())
  channel.on('close', () => target.destroy())
  // A half-closed stream stays open the other way: HAProxy's socket is asked and closed before it answers.
  channel.pipe(target).pipe(channel)
}
