// Users who never stop: closed-loop clients, one keep-alive connection each, half of the requests POST with a body,
// NO retry, every request recorded. The only judge of "no request was lost", so it errs on the side of failure: any
// status but 200, a reset, a timeout, a short or wrong body is a failed request, whoever's fault it was.
// Runs on the lab's network, against its balancer; ends by itself after `limitMs`, so a test that dies leaves nothing.
import { createHash, randomBytes } from 'node:crypto'
import { Agent, type IncomingMessage, request } from 'node:http'
import { pause } from '../../helpers/lab-wait.ts'

export type Sent = {
  /** Milliseconds since the load began. */
  readonly at: number
  readonly ms: number
  readonly method: 'GET' | 'POST'
  /** null: it was answered rightly. */
  readonly failure: string | null
  readonly reused: boolean
  readonly release: string | null
  readonly host: string | null
}

export type Load = {
  /** performance.now() at the first request. */
  readonly began: number
  readonly sent: readonly Sent[]
  /** Ends every user after the request in hand. */
  stop(): Promise<LoadReport>
}

export type LoadReport = {
  readonly requests: number
  readonly failed: number
  /** Failures by class. */
  readonly classes: Readonly<Record<string, number>>
  readonly slowestMs: number
  /** Requests by the release that answered. */
  readonly releases: Readonly<Record<string, number>>
  readonly failures: readonly Sent[]
}

/** Each asks about five times a second. */
const USERS = process.env.ROLLGATE_FULL === '1' ? 30 : 16

export function startLoad(
  url: string,
  options: { readonly users?: number; readonly limitMs?: number; readonly timeoutMs?: number } = {},
): Load {
  const began = performance.now()
  const limitMs = options.limitMs ?? 300_000
  const sent: Sent[] = []
  let stopping = false
  const user = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!stopping && performance.now() - began < limitMs) {
      sent.push(await ask(new URL(url), agent, began, options.timeoutMs ?? 20_000))
      await pause(Math.random() * 40)
    }
    agent.destroy()
  }
  const users = Array.from({ length: options.users ?? USERS }, user)
  return {
    began,
    sent,
    stop: async () => {
      stopping = true
      await Promise.all(users)
      return report(sent)
    },
  }
}

export function report(sent: readonly Sent[]): LoadReport {
  const failures = sent.filter((each) => each.failure !== null)
  return {
    requests: sent.length,
    failed: failures.length,
    classes: countBy(failures.map((each) => each.failure ?? '')),
    slowestMs: Math.round(Math.max(0, ...sent.map((each) => each.ms))),
    releases: countBy(sent.flatMap((each) => (each.release === null ? [] : [each.release]))),
    failures: failures.slice(0, 20),
  }
}

function countBy(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

function ask(url: URL, agent: Agent, began: number, timeoutMs: number): Promise<Sent> {
  const method = Math.random() < 0.5 ? 'GET' : 'POST'
  const body = method === 'POST' ? randomBytes(200 + Math.floor(Math.random() * 2000)) : Buffer.alloc(0)
  const start = performance.now()
  return new Promise((done) => {
    const outgoing = request(url, {
      agent,
      method,
      headers: method === 'POST' ? { 'content-type': 'application/octet-stream', 'content-length': body.length } : {},
    })
    const end = (failure: string | null, answer?: IncomingMessage) => {
      clearTimeout(timer)
      const header = (name: string) => {
        const value = answer?.headers[name]
        return typeof value === 'string' ? value : null
      }
      done({
        at: start - began,
        ms: performance.now() - start,
        method,
        failure,
        reused: outgoing.reusedSocket,
        release: header('x-release'),
        host: header('x-host'),
      })
    }
    const timer = setTimeout(() => outgoing.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })), timeoutMs)
    outgoing.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
    outgoing.on('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', (error: NodeJS.ErrnoException) => end(`body: ${error.code ?? error.message}`, answer))
      answer.on('end', () => {
        if (answer.statusCode !== 200) end(`status ${answer.statusCode}`, answer)
        else end(rightBody(Buffer.concat(chunks).toString('utf8'), body) ? null : 'wrong body', answer)
      })
    })
    outgoing.end(body)
  })
}

function rightBody(text: string, sent: Buffer): boolean {
  try {
    const answer: unknown = JSON.parse(text)
    const digest = createHash('sha256').update(sent).digest('hex')
    return typeof answer === 'object' && answer !== null && 'sha256' in answer && answer.sha256 === digest
  } catch {
    return false
  }
}
