// Whether a JSON value is what a JSON Schema describes: ajv, compiled once and asked for each answer, and loaded only where
// somebody asks. Careful about three things: a keyword that is not known is refused, because one that is skipped would pass what it
// was written to catch; what is said of a value names places of the schema, never the value; and a value that nests without
// end is refused instead of followed.

/** @returns null, or where in the schema it is said what does not hold: `#/properties/id/type` */
export type SchemaCheck = (value: unknown) => string | null

/** @returns a problem in ajv's words */
export type SchemaCompiler = (schema: unknown) => { readonly check: SchemaCheck } | { readonly problem: string }

/** `format` is a remark, as the standard has it; nothing is written to a terminal. */
const OPTIONS = {
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  validateFormats: false,
  logger: false,
} as const

/** Of 2020-12, and of draft-07 where `$schema` says so. */
export async function schemaCompiler(): Promise<SchemaCompiler> {
  const [{ Ajv2020 }, { Ajv }] = await Promise.all([import('ajv/dist/2020.js'), import('ajv')])
  return (schema) => {
    try {
      // One for each: two schemas may have the same `$id`.
      const holds = (isDraft7(schema) ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS)).compile(schema as object)
      return {
        check(value) {
          try {
            return holds(value) ? null : (holds.errors?.[0]?.schemaPath ?? '#')
          } catch (error) {
            if (error instanceof RangeError) return '#'
            throw error
          }
        },
      }
    } catch (error) {
      if (error instanceof RangeError) return { problem: 'it leads to itself without end' }
      return { problem: error instanceof Error ? error.message : String(error) }
    }
  }
}

function isDraft7(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && '$schema' in schema && String(schema.$schema).includes('draft-07')
}
