// The other end of the load benchmarks, in a process of its own: the null target, and the count of what really came.
// Every tool is judged by this count, never by its own.
import { type AddressInfo, createServer } from 'node:net'

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
const END = '\r\n\r\n'
let requests = 0

const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    for (let at = chunk.indexOf(END); at >= 0; at = chunk.indexOf(END, at + END.length)) {
      requests += 1
      socket.write(ANSWER)
    }
  })
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  process.send?.({ requests })
  requests = 0
})
process.on('disconnect', () => process.exit())
