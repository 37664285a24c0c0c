// Holds the folders to who may import whom (src/README.md), by reading import lines. What it guards: the plan, the gate
// and the dictionary stay pure, drivers are the only code that touches the outside, a package can be replaced in one file.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')

type Rule = {
  readonly folders: readonly string[]
  /** Third-party packages. One file of the folder imports each; where a file is named, it is that one. */
  readonly packages?: Readonly<Record<string, string | null>>
  /** Node's own modules: all, none, or these. */
  readonly node?: readonly string[]
  /** May write to the process's streams. */
  readonly writes?: true
}

const BELOW_APP = ['domain', 'util', 'config', 'facts', 'journal', 'plan', 'gate', 'load', 'execute', 'drivers', 'render', 'sandbox']
const RULES: Readonly<Record<string, Rule>> = {
  domain: { folders: [], node: ['node:stream'] },
  // Answers are held against schemas by the load, and schemas against the standard by the configuration.
  util: { folders: [], packages: { ajv: 'json-schema.ts' } },
  config: { folders: ['domain', 'util'], packages: { yaml: null, zod: null } },
  facts: { folders: ['domain', 'util'] },
  journal: { folders: ['domain', 'util'] },
  plan: { folders: ['domain', 'util'], node: ['node:crypto'] },
  gate: { folders: ['domain', 'util'], node: ['node:crypto'] },
  load: { folders: ['domain', 'util'], packages: { autocannon: null, undici: null } },
  execute: { folders: ['domain', 'util', 'gate', 'journal'] },
  drivers: { folders: ['domain', 'util', 'load'], packages: { ssh2: null, execa: null, undici: null } },
  render: { folders: ['domain', 'util'], packages: { listr2: 'tty.ts' }, writes: true },
  sandbox: { folders: ['domain', 'util'], packages: { ssh2: null, undici: null } },
  app: { folders: BELOW_APP, packages: { '@inquirer/prompts': 'prompts.ts' } },
  commands: { folders: ['app', 'domain', 'render'], packages: { '@oclif/core': 'oclif.ts' }, writes: true },
  // main.ts: what starts it all.
  '': { folders: ['commands'], writes: true },
}

type Import = { readonly file: string; readonly folder: string; readonly target: string; readonly typeOnly: boolean }

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)

function folderOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : ''
}

/** Import and export lines, and dynamic imports; one that stands in a string of generated code is no line of ours. */
function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(src, file), 'utf8')
  const found: Import[] = []
  for (const match of text.matchAll(/^(?:import|export)\s+(type\s)?[^'"`]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)) {
    const target = match[2] ?? match[3] ?? match[4]
    if (target !== undefined) found.push({ file, folder: folderOf(file), target, typeOnly: match[1] !== undefined })
  }
  return found
}

const isOurs = (target: string): boolean => target.startsWith('.')
const isNode = (target: string): boolean => target.startsWith('node:') || builtinModules.includes(target)
const packageOf = (target: string): string =>
  target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
const show = ({ file, target }: Import): string => `${file} imports ${target}`

describe('the architecture', () => {
  test('was read at all', () => {
    expect(files.length).toBeGreaterThan(100)
    expect(imports.length).toBeGreaterThan(500)
    expect(imports.some((line) => line.file === 'commands/oclif.ts' && line.target === '@oclif/core/command')).toBe(true)
    expect(imports.some((line) => line.file === 'commands/index.ts' && line.target === './deploy.ts')).toBe(true)
  })

  test('every folder has a rule', () => {
    expect([...new Set(files.map(folderOf))].filter((folder) => RULES[folder] === undefined)).toEqual([])
  })

  test('a folder imports only the folders below it', () => {
    const wrong = imports.filter(({ file, folder, target }) => {
      if (!isOurs(target)) return false
      const other = folderOf(relative(src, resolve(src, dirname(file), target)))
      return other !== folder && !(RULES[folder]?.folders ?? []).includes(other)
    })
    expect(wrong.map(show)).toEqual([])
  })

  test('our own files are imported with their endings, and stay inside src', () => {
    const wrong = imports.filter(
      ({ file, target }) =>
        isOurs(target) && (!target.endsWith('.ts') || relative(src, resolve(src, dirname(file), target)).startsWith('..')),
    )
    expect(wrong.map(show)).toEqual([])
  })

  test('a folder uses only the packages it may, each in one file', () => {
    const wrong: string[] = []
    const importers = new Map<string, Set<string>>()
    for (const line of imports) {
      if (isOurs(line.target) || isNode(line.target)) continue
      const name = packageOf(line.target)
      const allowed = RULES[line.folder]?.packages?.[name]
      if (allowed === undefined) wrong.push(show(line))
      else if (allowed !== null && line.file !== `${line.folder}/${allowed}`) wrong.push(`${show(line)}: only ${allowed} may`)
      const key = `${line.folder} ${name}`
      importers.set(key, (importers.get(key) ?? new Set()).add(line.file))
    }
    for (const [key, names] of importers) if (names.size > 1) wrong.push(`${key} in ${[...names].join(', ')}`)
    expect(wrong).toEqual([])
  })

  test('the packages that are imported are the ones that are depended on', () => {
    const used = new Set(imports.filter((line) => !isOurs(line.target) && !isNode(line.target)).map((line) => packageOf(line.target)))
    const depended = readJson('package.json').dependencies
    expect([...used].filter((name) => !Object.hasOwn(depended ?? {}, name))).toEqual([])
  })

  test("plan, gate and domain use none of Node's modules but crypto", () => {
    const wrong = imports.filter(({ folder, target, typeOnly }) => {
      const only = RULES[folder]?.node
      return only !== undefined && isNode(target) && !(only.includes(target) && (folder !== 'domain' || typeOnly))
    })
    expect(wrong.map(show)).toEqual([])
  })

  test('pure folders read no clock, no randomness and no environment', () => {
    const wrong = files.filter(
      (file) =>
        ['plan', 'gate', 'domain'].includes(folderOf(file)) &&
        /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.(env|argv|cwd|pid|uptime|hrtime|platform|on)\b|\bperformance\.now\(/.test(
          readFileSync(join(src, file), 'utf8'),
        ),
    )
    expect(wrong).toEqual([])
  })

  test('only render and commands write to the streams', () => {
    const wrong = files.filter((file) => {
      if (RULES[folderOf(file)]?.writes === true) return false
      const text = withoutStrings(readFileSync(join(src, file), 'utf8'))
      return /\bprocess\.(stdout|stderr)\b|\bconsole\.\w+\(/.test(text)
    })
    expect(wrong).toEqual([])
  })

  test('only compose.ts names drivers that connect', () => {
    const transports = imports.filter((line) => line.folder === 'app' && /drivers\/(transport|balancer)\//.test(line.target))
    expect([...new Set(transports.map((line) => line.file))].filter((file) => file !== 'app/compose.ts')).toEqual([])
  })
})

/** Template strings hold programs for other machines, comments hold examples. */
function withoutStrings(text: string): string {
  return text
    .replace(/`(?:[^`\\]|\\.)*`/gs, '``')
    .replace(/\/\/.*$/gm, '')
    .replace(/\/\*.*?\*\//gs, '')
}

type PackageFile = {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly packages?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

function readJson(path: string): PackageFile {
  // Our own files; the tests below look at what is in them.
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as PackageFile
}

describe('the repository', () => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    .split('\0')
    .filter((path) => path !== '')

  test('names no registry in its lockfile, and npm is told to keep it so', () => {
    expect(
      Object.entries(readJson('package-lock.json').packages ?? {}).filter(([, entry]) => /^https?:/.test(String(entry.resolved))),
    ).toEqual([])
    const settings = readFileSync(join(root, '.npmrc'), 'utf8')
    expect(settings).toContain('omit-lockfile-registry-resolved=true')
    expect(settings).toContain('ignore-scripts=true')
  })

  test('pins every dependency to one version', () => {
    const { dependencies, devDependencies } = readJson('package.json')
    const all = Object.entries({ ...dependencies, ...devDependencies })
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
    expect(all.length).toBeGreaterThan(10)
  })

  test('holds no path of the machine it was made on', () => {
    // The checkout's own folder and its neighbours, and the home of who works here.
    const parent = dirname(root)
    const places = [
      `${root}/`,
      ...(parent === '/' ? [] : ['main', 'shared', 'briefs', '.library'].map((name) => `${parent}/${name}`)),
      ['', 'root', '.'].join('/'),
    ]
    const wrong = tracked.filter((path) => isText(path) && holdsAny(path, places))
    expect(wrong).toEqual([])
  })
})

function holdsAny(path: string, places: readonly string[]): boolean {
  const text = readFileSync(join(root, path), 'utf8')
  return places.some((place) => text.includes(place))
}

function isText(path: string): boolean {
  try {
    return !readFileSync(join(root, path)).subarray(0, 8_000).includes(0)
  } catch {
    // Deleted and not committed yet.
    return false
  }
}
