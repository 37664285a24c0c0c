// Environments over the top level, roles over what the top level says: maps merge, lists and values replace. Where keys
// are alternatives (http or tcp, one kind or another) the later layer's choice drops the earlier one. See decision 26.
import { type Entry, type MapNode, type Node, type Path, withEntry } from './tree.ts'

// Naming one of these drops the others: `tcp` in staging must not stand beside the top level's `http`.
const ALTERNATIVES: readonly { readonly at: string; readonly keys: readonly string[] }[] = [
  { at: 'health', keys: ['http', 'tcp', 'command'] },
  { at: 'health.version', keys: ['header', 'json', 'command'] },
  { at: 'secrets.*', keys: ['env', 'file', 'command'] },
  { at: 'loads.*', keys: ['rate', 'connections', 'engine'] },
  { at: 'loads.*.engine', keys: ['k6', 'locust', 'jmeter', 'vegeta'] },
  { at: 'gates.*', keys: ['load', 'prometheus', 'command', 'approval', 'import'] },
]
// Of another kind hardly a key is right: the whole map is replaced.
const BY_KIND: ReadonlyMap<string, string> = new Map([
  ['service', 'systemd'],
  ['balancer', 'none'],
])
// Half of one inventory and half of another is nobody's fleet.
const REPLACED = new Set(['hosts'])

/** The top level of one environment; without a name, or without that environment, the top level alone. */
export function layered(root: MapNode, environment: string | undefined): MapNode {
  const base = withEntry(root, 'environments', null)
  const environments = root.entries.get('environments')?.value
  if (environment === undefined || environments?.kind !== 'map') return base
  const layer = environments.entries.get(environment)?.value
  if (layer?.kind !== 'map') return base
  const merged = mergeNodes(base, layer, [])
  return merged.kind === 'map' ? merged : base
}

/** Each role becomes what its hosts do: the top level's service, health and balancer with the role's over them. */
export function withRoles(root: MapNode): MapNode {
  const roles = root.entries.get('roles')
  if (roles?.value.kind !== 'map') return root
  const entries = new Map<string, Entry>()
  for (const [name, role] of roles.value.entries) {
    let value = role.value
    if (value.kind === 'map') {
      for (const section of ['service', 'health', 'balancer']) {
        const top = root.entries.get(section)
        const own = value.entries.get(section)
        if (top !== undefined && own !== undefined)
          value = withEntry(value, section, { at: own.at, value: mergeNodes(top.value, own.value, [section]) })
        else if (top !== undefined) value = withEntry(value, section, top)
      }
    }
    entries.set(name, { at: role.at, value })
  }
  return withEntry(root, 'roles', { at: roles.at, value: { ...roles.value, entries } })
}

export function mergeNodes(base: Node, layer: Node, path: Path): Node {
  // Inside a role the same rules hold as at the top level.
  const place = (path[0] === 'roles' && path.length > 1 ? path.slice(2) : path).join('.')
  if (base.kind !== 'map' || layer.kind !== 'map' || REPLACED.has(place)) return layer
  const usual = BY_KIND.get(place)
  if (usual !== undefined && layer.entries.has('kind') && kindOf(layer, usual) !== kindOf(base, usual)) return layer
  let result: MapNode = { ...layer, entries: base.entries }
  for (const { at, keys } of ALTERNATIVES) {
    if (!matches(place, at) || !keys.some((key) => layer.entries.has(key))) continue
    for (const key of keys) result = withEntry(result, key, null)
    for (const key of keys) {
      const kept = base.entries.get(key)
      if (kept !== undefined && layer.entries.has(key)) result = withEntry(result, key, kept)
    }
  }
  if (place === 'health' && !layer.entries.has('http') && (layer.entries.has('tcp') || layer.entries.has('command')))
    result = withoutAnswerProof(result)
  for (const [name, entry] of layer.entries) {
    const under = result.entries.get(name)
    result = withEntry(
      result,
      name,
      under === undefined ? entry : { at: entry.at, value: mergeNodes(under.value, entry.value, [...path, name]) },
    )
  }
  return result
}

/** A proof that is read in the answer to `http` goes with the question. */
function withoutAnswerProof(health: MapNode): MapNode {
  const version = health.entries.get('version')?.value
  const inAnswer = version?.kind === 'map' && (version.entries.has('header') || version.entries.has('json'))
  return inAnswer ? withEntry(health, 'version', null) : health
}

function kindOf(map: MapNode, usual: string): unknown {
  const kind = map.entries.get('kind')?.value
  return kind?.kind === 'scalar' ? kind.value : usual
}

function matches(place: string, pattern: string): boolean {
  const [steps, wanted] = [place.split('.'), pattern.split('.')]
  return steps.length === wanted.length && wanted.every((step, index) => step === '*' || step === steps[index])
}
