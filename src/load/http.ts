// The HTTP client of everything that measures: undici behind a small interface, and the only file of this folder that
// imports it. Careful about honesty: one request is sent once (no retry, redirects are answers), connections are kept
// alive and reused as a browser does, bodies are read to their end and counted, certificates are checked, HTTP/1.1
// only. Each way to fail has a class of its own, decided by error codes, never by the words of a message.
import { errors, Pool } from 'undici'

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

export type ClientOptions = {
  /** `https://host:port`; anything behind it is ignored. */
  readonly origin: string
  /** At most so many at once; a request above that waits for one. */
  readonly connections: number
  readonly connectTimeoutMs: number
  /** PEM of an authority to trust besides the system's, for `https:`. */
  readonly ca?: string
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
    connect: { timeout: options.connectTimeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
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

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]))
}

/** @param answered the head of an answer had come: whatever broke then broke the body */
function classify(error: unknown, answered: boolean): { readonly class: FailureClass; readonly detail: string } {
  const found = codes(error)
  const detail = found.join(' ') || (error instanceof Error ? error.message : String(error))
  if (found.some((code) => code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT')) return { class: 'timeout', detail }
  if (answered) return { class: 'truncated', detail }
  if (found.includes('ECONNREFUSED')) return { class: 'refused', detail }
  if (found.some((code) => code === 'ECONNRESET' || code === 'EPIPE')) return { class: 'reset', detail }
  if (found.some((code) => code === 'ENOTFOUND' || code === 'EAI_AGAIN')) return { class: 'dns', detail }
  if (found.some(isTls)) return { class: 'tls', detail }
  if (found.some((code) => code.startsWith('HPE_')) || error instanceof errors.HTTPParserError) return { class: 'protocol', detail }
  if (found.includes('UND_ERR_SOCKET')) return { class: 'closed', detail }
  return { class: 'other', detail }
}

/** Codes of an error, its causes, and the members of an AggregateError (both addresses of `localhost` refused). */
function codes(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : []
  const members = error instanceof AggregateError ? error.errors.flatMap(codes) : []
  return [...new Set([...own, ...members, ...codes(error.cause)])]
}

/** OpenSSL's verification results (X509_verify_cert_error_string) and Node's own. */
function isTls(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|CRL_)/.test(code)
}
