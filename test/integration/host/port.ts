// A HostPort on a shell of this machine: the scripts are the real ones, only the wire is left out.
import { join } from 'node:path'
import type { Hook } from '../../../src/domain/config.ts'
import type { HealthSettings } from '../../../src/domain/health.ts'
import { type Layout, layoutOf } from '../../../src/domain/layout.ts'
import type { HostPort, PhaseResult, RemoteStep } from '../../../src/domain/ports.ts'
import type { ServiceSettings } from '../../../src/domain/service.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { createHostPort } from '../../../src/drivers/host/host-port.ts'
import { createServiceManager } from '../../../src/drivers/service/registry.ts'
import { realClock } from '../../../src/load/pace.ts'
import { type ShellKind, shellConnection } from '../stage/harness.ts'
import { plant } from '../stage/world.ts'

export const OLD = 'r1-11111111'
export const NEW = 'r2-22222222'
export const NO_HEALTH: HealthSettings = {
  check: { kind: 'service' },
  version: { kind: 'process' },
  intervalMs: 10,
  healthyForMs: 0,
  deadlineMs: 1000,
}

export type PortOptions = {
  readonly service?: ServiceSettings
  readonly connect?: () => Connection
  readonly environment?: Readonly<Record<string, string>>
  readonly fence?: string
  readonly sudoPassword?: string
  readonly root?: string
}

export function hostOn(shell: ShellKind, scratch: string, options: PortOptions = {}): { readonly port: HostPort; readonly layout: Layout } {
  const layout = layoutOf(join(scratch, options.root ?? 'app'))
  const service = options.service ?? { kind: 'none' }
  const connection = shellConnection(shell, scratch, { environment: options.environment ?? {} })
  const port = createHostPort({
    host: connection.host,
    app: 'shop',
    layout,
    connect: async () => options.connect?.() ?? connection,
    manager: createServiceManager(service, layout),
    service,
    health: NO_HEALTH,
    clock: realClock,
    ...(options.fence === undefined ? {} : { fence: () => options.fence ?? '' }),
    sudoPassword: () => options.sudoPassword ?? null,
  })
  return { port, layout }
}

/** Two releases, complete with their records. */
export function withReleases(layout: Layout, ids: readonly string[] = [OLD, NEW]): void {
  for (const id of ids) {
    plant(layout.release(id), { 'server.js': id, '.rollgate.env': `COLOUR="of ${id}"\nROLLGATE_RELEASE="${id}"\n` })
    plant(join(layout.state, 'releases'), { [`${id}.json`]: '{}' })
  }
}

export function aHook(run: string, more: Partial<Hook> = {}): Hook {
  return { name: 'warm cache', run, on: 'host', timeoutMs: 30_000, once: false, irreversible: false, ...more }
}

export const hookStep = (run: string, more: Partial<Hook> = {}, id = 'web-1/hook:warm-cache'): RemoteStep => ({
  id,
  host: 'web-1',
  kind: 'hook',
  hook: aHook(run, more),
  release: NEW,
})
export const activate = (release: string): RemoteStep => ({ id: 'web-1/activate', host: 'web-1', kind: 'activate', release })
export const restart = (release = NEW): RemoteStep => ({ id: 'web-1/restart', host: 'web-1', kind: 'restart', release })

export type Played = PhaseResult & { readonly told: readonly string[]; readonly lines: readonly string[] }

export async function play(port: HostPort, steps: readonly RemoteStep[], signal = new AbortController().signal): Promise<Played> {
  const told: string[] = []
  const lines: string[] = []
  const result = await port.runPhase('ab12cd34', steps, {
    signal,
    onStep: (step, state) => told.push(`${step} ${state}`),
    onLine: (_step, line) => lines.push(line.text),
  })
  return { ...result, told, lines }
}
