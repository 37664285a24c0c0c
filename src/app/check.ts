// check: a read-only preflight of everything a deploy rests on; each line ok, warning or problem, and what is not ok comes
// with a fix that can be applied as it stands.
import { appHosts, roleOf } from '../domain/config.ts'
import type { CheckDocument, CheckItem } from '../domain/document.ts'
import { type ErrorInfo, errorInfo } from '../domain/error.ts'
import type { Facts } from '../domain/facts.ts'
import { checkWarnings } from '../plan/can-carry.ts'
import { gatesIn } from '../plan/gates.ts'
import { readCapacities } from './capacity-store.ts'
import { hostItems } from './check-host.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { planGates } from './gates/planning.ts'
import { resultsThere } from './gates/planning-results.ts'
import { look, type Selection } from './rollout.ts'
import type { Session } from './session.ts'
import { createTelling } from './telling.ts'

export async function check(options: Selection, context: AppContext): Promise<CheckDocument> {
  const { emit } = createTelling('check', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const facts = await look(context, session, emit)
    const balancers = await Promise.all(session.allBalancers.map((balancer) => balancerItems(balancer, context.signal)))
    const unreachable =
      facts.hosts.some((host) => !host.reachable && session.chosen.some((chosen) => chosen.name === host.host)) ||
      balancers.some((found) => found.unreachable)
    const items = [
      ...session.chosen.flatMap((host) => hostItems(session, host, facts)),
      ...balancers.flatMap((found) => found.items),
      ...memberItems(session, facts),
      ...(await carryItems(session, facts, context)),
      ...(await gateItems(session, context.signal)),
    ]
    return checkDocument(items, unreachable)
  } finally {
    await session.close()
  }
}

function checkDocument(items: readonly CheckItem[], unreachable: boolean): CheckDocument {
  const problems = items.filter((item) => item.level === 'problem').length
  const base = { version: 1, command: 'check', items } as const
  if (problems === 0) return { ...base, exitCode: 0, outcome: 'ok' }
  const error = { message: `${problems} ${problems === 1 ? 'problem' : 'problems'} found`, hints: ['each comes with its fix, above'] }
  return unreachable
    ? { ...base, exitCode: 4, outcome: 'failed', error: { code: 'E_UNREACHABLE', ...error } }
    : { ...base, exitCode: 3, outcome: 'failed', error: { code: 'E_REFUSED', ...error } }
}

/** Can they be decided in the time they are given? A gate that no step asks for refuses nothing, and is only warned of. */
async function gateItems({ config }: Session, signal: AbortSignal): Promise<readonly CheckItem[]> {
  const asked = new Set(gatesIn(config.rollout.steps))
  const names = Object.keys(config.gates)
  return planGates(config, names, await resultsThere(config, names, signal)).flatMap(
    ({ gate, problems, warnings }): readonly CheckItem[] => {
      const level = asked.has(gate) ? 'problem' : 'warning'
      const fix = `rollgate gate plan ${gate}   (what each clause needs)`
      const items = [
        ...problems.map((message): CheckItem => ({ id: 'gate', level, message: `gate ${gate}: ${message}`, fix })),
        ...warnings.map((message): CheckItem => ({ id: 'gate', level: 'warning', message: `gate ${gate}: ${message}` })),
      ]
      return items.length > 0 ? items : [{ id: 'gate', level: 'ok', message: `gate ${gate} can be decided in the time it is given` }]
    },
  )
}

type Balancer = Session['allBalancers'][number]

async function balancerItems(
  balancer: Balancer,
  signal: AbortSignal,
): Promise<{ readonly items: readonly CheckItem[]; readonly unreachable: boolean }> {
  try {
    const findings = await balancer.preflight(signal)
    const items = findings.map(
      ({ id, level, message, fix }): CheckItem => ({
        id: `balancer-${id}`,
        level,
        message: `${balancer.id}: ${message}`,
        ...(fix === undefined ? {} : { fix }),
      }),
    )
    return { items, unreachable: false }
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_BUG' || info.code === 'E_CANCELLED') throw error
    return {
      items: [{ id: 'balancer', level: 'problem', message: `${balancer.id}: ${info.message}`, ...fixOf(info) }],
      unreachable: info.exitCode === 4,
    }
  }
}

function fixOf(info: ErrorInfo): { readonly fix?: string } {
  const fix = info.hints?.[0]
  return fix === undefined ? {} : { fix }
}

/** Whether the others can carry what comes in now while a rollout takes hosts out, as far as they were measured. */
async function carryItems({ config }: Session, facts: Facts, context: AppContext): Promise<readonly CheckItem[]> {
  const groups = new Map<string | null, string[]>()
  for (const host of appHosts(config)) {
    const servers = facts.rotation[host.name] ?? []
    if (servers.length === 0 || servers.some(({ admin }) => admin !== 'ready')) continue
    const role = roleOf(config, host)
    groups.set(role, [...(groups.get(role) ?? []), host.name])
  }
  const known = await readCapacities(context.env, config)
  return checkWarnings([...groups.values()], config.rollout.atOnce, facts, known).map((message) => ({
    ...{ id: 'capacity', level: 'warning', message },
    fix: 'roll out when less comes in, or take fewer at once: rollout.at_once; measured anew: rollgate load --at HOST --find-capacity',
  }))
}

/** Members of our backends that no host of the inventory is: a deploy would not reach them. Told only where all hosts are looked at. */
function memberItems(session: Session, facts: Facts): readonly CheckItem[] {
  if (session.only !== null) return []
  const ours = Object.values(facts.rotation).flat()
  const known = new Set(ours.map(({ ref }) => `${ref.balancer} ${ref.backend}/${ref.server}`))
  const backends = new Set(ours.map(({ ref }) => `${ref.balancer} ${ref.backend}`))
  return facts.balancers
    .flatMap((balancer) => balancer.servers)
    .filter(({ ref }) => backends.has(`${ref.balancer} ${ref.backend}`) && !known.has(`${ref.balancer} ${ref.backend}/${ref.server}`))
    .map(({ ref }) => ({
      id: 'balancer-unknown',
      level: 'warning',
      message: `${ref.balancer} ${ref.backend}/${ref.server} is in the balancer but is no host of the inventory: a deploy will not reach it`,
      fix: `add to hosts: ${ref.server}: { address: ${ref.address ?? 'ADDRESS'} }, or take the server out of the balancer`,
    }))
}
