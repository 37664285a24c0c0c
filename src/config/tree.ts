// The file as a tree that remembers where everything stands. Merging, pruning and expanding happen here, so that a
// problem found at the end still points at the line somebody wrote. Names go into a Map: `__proto__` stays a word.

/** 1-based. */
export type Position = { readonly line: number; readonly column: number }

export type Scalar = {
  readonly kind: 'scalar'
  readonly at: Position
  /** Dotted key as it stands in the file: `hosts.web-1.port`, `rollout.steps[0].deploy`. */
  readonly key: string
  readonly value: string | number | boolean | null
  /** As written: `1.10` stays `1.10`. With variables: before they were filled in. */
  readonly source: string
  /** Not quoted: what a variable brings may be a number. */
  readonly plain: boolean
  /** The text with its variables filled in. Came from the environment: never shown. */
  readonly filled?: string
  /** Set where the text names secrets. */
  readonly parts?: readonly (string | { readonly secret: string })[]
}
export type Entry = { readonly at: Position; readonly value: Node }
export type MapNode = { readonly kind: 'map'; readonly at: Position; readonly key: string; readonly entries: ReadonlyMap<string, Entry> }
export type ListNode = { readonly kind: 'list'; readonly at: Position; readonly key: string; readonly items: readonly Node[] }
export type Node = Scalar | MapNode | ListNode

export type Path = readonly (string | number)[]

export function joinKey(parent: string, segment: string | number): string {
  if (typeof segment === 'number') return `${parent}[${segment}]`
  const word = /^[A-Za-z0-9_-]+$/.test(segment) ? segment : JSON.stringify(segment)
  return parent === '' ? word : `${parent}.${word}`
}

export function nodeAt(node: Node | undefined, path: Path): Node | undefined {
  let here = node
  for (const segment of path) {
    if (here?.kind === 'map') here = here.entries.get(String(segment))?.value
    else if (here?.kind === 'list' && typeof segment === 'number') here = here.items[segment]
    else return undefined
  }
  return here
}

/** What the tree says at a place, as text; undefined where there is none. */
export function textAt(node: Node | undefined, path: Path): string | undefined {
  const found = nodeAt(node, path)
  return found?.kind === 'scalar' && typeof found.value === 'string' ? found.value : undefined
}

export function withEntry(map: MapNode, name: string, entry: Entry | null): MapNode {
  const entries = new Map(map.entries)
  if (entry === null) entries.delete(name)
  else entries.set(name, entry)
  return { ...map, entries }
}

/** Rebuilds the tree: `change` may replace a scalar. */
export function mapScalars(node: Node, path: Path, change: (scalar: Scalar, path: Path) => Scalar): Node {
  switch (node.kind) {
    case 'scalar':
      return change(node, path)
    case 'list':
      return { ...node, items: node.items.map((item, index) => mapScalars(item, [...path, index], change)) }
    case 'map': {
      const entries = new Map<string, Entry>()
      for (const [name, entry] of node.entries) {
        entries.set(name, { at: entry.at, value: mapScalars(entry.value, [...path, name], change) })
      }
      return { ...node, entries }
    }
    default:
      return node satisfies never
  }
}

/** Plain data for the schema. `scalarValue` decides what a scalar becomes, by its place. */
export function toValue(node: Node, path: Path, scalarValue: (scalar: Scalar, path: Path) => unknown): unknown {
  switch (node.kind) {
    case 'scalar':
      return scalarValue(node, path)
    case 'list':
      return node.items.map((item, index) => toValue(item, [...path, index], scalarValue))
    case 'map': {
      const value: Record<string, unknown> = {}
      for (const [name, entry] of node.entries) value[name] = toValue(entry.value, [...path, name], scalarValue)
      return value
    }
    default:
      return node satisfies never
  }
}

/** Where a key stands; of the items of a list, where the item begins. */
export function placeOf(root: Node, path: Path): Position {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = nodeAt(root, path.slice(0, length - 1))
    const entry = parent?.kind === 'map' ? parent.entries.get(String(path[length - 1])) : undefined
    if (entry !== undefined) return entry.at
    const node = nodeAt(root, path.slice(0, length))
    if (node !== undefined) return node.at
  }
  return { line: 1, column: 1 }
}

/** The dotted key as the file has it, also for what is not there. */
export function keyOf(root: Node, path: Path): string {
  const node = nodeAt(root, path)
  if (node !== undefined) return node.key
  const last = path.at(-1)
  return last === undefined ? '' : joinKey(keyOf(root, path.slice(0, -1)), last)
}

export function namesIn(root: Node, path: Path): readonly string[] {
  const node = nodeAt(root, path)
  return node?.kind === 'map' ? [...node.entries.keys()] : []
}

export function itemsOf(root: Node, path: Path): readonly Node[] {
  const node = nodeAt(root, path)
  return node?.kind === 'list' ? node.items : []
}
