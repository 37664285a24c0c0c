// Scenarios ready to be sent: everything that can be wrong in them is found here, before the first request. Careful
// about three things: both targets of a pair get the same scenario, the same rows and the same drawn values; no value
// from a data file or an answer can break out of its place in a request; secrets stay names until `resolveSecrets`.
import { RollgateError } from '../domain/error.ts'
import type { LoadRequest, LoadScenario, LoadSettings } from '../domain/load.ts'
import { createFeeder, type Feeder, type Row, readRows } from './data.ts'
import { createMix } from './mix.ts'
import type { Random } from './random.ts'
import { compileRequest, type Step, type Visit } from './request.ts'
import { compileSchemas, type Schemas, withSchemas } from './schemas.ts'
import type { Expression, Names } from './template.ts'

export type Scenario = { readonly name: string; readonly steps: readonly [Step, ...Step[]] }

export type Arrival = { readonly scenario: Scenario; visit(): Visit }

export type Scenarios = {
  readonly all: readonly Scenario[]
  readonly login: Step | null
  /** What the next arrival does; null: rows that may be used once ran out. */
  next(): Arrival | null
  /** A visit outside of the mix (the login). */
  visit(): Visit
}

export type ScenarioContext = {
  readonly runId: string
  readonly random: Random
  readonly env: Readonly<Record<string, string | undefined>>
  /** Asked once for each name, before anything is sent. */
  readonly readSecret: (name: string) => Promise<string>
  /** Rows that are here already, by the name of their data. */
  readonly rows?: Readonly<Record<string, readonly Row[]>>
}

/** @throws RollgateError E_LOAD, E_LOAD_DATA, and what `readSecret` throws */
export async function prepareScenarios(asked: LoadSettings, context: ScenarioContext): Promise<Scenarios> {
  const settings = await withSchemas(asked)
  const schemas = await compileSchemas(settings)
  const rows = new Map<string, readonly Row[]>()
  for (const [name, data] of Object.entries(settings.data)) rows.set(name, context.rows?.[name] ?? (await readRows(name, data)))
  const secrets = createSecrets()
  const data = Object.fromEntries(
    Object.entries(settings.data).map(([name, { format }]) => [name, format === 'csv' ? Object.keys(rows.get(name)?.[0] ?? {}) : null]),
  )
  const names = { data, env: context.env, secret: secrets.name }
  const compile = (scenario: LoadScenario): Scenario => ({ name: scenario.name, steps: compileSteps(scenario, settings, names, schemas) })
  const all = settings.scenarios.map(compile)
  checkScenarios(settings)
  const login = settings.auth?.kind === 'login' ? compileLogin(settings.auth.request, settings, names, schemas) : null
  await secrets.resolve(context.readSecret)

  const { runId } = context
  const random = context.random.fork('scenario')
  const feeders = new Map<string, Feeder>()
  for (const [name, { order }] of Object.entries(settings.data))
    feeders.set(name, createFeeder(rows.get(name) ?? [], order, context.random.fork(`data ${name}`)))
  const draw = createMix(settings.scenarios.map((scenario) => scenario.weight))
  const used = all.map((_, index) =>
    dataUsedBy([settings.scenarios[index]?.steps, settings.headers, settings.auth], Object.keys(settings.data)),
  )
  const visitWith = (chosen: ReadonlyMap<string, Row>, drawn: Map<Expression, unknown>): Visit => ({
    ...{ runId, random, drawn },
    captured: new Map(),
    row: (name) => chosen.get(name),
  })
  // Most load is one request again and again: nothing is made for its arrivals.
  const plain = all.map((scenario, index): Arrival | null => {
    if ((used[index] ?? []).length > 0 || scenario.steps.some((step) => !step.fixed)) return null
    const visit = visitWith(new Map(), new Map())
    return { scenario, visit: () => visit }
  })
  return {
    all,
    login,
    visit: () => visitWith(new Map(), new Map()),
    next() {
      const index = draw(random)
      const always = plain[index]
      if (always !== null && always !== undefined) return always
      const scenario = all[index]
      const chosen = new Map<string, Row>()
      for (const name of used[index] ?? []) {
        const row = feeders.get(name)?.next() ?? null
        if (row === null) return null
        chosen.set(name, row)
      }
      if (scenario === undefined) return null
      const drawn = new Map<Expression, unknown>()
      return { scenario, visit: () => visitWith(chosen, drawn) }
    },
  }
}

/** What the shape of the settings cannot say. */
function checkScenarios(settings: LoadSettings): void {
  const bad = (message: string, hint: string) => new RollgateError('E_LOAD', message, { hints: [hint] })
  const weights = settings.scenarios.map((scenario) => scenario.weight)
  if (weights.some((weight) => !(weight >= 0 && Number.isFinite(weight))) || weights.every((weight) => weight === 0))
    throw bad(`load "${settings.name}": weights are numbers from 0 up, and one of them above 0`, 'weight: 1')
  const names = settings.scenarios.map((scenario) => scenario.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw bad(`load "${settings.name}": two requests are called "${twice}"`, 'give them a `name`')
  for (const { name, steps } of settings.scenarios) {
    for (const { method } of steps) {
      if (settings.safety.methods.includes(method)) continue
      throw bad(
        `load "${settings.name}", ${name}: ${method} may change something, and is not allowed`,
        `safety: { methods: [${[...settings.safety.methods, method].join(', ')}] }`,
      )
    }
  }
}

type OwnNames = Omit<Names, 'captured'>

function compileSteps(scenario: LoadScenario, settings: LoadSettings, names: OwnNames, schemas: Schemas): [Step, ...Step[]] {
  const captured: string[] = []
  const step = (request: LoadRequest, index: number): Step => {
    const where = `load "${settings.name}", ${scenario.name}${scenario.steps.length > 1 ? `, step ${index + 1}` : ''}`
    const name = scenario.steps.length > 1 ? `${scenario.name} ${index + 1}` : scenario.name
    const compiled = compileRequest(name, request, settings, { ...names, captured: [...captured] }, where, schemas)
    captured.push(...Object.keys(request.capture ?? {}))
    return compiled
  }
  const [first, ...rest] = scenario.steps
  return [step(first, 0), ...rest.map((request, index) => step(request, index + 1))]
}

function compileLogin(request: LoadRequest, settings: LoadSettings, names: OwnNames, schemas: Schemas): Step {
  const where = `load "${settings.name}", auth.login`
  return compileRequest('login', request, { ...settings, auth: null }, { ...names, captured: [] }, where, schemas)
}

/** Names of data that a scenario's texts speak of: only those are advanced for it. */
function dataUsedBy(texts: unknown, names: readonly string[]): readonly string[] {
  const text = JSON.stringify(texts)
  return names.filter((name) => new RegExp(`\\{\\{\\s*${name.replace(/[^\w]/g, '\\$&')}\\.`).test(text))
}

function createSecrets() {
  const values = new Map<string, string>()
  const wanted = new Set<string>()
  return {
    name: (name: string) => {
      wanted.add(name)
      return () => values.get(name) ?? ''
    },
    async resolve(read: (name: string) => Promise<string>) {
      for (const name of wanted) values.set(name, await read(name))
    },
  }
}
