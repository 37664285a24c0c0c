// What the schema found, in our words and at its place in the file.
import type { Report } from './problems.ts'
import { type Issue, type Looked, lookInto, type Shape } from './shape.ts'
import { nearest, showText } from './text.ts'
import { keyOf, type Node, nodeAt, type Path, placeOf } from './tree.ts'

type AnyShape = Parameters<typeof lookInto>[0]

// What to write where nothing is written.
const HINTS: ReadonlyMap<string, string> = new Map([
  ['app', ': its name, such as `app: shop`'],
  ['release', ': where it is installed, such as `release: { root: /srv/shop }`'],
  ['service', ': name the systemd unit (`service: { unit: shop }`), or write `service: { kind: none }` where nothing is to be started'],
])

export function reportIssues(shape: Shape, root: Node, issues: readonly Issue[], report: Report, prefix: Path = []): void {
  const placed = issues.map((issue) => ({
    issue,
    path: [...prefix, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))],
  }))
  // `releas` is an unknown key; that `release` is missing then is the same slip.
  const meant = new Set<string>()
  for (const { issue, path } of placed) {
    if (issue.code !== 'unrecognized_keys') continue
    for (const key of issue.keys) meant.add(JSON.stringify([...path, nearest(key, keysOf(shapeAt(shape, root, path)))]))
  }
  for (const { issue, path } of placed) {
    const isEcho = nodeAt(root, path) === undefined && meant.has(JSON.stringify(path))
    if (!isEcho) reportIssue(shape, root, issue, path, report)
  }
}

function reportIssue(shape: Shape, root: Node, issue: Issue, path: Path, report: Report): void {
  const node = nodeAt(root, path)
  const key = keyOf(root, path)
  const at = node?.at ?? placeOf(root, path.slice(0, -1))
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysOf(shapeAt(shape, root, path))
      for (const unknown of issue.keys) {
        const own = [...path, unknown]
        const meant = nearest(unknown, path.length === 0 ? [...known, 'environments'] : known)
        const others = meant === null && known.length <= 12 ? `; known here: ${known.join(', ')}` : ''
        report(placeOf(root, own), keyOf(root, own), `unknown key ${showText(unknown)}${others}`, meant)
      }
      return
    }
    case 'invalid_key':
      report(placeOf(root, path), key, issue.issues[0]?.message ?? 'is not a name')
      return
    case 'invalid_union': {
      const looked = lookInto(shapeAt(shape, root, path.slice(0, -1), path.at(-1)))
      const branch = looked.look.kind === 'either' ? branchFor(looked.look.shapes, node) : -1
      const inner = issue.errors[branch]
      if (inner === undefined) report(at, key, `must be ${sayAlternatives(looked)}`)
      else reportIssues(shape, root, inner, report, path)
      return
    }
    case 'invalid_type':
      report(at, key, `${sayType(issue.expected, node)}${node === undefined ? (HINTS.get(key) ?? '') : ''}`)
      return
    case 'custom': {
      const meant = issue.params?.nearest
      const hint = issue.params?.missing === true ? (HINTS.get(key) ?? '') : ''
      report(at, key, `${issue.message}${hint}`, typeof meant === 'string' ? meant : null)
      return
    }
    default:
      report(at, key, issue.message)
  }
}

function sayType(expected: string, node: Node | undefined): string {
  if (node === undefined) return 'is missing'
  if (node.kind === 'scalar' && node.value === null) return 'has no value'
  if (expected !== 'array') return 'must be a map of keys'
  return node.kind === 'scalar' ? `must be a list: write [${showText(node.source, { quotes: false })}]` : 'must be a list'
}

function sayAlternatives(looked: Looked): string {
  if (looked.look.kind !== 'either') return 'something else'
  const words = looked.look.shapes.map((shape) => {
    const { look } = lookInto(shape)
    return look.kind === 'value' ? look.says : look.kind === 'list' ? 'a list' : 'a map of keys'
  })
  return words.join(' or ')
}

/** Which alternative somebody meant: that of the same form. */
export function branchFor(shapes: readonly AnyShape[], node: Node | undefined): number {
  return shapes.findIndex((shape) => {
    const { kind } = lookInto(shape).look
    if (node?.kind === 'list') return kind === 'list'
    return node?.kind === 'map' ? kind === 'object' || kind === 'named' : kind === 'value'
  })
}

/** The shape of a place; `last` is one step further without choosing among its alternatives. */
function shapeAt(shape: AnyShape, root: Node, path: Path, last?: string | number): AnyShape {
  let here = chosen(shape, root)
  path.forEach((segment, index) => {
    here = chosen(below(here, segment) ?? here, nodeAt(root, path.slice(0, index + 1)))
  })
  return last === undefined ? here : (below(here, last) ?? here)
}

function chosen(shape: AnyShape, node: Node | undefined): AnyShape {
  const { look } = lookInto(shape)
  return look.kind === 'either' ? (look.shapes[branchFor(look.shapes, node)] ?? shape) : shape
}

function below(shape: AnyShape, segment: string | number): AnyShape | undefined {
  const { look } = lookInto(shape)
  if (look.kind === 'object') return Object.hasOwn(look.fields, segment) ? look.fields[String(segment)] : undefined
  return look.kind === 'named' || look.kind === 'list' ? look.item : undefined
}

function keysOf(shape: AnyShape): readonly string[] {
  const { look } = lookInto(shape)
  return look.kind === 'object' ? Object.keys(look.fields) : []
}
