// What goes wrong around a rollout: hosts that lose power, networks that are cut, disks that fill. Everything is undone
// after each test, so that the next one starts from a fleet that works. Our own SSH is cut in this network namespace,
// which is the lab's client: the users' requests, which come from here too, go on.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeAll } from 'vitest'
import { inHost, labDo, mustInHost } from '../../helpers/lab.ts'
import { until } from '../../helpers/lab-wait.ts'
import type { Started } from './project.ts'
import { reach } from './trials.ts'

const execute = promisify(execFile)

/** Off at once and on again, with the disk as it was. @param meanwhile what happens while it is off */
export async function powerCycle(host: string, meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
  await labDo('kill', host)
  await meanwhile()
  await labDo('boot', host)
}

/** Our packets to these hosts' SSH are dropped, in silence. */
export async function cutSsh(addresses: readonly string[]): Promise<void> {
  for (const address of addresses) await iptables('-A', 'OUTPUT', '-p', 'tcp', '-d', address, '--dport', '22', '-j', 'DROP')
}

export async function healSsh(): Promise<void> {
  await iptables('-F', 'OUTPUT')
}

async function iptables(...words: readonly string[]): Promise<void> {
  await execute('iptables', ['-w', ...words])
}

/** How long something is away, where the time itself is what is tried. */
export async function lasting(seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000
  await until(`${seconds} s`, () => performance.now() >= end, seconds * 1000 + 60_000)
}

/**
 * A shell line that hangs as long as `/run/hang-NAME` is on the host, which root makes and a reboot takes away: a moment of
 * a rollout that lasts for as long as a test needs.
 */
export const hanging = (name: string): string => `while [ -e /run/hang-${name} ]; do sleep 0.1; done`

export async function hang(host: string, name: string): Promise<void> {
  await mustInHost(host, `: > /run/hang-${name}`)
}

export async function goOn(host: string, name: string): Promise<void> {
  await mustInHost(host, `rm -f /run/hang-${name}`)
}

/** The line of that run hangs there now. The brackets keep pgrep's own caller out of what is found. */
export function untilHangs(started: Started, host: string, name: string): Promise<void> {
  // It looks there by itself for a while: entering the host costs more than looking.
  const look = `for i in 1 2 3 4 5 6 7 8 9 10; do ! pgrep -f '/run/[h]ang-${name}' >/dev/null || exit 0; sleep 0.1; done; exit 1`
  return reach(started, `${host} hangs in ${name}`, async () => (await inHost(host, look)).exitCode === 0)
}

/**
 * Puts everything back, before the first test and after each: what was left cut, full or off would be the next one's trouble.
 * Stands before what makes the fleet empty.
 *
 * @param mend after a test that failed
 */
export function healing(mend: () => Promise<void>): void {
  beforeAll(heal)
  afterEach(async ({ task }) => {
    await heal()
    if (task.result?.state === 'fail') await mend()
  })
}

async function heal(): Promise<void> {
  await healSsh()
  const lines = (await labDo('status')).trim().split('\n')
  await Promise.all(
    lines.map(async (line) => {
      const [name = '', , power, ...faults] = line.split(/\s+/)
      if (power !== 'on' || faults.length > 0) await labDo('heal', name)
      if (power === 'off') await labDo('boot', name)
      await mustInHost(name, 'rm -f /run/hang-* /usr/local/bin/date')
      await labDo('free-disk', name)
    }),
  )
}
