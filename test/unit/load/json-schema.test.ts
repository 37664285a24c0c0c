// Answers against a JSON Schema: what is known here says the same as an independent implementation, what is not known is
// refused, and nothing that a target sends makes it wait or break.
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileJsonSchema } from '../../../src/util/json-schema.ts'

const ajv = new Ajv2020({ strict: false, validateFormats: false })

function checkOf(schema: unknown): (value: unknown) => string | null {
  const compiled = compileJsonSchema(schema)
  if ('problem' in compiled) throw new Error(compiled.problem)
  return compiled.check
}

const SCHEMAS: readonly Readonly<Record<string, unknown>>[] = [
  { type: 'object', required: ['a'], properties: { a: { type: 'integer', minimum: 0 }, b: { type: ['string', 'null'] } } },
  { type: 'object', properties: { a: true }, patternProperties: { '^b': { type: 'number' } }, additionalProperties: false },
  { additionalProperties: { type: 'string', minLength: 1, maxLength: 3, pattern: '^[a-z]*$' }, minProperties: 1, maxProperties: 2 },
  { type: 'array', items: { type: 'number', multipleOf: 0.5, exclusiveMaximum: 5 }, minItems: 1, maxItems: 3, uniqueItems: true },
  { prefixItems: [{ type: 'string' }, { const: { a: 1, b: [2] } }], items: { enum: [1, 'a', null, [0], { a: 0 }] } },
  { anyOf: [{ type: 'string' }, { type: 'object', required: ['a'] }], not: { const: 'a' } },
  { oneOf: [{ type: 'number' }, { type: 'integer' }, { type: 'boolean' }] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  { if: { type: 'array' }, then: { contains: { const: 1 } }, else: { type: 'object', properties: { b: false } } },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  { if: { type: 'string' }, then: { minLength: 2 } },
  { allOf: [{ $ref: '#/$defs/node' }], $defs: { node: { type: ['object', 'number'], properties: { a: { $ref: '#/$defs/node' } } } } },
  { type: 'array', items: { $ref: '#' } },
  { maximum: 2, exclusiveMinimum: -1, title: 'only remarks beside it', description: 'none', default: 3, format: 'email' },
]

/** Values that come near what the schemas ask for. */
const leaf = fc.constantFrom<unknown>(null, true, 0, 1, -1, 2, 2.5, 7, '', 'a', 'ab', 'abcd', 'B')
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'bb'), tie('any'), { maxKeys: 3 }),
  ),
})).any

describe('a JSON Schema', () => {
  test.each(SCHEMAS.map((schema) => [JSON.stringify(schema), schema] as const))('%s says what ajv says', (_, schema) => {
    const [ours, theirs] = [checkOf(schema), ajv.compile(schema)]
    fc.assert(
      fc.property(value, (given) => void expect(ours(given) === null).toBe(theirs(given))),
      { numRuns: 400 },
    )
  })

  test('names the place in the schema, and nothing of the answer', () => {
    const check = checkOf({ type: 'object', additionalProperties: { type: 'number' }, properties: { 'a/b': { enum: [1] } } })
    expect(check('secret')).toBe('#/type')
    expect(check({ secret: 'secret' })).toBe('#/additionalProperties/type')
    expect(check({ 'a/b': 2 })).toBe('#/properties/a~1b/enum')
  })

  test.each([
    ['a keyword that is not known', { type: 'object', dependentRequired: {} }, '#: the keyword "dependentRequired" is not known here'],
    ['one deep inside', { properties: { a: { nullable: true } } }, '#/properties/a: the keyword "nullable"'],
    ['a keyword that every object has', JSON.parse('{"__proto__": 1}'), '#: the keyword "__proto__"'],
    ['an unknown type', { type: 'float' }, '#/type is none of'],
    ['a reference to elsewhere', { $ref: 'https://example.com/s.json' }, 'leads out of the schema'],
    ['a reference to nowhere', { $ref: '#/$defs/a' }, 'leads nowhere'],
    ['a broken pattern', { pattern: '(' }, '#/pattern is no regular expression'],
    ['a list that is none', { required: 'a' }, '#/required is no list'],
    ['a bound that is none', { minimum: '1' }, '#/minimum is no number'],
    ['half a thing', { minItems: 0.5 }, '#/minItems is no number of things'],
    ['no schema at all', ['a'], 'is no schema'],
  ])('%s is refused', (_, schema, why) => {
    expect(compileJsonSchema(schema)).toMatchObject({ problem: expect.stringContaining(why) })
  })

  test('what nests without end is refused, whether it is the answer or the schema', () => {
    const deep = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) as unknown
    expect(checkOf({ type: 'array', items: { $ref: '#' } })(deep)).not.toBeNull()
    expect(checkOf({ enum: [1] })(deep)).toBe('#/enum')
    expect(checkOf({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } })(1)).not.toBeNull()
  })
})
