// The app of the end-to-end tests: an HTTP server as people write them. Each request takes 50 to 300 ms, connections
// are kept for 65 s, and SIGTERM ends it AT ONCE (Node's default: the hard case): whatever is in flight is lost.
// Its folder is the release; `variant.json` in it makes it a bad one.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { hostname } from 'node:os'

const file = new URL('variant.json', import.meta.url)
/** crash, hang, error, old-version, wrong-port, slow-start, late-crash, slow; anything else is a good release. */
const variant = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
const isMine = variant.only === undefined || variant.only === hostname()
const kind = (isMine ? variant.kind : 'good') ?? process.env.APP_VARIANT ?? 'good'
const release = kind === 'old-version' ? 'r0-00000000' : (process.env.ROLLGATE_RELEASE ?? 'none')
const port = kind === 'wrong-port' ? 8099 : Number(process.env.PORT ?? 8080)
const [least, most] = variant.takes ?? (kind === 'slow' ? [1500, 2500] : [50, 300])
let inFlight = 0

console.log(`app: release ${release}, variant ${kind}, pid ${process.pid}`)
if (kind === 'crash') {
  console.error('app: FATAL: cannot read the licence file')
  process.exit(3)
}
if (kind === 'late-crash') setTimeout(() => process.exit(4), 300)
if (kind === 'hang') setInterval(() => {}, 1000)
else if (kind === 'slow-start') setTimeout(listen, variant.startMs ?? 3000)
else listen()

function listen() {
  const server = createServer(answer)
  server.keepAliveTimeout = 65_000
  server.headersTimeout = 66_000
  server.listen(port, () => console.log(`app: listening on ${port}`))
}

function answer(request, response) {
  response.setHeader('x-release', release)
  response.setHeader('x-host', hostname())
  if (request.url === '/healthz') return health(response)
  inFlight += 1
  response.on('close', () => {
    inFlight -= 1
  })
  const digest = createHash('sha256')
  request.on('data', (chunk) => digest.update(chunk))
  request.on('end', () => {
    const answered = () => {
      if (kind === 'error') response.statusCode = 500
      // What was sent comes back as its digest: a client can tell a mixed-up body from a whole one.
      response.end(
        JSON.stringify({ release, host: hostname(), method: request.method, sha256: digest.digest('hex'), note: process.env.NOTE ?? null }),
      )
    }
    setTimeout(answered, least + Math.random() * (most - least))
  })
}

function health(response) {
  if (kind === 'error') {
    response.statusCode = 500
    return response.end('boom: the database is away')
  }
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ release, inFlight, note: process.env.NOTE ?? null }))
}
