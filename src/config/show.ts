// What `config show` prints: the merged file with its defaults, secrets masked, and where each value came from. Whatever
// the environment brought is shown as it was written, `${NAME}`: nobody can tell which of them is a secret.
import { branchFor } from './issues.ts'
import { lookInto } from './shape.ts'
import { joinKey, type Node, type Path, type Scalar, toValue } from './tree.ts'

export type Shown = { readonly masked: unknown; readonly origins: Readonly<Record<string, string>> }

const MASK = '***'
const SOUNDS_SECRET = /pass|secret|token|key|credential|private|dsn|authorization|cookie/i

/** `root` fits the shape: it was checked. */
export function shown(
  shape: Parameters<typeof lookInto>[0],
  root: Node,
  options: { readonly file: string; readonly environment: string | null },
): Shown {
  const origins: Record<string, string> = {}
  const layer = options.environment === null ? null : `${joinKey('environments', options.environment)}.`

  function originOf(node: Node): string {
    const place = `${options.file}:${node.at.line}:${node.at.column}`
    return layer !== null && node.key.startsWith(layer) ? `environment ${options.environment} (${place})` : place
  }

  function walk(here: Parameters<typeof lookInto>[0], node: Node | undefined, path: Path, key: string): unknown {
    const looked = lookInto(here)
    const { look } = looked
    if (look.kind === 'either' && node !== undefined) return walk(look.shapes[branchFor(look.shapes, node)] ?? here, node, path, key)
    if (node === undefined && looked.written === undefined) return undefined
    if (node === undefined && (look.kind !== 'object' || Object.keys(looked.written ?? {}).length > 0)) {
      origins[key] = 'default'
      return looked.written
    }
    if (look.kind === 'object') {
      const entries = node?.kind === 'map' ? node.entries : null
      const result: Record<string, unknown> = {}
      for (const [name, field] of Object.entries(look.fields)) {
        const value = walk(field, entries?.get(name)?.value, [...path, name], joinKey(key, name))
        if (value !== undefined) result[name] = value
      }
      return result
    }
    if (node?.kind === 'map' && look.kind === 'named') {
      return Object.fromEntries(
        [...node.entries].map(([name, entry]) => [name, walk(look.item, entry.value, [...path, name], joinKey(key, name))]),
      )
    }
    if (node?.kind === 'list' && look.kind === 'list') {
      return node.items.map((item, index) => walk(look.item, item, [...path, index], joinKey(key, index)))
    }
    if (node !== undefined && node.kind !== 'scalar' && look.kind === 'value') {
      origins[key] = originOf(node)
      return toValue(node, path, masked)
    }
    if (node?.kind !== 'scalar') return undefined
    origins[key] = originOf(node)
    return masked(node, path)
  }

  return { masked: walk(shape, root, [], ''), origins }
}

function masked(scalar: Scalar, path: Path): unknown {
  if (scalar.filled !== undefined) return scalar.source
  const name = String(path.at(-1))
  const chosenName = path.at(-2) === 'env' || path.at(-2) === 'headers'
  if (chosenName && SOUNDS_SECRET.test(name)) return MASK
  if (typeof scalar.value !== 'string') return path.at(-2) === 'env' ? scalar.source : scalar.value
  // A password inside a connection URL.
  return scalar.value.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@]+@/gi, `$1${MASK}@`)
}
