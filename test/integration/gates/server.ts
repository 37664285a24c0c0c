// One release, as a process of its own: answers after 10 to 30 ms, with the fault it was told to have. Prints its port.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Behaviour = {
  /** Of every answer's time [1]. */
  readonly factor?: number
  /** Share of requests that take `slowMs` longer. */
  readonly slow?: number
  readonly slowMs?: number
  /** Share answered with 500, and share closed without an answer. */
  readonly errors?: number
  readonly closes?: number
}

const { factor = 1, slow = 0, slowMs = 300, errors = 0, closes = 0 } = JSON.parse(process.argv[2] ?? '{}') as Behaviour

const server = createServer((request, response) => {
  request.resume()
  const fate = Math.random()
  const more = Math.random() < slow ? slowMs : 0
  setTimeout(
    () => {
      if (fate < closes) return void request.socket.destroySoon()
      response.writeHead(fate < closes + errors ? 500 : 200, { 'content-length': '3' }).end('ok\n')
    },
    factor * (10 + 20 * Math.random()) + more,
  )
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
process.stdin.resume().once('end', () => process.exit(0))
