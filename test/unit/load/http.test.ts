// Each way an exchange can end, against real sockets.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createTls } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createClient, type HttpRequest } from '../../../src/load/http.ts'
import { listen, serve } from './helpers.ts'

const GET: HttpRequest = { method: 'GET', path: '/' }
const SOON = { timeoutMs: 10_000 }

function client(origin: string, ca?: string) {
  const made = createClient({ origin, connections: 4, connectTimeoutMs: 10_000, ...(ca === undefined ? {} : { ca }) })
  onTestFinished(() => made.close())
  return made
}

/** Answers each connection with these bytes as soon as something is asked, then closes or resets it. */
function raw(answer: string, end: 'close' | 'reset') {
  return listen(
    createServer((socket) => {
      socket.once('data', () => {
        if (end === 'reset') socket.resetAndDestroy()
        else socket.end(answer)
      })
    }),
  )
}

describe('an answer', () => {
  test('carries status, headers and the number of bytes; redirects and errors of the server are answers', async () => {
    const server = await serve((request, response) => {
      response.writeHead(request.url === '/moved' ? 302 : 503, { location: '/', 'x-release': 'r1' }).end('12345')
    })
    const http = client(server.url)
    expect(await http.send({ method: 'GET', path: '/moved' }, SOON)).toMatchObject({ kind: 'answer', status: 302, bytes: 5 })
    expect(await http.send(GET, SOON)).toMatchObject({ kind: 'answer', status: 503, headers: { 'x-release': 'r1' } })
  })

  test('requests one after the other reuse their connections', async () => {
    const server = await serve((request, response) => {
      request.resume()
      response.end('x')
    })
    const http = client(server.url)
    for (let turn = 0; turn < 20; turn += 1) {
      expect(await http.send({ method: 'POST', path: '/', body: 'hello' }, SOON)).toMatchObject({ status: 200 })
    }
    // Two, because a connection is free again a moment after the answer's last byte was read.
    expect(server.connections()).toBeLessThanOrEqual(2)
  })

  test('method, path, headers and body arrive as they were given', async () => {
    let seen = ''
    const server = await serve(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      seen = `${request.method} ${request.url} ${request.headers['x-a']} ${body}`
      response.end()
    })
    await client(server.url).send({ method: 'PUT', path: '/a?b=c', headers: { 'x-a': '1' }, body: 'text' }, SOON)
    expect(seen).toBe('PUT /a?b=c 1 text')
  })
})

describe('a failure', () => {
  test('refused: nobody listens', async () => {
    const server = await raw('', 'close')
    await server.close()
    expect(await client(server.url).send(GET, SOON)).toEqual({ kind: 'failure', class: 'refused', detail: 'ECONNREFUSED' })
  })

  test('reset: the connection was reset before an answer', async () => {
    const server = await raw('', 'reset')
    expect(await client(server.url).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'reset' })
  })

  test('closed: the connection ended without an answer', async () => {
    const server = await raw('', 'close')
    expect(await client(server.url).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'closed' })
    expect(server.connections()).toBe(1)
  })

  test('truncated: fewer bytes than announced, or a chunked body without its end', async () => {
    const short = await raw('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345', 'close')
    expect(await client(short.url).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'truncated' })
    const chunked = await raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n', 'close')
    expect(await client(chunked.url).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'truncated' })
  })

  test('timeout: no answer, and an answer that never ends', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/half') response.writeHead(200).write('x')
    })
    const http = client(server.url)
    expect(await http.send(GET, { timeoutMs: 50 })).toMatchObject({ kind: 'failure', class: 'timeout' })
    expect(await http.send({ method: 'GET', path: '/half' }, { timeoutMs: 50 })).toMatchObject({ class: 'timeout' })
  })

  test('dns: the name does not exist', async () => {
    expect(await client('http://nowhere.invalid').send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'dns' })
  })

  test('protocol: what answers does not speak HTTP', async () => {
    const server = await raw('220 mail.example.com ESMTP\r\n', 'close')
    expect(await client(server.url).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'protocol' })
  })

  const openssl = spawnSync('openssl', ['version']).error === undefined
  test.skipIf(!openssl)('tls: a certificate that nobody vouches for; trusted with its authority it is an answer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollgate-tls-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    const type = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', ['req', '-x509', ...type, '-keyout', key, '-out', certificate, ...names], { stdio: 'ignore' })
    const cert = readFileSync(certificate, 'utf8')
    const server = await listen(
      createTls({ key: readFileSync(key), cert }, (_request, response) => void response.end('ok')),
      'https',
    )
    expect(await client(server.url).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'tls', detail: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(await client(server.url, cert).send(GET, SOON)).toMatchObject({ kind: 'answer', status: 200 })
    expect(await client(server.url.replace('127.0.0.1', 'localhost'), cert).send(GET, SOON)).toMatchObject({ class: 'tls' })
  })

  test('tls: plain HTTP behind an https address', async () => {
    const server = await serve((_request, response) => void response.end())
    expect(await client(server.url.replace('http:', 'https:')).send(GET, SOON)).toMatchObject({ kind: 'failure', class: 'tls' })
  })
})
