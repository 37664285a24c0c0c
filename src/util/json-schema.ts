// Whether a JSON value is what a JSON Schema (2020-12) describes: the part of it that describes answers of services,
// compiled once and asked for each answer. Careful about three things: a keyword that is not known here is refused, because
// one that is skipped would pass what it was written to catch; what is said of a value names places of the schema, never
// the value; and a value that nests without end is refused instead of followed.

/** @returns null, or where in the schema it is said what does not hold: `#/properties/id/type` */
export type SchemaCheck = (value: unknown) => string | null

type Check = (value: unknown, depth: number) => string | null
type Fields = Readonly<Record<string, unknown>>
type Compiler = { readonly root: unknown; readonly known: Map<string, Check> }
type Keyword = (given: unknown, at: string, schema: Fields, compiler: Compiler) => Check

const DEEPEST = 200

/** A sentence about the schema; caught in this file. */
class Unusable extends Error {}

/** @returns a problem in words that follow "is" or stand alone, with its place in the schema */
export function compileJsonSchema(schema: unknown): { readonly check: SchemaCheck } | { readonly problem: string } {
  try {
    const check = compile(schema, '#', { root: schema, known: new Map() })
    return { check: (value) => check(value, 0) }
  } catch (error) {
    if (error instanceof Unusable) return { problem: error.message }
    throw error
  }
}

function compile(schema: unknown, at: string, compiler: Compiler): Check {
  if (schema === true) return () => null
  if (schema === false) return () => at
  if (!isFields(schema)) throw new Unusable(`${at} is no schema: an object, true or false is wanted`)
  const checks = Object.entries(schema).flatMap(([keyword, given]): readonly Check[] => {
    if (SAYS_NOTHING.has(keyword)) return []
    const known = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined
    if (known === undefined) throw new Unusable(`${at}: the keyword ${JSON.stringify(keyword.slice(0, 60))} is not known here`)
    return [known(given, `${at}/${keyword}`, schema, compiler)]
  })
  return (value, depth) => {
    if (depth > DEEPEST) return at
    for (const check of checks) {
      const wrong = check(value, depth + 1)
      if (wrong !== null) return wrong
    }
    return null
  }
}

/** Remarks, and what another keyword has read already. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([
  ...['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'deprecated'],
  ...['readOnly', 'writeOnly', 'format', 'then', 'else'],
])

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  type(given, at) {
    const types = [given].flat()
    const tests = types.map((type) => (typeof type === 'string' && Object.hasOwn(TYPES, type) ? TYPES[type] : undefined))
    if (tests.length === 0 || tests.includes(undefined)) throw new Unusable(`${at} is none of ${Object.keys(TYPES).join(', ')}`)
    return (value) => (tests.some((test) => test?.(value)) ? null : at)
  },
  enum(given, at) {
    const allowed = new Set(listOf(given, at).map((one) => canonical(one)))
    return (value) => (allowed.has(canonical(value)) ? null : at)
  },
  const(given, at) {
    const wanted = canonical(given)
    return (value) => (canonical(value) === wanted ? null : at)
  },
  $ref: (given, at, _, compiler) => reference(given, at, compiler),

  allOf(given, at, _, compiler) {
    const all = several(given, at, compiler)
    return (value, depth) => all.map((check) => check(value, depth)).find((wrong) => wrong !== null) ?? null
  },
  anyOf(given, at, _, compiler) {
    const all = several(given, at, compiler)
    return (value, depth) => (all.some((check) => check(value, depth) === null) ? null : at)
  },
  oneOf(given, at, _, compiler) {
    const all = several(given, at, compiler)
    return (value, depth) => (all.filter((check) => check(value, depth) === null).length === 1 ? null : at)
  },
  not(given, at, _, compiler) {
    const check = compile(given, at, compiler)
    return (value, depth) => (check(value, depth) === null ? at : null)
  },
  if(given, at, schema, compiler) {
    const above = at.slice(0, -'/if'.length)
    const [when, yes, no] = [given, schema.then ?? true, schema.else ?? true].map((one, index) =>
      compile(one, `${above}/${['if', 'then', 'else'][index]}`, compiler),
    )
    return (value, depth) => (when?.(value, depth) === null ? yes : no)?.(value, depth) ?? null
  },

  properties(given, at, _, compiler) {
    const all = Object.entries(fieldsOf(given, at)).map(([name, schema]) => ({
      name,
      check: compile(schema, `${at}/${token(name)}`, compiler),
    }))
    return ofObjects((value, depth) =>
      firstWrong(all, ({ name, check }) => (Object.hasOwn(value, name) ? check(value[name], depth) : null)),
    )
  },
  patternProperties(given, at, _, compiler) {
    const all = Object.entries(fieldsOf(given, at)).map(([text, schema]) => ({
      pattern: patternOf(text, at),
      check: compile(schema, `${at}/${token(text)}`, compiler),
    }))
    return ofObjects((value, depth) =>
      firstWrong(Object.keys(value), (name) =>
        firstWrong(all, ({ pattern, check }) => (pattern.test(name) ? check(value[name], depth) : null)),
      ),
    )
  },
  additionalProperties(given, at, schema, compiler) {
    const check = compile(given, at, compiler)
    const known = new Set(Object.keys(isFields(schema.properties) ? schema.properties : {}))
    const patterns = Object.keys(isFields(schema.patternProperties) ? schema.patternProperties : {}).map((text) => patternOf(text, at))
    return ofObjects((value, depth) =>
      firstWrong(Object.keys(value), (name) =>
        known.has(name) || patterns.some((pattern) => pattern.test(name)) ? null : check(value[name], depth),
      ),
    )
  },
  required(given, at) {
    const names = listOf(given, at).map(String)
    return ofObjects((value) => (names.every((name) => Object.hasOwn(value, name)) ? null : at))
  },
  minProperties: counted((given, at) => ofObjects((value) => (Object.keys(value).length >= given ? null : at))),
  maxProperties: counted((given, at) => ofObjects((value) => (Object.keys(value).length <= given ? null : at))),

  prefixItems(given, at, _, compiler) {
    const all = several(given, at, compiler)
    return ofLists((value, depth) =>
      firstWrong([...all.entries()], ([index, check]) => (index < value.length ? check(value[index], depth) : null)),
    )
  },
  items(given, at, schema, compiler) {
    const check = compile(given, at, compiler)
    const from = Array.isArray(schema.prefixItems) ? schema.prefixItems.length : 0
    return ofLists((value, depth) => firstWrong(value.slice(from), (item) => check(item, depth)))
  },
  contains(given, at, _, compiler) {
    const check = compile(given, at, compiler)
    return ofLists((value, depth) => (value.some((item) => check(item, depth) === null) ? null : at))
  },
  minItems: counted((given, at) => ofLists((value) => (value.length >= given ? null : at))),
  maxItems: counted((given, at) => ofLists((value) => (value.length <= given ? null : at))),
  uniqueItems: (given, at) =>
    ofLists((value) => (given !== true || new Set(value.map((item) => canonical(item))).size === value.length ? null : at)),

  minLength: counted((given, at) => ofTexts((value) => ([...value].length >= given ? null : at))),
  maxLength: counted((given, at) => ofTexts((value) => ([...value].length <= given ? null : at))),
  pattern(given, at) {
    const pattern = patternOf(given, at)
    return ofTexts((value) => (pattern.test(value) ? null : at))
  },

  minimum: numbered((given, at) => ofNumbers((value) => (value >= given ? null : at))),
  maximum: numbered((given, at) => ofNumbers((value) => (value <= given ? null : at))),
  exclusiveMinimum: numbered((given, at) => ofNumbers((value) => (value > given ? null : at))),
  exclusiveMaximum: numbered((given, at) => ofNumbers((value) => (value < given ? null : at))),
  multipleOf: numbered((given, at) => {
    if (!(given > 0)) throw new Unusable(`${at} is no number above 0`)
    return ofNumbers((value) => (Number.isInteger(Number((value / given).toPrecision(12))) ? null : at))
  }),
}

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  object: isFields,
  array: Array.isArray,
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  string: (value) => typeof value === 'string',
}

/** Of this schema itself; what lies elsewhere would have to be fetched. */
function reference(given: unknown, at: string, compiler: Compiler): Check {
  if (typeof given !== 'string' || !/^#(\/|$)/.test(given)) throw new Unusable(`${at} leads out of the schema: only #/… is followed`)
  const known = compiler.known.get(given)
  if (known !== undefined) return known
  // It may lead to a place that it stands in: known before it is compiled.
  let found: Check | null = null
  const check: Check = (value, depth) => (depth > DEEPEST ? at : (found?.(value, depth + 1) ?? null))
  compiler.known.set(given, check)
  found = compile(placeOf(given, at, compiler.root), given, compiler)
  return check
}

function placeOf(pointer: string, at: string, root: unknown): unknown {
  let place = root
  for (const step of pointer.split('/').slice(1)) {
    const name = unescaped(step).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof place !== 'object' || place === null || !Object.hasOwn(place, name))
      throw new Unusable(`${at} leads nowhere: ${pointer.slice(0, 200)}`)
    place = (place as Fields)[name]
  }
  return place
}

function unescaped(step: string): string {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

const token = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

function several(given: unknown, at: string, compiler: Compiler): readonly Check[] {
  return listOf(given, at).map((schema, index) => compile(schema, `${at}/${index}`, compiler))
}

function listOf(given: unknown, at: string): readonly unknown[] {
  if (Array.isArray(given) && given.length > 0) return given
  throw new Unusable(`${at} is no list of at least one`)
}

function fieldsOf(given: unknown, at: string): Fields {
  if (isFields(given)) return given
  throw new Unusable(`${at} is no map`)
}

function patternOf(given: unknown, at: string): RegExp {
  try {
    if (typeof given === 'string') return new RegExp(given, 'u')
  } catch {
    // Said below: the engine's own words name neither the schema nor the place.
  }
  throw new Unusable(`${at} is no regular expression`)
}

function numbered(make: (given: number, at: string) => Check): Keyword {
  return (given, at) => {
    if (typeof given !== 'number') throw new Unusable(`${at} is no number`)
    return make(given, at)
  }
}

function counted(make: (given: number, at: string) => Check): Keyword {
  return numbered((given, at) => {
    if (!Number.isInteger(given) || given < 0) throw new Unusable(`${at} is no number of things`)
    return make(given, at)
  })
}

const ofObjects =
  (check: (value: Fields, depth: number) => string | null): Check =>
  (value, depth) =>
    isFields(value) ? check(value, depth) : null
const ofLists =
  (check: (value: readonly unknown[], depth: number) => string | null): Check =>
  (value, depth) =>
    Array.isArray(value) ? check(value, depth) : null
const ofTexts =
  (check: (value: string) => string | null): Check =>
  (value) =>
    typeof value === 'string' ? check(value) : null
const ofNumbers =
  (check: (value: number) => string | null): Check =>
  (value) =>
    typeof value === 'number' ? check(value) : null

function firstWrong<T>(all: readonly T[], wrong: (one: T) => string | null): string | null {
  for (const one of all) {
    const found = wrong(one)
    if (found !== null) return found
  }
  return null
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The same text for the same value, whatever the order of its keys. */
function canonical(value: unknown, depth = 0): string {
  if (depth > DEEPEST) return 'too deep'
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join()}]`
  if (!isFields(value)) return JSON.stringify(value) ?? 'undefined'
  const fields = Object.keys(value).sort()
  return `{${fields.map((name) => `${JSON.stringify(name)}:${canonical(value[name], depth + 1)}`).join()}}`
}
