// A target that costs nothing: it answers each request with the same bytes, without parsing more than where it ends.
// Runs in a thread of its own, so that what is measured against it is the generator.
import { type AddressInfo, createServer } from 'node:net'
import { parentPort } from 'node:worker_threads'

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
const END = '\r\n\r\n'

const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    // Our own requests have no body, and come whole.
    for (let at = chunk.indexOf(END); at >= 0; at = chunk.indexOf(END, at + END.length)) socket.write(ANSWER)
  })
})
server.listen(0, '127.0.0.1', () => parentPort?.postMessage((server.address() as AddressInfo).port))
