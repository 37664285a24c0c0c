// Text → tree, with the position of every key and value. The only file that knows the yaml package. The text is
// untrusted: size, depth and what aliases expand to are limited, duplicate keys and `<<` are said and left out.
import { isAlias, isMap, isScalar, isSeq, type Pair, parseDocument, type Node as YamlNode } from 'yaml'
import { showText } from './text.ts'
import { type Entry, joinKey, type Node, type Position } from './tree.ts'

/** Limits of a configuration file; far above what a person writes. */
export const LIMITS = { bytes: 1024 * 1024, nodes: 50_000, depth: 40 } as const

export type YamlProblem = { readonly at: Position; readonly key: string; readonly message: string }
export type ParsedYaml = { readonly root: Node | null; readonly problems: readonly YamlProblem[] }

const START: Position = { line: 1, column: 1 }
class TooLarge extends RangeError {}

/** Never throws: what cannot be read is a problem with a position. `root` is null where nothing can be made of it. */
export function parseYaml(text: string): ParsedYaml {
  try {
    return parse(text)
  } catch (error) {
    // A few hundred thousand brackets end the parser's recursion, not us.
    if (!(error instanceof RangeError)) throw error
    const message = error instanceof TooLarge ? error.message : 'the file is nested too deeply to be read'
    return { root: null, problems: [{ at: START, key: '', message }] }
  }
}

// `{ url: ${HOOK} }` is what people write, and no YAML: a brace ends a word inside braces. So the braces of a variable
// are replaced by as many characters that mean nothing to YAML, and put back in what was read. Positions stay.
const OPEN = '\ufdd0'
const CLOSE = '\ufdd1'
const hidden = (text: string): string =>
  text.includes(OPEN) || text.includes(CLOSE) ? text : text.replace(/\$\{([A-Za-z_][^{}\n]*)\}/g, `$$${OPEN}$1${CLOSE}`)
const restored = (text: string): string => text.replaceAll(OPEN, '{').replaceAll(CLOSE, '}')

function parse(text: string): ParsedYaml {
  const document = parseDocument(hidden(text), {
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
    merge: false,
  })
  const place = placesOf(text)
  // After a slip everything below looks wrong too.
  const broken = [...document.errors, ...document.warnings].slice(0, 10)
  if (broken.length > 0) {
    const problems = broken.map((error) => ({ at: place(error.pos[0]), key: '', message: sayYaml(error.code, restored(error.message)) }))
    return { root: null, problems }
  }

  const problems: YamlProblem[] = []
  const open = new Set<YamlNode>()
  let nodes = 0

  function walk(node: YamlNode | null | undefined, key: string, at: Position, depth: number): Node {
    nodes += 1
    if (nodes > LIMITS.nodes) throw new TooLarge(`the file has more than ${LIMITS.nodes} values once its aliases are filled in`)
    if (depth > LIMITS.depth) throw new TooLarge(`the file is nested deeper than ${LIMITS.depth} levels`)
    const nothing: Node = { kind: 'scalar', at, key, value: null, source: '', plain: true }
    if (node === null || node === undefined) return nothing
    // Where nothing is written the key is all there is to point at.
    const here = node.range && node.range[1] > node.range[0] ? place(node.range[0]) : at
    if (isAlias(node)) {
      const target = node.resolve(document)
      if (target === undefined || open.has(target)) {
        problems.push({
          at: here,
          key,
          message: `alias *${showText(restored(node.source), { quotes: false })} stands for itself or for nothing`,
        })
        return { ...nothing, at: here }
      }
      return walk(target, key, here, depth + 1)
    }
    open.add(node)
    const result = walkResolved(node, key, here, depth)
    open.delete(node)
    return result
  }

  function walkResolved(node: YamlNode, key: string, at: Position, depth: number): Node {
    if (isSeq(node)) {
      const items = node.items.map((item, index) => walk(item as YamlNode, joinKey(key, index), at, depth + 1))
      return { kind: 'list', at, key, items }
    }
    if (isMap(node)) {
      const entries = new Map<string, Entry>()
      for (const pair of node.items) addPair(entries, pair as Pair<YamlNode, YamlNode | null>, key, at, depth)
      return { kind: 'map', at, key, entries }
    }
    if (!isScalar(node)) return { kind: 'scalar', at, key, value: null, source: '', plain: true }
    const plain = node.type === undefined || node.type === 'PLAIN'
    const value = typeof node.value === 'string' ? restored(node.value) : node.value
    const known = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null
    // A block scalar's text begins on the line below its `|`; the `|` is what one looks for.
    return {
      kind: 'scalar',
      at,
      key,
      value: known ? value : String(value),
      source: plain ? restored(node.source ?? String(value)) : String(value),
      plain,
    }
  }

  function addPair(entries: Map<string, Entry>, pair: Pair<YamlNode, YamlNode | null>, key: string, parent: Position, depth: number): void {
    const at = pair.key?.range ? place(pair.key.range[0]) : parent
    if (!isScalar(pair.key) || pair.key.value === null) {
      problems.push({ at, key, message: 'a key must be a word' })
      return
    }
    const name = restored(typeof pair.key.value === 'string' ? pair.key.value : (pair.key.source ?? String(pair.key.value)))
    const own = joinKey(key, name)
    if (name === '<<') {
      problems.push({ at, key: own, message: '`<<` does not merge here: use an alias for the whole value, `roles` or `environments`' })
    } else if (name === '__proto__') {
      problems.push({ at, key: own, message: '`__proto__` cannot be used as a name' })
    } else if (entries.has(name)) {
      const first = entries.get(name)?.at.line
      problems.push({ at, key: own, message: `duplicate key ${showText(name)}: it already stands on line ${first}` })
    } else {
      entries.set(name, { at, value: walk(pair.value, own, at, depth + 1) })
    }
  }

  const root = walk(document.contents as YamlNode | null, '', START, 0)
  return { root, problems }
}

/** Offset → line and column. Our own: after an error the parser's counter has not seen every line. */
function placesOf(text: string): (offset: number) => Position {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: Math.min(offset, text.length) - (starts[low] ?? 0) + 1 }
  }
}

function sayYaml(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'YAML is indented with spaces, not with tabs'
  if (code === 'MULTIPLE_DOCS') return 'the file holds more than one YAML document (`---`)'
  if (code === 'TAG_RESOLVE_FAILED') return `${firstLine(message)}: YAML tags are not used here`
  return `not valid YAML: ${firstLine(message)}`
}

function firstLine(message: string): string {
  return showText(message.split('\n')[0] ?? message, { quotes: false })
}

/** Somebody else's YAML as plain values: no file of ours, so no position is kept. @returns undefined when it cannot be read */
export function readPlainYaml(text: string): unknown {
  try {
    const document = parseDocument(text, { uniqueKeys: false, prettyErrors: false, logLevel: 'error', merge: false })
    // What its aliases expand to is limited: a few lines could fill the memory.
    return document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 1_000 })
  } catch {
    return undefined
  }
}
