// The vocabulary the schema is written in: objects with strict keys, lists, names, values. Each word carries at once what
// is accepted, what comes out of it, its JSON Schema and its place in the reference. The only file that knows zod.
import * as z from 'zod'

export type Json = Readonly<Record<string, unknown>>

/** What a value may be: parsed and checked by one function that says what is wrong in words. */
export type Kind<T> = {
  /** For the reference: "a duration such as `10s`". */
  readonly says: string
  readonly json: Json
  parse(value: unknown): Parsed<T>
}
export type Parsed<T> = { readonly value: T } | { readonly problem: string; readonly nearest?: string }

export type Shape<T = unknown> = z.ZodType<T, unknown>
export type Fields = Readonly<Record<string, z.core.$ZodType>>
export type Output<S extends z.core.$ZodType> = z.output<S>

/** One value; missing and empty are said here, the rest by the kind. */
export function value<T>(kind: Kind<T>) {
  return z
    .unknown()
    .transform((given, context): T => {
      const parsed = given === undefined ? { problem: 'is missing' } : given === null ? { problem: 'has no value' } : kind.parse(given)
      if ('value' in parsed) return parsed.value
      const nearest = 'nearest' in parsed ? { nearest: parsed.nearest } : {}
      context.addIssue({ code: 'custom', message: parsed.problem, params: { missing: given === undefined, ...nearest } })
      return z.NEVER
    })
    .meta({ says: kind.says, json: kind.json })
}

/** A map whose keys are all known: any other key is a problem. */
export function object<F extends z.core.$ZodLooseShape>(fields: F) {
  return z.strictObject(fields)
}

export function list<S extends z.core.$ZodType>(item: S) {
  return z.array(item)
}

/** A map whose keys are names that people choose; `example` stands for one in the reference: `hosts.NAME.port`. */
export function named<S extends z.core.$ZodType>(names: Kind<string>, example: string, item: S) {
  const key = z.string().superRefine((given, context) => {
    const parsed = names.parse(given)
    if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem })
  })
  return z.record(key.meta({ json: names.json, isKey: true }), item).meta({ example })
}

/** The first alternative of the right type says what is wrong. */
export function either<const S extends readonly z.core.$ZodType[]>(...shapes: S) {
  return z.union(shapes)
}

export function optional<S extends z.core.$ZodType>(shape: S) {
  return z.exactOptional(shape)
}

/** With a default as somebody would write it. */
export function withDefault<S extends z.core.$ZodType>(shape: S, written: z.core.input<S>) {
  return z.prefault(shape, written as never)
}

export function doc<S extends z.ZodType>(shape: S, description: string): S {
  return shape.meta({ ...shape.meta(), description })
}

export type Issue = z.core.$ZodIssue
export type Checked<T> = { readonly value: T } | { readonly issues: readonly Issue[] }

export function check<S extends z.core.$ZodType>(shape: S, given: unknown): Checked<z.output<S>> {
  const result = z.safeParse(shape, given)
  return result.success ? { value: result.data } : { issues: result.error.issues }
}

// --- looking into a shape: for the reference, for defaults, for the nearest key ---

export type Look =
  | { readonly kind: 'object'; readonly fields: Fields }
  | { readonly kind: 'named'; readonly example: string; readonly item: z.core.$ZodType }
  | { readonly kind: 'list'; readonly item: z.core.$ZodType }
  | { readonly kind: 'either'; readonly shapes: readonly z.core.$ZodType[] }
  | { readonly kind: 'value'; readonly says: string; readonly json: Json }

export type Looked = {
  readonly look: Look
  readonly description: string
  readonly required: boolean
  /** As written; undefined: none. */
  readonly written: unknown
}

/** What a shape is, with the wrappers taken off. */
export function lookInto(shape: z.core.$ZodType): Looked {
  let here = shape
  let description = ''
  let required = true
  let written: unknown
  for (;;) {
    description ||= String(metaOf(here).description ?? '')
    if (here instanceof z.ZodExactOptional) {
      required = false
      here = here.unwrap()
    } else if (here instanceof z.ZodPrefault) {
      required = false
      written ??= here.def.defaultValue
      here = here.unwrap()
    } else break
  }
  return { look: lookAt(here), description, required, written }
}

function lookAt(shape: z.core.$ZodType): Look {
  const meta = metaOf(shape)
  if (shape instanceof z.ZodObject) return { kind: 'object', fields: shape.shape as Fields }
  if (shape instanceof z.ZodRecord) return { kind: 'named', example: String(meta.example ?? 'NAME'), item: shape.valueType }
  if (shape instanceof z.ZodArray) return { kind: 'list', item: shape.element }
  if (shape instanceof z.ZodUnion) return { kind: 'either', shapes: shape.options }
  return { kind: 'value', says: String(meta.says ?? ''), json: (meta.json ?? {}) as Json }
}

function metaOf(shape: z.core.$ZodType): Readonly<Record<string, unknown>> {
  return z.globalRegistry.get(shape) ?? {}
}

/** JSON Schema (draft 2020-12) of what may be written. */
export function toJsonSchema(shape: z.core.$ZodType): Record<string, unknown> {
  return z.toJSONSchema(shape, {
    io: 'input',
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const own = metaOf(zodSchema).json
      if (own !== undefined) Object.assign(jsonSchema, metaOf(zodSchema).isKey === true ? own : orVariable(own as Json))
      for (const ours of ['json', 'says', 'example', 'isKey']) Reflect.deleteProperty(jsonSchema, ours)
    },
  }) as Record<string, unknown>
}

/** `port: ${PORT}` is fine wherever a value is; where any text is, nothing need be said. */
function orVariable(own: Json): Json {
  const anyText = [own.type].flat().includes('string') && own.pattern === undefined && own.maxLength === undefined
  return anyText ? own : { anyOf: [own, { $ref: '#/$defs/variable' }] }
}
