// A load that hosts of the configuration send: each is reached over SSH, runs the generator from its standard input, and
// tells what it sees. Refused where a target is a generator too, by name here and by address where they say who they are.
import { lookup } from 'node:dns/promises'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { HostName } from '../domain/host.ts'
import { generatorProgram, openGenerator } from '../drivers/generator.ts'
import { startDistributed } from '../load/distributed.ts'
import type { LoadHooks, LoadPlan, LoadRun, LoadTarget } from '../load/plan.ts'
import type { Generator } from '../load/remote.ts'
import { startLoad } from '../load/start.ts'
import type { Session } from './session.ts'

export type From = {
  readonly hosts: readonly HostName[]
  readonly session: Pick<Session, 'connect'>
  /** Of what else is reached (finding Node, building the generator): the run itself has its own. */
  readonly signal: AbortSignal
}

/** @throws RollgateError E_LOAD for hosts that cannot send it, whatever reaching one throws; the rest from `done`, as every load */
export async function startFrom(plan: LoadPlan, hooks: LoadHooks, { hosts, session, signal }: From): Promise<LoadRun> {
  const targetAddresses = (await Promise.all(plan.targets.map(addressesOf))).flat()
  const program = await generatorProgram(signal)
  const opened = await Promise.allSettled(
    hosts.map(async (host): Promise<Generator> => openGenerator(await session.connect(host, signal), program, signal)),
  )
  const generators = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = opened.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    await Promise.all(generators.map((generator) => generator.close()))
    throw failed.reason
  }
  return startDistributed(plan, hooks, { generators, targetAddresses })
}

/**
 * For a gate: by the hosts that its load names, or by this machine. A generator that cannot be had keeps a measurement from
 * being made, and says nothing about the release: E_LOAD, whatever it was.
 */
export async function startAsSaid(plan: LoadPlan, hooks: LoadHooks, session: From['session']): Promise<LoadRun> {
  const { from: hosts = [] } = plan.settings
  if (hosts.length === 0) return startLoad(plan, hooks)
  const run = await startFrom(plan, hooks, { hosts, session, signal: hooks.signal }).catch(cannot)
  return { ...run, done: run.done.catch(cannot) }
}

function cannot(thrown: unknown): never {
  const { code, message, host, hints } = errorInfo(thrown)
  if (code === 'E_BUG' || code === 'E_CANCELLED' || code === 'E_LOAD') throw thrown
  throw new RollgateError('E_LOAD', `no load could be sent from other hosts: ${message}`, {
    ...(host === undefined ? {} : { host }),
    ...(hints === undefined ? {} : { hints }),
    cause: thrown,
  })
}

/** @throws RollgateError E_LOAD for an address that is another machine for each of them */
async function addressesOf(target: LoadTarget): Promise<readonly string[]> {
  const name = target.address?.host ?? new URL(target.origin).hostname.replace(/^\[|\]$/g, '')
  const found = await lookup(name, { all: true }).catch(() => [])
  const addresses = found.map(({ address }) => address)
  if (addresses.some((address) => address === '::1' || address.startsWith('127.')))
    throw new RollgateError('E_LOAD', `${name} is every machine's own address: other hosts cannot send to it`, {
      hints: ['--at HOST, or the address that they know it by'],
    })
  return addresses
}
