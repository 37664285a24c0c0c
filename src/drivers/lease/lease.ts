// One host's lease, over its one connection. What the scripts print is untrusted and read strictly.
import type { CommandResult } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { Host } from '../../domain/host.ts'
import type { Layout } from '../../domain/layout.ts'
import type { LeasePort, LeaseRecord } from '../../domain/lease.ts'
import type { Connection } from '../../domain/transport.ts'
import { stdinScript } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import { acquireScript, LEASE_ROOT_EXIT, LEASE_STATE_EXIT, readScript, refreshScript, releaseScript } from './script.ts'

const LIMIT_MS = 20_000

export function createLeasePort(options: {
  readonly host: Host
  readonly layout: Layout
  readonly connect: (signal: AbortSignal) => Promise<Connection>
}): LeasePort {
  const { host, layout, connect } = options
  async function run(text: string, signal: AbortSignal): Promise<string> {
    const { argv, stdin } = stdinScript(text)
    const result = await (await connect(signal)).run({ argv, stdin, timeoutMs: LIMIT_MS }, { signal })
    if (result.exitCode !== 0) throw leaseError(host.name, layout, result)
    return result.stdout.trim()
  }
  return {
    host: host.name,
    async acquire(request, signal) {
      const said = await run(acquireScript(layout, request), signal)
      const taken = /^taken (\d{1,11})$/.exec(said)
      if (taken !== null) return { kind: 'taken', epoch: Number(taken[1]) }
      const by = said.startsWith('held ') ? parseLease(said) : null
      if (by === null) throw new RollgateError('E_COMMAND', `${host.name} gave no answer about its lease`, { host: host.name })
      return { kind: 'held', by }
    },
    async refresh(epoch, ttlMs, signal) {
      return (await run(refreshScript(layout, epoch, ttlMs), signal)) === 'kept'
    },
    async release(epoch, signal) {
      await run(releaseScript(layout, epoch), signal)
    },
    async read(signal) {
      return parseLease(await run(readScript(layout), signal))
    },
  }
}

/** `WORD epoch live up expiry born ttl holder rollout command commit`; null for anything else. */
export function parseLease(line: string): LeaseRecord | null {
  const [, epoch = '', live = '', up = '', expiry = '', born = '', ttl = '', holder = '', rollout = '', command = '', commit = ''] =
    line.split(' ')
  if (![epoch, up, expiry, born, ttl].every((word) => /^\d{1,11}$/.test(word))) return null
  const sameBoot = live === 'yes' || Number(born) <= Number(up)
  const leftMs = live === 'yes' ? (Number(expiry) - Number(up)) * 1000 : 0
  return {
    epoch: Number(epoch),
    holder: field(holder),
    rollout: field(rollout),
    command: field(command),
    commit: commit === '-' ? null : field(commit),
    ageMs: sameBoot ? (Number(up) - Number(born)) * 1000 : null,
    heartbeatAgeMs: live === 'yes' ? (Number(up) - (Number(expiry) - Number(ttl))) * 1000 : null,
    leftMs,
    live: live === 'yes',
  }
}

function field(text: string): string {
  try {
    return cleanText(decodeURIComponent(text), 200)
  } catch {
    return cleanText(text, 200)
  }
}

function leaseError(host: string, layout: Layout, result: CommandResult): RollgateError {
  if (result.lost) return new RollgateError('E_LOST', `the connection to ${host} was lost while its lease was asked for`, { host })
  if (result.exitCode === LEASE_STATE_EXIT) {
    return new RollgateError('E_DISK', `${host}: the lease cannot be written to ${layout.state}`, {
      host,
      now: 'the host was not touched',
      hints: ['make room on the file system of release.root, or give the login write access to it'],
    })
  }
  if (result.exitCode === LEASE_ROOT_EXIT) {
    return new RollgateError('E_ROOT', `${host}: ${layout.root} cannot be made by this login`, {
      host,
      now: 'the host was not touched',
      hints: ['rollgate setup   (makes it, with sudo)', 'or change release.root'],
      evidence: linesOf(result.stderr),
    })
  }
  const how = result.timedOut ? 'in time' : `(exit code ${result.exitCode ?? 'none'})`
  return new RollgateError('E_COMMAND', `${host} did not answer about its lease ${how}`, {
    host,
    evidence: linesOf(result.stderr),
  })
}

const linesOf = (text: string): readonly string[] =>
  text
    .trim()
    .split('\n')
    .slice(-5)
    .map((line) => cleanText(line, 300))
