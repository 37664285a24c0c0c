// One look at HAProxy in one round trip: process, servers, what processes from before a reload still hold. Asked the
// process that is there to stay: right after a reload the old one may still answer, and what it says is no longer so.
import { RollgateError } from '../../../domain/error.ts'
import { parseInfo, parseServersState, parseStat, type Row } from './answers.ts'
import { pause } from './pause.ts'
import type { Previous } from './previous.ts'
import type { RuntimeApi } from './runtime-api.ts'
import { type Server, serverOf } from './servers.ts'

export type Look = {
  /** Which process this is: pid and start. Another one has forgotten what was set at run time. */
  readonly generation: string
  readonly info: Row
  readonly servers: readonly Server[]
  /** In flight by `backend/server` in workers from before a reload. Empty as well where they cannot be seen. */
  readonly previous: ReadonlyMap<string, number>
}

const READ = ['show info', 'show stat -1 4 -1', 'show servers state'] as const
const STOPPING_ATTEMPTS = 20
const STOPPING_MS = 100

/** @param sets commands that are sent first, in the same round trip; their answers come with the look that follows them */
export async function look(
  api: RuntimeApi,
  previous: Previous,
  signal: AbortSignal,
  sets: readonly string[] = [],
): Promise<{ readonly look: Look; readonly said: readonly string[] }> {
  for (let attempt = 1; ; attempt += 1) {
    const asking = api.ask([...sets, ...READ], signal)
    // The first answer finds the route, which the master's socket then shares.
    if (api.route === null) await asking
    const [answers, held] = await Promise.all([asking, previous.inFlight(signal)])
    const [info = '', stat = '', state = ''] = answers.slice(sets.length)
    const facts = parseInfo(info)
    if (facts.get('Stopping') !== '1') {
      const generation = generationOf(facts)
      const news = previous.isNews(generation)
      const look = { generation, info: facts, servers: join(state, stat), previous: news ? await previous.inFlight(signal) : held }
      return { look, said: answers.slice(0, sets.length) }
    }
    if (attempt >= STOPPING_ATTEMPTS) throw new RollgateError('E_BALANCER_UNREACHABLE', 'the HAProxy that answers is about to end')
    await pause(STOPPING_MS, signal)
  }
}

function generationOf(info: Row): string {
  return `${info.get('Pid') ?? ''}@${info.get('Start_time_sec') ?? ''}`
}

function join(state: string, stat: string): readonly Server[] {
  const stats = new Map(
    parseStat(stat)
      .filter((row) => row.get('type') === '2')
      .map((row): [string, Row] => [`${row.get('pxname')}/${row.get('svname')}`, row]),
  )
  return parseServersState(state).map((row) => serverOf(row, stats.get(`${row.get('be_name')}/${row.get('srv_name')}`)))
}

export function serverNamed(look: Look, path: string): Server | undefined {
  return look.servers.find((server) => `${server.backend}/${server.name}` === path)
}

/** The server whose settings decide: itself, or the one at the end of `track`. */
export function decider(look: Look, server: Server): Server {
  let at = server
  for (let hops = 0; hops < 16 && at.tracks !== null; hops += 1) {
    const next = serverNamed(look, at.tracks)
    if (next === undefined || next === at) break
    at = next
  }
  return at
}
