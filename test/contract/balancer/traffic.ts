// Users who ask again and again over a connection they keep, and never retry: every request is recorded, and whatever is
// not a whole, right answer is a loss. Half of them post a body whose digest must come back.
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { until } from './wait.ts'

export type Loss = {
  readonly id: string
  readonly method: string
  readonly what: string
  /** A reset of a kept connection before the first byte: what a reload does to idle clients. */
  readonly stale: boolean
}

export type TrafficOptions = {
  readonly url: string
  readonly users: number
  /** Between two requests of a user, at most [40]. */
  readonly thinkMs?: number
  readonly bodyBytes?: number
  /** Added to the path: `?ms=2000&parts=8`. */
  readonly query?: string
  readonly sticky?: boolean
}

export type Traffic = {
  readonly sent: () => number
  readonly answered: () => number
  readonly losses: () => readonly Loss[]
  /** By name of the server. */
  readonly servedBy: (server: string) => number
  /** At least so many more answers: the load is really on. */
  flows(more: number): Promise<void>
  /** Ends when every user has had the last answer. */
  stop(): Promise<TrafficReport>
}

export type TrafficReport = { readonly sent: number; readonly losses: readonly Loss[]; readonly ids: readonly string[] }

const TIMEOUT_MS = 30_000

export function startTraffic(options: TrafficOptions): Traffic {
  const { url, users, thinkMs = 40, bodyBytes = 200, query = '', sticky = false } = options
  const losses: Loss[] = []
  const ids: string[] = []
  const served = new Map<string, number>()
  let answered = 0
  let stopped = false
  const body = randomBytes(bodyBytes)
  const digest = createHash('sha256').update(body).digest('hex')

  const user = async (number: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    let cookie: string | undefined
    for (let turn = 0; !stopped; turn += 1) {
      const post = (number + turn) % 2 === 0
      const id = `u${number}-${turn}-${randomBytes(3).toString('hex')}`
      ids.push(id)
      const answer = await ask(`${url}/${query}`, { agent, id, body: post ? body : null, cookie })
      const good = answer.what === '' && (!post || answer.text.endsWith(`${digest}\n`))
      if (good) {
        answered += 1
        served.set(answer.server, (served.get(answer.server) ?? 0) + 1)
        if (sticky && answer.cookie !== undefined) cookie = answer.cookie
      } else losses.push({ id, method: post ? 'POST' : 'GET', what: answer.what || 'wrong body', stale: answer.stale })
      if (!stopped) await new Promise((done) => setTimeout(done, Math.random() * thinkMs))
    }
    agent.destroy()
  }
  const all = Promise.all(Array.from({ length: users }, (_, number) => user(number)))
  return {
    sent: () => ids.length,
    answered: () => answered,
    losses: () => losses,
    servedBy: (server) => served.get(server) ?? 0,
    flows: (more) => {
      const from = answered
      return until(() => answered >= from + more, `${more} more answers`)
    },
    async stop() {
      stopped = true
      await all
      return { sent: ids.length, losses, ids }
    },
  }
}

type Answer = {
  /** '' for a whole answer with status 200. */
  readonly what: string
  readonly stale: boolean
  readonly text: string
  readonly server: string
  readonly cookie?: string
}

export function ask(
  url: string,
  options: { readonly agent?: Agent; readonly id: string; readonly body: Uint8Array | null; readonly cookie?: string | undefined },
): Promise<Answer> {
  const { agent, id, body, cookie } = options
  return new Promise((done) => {
    let bytes = false
    let reused = false
    const fail = (what: string): void => done({ what, stale: reused && !bytes, text: '', server: '' })
    const asked = request(
      url,
      {
        method: body === null ? 'GET' : 'POST',
        headers: { 'x-id': id, ...(cookie === undefined ? {} : { cookie }), ...(body === null ? {} : { 'content-length': body.length }) },
        ...(agent === undefined ? { agent: false } : { agent }),
        timeout: TIMEOUT_MS,
      },
      (response) => {
        bytes = true
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.once('error', (error) => fail(`truncated: ${error.message}`))
        response.once('end', () => {
          const server = response.headers['x-server']
          const set = response.headers['set-cookie']?.[0]?.split(';')[0]
          done({
            what: response.statusCode === 200 ? (response.complete ? '' : 'truncated') : `HTTP ${response.statusCode}`,
            stale: false,
            text,
            server: typeof server === 'string' ? server : '',
            ...(set === undefined ? {} : { cookie: set }),
          })
        })
      },
    )
    asked.once('timeout', () => asked.destroy(new Error('no answer in time')))
    asked.once('error', (error) => {
      reused = asked.reusedSocket
      fail(error.message)
    })
    asked.end(body ?? undefined)
  })
}
