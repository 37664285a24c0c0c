// Out of maintenance into a drain: HAProxy checks the server again while it sends nothing there, and only a check that
// passed since then lets us say `ready`. Straight from maintenance to ready, HAProxy would call a dead server UP for
// the time of a few checks (balancers.md, rule 4).
import type { ServerRef, ServerState } from '../../../domain/balancer.ts'
import { RollgateError } from '../../../domain/error.ts'
import { type Balancer, pathOf, serverOf, set, stateCommand, stateIn } from './change.ts'
import { decider, type Look, look } from './look.ts'
import { pause } from './pause.ts'
import { isIn, isVerified, type Server } from './servers.ts'

const POLL_MS = 100

/** @throws RollgateError E_NOT_UP at the deadline, E_BALANCER_CONFLICT when somebody else changes it meanwhile */
export async function verify(
  balancer: Balancer,
  ref: ServerRef,
  options: { readonly signal: AbortSignal; readonly deadlineMs: number },
): Promise<ServerState> {
  const { signal, deadlineMs } = options
  const deadline = performance.now() + deadlineMs
  let seen = await restart(balancer, ref, signal)
  let generation = seen.generation
  for (;;) {
    const server = serverOf(seen, ref)
    const deciding = decider(seen, server)
    if (seen.generation !== generation) {
      // Reloaded: the drain is forgotten, and with it what the check had seen.
      seen = await restart(balancer, ref, signal)
      generation = seen.generation
      continue
    }
    if (!isIn(server.mask, 'drain'))
      throw new RollgateError(
        'E_BALANCER_CONFLICT',
        `somebody else set ${ref.backend}/${ref.server} on ${ref.balancer} to ${server.status}`,
      )
    // Without a check there is nothing to wait for: our own health check has to do, and health says `unchecked`.
    if (!deciding.hasCheck || isVerified(deciding)) return stateIn(seen, server, balancer.id)
    if (performance.now() >= deadline) throw notUp(ref, deciding, deadlineMs)
    await pause(POLL_MS, signal)
    seen = (await look(balancer.api, balancer.previous, signal)).look
  }
}

/** Through maintenance, so that whatever an earlier check had seen of the old process does not count. */
async function restart(balancer: Balancer, ref: ServerRef, signal: AbortSignal): Promise<Look> {
  const { look: before } = await look(balancer.api, balancer.previous, signal)
  const deciding = decider(before, serverOf(before, ref))
  const seen = await set(balancer, ref, [stateCommand(deciding, 'maintenance'), stateCommand(deciding, 'drain')], signal)
  const now = decider(seen, serverOf(seen, ref))
  // With `fall 1` a server that leaves maintenance has full health at once; one that was put down has to earn it.
  if (!now.hasCheck || now.fall !== 1) return seen
  return set(balancer, ref, [`set server ${pathOf(now)} health down`], signal)
}

function notUp(ref: ServerRef, server: Server, deadlineMs: number): RollgateError {
  const said = server.check === '' ? '' : `, its last check said ${server.check}`
  return new RollgateError(
    'E_NOT_UP',
    `${ref.backend}/${ref.server} on ${ref.balancer} passed no check within ${deadlineMs / 1000} s: it is ${server.status}${said}`,
    { now: 'it is kept out of rotation', hints: ["look at the balancer's own health check of this server: path, port, expected status"] },
  )
}
