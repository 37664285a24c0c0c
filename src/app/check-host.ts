// What check says of one host. Each item that is not ok names the command, the setting or the line that mends it.
import type { CheckItem } from '../domain/document.ts'
import type { Facts, ReachableHost } from '../domain/facts.ts'
import type { Host } from '../domain/host.ts'
import { sudoersLines } from '../drivers/service/systemd.ts'
import { isOurs } from '../plan/situation.ts'
import { quoteAll } from '../util/shell.ts'
import type { Session } from './session.ts'

const MIN_FREE_BYTES = 512 * 1024 * 1024
const MIN_FREE_INODES = 20_000
const SKEW_WARNING_MS = 5_000

/** What of a session the items are made from. */
export type Looked = Pick<Session, 'config' | 'settings'>

type Say = (id: string, level: CheckItem['level'], message: string, fix?: string) => CheckItem

export function hostItems(session: Looked, host: Host, facts: Facts): readonly CheckItem[] {
  const seen = facts.hosts.find((candidate) => candidate.host === host.name)
  if (seen === undefined) return []
  const say: Say = (id, level, message, fix) => ({ id, host: host.name, level, message, ...(fix === undefined ? {} : { fix }) })
  if (!seen.reachable) return [say('ssh', 'problem', seen.error.message, seen.error.hints?.[0] ?? `ssh ${host.name}   (try it by hand)`)]
  return [
    say('ssh', 'ok', `reached as ${seen.destination}, host key verified`),
    rootItem(session, seen, say),
    ...diskItems(session, seen, say),
    clockItem(seen, say),
    ...serviceItems(session, host, seen, say),
    healthItem(seen, say),
    toolItem(seen, say),
    ...memberItems(host, seen, facts, say),
  ]
}

function rootItem(session: Looked, seen: ReachableHost, say: Say): CheckItem {
  const { root } = session.config.release
  const { user } = seen.system
  const make = quoteAll(['sudo', 'install', '-d', '-o', user, '-g', user, root])
  switch (seen.root.kind) {
    case 'missing':
      return seen.root.parentWritable
        ? say('root', 'ok', `${root} will be made by the first deploy`)
        : say(
            'root',
            'problem',
            `${root} does not exist and ${user} may not make it`,
            `rollgate setup --hosts ${seen.host}, or there: ${make}`,
          )
    case 'usable':
      return seen.root.writable
        ? say('root', 'ok', `${root} is writable${seen.root.adopted ? ', its releases in Capistrano’s layout are kept' : ''}`)
        : say('root', 'problem', `${user} may not write ${root}`, `there: ${quoteAll(['sudo', 'chown', `${user}:`, root])}`)
    case 'current-is-folder':
      return say('root', 'problem', `${root}/current is a real folder, not a link`, `rollgate setup --adopt --hosts ${seen.host}`)
    case 'unusable':
      return say('root', 'problem', `${root} cannot be used: ${seen.root.detail}`, 'choose another folder for release.root')
    default:
      return seen.root satisfies never
  }
}

function diskItems(session: Looked, seen: ReachableHost, say: Say): readonly CheckItem[] {
  if (seen.disk === null) return []
  const { root } = session.config.release
  const { freeBytes, freeInodes } = seen.disk
  const megabytes = Math.round(freeBytes / 1024 / 1024)
  const fix = `make room there, or lower release.keep (${session.config.release.keep})`
  return [
    freeBytes < MIN_FREE_BYTES
      ? say('disk', 'warning', `${megabytes} MiB free under ${root}`, fix)
      : say('disk', 'ok', `${megabytes} MiB free`),
    ...(freeInodes !== null && freeInodes < MIN_FREE_INODES
      ? [say('inodes', 'warning', `${freeInodes} inodes free under ${root}`, fix)]
      : []),
  ]
}

function clockItem(seen: ReachableHost, say: Say): CheckItem {
  const skew = Math.abs(seen.clockSkewMs)
  if (skew <= SKEW_WARNING_MS) return say('clock', 'ok', 'clock agrees')
  const how = `${Math.round(skew / 1000)} s ${seen.clockSkewMs > 0 ? 'ahead' : 'behind'}`
  return say(
    'clock',
    'warning',
    `its clock is ${how}: no decision rests on it, but times in logs will confuse you`,
    'there: sudo timedatectl set-ntp true',
  )
}

function serviceItems(session: Looked, host: Host, seen: ReachableHost, say: Say): readonly CheckItem[] {
  const { service } = session.settings(host)
  const items: CheckItem[] = []
  if (service.kind === 'systemd' && !seen.tools.systemctl)
    items.push(say('systemd', 'problem', 'there is no systemctl', 'service: { kind: command, start: …, stop: …, status: … }'))
  if (service.kind === 'systemd' && service.scope === 'system' && seen.tools.systemctl) items.push(sudoItem(service.units, seen, say))
  for (const status of seen.services) {
    if (status.state === 'active') items.push(say('service', 'ok', `${status.unit} is running`))
    else if (status.state === 'unknown')
      items.push(
        say(
          'service',
          'problem',
          `${status.unit}: ${status.detail}`,
          `rollgate setup --hosts ${host.name}   (installs the unit from the template)`,
        ),
      )
    else if (seen.current === null) items.push(say('service', 'ok', `${status.unit} is ${status.state}, as before a first deploy`))
    else
      items.push(
        say('service', 'warning', `${status.unit} is ${status.state}`, `rollgate logs --hosts ${host.name}   (why), then rollgate restart`),
      )
  }
  return items
}

const SUDO: Readonly<Record<'password' | 'denied' | 'missing', string>> = {
  password: 'sudo asks for a password',
  denied: 'sudo does not allow it',
  missing: 'there is no sudo',
}

function sudoItem(units: readonly string[], seen: ReachableHost, say: Say): CheckItem {
  const { sudo, system } = seen
  if (sudo === 'unneeded') return say('sudo', 'ok', 'root: no sudo needed')
  if (sudo === 'ok') return say('sudo', 'ok', `may start, stop and restart ${units.join(', ')}`)
  const message = `${system.user} may not drive ${units.join(', ')}: ${SUDO[sudo]}`
  if (sudo === 'missing') return say('sudo', 'problem', message, 'install sudo there, or log in as root')
  // As one command, checked by visudo before it counts: a slip in sudoers can lock everybody out.
  const lines = quoteAll(['printf', '%s\\n', ...sudoersLines(system.user, units)])
  return say('sudo', 'problem', message, `there, as somebody who may: ${lines} | sudo EDITOR=tee visudo -f /etc/sudoers.d/rollgate`)
}

function healthItem(seen: ReachableHost, say: Say): CheckItem {
  const logs = `rollgate logs --hosts ${seen.host}`
  if (seen.current === null) return say('health', 'ok', 'no release yet: health was not asked')
  if (seen.health === null) return say('health', 'ok', 'health is the service itself')
  if (!seen.health.healthy) return say('health', 'warning', `the health check fails: ${seen.health.detail}`, logs)
  if (seen.health.release === null && isOurs(seen, seen.current)) return say('health', 'ok', 'the health check passes')
  if (seen.health.release === seen.current) return say('health', 'ok', `the health check passes, answered by ${seen.health.release}`)
  return say(
    'version',
    'warning',
    `the health check answers as ${seen.health.release ?? 'nothing'}, current is ${seen.current}`,
    'let the app answer with the variable ROLLGATE_RELEASE where health.version looks, or: rollgate restart',
  )
}

function toolItem(seen: ReachableHost, say: Say): CheckItem {
  const missing = [...(seen.tools.tar === 'missing' ? ['tar'] : []), ...(seen.tools.sha256sum ? [] : ['sha256sum'])]
  if (missing.length > 0) return say('tools', 'problem', `missing: ${missing.join(', ')}`, 'install the packages tar and coreutils there')
  return say('tools', 'ok', seen.tools.zstd ? 'tar, sha256sum, zstd' : 'tar, sha256sum (no zstd: uploads use gzip)')
}

function memberItems(host: Host, seen: ReachableHost, facts: Facts, say: Say): readonly CheckItem[] {
  const lost = facts.rotationErrors[host.name]
  const found = (facts.rotation[host.name] ?? []).map((server): CheckItem => {
    const name = `${server.ref.balancer} ${server.ref.backend}/${server.ref.server}`
    if (server.admin === 'other')
      return say(
        'balancer-member',
        'warning',
        `${name} is ${server.detail}, kept out by the balancer itself`,
        `look at server ${server.ref.server} in its configuration`,
      )
    if (server.admin !== 'ready')
      return say('balancer-member', 'warning', `${name} is ${server.detail}, out of rotation`, `rollgate enable ${host.name}`)
    // Before a first deploy nothing can answer the balancer's check.
    if (server.health === 'down' && seen.current !== null)
      return say(
        'balancer-member',
        'warning',
        `${name} is ${server.detail}`,
        `rollgate logs --hosts ${host.name}   (why it does not answer the balancer's check)`,
      )
    return say('balancer-member', 'ok', `${name} is ${server.detail}`)
  })
  if (lost === undefined) return found
  return [
    ...found,
    say('balancer-member', 'problem', lost.message, lost.hints?.[0] ?? `hosts.${host.name}.server: its name in the balancer`),
  ]
}
