// Workers from before a reload: they end what they have and take nothing new (2.6 refuses to change their servers), but
// the new worker does not know what that is. Counted through the master's own socket where there is one that this login
// may use; elsewhere the app host's connections are the evidence (execute/take-out.ts).
import { RollgateError } from '../../../domain/error.ts'
import { parseOldWorkers, parseStat } from './answers.ts'
import { pause } from './pause.ts'
import { type ApiSettings, createRuntimeApi, type RuntimeApi } from './runtime-api.ts'

export type Previous = {
  /** Summed over all old workers, by `backend/server`. */
  inFlight(signal: AbortSignal): Promise<ReadonlyMap<string, number>>
  /** Another process than the last time answers: a master that could not be found is worth another look. */
  isNews(generation: string): boolean
  /** The master's socket in use; null where none can be used, or nobody looked yet. */
  readonly socket: string | null
}

const NOTHING: ReadonlyMap<string, number> = new Map()
const MASTER_TIMEOUT_MS = 3_000
/** A reload replaces the master's program too, and its socket is away for a moment: seconds on a busy machine. */
const ATTEMPTS = 100
/** It listens a moment after its workers: one that is not there is looked for again. */
const LOOK_AGAIN_MS = 1_000
const AGAIN_MS = 100

/** Where a master's socket is: beside the runtime API's, or where Debian's and Red Hat's packages have it. */
function candidates(socket: string): readonly string[] {
  if (!socket.startsWith('/')) return []
  const folder = socket.slice(0, socket.lastIndexOf('/'))
  return [...new Set([`${folder}/master.sock`, `${folder}/haproxy-master.sock`, '/run/haproxy-master.sock'])]
}

type Master = { readonly api: RuntimeApi; readonly socket: string }

export function createPrevious(settings: ApiSettings, mayScript: () => boolean): Previous {
  let master: Master | null = null
  let lookedAt: number | null = null
  let lastGeneration: string | null = null

  const find = async (signal: AbortSignal): Promise<Master | null> => {
    const found = await Promise.all(
      candidates(settings.socket).map(async (socket): Promise<Master | null> => {
        const api = createRuntimeApi({ ...settings, socket, timeoutMs: MASTER_TIMEOUT_MS, mayScript })
        try {
          const [answer = ''] = await api.ask(['show proc'], signal)
          return answer.startsWith('#<PID>') ? { api, socket } : null
        } catch (error) {
          if (error instanceof RollgateError && error.code === 'E_CANCELLED') throw error
          return null
        }
      }),
    )
    return found.find((each) => each !== null) ?? null
  }

  /** @returns null where there is no master to be asked */
  const withMaster = async <T>(signal: AbortSignal, work: (api: RuntimeApi, old: readonly number[]) => Promise<T>): Promise<T | null> => {
    if (master === null && (lookedAt === null || performance.now() - lookedAt > LOOK_AGAIN_MS)) {
      lookedAt = performance.now()
      master = await find(signal)
    }
    for (let attempt = 1; master !== null; attempt += 1) {
      try {
        const [answer = ''] = await master.api.ask(['show proc'], signal)
        return await work(master.api, parseOldWorkers(answer))
      } catch (error) {
        if (error instanceof RollgateError && error.code === 'E_CANCELLED') throw error
        if (attempt >= ATTEMPTS) master = null
        else await pause(AGAIN_MS, signal)
      }
    }
    return null
  }

  return {
    isNews(generation) {
      if (generation === lastGeneration) return false
      lastGeneration = generation
      lookedAt = null
      return true
    },
    get socket() {
      return master?.socket ?? null
    },
    async inFlight(signal) {
      const held = await withMaster(signal, async (api, old) => sum(await Promise.all(old.map((pid) => heldBy(api, pid, signal)))))
      return held ?? NOTHING
    },
  }
}

async function heldBy(api: RuntimeApi, pid: number, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const [stat = ''] = await api.ask([`@!${pid} show stat -1 4 -1`], signal)
  // Ended since it was listed: the master says so in words, not in a table.
  if (!stat.startsWith('# ')) throw new RollgateError('E_BALANCER_UNREACHABLE', `worker ${pid} is gone`)
  return new Map(
    parseStat(stat).map((row): [string, number] => [
      `${row.get('pxname')}/${row.get('svname')}`,
      Number(row.get('scur') || 0) + Number(row.get('qcur') || 0),
    ]),
  )
}

function sum(parts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const part of parts) for (const [path, count] of part) total.set(path, (total.get(path) ?? 0) + count)
  return total
}
