// A backend for the contract: takes 50-300 ms a request, keeps connections alive for long, and dies at once on SIGTERM with
// every socket cut, as Node does by default. Says what it does on its standard output, one JSON line each, written
// before the answer: what a killed process had in hand must be known as well.
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { createServer } from 'node:http'

const { NAME, ADDRESS, PORT = '0', START_MS = '0' } = process.env
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`)
process.on('SIGTERM', () => process.exit(143))
// Nobody is left who would end it.
process.stdin.on('end', () => process.exit(0)).resume()

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://app')
  response.setHeader('x-server', NAME)
  if (url.pathname === '/health') return void response.end('ok')
  const id = request.headers['x-id'] ?? '-'
  say({ event: 'start', id })
  const hash = createHash('sha256')
  request.on('data', (chunk) => hash.update(chunk))
  request.on('end', () => {
    const digest = hash.digest('hex')
    const parts = Number(url.searchParams.get('parts') ?? '0')
    const ms = Number(url.searchParams.get('ms') ?? 50 + Math.floor(Math.random() * 250))
    const end = () => {
      say({ event: 'end', id })
      response.end(`${digest}\n`)
    }
    if (parts === 0) return void setTimeout(end, ms)
    // A chunked answer that takes its time.
    let left = parts
    const next = () => {
      if (left === 0) return end()
      left -= 1
      response.write('part\n')
      setTimeout(next, ms / parts)
    }
    next()
  })
})
// The handshake of a WebSocket and nothing more: bytes come back as they are, until somebody closes.
server.on('upgrade', (request, socket) => {
  say({ event: 'start', id: request.headers['x-id'] ?? '-' })
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => socket.write(chunk))
  socket.on('end', () => socket.end())
})
server.keepAliveTimeout = 65_000
setTimeout(
  () =>
    server.listen({ host: ADDRESS, port: Number(PORT), exclusive: true }, () => say({ event: 'listening', port: server.address().port })),
  Number(START_MS),
)
