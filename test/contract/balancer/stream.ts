// A connection that was upgraded and stays open, as a WebSocket does (by its handshake, which balancers look at): bytes come
// back while it lives.
import { connect, type Socket } from 'node:net'
import { until } from './wait.ts'

export type Stream = {
  /** Still carries bytes, there and back. */
  echoes(): Promise<boolean>
  closed(): boolean
  close(): void
}

/** @param wanted asked once it is open: whether it went where the test wants it; else another one is opened */
export async function openStream(url: string, wanted: () => Promise<boolean> = async () => true): Promise<Stream> {
  const { hostname, port } = new URL(url)
  for (;;) {
    const stream = await upgrade(hostname, Number(port))
    if (await wanted()) return stream
    stream.close()
  }
}

async function upgrade(host: string, port: number): Promise<Stream> {
  const socket: Socket = connect({ host, port })
  let text = ''
  let closed = false
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    closed = true
  })
  socket.write(
    'GET /stream HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Id: stream\r\n\r\n',
  )
  await until(() => text.includes('\r\n\r\n') || closed, 'the stream is open')
  if (!text.startsWith('HTTP/1.1 101')) throw new Error(`no stream: ${text.slice(0, 80)}`)
  let turn = 0
  return {
    closed: () => closed,
    close: () => socket.destroy(),
    async echoes() {
      turn += 1
      const word = `turn-${turn};`
      if (closed) return false
      socket.write(word)
      await until(() => text.includes(word) || closed, 'the stream echoes or is closed')
      return text.includes(word)
    },
  }
}
