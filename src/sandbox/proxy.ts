// The HTTP half of the sandbox's balancer: keep-alive to clients, one connection a request to servers (HAProxy's
// `http-server-close`, so an idle server connection can never be the one that breaks), active checks. It repeats
// nothing: a request that was sent to a server that dies is lost, and the client sees it. That is what makes
// "0 failed" of the demo mean something.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type BalancedServer, type CheckResult, MAINTENANCE, noteCheck, pick } from './balanced-server.ts'

export type ProxySettings = { readonly checkPath: string; readonly checkEveryMs: number; readonly checkTimeoutMs: number }

export type Proxy = { readonly port: number; close(): Promise<void> }

/** Listens on 127.0.0.1 with a port of the system's choice, and checks its servers from now on. */
export async function startProxy(servers: readonly BalancedServer[], settings: ProxySettings): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const listener: Server = createServer((incoming, answer) => forward(servers, incoming, answer))
  // Never the one to close a client's idle connection first: a browser would see that as an error.
  listener.keepAliveTimeout = 3_600_000
  listener.requestTimeout = 0
  listener.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done, fail) => listener.once('error', fail).listen(0, '127.0.0.1', done))
  const stopChecks = startChecks(servers, settings)
  const address = listener.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: async () => {
      stopChecks()
      const closed = new Promise<void>((done) => listener.close(() => done()))
      for (const server of servers) for (const cut of server.cuts) cut()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade'])

function forward(servers: readonly BalancedServer[], incoming: IncomingMessage, answer: ServerResponse): void {
  const server = pick(servers)
  if (server === null) {
    incoming.resume()
    refuse(answer, 503, 'No server is available to handle this request.')
    return
  }
  const upstream = request({
    host: '127.0.0.1',
    port: server.port,
    method: incoming.method,
    path: incoming.url,
    headers: [...endToEnd(incoming.rawHeaders), 'connection', 'close'],
    agent: false,
    setHost: false,
  })
  const cut = () => upstream.destroy(new Error('cut'))
  server.cuts.add(cut)
  server.total += 1
  server.inFlight += 1
  server.mostInFlight = Math.max(server.mostInFlight, server.inFlight)
  upstream.on('close', () => {
    server.cuts.delete(cut)
    server.inFlight -= 1
  })
  upstream.on('error', (error) => {
    const refused = 'code' in error && error.code === 'ECONNREFUSED'
    if (refused) server.connectErrors += 1
    else server.responseErrors += 1
    // Nothing sent yet: say so. In the middle of an answer: the only honest word is a closed connection.
    if (answer.headersSent) answer.destroy()
    else refuse(answer, refused ? 503 : 502, 'The server returned an invalid or incomplete response.')
  })
  upstream.on('response', (response) => {
    answer.writeHead(response.statusCode ?? 502, response.statusMessage, endToEnd(response.rawHeaders))
    response.on('error', () => answer.destroy())
    response.pipe(answer)
  })
  // The client went away.
  answer.on('close', () => {
    if (!answer.writableFinished) upstream.destroy()
  })
  incoming.on('error', () => upstream.destroy())
  incoming.pipe(upstream)
}

function refuse(answer: ServerResponse, status: number, text: string): void {
  answer.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-cache' }).end(`${status} ${text}\n`)
}

function endToEnd(raw: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, raw[index + 1] ?? '')
  }
  return kept
}

function startChecks(servers: readonly BalancedServer[], settings: ProxySettings): () => void {
  const stop = new AbortController()
  const check = async (server: BalancedServer) => {
    if (server.admin === MAINTENANCE || server.checking) return
    server.checking = true
    const result = await ask(server.port, settings, stop.signal)
    server.checking = false
    if (!stop.signal.aborted) noteCheck(server, result, performance.now())
  }
  const checkAll = () => {
    for (const server of servers) void check(server)
  }
  const timer = setInterval(checkAll, settings.checkEveryMs)
  checkAll()
  return () => {
    clearInterval(timer)
    stop.abort()
  }
}

/** HAProxy's words: L7OK, L7STS (wrong status), L4CON (no connection), L7TOUT, L7RSP (no HTTP). */
function ask(port: number, settings: ProxySettings, signal: AbortSignal): Promise<CheckResult> {
  const startedAt = performance.now()
  return new Promise((done) => {
    const end = (passed: boolean, word: string, code: number | null) =>
      done({ passed, word, code, ms: Math.round(performance.now() - startedAt) })
    const asked = request({
      host: '127.0.0.1',
      port,
      path: settings.checkPath,
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(settings.checkTimeoutMs)]),
    })
    asked.on('response', (response) => {
      response.resume()
      const status = response.statusCode ?? 0
      const passed = status >= 200 && status < 400
      end(passed, passed ? 'L7OK' : 'L7STS', status)
    })
    asked.on('error', (error) => {
      const refused = 'code' in error && error.code === 'ECONNREFUSED'
      end(false, refused ? 'L4CON' : error.name === 'AbortError' || error.name === 'TimeoutError' ? 'L7TOUT' : 'L7RSP', null)
    })
    asked.end()
  })
}
