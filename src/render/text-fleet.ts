// What is on the hosts: their state now, the releases installed there, and the rollouts they remember.
import type { HistoryDocument, ReleasesDocument, StatusDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { nextLines } from './text-rollout.ts'
import { bytes, duration, number, oneLine, when } from './words.ts'

type StatusHost = StatusDocument['hosts'][number]

/** Fits a usual terminal; each server of each balancer is there with --verbose, or where one is not as it should be. */
export function statusText(document: StatusDocument, style: Style, verbose: boolean): readonly string[] {
  const titles = ['host', 'zone', 'release', 'previous', 'phase', 'health', 'balancer']
  const lines = [
    ...table(
      titles.map((title) => ({ title })),
      document.hosts.map((host) => statusRow(host, style)),
      style,
    ),
    ...document.hosts.flatMap((host) => details(host, style, verbose)),
  ]
  if (document.lock !== null) {
    const { holder, rollout, since, heartbeatAgeMs } = document.lock
    lines.push(
      '',
      `${style.yellow('!')} locked by ${oneLine(holder, 200)} for rollout ${oneLine(rollout, 40)} since ${when(since)}, last heartbeat ${duration(heartbeatAgeMs)} ago`,
    )
  }
  if (document.unfinished !== null) {
    const { rollout, phase, next } = document.unfinished
    lines.push(
      '',
      `${style.yellow('!')} rollout ${oneLine(rollout, 40)} is not finished: ${oneLine(phase, 200)}`,
      ...nextLines(next, style),
    )
  }
  if (document.drift.length > 0) {
    lines.push('')
    for (const drift of document.drift) lines.push(`${style.yellow('!')} ${oneLine(drift.message)}  ${style.dim(oneLine(drift.kind, 60))}`)
  }
  return lines
}

function statusRow(host: StatusHost, style: Style): readonly string[] {
  return [
    oneLine(host.name, 100),
    host.zone === undefined ? '' : oneLine(host.zone, 60),
    host.release === null ? (host.reachable ? 'none' : '?') : oneLine(host.release, 60),
    host.previous === null ? '' : oneLine(host.previous, 60),
    oneLine(host.phase, 40),
    host.error === undefined ? healthWords(host.health, style) : style.red('✖ unreachable'),
    balancerWords(host.balancer, style),
  ]
}

function healthWords(health: string, style: Style): string {
  if (health === 'healthy' || health === 'running') return style.green(health)
  return style.yellow(`! ${oneLine(health, 40)}`)
}

/** All servers of a host in a word where they agree, else how many do not serve. */
function balancerWords(servers: StatusHost['balancer'], style: Style): string {
  const [first] = servers
  if (first === undefined) return ''
  const bad = servers.filter((server) => !serves(server))
  const inFlight = servers.reduce((sum, server) => sum + (server.inFlight ?? 0), 0)
  const busy = inFlight > 0 ? `, ${number(inFlight)} in flight` : ''
  const same = servers.every((server) => server.state === first.state && server.health === first.health)
  const words = same ? `${oneLine(first.state, 40)}, ${oneLine(first.health, 40)}` : `${bad.length} of ${servers.length} not serving`
  return bad.length === 0 ? style.green(`${words}${busy}`) : style.yellow(`! ${words}${busy}`)
}

const serves = (server: Pick<Server, 'state' | 'health'>): boolean =>
  server.state === 'ready' && (server.health === 'up' || server.health === 'unchecked')

function details(host: StatusHost, style: Style, verbose: boolean): readonly string[] {
  const name = oneLine(host.name, 100)
  const isLong = host.health.length > 40
  return [
    ...(host.error === undefined ? [] : [`  ${style.red(`✖ ${said(name, host.error.message)} (${oneLine(host.error.code, 40)})`)}`]),
    ...(isLong && host.error === undefined ? [`  ${style.yellow(`! ${name}: ${oneLine(host.health)}`)}`] : []),
    ...host.balancer.filter((server) => verbose || !serves(server)).map((server) => `  ${name}: ${serverWords(server, style)}`),
  ]
}

/** Most messages name their host already. */
function said(name: string, message: string): string {
  const text = oneLine(message)
  return text.includes(name) ? text : `${name}: ${text}`
}

type Server = {
  readonly balancer: string
  readonly backend: string
  readonly server: string
  readonly state: string
  readonly health: string
  readonly weight?: number | null
  readonly inFlight: number | null
}

/** `shop/web-1 ready, up, weight 1, 12 in flight   haproxy:lb-1`. */
export function serverWords(server: Server, style: Style): string {
  const good = serves(server)
  const parts = [
    `${good ? '' : '! '}${oneLine(server.state, 40)}`,
    oneLine(server.health, 40),
    ...(server.weight === null || server.weight === undefined ? [] : [`weight ${server.weight}`]),
    ...(server.inFlight === null ? [] : [`${number(server.inFlight)} in flight`]),
  ].join(', ')
  const where = `${oneLine(server.backend, 100)}/${oneLine(server.server, 100)}`
  return `${where} ${good ? style.green(parts) : style.yellow(parts)} ${style.dim(oneLine(server.balancer, 100))}`
}

export function releasesText(document: ReleasesDocument, style: Style): readonly string[] {
  const columns = [
    { title: '' },
    { title: 'release' },
    { title: 'installed' },
    { title: 'outcome' },
    { title: 'size', align: 'right' as const },
    { title: 'commit' },
    { title: 'by' },
  ]
  return document.hosts.flatMap((host, index) => {
    const head = [...(index === 0 ? [] : ['']), style.bold(oneLine(host.name, 100))]
    if (host.error !== undefined) return [...head, `  ${style.red(`✖ ${oneLine(host.error.message)} (${oneLine(host.error.code, 40)})`)}`]
    if (host.releases.length === 0) return [...head, '  no releases']
    const rows = host.releases.map((release) => [
      release.id === host.current ? style.green('→') : ' ',
      release.id === host.current ? style.bold(oneLine(release.id, 60)) : oneLine(release.id, 60),
      release.installedAt === '' ? '' : when(release.installedAt),
      release.id === host.current ? `${oneLine(release.outcome, 40)}, current` : oneLine(release.outcome, 40),
      release.bytes === 0 ? '' : bytes(release.bytes),
      release.commit === undefined ? '' : oneLine(release.commit, 40),
      release.by === undefined ? '' : oneLine(release.by, 100),
    ])
    return [...head, ...table(columns, rows, style)]
  })
}

export function historyText(document: HistoryDocument, style: Style): readonly string[] {
  if (document.rollouts.length === 0) return document.outcome === 'ok' ? ['no rollouts yet'] : []
  const rows = document.rollouts.map((rollout) => [
    oneLine(rollout.rollout, 40),
    when(rollout.at),
    oneLine(rollout.by, 100),
    oneLine(rollout.intent, 40),
    rollout.release === null ? '' : oneLine(rollout.release, 60),
    outcomeCell(rollout.outcome, style),
    rollout.durationMs === 0 ? '' : duration(rollout.durationMs),
  ])
  return table(
    [
      { title: 'rollout' },
      { title: 'at' },
      { title: 'by' },
      { title: 'intent' },
      { title: 'release' },
      { title: 'outcome' },
      { title: 'took', align: 'right' },
    ],
    rows,
    style,
    0,
  )
}

function outcomeCell(outcome: string, style: Style): string {
  const text = oneLine(outcome, 40)
  return outcome === 'succeeded' || outcome === 'unchanged' ? style.green(text) : style.yellow(text)
}
