// Whether this machine has file descriptors and ports for a load test, before anything is sent: a run that dies of
// EMFILE in the middle blames the target. What cannot be known (no /proc) is not guessed.
import { readdir, readFile } from 'node:fs/promises'
import { RollgateError } from '../domain/error.ts'

export type Room = {
  /** File descriptors still free; null: unknown. */
  readonly descriptors: number | null
  /** Ports for connections to one address. */
  readonly ports: number | null
}

/** Files, pipes and sockets that are not for the load itself. */
const SPARE_DESCRIPTORS = 64
/** Closed connections keep their port for a minute. */
const SPARE_PORTS = 0.1

export async function lookForRoom(): Promise<Room> {
  const [limits, open, range] = await Promise.all([
    readFile('/proc/self/limits', 'utf8').catch(() => ''),
    readdir('/proc/self/fd').catch(() => null),
    readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => ''),
  ])
  const most = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  const [first, last] = range.trim().split(/\s+/).map(Number)
  return {
    descriptors: most === undefined || open === null ? null : Number(most) - open.length,
    ports: first === undefined || last === undefined ? null : last - first + 1,
  }
}

/**
 * How many requests may be in flight to each target.
 * @param wanted what the settings say, or null for the default
 * @throws RollgateError E_LOAD_ROOM when a cap that was asked for does not fit; the default is lowered to what fits
 */
export function fitCap(wanted: number | null, fallback: number, targets: number, room: Room): number {
  const byDescriptors = room.descriptors === null ? Number.POSITIVE_INFINITY : Math.floor((room.descriptors - SPARE_DESCRIPTORS) / targets)
  const byPorts = room.ports === null ? Number.POSITIVE_INFINITY : Math.floor(room.ports * (1 - SPARE_PORTS))
  const most = Math.max(0, Math.min(byDescriptors, byPorts))
  const asked = wanted ?? fallback
  if (asked <= most) return asked
  if (wanted === null && most >= 1) return most
  const [what, hint] =
    byDescriptors < byPorts
      ? [`${room.descriptors} file descriptors`, 'raise the limit: ulimit -n 65536']
      : [`${room.ports} local ports`, 'widen net.ipv4.ip_local_port_range']
  throw new RollgateError('E_LOAD_ROOM', `${asked} requests in flight to ${targets} target(s) do not fit: this machine has ${what} left`, {
    hints: [hint, 'lower max_in_flight'],
  })
}
