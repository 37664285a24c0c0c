// Bytes to and from HAProxy's runtime API: one line there, one bounded answer back. The socket is reached through the
// connection to the balancer host (a stream to a path or port as seen from there); where its sshd refuses that, a few
// lines of perl (or socat) on that host do the same. Nothing that arrives is believed: an answer has a size, a time and
// an end, and half of one is no answer.
import type { Duplex } from 'node:stream'
import { RollgateError } from '../../../domain/error.ts'
import type { Connection, ForwardTarget } from '../../../domain/transport.ts'
import { cleanText } from '../../../util/text.ts'

/** `script`: through a program on the balancer host, because its sshd forwards nothing. */
export type Route = 'stream' | 'script'

export type TalkOptions = {
  readonly signal: AbortSignal
  /** For the whole exchange: a peer that drips a byte a second must not hold us. */
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** `/path`, or `host:port`, both as seen from the balancer host. */
export function targetOf(socket: string): ForwardTarget {
  if (socket.startsWith('/')) return { socket }
  const colon = socket.lastIndexOf(':')
  return { host: socket.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(socket.slice(colon + 1)) }
}

/**
 * Everything the balancer says to one line, until it closes.
 * @throws RollgateError E_BALANCER_UNREACHABLE, E_BALANCER (too much), E_CANCELLED; what `forward` throws when it cannot be opened
 */
export async function talkStream(connection: Connection, socket: string, line: string, options: TalkOptions): Promise<string> {
  const until = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)])
  const stream = await opened(connection, targetOf(socket), until, options)
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = (): void => reject(stopped(socket, options))
      if (until.aborted) stop()
      until.addEventListener('abort', stop, { once: true })
      stream.on('data', (chunk: Uint8Array) => {
        bytes += chunk.byteLength
        if (bytes > options.maxBytes) reject(tooMuch(socket, options.maxBytes))
        else chunks.push(chunk)
      })
      // Ended or torn: whoever splits the answer sees whether it is whole.
      const end = (): void => resolve(Buffer.concat(chunks).toString('utf8'))
      stream.once('end', end)
      stream.once('close', end)
      stream.once('error', end)
      // Half closed: the master's socket goes on listening otherwise, and the answer would have no end.
      stream.end(`${line}\n`)
    })
  } catch (error) {
    throw until.aborted ? stopped(socket, options) : error
  } finally {
    stream.on('error', () => undefined)
    stream.destroy()
  }
}

async function opened(connection: Connection, to: ForwardTarget, until: AbortSignal, options: TalkOptions): Promise<Duplex> {
  const opening = connection.forward(to, { signal: until })
  const where = 'socket' in to ? to.socket : `${to.host}:${to.port}`
  let late = false
  const timeout = new Promise<never>((_, reject) => {
    const stop = (): void => {
      late = true
      reject(stopped(where, options))
    }
    if (until.aborted) stop()
    until.addEventListener('abort', stop, { once: true })
  })
  // Not every transport can give up an opening channel: one that comes too late is closed.
  void opening.then(
    (stream) => {
      if (late) stream.on('error', () => undefined).destroy()
    },
    () => undefined,
  )
  try {
    return await Promise.race([opening, timeout])
  } catch (error) {
    // A transport that gives up for our time limit calls it an interrupt; it is none.
    throw late ? stopped(where, options) : error
  }
}

function stopped(socket: string, { signal, timeoutMs }: TalkOptions): RollgateError {
  if (signal.aborted) return new RollgateError('E_CANCELLED', 'interrupted', { cause: signal.reason })
  return new RollgateError('E_BALANCER_UNREACHABLE', `${socket} did not answer within ${timeoutMs / 1000} s`)
}

function tooMuch(socket: string, maxBytes: number): RollgateError {
  return new RollgateError(
    'E_BALANCER',
    `${socket} answered with more than ${Math.round(maxBytes / 1024 / 1024)} MB: this is no answer of HAProxy's`,
  )
}

// What the program says when it cannot connect: exit codes of our own, so that nothing depends on anybody's words.
const EXITS: Readonly<Record<number, string>> = {
  91: 'there is no such socket',
  92: 'this login may not use it',
  93: 'nothing listens on it',
  94: 'it cannot be connected to',
  95: 'there is neither perl nor socat to reach it with',
}

const PERL = `use Socket; use Errno;
my ($kind, $to, $port) = @ARGV; my ($s, $ok); local $/; my $line = <STDIN>; alarm 60; $| = 1;
if ($kind eq "unix") { socket($s, PF_UNIX, SOCK_STREAM, 0) or exit 94; $ok = connect($s, pack_sockaddr_un($to)); }
else {
  my ($error, @found) = Socket::getaddrinfo($to, $port, { socktype => SOCK_STREAM });
  for (@found) { socket($s, $_->{family}, SOCK_STREAM, 0) or next; $ok = connect($s, $_->{addr}) and last; }
}
unless ($ok) { exit($!{ENOENT} ? 91 : $!{EACCES} || $!{EPERM} ? 92 : $!{ECONNREFUSED} ? 93 : 94); }
while (length $line) { my $n = syswrite($s, $line); exit 94 unless $n; substr($line, 0, $n) = ""; }
while (sysread($s, my $part, 65536)) { print $part; }`

const SCRIPT = `if command -v perl >/dev/null 2>&1; then exec perl -e "$1" -- "$2" "$3" "$4"; fi
if [ -n "$5" ] && command -v socat >/dev/null 2>&1; then exec socat -t30 - "$5"; fi
exit 95`

/** The words of a shell command that sends its standard input to the socket and prints the answer. */
export function talkWords(socket: string): readonly [string, ...string[]] {
  const to = targetOf(socket)
  const words = 'socket' in to ? ['unix', to.socket, '', socatAddress(to)] : ['tcp', to.host, String(to.port), socatAddress(to)]
  return ['sh', '-c', SCRIPT, 'rollgate', PERL, ...words]
}

/** The same through a program on the balancer host. @throws RollgateError as talkStream */
export async function talkScript(connection: Connection, socket: string, line: string, options: TalkOptions): Promise<string> {
  const result = await connection.run(
    { argv: talkWords(socket), stdin: `${line}\n`, timeoutMs: options.timeoutMs },
    { signal: options.signal, maxOutputBytes: options.maxBytes },
  )
  if (result.truncated) throw tooMuch(socket, options.maxBytes)
  if (result.timedOut) throw stopped(socket, options)
  if (result.exitCode === 0) return result.stdout
  const why = result.lost ? 'the connection was lost' : (EXITS[result.exitCode ?? 0] ?? lastLine(result.stderr))
  throw new RollgateError('E_BALANCER_UNREACHABLE', `${socket} on ${connection.host.name} cannot be talked to: ${why}`, {
    host: connection.host.name,
    hints: hintsFor(result.exitCode, socket, connection.host.name),
  })
}

/** '' where the address could be read as options of socat's. */
function socatAddress(to: ForwardTarget): string {
  if ('socket' in to) return /^[\w./-]+$/.test(to.socket) ? `UNIX-CONNECT:${to.socket}` : ''
  return /^[\w.-]+$/.test(to.host) ? `TCP:${to.host}:${to.port}` : ''
}

function lastLine(text: string): string {
  const lines = cleanText(text, 2_000).split('\n')
  return lines.findLast((line) => line.trim() !== '') ?? 'no reason was given'
}

function hintsFor(exitCode: number | null, socket: string, host: string): readonly string[] {
  switch (exitCode) {
    case 91:
      return [`give HAProxy a \`stats socket ${socket} mode 660 level admin\`, or set balancer.socket to the one it has`]
    case 92:
      return [`on ${host}: let the login join the group that owns ${socket} (Debian: haproxy), then connect anew`]
    case 93:
      return [`on ${host}: is HAProxy running? A socket file stays behind when it dies`]
    case 95:
      return ['allow stream-local forwarding in sshd (AllowStreamLocalForwarding), or install perl or socat on the balancer host']
    default:
      return []
  }
}
