// Whose trouble is it? One host that does not answer while others do is that host's. When nobody answers at all it is our
// own network: the rollout pauses, counts nothing, and keeps trying to the progress deadline. What happened meanwhile
// (somebody may have taken over) is asked of the first host that is back, before anything else is done.
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { Host, HostName } from '../domain/host.ts'
import type { Session } from './session.ts'

const ASK_MS = 8_000
const AGAIN_MS = 2_000

/** @returns true when everybody was gone and somebody is back; false when it is this host alone. @throws RollgateError E_LOCKED, E_CANCELLED */
export async function awaitNetwork(session: Session, lost: HostName, emit: Emit, signal: AbortSignal): Promise<boolean> {
  const { clock, config } = session
  const others = config.hosts.filter((host) => host.name !== lost)
  if (await anyAnswers(session, others, signal)) return false
  const began = clock.now()
  const limitMs = config.rollout.progressDeadlineMs
  emit({
    type: 'warning',
    message: `no host answers at all: this machine's network is gone; waiting up to ${Math.round(limitMs / 60_000)} min for it`,
  })
  while (clock.now() - began < limitMs) {
    await clock.sleep(AGAIN_MS, signal)
    if (!(await anyAnswers(session, config.hosts, signal))) continue
    await session
      .hold()
      ?.confirm(lost, signal)
      .catch((error: unknown) => {
        if (error instanceof RollgateError && error.code === 'E_LOCKED') throw error
      })
    return true
  }
  return false
}

async function anyAnswers(session: Session, hosts: readonly Host[], signal: AbortSignal): Promise<boolean> {
  if (hosts.length === 0) return false
  const enough = new AbortController()
  const until = AbortSignal.any([signal, enough.signal, AbortSignal.timeout(ASK_MS)])
  const answers = hosts.map(async (host) => {
    const connection = await session.connect(host.name, until)
    const result = await connection.run({ argv: ['true'], timeoutMs: ASK_MS }, { signal: until })
    if (result.exitCode !== 0) throw new Error('no answer')
  })
  try {
    await Promise.any(answers)
    return true
  } catch {
    if (signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted')
    return false
  } finally {
    enough.abort()
  }
}
