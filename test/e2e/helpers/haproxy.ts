// HAProxy's own view of the fleet, asked on its TCP socket: for the tests that do the golden sequence by hand, for the
// final state ("nobody is left drained"), and for the sampler, which looks every 100 ms while something else changes
// the fleet and tells afterwards how few servers were ever ready. None of it goes through our own driver.
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Lab } from '../../helpers/lab.ts'
import { pause, until } from '../../helpers/lab-wait.ts'

export type ServerView = {
  readonly name: string
  readonly status: string
  readonly inFlight: number
  readonly queued: number
  readonly requests: number
  readonly weight: number
  readonly check: string
}

/** One command; what HAProxy answers. */
export async function askBalancer(lab: Lab, command: string): Promise<string> {
  const socket = connect(9999, lab.balancer.address)
  socket.setTimeout(5000, () => socket.destroy(new Error(`HAProxy does not answer: ${command}`)))
  socket.write(`${command}\n`)
  return text(socket)
}

/** A change, which HAProxy acknowledges by saying nothing. */
export async function tellBalancer(lab: Lab, command: string): Promise<void> {
  const answer = (await askBalancer(lab, command)).trim()
  if (answer !== '') throw new Error(`${command}: ${answer}`)
}

export async function servers(lab: Lab, backend = 'app'): Promise<readonly ServerView[]> {
  const [head = '', ...lines] = (await askBalancer(lab, 'show stat')).trim().split('\n')
  const names = head.replace(/^# /, '').split(',')
  return lines.flatMap((line): ServerView[] => {
    const cells = line.split(',')
    const cell = (name: string) => cells[names.indexOf(name)] ?? ''
    const server = cell('svname')
    if (cell('pxname') !== backend || server === 'BACKEND' || server === 'FRONTEND') return []
    return [
      {
        name: server,
        status: cell('status'),
        inFlight: Number(cell('scur')),
        queued: Number(cell('qcur')),
        requests: Number(cell('lbtot')),
        weight: Number(cell('weight')),
        check: cell('check_status'),
      },
    ]
  })
}

/** Gets new requests: `UP` and also `UP 1/2`, which is on its way down but still served. */
export function isReady(server: ServerView): boolean {
  return /^(UP|no check)/.test(server.status) && server.weight > 0
}

export async function serverView(lab: Lab, name: string): Promise<ServerView> {
  const found = (await servers(lab)).find((server) => server.name === name)
  if (found === undefined) throw new Error(`HAProxy has no server ${name}`)
  return found
}

/** Puts every server back to ready, whatever a test did. */
export async function readyAll(lab: Lab, backend = 'app'): Promise<void> {
  for (const server of await servers(lab, backend)) await tellBalancer(lab, `set server ${backend}/${server.name} state ready`)
}

export function untilStatus(lab: Lab, name: string, status: string): Promise<ServerView> {
  return until(`HAProxy says ${status} of ${name}`, async () => {
    const view = await serverView(lab, name)
    return view.status === status && view
  })
}

export type Sample = { readonly at: number; readonly ready: number; readonly servers: readonly ServerView[] }
export type SampleReport = {
  readonly samples: number
  /** Looks that HAProxy did not answer. */
  readonly missed: number
  readonly leastReady: number
  /** Servers that were ever seen out of rotation. */
  readonly taken: readonly string[]
  /** The most that were out at once. */
  readonly mostOut: number
}

/** Looks until `stop`; ends by itself after ten minutes. */
export function startSampler(
  lab: Lab,
  options: { readonly everyMs?: number } = {},
): { stop(): Promise<SampleReport>; readonly samples: readonly Sample[] } {
  const samples: Sample[] = []
  const began = performance.now()
  let missed = 0
  let stopping = false
  const looking = (async () => {
    while (!stopping && performance.now() - began < 600_000) {
      try {
        const seen = await servers(lab)
        samples.push({ at: performance.now() - began, ready: seen.filter(isReady).length, servers: seen })
      } catch {
        missed += 1
      }
      await pause(options.everyMs ?? 100)
    }
  })()
  return {
    samples,
    stop: async () => {
      stopping = true
      await looking
      const out = samples.map((sample) => sample.servers.filter((server) => !isReady(server)).map((server) => server.name))
      return {
        samples: samples.length,
        missed,
        leastReady: Math.min(...samples.map((sample) => sample.ready)),
        taken: [...new Set(out.flat())].sort(),
        mostOut: Math.max(...out.map((names) => names.length)),
      }
    },
  }
}

/** As `on-marked-down shutdown-sessions` in the balancer's file: nobody waits for what is gone. */
export async function givenUp(lab: Lab, name: string): Promise<void> {
  await until(`HAProxy sees that ${name} is down`, async () => !(await serverView(lab, name)).status.startsWith('UP'))
  await tellBalancer(lab, `shutdown sessions server app/${name}`)
}
