// One connection per host, opened once and kept for the whole command, opened again when it was lost. Careful about
// sshd's patience: at most so many logins at once, a few tries with jitter, and no second try after a refused login or
// key, because sshd counts those and shuts the door (PerSourcePenalties).
import { type ErrorCode, errorFrom, errorInfo, RollgateError } from '../../domain/error.ts'
import type { Host, HostName } from '../../domain/host.ts'
import type { Clock } from '../../domain/ports.ts'
import type { Connection, Transport } from '../../domain/transport.ts'
import { createSlots } from './slots.ts'

export type PoolOptions = {
  /** Connections being opened at the same time. */
  readonly concurrency: number
  readonly attempts: number
  /** Of one attempt; time in which a person is asked does not count. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** 0 to 1. */
  readonly random: () => number
}

export type Reached = Connection | RollgateError

export type Pool = {
  /** The host's connection, the one there is or a new one. @throws RollgateError as Transport.connect does */
  get(host: Host, signal: AbortSignal): Promise<Connection>
  /** Reaches every host, whatever happens to the others. @throws RollgateError E_CANCELLED when the signal fires */
  connectAll(
    hosts: readonly Host[],
    signal: AbortSignal,
    onResult: (host: Host, result: Reached) => void,
  ): Promise<ReadonlyMap<HostName, Reached>>
  closeAll(): Promise<void>
}

const RETRY_MS = 500
const REFUSED_MS = 15_000
/** A host that could not be reached a moment ago is not tried for every caller; and for a while only once for one. */
const LATELY_MS = 5_000
const ONCE_MS = 60_000
/** What may be otherwise a moment later. */
const WORTH_A_RETRY: ReadonlySet<ErrorCode> = new Set(['E_UNREACHABLE', 'E_DNS', 'E_CONNECT_REFUSED', 'E_CONNECT_TIMEOUT', 'E_LOST'])
/** What the host counts against us. */
const COUNTED: ReadonlySet<ErrorCode> = new Set(['E_AUTH'])

type Opening = { readonly result: Promise<Connection>; readonly abort: AbortController; waiting: number }

export function createPool(transport: Transport, options: PoolOptions): Pool {
  const open = new Map<HostName, Connection>()
  const opening = new Map<HostName, Opening>()
  const refusals = new Map<HostName, { readonly error: RollgateError; readonly untilMs: number }>()
  const failures = new Map<HostName, { readonly error: RollgateError; readonly atMs: number }>()
  const places = createSlots(options.concurrency)
  let closed = false

  async function attempt(host: Host, signal: AbortSignal): Promise<Connection> {
    await places.enter(signal)
    try {
      return await transport.connect(host, signal, { timeoutMs: options.timeoutMs })
    } finally {
      places.leave()
    }
  }

  async function attempts(host: Host, signal: AbortSignal): Promise<Connection> {
    const failed = failures.get(host.name)
    const most = failed !== undefined && options.clock.now() - failed.atMs < ONCE_MS ? 1 : options.attempts
    for (let tried = 1; ; tried += 1) {
      try {
        const connection = await attempt(host, signal)
        if (signal.aborted) {
          await connection.close()
          throw cancelled()
        }
        open.set(host.name, connection)
        failures.delete(host.name)
        connection.onClose(() => {
          if (open.get(host.name) === connection) open.delete(host.name)
        })
        return connection
      } catch (thrown) {
        const error = thrown instanceof RollgateError ? thrown : errorFrom(errorInfo(thrown))
        if (COUNTED.has(error.code)) refusals.set(host.name, { error, untilMs: options.clock.now() + REFUSED_MS })
        if (signal.aborted || !WORTH_A_RETRY.has(error.code)) throw error
        if (tried >= most) {
          failures.set(host.name, { error, atMs: options.clock.now() })
          throw error
        }
        // 0.5 to 1.5 of 500 ms, 1 s, 2 s …: hosts that failed together do not come back together.
        await options.clock.sleep(RETRY_MS * 2 ** (tried - 1) * (0.5 + options.random()), signal)
      }
    }
  }

  /** Callers share one attempt; it goes on as long as one of them still waits. */
  function start(host: Host): Opening {
    const abort = new AbortController()
    const result = attempts(host, abort.signal)
    const made: Opening = { result, abort, waiting: 0 }
    opening.set(host.name, made)
    const forget = (): void => {
      if (opening.get(host.name) === made) opening.delete(host.name)
    }
    result.then(forget, forget)
    return made
  }

  async function get(host: Host, signal: AbortSignal): Promise<Connection> {
    if (signal.aborted) throw cancelled()
    if (closed) throw new RollgateError('E_LOST', `the connection to ${host.name} is closed`, { host: host.name })
    const existing = open.get(host.name)
    if (existing?.alive === true) return existing
    const refusal = refusals.get(host.name)
    if (refusal !== undefined && options.clock.now() < refusal.untilMs) throw refusal.error
    const failure = failures.get(host.name)
    if (failure !== undefined && options.clock.now() - failure.atMs < LATELY_MS) throw failure.error
    const shared = opening.get(host.name) ?? start(host)
    shared.waiting += 1
    return new Promise<Connection>((resolve, reject) => {
      const onAbort = (): void => {
        shared.waiting -= 1
        if (shared.waiting === 0) {
          opening.delete(host.name)
          shared.abort.abort()
        }
        reject(cancelled())
      }
      signal.addEventListener('abort', onAbort, { once: true })
      shared.result.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  return {
    get,
    async connectAll(hosts, signal, onResult) {
      const reached = await Promise.all(
        hosts.map(async (host): Promise<[HostName, Reached]> => {
          const result = await get(host, signal).catch((error: unknown) =>
            error instanceof RollgateError ? error : errorFrom(errorInfo(error)),
          )
          if (!signal.aborted) onResult(host, result)
          return [host.name, result]
        }),
      )
      if (signal.aborted) throw cancelled()
      return new Map(reached)
    },
    async closeAll() {
      closed = true
      const unfinished = [...opening.values()]
      for (const one of unfinished) one.abort.abort()
      await Promise.allSettled(unfinished.map((one) => one.result))
      const connections = [...open.values()]
      open.clear()
      await Promise.all(connections.map((connection) => connection.close()))
    },
  }
}

const cancelled = (): RollgateError => new RollgateError('E_CANCELLED', 'interrupted')
