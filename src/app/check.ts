// check: a read-only preflight of everything a deploy rests on; each line ok, warning or problem with its fix.
import type { CheckDocument, CheckItem } from '../domain/document.ts'
import type { Facts, ReachableHost } from '../domain/facts.ts'
import type { Host } from '../domain/host.ts'
import { isOurs } from '../plan/situation.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { look, type Selection } from './rollout.ts'
import type { Session } from './session.ts'
import { createTelling } from './telling.ts'

const MIN_FREE_BYTES = 512 * 1024 * 1024
const MIN_FREE_INODES = 20_000
const SKEW_WARNING_MS = 5_000

export async function check(options: Selection, context: AppContext): Promise<CheckDocument> {
  const { emit } = createTelling('check', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const facts = await look(context, session, emit)
    const items: CheckItem[] = []
    for (const host of session.chosen) items.push(...hostItems(session, host, facts))
    for (const balancer of session.allBalancers) {
      try {
        for (const finding of await balancer.preflight(context.signal))
          items.push({
            id: `balancer-${finding.id}`,
            level: finding.level,
            message: `${balancer.id}: ${finding.message}`,
            ...(finding.fix === undefined ? {} : { fix: finding.fix }),
          })
      } catch (error) {
        items.push({
          id: 'balancer',
          level: 'problem',
          message: `${balancer.id}: ${error instanceof Error ? error.message : String(error)}`,
        })
      }
    }
    items.push(...memberItems(session, facts))
    return checkDocument(items, facts, session)
  } finally {
    await session.close()
  }
}

function checkDocument(items: readonly CheckItem[], facts: Facts, session: Session): CheckDocument {
  const unreachable = facts.hosts.some((host) => !host.reachable && session.chosen.some((chosen) => chosen.name === host.host))
  const problems = items.filter((item) => item.level === 'problem')
  const exitCode = unreachable ? 4 : problems.length > 0 ? 3 : 0
  return {
    version: 1,
    command: 'check',
    exitCode,
    outcome: exitCode === 0 ? 'ok' : 'failed',
    ...(exitCode === 0
      ? {}
      : {
          error: {
            code: unreachable ? ('E_UNREACHABLE' as const) : ('E_REFUSED' as const),
            message: `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} found`,
            hints: [],
          },
        }),
    items,
  }
}

function hostItems(session: Session, host: Host, facts: Facts): readonly CheckItem[] {
  const seen = facts.hosts.find((candidate) => candidate.host === host.name)
  if (seen === undefined) return []
  const say = (id: string, level: CheckItem['level'], message: string, fix?: string): CheckItem => ({
    id,
    host: host.name,
    level,
    message,
    ...(fix === undefined ? {} : { fix }),
  })
  if (!seen.reachable) return [say('ssh', 'problem', seen.error.message, seen.error.hints?.[0])]
  const items = [
    say('ssh', 'ok', `reached as ${seen.destination}, host key verified`),
    ...rootItems(session, seen, say),
    ...serviceItems(session, host, seen, say),
    ...healthItems(seen, say),
    ...toolItems(seen, say),
  ]
  const lost = facts.rotationErrors[host.name]
  if (lost !== undefined) items.push(say('balancer-member', 'problem', lost.message, lost.hints?.[0]))
  for (const server of facts.rotation[host.name] ?? []) {
    const name = `${server.ref.balancer} ${server.ref.backend}/${server.ref.server}`
    if (server.admin === 'ready')
      items.push(
        say('balancer-member', server.health === 'down' && seen.current !== null ? 'warning' : 'ok', `${name} is ${server.detail}`),
      )
    else items.push(say('balancer-member', 'warning', `${name} is ${server.detail}, out of rotation`, `rollgate enable ${host.name}`))
  }
  return items
}

type Say = (id: string, level: CheckItem['level'], message: string, fix?: string) => CheckItem

function rootItems(session: Session, seen: ReachableHost, say: Say): readonly CheckItem[] {
  const root = session.config.release.root
  const items: CheckItem[] = []
  const make = `sudo install -d -o ${seen.system.user} -g ${seen.system.user} ${root}`
  switch (seen.root.kind) {
    case 'missing':
      items.push(
        seen.root.parentWritable
          ? say('root', 'ok', `${root} will be made by the first deploy`)
          : say('root', 'problem', `${root} does not exist and ${seen.system.user} may not make it`, make),
      )
      break
    case 'usable':
      items.push(
        seen.root.writable
          ? say('root', 'ok', `${root} is writable${seen.root.adopted ? ', its releases in Capistrano’s layout are kept' : ''}`)
          : say('root', 'problem', `${seen.system.user} may not write ${root}`, make),
      )
      break
    case 'current-is-folder':
      items.push(say('root', 'problem', `${root}/current is a real folder, not a link`, `rollgate setup --adopt --hosts ${seen.host}`))
      break
    case 'unusable':
      items.push(say('root', 'problem', `${root} cannot be used: ${seen.root.detail}`))
      break
    default:
      seen.root satisfies never
  }
  if (seen.disk !== null) {
    const { freeBytes, freeInodes } = seen.disk
    const megabytes = Math.round(freeBytes / 1024 / 1024)
    items.push(
      freeBytes < MIN_FREE_BYTES
        ? say('disk', 'warning', `${megabytes} MiB free under ${root}`, 'lower release.keep, or make room')
        : say('disk', 'ok', `${megabytes} MiB free`),
    )
    if (freeInodes !== null && freeInodes < MIN_FREE_INODES)
      items.push(say('inodes', 'warning', `${freeInodes} inodes free under ${root}`, 'lower release.keep, or make room'))
  }
  const skew = Math.abs(seen.clockSkewMs)
  items.push(
    skew > SKEW_WARNING_MS
      ? say(
          'clock',
          'warning',
          `its clock is ${Math.round(skew / 1000)} s ${seen.clockSkewMs > 0 ? 'ahead' : 'behind'}: no decision rests on it, but log times will confuse you`,
          'enable NTP',
        )
      : say('clock', 'ok', 'clock agrees'),
  )
  return items
}

function serviceItems(session: Session, host: Host, seen: ReachableHost, say: Say): readonly CheckItem[] {
  const { service } = session.settings(host)
  const items: CheckItem[] = []
  if (service.kind === 'systemd') {
    if (!seen.tools.systemctl) items.push(say('systemd', 'problem', 'there is no systemctl', 'service.kind: command'))
    if (service.scope === 'system' && seen.sudo !== 'ok' && seen.sudo !== 'unneeded') {
      const lines = service.units.map(
        (unit) =>
          `${seen.system.user} ALL=(root) NOPASSWD: ${['start', 'stop', 'restart', 'reload'].map((verb) => `/usr/bin/systemctl ${verb} ${unit}`).join(', ')}`,
      )
      const why =
        seen.sudo === 'password' ? 'sudo asks for a password' : seen.sudo === 'missing' ? 'there is no sudo' : 'sudo does not allow it'
      items.push(
        say(
          'sudo',
          'problem',
          `${seen.system.user} may not drive ${service.units.join(', ')}: ${why}`,
          `visudo -f /etc/sudoers.d/rollgate, with: ${lines.join(' ; ')}`,
        ),
      )
    } else if (service.scope === 'system')
      items.push(say('sudo', 'ok', seen.sudo === 'unneeded' ? 'root: no sudo needed' : 'may start, stop and restart the unit'))
  }
  for (const status of seen.services) {
    if (status.state === 'active') items.push(say('service', 'ok', `${status.unit} is running`))
    else if (status.state === 'unknown')
      items.push(say('service', 'problem', `${status.unit}: ${status.detail}`, 'rollgate setup   (installs the unit from the template)'))
    else
      items.push(
        say(
          'service',
          seen.current === null ? 'ok' : 'warning',
          `${status.unit} is ${status.state}${seen.current === null ? ', as before a first deploy' : ''}`,
        ),
      )
  }
  return items
}

function healthItems(seen: ReachableHost, say: Say): readonly CheckItem[] {
  if (seen.health === null || seen.current === null) return [say('health', 'ok', 'no release yet: health was not asked')]
  if (!seen.health.healthy) return [say('health', 'warning', `the health check fails: ${seen.health.detail}`)]
  if (seen.health.release === null && isOurs(seen, seen.current)) return [say('health', 'ok', 'the health check passes')]
  if (seen.health.release !== seen.current) {
    return [
      say(
        'version',
        'warning',
        `the health check answers as ${seen.health.release ?? 'nothing'}, current is ${seen.current}`,
        'answer with ROLLGATE_RELEASE where health.version says',
      ),
    ]
  }
  return [say('health', 'ok', `the health check passes, answered by ${seen.health.release}`)]
}

function toolItems(seen: ReachableHost, say: Say): readonly CheckItem[] {
  const missing = [...(seen.tools.tar === 'missing' ? ['tar'] : []), ...(seen.tools.sha256sum ? [] : ['sha256sum'])]
  if (missing.length > 0) return [say('tools', 'problem', `missing: ${missing.join(', ')}`, 'install tar and coreutils')]
  return [say('tools', 'ok', seen.tools.zstd ? 'tar, sha256sum, zstd' : 'tar, sha256sum (no zstd: uploads use gzip)')]
}

function memberItems(session: Session, facts: Facts): readonly CheckItem[] {
  const known = new Set(
    Object.values(facts.rotation).flatMap((servers) =>
      servers.map((server) => `${server.ref.balancer} ${server.ref.backend}/${server.ref.server}`),
    ),
  )
  const backends = new Set(
    Object.values(facts.rotation).flatMap((servers) => servers.map((server) => `${server.ref.balancer} ${server.ref.backend}`)),
  )
  const items: CheckItem[] = []
  for (const balancer of facts.balancers) {
    for (const server of balancer.servers) {
      const backend = `${server.ref.balancer} ${server.ref.backend}`
      if (session.only === null && backends.has(backend) && !known.has(`${backend}/${server.ref.server}`)) {
        items.push({
          id: 'balancer-unknown',
          level: 'warning',
          message: `${backend}/${server.ref.server} is in the balancer but is no host of the inventory: a deploy will not reach it`,
          fix: 'add it to hosts, or remove it from the balancer',
        })
      }
    }
  }
  return items
}
