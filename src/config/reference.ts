// docs/configuration.md and the help on one key, from the same shape as the validation.
import { merged } from './schema.ts'
import { type Looked, lookInto } from './shape.ts'
import { UNBUILT } from './unbuilt.ts'

type AnyShape = Parameters<typeof lookInto>[0]

export type KeyInfo = {
  /** `hosts.NAME.port`, `rollout.steps[].deploy` */
  readonly key: string
  readonly says: string
  readonly description: string
  readonly required: boolean
  /** As written; null: none. */
  readonly written: string | null
}

/** Every key there is, in the order of the schema; sections before what they hold. */
export function allKeys(): readonly KeyInfo[] {
  return [...keysBelow(merged, ''), ENVIRONMENTS]
}

/** The reference of one key, `hosts.web-1.port` or `hosts.NAME.port`; null: there is no such key. */
export function explainKey(key: string): string | null {
  const all = allKeys()
  const wanted = wordsOf(key)
  const found = all.find((info) => isSame(wordsOf(info.key), wanted))
  if (found === undefined) {
    const unbuilt = UNBUILT.some(
      (one) =>
        one.values === undefined &&
        isSame(
          wordsOf(one.key),
          wanted.filter((word) => word !== '[]'),
        ),
    )
    return unbuilt ? `${key}\n  Not built yet in this version: refused` : null
  }
  const inside = all.filter((info) => info.key.startsWith(`${found.key}.`) || info.key.startsWith(`${found.key}[]`))
  const lines = [found.key, `  ${found.description}`, `  Value    ${found.says}`, `  Default  ${defaultOf(found)}`]
  return [...lines, ...inside.map((info) => `  ${info.key}: ${info.description}`)].join('\n')
}

/** The whole of docs/configuration.md. */
export function referenceMarkdown(): string {
  const sections = Object.keys(fieldsOf(merged)).map((name) => {
    const [first, ...rest] = allKeys().filter((info) => wordsOf(info.key)[0] === name)
    if (first === undefined) return ''
    const lines = rest.length === 0 ? [first] : rest.filter(isWorthALine)
    const above = rest.length === 0 ? [] : [`${first.description}.`, '']
    return [`## \`${name}\``, '', ...above, ...linesOf(lines), ''].join('\n')
  })
  return [INTRODUCTION, ...sections, notBuilt()].join('\n')
}

const ENVIRONMENTS: KeyInfo = {
  key: 'environments',
  says: 'a map: NAME → any of the other sections',
  description: 'Named sets of settings that `-e NAME` merges over the top level',
  required: false,
  written: null,
}

function keysBelow(shape: AnyShape, key: string): readonly KeyInfo[] {
  const looked = lookInto(shape)
  const own = key === '' ? [] : [infoOf(key, looked)]
  const { look } = looked
  if (look.kind === 'object') {
    const inner = Object.entries(look.fields).flatMap(([name, field]) => keysBelow(field, key === '' ? name : `${key}.${name}`))
    return [...own, ...inner]
  }
  if (look.kind === 'named') return [...own, ...within(look.item, `${key}.${look.example}`)]
  if (look.kind === 'list') return [...own, ...within(look.item, `${key}[]`)]
  // The keys of an alternative stand under the key itself; a list of the same adds nothing.
  if (look.kind === 'either')
    return [...own, ...look.shapes.filter((one) => lookInto(one).look.kind === 'object').flatMap((one) => within(one, key))]
  return own
}

/** What an item holds, without a line for the item itself where it is a map. */
function within(item: AnyShape, key: string): readonly KeyInfo[] {
  const all = keysBelow(item, key)
  return lookInto(item).look.kind === 'object' ? all.slice(1) : []
}

function infoOf(key: string, looked: Looked): KeyInfo {
  const { written } = looked
  const isSection = looked.look.kind === 'object' && Object.keys(written ?? {}).length === 0
  return {
    key,
    says: saysOf(looked),
    description: looked.description,
    required: looked.required,
    written: written === undefined || isSection ? null : typeof written === 'string' ? written : JSON.stringify(written),
  }
}

function saysOf({ look }: Looked): string {
  switch (look.kind) {
    case 'object':
      return 'a map'
    case 'named':
      return `a map: ${look.example} → ${saysOf(lookInto(look.item))}`
    case 'list':
      return `a list: each ${saysOf(lookInto(look.item))}`
    case 'either':
      return look.shapes.map((shape) => saysOf(lookInto(shape))).join(', or ')
    case 'value':
      return look.says
    default:
      return look satisfies never
  }
}

function fieldsOf(shape: AnyShape): Readonly<Record<string, AnyShape>> {
  const { look } = lookInto(shape)
  return look.kind === 'object' ? look.fields : {}
}

function defaultOf(info: KeyInfo): string {
  return info.written ?? (info.required ? 'none: it must be given' : 'none')
}

/** The same keys again and again hide the others: a role's, a hook's are shown once. */
function isWorthALine({ key }: KeyInfo): boolean {
  if (key.startsWith('roles.')) return wordsOf(key).length === 3
  if (key.startsWith('rollout.steps[].hook.')) return false
  return !key.startsWith('hooks.') || key.startsWith('hooks.before_rollout') || !key.includes('[]') || key.endsWith('.on')
}

/** A list and not a table: it is read in terminals and diffs too. */
function linesOf(infos: readonly KeyInfo[]): readonly string[] {
  return infos.map(({ key, says, description, required, written }) => {
    const usual = written === null ? (required ? '; **required**' : '') : `; default \`${written}\``
    return `- \`${key}\`: ${description}. _${says}_${usual}`
  })
}

/** `a."b.c".d[2]` → a, b.c, d, * ; the names of the reference in capitals stand for any name. */
function wordsOf(key: string): readonly string[] {
  const words = key.match(/"(?:[^"\\]|\\.)*"|\[\d*\]|[^.[\]"]+/g) ?? []
  return words.map((word) => (word.startsWith('[') ? '[]' : word.startsWith('"') ? word.slice(1, -1) : word))
}

function isSame(known: readonly string[], wanted: readonly string[]): boolean {
  return (
    known.length === wanted.length &&
    known.every((word, index) => word === wanted[index] || (/^[A-Z]+$/.test(word) && wanted[index] !== '[]'))
  )
}

function notBuilt(): string {
  const lines = UNBUILT.map(
    ({ key, values }) => `- \`${key}\`${values === undefined ? '' : `: ${values.map((value) => `\`${value}\``).join(', ')}`}`,
  )
  const gates =
    '`gates` are read and checked, so that they can be written now. Nothing measures them in this version: a `gate` step is refused.'
  return ['## Not built yet', '', 'Known, and refused with a clear message in this version:', '', ...lines, '', gates, ''].join('\n')
}

const INTRODUCTION = `# rollgate.yml: reference

Generated from the schema that validates the file. \`rollgate config schema\` prints the JSON Schema for editors,
\`rollgate config validate\` lists every problem with its line, \`rollgate config show\` prints what is in force and where it
came from.

The smallest useful file:

\`\`\`yaml
app: shop
artifact: { path: dist }
hosts:
  web-1: { address: 10.0.0.11 }
  web-2: { address: 10.0.0.12 }
release:
  root: /srv/shop
service:
  unit: shop
health: { http: { port: 8080 } }
\`\`\`

- An unknown or doubled key is an error. Paths on this machine are relative to the file; \`~/\` is the home folder.
- Durations carry a unit (\`500ms\`, \`10s\`, \`5m\`, \`1h\`); shares are a number of hosts or a percentage, rounded up.
- \`\${NAME}\` is the environment variable of that name and an error without it; \`\${NAME:-default}\` has a default, also where
  the variable is empty. \`$\${\` is the text \`\${\` itself, for example for the shell of a hook. \`\${secret.NAME}\`, in the values of
  \`release.env\` only, stands for a secret of \`secrets\`.
- \`environments\` holds named sets of settings (any of the sections below) that \`-e NAME\` merges over the top level: maps merge,
  lists and values replace. \`hosts\` replaces the whole inventory. Another \`kind\`, or another of \`http\`, \`tcp\`, \`command\`, drops
  what the top level said of the former one. \`roles\` merge over \`service\`, \`health\` and \`balancer\` in the same way.
`
