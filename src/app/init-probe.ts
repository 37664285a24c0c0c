// The wizard's questions to the real machines: the answers so far become a draft config, and the same code that deploys
// looks through it. The draft is never written.
import { errorInfo } from '../domain/error.ts'
import { type Draft, openDraft } from './compose.ts'
import type { AppContext } from './context.ts'
import { type InitAnswers, type InitHost, renderConfig } from './init-file.ts'
import { quietContext } from './quiet.ts'
import type { Session } from './session.ts'

export type Findings = { readonly lines: readonly string[]; readonly problems: number }

export type Backend = {
  readonly name: string
  /** Our hosts in it, with the server name where only the name says that it is they. */
  readonly members: ReadonlyMap<string, { readonly server: string; readonly byName: boolean }>
}
export type BalancerFindings = Findings & { readonly backends: readonly Backend[] }

/** The answers so far; what is missing is what the wizard would suggest. */
export type Sofar = Pick<InitAnswers, 'app' | 'hosts'> & Partial<InitAnswers>

export type Probe = {
  hosts(sofar: Sofar): Promise<Findings>
  service(sofar: Sofar): Promise<Findings>
  balancer(sofar: Sofar): Promise<BalancerFindings>
}

/** @param file where the configuration will lie: relative paths start there */
export function createProbe(file: string, context: AppContext): Probe {
  async function through<T>(sofar: Sofar, look: (session: Session) => Promise<T>): Promise<T> {
    const draft: Draft = { file, text: renderConfig({ ...SUGGESTED, root: `/srv/${sofar.app}`, unit: sofar.app, ...sofar }) }
    const session = await openDraft(draft, quietContext(context))
    try {
      return await look(session)
    } finally {
      await session.close()
    }
  }
  return {
    hosts: (sofar) => through(sofar, (session) => reach(session, context.signal)),
    service: (sofar) => through(sofar, (session) => lookAtService(session, sofar, context.signal)),
    balancer: (sofar) => through(sofar, (session) => lookAtBalancer(session, sofar, context.signal)),
  }
}

const SUGGESTED = { artifact: 'dist', scope: 'system', port: 8080, healthPath: '/healthz', balancer: { kind: 'none' } } as const

/** Connects to each host; unknown host keys are shown and asked. */
async function reach(session: Session, signal: AbortSignal): Promise<Findings> {
  const lines: string[] = []
  let problems = 0
  for (const [name, connection] of await session.connectAll(session.chosen, signal)) {
    if (connection instanceof Error) {
      problems += 1
      lines.push(`  ✖ ${name}: ${connection.message}`, ...connection.hints.map((hint) => `      ${hint}`))
    } else lines.push(`  ✔ ${name}: reached as ${connection.destination}`)
  }
  return { lines, problems }
}

/** Service, port and health path, as every host has them now. Not running yet is no problem: a first deploy starts it. */
async function lookAtService(session: Session, sofar: Sofar, signal: AbortSignal): Promise<Findings> {
  const facts = await session.observe(signal)
  const lines: string[] = []
  let problems = 0
  for (const host of facts.hosts) {
    if (!host.reachable) continue
    for (const service of host.services) {
      const known = service.state !== 'unknown'
      if (!known) problems += 1
      const what = known ? `is ${service.state}` : `is not there yet (rollgate setup installs it): ${service.detail}`
      lines.push(`  ${known ? '✔' : '✖'} ${host.host}: ${service.unit} ${what}`)
    }
    const { health } = host
    if (health !== null) {
      const answered = health.release === null ? '' : `, answered by ${health.release}`
      lines.push(
        `  ${health.healthy ? '✔' : '·'} ${host.host}: port ${sofar.port ?? 8080}${sofar.healthPath ?? ''}: ${health.detail}${answered}`,
      )
    }
    if (host.root.kind === 'current-is-folder' || host.root.kind === 'unusable') {
      problems += 1
      const why =
        host.root.kind === 'unusable' ? host.root.detail : 'current is a real folder (rollgate setup --adopt makes a release of it)'
      lines.push(`  ✖ ${host.host}: ${session.config.release.root}: ${why}`)
    }
  }
  return { lines, problems }
}

/** The backends that HAProxy has, the ones with most of our hosts first, and which server is which host. */
async function lookAtBalancer(session: Session, sofar: Sofar, signal: AbortSignal): Promise<BalancerFindings> {
  const lines: string[] = []
  const backends = new Map<string, Map<string, { server: string; byName: boolean }>>()
  let problems = 0
  for (const balancer of session.allBalancers) {
    try {
      for (const { ref, detail } of await balancer.list(signal)) {
        const byAddress = sofar.hosts.find((host) => isAt(host, ref, sofar.port))
        const host = byAddress ?? sofar.hosts.find((candidate) => candidate.name === ref.server)
        const members = backends.get(ref.backend) ?? new Map<string, { server: string; byName: boolean }>()
        backends.set(ref.backend, members)
        if (host !== undefined) members.set(host.name, { server: ref.server, byName: byAddress === undefined })
        const where = `${ref.address ?? ''}${ref.port === undefined ? '' : `:${ref.port}`}`
        const sign = host === undefined ? '·' : '✔'
        const whose = host === undefined ? 'is none of the hosts' : `is ${host.name}`
        lines.push(`  ${sign} ${ref.backend}/${ref.server} ${where} ${whose}: ${detail}`)
      }
    } catch (error) {
      const info = errorInfo(error)
      if (info.code === 'E_BUG' || info.code === 'E_CANCELLED') throw error
      problems += 1
      lines.push(`  ✖ ${balancer.id}: ${info.message}`, ...(info.hints ?? []).map((hint) => `      ${hint}`))
    }
  }
  const found = [...backends].map(([name, members]): Backend => ({ name, members }))
  return { lines, problems, backends: found.toSorted((a, b) => b.members.size - a.members.size) }
}

/** Loopback is every host's own: an address there says nothing. */
function isAt(host: InitHost, ref: { readonly address?: string; readonly port?: number }, port: number | undefined): boolean {
  if (ref.address === undefined || ref.address.startsWith('127.') || ref.address === '::1') return false
  return host.address === ref.address && (port === undefined || ref.port === undefined || ref.port === port)
}
