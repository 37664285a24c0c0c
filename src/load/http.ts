// The HTTP client of everything that measures: undici behind two small interfaces, and the only file of this folder that
// imports it. `createClient` sends and waits (probe, demo users, logins); `openWire` is one connection of a load test,
// told what happens by callbacks because promises and streams would cost more than the request. Careful about honesty:
// one request is sent once (no retry, redirects are answers), connections are kept alive and reused as a browser does,
// bodies are read to their end and counted, certificates are checked, HTTP/1.1 unless HTTP/2 is asked for.
import type { Duplex } from 'node:stream'
import * as tls from 'node:tls'
import { buildConnector, Client, Pool } from 'undici'
import { classify as classifyPhase, type Failure } from './failures.ts'

/**
 * refused: nobody listens · reset: the connection was reset · closed: it was closed without an answer · timeout ·
 * truncated: the answer broke off · dns · tls: the certificate or the handshake · protocol: not HTTP · other
 */
export type FailureClass = 'refused' | 'reset' | 'closed' | 'timeout' | 'truncated' | 'dns' | 'tls' | 'protocol' | 'other'

export type HttpRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'
  /** Path and query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export type HttpResult =
  | { readonly kind: 'answer'; readonly status: number; readonly bytes: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'failure'; readonly class: FailureClass; readonly detail: string }

export interface HttpClient {
  /** Never rejects: a failure is a result. The deadline is for the whole exchange. */
  send(request: HttpRequest, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<HttpResult>
  /** Ends all connections at once. */
  close(): Promise<void>
}

/** How a connection is made. */
export type WireOptions = {
  /** `https://host:port` of the site; anything behind it is ignored. Names the Host header, the SNI and the certificate. */
  readonly origin: string
  readonly connectTimeoutMs: number
  /** PEM of an authority to trust besides the system's, for `https:`. */
  readonly ca?: string
  /** Connect here instead of where the site's name leads. */
  readonly address?: { readonly host: string; readonly port: number }
  /** Makes the byte stream to the target (a forward through SSH) instead of a socket of this machine. */
  readonly connect?: (signal: AbortSignal) => Promise<Duplex>
  /** HTTP/2 where the target agrees (`https:` only). */
  readonly http2?: boolean
}

export type ClientOptions = WireOptions & {
  /** At most so many at once; a request above that waits for one. */
  readonly connections: number
}

export function createClient(options: ClientOptions): HttpClient {
  const pool = new Pool(new URL(options.origin).origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    // As long as browsers keep them; a shorter `Keep-Alive: timeout` of the server wins.
    keepAliveTimeout: 60_000,
    // One clock for the whole exchange, ours.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: connector(options),
  })
  return {
    send: (request, { timeoutMs, signal }) => exchange(pool, request, timeoutMs, signal),
    close: () => pool.destroy(),
  }
}

async function exchange(pool: Pool, request: HttpRequest, timeoutMs: number, signal: AbortSignal | undefined): Promise<HttpResult> {
  const deadline = AbortSignal.timeout(timeoutMs)
  let answered = false
  try {
    const answer = await pool.request({
      method: request.method,
      path: request.path,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
    })
    answered = true
    let bytes = 0
    for await (const chunk of answer.body) bytes += (chunk as Uint8Array).byteLength
    return { kind: 'answer', status: answer.statusCode, bytes, headers: flat(answer.headers) }
  } catch (error) {
    if (deadline.aborted) return { kind: 'failure', class: 'timeout', detail: `no complete answer within ${timeoutMs} ms` }
    return { kind: 'failure', ...classify(error, answered) }
  }
}

/** Repeated ones joined by a comma. */
export function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]))
}

/** @param answered the head of an answer had come: whatever broke then broke the body */
function classify(error: unknown, answered: boolean): { readonly class: FailureClass; readonly detail: string } {
  const { class: found, detail } = classifyPhase(error, answered ? 'body' : 'first-byte')
  switch (found) {
    case 'connect-timeout':
    case 'first-byte-timeout':
    case 'body-timeout':
      return { class: 'timeout', detail }
    case 'status':
    case 'check':
    case 'shed':
    case 'unfinished':
      return { class: 'other', detail }
    default:
      return { class: found, detail }
  }
}

export type WireRequest = {
  readonly method: HttpRequest['method']
  readonly path: string
  /** Name, value, name, value: as undici takes them fastest. */
  readonly headers: string[]
  readonly body: string | null
}

/** What becomes of one request, in this order. `onResponseEnd` or `onResponseError` comes exactly once. */
export interface WireHandler {
  /** It is written now. */
  onRequestStart(controller: { abort(reason: Error): void }): void
  onResponseStart(controller: unknown, status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void
  onResponseData(controller: unknown, chunk: Uint8Array): void
  onResponseEnd(): void
  onResponseError(controller: unknown, error: Error): void
}

export interface Wire {
  /** @param reset close the connection after this answer @throws what undici thinks of a request that cannot be written (a line break in a header) */
  dispatch(request: WireRequest, reset: boolean, handler: WireHandler): void
  destroy(): Promise<void>
}

/** One connection, made when it is first needed and again whenever it was closed. Timeouts are the caller's, but for connecting. */
export function openWire(options: WireOptions): Wire {
  const client = new Client(new URL(options.origin).origin, {
    pipelining: 1,
    allowH2: options.http2 ?? false,
    // Shorter than the five seconds that many servers keep theirs: else a request meets a connection that is being closed.
    keepAliveTimeout: 4_000,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: connector(options),
  })
  return {
    // As it is where it can be: a copy for each request shows in what a request costs.
    dispatch: (request, reset, handler) => void client.dispatch(reset ? { ...request, reset } : request, handler),
    destroy: () => client.destroy(),
  }
}

/** Makes one connection, certificate checked, and closes it. @returns what is wrong with it, or null */
export function tryConnecting(options: WireOptions): Promise<Failure | null> {
  const url = new URL(options.origin)
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return new Promise((resolve) => {
    connector(options)({ hostname: url.hostname, host: url.host, protocol: url.protocol, port }, (error, socket) => {
      socket?.on('error', ignore).destroy()
      resolve(error === null ? null : classifyPhase(error, 'connect'))
    })
  })
}

function connector(options: WireOptions): buildConnector.connector {
  const build = buildConnector({
    allowH2: options.http2 ?? false,
    preferH2: options.http2 ?? false,
    timeout: options.connectTimeoutMs,
    // Said aloud: an environment variable of Node would turn it off otherwise.
    rejectUnauthorized: true,
    ...(options.ca === undefined ? {} : { secureContext: trusting(options.ca) }),
  })
  const { address, connect } = options
  const make: buildConnector.connector = (wanted, done) => {
    if (connect !== undefined) tunnel(connect, options.connectTimeoutMs, build, wanted, done)
    else build(address === undefined ? wanted : { ...wanted, hostname: address.host, port: String(address.port) }, done)
  }
  return options.http2 === true ? (wanted, done) => make(wanted, onlyHttp2(done)) : make
}

/** Made once for each authority: a context with all of the system's costs milliseconds, and connections are many. */
const contexts = new Map<string, tls.SecureContext>()

/** Node's own `ca` would go instead of the system's authorities, not besides them. */
function trusting(ca: string): tls.SecureContext {
  const known = contexts.get(ca)
  if (known !== undefined) return known
  // A generator on another host may run on a Node that cannot say what it trusts.
  const usual = (tls as Partial<typeof tls>).getCACertificates?.('default') ?? tls.rootCertificates
  const context = tls.createSecureContext({ ca: [...usual, ca] })
  contexts.set(ca, context)
  return context
}

/** A connection that was meant for many requests at once must not queue them one behind the other over HTTP/1.1. */
function onlyHttp2(done: buildConnector.Callback): buildConnector.Callback {
  return (...[error, socket]) => {
    if (error !== null) return done(error, null)
    if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') return done(null, socket)
    socket.on('error', ignore).destroy()
    done(Object.assign(new Error('the target does not speak HTTP/2'), { code: 'ERR_TLS_NO_HTTP2' }), null)
  }
}

function tunnel(
  connect: (signal: AbortSignal) => Promise<Duplex>,
  timeoutMs: number,
  build: buildConnector.connector,
  wanted: buildConnector.Options,
  done: buildConnector.Callback,
): void {
  const signal = AbortSignal.timeout(timeoutMs)
  const late = new Promise<never>((_, fail) => {
    const timeout = () => fail(Object.assign(new Error('connect timeout'), { code: 'UND_ERR_CONNECT_TIMEOUT' }))
    signal.addEventListener('abort', timeout, { once: true })
  })
  const opening = connect(signal)
  Promise.race([opening, late]).then(
    // undici's types want a net.Socket; it uses what every Duplex has (ssh2's channels are Duplexes).
    (stream) => (wanted.protocol === 'https:' ? build({ ...wanted, httpSocket: stream as never }, done) : done(null, stream as never)),
    (error: unknown) => {
      // What comes after the deadline is of no use to anybody.
      opening.then((stream) => stream.destroy(), ignore)
      done(error instanceof Error ? error : new Error(String(error)), null)
    },
  )
}

function ignore(): void {}
