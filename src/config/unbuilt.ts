// What the design of the file names and this version does not do yet. It is refused in one clear line and taken out of
// the tree, so that the rest is still checked. Building something here means deleting its line from the table.
import type { Report } from './problems.ts'
import { type Entry, type MapNode, type Node, withEntry } from './tree.ts'

type Unbuilt = {
  /** Without indices and without `roles.NAME`. */
  readonly key: string
  /** Only these values of it. */
  readonly values?: readonly string[]
  /** Take out what holds it too: the rest of it makes no sense alone. */
  readonly whole?: true
}

export const UNBUILT: readonly Unbuilt[] = [
  { key: 'notify' },
  { key: 'inventory' },
  { key: 'rollout.steps.weight', whole: true },
  { key: 'balancer.kind', values: ['nginx', 'caddy', 'http', 'command'], whole: true },
  { key: 'balancer.mode' },
  { key: 'balancer.readiness' },
  { key: 'balancer.commands' },
  { key: 'balancer.file' },
  { key: 'ssh.transport', values: ['openssh'] },
]

/** The tree without what is not built; each such place is reported. */
export function withoutUnbuilt(root: MapNode, report: Report): MapNode {
  const pruned = prune(root, '', report)
  return pruned?.kind === 'map' ? pruned : root
}

function prune(node: Node, path: string, report: Report): Node | null {
  if (node.kind === 'scalar') return node
  if (node.kind === 'list') return { ...node, items: node.items.flatMap((item) => prune(item, path, report) ?? []) }
  let result = node
  for (const [name, entry] of node.entries) {
    const own = (path === '' ? name : `${path}.${name}`).replace(/^roles\.[^.]+\.(?=balancer)/, '')
    const found = UNBUILT.find((unbuilt) => unbuilt.key === own && (unbuilt.values === undefined || isOneOf(entry.value, unbuilt.values)))
    if (found !== undefined) {
      say(found, name, entry, report)
      if (found.whole === true) return null
      result = withEntry(result, name, null)
      continue
    }
    const kept = prune(entry.value, own, report)
    result = withEntry(result, name, kept === null ? null : { at: entry.at, value: kept })
  }
  return result
}

function isOneOf(node: Node, values: readonly string[]): boolean {
  return node.kind === 'scalar' && typeof node.value === 'string' && values.includes(node.value)
}

function say(found: Unbuilt, name: string, entry: Entry, report: Report): void {
  const what = found.values === undefined || entry.value.kind !== 'scalar' ? name : `${name}: ${String(entry.value.value)}`
  const at = found.values === undefined ? entry.at : entry.value.at
  report(at, entry.value.key, `\`${what}\` is not built yet in this version of rollgate`)
}
