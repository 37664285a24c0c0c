// File → Config of one environment: find, read, parse, merge, fill in, check, build. Everything wrong is collected with
// its place and thrown together; nothing here connects anywhere or runs anything.
import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { Config } from '../domain/config.ts'
import type { ConfigProblem } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import { buildConfig } from './build.ts'
import { findConfig, readConfig, shownFile } from './find.ts'
import { reportIssues } from './issues.ts'
import { layered, withRoles } from './merge.ts'
import { environmentName } from './names.ts'
import { ConfigError, Problems } from './problems.ts'
import { checkRules } from './rules.ts'
import { checkSchemas } from './rules-schema.ts'
import { merged as mergedShape } from './schema.ts'
import { check } from './shape.ts'
import { shown } from './show.ts'
import { nearest, showText } from './text.ts'
import { type MapNode, namesIn, type Path, type Scalar, toValue } from './tree.ts'
import { withoutUnbuilt } from './unbuilt.ts'
import { TEMPLATE } from './values.ts'
import { filledIn, hidingFilled } from './variables.ts'
import { parseYaml } from './yaml.ts'

export { ConfigError } from './problems.ts'

export type LoadOptions = {
  /** `--config`; else ROLLGATE_CONFIG, else looked for from `cwd` upwards. */
  readonly file?: string
  readonly cwd: string
  /** A file that is not written yet (the wizard's draft): its text; `file` says where it will lie, for relative paths. */
  readonly text?: string
  /** `-e` */
  readonly environment?: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** The command touches the fleet: where there are environments, one must be named. */
  readonly requireEnvironment: boolean
}

export type LoadedConfig = {
  readonly config: Config
  /** Hex; the same on every machine for the same wishes: files and logins of this machine are not in it. */
  readonly hash: string
  /** Dotted key → `FILE:LINE:COLUMN`, `environment NAME (FILE:LINE:COLUMN)` or `default`. */
  readonly origins: Readonly<Record<string, string>>
  readonly masked: unknown
  readonly environments: readonly string[]
}

export type Validation = { readonly file: string; readonly problems: readonly ConfigProblem[]; readonly environments: readonly string[] }

/** @throws ConfigError E_CONFIG with every problem; RollgateError E_CONFIG_MISSING, E_USAGE for a wrong or missing environment */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const source = await readSource(options)
  if (source.root === null) throw new ConfigError(source.problems.list())
  const { root, environments } = source
  const environment = chosenEnvironment(options, environments)
  const result = await validate(root, environment, options.env, source.problems)
  if (result === null) {
    // Hosts often stand only in the environments: then the top level alone is not a configuration.
    const { problems } =
      environment === undefined && environments.length > 0 ? await validateConfig(options) : { problems: source.problems.list() }
    throw problems.length === 0 ? needsEnvironment(environments) : new ConfigError(problems)
  }
  const config = buildConfig(result.merged, {
    file: source.file,
    directory: dirname(source.file),
    home: options.env.HOME || homedir(),
    environment: environment ?? null,
  })
  const { masked, origins } = shown(mergedShape, result.tree, { file: source.name, environment: environment ?? null })
  return { config, hash: hashOf(config), origins, masked, environments }
}

/**
 * Every problem of the file, for `config validate`: of one environment where it is named, else of all of them.
 * @throws RollgateError E_CONFIG_MISSING, E_USAGE for an environment that is not there
 */
export async function validateConfig(options: Omit<LoadOptions, 'requireEnvironment'>): Promise<Validation> {
  const source = await readSource(options)
  const { file, environments, problems, root } = source
  if (root !== null) {
    const environment = chosenEnvironment({ ...options, requireEnvironment: false }, environments)
    const layers = environment !== undefined || environments.length === 0 ? [environment] : environments
    for (const layer of layers) await validate(root, layer, options.env, problems)
  }
  return { file, problems: problems.list(), environments }
}

type Source = {
  readonly file: string
  readonly name: string
  readonly root: MapNode | null
  readonly problems: Problems
  readonly environments: readonly string[]
}

async function readSource(options: Omit<LoadOptions, 'requireEnvironment'>): Promise<Source> {
  const { text } = options
  const file = text === undefined ? await findConfig(options) : resolve(options.cwd, options.file ?? 'rollgate.yml')
  const name = shownFile(file, options.cwd)
  const problems = new Problems(name)
  const start = { line: 1, column: 1 }
  const read = text === undefined ? await readConfig(file) : { text }
  if ('problem' in read) problems.report(start, '', read.problem)
  const parsed = 'text' in read ? parseYaml(read.text) : null
  for (const problem of parsed?.problems ?? []) problems.report(problem.at, problem.key, problem.message)
  const root = parsed?.root ?? null
  if (root?.kind === 'scalar' && root.value === null) problems.report(start, '', 'the file is empty: `rollgate init` writes one')
  else if (root !== null && root.kind !== 'map') problems.report(start, '', 'the file must be a map of keys such as `app: shop`')
  if (root?.kind !== 'map') return { file, name, root: null, problems, environments: [] }
  return { file, name, root, problems, environments: checkEnvironments(root, problems) }
}

function checkEnvironments(root: MapNode, problems: Problems): readonly string[] {
  const entry = root.entries.get('environments')
  if (entry === undefined) return []
  if (entry.value.kind !== 'map') {
    problems.report(entry.value.at, 'environments', 'must be a map of environments: `production: { confirm: true }`')
    return []
  }
  for (const [name, layer] of entry.value.entries) {
    const parsed = environmentName.parse(name)
    if ('problem' in parsed) problems.report(layer.at, layer.value.key, parsed.problem)
    const inner = layer.value.kind === 'map' ? layer.value.entries.get('environments') : undefined
    if (inner !== undefined) problems.report(inner.at, inner.value.key, 'environments do not nest')
    const empty = layer.value.kind === 'scalar' && layer.value.value === null
    if (layer.value.kind !== 'map' && !empty) problems.report(layer.value.at, layer.value.key, 'must be a map of keys')
  }
  return namesIn(root, ['environments'])
}

function chosenEnvironment(options: LoadOptions, environments: readonly string[]): string | undefined {
  const { environment } = options
  if (environment === undefined) {
    if (options.requireEnvironment && environments.length > 0) throw needsEnvironment(environments)
    return undefined
  }
  if (environments.includes(environment)) return environment
  const meant = nearest(environment, environments)
  throw new RollgateError('E_USAGE', `there is no environment ${showText(environment)} in the configuration`, {
    hints: [
      ...(meant === null ? [] : [`did you mean -e ${meant}?`]),
      environments.length === 0 ? 'the file has no `environments`: leave -e out' : `environments: ${listed(environments)}`,
    ],
  })
}

function needsEnvironment(environments: readonly string[]): RollgateError {
  return new RollgateError('E_USAGE', 'say which environment is meant: -e NAME', {
    hints: [`environments: ${listed(environments)}`],
  })
}

function listed(names: readonly string[]): string {
  return names.map((name) => showText(name, { quotes: false })).join(', ')
}

type Validated = { readonly merged: Parameters<typeof buildConfig>[0]; readonly tree: MapNode }

/** null: there are problems, told to `problems`. */
async function validate(
  root: MapNode,
  environment: string | undefined,
  env: LoadOptions['env'],
  problems: Problems,
): Promise<Validated | null> {
  const layers = layered(root, environment)
  const built = withoutUnbuilt(layers, problems.report)
  const filled = filledIn(built, env, namesIn(built, ['secrets']), problems.report)
  const tree = filled.kind === 'map' ? withRoles(filled) : built
  const result = check(mergedShape, toValue(tree, [], scalarValue))
  const report = hidingFilled(tree, problems.report)
  if ('issues' in result) reportIssues(mergedShape, tree, result.issues, report)
  checkRules(tree, { inventory: layers.entries.has('inventory') }, report)
  if ('value' in result) await checkSchemas(result.value.loads, { root: tree, report })
  return problems.any || 'issues' in result ? null : { merged: result.value, tree }
}

/** `PORT: 8080` and `VERSION: 1.10` in an environment mean their text; so do labels and zones. */
function scalarValue(scalar: Scalar, path: Path): unknown {
  if (scalar.value === null) return null
  const text = scalar.filled ?? (typeof scalar.value === 'string' ? scalar.value : scalar.source)
  if (path[0] === 'release' && path[1] === 'env' && path.length === 3) return { [TEMPLATE]: scalar.parts ?? [text] }
  return path[0] === 'hosts' && (path[2] === 'labels' || path[2] === 'zone') ? text : scalar.value
}

function hashOf(config: Config): string {
  const { file: _file, directory, ssh, secrets, loads, engines, gates, ...wishes } = config
  // Their files lie beside the configuration, on whichever machine it is.
  const inFolder = (key: string, value: unknown): unknown =>
    (key === 'path' || key === 'ca') && typeof value === 'string' && value.startsWith(`${directory}/`)
      ? value.slice(directory.length + 1)
      : value
  const measured: unknown = JSON.parse(
    JSON.stringify({ loads, ...(Object.keys(engines).length === 0 ? {} : { engines }), gates }),
    inFolder,
  )
  const hashed = { ...wishes, measured, ssh: { user: ssh.user, transport: ssh.transport }, secrets: Object.keys(secrets).sort() }
  return createHash('sha256').update(canonical(hashed)).digest('hex')
}

/** JSON with sorted keys: the order of keys in a map means nothing. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
