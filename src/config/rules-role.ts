// The rules of what the hosts of a role do: which keys of service, health and balancer go together. Used for the top
// level and for each role, already merged.
import type { Report } from './problems.ts'
import { nearest, showText } from './text.ts'
import { itemsOf, keyOf, type MapNode, type Node, namesIn, nodeAt, type Path, placeOf, textAt } from './tree.ts'
import { duration } from './values.ts'

export type RuleContext = { readonly root: Node; readonly report: Report }

const SERVICE_KEYS: Readonly<Record<string, { readonly needs: readonly string[]; readonly takes: readonly string[] }>> = {
  systemd: { needs: ['unit'], takes: ['scope', 'exec'] },
  command: { needs: ['start', 'stop'], takes: ['restart', 'status', 'logs'] },
  none: { needs: [], takes: [] },
}
const BALANCER_KEYS = ['hosts', 'backend', 'socket', 'drain']

/** `place`: `[]` or `['roles', NAME]`. */
export function checkRole(context: RuleContext, place: Path): void {
  service(context, [...place, 'service'])
  health(context, place)
  const path = [...place, 'balancer']
  const node = nodeAt(context.root, path)
  if (node?.kind === 'map') balancer(context, path, node)
  if (node?.kind !== 'list') return
  const reached = new Set<string>()
  node.items.forEach((item, index) => {
    if (item.kind === 'map') balancer(context, [...path, index], item, reached)
  })
}

function kindAt({ root }: RuleContext, path: Path, usual: string): string {
  const node = nodeAt(root, [...path, 'kind'])
  return node === undefined ? usual : node.kind === 'scalar' ? String(node.value) : ''
}

function service(context: RuleContext, path: Path): void {
  const { root, report } = context
  const node = nodeAt(root, path)
  if (node?.kind !== 'map') return
  const kind = kindAt(context, path, 'systemd')
  const keys = Object.hasOwn(SERVICE_KEYS, kind) ? SERVICE_KEYS[kind] : undefined
  if (keys === undefined) return
  const known = Object.values(SERVICE_KEYS).flatMap(({ needs, takes }) => [...needs, ...takes])
  for (const [name, entry] of node.entries) {
    if (!known.includes(name) || keys.needs.includes(name) || keys.takes.includes(name)) continue
    const owner = Object.keys(SERVICE_KEYS).find(
      (one) => SERVICE_KEYS[one]?.needs.includes(name) || SERVICE_KEYS[one]?.takes.includes(name),
    )
    report(entry.at, entry.value.key, `belongs to \`kind: ${owner}\`, and this service is \`kind: ${kind}\``)
  }
  for (const name of keys.needs) {
    if (
      node.entries.has(name) ||
      [...node.entries.keys()].some((key) => !known.includes(key) && key !== 'kind' && nearest(key, [name]) !== null)
    )
      continue
    const hint = kind === 'systemd' ? ': name the systemd unit, or write `kind: none` where nothing is to be started' : ''
    report(placeOf(root, path), keyOf(root, [...path, name]), `is missing${hint}`)
  }
}

function health(context: RuleContext, place: Path): void {
  const { root, report } = context
  const path = [...place, 'health']
  exactlyOne(context, path, ['http', 'tcp', 'command'], { optional: true })
  exactlyOne(context, [...path, 'version'], ['header', 'json', 'command'])
  const has = (...more: string[]): boolean => nodeAt(root, [...path, ...more]) !== undefined
  for (const part of ['header', 'json']) {
    const proof = nodeAt(root, [...path, 'version', part])
    if (proof !== undefined && !has('http')) {
      report(placeOf(root, [...path, 'version', part]), proof.key, 'reads the answer of `health.http`, which is not there')
    }
  }
  const deadlineMs = msAt(context, [...path, 'deadline']) ?? 300_000
  const healthyFor = nodeAt(root, [...path, 'healthy_for']) ?? nodeAt(root, [...path, 'deadline'])
  if (healthyFor !== undefined && (msAt(context, [...path, 'healthy_for']) ?? 10_000) >= deadlineMs) {
    report(healthyFor.at, healthyFor.key, 'healthy_for must be shorter than deadline, else no host can ever pass')
  }
  const kind = kindAt(context, [...place, 'service'], 'systemd')
  const blind = kind === 'none' || (kind === 'command' && nodeAt(root, [...place, 'service', 'status']) === undefined)
  if (blind && nodeAt(root, [...place, 'service'])?.kind === 'map' && !has('http') && !has('tcp') && !has('command')) {
    const what = kind === 'none' ? '`service.kind: none`' : 'a command service without `status`'
    report(placeOf(root, path), keyOf(root, path), `needs one of http, tcp, command: ${what} cannot say whether the app runs`)
  }
}

function msAt({ root }: RuleContext, path: Path): number | null {
  const node = nodeAt(root, path)
  const parsed = node?.kind === 'scalar' ? duration('0s').parse(node.value) : null
  return parsed !== null && 'value' in parsed ? parsed.value : null
}

function balancer(context: RuleContext, path: Path, node: MapNode, reached = new Set<string>()): void {
  const { root, report } = context
  const kind = kindAt(context, path, 'none')
  if (kind === 'none') {
    for (const name of BALANCER_KEYS) {
      const entry = node.entries.get(name)
      if (entry !== undefined) report(entry.at, entry.value.key, 'needs a kind that has it: write `kind: haproxy` beside it')
    }
    return
  }
  if (kind !== 'haproxy') return
  const inventory = namesIn(root, ['hosts'])
  const hosts = nodeAt(root, [...path, 'hosts'])
  if (hosts === undefined) report(placeOf(root, path), keyOf(root, [...path, 'hosts']), 'is missing: name the hosts that run the balancer')
  else if (hosts.kind === 'list' && hosts.items.length === 0) report(hosts.at, hosts.key, 'is empty: name the hosts that run the balancer')
  itemsOf(root, [...path, 'hosts']).forEach((item, index) => {
    const name = textAt(root, [...path, 'hosts', index])
    if (name === undefined) return
    const id = `${name} ${textAt(root, [...path, 'socket']) ?? ''} ${textAt(root, [...path, 'backend']) ?? ''}`
    if (!inventory.includes(name)) report(item.at, item.key, `${showText(name)} is not under \`hosts\``, nearest(name, inventory))
    else if (reached.has(id)) report(item.at, item.key, `${showText(name)} stands here twice`)
    reached.add(id)
  })
}

/** One of these keys, and only one; `optional`: or none. */
export function exactlyOne(context: RuleContext, path: Path, keys: readonly string[], options: { readonly optional?: boolean } = {}): void {
  const { root, report } = context
  const node = nodeAt(root, path)
  if (node?.kind !== 'map') return
  const given = keys.filter((key) => node.entries.has(key))
  if (given.length > 1) {
    const second = [...path, given[1] ?? '']
    report(placeOf(root, second), keyOf(root, second), `stands beside \`${given[0]}\`: only one of ${keys.join(', ')}`)
  } else if (given.length === 0 && options.optional !== true && ![...node.entries.keys()].some((key) => nearest(key, keys) !== null)) {
    // A misspelt one is said by the schema already.
    report(placeOf(root, path), node.key, `needs one of ${keys.join(', ')}`)
  }
}
