// What is on the hosts: their state now, the releases installed there, and the rollouts they remember.
import type { HistoryDocument, ReleasesDocument, StatusDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { nextLines } from './text-rollout.ts'
import { bytes, duration, number, oneLine, when } from './words.ts'

type StatusHost = StatusDocument['hosts'][number]

export function statusText(document: StatusDocument, style: Style): readonly string[] {
  const lines = [
    ...table(
      [
        { title: 'host' },
        { title: 'zone' },
        { title: 'release' },
        { title: 'previous' },
        { title: 'phase' },
        { title: 'health' },
        { title: 'balancer' },
      ],
      document.hosts.flatMap((host) => statusRows(host, style)),
      style,
    ),
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

/** One row a server of the host; a host in several backends says the rest of it once. */
function statusRows(host: StatusHost, style: Style): readonly (readonly string[])[] {
  const servers = host.balancer.map((server) => serverWords(server, style))
  const health =
    host.error === undefined
      ? healthWords(host.health, style)
      : style.red(`✖ ${oneLine(host.error.message, 300)} (${oneLine(host.error.code, 40)})`)
  const own = [
    oneLine(host.name, 100),
    host.zone === undefined ? '' : oneLine(host.zone, 60),
    host.release === null ? (host.reachable ? 'none' : '?') : oneLine(host.release, 60),
    host.previous === null ? '' : oneLine(host.previous, 60),
    oneLine(host.phase, 40),
    health,
  ]
  const [first = '', ...rest] = servers
  return [[...own, first], ...rest.map((server) => [...own.map(() => ''), server])]
}

function healthWords(health: string, style: Style): string {
  const text = oneLine(health, 300)
  return health === 'healthy' || health === 'running' ? style.green(text) : style.yellow(`! ${text}`)
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
  const good = server.state === 'ready' && (server.health === 'up' || server.health === 'unchecked')
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
