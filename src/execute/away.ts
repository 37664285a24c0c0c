// A host that went away in the middle of something. Everybody gone at once is our own network, which is waited for and
// counts for nothing; one host alone has a minute to come back (a reboot, a cable), and only then it has failed. What is
// done again must be looked at first: the step may have happened before the host was lost.
import { type ErrorCode, type ErrorInfo, errorInfo, RollgateError } from '../domain/error.ts'
import type { HostName } from '../domain/host.ts'
import { isServing } from './rotation.ts'
import { type Run, waitSignal } from './run.ts'

/** How long a host that vanished may take to come back. */
const RECONNECT_MS = 60_000
const AGAIN_MS = 2_000
/** However late it is, a host is asked once. */
const LAST_TRY_MS = 1_000
const ASK_MS = 10_000

const OUTAGE: ReadonlySet<string> = new Set<ErrorCode>([
  'E_LOST',
  'E_UNREACHABLE',
  'E_DNS',
  'E_CONNECT_TIMEOUT',
  'E_CONNECT_REFUSED',
  'E_BALANCER_UNREACHABLE',
])

export function isOutage(error: unknown): error is RollgateError {
  return error instanceof RollgateError && OUTAGE.has(error.code)
}

/** The same of a failure that was written down. */
const wasLost = (failure: ErrorInfo | undefined): boolean => failure !== undefined && OUTAGE.has(failure.code)

/** `E_BALANCER_UNREACHABLE` has had its own two minutes by the time it is thrown. */
const isHostAway = (error: unknown): boolean => isOutage(error) && error.code !== 'E_BALANCER_UNREACHABLE'

export const reconnectMs = (run: Run): number => run.context.ports.reconnectMs ?? RECONNECT_MS

export type Outage = {
  readonly host: HostName
  /** For people: what goes on when it is over. */
  readonly what: string
  /** Known to be lost since then, by the ports' clock. */
  readonly lostAt?: number
}

/**
 * Does `work` again as long as the host is only away. Its signal ends when the host's time is up.
 *
 * @throws the last error once the host had its minute; every other error at once
 */
export async function throughOutages<T>(run: Run, { host, what, ...known }: Outage, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock } = run.context.ports
  const { signal } = run.context
  let lostAt = known.lostAt ?? null
  if (lostAt !== null && (await wasOurs(run, host, what))) lostAt = null
  for (;;) {
    // One that was given up already is not waited for again.
    const patience = wasLost(run.failed.get(host)) ? 0 : reconnectMs(run)
    const left = lostAt === null ? null : AbortSignal.timeout(Math.ceil(Math.max(LAST_TRY_MS, lostAt + patience - clock.now())))
    try {
      return await work(left === null ? signal : AbortSignal.any([signal, left]))
    } catch (thrown) {
      const error = left?.aborted === true && !signal.aborted && isCancelled(thrown) ? lostError(host, thrown) : thrown
      if (!isOutage(error)) throw error
      if (await wasOurs(run, host, what)) {
        lostAt = null
        continue
      }
      lostAt ??= clock.now()
      if (!isHostAway(error) || clock.now() - lostAt >= patience) throw error
      run.context.emit({ type: 'warning', host, message: `${host} is not reachable, trying again: ${error.message}` })
      await clock.sleep(AGAIN_MS, waitSignal(run))
    }
  }
}

/** Waits while nobody answers at all. @returns whether that was it */
async function wasOurs(run: Run, host: HostName, what: string): Promise<boolean> {
  if ((await run.context.ports.awaitNetwork?.(host, waitSignal(run))) !== true) return false
  run.context.emit({ type: 'notice', host, message: `the network is back: going on with ${what} on ${host}` })
  return true
}

/**
 * A host that was given up: does the balancer send anything there? Nobody can ask the host itself. It is told, whatever the
 * answer; nothing rests on it.
 */
export async function tellWhetherItServes(run: Run, host: HostName): Promise<void> {
  const { ports, emit } = run.context
  const { servers } = ports.settings(host)
  const failure = run.failed.get(host)
  if (!wasLost(failure) || failure?.code === 'E_BALANCER_UNREACHABLE' || servers.length === 0) return
  const signal = AbortSignal.any([waitSignal(run), AbortSignal.timeout(ASK_MS)])
  try {
    const states = (await Promise.all(servers.map(({ balancer, ref }) => balancer.read([ref], signal)))).flat()
    const words = states.map(({ ref, detail }) => `${ref.backend}/${ref.server} ${detail}`).join(', ')
    emit(
      states.some(isServing)
        ? { type: 'warning', host, message: `${host} is lost, and the balancer still sends requests to it: ${words}` }
        : { type: 'notice', host, message: `${host} is lost, and out of rotation: ${words}` },
    )
  } catch (error) {
    emit({ type: 'warning', host, message: `${host} is lost, and whether it still serves cannot be asked: ${errorInfo(error).message}` })
  }
}

const isCancelled = (error: unknown): boolean => error instanceof RollgateError && error.code === 'E_CANCELLED'

const lostError = (host: HostName, cause: unknown): RollgateError =>
  new RollgateError('E_LOST', `${host} is not reachable any more`, { host, cause })
