// The rules of `loads`: one model, one method and one body for each request, and no method that changes something unless
// `safety.methods` says so.
import { ENGINES } from '../domain/engine.ts'
import { exactlyOne, type RuleContext } from './rules-role.ts'
import { METHODS } from './schema-load.ts'
import { nearest, showText } from './text.ts'
import { itemsOf, keyOf, type MapNode, namesIn, nodeAt, type Path, placeOf, textAt } from './tree.ts'

const PACED = ['arrivals', 'precision', 'max_in_flight', 'from', 'http2', 'new_connection_every']
const CLOSED = ['workers', 'amount']
const SAFE = ['GET', 'HEAD', 'OPTIONS']

export function checkLoads(context: RuleContext): void {
  for (const name of namesIn(context.root, ['loads'])) checkLoad(context, ['loads', name])
}

function checkLoad(context: RuleContext, path: Path): void {
  const { root, report } = context
  const node = nodeAt(root, path)
  if (node?.kind !== 'map') return
  if (node.entries.has('engine')) {
    checkEngine(context, path, node)
    return
  }
  exactlyOne(context, path, ['rate', 'connections', 'engine'])
  const isClosed = node.entries.has('connections')
  for (const key of isClosed ? PACED : CLOSED) {
    const entry = node.entries.get(key)
    if (entry !== undefined)
      report(entry.at, entry.value.key, `belongs to \`${isClosed ? 'rate' : 'connections'}\`, which this load has not`)
  }
  checkFrom(context, [...path, 'from'])
  checkHttp2(context, node)
  exactlyOne(context, [...path, 'rate'], ['ramp', 'steps', 'spike', 'sine'])
  exactlyOne(context, [...path, 'auth'], ['bearer', 'basic', 'login'])
  for (const data of namesIn(root, [...path, 'data'])) exactlyOne(context, [...path, 'data', data], ['csv', 'jsonl'])
  const requests = requestsOf(context, path)
  if (requests.length === 0 && !node.entries.has('scenarios'))
    report(placeOf(root, path), keyOf(root, [...path, 'requests']), 'is missing: what is sent, such as `[{ get: / }]`')
  const allowed = allowedMethods(context, path)
  for (const request of [...requests, [...path, 'auth', 'login']]) checkRequest(context, request, allowed)
}

function checkHttp2({ report }: RuleContext, node: MapNode): void {
  const every = node.entries.get('new_connection_every')
  const http2 = node.entries.get('http2')?.value
  if (every !== undefined && http2?.kind === 'scalar' && http2.value === true)
    report(every.at, every.value.key, 'has no place beside `http2`: many requests share one connection')
}

/** Hosts of the inventory, each once. */
function checkFrom({ root, report }: RuleContext, path: Path): void {
  const inventory = namesIn(root, ['hosts'])
  const seen = new Set<string>()
  itemsOf(root, path).forEach((item, index) => {
    const name = textAt(root, [...path, index])
    if (name === undefined) return
    if (!inventory.includes(name)) report(item.at, item.key, `${showText(name)} is not under \`hosts\``, nearest(name, inventory))
    else if (seen.has(name)) report(item.at, item.key, `${showText(name)} stands here twice`)
    seen.add(name)
  })
}

/** The tool decides what is sent: only how long is ours. */
function checkEngine(context: RuleContext, path: Path, node: MapNode): void {
  const { root, report } = context
  exactlyOne(context, [...path, 'engine'], ENGINES)
  for (const [key, entry] of node.entries)
    if (key !== 'engine' && key !== 'duration')
      report(entry.at, entry.value.key, 'has no place beside `engine`: the tool decides what is sent')
  const engine = nodeAt(root, [...path, 'engine'])
  if (engine?.kind !== 'map') return
  const tool = ENGINES.find((one) => engine.entries.has(one))
  const workers = engine.entries.get('workers')
  if (workers !== undefined && tool !== undefined && tool !== 'locust') report(workers.at, workers.value.key, 'belongs to Locust')
  const rate = engine.entries.get('rate')
  if (rate !== undefined && (tool === 'locust' || tool === 'jmeter'))
    report(
      rate.at,
      rate.value.key,
      `is not for ${tool}: ${tool === 'locust' ? 'its users decide (`args: [-u, "50"]`)' : 'its plan decides'}`,
    )
  if (rate === undefined && tool === 'vegeta') report(engine.at, engine.key, 'needs `rate`: vegeta sends at a rate')
}

function requestsOf({ root, report }: RuleContext, path: Path): readonly Path[] {
  const single = itemsOf(root, [...path, 'requests']).map((_, index): Path => [...path, 'requests', index])
  const several = namesIn(root, [...path, 'scenarios']).flatMap((name): readonly Path[] => {
    const steps: Path = [...path, 'scenarios', name, 'steps']
    const node = nodeAt(root, steps)
    if (node?.kind === 'list' && node.items.length === 0) report(node.at, node.key, 'is empty: a scenario has at least one request')
    return itemsOf(root, steps).map((_, index) => [...steps, index])
  })
  return [...single, ...several]
}

function allowedMethods({ root }: RuleContext, path: Path): readonly string[] {
  const methods = nodeAt(root, [...path, 'safety', 'methods'])
  if (methods?.kind !== 'list') return SAFE
  return methods.items.flatMap((item) => (item.kind === 'scalar' ? [String(item.value)] : []))
}

function checkRequest(context: RuleContext, path: Path, allowed: readonly string[]): void {
  const { root, report } = context
  const node = nodeAt(root, path)
  if (node?.kind !== 'map') return
  exactlyOne(context, path, METHODS)
  exactlyOne(context, path, ['json', 'form', 'body'], { optional: true })
  for (const name of namesIn(root, [...path, 'capture'])) exactlyOne(context, [...path, 'capture', name], ['json', 'header', 'cookie'])
  for (const method of METHODS) {
    const entry = node.entries.get(method)
    if (entry === undefined || allowed.includes(method.toUpperCase())) continue
    report(
      entry.at,
      entry.value.key,
      `${method.toUpperCase()} is not under \`safety.methods\` (${allowed.join(', ') || 'none'}): allow it there`,
    )
  }
}
