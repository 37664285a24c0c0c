// drain and enable by hand: the same driver and the same rules as in a rollout, read back.

import type { ServerState } from '../domain/balancer.ts'
import type { HandDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import { bringBack } from '../execute/bring-back.ts'
import { snapshot } from '../execute/rotation.ts'
import { takeOut } from '../execute/take-out.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { look } from './rollout.ts'
import { createTelling } from './telling.ts'

export async function drain(options: { readonly host: string }, context: AppContext): Promise<HandDocument> {
  return byHand('drain', options.host, context)
}

export async function enable(options: { readonly host: string }, context: AppContext): Promise<HandDocument> {
  return byHand('enable', options.host, context)
}

async function byHand(command: 'drain' | 'enable', name: string, context: AppContext): Promise<HandDocument> {
  const { emit } = createTelling(command, context.renderers, () => new Date())
  const session = await openSession(context, { emit, hosts: [name] })
  try {
    const facts = await look(context, session, emit)
    const problem = facts.rotationErrors[name] ?? facts.balancers.find((balancer) => balancer.error !== null)?.error
    if (problem != null) throw new RollgateError(problem.code, problem.message, { host: name, hints: problem.hints ?? [] })
    const settings = session.hostSettings(name, facts)
    if (settings.servers.length === 0)
      throw new RollgateError('E_BALANCER_SERVER', `${name} is behind no balancer: there is nothing to ${command}`, { host: name })
    const { clock } = session
    const { signal } = context
    const waiting = (detail: string): void => emit({ type: 'step.waiting', step: `${name}/${command}`, host: name, detail })
    const before = await snapshot(settings.servers, signal)
    if (command === 'drain') {
      const port = session.port(name)
      await takeOut({
        host: name,
        servers: settings.servers,
        before,
        drain: settings.drain,
        clock,
        signal,
        appConnections: () => port.appConnections(settings.health, signal),
        waiting,
      })
    } else {
      const wanted = before.map((state): ServerState => ({ ...state, admin: state.admin === 'other' ? 'other' : 'ready' }))
      await bringBack({ host: name, servers: settings.servers, before: wanted, clock, deadlineMs: 60_000, signal, waiting })
    }
    const after = await snapshot(settings.servers, signal)
    const changed = after.some((state, index) => state.admin !== before[index]?.admin)
    return {
      version: 1,
      command,
      exitCode: 0,
      outcome: 'ok',
      host: name,
      changed,
      balancer: after.map((state) => ({
        balancer: state.ref.balancer,
        backend: state.ref.backend,
        server: state.ref.server,
        state: state.admin,
        health: state.health,
        inFlight: state.inFlight,
      })),
    }
  } finally {
    await session.close()
  }
}
