// One HTTP request, over a byte stream that is open already (a forward through SSH) or to an address: the only file of the
// drivers that imports undici. A redirect is an answer, a body is read up to a limit, and the connection is closed afterwards: a
// health check must not count as one of the app's connections.
import type { Duplex } from 'node:stream'
import { Client, request as send } from 'undici'

export type HttpAnswer = {
  readonly status: number
  /** Lower-case names; repeated ones joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The body is longer than what was read of it. */
  readonly truncated: boolean
}

const BODY_LIMIT = 64 * 1024

/** @throws whatever undici or the stream throws; the stream is gone afterwards in every case */
export async function httpOver(
  stream: Duplex,
  request: {
    readonly host: string
    readonly port: number
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly signal: AbortSignal
  },
): Promise<HttpAnswer> {
  const host = request.host.includes(':') ? `[${request.host}]` : request.host
  let given = false
  const client = new Client(`http://${host}:${request.port}`, {
    // Not at once: undici is still choosing a request then, and would never look at it again. And only one time: it
    // would take the dead stream again and again. Its types want a net.Socket; it uses what every Duplex has.
    connect(_options, done) {
      const again = given
      given = true
      setImmediate(() => (again ? done(new Error('the connection was closed'), null) : done(null, stream as never)))
    },
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  try {
    const answer = await client.request({
      method: 'GET',
      path: request.path,
      headers: request.headers,
      reset: true,
      signal: request.signal,
    })
    const { text, truncated } = await readBody(answer.body)
    return { status: answer.statusCode, headers: flat(answer.headers), body: text, truncated }
  } finally {
    await client.destroy()
    stream.destroy()
  }
}

/**
 * One request to an address, over a connection of its own. @throws whatever undici throws; a status is an answer
 *
 * @param of.timeoutMs for the whole of it
 */
export async function httpSend(of: {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}): Promise<HttpAnswer> {
  const answer = await send(of.url, {
    method: of.method,
    headers: of.headers,
    ...(of.body === undefined ? {} : { body: of.body }),
    reset: true,
    signal: AbortSignal.any([of.signal, AbortSignal.timeout(of.timeoutMs)]),
  })
  const { text, truncated } = await readBody(answer.body)
  return { status: answer.statusCode, headers: flat(answer.headers), body: text, truncated }
}

async function readBody(body: AsyncIterable<Uint8Array>): Promise<{ readonly text: string; readonly truncated: boolean }> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, BODY_LIMIT - bytes))
    bytes += chunk.byteLength
    // Leaving the loop ends the body, and with it the request: the rest is never read.
    if (bytes > BODY_LIMIT) break
  }
  return { text: new TextDecoder().decode(Buffer.concat(chunks)), truncated: bytes > BODY_LIMIT }
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  )
}
