// The wizard's questions to the real machines: the answers so far become a draft config, and the same code that deploys
// looks through it. The draft lies in a private temporary folder for a moment only.
import { errorInfo } from '../domain/error.ts'
import { openDraft } from './compose.ts'
import type { AppContext } from './context.ts'
import { type InitAnswers, renderConfig } from './init-file.ts'
import { quietContext } from './quiet.ts'

export type Findings = { readonly lines: readonly string[]; readonly problems: number; readonly backends: readonly string[] }

type Sofar = Pick<InitAnswers, 'app' | 'hosts' | 'user' | 'sshConfig'> & Partial<InitAnswers>

function draft(sofar: Sofar): string {
  return renderConfig({
    artifact: 'dist',
    root: `/srv/${sofar.app}`,
    unit: sofar.app,
    scope: 'system',
    port: 8080,
    healthPath: '/',
    balancer: { kind: 'none' },
    ...sofar,
  })
}

/** Connects to each host; unknown host keys are shown and asked. */
export async function tryHosts(sofar: Sofar, context: AppContext): Promise<Findings> {
  const session = await openDraft(draft(sofar), quietContext(context))
  try {
    const lines: string[] = []
    let problems = 0
    for (const [name, connection] of await session.connectAll(session.chosen, context.signal)) {
      if (connection instanceof Error) {
        problems += 1
        lines.push(`  ✖ ${name}: ${connection.message}`)
      } else lines.push(`  ✔ ${name}: reached as ${connection.destination}`)
    }
    return { lines, problems, backends: [] }
  } finally {
    await session.close()
  }
}

/** Service, port and health path, as every host has them now. */
export async function tryService(sofar: Sofar, context: AppContext): Promise<Findings> {
  const session = await openDraft(draft(sofar), quietContext(context))
  try {
    const facts = await session.observe(context.signal)
    const lines: string[] = []
    let problems = 0
    for (const host of facts.hosts) {
      if (!host.reachable) continue
      for (const service of host.services) {
        const known = service.state !== 'unknown'
        if (!known) problems += 1
        lines.push(
          `  ${known ? '✔' : '✖'} ${host.host}: ${service.unit} ${known ? `is ${service.state}` : `is not installed (rollgate setup can do that): ${service.detail}`}`,
        )
      }
      const { health } = host
      if (health !== null)
        lines.push(`  ${health.healthy ? '✔' : '·'} ${host.host}: port ${sofar.port ?? 8080}${sofar.healthPath ?? '/'}: ${health.detail}`)
      if (host.root.kind === 'current-is-folder' || host.root.kind === 'unusable') {
        problems += 1
        lines.push(`  ✖ ${host.host}: ${sofar.root ?? ''} cannot be used as it is`)
      }
    }
    return { lines, problems, backends: [] }
  } finally {
    await session.close()
  }
}

/** The backends that HAProxy has, the ones with our hosts first, and which member is which host. */
export async function tryBalancer(sofar: Sofar, context: AppContext): Promise<Findings> {
  const session = await openDraft(draft(sofar), quietContext(context))
  try {
    const lines: string[] = []
    const backends = new Map<string, number>()
    let problems = 0
    for (const balancer of session.allBalancers) {
      try {
        for (const server of await balancer.list(context.signal)) {
          const { backend, address, port } = server.ref
          const ours = sofar.hosts.find((host) => host.address === address || host.name === server.ref.server)
          backends.set(backend, (backends.get(backend) ?? 0) + (ours === undefined ? 0 : 1))
          lines.push(
            `  ${ours === undefined ? '·' : '✔'} ${backend}/${server.ref.server} ${address ?? ''}${port === undefined ? '' : `:${port}`} ${server.detail}${ours === undefined ? '' : ` is ${ours.name}`}`,
          )
        }
      } catch (error) {
        problems += 1
        lines.push(`  ✖ ${balancer.id}: ${errorInfo(error).message}`)
      }
    }
    const names = [...backends].toSorted((a, b) => b[1] - a[1]).map(([name]) => name)
    return { lines, problems, backends: names }
  } finally {
    await session.close()
  }
}
