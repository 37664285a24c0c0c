// A little language for JSON Schemas that TypeScript can read as well: each schema carries the type of what it accepts,
// so a test compares it with the types of src/domain/document.ts, and neither can drift from the other.

export type Json = { readonly [key: string]: unknown }
export type Schema<T> = { readonly json: Json; readonly accepts?: T }
export type Of<S> = S extends Schema<infer T> ? T : never

type Fields = { readonly [name: string]: Schema<unknown> }
type Whole<F extends Fields> = { readonly [K in keyof F]: Of<F[K]> }
type Parts<F extends Fields> = { readonly [K in keyof F]?: Of<F[K]> }

export const text: Schema<string> = { json: { type: 'string' } }
export const number: Schema<number> = { json: { type: 'number' } }
export const count: Schema<number> = { json: { type: 'integer' } }
export const bool: Schema<boolean> = { json: { type: 'boolean' } }
export const anything: Schema<unknown> = { json: {} }

/** An object whose inside is not part of the contract. */
export function opaque<T extends object>(description: string): Schema<T> {
  return { json: { type: 'object', description } }
}

export function words<const W extends readonly string[]>(...all: W): Schema<W[number]> {
  return { json: { enum: all } }
}

export function exactly<const V extends string | number>(value: V): Schema<V> {
  return { json: { const: value } }
}

export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return { json: { anyOf: [schema.json, { type: 'null' }] } }
}

export function list<T>(item: Schema<T>): Schema<readonly T[]> {
  return { json: { type: 'array', items: item.json } }
}

export function record<T>(value: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return { json: { type: 'object', additionalProperties: value.json } }
}

export function object<R extends Fields, O extends Fields = Record<never, never>>(required: R, optional?: O): Schema<Whole<R> & Parts<O>> {
  return { json: { type: 'object', properties: propertiesOf({ ...required, ...optional }), required: Object.keys(required) } }
}

export function propertiesOf(fields: Fields): Json {
  return Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, schema.json]))
}
