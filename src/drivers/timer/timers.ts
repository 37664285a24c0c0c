// Dead-man timers of one rollout: armed where the drain lives before it is set, renewed by the heartbeat, disarmed after
// the enable. Where a balancer's host cannot hold one (no home folder, a full disk), the rollout goes on and says so.
import type { LoadBalancer, ServerRef } from '../../domain/balancer.ts'
import { RollgateError } from '../../domain/error.ts'
import type { HostName } from '../../domain/host.ts'
import type { Connection } from '../../domain/transport.ts'
import { stdinScript } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import { armScript, beatScript, disarmScript, endScript, readTimersScript, safeName, type TimerFolder } from './script.ts'

/** How long after the last heartbeat a drained server is looked at. */
export const DEAD_MAN_MS = 300_000

export type TimerOptions = TimerFolder & {
  readonly connectTo: (host: HostName, signal: AbortSignal) => Promise<Connection>
  readonly seconds: number
  readonly warn: (message: string) => void
}

export type Timers = {
  /**
   * Before the drain. Never throws for a host that cannot hold one: it warns, once a host.
   *
   * @throws RollgateError E_BALANCER_UNREACHABLE when the host cannot be asked, as the balancer on it
   */
  arm(balancer: LoadBalancer, ref: ServerRef, weight: number | null, signal: AbortSignal): Promise<void>
  disarm(balancer: LoadBalancer, ref: ServerRef, signal: AbortSignal): Promise<void>
  beat(): Promise<void>
  /** The rollout is over; what stays out does so on purpose. */
  end(): Promise<void>
}

const LIMIT_MS = 20_000

export function createTimers(options: TimerOptions): Timers {
  const hosts = new Set<HostName>()
  const warned = new Set<HostName>()
  const send = async (host: HostName, script: string, signal: AbortSignal): Promise<boolean> => {
    const { argv, stdin } = stdinScript(script)
    try {
      const result = await (await options.connectTo(host, signal)).run({ argv, stdin, timeoutMs: LIMIT_MS }, { signal })
      if (!result.lost) return result.exitCode === 0
    } catch (cause) {
      if (signal.aborted || !(cause instanceof RollgateError)) throw cause
      throw new RollgateError('E_BALANCER_UNREACHABLE', `no timer can be set on ${host}: ${cause.message}`, { host, cause })
    }
    throw new RollgateError('E_BALANCER_UNREACHABLE', `the connection to ${host} was lost while a timer was set there`, { host })
  }
  const idOf = (ref: ServerRef): string => `${safeName(ref.balancer)}_${safeName(ref.backend)}_${safeName(ref.server)}`
  const everywhere = async (script: string): Promise<void> => {
    const limit = AbortSignal.timeout(LIMIT_MS)
    await Promise.allSettled([...hosts].map((host) => send(host, script, limit)))
  }
  return {
    async arm(balancer, ref, weight, signal) {
      if (balancer.deadMan === undefined) return
      const { host } = balancer.deadMan
      const entry = await balancer.deadMan.script(ref, weight, signal)
      const armed = await send(host, armScript(options, idOf(ref), entry, options.seconds), signal)
      if (armed) hosts.add(host)
      else if (!warned.has(host)) {
        warned.add(host)
        options.warn(
          `${host} cannot hold a dead-man timer: if this machine dies now, ${ref.backend}/${ref.server} stays drained until \`rollgate resume\``,
        )
      }
    },
    async disarm(balancer, ref, signal) {
      const host = balancer.deadMan?.host
      if (host === undefined || !hosts.has(host)) return
      await send(host, disarmScript(options, idOf(ref)), signal)
    },
    beat: () => everywhere(beatScript(options, options.seconds)),
    end: () => everywhere(endScript(options)),
  }
}

export type TimerStory = {
  readonly host: HostName
  readonly rollout: string
  readonly entry: string
  /** `armed` with the seconds left, or what the timer did. */
  readonly what: 'armed' | 'self-restored' | 'orphaned' | 'unknown'
  readonly leftS: number | null
}

/** What timers on a balancer's host did, and what is armed there now; nothing where it cannot be asked. */
export async function readTimers(connection: Connection, scope: string, signal: AbortSignal): Promise<readonly TimerStory[]> {
  const { argv, stdin } = stdinScript(readTimersScript(scope))
  const result = await connection.run({ argv, stdin, timeoutMs: LIMIT_MS }, { signal, maxOutputBytes: 64 * 1024 })
  if (result.exitCode !== 0) return []
  return result.stdout.split('\n').flatMap((line): readonly TimerStory[] => {
    const [first = '', second = '', third = '', fourth = ''] = line.split('\t').map((word) => cleanText(word, 200))
    const host = connection.host.name
    if (first === 'armed') return [{ host, rollout: second, entry: third, what: 'armed', leftS: Number.parseInt(fourth, 10) || 0 }]
    if (fourth === 'self-restored' || fourth === 'orphaned' || fourth === 'unknown')
      return [{ host, rollout: second, entry: third, what: fourth, leftS: null }]
    return []
  })
}
